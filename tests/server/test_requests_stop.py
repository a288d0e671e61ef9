"""Server stops and client disconnects in the middle of any request: what was acknowledged was done."""

from __future__ import annotations

import pytest

from secftp.protocol import (
    Bye,
    Copy,
    Direction,
    Error,
    ErrorCode,
    File,
    List,
    MakeDirectory,
    NewFile,
    Ok,
    Read,
    ReadMany,
    Space,
    Stat,
    Sum,
    Write,
    WriteMany,
    decode,
    encode,
)
from secftp.storage import new_digest
from tests.support.serving import MemorySource, digest_of, listing, put, serving, sizes, until

DATA = bytes(range(256)) * 8192  # 2 MiB
NAME = (b"name",)


def rest(wire):
    """What still comes, up to the end of the connection."""
    messages = []
    while (message := wire.receive()) is not None:
        messages.append(message)
    return messages


def test_what_is_not_answered_before_the_farewell_was_not_done(tmp_path):
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        for number in range(1, 1001):
            wire.frame(*encode(MakeDirectory(id=number, path=(b"%d" % number,))))
        wire.flush()
        first = wire.receive()
        server.server.stop()
        *answers, last = [first, *rest(wire)]
        assert last in (Bye(code=ErrorCode.STOPPING, text="the server is stopping"), Bye())
        assert answers == [Ok(id=number) for number in range(1, len(answers) + 1)]
        assert len(listing(tmp_path)) == len(answers)


LONG = {
    "SUM": Sum(id=1, path=(b"huge",)),
    "READ": Read(id=1, path=(b"huge",)),
    "READ behind a prefix": Read(id=1, path=(b"huge",), offset=1 << 41, prefix=bytes(16)),
}


@pytest.mark.parametrize("what", LONG)
def test_a_server_in_a_hurry_says_so_in_the_middle_of_anything(tmp_path, what):
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(1 << 42)
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(LONG[what])
        server.log.wait_for("Client requesting")
        server.server.stop()
        server.server.stop()
        frames = []
        while (frame := wire.receive_frame()) is not None:
            if frame[0] != 3:
                frames.append(frame)
        messages = [decode(*frame, Direction.TO_CLIENT) for frame in frames]
    if what == "READ":
        assert isinstance(messages[0], File)
        assert messages[1].code is ErrorCode.STOPPING
    else:
        assert messages[0] == Error(id=1, code=ErrorCode.STOPPING, text="the server is stopping")
    assert messages[-1] == Bye(code=ErrorCode.STOPPING, text="the server is stopping")


@pytest.mark.parametrize("what", LONG)
def test_for_a_client_that_has_left_nothing_long_goes_on(tmp_path, what):
    """It would hold a session's place for hours, and one client could come again and again."""
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(1 << 42)
    with serving(tmp_path) as server:
        with server.hostile() as wire:
            wire.welcome()
            wire.send(LONG[what])
            server.log.wait_for("Client requesting")
        server.done(1)


@pytest.mark.parametrize("how", ["stop", "reset", "close"])
def test_a_file_that_was_to_be_kept_is_kept_however_it_ends(tmp_path, how):
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.frame(*encode(Write(id=1, path=NAME, keep=True)))
        wire.send_data(DATA)
        server.log.wait_for("Processing")
        until(lambda: any(sizes(tmp_path).values()), "some of it is written")
        if how == "stop":
            server.server.stop()
            server.server.stop()
            rest(wire)
        elif how == "reset":
            wire.reset()
        else:
            wire.close()
        server.done(1)
    with serving(tmp_path) as server, server.session() as client:
        size = client.stat(NAME, partial=True).size
        assert 0 < size <= len(DATA)
        begun = new_digest("xxh128")
        begun.update(DATA[:size])
        client.write(NAME, MemorySource(DATA), offset=size, prefix=begun)
    assert (tmp_path / "name").read_bytes() == DATA
    assert listing(tmp_path) == ["name"]


ASKED = {
    "LIST": List(id=1, recursive=True),
    "SUM": Sum(id=1, path=(b"file",)),
    "READMANY": ReadMany(id=1, paths=((b"file",),) * 500),
    "WRITEMANY": WriteMany(id=1, files=tuple(NewFile((b"%d" % n,), b"x", digest_of(b"x")) for n in range(500))),
    "MKDIR": MakeDirectory(id=1, path=(b"folder",)),
    "COPY": Copy(id=1, path=(b"file",), to=(b"copy",)),
    "STAT": Stat(id=1),
    "SPACE": Space(id=1),
}


@pytest.mark.parametrize("what", ASKED)
def test_a_client_that_vanishes_after_its_request_ends_no_other_session(tmp_path, what):
    (tmp_path / "file").write_bytes(DATA)
    with serving(tmp_path) as server:
        for how in ("close", "reset"):
            with server.hostile() as wire:
                wire.welcome()
                wire.send(ASKED[what])
                getattr(wire, how)()
        server.done(2)
        with server.session() as client:
            put(client, b"name", b"contents")
        assert "Internal" not in server.log.text
    assert not [name for name in listing(tmp_path) if ".secftp" in name]
