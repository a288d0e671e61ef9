"""The requests of a session at a server of every store: what a client is told, and what is there then."""

from __future__ import annotations

import pytest

from secftp.errors import (
    AlreadyExists,
    ChecksumMismatch,
    FileError,
    IsADirectory,
    NameRefused,
    NotEmpty,
    NotFound,
)
from secftp.protocol import Algorithm, Files, Kind, NewFile, ReadMany, Results, SmallFile, WriteMany
from secftp.server.access import Rights
from tests.storage.contract.test_sink import PART, T, content
from tests.support.requests_at import ALL, served
from tests.support.serving import MemorySource, digest_of, get, put

F, G = (b"f",), (b"d", b"g")
SIZES = [0, 1, 70_000, PART + 70_000]


@pytest.fixture
def server(backing):
    with served(None, store=backing.open()) as running:
        yield running


@pytest.fixture
def client(server):
    with server.session() as session:
        yield session


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_a_file_goes_there_and_back(backing, client, size, announced):
    data = content(size)
    put(client, F, data, announced=announced, mode=0o640, mtime_ns=T)
    assert backing.files() == {F: data}
    assert get(client, F) == data
    found = client.stat(F)
    assert (found.kind, found.size, found.mode, found.mtime_ns) == (Kind.FILE, size, 0o640, T)
    assert backing.leftovers() == []


@pytest.mark.parametrize("size", [3, PART + 1])
def test_what_exists_is_overwritten_only_if_that_is_allowed(backing, client, size):
    backing.write(F, b"old")
    with pytest.raises(AlreadyExists):
        put(client, F, content(size), overwrite=False)
    assert backing.files() == {F: b"old"}
    put(client, F, content(size))
    assert backing.files() == {F: content(size)}


def test_without_the_right_nothing_is_overwritten(backing):
    with served(None, store=backing.open(), rights=ALL._replace(overwrite=False)) as server, server.session() as client:
        put(client, F, b"first")
        for data in (b"second", content(PART + 1)):
            with pytest.raises(FileError):
                put(client, F, data)
    assert backing.files() == {F: b"first"}
    assert backing.leftovers() == []


@pytest.mark.parametrize("size", [100, 2 * PART + 1])
def test_a_file_that_did_not_arrive_whole_is_not_there(backing, client, size):
    backing.write(F, b"old")
    with pytest.raises(FileError):
        client.write(F, MemorySource(content(size), chunk=size // 2, failure=NotFound("gone"), fails_at=size // 2))
    assert backing.files() == {F: b"old"}
    assert client.stat(F).size == 3
    assert backing.leftovers() == []


@pytest.mark.parametrize("size", [1000, PART + 1])
def test_a_wrong_digest_is_refused(backing, server, size):
    """END with the digest of other bytes, as if they had been changed before they were hashed."""
    from secftp.protocol import End, Error, Write

    backing.write(F, b"old")
    wire = server.wire()
    wire.send(Write(id=1, path=F, algorithm=Algorithm.XXH128))
    wire.send_data(content(size))
    wire.send(End(size=size, digest=bytes(16)))
    answer = wire.receive()
    assert isinstance(answer, Error)
    assert answer.code == "checksum"
    assert backing.files() == {F: b"old"}
    assert backing.leftovers() == []


@pytest.mark.parametrize("size", [100_000, 2 * PART + 1])
def test_a_connection_lost_in_a_write_leaves_nothing(backing, size):
    from secftp.protocol import Write

    backing.write(F, b"old")
    with served(None, store=backing.open()) as server:
        wire = server.wire()
        wire.send(Write(id=1, path=F, algorithm=Algorithm.XXH128))
        wire.send_data(content(size))
        wire.sock.close()
        assert server.over.wait(20)
    assert backing.files() == {F: b"old"}
    assert backing.leftovers() == []


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("size", [0, 1000, PART + 1])
def test_the_checksum_of_a_file(backing, client, algorithm, size):
    put(client, F, content(size))
    backing.write(G, content(size, 1))
    for path, data in ((F, content(size)), (G, content(size, 1))):
        try:
            found, _ = client.own_checksum(path, algorithm, None)
        except FileError:
            pytest.importorskip("blake3" if algorithm is Algorithm.BLAKE3 else "no such module")
            raise
        assert (found.size, found.digest) == (size, digest_of(data, algorithm))


def test_a_checksum_is_of_what_is_there_now(backing, client):
    """A digest that was kept is not told for other bytes."""
    for size in (1000, PART + 1):
        put(client, F, content(size))
        backing.write(F, content(size, seed=1))
        found, _ = client.own_checksum(F, Algorithm.XXH128, None)
        assert found.digest == digest_of(content(size, seed=1))


def test_a_tree_is_listed(backing, client):
    for path in (F, G, (b"d", b"e", b"h")):
        backing.write(path, b"12345")
    client.make_directory((b"empty",))
    assert {(entry.path, entry.kind) for entry in client.list(())} == {
        *((F, Kind.FILE), ((b"d",), Kind.DIRECTORY), ((b"empty",), Kind.DIRECTORY))
    }
    deep = list(client.list((), recursive=True))
    assert {entry.path for entry in deep} == {F, G, (b"d",), (b"d", b"e"), (b"d", b"e", b"h"), (b"empty",)}
    assert {entry.size for entry in deep if entry.kind is Kind.FILE} == {5}
    assert {entry.path for entry in client.list((b"d",))} == {(b"g",), (b"e",)}


@pytest.mark.parametrize("size", [1000, PART + 1])
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_copy_within_the_server(backing, client, size, overwrite):
    backing.make_directory((b"d",))
    put(client, F, content(size), mode=0o640, mtime_ns=T)
    assert client.copy(F, G, overwrite=overwrite) == size
    assert backing.files() == {F: content(size), G: content(size)}
    with pytest.raises(AlreadyExists):
        client.copy(F, G, overwrite=False)
    found, _ = client.own_checksum(G, Algorithm.XXH128, None)
    assert found.digest == digest_of(content(size))
    if size < PART or overwrite or backing.traits.copies_metadata:
        assert (client.stat(G).mode, client.stat(G).mtime_ns) == (0o640, T)
    assert backing.leftovers() == []
    with pytest.raises(NotFound):
        client.copy((b"missing",), G)
    with pytest.raises(IsADirectory):
        client.copy((b"d",), (b"new",))


def test_changes_one_after_the_other(backing, client):
    put(client, F, b"content")
    client.make_directory((b"d",))
    client.rename(F, G)
    assert backing.files() == {G: b"content"}
    with pytest.raises(NotEmpty):
        client.remove((b"d",))
    kept = client.set_attributes(G, mode=0o600, mtime_ns=T)
    assert all(kept) or not backing.traits.sets_attributes
    assert (client.stat(G).mode == 0o600, client.stat(G).mtime_ns == T) == (kept.mode, kept.time)
    client.remove(G)
    client.remove((b"d",))
    assert backing.files() == {}
    assert list(client.list(())) == []
    for path in ((b"missing",), G):
        with pytest.raises(NotFound):
            client.remove(path)


def test_reserved_and_hostile_names_are_refused(backing, client):
    for path in ((b".secftp-directory",), (b".secftp-digest", b"0" * 32), (b"d", b".secftp-tmp-x")):
        for call in (client.stat, client.remove, lambda path: put(client, path, b"x"), lambda path: get(client, path)):
            with pytest.raises(NameRefused):
                call(path)
    assert backing.files() == {}


def _new(path, data, **more):
    return NewFile(path, data, digest_of(data), **more)


def test_small_files_of_a_message(backing, server):
    backing.make_directory((b"d",))
    backing.write(F, b"old")
    wanted = (
        *(_new((b"d", b"%d" % number), content(100 + number, number), mode=0o640, mtime_ns=T) for number in range(50)),
        _new(F, b"new"),
        NewFile((b"wrong",), b"data", bytes(16)),
        _new((b".secftp-x",), b"x"),
    )
    wire = server.wire()
    wire.send(WriteMany(id=1, files=wanted, algorithm=Algorithm.XXH128, overwrite=False))
    answer = wire.receive()
    assert isinstance(answer, Results)
    assert answer.codes == (*[None] * 50, "exists", "checksum", "bad_name")
    assert backing.files() == {F: b"old"} | {file.path: file.data for file in wanted[:50]}
    paths = (*(file.path for file in wanted[:50]), (b"missing",), F)
    wire.send(ReadMany(id=2, paths=paths, algorithm=Algorithm.XXH128))
    found = []
    while len(found) < len(paths):
        message = wire.receive()
        assert isinstance(message, Files)
        found += message.files
    assert [file.code if isinstance(file, SmallFile) and file.code else bytes(file.data) for file in found] == [
        *(file.data for file in wanted[:50]),
        "not_found",
        b"old",
    ]


def test_rights_count_for_every_store(backing):
    backing.write(F, b"old")
    with (
        served(
            None, store=backing.open(), rights=Rights(read=True, write=False, overwrite=False, delete=False)
        ) as server,
        server.session() as client,
    ):
        assert get(client, F) == b"old"
        for call in (
            lambda: put(client, G, b"x"),
            lambda: client.remove(F),
            lambda: client.rename(F, G),
            lambda: client.make_directory((b"new",)),
            lambda: client.set_attributes(F, mode=0),
            lambda: client.copy(F, G),
        ):
            with pytest.raises((FileError, ChecksumMismatch)):
                call()
    assert backing.files() == {F: b"old"}
