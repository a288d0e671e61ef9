"""LIST: in parts of bounded size, streamed while it is read, and cancelled at any time."""

from __future__ import annotations

import itertools
import os
import stat

import pytest

from secftp.errors import ConnectionLost, Forbidden
from secftp.protocol import Bye, Cancel, Entries, Error, ErrorCode, Kind, List, Listed, Read, Stat
from secftp.storage import FileInfo, LocalStore, ScanEntry
from tests.support.requests_at import served
from tests.support.serving import digest_of, serving

FILE = FileInfo(Kind.FILE, 5, 1_700_000_000_000_000_000, 0o644)


class Scan(LocalStore):
    """A store whose listing is what a test says; it knows how far that was read, and whether it was closed."""

    def __init__(self, root, found):
        super().__init__(root)
        self.found = found
        self.taken = 0
        self.closed = False

    def scan(self, path, *, recursive=False, others=False):
        try:
            for entry in self.found:
                if isinstance(entry, Exception):
                    raise entry
                self.taken += 1
                yield entry
        finally:
            self.closed = True


def endless():
    for number in itertools.count():
        yield ScanEntry((b"%0200d" % number,), FILE)


def parts(wire, number):
    """The parts of a listing, each with the length of its payload; ends with the last, or with what came instead."""
    found = []
    while True:
        kind, flags, payload = wire.receive_frame()
        wire._frames.insert(0, (kind, flags, payload))
        message = wire.receive()
        assert message.id == number
        found.append((message, len(payload)))
        if not isinstance(message, Entries) or message.last:
            return found


def test_a_large_directory_comes_in_parts_that_fit(tmp_path):
    names = {b"%0240d" % number for number in range(3000)}
    for name in names:
        os.mknod(os.path.join(os.fsencode(tmp_path), name))
    with served(tmp_path) as server:
        wire = server.wire()
        wire.send(List(id=1))
        found = parts(wire, 1)
    assert len(found) > 10
    assert max(size for _, size in found) <= 65536
    assert min(size for _, size in found[:-1]) > 58000, "parts are as full as they may be"
    assert [message.last for message, _ in found] == [False] * (len(found) - 1) + [True]
    listed = [entry for message, _ in found for entry in message.entries]
    assert len(listed) == 3000
    assert {entry.path for entry in listed} == {(name,) for name in names}


def test_many_short_names_are_no_more_than_a_message_may_hold(tmp_path):
    store = Scan(tmp_path, [ScanEntry((b"%d" % number,), None) for number in range(10_000)])
    with served(tmp_path, store=store) as server:
        wire = server.wire()
        wire.send(List(id=1))
        found = parts(wire, 1)
    assert sum(len(message.entries) for message, _ in found) == 10_000
    assert max(len(message.entries) for message, _ in found) <= 4096


@pytest.mark.parametrize("depth", [1, 63])
def test_the_longest_names_there_are_fit(tmp_path, depth):
    """Each bound on an entry's size is met at once: the largest numbers, the longest code, the most names."""
    path = (b"x" * (4095 // depth - 1 if depth > 1 else 255),) * depth
    worst = FileInfo(Kind.DIRECTORY, 0, -(2**63), 0o7777)
    large = FileInfo(Kind.FILE, 2**63 - 1, -(2**63), 0o7777)
    store = Scan(tmp_path, [ScanEntry(path, worst, Forbidden("no")), ScanEntry(path, large)] * 500)
    with served(tmp_path, store=store) as server:
        wire = server.wire()
        wire.send(List(id=2**32 - 1))
        found = parts(wire, 2**32 - 1)
    assert sum(len(message.entries) for message, _ in found) == 1000
    assert max(size for _, size in found) <= 65536


def test_a_tree_is_told_of_as_it_is(tmp_path):
    (tmp_path / "one" / "two").mkdir(parents=True)
    (tmp_path / "one" / "two" / "file").write_bytes(b"12345")
    (tmp_path / "one" / "\x1b[31m\n").write_bytes(b"")
    (tmp_path / "one" / "link").symlink_to("two")
    (tmp_path / "one" / ".secftp-tmp-0").write_bytes(b"unfinished")
    os.mkfifo(tmp_path / "fifo")
    os.utime(tmp_path / "one" / "two" / "file", ns=(0, 123_456_789_012_345_678))
    with served(tmp_path) as server, server.session() as client:
        flat = list(client.list(()))
        deep = list(client.list((), recursive=True))
        below = list(client.list((b"one", b"two")))
    assert [(entry.path, entry.kind) for entry in flat] == [((b"one",), Kind.DIRECTORY)]
    assert [entry.path for entry in deep[:1]] == [(b"one",)], "a directory comes before what is in it"
    assert {entry.path for entry in deep} == {
        (b"one",),
        (b"one", b"\x1b[31m\n"),
        (b"one", b"two"),
        (b"one", b"two", b"file"),
    }
    mode = stat.S_IMODE((tmp_path / "one" / "two" / "file").stat().st_mode)
    assert below == [Listed((b"file",), Kind.FILE, 5, 123_456_789_012_345_678, mode)]
    assert server.results == [("list", "ok")] * 3


@pytest.mark.parametrize(
    ("path", "code"),
    [((b"none",), "not_found"), ((b"file",), "not_folder"), ((b"link",), "not_found"), ((b".secftp-x",), "bad_name")],
)
def test_what_is_no_directory_has_no_listing(tmp_path, path, code):
    (tmp_path / "file").write_bytes(b"contents")
    (tmp_path / "link").symlink_to(".")
    with served(tmp_path) as server:
        wire = server.wire()
        wire.send(List(id=1, path=path, recursive=True), Stat(id=2))
        assert wire.receive().code == code
        assert wire.receive().id == 2
    assert server.results == [("list", code), ("stat", "ok")]


def test_what_is_wrong_with_a_directory_below_is_told_at_its_entry(tmp_path):
    directory = FileInfo(Kind.DIRECTORY, 0, 0, 0o755)
    store = Scan(
        tmp_path,
        [
            ScanEntry((b"shut",), directory, Forbidden("may not: /secret/place")),
            ScanEntry((b"odd",), None),
            ScanEntry((b"f",), FILE),
        ],
    )
    with served(tmp_path, store=store) as server, server.session() as client:
        shut, odd, good = client.list((), recursive=True)
    assert (shut.kind, shut.code) == (Kind.DIRECTORY, ErrorCode.FORBIDDEN)
    assert (odd.kind, odd.code) == (None, None)
    assert (good.kind, good.size, good.code) == (Kind.FILE, 5, None)


def test_a_directory_that_fails_in_the_middle_is_an_error_behind_what_was_told(tmp_path):
    store = Scan(tmp_path, [*itertools.islice(endless(), 1000), Forbidden("gone")])
    with served(tmp_path, store=store) as server:
        wire = server.wire()
        wire.send(List(id=1), Stat(id=2))
        *some, (last, _) = parts(wire, 1)
        assert sum(len(message.entries) for message, _ in some) > 500
        assert last == Error(id=1, code=ErrorCode.FORBIDDEN, text="permission denied")
        assert wire.receive().id == 2


@pytest.mark.parametrize("how", ["cancel", "hurry", "close"])
def test_a_listing_without_end_is_broken_off(tmp_path, how):
    store = Scan(tmp_path, endless())
    with served(tmp_path, store=store) as server:
        wire = server.wire()
        wire.send(List(id=1))
        assert isinstance(wire.receive(), Entries)
        if how == "cancel":
            wire.send(Cancel(id=1), Stat(id=2))
        elif how == "hurry":
            server.aborting.set()
        else:
            wire.close()
        if how != "close":
            code = ErrorCode.CANCELLED if how == "cancel" else ErrorCode.STOPPING
            assert parts(wire, 1)[-1][0].code is code
        if how == "cancel":
            assert wire.receive().id == 2
        assert how != "close" or server.over.wait(20)
        assert store.closed
    if how == "close":
        assert isinstance(server.problem, ConnectionLost)  # in whichever way it noticed


def test_a_listing_whose_turn_has_not_come_is_cancelled_too(tmp_path):
    with served(tmp_path, store=Scan(tmp_path, endless())) as server:
        wire = server.wire()
        wire.send(List(id=1), List(id=2), Stat(id=3))
        assert isinstance(wire.receive(), Entries)
        wire.send(Cancel(id=2), Cancel(id=1))
        assert parts(wire, 1)[-1][0].code is ErrorCode.CANCELLED
        assert parts(wire, 2)[0][0].code is ErrorCode.CANCELLED
        assert wire.receive().id == 3


def test_a_client_that_does_not_read_stops_the_listing_and_not_the_server(tmp_path):
    """What a server holds of a listing is what the connection holds, however long the client looks away."""
    store = Scan(tmp_path, itertools.islice(endless(), 200_000))
    with served(tmp_path, store=store) as server:
        wire = server.wire()
        wire.send(List(id=1))
        assert isinstance(wire.receive(), Entries)
        assert store.taken < 100_000
        assert sum(len(message.entries) for message, _ in parts(wire, 1)) > 100_000
    assert server.results == [("list", "ok")]


def test_listings_stand_in_their_place_among_other_answers(tmp_path):
    (tmp_path / "file").write_bytes(b"contents")
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(Read(id=1, path=(b"file",)), List(id=2), Stat(id=3, path=(b"file",)), List(id=4), Bye())
        assert wire.receive().id == 1
        assert wire.receive_file()[1].digest == digest_of(b"contents")
        for number in (2, 4):
            found = parts(wire, number)
            assert [entry.path for message, _ in found for entry in message.entries] == [(b"file",)]
            if number == 2:
                assert wire.receive().id == 3
        assert wire.receive() == Bye()
    assert "Client requesting listing: /" in server.log.text
