"""Interrupted and resumed files: kept when the client asked for it, and joined only where both ends agree."""

from __future__ import annotations

import random

import pytest

from secftp.errors import ChecksumMismatch, NotFound
from secftp.protocol import Abort, Cancel, End, Error, ErrorCode, File, Info, Ok, Read, Stat, Write, encode
from secftp.storage import new_digest
from secftp.storage.attributes import KEPT_OPTIONS
from tests.support.requests_at import ALL, served
from tests.support.serving import MemorySink, MemorySource, digest_of, get, listing, put, serving

DATA = random.Random(5).randbytes(3 * 2**20 + 12345)
PART = 2**20 + 77
NAME = (b"name",)


def begun(data):
    digest = new_digest("xxh128")
    digest.update(data)
    return digest


def broken_off(server, how, *, keep=True, data=DATA[:PART]):
    """A write that comes to no end. The server is done with it afterwards."""
    wire = server.wire()
    wire.frame(*encode(Write(id=1, path=NAME, size=len(DATA), keep=keep)))
    wire.send_data(data)
    if how == "close":
        wire.close()
        assert server.over.wait(20)
        return
    if how == "hurry":
        server.log.wait_for("Processing")
        server.aborting.set()
        wire.send_data(DATA[PART : 2 * PART])
    elif how == "checksum":
        wire.send_data(DATA[PART:])
        wire.send(End(size=len(DATA), digest=bytes(16)))
    else:
        wire.send(Abort(code=how))
    assert isinstance(wire.receive(), Error)


def kept(root):
    """What a client can learn of the partial: its size, or None."""
    with served(root) as server:
        wire = server.wire()
        wire.send(Stat(id=1, path=NAME, partial=True))
        answer = wire.receive()
        return answer.size if isinstance(answer, Info) else None


@pytest.mark.parametrize("how", ["close", ErrorCode.CANCELLED, ErrorCode.IO_ERROR])
def test_what_has_come_is_kept_and_the_rest_completes_it(tmp_path, how):
    (tmp_path / "name").write_bytes(b"old")
    with served(tmp_path) as server:
        broken_off(server, how)
    assert (tmp_path / "name").read_bytes() == b"old", "the file itself is what it was"
    size = kept(tmp_path)
    assert 0 < size <= PART
    with serving(tmp_path) as server, server.session() as client:
        assert client.stat(NAME).size == 3
        assert client.stat(NAME, partial=True).size == size
        assert [entry.path for entry in client.list(())] == [NAME], "a partial is in no listing"
        done = client.write(NAME, MemorySource(DATA), KEPT_OPTIONS, offset=size, prefix=begun(DATA[:size]))
        assert done == (len(DATA) - size, digest_of(DATA))
        with pytest.raises(NotFound):
            client.stat(NAME, partial=True)
    assert (tmp_path / "name").read_bytes() == DATA
    assert listing(tmp_path) == ["name"]


def test_a_server_in_a_hurry_keeps_what_has_come(tmp_path):
    with served(tmp_path) as server:
        broken_off(server, "hurry")
    assert server.results in ([("write", "stopping")], [])  # or the connection went before the rest was thrown away
    assert kept(tmp_path) > 0


@pytest.mark.parametrize(
    ("how", "keep"),
    [("close", False), (ErrorCode.CANCELLED, False), ("checksum", True), (ErrorCode.CHANGED, True)],
    ids=str,
)
def test_what_was_not_to_be_kept_or_does_not_agree_is_gone(tmp_path, how, keep):
    with served(tmp_path) as server:
        broken_off(server, how, keep=keep)
    assert kept(tmp_path) is None
    assert listing(tmp_path) == []


def test_fewer_bytes_than_are_kept_may_be_gone_on_with(tmp_path):
    with served(tmp_path) as server:
        broken_off(server, "close")
    other = DATA[:1000] + DATA[::-1]
    with serving(tmp_path) as server, server.session() as client:
        assert client.write(NAME, MemorySource(other), offset=1000, prefix=begun(other[:1000])).digest == digest_of(
            other
        )
        assert get(client, b"name") == other
    assert listing(tmp_path) == ["name"]


@pytest.mark.parametrize(
    ("offset", "prefix"),
    [(1000, DATA[1:1001]), (len(DATA) - 1, DATA[:-1]), (1000, DATA[:999])],
    ids=["other bytes", "more than there is", "another number"],
)
def test_what_does_not_agree_is_not_joined(tmp_path, offset, prefix):
    """The rest is on its way by then, and thrown away; the client begins anew."""
    with served(tmp_path) as server:
        broken_off(server, "close")
    with serving(tmp_path) as server, server.session() as client:
        with pytest.raises(ChecksumMismatch):
            client.write(NAME, MemorySource(DATA), offset=offset, prefix=begun(prefix))
        assert client.write(NAME, MemorySource(DATA), KEPT_OPTIONS) == (len(DATA), digest_of(DATA))
    assert (tmp_path / "name").read_bytes() == DATA
    assert listing(tmp_path) == ["name"]


@pytest.mark.parametrize("may_read", [False, True])
def test_a_client_that_may_not_read_has_one_guess_at_what_another_began(tmp_path, may_read):
    """Else 256 tries a byte would tell what another client had begun to put into a drop box."""
    with served(tmp_path) as server:
        broken_off(server, "close")
    rights = ALL._replace(read=may_read, list=may_read)
    with served(tmp_path, rights=rights) as server, server.session() as client:
        assert client.stat(NAME, partial=True).size
        with pytest.raises(ChecksumMismatch):
            client.write(NAME, MemorySource(DATA), offset=1, prefix=begun(bytes([DATA[0] ^ 1])))
        if may_read:
            assert client.write(NAME, MemorySource(DATA), offset=1, prefix=begun(DATA[:1])).digest == digest_of(DATA)
        else:
            with pytest.raises(NotFound):
                client.write(NAME, MemorySource(DATA), offset=1, prefix=begun(DATA[:1]))
            assert listing(tmp_path) == []


def test_without_a_partial_there_is_nothing_to_go_on_with(tmp_path):
    (tmp_path / "name").write_bytes(DATA[:2000])
    with serving(tmp_path) as server, server.session() as client:
        with pytest.raises(NotFound, match="has no partial file"):
            client.write(NAME, MemorySource(DATA), offset=1000, prefix=begun(DATA[:1000]))
        put(client, b"other", b"contents")
    assert (tmp_path / "name").read_bytes() == DATA[:2000], "a file is no partial"


def test_the_digest_at_the_end_is_of_the_whole_file(tmp_path):
    """One that is of the rest alone is refused, and what was kept is gone with it."""
    with served(tmp_path) as server:
        broken_off(server, "close")
    size = kept(tmp_path)
    with served(tmp_path) as server:
        wire = server.wire()
        prefix = digest_of(DATA[:size])
        wire.frame(*encode(Write(id=1, path=NAME, size=len(DATA) - size, offset=size, prefix=prefix, keep=True)))
        wire.send_data(DATA[size:])
        wire.send(End(size=len(DATA) - size, digest=digest_of(DATA[size:])))
        assert wire.receive().code is ErrorCode.CHECKSUM
    assert kept(tmp_path) is None
    assert listing(tmp_path) == []


def test_a_resumed_file_may_break_off_again_and_again(tmp_path):
    with served(tmp_path) as server:
        broken_off(server, "close", data=DATA[:65536])
    for _ in range(3):
        size = kept(tmp_path)
        with served(tmp_path) as server:
            wire = server.wire()
            prefix = digest_of(DATA[:size])
            wire.frame(*encode(Write(id=1, path=NAME, offset=size, prefix=prefix, keep=True)))
            wire.send_data(DATA[size : size + 65536])
            wire.close()
            assert server.over.wait(20)
        assert kept(tmp_path) > size
    size = kept(tmp_path)
    with serving(tmp_path) as server, server.session() as client:
        client.write(NAME, MemorySource(DATA), offset=size, prefix=begun(DATA[:size]))
    assert (tmp_path / "name").read_bytes() == DATA


# --- the other direction ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("have", [1, 65536, PART, len(DATA)])
def test_a_read_goes_on_behind_what_the_client_has(tmp_path, have):
    (tmp_path / "name").write_bytes(DATA)
    with serving(tmp_path) as server, server.session() as client:
        sink = MemorySink()
        got = client.read(NAME, sink, offset=have, prefix=begun(DATA[:have]))
        assert got == (len(DATA) - have, digest_of(DATA))
        assert sink.data == DATA[have:]


@pytest.mark.parametrize(
    ("offset", "prefix"), [(1000, DATA[1:1001]), (len(DATA) + 1, DATA + b"x")], ids=["other bytes", "longer"]
)
def test_a_read_of_a_file_that_is_another_by_now_is_refused(tmp_path, offset, prefix):
    (tmp_path / "name").write_bytes(DATA)
    with serving(tmp_path) as server, server.session() as client:
        sink = MemorySink()
        with pytest.raises(ChecksumMismatch):
            client.read(NAME, sink, offset=offset, prefix=begun(prefix))
        assert sink.data is None
        assert not sink.received
        assert get(client, b"name") == DATA


@pytest.mark.parametrize("how", ["cancel", "hurry"])
def test_comparing_what_a_client_says_it_has_can_be_broken_off(tmp_path, how):
    with open(tmp_path / "name", "wb") as file:
        file.truncate(1 << 42)
    with served(tmp_path) as server:
        wire = server.wire()
        wire.send(Read(id=1, path=NAME, offset=1 << 41, prefix=bytes(16)))
        server.log.wait_for("requesting filename")
        server.aborting.set() if how == "hurry" else wire.send(Cancel(id=1))
        assert wire.receive().code is (ErrorCode.STOPPING if how == "hurry" else ErrorCode.CANCELLED)


def test_the_bytes_of_the_wire_are_those_of_the_document(tmp_path):
    """PROTOCOL.md 12: a file of 12 bytes, of which 5 were kept."""
    text = b"hello, world"
    with served(tmp_path) as server:
        wire = server.wire()
        wire.frame(*encode(Write(id=1, path=NAME, size=12, keep=True)))
        wire.send_data(text[:5])
        wire.close()
        assert server.over.wait(20)
    with served(tmp_path) as server:
        wire = server.wire()
        wire.send(Stat(id=2, path=NAME, partial=True))
        assert wire.receive().size == 5
        wire.frame(*encode(Write(id=3, path=NAME, size=7, offset=5, prefix=digest_of(text[:5]), keep=True)))
        wire.send_data(text[5:])
        wire.send(End(size=7, digest=digest_of(text)), Read(id=4, path=NAME, offset=5, prefix=digest_of(text[:5])))
        assert wire.receive() == Ok(id=3, size=7, digest=digest_of(text))
        assert isinstance(wire.receive(), File)
        assert wire.receive_file() == (b", world", End(size=7, digest=digest_of(text)))
