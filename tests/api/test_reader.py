"""`RemoteReader`: a binary file as Python has them, always of one version, that fetches what is needed and no more."""

from __future__ import annotations

import contextlib
import csv
import gc
import io
import os
import random
import tarfile
import time
import tracemalloc
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import secftp
from secftp.api import file_parts, raw_reader, read_ahead, read_ahead_limit
from secftp.protocol import Abort, Bye, Cancel, End, Error, ErrorCode, File, Info, Kind, SessionLimits, Welcome
from tests.support.forking import in_a_fork
from tests.support.programs import at_once, remote, root, served, serving_programs
from tests.support.serving import DEADLINE, HOST, KEY, digest_of, fake_server
from tests.support.turns import counted_turns

__all__ = ["remote", "root", "served"]

DATA = random.Random(1).randbytes(3 << 20)
LINES = b"".join(b"%d\n" % (10 ** (number % 300)) for number in range(8000))
BUFFER = raw_reader.BUFFER_BYTES
LITTLE = {
    "FIRST_BYTES": 2 * BUFFER,
    "TAIL_BYTES": 2 * BUFFER,
    "MAX_SINGLE": 3 * BUFFER,
    "MIN_PART": 2 * BUFFER,
    "MAX_PART": 5 * BUFFER,
    "MAX_AHEAD": 16 * BUFFER,
}


@pytest.fixture
def little_ahead(monkeypatch):
    """Windows of a few KiB, so that a small file has many."""
    for name, value in LITTLE.items():
        monkeypatch.setattr(raw_reader, name, value)


@pytest.fixture
def requests(monkeypatch):
    """The parts that were requested: offset and length."""
    asked = []
    original = file_parts.PartRequest.__init__

    def init(self, session, file, offset, length, head=b""):
        asked.append((offset, length))
        original(self, session, file, offset, length, head)

    monkeypatch.setattr(file_parts.PartRequest, "__init__", init)
    return asked


def fetched(requests):
    return sum(length for _, length in requests)


def connections(served):
    return sum("Client connected" in line for line in served.lines)


@pytest.fixture
def file(remote, root):
    (root / "file").write_bytes(DATA)
    return remote.open("file")


def touch(path):
    """Have it look changed, whatever the grain of the file system's clock."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))


# --- the file interface -----------------------------------------------------------------------------------------------


def test_it_is_read_whole_and_in_pieces(file):
    assert file.readable()
    assert file.seekable()
    assert not file.writable()
    assert file.size == len(DATA)
    assert file.read(10) == DATA[:10]
    assert file.tell() == 10
    assert file.read() == DATA[10:]
    assert file.read() == file.read(5) == b""
    assert file.seek(0) == 0
    assert file.readall() == DATA


def test_it_is_sought_from_everywhere(file):
    assert file.seek(-5, os.SEEK_END) == len(DATA) - 5
    assert file.read() == DATA[-5:]
    assert file.seek(-10, os.SEEK_CUR) == len(DATA) - 10
    assert file.read(3) == DATA[-10:-7]
    assert file.seek(10, os.SEEK_END) == len(DATA) + 10
    assert file.read() == file.read(1) == file.peek() == file.read1() == b""
    assert file.readinto(bytearray(4)) == 0
    for offset, whence in [(-1, os.SEEK_SET), (0, 7)]:
        with pytest.raises(ValueError, match=r"position|sought"):
            file.seek(offset, whence)


CALLS = st.one_of(
    st.tuples(
        st.sampled_from(["read", "readinto", "readinto1", "read1", "readline", "peek"]), st.integers(0, 9 * BUFFER)
    ),
    st.tuples(st.sampled_from(["read", "read1", "readline"]), st.sampled_from([-1, 1, BUFFER, 4 * BUFFER, 1 << 20])),
    st.tuples(st.just("seek"), st.integers(0, 400_000)),
    st.tuples(st.just("skip"), st.integers(-4 * BUFFER, 4 * BUFFER)),
    st.tuples(st.just("end"), st.integers(-3 * BUFFER, 10)),
    st.tuples(st.just("lines"), st.integers(1, 50)),
)


FILES = {"random": DATA[:300_000], "lines": LINES, "small": b"one\ntwo", "tail": DATA[: 2 * BUFFER + 1], "empty": b""}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(FILES)), st.lists(CALLS, max_size=30))
def test_whatever_is_called_it_does_what_a_file_in_memory_does(remote, root, name, calls):
    (root / name).write_bytes(FILES[name])
    near = io.BytesIO(FILES[name])
    with pytest.MonkeyPatch.context() as patch, remote.open(name) as file:
        for constant, value in LITTLE.items():
            patch.setattr(raw_reader, constant, value)
        for call, size in calls:
            if call == "seek":
                assert file.seek(size) == near.seek(size)
            elif call == "skip":
                back = max(size, -near.tell())
                assert file.seek(back, os.SEEK_CUR) == near.seek(back, os.SEEK_CUR)
            elif call == "end":
                back = max(size, -len(FILES[name]))
                assert file.seek(back, os.SEEK_END) == near.seek(back, os.SEEK_END)
            elif call in ("read1", "readinto1", "peek"):
                found = bytearray(size) if call == "readinto1" else getattr(file, call)(size)
                if call == "readinto1":
                    del found[file.readinto1(found) :]
                ours = len(found) if call == "peek" else near.seek(len(found), os.SEEK_CUR) and 0
                begin = near.tell() - (0 if call == "peek" else len(found))
                assert found == near.getvalue()[begin : begin + len(found)], (call, size, ours)
                assert found or size == 0 or begin >= len(FILES[name]), "nothing only at the end"
            elif call == "readinto":
                ours, theirs = bytearray(size), bytearray(size)
                assert (file.readinto(ours), ours) == (near.readinto(theirs), theirs)
            elif call == "lines":
                assert [next(file, b"") for _ in range(size)] == [next(near, b"") for _ in range(size)]
            else:
                assert getattr(file, call)(size) == getattr(near, call)(size), (call, size)
            assert file.tell() == near.tell()
        assert file.read() == near.read()


def test_it_stands_where_a_binary_file_may(remote, root):
    with zipfile.ZipFile(root / "it.zip", "w") as archive:
        archive.writestr("inside.txt", "zipped")
        archive.writestr("more", DATA)
    with zipfile.ZipFile(remote.open("it.zip")) as archive:
        assert archive.read("inside.txt") == b"zipped"
        assert archive.testzip() is None
    with tarfile.open(root / "it.tar.gz", "w:gz") as archive:
        archive.add(root / "it.zip", "it.zip")
    with remote.open("it.tar.gz") as file, tarfile.open(fileobj=file) as archive:
        assert archive.extractfile("it.zip").read() == (root / "it.zip").read_bytes()
    (root / "it.csv").write_bytes("ä,1\nb,2\n".encode())
    with io.TextIOWrapper(remote.open("it.csv"), encoding="utf-8", newline="") as text:
        assert list(csv.reader(text)) == [["ä", "1"], ["b", "2"]]
    with io.BufferedReader(remote.open("it.csv")) as file:
        assert file.readlines() == ["ä,1\n".encode(), b"b,2\n"]
    assert list(remote.open("it.csv")) == ["ä,1\n".encode(), b"b,2\n"]


def test_a_buffer_of_any_kind_is_filled(file):
    import array

    numbers = array.array("I", bytes(40))
    assert file.readinto(numbers) == 40
    assert numbers.tobytes() == DATA[:40]


def test_an_empty_file_and_one_of_a_single_byte(remote, root):
    for data in (b"", b"x"):
        (root / "small").write_bytes(data)
        with remote.open("small") as small:
            assert small.read() == data
            assert small.read() == b""
            small.seek(0)
            assert small.peek() == data


def test_nothing_can_be_done_with_a_closed_one(file):
    file.close()
    file.close()
    for call in (file.read, file.tell, file.peek, file.read1, file.readable, lambda: file.seek(0)):
        with pytest.raises(ValueError, match="closed"):
            call()
    assert "closed" in repr(file)


def test_what_can_not_be_read_is_raised_by_open(remote, root):
    (root / "folder").mkdir()
    (root / "file").write_bytes(b"x")
    (root / "link").symlink_to("file")
    for name, kind in [
        ("missing", FileNotFoundError),
        ("link", FileNotFoundError),
        ("missing/file", FileNotFoundError),
        ("folder", IsADirectoryError),
        ("", IsADirectoryError),
        ("file/below", NotADirectoryError),
    ]:
        with pytest.raises(kind) as raised:
            remote.open(name)
        assert isinstance(raised.value, secftp.FileError)


def test_lines_of_a_large_window_cost_no_copy_of_it(remote, root):
    """Quadratic, this would take minutes."""
    (root / "lines").write_bytes(b"x\n" * (256 << 10))
    with remote.open("lines") as file:
        assert sum(1 for _ in file) == 256 << 10


# --- what is fetched --------------------------------------------------------------------------------------------------


def begin_in_order(client, name="file"):
    """A file that is being read ahead."""
    file = client.open(name)
    while file._reader._stream is None:
        assert file.read(300_000)
    return file


@pytest.fixture
def large(root):
    data = DATA * 8
    (root / "file").write_bytes(data)
    return data


def test_opening_fetches_nothing_and_small_reads_share_a_window(little_ahead, file, requests):
    assert requests == []
    for number in range(LITTLE["FIRST_BYTES"] // 16):
        assert file.read(16) == DATA[16 * number :][:16]
    assert requests == [(0, LITTLE["FIRST_BYTES"])]


def test_reads_in_order_reach_ahead_ever_more_and_the_line_never_idles(file, requests, monkeypatch):
    """At each wait, twice as much is requested behind the position as was read in order so far."""
    behind = []
    original = read_ahead.ReadAhead.take

    def take(self):
        behind.append((self._parts[0].offset, self.end))
        return original(self)

    monkeypatch.setattr(read_ahead.ReadAhead, "take", take)
    while file.read(10_000):
        pass
    assert len(requests) < 20
    assert [length for _, length in requests[:3]] == sorted(length for _, length in requests[:3])
    assert behind
    assert all(end >= min(3 * offset, len(DATA)) for offset, end in behind)
    assert fetched(requests) == len(DATA), "nothing twice, and nothing left out"


@pytest.mark.parametrize("size", [100, BUFFER, 100_000, 1 << 20, 5 << 20])
def test_reads_of_any_size_in_order_take_few_requests_and_few_round_trips(served, root, requests, monkeypatch, size):
    data = DATA * 8
    (root / "large").write_bytes(data)
    with counted_turns(monkeypatch) as line, served.another() as client, client.open("large") as file:
        before = line.turns
        found = b"".join(iter(lambda: file.read(size), b"")) if size > 100 else b"".join(file)
        assert line.turns - before <= 16
    assert found == data
    assert len(requests) <= 24
    assert fetched(requests) == len(data)


@pytest.mark.parametrize("size", [1, 4096, BUFFER, 20_000, 1 << 20])
def test_random_reads_fetch_little_more_than_was_asked_for(served, root, requests, size):
    data = DATA * 4
    (root / "large").write_bytes(data)
    dice = random.Random(5)
    asked = 0
    with served.remote.open("large") as file:
        for _ in range(60):
            offset = dice.randrange(len(data) - size - raw_reader.TAIL_BYTES)
            file.seek(offset)
            assert file.read(size) == data[offset : offset + size]
            asked += max(size, 4096)
    assert fetched(requests) <= 2 * asked
    assert connections(served) == 1


def test_after_a_jump_the_read_ahead_begins_anew(remote, large, requests):
    file = begin_in_order(remote)
    del requests[:]
    for offset in (20 << 20, 7, 19 << 20):
        file.seek(offset)
        assert file.read(10) == large[offset : offset + 10]
    assert [length for _, length in requests] == [BUFFER] * 3


def test_what_is_skipped_within_the_read_ahead_is_not_fetched_again(served, root, requests):
    data = DATA * 4
    (root / "large").write_bytes(data)
    with served.remote.open("large") as file:
        while file.tell() < 4 << 20:
            file.read(500_000)
        end = max(offset + length for offset, length in requests)
        del requests[:]
        for offset in range(file.tell(), end - 100_000, 700_000):
            file.seek(offset)
            assert file.read(10) == data[offset : offset + 10]
        assert all(offset >= end for offset, _ in requests)


def test_a_large_read_is_fetched_in_parts_that_come_one_behind_the_other(served, root, requests):
    data = DATA * 4
    (root / "large").write_bytes(data)
    with served.remote.open("large") as file:
        file.seek(1000)
        assert file.read(10 << 20) == data[1000 : 1000 + (10 << 20)]
    assert max(length for _, length in requests) <= raw_reader.MAX_PART
    assert fetched(requests) <= (10 << 20) + 2 * BUFFER
    assert connections(served) == 1, "an idle connection will do"


def test_the_whole_is_one_request(file, requests):
    assert file.read() == DATA
    assert requests == [(0, len(DATA))]
    assert file.read() == file.read1() == b""
    file.seek(0)
    del requests[:]
    assert file.read(10) + file.read() == DATA
    assert fetched(requests) <= len(DATA)
    file.seek(0)
    while file.tell() < 1 << 20:
        assert file.readinto(bytearray(100_000))
    del requests[:]
    position = file.tell()
    assert file.read() == DATA[position:]
    assert fetched(requests) <= len(DATA) - position


def test_the_end_of_a_file_is_fetched_once(served, root, requests):
    data = DATA * 4
    (root / "large").write_bytes(data)
    with served.remote.open("large") as file:
        for back in (8, 22, 30_000, 60_000, 8):
            file.seek(-back, os.SEEK_END)
            assert file.read(back) == data[-back:]
            file.seek(1 << 20)
            file.read(10)
    assert sum(offset > len(data) - (1 << 20) for offset, _ in requests) == 1


def test_a_member_of_a_zip_file_takes_few_requests(served, root, requests):
    with zipfile.ZipFile(root / "it.zip", "w") as archive:
        for number in range(50):
            archive.writestr(f"{number}", DATA[:50_000])
    with zipfile.ZipFile(served.remote.open("it.zip")) as archive:
        assert archive.read("7") == DATA[:50_000]
    assert len(requests) <= 4
    assert fetched(requests) <= 64 * 1024 + 4 * 50_000


def test_columns_of_a_table_take_one_request_each(served, root, requests):
    """As Parquet readers do it: the end of the file, then each column chunk by one read of its size."""
    data = DATA * 8
    (root / "large").write_bytes(data)
    chunks = [(4, 100_000), (1 << 20, 1_234_567), (5 << 20, 10_000), (20 << 20, 777_777)]
    with served.remote.open("large") as file:
        file.seek(0, os.SEEK_END)
        file.seek(-65536, os.SEEK_END)
        assert file.read(65536) == data[-65536:]
        for offset, length in chunks:
            file.seek(offset)
            assert file.read(length) == data[offset : offset + length]
    assert len(requests) == 1 + len(chunks)
    assert fetched(requests) <= 65536 + sum(length for _, length in chunks) + len(chunks) * BUFFER


def test_read1_waits_for_one_answer_at_the_most(little_ahead, file, requests):
    while file.read1():
        before = len(requests)
        file.read1(5)
        assert len(requests) - before <= LITTLE["MAX_AHEAD"] // LITTLE["MIN_PART"]


def test_a_file_takes_no_more_memory_than_a_part(served, root):
    (root / "large").write_bytes(DATA * 12)
    with served.remote.open("large") as file:
        file.read(1)
        tracemalloc.start()
        try:
            while file.read(100_000):
                pass
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 3 * raw_reader.MAX_PART


def test_a_large_read_takes_no_more_memory_than_what_it_fills(served, root):
    (root / "large").write_bytes(DATA * 20)
    buffer = bytearray(60 << 20)
    with served.remote.open("large") as file:
        file.seek(1)
        tracemalloc.start()
        try:
            assert file.readinto(buffer) == len(buffer) - 1
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 4 * raw_reader.MAX_PART
    assert buffer[:-1] == (DATA * 20)[1:]


def test_a_file_whose_size_the_system_does_not_tell():
    with serving_programs("/proc/sys/kernel") as found, found.remote.open("ostype") as file:
        assert file.read(3) == b"Lin"
        assert file.read() == b"ux\n"
        assert file.size == 6


# --- one version ------------------------------------------------------------------------------------------------------


def append(path):
    with path.open("ab") as file:
        file.write(b"more")
    touch(path)


def shorten(path):
    os.truncate(path, 1000)
    touch(path)


def replace(path):
    path.with_name("new").write_bytes(DATA[::-1])
    touch(path.with_name("new"))
    path.with_name("new").replace(path)


@pytest.mark.parametrize("change", [append, shorten, replace, touch])
@pytest.mark.parametrize("length", [10, 1 << 20])
def test_a_file_that_was_changed_is_not_read_on(little_ahead, file, root, change, length):
    assert file.read(2000) == DATA[:2000]
    change(root / "file")
    file.seek(2 << 20)
    with pytest.raises(secftp.FileChanged):
        file.read(length)
    assert file.tell() == 2 << 20
    with pytest.raises(secftp.FileChanged):
        file.readinto(bytearray(length))


def read_everywhere(file):
    yield from iter(lambda: file.read(1 << 20), b"")
    for offset in (4 << 20, 5):
        file.seek(offset)
        yield file.read(10)


@pytest.mark.parametrize("read_in_order", [False, True])
def test_another_version_with_the_same_size_and_time_is_recognized(root, remote, read_in_order):
    (root / "it").write_bytes(bytes(5 << 20))
    os.utime(root / "it", (1, 1))
    with remote.open("it") as file:
        file.read(2 << 20 if read_in_order else 10)
        file.read(10)
        (root / "new").write_bytes(b"x" * (5 << 20))
        os.utime(root / "new", (1, 1))
        (root / "new").rename(root / "it")
        with pytest.raises(secftp.FileChanged, match="open"):
            assert b"x" not in b"".join(read_everywhere(file))


def test_parts_that_were_requested_before_the_version_was_known_are_of_one():
    """A server can't refuse them then."""
    limits = SessionLimits(requests=64, keepalive=15, idle=60)

    def play(wire):
        wire.send(Welcome(version=1, software="fake", capabilities=("stat", "ranges", "versions"), limits=limits))
        for version in (b"1", b"1", b"2"):
            asked = wire.receive()
            assert asked.version == b""
            wire.send(File(id=asked.id, size=10, mtime_ns=1, mode=0o644, version=version, total=30))
            wire.send_data(bytes(10))
            wire.send(End(size=10, digest=digest_of(bytes(10))))
        while wire.receive() is not None:
            pass

    info = Info(id=1, kind=Kind.FILE, size=30, mtime_ns=1, mode=0o644)
    with (
        fake_server(play) as port,
        secftp.connect(f"secftp://{HOST}:{port}", KEY, timeout=DEADLINE) as client,
        client._pool.connection(long=True) as connection,
    ):
        file = file_parts.OpenFile((b"f",), info)
        first, second, third = [file_parts.PartRequest(connection.session, file, offset, 10) for offset in (0, 10, 20)]
        assert first.result() == second.result() == bytes(10)
        with pytest.raises(secftp.FileChanged):
            third.result()


def test_a_server_that_was_restarted_may_have_another_version(served, root, monkeypatch):
    """It can't tell whether a file is the same as before."""
    (root / "file").write_bytes(DATA)
    with served.remote.open("file") as file:
        file.read(10)
        monkeypatch.setattr("secftp.server.requests.versions._KEY", os.urandom(32))
        file.seek(1 << 20)
        with pytest.raises(secftp.FileChanged, match="restarted"):
            file.read(10)


def test_a_file_that_was_removed_is_not_found(file, root):
    (root / "file").unlink()
    with pytest.raises(FileNotFoundError):
        file.read()


def test_what_is_there_already_is_read_on_all_the_same(file, root):
    file.read(10)
    (root / "file").unlink()
    assert file.read(100) == DATA[10:110]


def test_opened_again_it_is_read_as_it_is(remote, root, file):
    append(root / "file")
    with pytest.raises(secftp.FileChanged):
        file.read(10)
    with remote.open("file") as again:
        assert again.read() == DATA + b"more"


def test_a_server_that_sends_more_than_was_asked_for_is_not_believed():
    """Every number of the peer's is bounded: the buffer is as large as what was asked for."""

    def play(wire):
        limits = SessionLimits(requests=64, keepalive=15, idle=60)
        wire.send(Welcome(version=1, software="fake", capabilities=("stat", "ranges"), limits=limits))
        wire.send(Info(id=wire.receive().id, kind=Kind.FILE, size=10, mtime_ns=1, mode=0o644))
        asked = wire.receive()
        assert asked.length == 10
        wire.send(File(id=asked.id, size=20, mtime_ns=1, mode=0o644))
        wire.send_data(bytes(20))
        wire.send(End(size=20, digest=digest_of(bytes(20))))
        while wire.receive() is not None:
            pass

    with fake_server(play) as port, secftp.connect(f"secftp://{HOST}:{port}", KEY) as client:
        file = client.open("f")
        with pytest.raises(secftp.FileChanged):
            file.read()


# --- failures ---------------------------------------------------------------------------------------------------------


def play_failures(wire):
    """A file of lines, of which every second answer is a failure."""
    data = b"a line\n" * 40_000
    limits = SessionLimits(requests=64, keepalive=15, idle=60)
    wire.send(Welcome(version=1, software="fake", capabilities=("stat", "ranges", "versions"), limits=limits))
    wire.send(Info(id=wire.receive().id, kind=Kind.FILE, size=len(data), mtime_ns=1, mode=0o644))
    while (asked := wire.receive()) is not None and not isinstance(asked, Bye):
        if isinstance(asked, Cancel):
            continue  # it came too late
        if wire.count % 2:
            part = data[asked.offset :][: asked.length]
            wire.send(File(id=asked.id, size=len(part), mtime_ns=1, mode=0o644, version=b"1", total=len(data)))
            for begin in range(0, len(part), 60_000):
                wire.send_data(part[begin : begin + 60_000])
            wire.send(End(size=len(part), digest=digest_of(part)))
        else:
            wire.send(Error(id=asked.id, code=ErrorCode.IO_ERROR, text="no"))
        wire.count += 1


@contextlib.contextmanager
def failing_file():
    def play(wire):
        wire.count = 1
        play_failures(wire)

    with fake_server(play) as port, secftp.connect(f"secftp://{HOST}:{port}", KEY, timeout=DEADLINE) as client:
        yield client.open("f")


def with_retries(call):
    for _ in range(3):
        with contextlib.suppress(secftp.InputOutputError):
            return call()
    raise AssertionError("it goes on failing")


@pytest.mark.parametrize("name", ["read", "read1", "readinto", "readinto1", "peek"])
def test_a_read_that_failed_is_repeated_where_it_began(name):
    data = b"a line\n" * 40_000
    with failing_file() as file:
        failures = 0
        while file.tell() < len(data):
            position = file.tell()
            argument = bytearray(9000) if "into" in name else 9000
            try:
                found = getattr(file, name)(argument)
            except secftp.InputOutputError:
                failures += 1
                assert file.tell() == position
                continue
            found = argument[:found] if "into" in name else found
            assert found == data[position : position + len(found)]
            file.seek(position + len(found))
        assert failures
        file.seek(0)
        assert with_retries(file.read) == data


def test_after_a_line_that_failed_nothing_is_read_until_the_position_is_set():
    data = b"a line\n" * 40_000
    with failing_file() as file:
        lines = []
        with pytest.raises(secftp.InputOutputError):
            lines.extend(file)
        found = b"".join(lines)
        assert found
        assert data.startswith(found)
        with pytest.raises(secftp.UsageError, match="last read failed"):
            file.readline()
        file.seek(len(found))
        assert with_retries(lambda: file.read(20)) == data[len(found) :][:20]


# --- connections ------------------------------------------------------------------------------------------------------


def test_a_file_that_is_closed_early_gives_its_connection_back(served, large):
    before = connections(served)
    for _ in range(5):
        with begin_in_order(served.remote):
            pass
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline and not served.remote._pool._idle[-1].wind_down():
            time.sleep(0.001)
        assert served.remote.exists("file")
    assert connections(served) == before
    assert not served.remote._pool.read_aheads._open


def test_a_connection_is_not_used_while_answers_are_to_come(served, large):
    """Only cancelled answers, which a slow line may still hold."""
    file = begin_in_order(served.remote)
    connection = file._reader._stream._connection
    connection.wind_down = lambda: False
    file.close()
    assert served.remote._pool._idle == [connection]
    assert served.remote.read_bytes("file", offset=5, length=3) == large[5:8]
    assert connection in served.remote._pool._idle
    del connection.wind_down


def test_a_file_that_was_forgotten_ends_its_read_ahead(served, large):
    files = [begin_in_order(served.remote) for _ in range(3)]
    assert len(served.remote._pool.read_aheads._open) == 3
    del files
    gc.collect()
    assert not served.remote._pool.read_aheads._open
    assert not served.remote._pool._busy
    assert served.remote.exists("file")


def test_at_the_end_nothing_is_held(served, large):
    file = begin_in_order(served.remote)
    while file.read(1 << 20):
        pass
    assert not served.remote._pool.read_aheads._open
    assert not served.remote._pool._busy
    file.seek(1 << 20)
    assert file.read(10) == large[1 << 20 :][:10]


def test_files_that_rest_give_way_and_go_on_when_they_are_read(served, large, monkeypatch):
    monkeypatch.setattr(read_ahead_limit, "READ_AHEADS", 3)
    monkeypatch.setattr(read_ahead_limit, "SPARE_SECONDS", 0.0)
    files = [begin_in_order(served.remote) for _ in range(12)]
    assert len(served.remote._pool.read_aheads._open) == 3
    assert len(served.remote._pool._busy) == 3
    for file in files:
        position = file.tell()
        assert file.read() == large[position:]


def test_a_read_ahead_that_is_in_use_does_not_give_way(served, large, monkeypatch):
    monkeypatch.setattr(read_ahead_limit, "READ_AHEADS", 1)
    first = begin_in_order(served.remote)
    with served.remote.open("file") as second:
        assert second.read(3 << 20) + second.read() == large
    monkeypatch.setattr(read_ahead_limit, "SPARE_SECONDS", 0.0)
    assert first._reader._stream.acquire()
    with served.remote.open("file") as third:
        assert b"".join(iter(lambda: third.read(1 << 20), b"")) == large
    first._reader._stream.release()
    position = first.tell()
    assert first.read() == large[position:]


def test_without_another_connection_windows_are_fetched_one_by_one(served, large, requests, monkeypatch):
    def refused(*_arguments, **_options):
        raise secftp.ServerBusy("no")

    with served.remote.open("file") as file:
        monkeypatch.setattr(served.remote._pool, "connection", refused, raising=True)
        assert read_ahead.ReadAhead.begin(served.remote._pool, file._reader._file) is None
        monkeypatch.undo()
        file._reader._no_stream_before = time.monotonic() + DEADLINE
        assert b"".join(iter(lambda: file.read(500_000), b"")) == large
    assert connections(served) == 1


def test_a_part_that_a_stopping_server_cuts_off_is_a_lost_connection():
    """So a reader connects again, as after any other loss; the server may be back by then."""
    limits = SessionLimits(requests=64, keepalive=15, idle=60)

    def play(wire):
        wire.send(Welcome(version=1, software="fake", capabilities=("stat", "ranges"), limits=limits))
        wire.send(File(id=wire.receive().id, size=10, mtime_ns=1, mode=0o644))
        wire.send(Abort(code=ErrorCode.STOPPING, text="stopping"))
        while wire.receive() is not None:
            pass

    info = Info(id=1, kind=Kind.FILE, size=10, mtime_ns=1, mode=0o644)
    with (
        fake_server(play) as port,
        secftp.connect(f"secftp://{HOST}:{port}", KEY, timeout=DEADLINE) as client,
        client._pool.connection(long=True) as connection,
    ):
        part = file_parts.PartRequest(connection.session, file_parts.OpenFile((b"f",), info), 0, 10)
        with pytest.raises(secftp.ConnectionLost, match="stopping"):
            part.result()


def test_a_server_that_starts_again_is_read_on_from(served, large):
    file = begin_in_order(served.remote)
    served.server.stop(abort=True)
    with pytest.raises(secftp.ServerUnreachable):
        list(iter(lambda: file.read(1 << 20), b""))
    position = file.tell()
    served.server.start()
    assert file.read() == large[position:]


def test_a_forked_process_reads_on_as_its_parent_does(served, large):
    file = begin_in_order(served.remote)
    position = file.tell()

    def read_on():
        assert file.read() == large[position:]
        file.seek(5)
        assert file.read(5) == large[5:10]
        file.close()
        return "all of it"

    assert in_a_fork(read_on) == "all of it"
    assert file.read() == large[position:]


def test_threads_share_one_file(served, large):
    with served.remote.open("file") as file:

        def read(_number):
            return list(iter(lambda: file.read(100_000), b""))

        parts = [part for parts in at_once(4, read) for part in parts]
    assert sum(map(len, parts)) == len(large)
    known = {large[offset : offset + 100_000] for offset in range(0, len(large), 100_000)}
    assert set(parts) == known


def test_an_open_file_holds_no_connection_and_survives_a_server_that_starts_again(served, root):
    (root / "file").write_bytes(DATA)
    files = [served.remote.open("file") for _ in range(20)]
    assert [file.read(10) for file in files] == [DATA[:10]] * 20
    assert sum("Client connected" in line for line in served.lines) == 1
    served.server.stop()
    with pytest.raises(secftp.ServerUnreachable):
        files[0].read()
    served.server.start()
    for file in files:
        assert file.read() == DATA[10:]


def test_threads_read_files_of_one_client_at_once(remote, root):
    parts = [DATA[number * 1000 :] for number in range(8)]
    for number, part in enumerate(parts):
        (root / str(number)).write_bytes(part)

    def read(number):
        with remote.open(str(number)) as file:
            return b"".join(iter(lambda: file.read(70_000), b""))

    assert at_once(8, read) == parts


def test_a_reader_of_a_closed_client_says_so(remote, file):
    remote.close()
    with pytest.raises(secftp.UsageError, match="closed"):
        file.read()
