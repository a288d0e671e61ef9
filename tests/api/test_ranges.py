"""`Client.read_ranges` and `Client.read_many`: few round trips, one version of a file, a result for each."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import secftp
from secftp.api import ranges
from secftp.api.ranges import Range, merge
from secftp.protocol import (
    Capability,
    End,
    Error,
    ErrorCode,
    File,
    Files,
    Read,
    ReadMany,
    SessionLimits,
    SmallFile,
    Welcome,
)
from tests.support.programs import remote, root, served
from tests.support.serving import DEADLINE, HOST, KEY, digest_of, fake_server
from tests.support.turns import counted_turns

__all__ = ["remote", "root", "served"]

DATA = random.Random(3).randbytes(1 << 20)
PATH = (b"file",)


def fill(root, count, size=1000):
    contents = []
    for number in range(count):
        contents.append(random.Random(number).randbytes(size))
        (root / f"{number:04}").write_bytes(contents[-1])
    return contents


# --- merging ----------------------------------------------------------------------------------------------------------


def covered(pieces):
    return [(piece.offset, piece.length, piece.numbers) for piece in pieces]


def test_ranges_that_touch_overlap_or_nearly_touch_are_one_request():
    wanted = [Range(PATH, 5000, 1000), Range(PATH, 0, 1000), Range(PATH, 1000, 500), Range(PATH, 1400, 600)]
    assert covered(merge(wanted)) == [(0, 2000, [1, 2, 3]), (5000, 1000, [0])]
    assert covered(merge([Range(PATH, 0, 10), Range(PATH, 1010, 1000)])) == [(0, 2010, [0, 1])]
    assert len(merge([Range(PATH, 0, 10), Range(PATH, 1011, 1000)])) == 2  # more would be thrown away than is wanted
    far = ranges.MAX_GAP + 1
    assert len(merge([Range(PATH, 0, 1 << 20), Range(PATH, (1 << 20) + far, 1 << 20)])) == 2


def test_the_rest_of_a_file_takes_in_all_behind_it_and_nothing_before():
    wanted = [Range(PATH, 0, 10), Range(PATH, 10, None), Range(PATH, 5000, 7), Range(PATH, 90, None)]
    assert covered(merge(wanted)) == [(0, 10, [0]), (10, None, [1, 3, 2])]


def test_a_large_range_is_not_copied_out_of_a_larger_one():
    half = ranges.MAX_MERGED // 2 + 1
    assert len(merge([Range(PATH, 0, half), Range(PATH, half, half)])) == 2


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3000), st.integers(0, 700) | st.none()), max_size=12))
def test_each_range_is_cut_out_of_its_piece_and_at_most_half_is_thrown_away(asked):
    data = [DATA[:2500], DATA[2500:4000]]
    wanted = [Range((b"%d" % file,), offset, length) for file, offset, length in asked]
    found = {}
    for piece in merge(wanted):
        of_file = data[int(piece.path[0])]
        fetched = of_file[piece.offset :] if piece.length is None else of_file[piece.offset :][: piece.length]
        for number in piece.numbers:
            assert number not in found
            found[number] = piece.cut(wanted[number], fetched)
        if piece.length is not None:
            assert piece.length <= 2 * sum(wanted[number].length for number in piece.numbers)
    assert [found[number] for number in range(len(asked))] == [
        data[file][offset:] if length is None else data[file][offset : offset + length]
        for file, offset, length in asked
    ]


# --- ranges -----------------------------------------------------------------------------------------------------------


def test_ranges_come_in_their_order_cut_at_the_end(remote, root):
    (root / "file").write_bytes(DATA)
    (root / "other").write_bytes(b"abc")
    size = len(DATA)
    asked = [("file", size - 5, 10), (b"other", 1, None), ("file", 0, 3), ("file", size, 1), ("file", size + 9, None)]
    assert remote.read_ranges(asked) == [DATA[-5:], b"bc", DATA[:3], b"", b""]
    assert remote.read_ranges([]) == []
    for offset, length in [(-1, 1), (0, -1)]:
        with pytest.raises(secftp.UsageError, match="negative"):
            remote.read_ranges([("file", offset, length)])
    with pytest.raises(secftp.UsageError, match="on_error"):
        remote.read_ranges([], on_error="ignore")


def test_a_failure_is_returned_in_its_place_or_raised(remote, root):
    (root / "file").write_bytes(DATA)
    (root / "directory").mkdir()
    asked = [("missing", 0, 1), ("file", 1, 2), ("directory", 0, None), ("", 0, 1), ("a/../b", 0, 1), ("file", 9, 1)]
    found = remote.read_ranges(asked, on_error="return")
    kinds = [secftp.NotFound, bytes, secftp.IsADirectory, secftp.IsADirectory, secftp.NameRefused, bytes]
    assert [isinstance(result, kind) for result, kind in zip(found, kinds, strict=True)] == [True] * 6
    assert found[1] == DATA[1:3]
    for ranges_of in (asked[:2], asked[1:3], asked[3:]):
        with pytest.raises(secftp.FileError):
            remote.read_ranges(ranges_of)
    assert remote.read_ranges([asked[1]]) == [DATA[1:3]]


def test_a_failure_ends_what_is_under_way_and_the_connection_is_used_again(served, root):
    (root / "large").write_bytes(bytes(64 << 20))
    names = [f"large{number}" for number in range(3)]
    for name in names:
        (root / name).hardlink_to(root / "large")
    with pytest.raises(secftp.NotFound):
        served.remote.read_ranges([("missing", 0, 1), *((name, 0, None) for name in names)])
    assert served.remote.exists("large")
    assert sum("Client connected" in line for line in served.lines) == 1
    sent = sum("File sent" in line for line in served.lines)
    assert sent < 2, "what is not wanted is not sent to its end"


@pytest.mark.parametrize("count", [100, 1000])
def test_a_hundred_ranges_take_few_round_trips(served, root, monkeypatch, count):
    contents = fill(root, count // 10, 100_000)
    asked = [(f"{number % (count // 10):04}", 9_000 * (number % 11), 100) for number in range(count)]
    with counted_turns(monkeypatch) as line, served.another() as remote:
        before = line.turns
        found = remote.read_ranges(asked)
    assert found == [contents[int(name)][offset : offset + length] for name, offset, length in asked]
    assert line.turns - before <= (4 if count == 100 else 40)


# --- whole files ------------------------------------------------------------------------------------------------------


def test_files_small_and_large_come_in_their_order(remote, root):
    contents = fill(root, 20, 300)
    (root / "large").write_bytes(DATA)
    (root / "empty").write_bytes(b"")
    names = ["large", "0003", b"empty", "0019", "large"]
    assert remote.read_many(names) == [DATA, contents[3], b"", contents[19], DATA]
    assert remote.read_many([]) == []
    assert remote.read_many(["large"]) == remote.read_many("large") == [DATA]


def test_failures_of_whole_files(remote, root):
    (root / "a").write_bytes(b"a")
    (root / "directory").mkdir()
    names = ["missing", "a", "directory", "/", "a"]
    found = remote.read_many(names, on_error="return")
    assert [type(result) for result in found] == [
        secftp.NotFound, bytes, secftp.IsADirectory, secftp.IsADirectory, bytes
    ]  # fmt: skip
    assert found[0].filename == "missing"
    for name in names[::2]:
        with pytest.raises(secftp.FileError):
            remote.read_many(["a", name, "a"] if name != "a" else ["/", "a"])
    assert remote.read_many(["a", "a"]) == [b"a", b"a"]


def test_hundreds_of_small_files_take_one_round_trip_and_large_ones_another(served, root, monkeypatch):
    contents = fill(root, 600, 100)
    names = [f"{number:04}" for number in range(600)]
    with counted_turns(monkeypatch) as line, served.another() as remote:
        before = line.turns
        assert remote.read_many(names) == contents
        assert line.turns - before == 1
        (root / "0001").write_bytes(DATA)
        before = line.turns
        assert remote.read_many(names[:3])[1] == DATA
        assert line.turns - before <= 3


# --- what a server may do ---------------------------------------------------------------------------------------------


def welcome(*capabilities):
    limits = SessionLimits(requests=64, keepalive=15, idle=60)
    return Welcome(version=1, software="fake", capabilities=capabilities, limits=limits)


def client_of(play, action):
    with fake_server(play) as port, secftp.connect(f"secftp://{HOST}:{port}", KEY, timeout=DEADLINE) as client:
        return action(client)


def answer(wire, request, data, **fields):
    wire.send(File(id=request.id, size=len(data), mtime_ns=fields.pop("mtime_ns", 1), mode=0o644, **fields))
    if data:
        wire.send_data(data)
    wire.send(End(size=len(data), digest=digest_of(data)))


@pytest.mark.parametrize(("first", "second"), [({"version": b"1"}, {"version": b"2"}), ({}, {"mtime_ns": 2})])
def test_ranges_of_two_versions_are_not_returned_as_those_of_one(first, second):
    def play(wire):
        wire.send(welcome("stat", "ranges", *(["versions"] if first else [])))
        for fields in (first, second, second):
            request = wire.receive()
            answer(wire, request, b"x" * request.length, **fields)
        while wire.receive() is not None:
            pass

    def action(client):
        asked = [("a", 0, 5), ("a", 1 << 20, 5), ("b", 0, 5)]
        return client.read_ranges(asked, on_error="return")

    found = client_of(play, action)
    assert [type(result) for result in found] == [secftp.FileChanged, secftp.FileChanged, bytes]


def test_a_file_that_the_system_makes_up_has_no_versions_and_is_read():
    def play(wire):
        wire.send(welcome("stat", "ranges", "versions"))
        for number in range(2):
            answer(wire, wire.receive(), b"x" * 5, mtime_ns=number)
        while wire.receive() is not None:
            pass

    assert client_of(play, lambda client: client.read_ranges([("a", 0, 5), ("a", 1 << 20, 5)])) == [b"x" * 5] * 2


def test_a_server_without_messages_for_many_files_is_asked_for_each():
    def play(wire):
        wire.send(welcome("stat", "ranges"))
        for data in (b"a", b"b"):
            request = wire.receive()
            assert isinstance(request, Read)
            answer(wire, request, data)
        while wire.receive() is not None:
            pass

    assert client_of(play, lambda client: client.read_many(["a", "b"])) == [b"a", b"b"]


def test_what_is_refused_as_a_whole_is_refused_for_each():
    def play(wire):
        wire.send(welcome("many"))
        for _ in range(2):
            wire.send(Error(id=wire.receive().id, code=ErrorCode.FORBIDDEN, text="no"))
        while wire.receive() is not None:
            pass

    def action(client):
        found = client.read_many(["a", "b"], on_error="return")
        with pytest.raises(secftp.Forbidden):
            client.read_many(["a", "b"])
        return found

    assert [type(one) for one in client_of(play, action)] == [secftp.Forbidden] * 2


def test_a_small_file_that_arrives_damaged_is_refused():
    def play(wire):
        wire.send(welcome("many"))
        request = wire.receive()
        assert isinstance(request, ReadMany)
        good = SmallFile(None, b"a", digest_of(b"a"))
        wire.send(Files(id=request.id, files=(good, SmallFile(None, b"b", digest_of(b"a")))))
        wire.send(Error(id=request.id, code=ErrorCode.CANCELLED, text="enough"))
        while wire.receive() is not None:
            pass

    found = client_of(play, lambda client: client.read_many(["a", "b", "c", "d"], on_error="return"))
    assert found[0] == b"a"
    assert [type(one) for one in found[1:]] == [secftp.ChecksumMismatch, secftp.Cancelled, secftp.Cancelled]


def test_compressed_files_that_were_not_asked_for_end_the_session():
    def play(wire):
        wire.send(welcome(Capability.MANY))
        request = wire.receive()
        wire.send(Files(id=request.id, files=(SmallFile(None, b"a", digest_of(b"a")),), clear_sizes=(1,)))
        while wire.receive() is not None:
            pass

    with pytest.raises(secftp.ProtocolError):
        client_of(play, lambda client: client.read_many(["a", "b"]))


def test_a_loss_between_two_calls_is_not_noticed(served, root):
    (root / "a").write_bytes(b"a")
    served.remote.exists("a")
    served.server.stop(abort=True)
    served.server.start()
    os.utime(root / "a", (1, 1))
    assert served.remote.read_many(["a", "a"]) == [b"a", b"a"]
    served.server.stop(abort=True)
    served.server.start()
    assert served.remote.read_ranges([("a", 0, 1)]) == [b"a"]
