"""Downloads and uploads with a malicious server: false listings, sizes, digests and names."""

from __future__ import annotations

import os

import msgspec
import pytest

from secftp.errors import ConnectionLost, ProtocolError, TooLarge
from secftp.protocol import (
    End,
    Entries,
    Error,
    ErrorCode,
    File,
    Files,
    Info,
    Kind,
    List,
    Listed,
    MakeDirectory,
    Ok,
    Read,
    ReadMany,
    Results,
    SessionLimits,
    SetAttributes,
    SmallFile,
    Stat,
    Welcome,
    Write,
    WriteMany,
    encode,
)
from secftp.transfer import CopyOptions, Download, RemoteLocation, Upload
from tests.support.copying import Recorder, contents, download, make
from tests.support.serving import digest_of, fake_server, listing, session

SRC = RemoteLocation((b"src",))
CAPABILITIES = ("ranges", "stat", "list", "change", "sum", "resume", "many")


def file(name, size=1, **more):
    return Listed((name,), Kind.FILE, size, 5, 0o644, **more)


def directory(name, **more):
    return Listed((name,), Kind.DIRECTORY, 0, 5, 0o755, **more)


def small(data, digest=None):
    return SmallFile(None, data, digest or digest_of(data), 5, 0o644)


def say(wire, message):
    """Queue a message."""
    wire.frame(*encode(message))


class Script:
    """A server that answers by a table: what is in each directory, what each file holds."""

    def __init__(self, directories, *, files=None, capabilities=CAPABILITIES, kind=Kind.DIRECTORY):
        self.directories = directories
        self.files = files or {}
        self.capabilities = capabilities
        self.kind = kind
        self.heard = []

    def __call__(self, wire):
        limits = SessionLimits(requests=64, keepalive=15, idle=60)
        say(wire, Welcome(version=1, software="liar", capabilities=self.capabilities, limits=limits))
        wire.flush()
        while (message := wire.receive()) is not None and type(message).__name__ != "Bye":
            self.heard.append(message)
            if not self.answer(wire, message):
                return
            wire.flush()

    def answer(self, wire, message):
        number = message.id if hasattr(message, "id") else 0
        match message:
            case Stat():
                say(wire, Info(id=number, kind=self.kind, size=0, mtime_ns=5, mode=0o755))
            case List():
                entries = self.directories.get(message.path)
                if entries is None:
                    say(wire, Error(id=number, code=ErrorCode.NOT_FOUND))
                else:
                    self.list(wire, number, entries)
            case ReadMany():
                data = [self.files.get(path[-1], b"x") for path in message.paths]
                say(wire, Files(id=number, files=tuple(map(small, data))))
            case Read():
                data = self.files.get(message.path[-1], b"x")
                say(wire, File(id=number, size=len(data), mtime_ns=5, mode=0o644))
                wire.queue_data(data)
                say(wire, End(size=len(data), digest=digest_of(data)))
        return True

    def list(self, wire, number, entries):
        say(wire, Entries(id=number, entries=tuple(entries), last=True))


def fetch(script, target, options=None, told=None):
    """Fetch `src` from such a server."""
    with fake_server(script) as port, session(port) as client:
        return download(client, [SRC], target, options, told or Recorder())


@pytest.fixture
def target(tmp_path):
    (tmp_path / "around" / "target").mkdir(parents=True)
    return str(tmp_path / "around" / "target")


class Raw(Script):
    """It lists names that our own structures refuse to hold."""

    def __init__(self, paths):
        super().__init__({(b"src",): []})
        self.paths = paths

    def list(self, wire, number, entries):
        rows = [[path, "file", 1, 5, 0o644, None] for path in self.paths]
        payload = msgspec.msgpack.encode({"id": number, "entries": rows, "last": True})
        wire.frame(0x23, 0, payload)


@pytest.mark.parametrize(
    "path",
    [[b".."], [b"."], [b""], [b"/etc/passwd"], [b"a/b"], [b"a\0b"], [], [b".."] * 3, [b"x" * 256], [b"a"] * 65],
)
def test_invalid_names_end_the_session(path, target):
    with pytest.raises(ProtocolError):
        fetch(Raw([[b"ok"], path]), target)
    assert listing(os.path.dirname(target)) == ["target", "target/src"]


def test_an_entry_of_another_directory_ends_the_session(target):
    script = Script({(b"src",): [Listed((b"a", b"b"), Kind.FILE, 1, 5, 0o644)]})
    with pytest.raises(ProtocolError):
        fetch(script, target)
    assert listing(target) == ["src"]


def test_names_that_are_reserved_fail_and_touch_nothing(target):
    make(f"{target}/src", {b".secftp-partial-x": b"mine"})
    script = Script({(b"src",): [file(b".secftp-partial-x"), directory(b".secftp-folder"), file(b"ok")]})
    told = Recorder()
    summary = fetch(script, target, None, told)
    assert (summary.files, summary.failed) == (1, 2)
    assert contents(f"{target}/src") == {b".secftp-partial-x": b"mine", b"ok": b"x"}


def test_names_that_come_twice_do_no_harm(target):
    """A file twice, a directory twice, and names that are both."""
    script = Script(
        {
            (b"src",): [*map(file, (b"a", b"a", b"b")), *map(directory, (b"d", b"d", b"b", b"c")), file(b"c")],
            (b"src", b"d"): [file(b"x")],
            (b"src", b"b"): [file(b"y")],
            (b"src", b"c"): [file(b"z")],
        }
    )
    summary = fetch(script, target)
    # Of b and c, which are both, what comes first stays: the directories are made at once, the files at their end.
    assert contents(f"{target}/src") == {b"a": b"x", b"d/x": b"x", b"b/y": b"x", b"c/z": b"x"}
    assert (summary.files, summary.failed) == (6, 2)


def test_a_symlink_that_replaces_a_directory_is_not_followed(target, tmp_path):
    """The server has a directory; here it becomes a symlink between the listing and the files."""
    outside = make(tmp_path / "outside", {b"x": b"mine"})

    class Swapping(Script):
        def answer(self, wire, message):
            if isinstance(message, ReadMany):
                os.rmdir(f"{target}/src/d")
                os.symlink(outside, f"{target}/src/d")
            return super().answer(wire, message)

    script = Swapping({(b"src",): [directory(b"d")], (b"src", b"d"): [file(b"x"), file(b"y")]})
    told = Recorder()
    summary = fetch(script, target, None, told)
    assert (summary.files, summary.failed) == (0, 2)
    assert contents(outside) == {b"x": b"mine"}


def test_a_digest_that_does_not_agree_fails_the_file_alone(target):
    class Lying(Script):
        def answer(self, wire, message):
            if isinstance(message, ReadMany):
                files = [small(b"good"), small(b"bad", digest_of(b"other"))]
                say(wire, Files(id=message.id, files=tuple(files[: len(message.paths)])))
                return True
            if isinstance(message, Read):
                say(wire, File(id=message.id, size=50_000, mtime_ns=5, mode=0o644))
                wire.queue_data(bytes(50_000))
                say(wire, End(size=50_000, digest=digest_of(b"other")))
                return True
            return super().answer(wire, message)

    told = Recorder()
    script = Lying({(b"src",): [file(b"good"), file(b"bad"), file(b"large", 50_000)]})
    summary = fetch(script, target, None, told)
    assert (summary.files, summary.failed) == (1, 2)
    assert told.names("failed") == [b"src/bad", b"src/large"]
    assert told.bytes == summary.bytes == 4
    assert contents(target) == {b"src/good": b"good"}


def test_sizes_that_were_a_lie_are_put_right(target):
    """Listed as tiny and huge; what comes is what counts."""
    script = Script(
        {(b"src",): [file(b"tiny", 2**62), file(b"larger", 0)]}, files={b"tiny": b"t", b"larger": b"y" * 30_000}
    )
    told = Recorder()
    summary = fetch(script, target, None, told)
    assert (summary.files, summary.bytes) == (2, 30_001)
    assert told.plans[-1] == (2, 30_001)
    assert told.bytes == 30_001


def test_entries_that_could_not_be_looked_at_are_reported(target):
    script = Script(
        {
            (b"src",): [
                Listed((b"a",), None, code=ErrorCode.IO_ERROR),
                Listed((b"b",), None),
                directory(b"d"),
                file(b"ok"),
            ]
        }
    )
    told = Recorder()
    summary = fetch(script, target, None, told)
    assert (summary.files, summary.failed) == (1, 3)
    assert told.names("failed") == [b"src/a", b"src/b", b"src/d"]


def test_a_listing_that_never_ends_is_given_up(target, monkeypatch):
    monkeypatch.setattr("secftp.transfer.remote_tree.MOST_BYTES", 100_000)

    class Endless(Script):
        def list(self, wire, number, entries):
            try:
                while True:
                    rows = tuple(file(os.urandom(100).hex().encode()) for _ in range(200))
                    say(wire, Entries(id=number, entries=rows))
                    wire.flush()
            except OSError:
                pass

    with pytest.raises(TooLarge):
        fetch(Endless({(b"src",): []}), target)
    assert listing(target) == ["src"]


def test_a_server_without_capabilities_is_sent_simple_requests(target):
    """No READMANY and no resuming: each file by READ."""
    script = Script({(b"src",): [file(b"a"), file(b"b")]}, capabilities=("ranges", "stat", "list"))
    assert fetch(script, target, CopyOptions(resume=True)).files == 2
    assert not any(isinstance(message, ReadMany) for message in script.heard)


def test_a_file_that_is_confirmed_with_another_digest_has_failed(tmp_path):
    source = make(tmp_path / "src", {b"large": bytes(40_000)})

    def play(wire):
        say(
            wire,
            Welcome(
                version=1,
                software="liar",
                capabilities=("stat",),
                limits=SessionLimits(requests=16, keepalive=15, idle=60),
            ),
        )
        wire.flush()
        while (message := wire.receive()) is not None:
            if isinstance(message, Stat):
                say(wire, Error(id=message.id, code=ErrorCode.NOT_FOUND))
            elif isinstance(message, Write):
                wire.receive_file()
                say(wire, Ok(id=message.id, size=40_000, digest=digest_of(b"other")))
            wire.flush()

    told = Recorder()
    with fake_server(play) as port, session(port) as client:
        summary = Upload([f"{source}/large"], RemoteLocation((b"x",)), listener=told).run(client)
        client.close()
    assert (summary.files, summary.failed, told.bytes) == (0, 1, 0)


def test_a_server_that_goes_away_for_good_is_a_lost_connection(target):
    class Leaving(Script):
        def answer(self, wire, message):
            return not isinstance(message, ReadMany) and super().answer(wire, message)

    told = Recorder()
    with fake_server(Leaving({(b"src",): [file(b"a"), file(b"b")]})) as port:
        copy = Download([SRC], target, None, told)
        with pytest.raises(ConnectionLost), session(port) as client:
            copy.run(client)
    assert copy.summary.failed == 0
    with fake_server(Script({(b"src",): [file(b"a"), file(b"b")]})) as port, session(port) as client:
        assert copy.run(client).files == 2


class Taking(Script):
    """A server that takes everything and keeps nothing; `refuse` says what becomes of a file."""

    def __init__(self, refuse=lambda _name: None):
        super().__init__({}, kind=Kind.DIRECTORY)
        self.refuse = refuse

    def answer(self, wire, message):
        match message:
            case MakeDirectory() | SetAttributes():
                say(wire, Ok(id=message.id))
            case WriteMany():
                codes = tuple(self.refuse(new.path[-1]) for new in message.files)
                say(wire, Results(id=message.id, codes=codes))
            case _:
                return super().answer(wire, message)
        return True


def test_an_answer_about_too_few_files_ends_the_session(tmp_path):
    source = make(tmp_path / "src", {b"a": b"1", b"b": b"2"})

    class Short(Taking):
        def answer(self, wire, message):
            if isinstance(message, WriteMany):
                say(wire, Results(id=message.id, codes=(None,)))
                return True
            return super().answer(wire, message)

    with fake_server(Short()) as port, pytest.raises(ProtocolError), session(port) as client:
        Upload([source], RemoteLocation(()), None, Recorder()).run(client)


def test_every_code_a_server_may_give_is_understood(tmp_path):
    codes = [code for code in ErrorCode if code not in (ErrorCode.STOPPING, ErrorCode.READ_ONLY)]
    source = make(tmp_path / "src", {code.encode(): b"1" for code in codes})
    told = Recorder()
    with fake_server(Taking(lambda name: ErrorCode(name.decode()))) as port, session(port) as client:
        summary = Upload([source], RemoteLocation(()), None, told).run(client)
    assert (summary.files, summary.failed) == (0, len(codes))
    assert all(str(error).startswith("src/") for _, error in told.of("failed"))


def test_a_server_that_stops_is_asked_again_for_everything_it_refused(tmp_path, target):
    """Each request is refused, in both directions, because the server is stopping; the next does them in order."""
    source = make(tmp_path / "src", {b"d/%d" % number: b"1" for number in range(3)} | {b"large": bytes(40_000)})
    made = []

    class Stopping(Script):
        def answer(self, wire, message):
            if isinstance(message, Stat):
                return super().answer(wire, message)
            if isinstance(message, Write):
                wire.receive_file()
            say(wire, Error(id=message.id, code=ErrorCode.STOPPING))
            return True

    class Ordered(Taking):
        def answer(self, wire, message):
            if isinstance(message, MakeDirectory):
                made.append(message.path)
            elif isinstance(message, WriteMany):
                assert all(new.path[:-1] in made for new in message.files)
            elif isinstance(message, Write):
                assert message.path[:-1] in made
                say(wire, Ok(id=message.id, size=40_000, digest=wire.receive_file()[1].digest))
                return True
            return super().answer(wire, message)

    told = Recorder()
    copy = Upload([source], RemoteLocation(()), None, told)
    with fake_server(Stopping({})) as port, pytest.raises(ConnectionLost), session(port) as client:
        copy.run(client)
    with fake_server(Ordered()) as port, session(port) as client:
        assert copy.run(client).files == 4
    assert sorted(made) == [(b"src",), (b"src", b"d")]
    told_of_get = Recorder()
    fetching = Download([SRC], target, None, told_of_get)
    with fake_server(Stopping({})) as port, pytest.raises(ConnectionLost), session(port) as client:
        fetching.run(client)
    with fake_server(Script({(b"src",): [file(b"a"), file(b"b")]})) as port, session(port) as client:
        assert fetching.run(client).files == 2
    assert told.of("failed") == told_of_get.of("failed") == []
