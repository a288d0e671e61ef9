"""Resumed copies: over the next connection, and by another copy, in both directions."""

from __future__ import annotations

import os

import pytest

from secftp.errors import ConnectionLost
from secftp.transfer import CopyOptions, Download, RemoteLocation, Upload
from tests.support.copying import OLD, Recorder, contents, look, make, run_broken
from tests.support.serving import listing, serving

pytestmark = pytest.mark.exhaustive

SIZE = 6_000_000
RESUME = CopyOptions(resume=True)


@pytest.fixture
def here(tmp_path):
    (tmp_path / "here").mkdir()
    return str(tmp_path / "here")


class Way:
    """One direction: where the source is, where the target, and how to copy."""

    def __init__(self, name, server, here):
        self.is_put = name == "put"
        self.server = server
        self.source_top, self.target_top = (here, server.root) if self.is_put else (server.root, here)

    def copy(self, name, options=None, listener=None):
        if self.is_put:
            return Upload([f"{self.source_top}/{name}"], RemoteLocation(()), options, listener)
        return Download([RemoteLocation((os.fsencode(name),))], self.target_top, options, listener)

    def run(self, copy):
        with self.server.session() as session:
            return copy.run(session)

    def break_off(self, copy, cut):
        assert run_broken(self.server, copy, cut) is ConnectionLost

    def partials(self):
        return [name for name in listing(self.target_top) if ".secftp-" in name]


@pytest.fixture(params=["put", "get"])
def way(request, server, here):
    return Way(request.param, server, here)


def test_another_copy_resumes_where_the_first_was_interrupted(way):
    data = os.urandom(SIZE)
    make(way.source_top, {b"f": data})
    way.break_off(way.copy("f"), 4_000_000)
    assert len(way.partials()) == 1
    assert "f" not in listing(way.target_top)
    told = Recorder()
    summary = way.run(way.copy("f", RESUME, told))
    ((name, kept),) = told.of("resumed")
    assert name == b"f"
    assert 1_000_000 < kept <= 4_000_000
    assert (summary.files, summary.bytes) == (1, SIZE - kept)
    assert told.bytes == SIZE
    assert told.of("note") == []
    assert look(way.target_top)[b"f"] == look(way.source_top)[b"f"]
    assert way.partials() == []


def test_without_resume_it_starts_from_the_beginning(way):
    data = os.urandom(SIZE)
    make(way.source_top, {b"f": data})
    way.break_off(way.copy("f"), 4_000_000)
    told = Recorder()
    summary = way.run(way.copy("f", None, told))
    assert summary.bytes == told.bytes == SIZE
    assert told.of("resumed") == []
    assert contents(way.target_top) == {b"f": data}


@pytest.mark.parametrize("place", [0, 1_000_000])
def test_a_source_that_has_changed_starts_again_with_a_note(way, place):
    data = bytearray(os.urandom(SIZE))
    make(way.source_top, {b"f": data})
    way.break_off(way.copy("f"), 4_000_000)
    data[place] ^= 1
    make(way.source_top, {b"f": data}, mtime_ns=OLD + 10**9)
    told = Recorder()
    summary = way.run(way.copy("f", RESUME, told))
    assert (summary.files, summary.failed, summary.bytes, told.bytes) == (1, 0, SIZE, SIZE)
    assert told.names("note") == [b"f"]
    assert told.names("started") == [b"f"]
    assert look(way.target_top)[b"f"] == look(way.source_top)[b"f"]
    assert way.partials() == []


def test_a_source_that_is_shorter_than_what_is_kept_starts_again_with_a_note(way):
    make(way.source_top, {b"f": os.urandom(SIZE)})
    way.break_off(way.copy("f"), 5_500_000)
    data = os.urandom(1_100_000)
    make(way.source_top, {b"f": data})
    told = Recorder()
    summary = way.run(way.copy("f", RESUME, told))
    assert (summary.files, summary.bytes) == (1, len(data))
    assert told.names("note") == [b"f"]
    assert contents(way.target_top) == {b"f": data}


def test_a_source_that_has_grown_goes_on(way):
    data = os.urandom(SIZE)
    make(way.source_top, {b"f": data})
    way.break_off(way.copy("f"), 4_000_000)
    data += os.urandom(1_000_000)
    make(way.source_top, {b"f": data}, mtime_ns=OLD + 5)
    told = Recorder()
    summary = way.run(way.copy("f", RESUME, told))
    assert summary.bytes == len(data) - told.of("resumed")[0][1]
    assert look(way.target_top)[b"f"] == look(way.source_top)[b"f"]


def test_a_partial_that_is_whole_already_needs_no_more_bytes(way):
    data = os.urandom(2_000_000)
    make(way.source_top, {b"f": data + b"more"})
    way.break_off(way.copy("f"), 2_000_000)
    (partial,) = way.partials()
    kept = os.path.getsize(os.path.join(way.target_top, partial))
    make(way.source_top, {b"f": data[:kept]})
    told = Recorder()
    summary = way.run(way.copy("f", RESUME, told))
    assert (summary.files, summary.bytes, told.bytes) == (1, 0, kept)
    assert contents(way.target_top) == {b"f": data[:kept]}


def test_a_small_file_leaves_nothing_behind(way):
    make(way.source_top, {b"f": os.urandom(900_000)})
    way.break_off(way.copy("f"), 500_000)
    assert listing(way.target_top) == []
    assert way.run(way.copy("f", RESUME)).bytes == 900_000


def test_resuming_a_tree_asks_for_every_large_file_and_waits_for_none(way):
    files = {b"%d" % number: os.urandom(1_200_000) for number in range(6)} | {b"small": b"1"}
    make(f"{way.source_top}/src", files)
    way.break_off(way.copy("src"), 3_000_000)
    told = Recorder()
    summary = way.run(way.copy("src", CopyOptions(resume=True, update=True), told))
    assert contents(f"{way.target_top}/src") == files
    assert told.bytes == told.plans[-1][1]
    assert summary.files + summary.skipped == 7
    assert summary.failed == 0
    assert look(f"{way.target_top}/src") == look(f"{way.source_top}/src")


# --- over the next connection -----------------------------------------------------------------------------------------


def forest():
    """Files of every kind in directories of every kind."""
    return {
        **{b"s%d/%d" % (number % 9, number): b"%d" % number * 300 for number in range(150)},
        **{b"m/%d" % number: os.urandom(60_000) for number in range(20)},
        b"large/1": os.urandom(3_000_000),
        b"large/2": os.urandom(3_000_000),
        b"e/m/p/t/y/": b"",
    }


@pytest.mark.parametrize("cut", [1_300, 30_000, 800_000, 2_500_000, 6_000_000])
def test_a_copy_goes_on_over_the_next_connection(way, cut):
    top = make(f"{way.source_top}/src", forest())
    for number, (directory, _, _) in enumerate(os.walk(top)):
        os.utime(directory, ns=(OLD, OLD + number))
    told = Recorder()
    copy = way.copy("src", listener=told)
    way.break_off(copy, cut)
    before = copy.summary.files
    assert way.run(copy) is copy.summary
    there = contents(top)
    assert look(f"{way.target_top}/src") == look(top)
    assert copy.summary.files == len(there) > before
    assert copy.summary.failed == 0
    assert told.names("finished") == sorted(b"src/" + name for name in there)  # each once
    assert told.bytes == copy.summary.bytes == sum(map(len, there.values()))
    assert told.plans[-1] == (len(there), told.bytes)
    assert way.partials() == []


def test_small_files_that_were_gathered_when_the_connection_was_lost_are_copied_once(way):
    files = {b"%d" % number: b"content of %d" % number for number in range(9)}
    make(f"{way.source_top}/src", files)

    class Losing(Recorder):
        def started(self, name, size):
            super().started(name, size)
            if len(self.of("started")) == 5:
                raise ConnectionLost("the connection was lost")

    told = Losing()
    copy = way.copy("src", listener=told)
    with pytest.raises(ConnectionLost):
        way.run(copy)
    assert way.run(copy).files == 9
    assert contents(f"{way.target_top}/src") == files
    assert told.names("finished") == sorted(b"src/" + name for name in files)


def test_a_copy_survives_one_connection_after_the_other(way):
    top = make(f"{way.source_top}/src", forest())
    told = Recorder()
    copy = way.copy("src", listener=told)
    for _ in range(40):
        if run_broken(way.server, copy, 2_500_000) is None:
            break
    assert contents(f"{way.target_top}/src") == contents(top)
    assert told.names("finished") == sorted(b"src/" + name for name in contents(top))
    assert told.bytes == copy.summary.bytes == sum(map(len, contents(top).values()))
    assert told.of("failed") == told.of("note") == []


def test_a_large_file_is_not_moved_again_over_the_next_connection(way):
    data = os.urandom(SIZE)
    make(way.source_top, {b"f": data})
    told = Recorder()
    copy = way.copy("f", listener=told)
    for _ in range(2):
        way.break_off(copy, 2_600_000)
    from tests.support.cutting import cutting
    from tests.support.serving import session

    with cutting(way.server.port) as proxy, session(proxy.port) as last:
        copy.run(last)
    assert proxy.passed < 3_500_000
    assert (copy.summary.bytes, told.bytes) == (SIZE, SIZE)
    assert contents(way.target_top) == {b"f": data}


def test_what_interrupts_it_keeps_what_is_there(way):
    """Ctrl-C, at a moment when a large file is under way."""
    data = os.urandom(SIZE)
    make(way.source_top, {b"f": data, b"src/a": b"1"})

    class Interrupting(Recorder):
        def moved(self, nbytes):
            super().moved(nbytes)
            if self.bytes > 2_500_000:
                raise KeyboardInterrupt

    told = Interrupting()
    count = way.server.log.text.count(": Done.")
    with pytest.raises(KeyboardInterrupt):
        way.run(way.copy("f", listener=told))
    way.server.done(count + 1)
    assert told.calls[-1] == ("ended",)
    assert len(way.partials()) == 1
    told = Recorder()
    way.run(way.copy("f", RESUME, told))
    assert told.of("resumed")[0][1] > 500_000
    assert contents(way.target_top)[b"f"] == data


def test_a_server_that_stops_is_no_failure_of_the_files(tmp_path, way):
    top = make(f"{way.source_top}/src", {b"%d" % number: bytes(100_000) for number in range(100)})
    told = Recorder()
    copy = way.copy("src", CopyOptions(limit_rate=10_000_000), told)  # slow enough for answers to come meanwhile

    def stop(count):
        if count == 5:
            way.server.server.stop()
            way.server.server.stop()

    told.at = stop
    with pytest.raises(ConnectionLost):
        way.run(copy)
    assert told.of("failed") == []
    assert copy.summary.failed == 0
    told.at = None
    with serving(way.server.root) as other, other.session() as session:
        copy.run(session)
    assert contents(f"{way.target_top}/src") == contents(top)
    assert told.names("finished") == sorted(b"src/%d" % number for number in range(100))
