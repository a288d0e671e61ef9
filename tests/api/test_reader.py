"""`RemoteReader`: random access, always to one version, with no resources held between reads."""

from __future__ import annotations

import csv
import io
import os
import random
import tarfile
import zipfile

import pytest

import secftp
from secftp.api import reader
from secftp.protocol import End, File, Info, Kind, SessionLimits, Welcome
from tests.support.programs import at_once, remote, root, served
from tests.support.serving import HOST, KEY, digest_of, fake_server

__all__ = ["remote", "root", "served"]

DATA = random.Random(1).randbytes(3 << 20)
LEAST, MOST = 1 << 10, 16 << 10


@pytest.fixture
def little_ahead(monkeypatch):
    """Windows of a few KiB, so that a small file has many."""
    monkeypatch.setattr(reader, "MIN_READ_AHEAD", LEAST)
    monkeypatch.setattr(reader, "MAX_READ_AHEAD", MOST)


@pytest.fixture
def requests(monkeypatch):
    """The parts that were asked for, as they are."""
    asked = []
    original = reader.read_part

    def read_part(session, part, make_sink):
        asked.append((part.offset, part.length))
        return original(session, part, make_sink)

    monkeypatch.setattr(reader, "read_part", read_part)
    return asked


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


def test_random_reads_are_what_a_local_file_gives(little_ahead, file):
    """Two thousand random calls on both, one after the other."""
    dice = random.Random(2)
    sizes = (0, 1, 100, LEAST, LEAST + 1, MOST - 1, MOST, 3 * MOST)
    near = io.BytesIO(DATA)
    for _ in range(2000):
        call = dice.choice(("read", "read", "readinto", "seek", "near", "read1", "peek", "readline"))
        size = dice.choice(sizes)
        if call == "seek":
            offset = dice.randrange(len(DATA) + 10)
            assert file.seek(offset) == near.seek(offset)
        elif call == "near":
            offset = max(0, near.tell() + dice.randrange(-3 * LEAST, 3 * LEAST))
            assert file.seek(offset) == near.seek(offset)
        elif call == "readinto":
            ours, theirs = bytearray(size), bytearray(size)
            assert (file.readinto(ours), ours) == (near.readinto(theirs), theirs)
        elif call == "read1":
            found = file.read1(size)
            assert found == near.read(len(found))
            assert found or not size or near.tell() >= len(DATA)
        elif call == "peek":
            found = file.peek()
            assert found == near.getvalue()[near.tell() : near.tell() + len(found)]
            assert found or near.tell() >= len(DATA)
        else:
            ours, theirs = getattr(file, call)(size), getattr(near, call)(size)
            assert (call, size, len(ours), ours) == (call, size, len(theirs), theirs)
        assert file.tell() == near.tell()


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


# --- requests ---------------------------------------------------------------------------------------------------------


def test_opening_asks_for_nothing_and_small_reads_for_one_window(little_ahead, file, requests):
    assert requests == []
    for number in range(LEAST // 16):
        assert file.read(16) == DATA[16 * number :][:16]
    assert len(requests) == 1


def test_reads_that_follow_one_another_reach_ahead_ever_more_and_jumps_do_not(little_ahead, file, requests):
    while file.tell() < 6 * MOST:
        file.read(100)
    lengths = [length for _, length in requests]
    assert lengths[0] == 2 * LEAST
    assert lengths == sorted(lengths)
    assert lengths[-1] == MOST
    del requests[:]
    for offset in (2 << 20, 1 << 20, 7):
        file.seek(offset)
        file.read(10)
    assert [length for _, length in requests] == [LEAST] * 3


def test_a_large_read_is_one_request_for_just_that(little_ahead, file, requests):
    file.read(10)
    buffered = requests[0][1]
    del requests[:]
    assert file.read(1 << 20) == DATA[10 : 10 + (1 << 20)]
    assert requests == [(buffered, (1 << 20) + 10 - buffered)]
    del requests[:]
    target = bytearray(1 << 20)
    assert file.readinto(target) == 1 << 20
    assert target == DATA[10 + (1 << 20) :][: 1 << 20]
    assert requests == [(10 + (1 << 20), 1 << 20)]


def test_read1_waits_for_one_answer_at_the_most(little_ahead, file, requests):
    while file.read1():
        before = len(requests)
        file.read1(5)
        assert len(requests) - before <= 1


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
        wire.send(File(id=asked.id, size=20, mtime_ns=1, mode=0o644))
        wire.send_data(bytes(20))
        wire.send(End(size=20, digest=digest_of(bytes(20))))
        while wire.receive() is not None:
            pass

    with fake_server(play) as port, secftp.connect(f"secftp://{HOST}:{port}", KEY) as client:
        file = client.open("f")
        with pytest.raises(secftp.FileChanged):
            file.read()


# --- connections ------------------------------------------------------------------------------------------------------


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
