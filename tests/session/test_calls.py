"""Simple calls of a session: against real servers, and against limited or malicious ones."""

from __future__ import annotations

import contextlib
import itertools
import socket
import stat

import pytest

from secftp.errors import (
    Cancelled,
    ConnectionLost,
    FileError,
    Forbidden,
    HandshakeRefused,
    IsADirectory,
    NameRefused,
    NoSpace,
    NotFound,
    ProtocolError,
    UsageError,
)
from secftp.protocol import (
    Abort,
    Bye,
    Cancel,
    Capability,
    Copy,
    End,
    Entries,
    Error,
    ErrorCode,
    File,
    Info,
    Kind,
    List,
    Listed,
    MakeDirectory,
    Ok,
    Read,
    Remove,
    Rename,
    SessionLimits,
    SetAttributes,
    Space,
    Stat,
    Sum,
    Welcome,
    Write,
)
from secftp.storage import WriteOptions, new_digest
from secftp.storage.attributes import KEPT_OPTIONS
from tests.support.serving import MemorySink, MemorySource, digest_of, fake_server, get, listing, put, serving, session

PATTERN = bytes(range(256)) * 4096


def welcome(*capabilities):
    return Welcome(
        version=1, software="s", capabilities=capabilities, limits=SessionLimits(requests=16, keepalive=15, idle=60)
    )


def answering(*capabilities, answers):
    """A server that names these capabilities and gives these answers, one for each request it gets."""

    def play(wire):
        wire.send(welcome(*capabilities))
        for answer in answers:
            request = wire.receive()
            assert request is not None
            wire.send(*answer(request))
        while wire.receive() is not None:
            pass

    return play


def test_a_session_knows_what_its_server_can(tmp_path):
    with serving(tmp_path) as server, server.session() as client:
        assert client.welcome is None
        assert client.can(Capability.LIST)
        assert not client.can("teleport")
        assert client.welcome is not None
        known = {"ranges", "stat", "list", "change", "sum", "resume", "many", "versions"}
        assert known <= set(client.welcome.capabilities)


LACKING = {
    "stat": lambda client: client.stat((b"name",)),
    "partial": lambda client: client.stat((b"name",), partial=True),
    "list": lambda client: next(client.list((b"name",))),
    "remove": lambda client: client.remove((b"name",)),
    "rename": lambda client: client.rename((b"name",), (b"other",)),
    "folder": lambda client: client.make_directory((b"name",)),
    "space": lambda client: client.space((b"name",)),
    "copy": lambda client: client.copy((b"name",), (b"other",)),
    "attributes": lambda client: client.set_attributes((b"name",), mode=0o600),
    "checksum": lambda client: client.checksum((b"name",)),
    "offset": lambda client: client.read((b"name",), MemorySink(), offset=1),
    "length": lambda client: client.read((b"name",), MemorySink(), length=1),
    "read on": lambda client: client.read((b"name",), MemorySink(), offset=1, prefix=new_digest("xxh128")),
    "write on": lambda client: client.write((b"name",), MemorySource(b"ab"), offset=1, prefix=new_digest("xxh128")),
    "keep": lambda client: client.write((b"name",), MemorySource(b"ab"), KEPT_OPTIONS),
    "many": lambda client: client.require(Capability.MANY, (b"name",)),
}


def test_what_an_older_server_lacks_is_said_and_not_asked_of_it():
    heard = []

    def play(wire):
        wire.send(welcome())
        while (message := wire.receive()) is not None:
            heard.append(message)
            if isinstance(message, Read):
                wire.send(Error(id=message.id, code=ErrorCode.NOT_FOUND))

    with fake_server(play) as port, session(port) as client:
        client.pipeline.await_welcome()
        for what, call in LACKING.items():
            with pytest.raises(FileError, match="name: the server can't") as failure:
                call(client)
            assert failure.value.hint, what
        with pytest.raises(NotFound):
            get(client, b"name")
    assert [type(message) for message in heard] == [Read, Bye]


EARLY = {
    "stat": Stat,
    "list": List,
    "remove": Remove,
    "rename": Rename,
    "folder": MakeDirectory,
    "attributes": SetAttributes,
    "checksum": Sum,
    "copy": Copy,
    "space": Space,
}


@pytest.mark.parametrize("what", LACKING)
def test_the_first_request_of_a_session_meets_a_server_that_lacks_it_and_closes(what):
    """What precedes WELCOME is refused by the type, and said as if it had been asked after. The rest is not sent."""
    heard = []

    def play(wire):
        message = wire.receive()
        wire.send(welcome())
        while message is not None:
            heard.append(type(message))
            message = wire.receive()

    with fake_server(play) as port, session(port) as client:
        if what not in EARLY:
            client.pipeline.submit(Read(id=client.pipeline.next_id(), path=(b"other",)), lambda _: True)
        with pytest.raises(FileError, match="name: the server can't") as failure:
            LACKING[what](client)
        assert failure.value.hint
    assert heard == [EARLY.get(what, Read), Bye]


def test_attributes_travel_with_a_file(tmp_path):
    with serving(tmp_path) as server, server.session() as client:
        client.write((b"name",), MemorySource(b"contents"), WriteOptions(mode=0o600, mtime_ns=987_654_321))
    status = (tmp_path / "name").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o600, 987_654_321)


@pytest.mark.parametrize(("offset", "length"), [(0, None), (5, None), (5, 10), (0, 0), (len(PATTERN), 1)])
def test_a_part_of_a_file_is_read(tmp_path, offset, length):
    (tmp_path / "name").write_bytes(PATTERN)
    expected = PATTERN[offset:] if length is None else PATTERN[offset : offset + length]
    with serving(tmp_path) as server, server.session() as client:
        sink = MemorySink()
        got = client.read((b"name",), sink, offset=offset, length=length)
        assert (sink.data, got) == (expected, (len(expected), digest_of(expected)))


# --- listings ---------------------------------------------------------------------------------------------------------


def test_a_listing_may_be_left_and_mixed_with_other_calls(tmp_path):
    for number in range(1000):
        (tmp_path / f"{number:0200d}").write_bytes(b"")
    with serving(tmp_path) as server, server.session() as client:
        listed = client.list(())
        first = next(listed)
        client.remove(first.path)
        assert client.stat(()).kind == Kind.DIRECTORY
        again = list(itertools.islice(client.list((), recursive=True), 10))
        assert len(again) == 10
        del listed
        put(client, b"file", b"contents")
        assert get(client, b"file") == b"contents"
        assert client.pipeline.unanswered == 0
    assert len(listing(tmp_path)) == 1000


@pytest.mark.parametrize("failing", [False, True])
def test_bye_says_whether_something_has_failed(failing):
    heard = []

    def play(wire):
        wire.send(welcome("stat"))
        heard.append(wire.receive())
        wire.send(Error(id=1, code=ErrorCode.NOT_FOUND))
        heard.append(wire.receive())

    with fake_server(play) as port, contextlib.suppress(NotFound), session(port) as client:
        try:
            client.stat((b"name",))
        except NotFound:
            if failing:
                raise
    assert heard[1] == (Bye(code=ErrorCode.CANCELLED) if failing else Bye())


def test_a_listing_that_is_left_is_cancelled():
    heard = []

    def play(wire):
        wire.send(welcome("list", "stat"))
        assert isinstance(wire.receive(), List)
        wire.send(Entries(id=1, entries=(Listed((b"a",), Kind.FILE), Listed((b"b",), Kind.FILE))))
        heard.extend(wire.receive() for _ in range(2))
        wire.send(Entries(id=1, entries=(Listed((b"c",), Kind.FILE),)), Error(id=1, code=ErrorCode.CANCELLED))
        wire.send(Info(id=2, kind=Kind.DIRECTORY, size=0, mtime_ns=0, mode=0))
        assert wire.receive() == Bye()

    with fake_server(play) as port, session(port) as client:
        listed = client.list(())
        assert next(listed).path == (b"a",)
        listed.close()
        assert client.stat(()).id == 2
    assert heard == [Cancel(id=1), Stat(id=2)]


def test_a_name_that_is_none_is_refused_here_and_the_session_goes_on(tmp_path):
    with serving(tmp_path) as server, server.session() as client:
        for call in (client.list, client.stat, client.checksum, client.remove, client.make_directory):
            for path in ((b"..",), (b"a/b",), (b"a",) * 65):
                with pytest.raises(NameRefused):
                    list(call(path))
        with pytest.raises(UsageError):
            client.set_attributes((), mode=0o10000)
        assert client.stat(()).kind == Kind.DIRECTORY
        assert list(client.list(())) == []
        put(client, b"name", b"contents")


def test_a_listing_that_breaks_off_says_so_behind_its_entries():
    play = answering(
        "list",
        answers=[
            lambda request: [
                Entries(id=request.id, entries=(Listed((b"a",), Kind.FILE),)),
                Error(id=request.id, code=ErrorCode.FORBIDDEN, text="\x1b[2J"),
            ]
        ],
    )
    with fake_server(play) as port, session(port) as client:
        listed = client.list((b"folder",))
        assert next(listed).path == (b"a",)
        with pytest.raises(Forbidden, match=r"^folder: "):
            next(listed)


# --- malicious servers, and servers that stop or vanish ---------------------------------------------------------------


@pytest.mark.parametrize("answer", [Ok(id=1), Ok(id=1, size=5), Ok(id=1, digest=bytes(16))], ids=str)
def test_a_sum_without_a_sum_is_a_broken_protocol(answer):
    with fake_server(answering("sum", answers=[lambda _: [answer]])) as port, session(port) as client:
        with pytest.raises(ProtocolError):
            client.checksum((b"name",))
        client.close()


@pytest.mark.parametrize(
    "answer",
    [Info(id=1, kind=Kind.FILE, size=0, mtime_ns=0, mode=0), Ok(id=2), Ok(id=7), Entries(id=1, last=True)],
    ids=lambda answer: type(answer).__name__,
)
def test_an_answer_to_something_else_is_a_broken_protocol(answer):
    play = answering("change", answers=[lambda _: [answer]])
    with fake_server(play) as port, pytest.raises(ProtocolError), session(port) as client:
        client.remove((b"name",))


FAREWELLS = {
    "stopping": (Bye(code=ErrorCode.STOPPING), ConnectionLost, "stopping"),
    "limit": (Bye(code=ErrorCode.LIMIT), HandshakeRefused, "too many clients"),
    "none": (Bye(), ConnectionLost, "ended the session"),
}


@pytest.mark.parametrize("call", ["stat", "write", "list"])
@pytest.mark.parametrize("farewell", FAREWELLS)
def test_a_servers_farewell_is_what_is_told(farewell, call):
    message, error, words = FAREWELLS[farewell]

    def play(wire):
        wire.send(welcome("stat", "list"))
        wire.receive()
        wire.send(message)
        wire.sock.shutdown(socket.SHUT_WR)
        while wire.receive_frame() is not None:
            pass  # a close with unread bytes could destroy the word

    calls = {
        "stat": lambda client: client.stat((b"name",)),
        "write": lambda client: put(client, b"name", PATTERN * 16, announced=False),
        "list": lambda client: list(client.list(())),
    }
    with fake_server(play) as port, pytest.raises(error, match=words), session(port) as client:
        calls[call](client)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_answer_that_came_counts_although_the_connection_went_with_it(how):
    def play(wire):
        wire.send(welcome("change"))
        assert isinstance(wire.receive(), Remove)
        wire.send(Ok(id=1))
        if how == "close":
            wire.close()

    with fake_server(play) as port, session(port) as client:
        client.remove((b"name",))


def test_a_reason_is_worth_more_than_the_lost_connection():
    """The server says why and closes while the client sends: the client tells why."""

    def play(wire):
        wire.send(welcome())
        assert isinstance(wire.receive(), Write)
        wire.send(Error(id=1, code=ErrorCode.NO_SPACE))
        wire.sock.shutdown(socket.SHUT_WR)
        while wire.receive_frame() is not None:
            pass

    with fake_server(play) as port, pytest.raises(NoSpace), session(port) as client:
        client.write((b"name",), MemorySource(PATTERN * 64, announced=False))


class _Full(MemorySink):
    def writev(self, _buffers):
        raise NoSpace("no space left for: here")


def test_a_file_that_is_not_wanted_any_more_is_cancelled_and_the_session_goes_on(tmp_path):
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "name").write_bytes(b"contents")
    with serving(tmp_path) as server, server.session() as client:
        with pytest.raises(NoSpace, match="here"):
            client.read((b"huge",), _Full())
        assert client.pipeline.unanswered == 0
        assert get(client, b"name") == b"contents"
    assert "Aborted: the transfer was cancelled" in server.log.text


def test_a_server_that_gives_up_a_file_says_why():
    def play(wire):
        wire.send(welcome())
        assert isinstance(wire.receive(), Read)
        wire.send(File(id=1, size=8, mtime_ns=0, mode=0))
        wire.queue_data(b"some")
        wire.send(Abort(code=ErrorCode.STOPPING))
        assert wire.receive() == Bye()

    with fake_server(play) as port, session(port) as client:
        sink = MemorySink()
        with pytest.raises(Cancelled, match="name: the server is stopping"):
            client.read((b"name",), sink)
        assert sink.data is None


def test_the_source_that_fails_is_what_is_told_even_if_the_server_goes():
    def play(wire):
        wire.send(welcome())
        assert isinstance(wire.receive(), Write)
        wire.receive_file()

    with fake_server(play) as port, session(port) as client, pytest.raises(IsADirectory, match="mine"):
        client.write((b"name",), MemorySource(PATTERN, failure=IsADirectory("mine"), fails_at=65536, chunk=65536))


def test_a_resumed_write_asks_for_the_rest_alone():
    heard = []

    def play(wire):
        wire.send(welcome("resume"))
        heard.append(wire.receive())
        heard.append(wire.receive_file())
        wire.send(Ok(id=1, size=3, digest=digest_of(b"abcdef")))
        assert wire.receive() == Bye()

    begun = new_digest("xxh128")
    begun.update(b"abc")
    with fake_server(play) as port, session(port) as client:
        done = client.write((b"name",), MemorySource(b"abcdef"), KEPT_OPTIONS, offset=3, prefix=begun)
    assert done == (3, digest_of(b"abcdef"))
    assert heard == [
        Write(id=1, path=(b"name",), size=3, offset=3, prefix=digest_of(b"abc"), keep=True),
        (b"def", End(size=3, digest=digest_of(b"abcdef"))),
    ]


def test_a_sum_of_a_part_asks_for_it():
    play = answering("sum", answers=[lambda request: [Ok(id=request.id, size=request.offset, digest=bytes(16))]])
    with fake_server(play) as port, session(port) as client:
        assert client.checksum((b"name",), offset=7, length=9) == (7, bytes(16))
