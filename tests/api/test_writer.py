"""`RemoteWriter`: streamed and atomic; a failure of the program never leaves a partial file under the name."""

from __future__ import annotations

import contextlib
import csv
import gc
import io
import os
import pickle
import subprocess
import sys
import threading
import warnings
import zipfile

import pytest

import secftp
from secftp.api import writer
from secftp.protocol import Error, ErrorCode, SessionLimits, Stat, Welcome
from tests.support.programs import at_once, remote, root, served, serving_programs
from tests.support.serving import DEADLINE, HOST, KEY, FullStore, fake_server, sizes, until

__all__ = ["remote", "root", "served"]

BIG = bytes(range(256)) * (12 << 10)  # 3 MiB: several batches


def nothing_is_left(served):
    """The server has thrown away what it had of a file that never came to its end."""
    until(lambda: not served.unfinished(), "the unfinished file is gone")


# --- successful writes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[], [0], [1], [5, 0, 7], [300_000], [10, 300_000, 10], [len(BIG)], [1000] * 2000])
def test_what_is_written_is_there_after_the_close(remote, root, sizes):
    parts = [BIG[:size] for size in sizes]
    with remote.open("file", "wb") as file:
        assert file.writable()
        assert not file.readable()
        assert not file.seekable()
        for part in parts:
            assert file.write(part) == len(part)
        assert file.tell() == sum(sizes)
    assert file.closed
    assert (root / "file").read_bytes() == b"".join(parts)


def test_a_file_appears_at_its_close_and_not_before(remote, root):
    (root / "file").write_bytes(b"before")
    file = remote.open("file", "wb")
    file.write(BIG)
    file.flush()
    assert (root / "file").read_bytes() == b"before"
    assert remote.read_bytes("file") == b"before"
    file.close()
    assert (root / "file").read_bytes() == BIG
    file.close()


def test_what_may_change_after_the_write_is_copied(remote, root):
    data = bytearray(BIG)
    with remote.open("file", "wb") as file:
        file.write(data)
        data[:] = bytes(len(data))
        file.write(memoryview(BIG).cast("I"))
    assert (root / "file").read_bytes() == BIG + BIG


def test_two_files_are_written_at_once_and_others_are_read_meanwhile(remote, root):
    (root / "third").write_bytes(b"3")
    with remote.open("first", "wb") as first, remote.open("second", "wb") as second:
        for _ in range(5):
            first.write(BIG[: 1 << 20])
            second.write(BIG[: 1 << 20])
            assert remote.read_bytes("third") == b"3"
    assert (root / "first").read_bytes() == (root / "second").read_bytes() == BIG[: 1 << 20] * 5


def test_permissions_are_wished_for(remote, root):
    with remote.open("file", "wb", permissions=0o600) as file:
        file.write(b"x")
    assert (root / "file").stat().st_mode & 0o777 == 0o600


def test_it_stands_where_a_binary_file_may(remote, root):
    with remote.open("it.zip", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("inside.txt", "zipped")
    with zipfile.ZipFile(root / "it.zip") as archive:
        assert archive.read("inside.txt") == b"zipped"
    with io.TextIOWrapper(remote.open("it.csv", "wb"), encoding="utf-8", newline="") as text:
        csv.writer(text).writerows([["ä", 1], ["b", 2]])
    assert (root / "it.csv").read_bytes() == "ä,1\r\nb,2\r\n".encode()
    with remote.open("it.pickle", "wb") as file:
        pickle.dump({"a": list(range(100_000))}, file)
    with remote.open("it.pickle") as file:
        assert pickle.load(file) == {"a": list(range(100_000))}
    with io.BufferedWriter(remote.open("buffered", "wb")) as file:
        file.write(BIG)
    assert (root / "buffered").read_bytes() == BIG


def test_a_writer_sends_between_writes(remote, root):
    """What is queued leaves by itself: an open file in a notebook may lie there for an hour."""
    file = remote.open("file", "wb")
    file.write(BIG)
    file.flush()
    (unfinished,) = until(lambda: [name for name, size in sizes(root).items() if size == len(BIG)], "all was sent")
    file.close()
    assert not (root / unfinished).exists()


# --- out of order -----------------------------------------------------------------------------------------------------


class Trouble(Exception):
    pass


@pytest.fixture(params=["new", "there"])
def before(request, root):
    """A file that must stay as it is, or must not appear."""
    if request.param == "there":
        (root / "file").write_bytes(b"before")
        return b"before"
    return None


def as_before(served, before):
    nothing_is_left(served)
    path = served.root / "file"
    assert (path.read_bytes() if path.exists() else None) == before


def leave_by(kind, remote, data):
    with remote.open("file", "wb") as file:
        file.write(data)
        raise kind


@pytest.mark.parametrize("amount", [0, 10, len(BIG)])
def test_a_block_that_is_left_by_an_exception_writes_nothing(served, before, amount):
    with pytest.raises(Trouble):
        leave_by(Trouble, served.remote, BIG[:amount])
    as_before(served, before)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whatever_the_exception(served, before, kind):
    with pytest.raises(kind):
        leave_by(kind, served.remote, BIG)
    as_before(served, before)


@pytest.mark.parametrize("amount", [0, 10, len(BIG)])
def test_a_writer_that_is_forgotten_writes_nothing(served, before, amount):
    held = [served.remote.open("file", "wb")]
    held[0].write(BIG[:amount])
    with pytest.warns(ResourceWarning, match="never closed"):
        held.clear()
    as_before(served, before)


def test_a_writer_in_a_circle_is_forgotten_likewise(served, before):
    file = served.remote.open("file", "wb")
    file.write(BIG)
    circle = [file]
    circle.append(circle)
    gc.disable()  # or it could come before the assertion
    try:
        del file, circle
        with pytest.warns(ResourceWarning, match="never closed"):
            gc.collect()
    finally:
        gc.enable()
    as_before(served, before)


@pytest.mark.parametrize("wrap", [io.TextIOWrapper, io.BufferedWriter])
def test_a_wrapper_that_is_forgotten_writes_nothing(served, before, wrap):
    held = [wrap(served.remote.open("file", "wb"))]
    held[0].write("text" if wrap is io.TextIOWrapper else b"bytes")
    with pytest.warns(ResourceWarning):
        held.clear()
    as_before(served, before)


def leave_by_wrapper(file):
    with io.TextIOWrapper(file) as text:
        text.write("half")
        raise Trouble


def leave_by_closing(file):
    with contextlib.closing(file):
        file.write(b"half")
        raise Trouble


def leave_by_finally(file):
    try:
        file.write(b"half")
        raise Trouble
    finally:
        file.close()


@pytest.mark.parametrize("leave", [leave_by_wrapper, leave_by_closing, leave_by_finally])
def test_a_close_on_the_way_of_an_exception_writes_nothing_and_says_so(served, before, leave):
    with pytest.raises(Trouble), pytest.warns(RuntimeWarning, match="not written"):
        leave(served.remote.open("file", "wb"))
    as_before(served, before)


def test_a_file_that_was_opened_in_the_middle_of_an_exception_can_be_closed_there(remote, root):
    try:
        int("x")
    except ValueError:
        file = remote.open("file", "wb")
        file.write(b"a report of it")
        file.close()
    assert (root / "file").read_bytes() == b"a report of it"


def test_abort_leaves_everything_as_it_was(served, before):
    with served.remote.open("file", "wb") as file:
        file.write(BIG)
        file.abort()
        assert file.closed
        file.abort()
    as_before(served, before)


def test_nothing_can_be_done_with_a_closed_one(remote):
    file = remote.open("file", "wb")
    file.close()
    for call in (lambda: file.write(b"x"), file.tell, file.writable, file.__enter__):
        with pytest.raises(ValueError, match="closed"):
            call()
    assert "closed" in repr(file)


def test_after_an_abort_the_connection_is_used_again(served):
    for number in range(5):
        with served.remote.open(f"file {number}", "wb") as file:
            file.write(BIG)
            file.abort()
    assert sum("Client connected" in line for line in served.lines) <= 2


# No other thread can take a lock whose owner ended with the interpreter.
HOLD_THE_LOCK = """
import threading
holder = threading.Thread(target=file._upload._source._changed.acquire)
holder.start()
holder.join()
"""


@pytest.mark.parametrize(
    "end", ["pass", "sys.exit()", "raise KeyboardInterrupt", "circle = [file]; circle += [circle]", HOLD_THE_LOCK]
)
def test_an_interpreter_that_ends_writes_nothing_and_does_not_hang(served, before, end):
    text = "a key of this test"
    program = f"""
import secftp, sys
remote = secftp.connect({served.server.url!r}, key_file=sys.argv[1])
file = remote.open("file", "wb")
file.write(bytes(3 << 20))
{end}
"""
    key_file = served.root.parent / "key"
    key_file.touch(0o600)
    key_file.write_text(text)
    served.server.stop()
    with secftp.Server(served.root, text, port=served.server.port):
        subprocess.run([sys.executable, "-c", program, key_file], timeout=DEADLINE, check=False, stderr=subprocess.PIPE)
        as_before(served, before)


# --- errors of the server ---------------------------------------------------------------------------------------------


def test_what_is_known_to_be_wrong_is_raised_by_open(remote, root):
    (root / "folder").mkdir()
    (root / "file").write_bytes(b"x")
    for name, mode, kind in [
        ("missing/file", "wb", FileNotFoundError),
        ("folder", "wb", IsADirectoryError),
        ("file", "xb", FileExistsError),
        ("folder", "xb", IsADirectoryError),
        ("file/below", "wb", NotADirectoryError),
        ("", "wb", IsADirectoryError),
        ("..", "wb", secftp.NameRefused),
    ]:
        with pytest.raises(kind) as raised:
            remote.open(name, mode)
        assert isinstance(raised.value, secftp.FileError)
    with pytest.raises(secftp.UsageError, match="The mode must be"):
        remote.open("file", "ab")


def test_x_does_not_replace_a_file_that_came_first(served):
    file = served.remote.open("file", "xb")
    file.write(b"mine")
    (served.root / "file").write_bytes(b"yours")
    with pytest.raises(FileExistsError):
        file.close()
    as_before(served, b"yours")


def test_of_many_exclusive_writers_one_wins(served):
    def write(number):
        try:
            with served.remote.open("file", "xb") as file:
                file.write(b"%d" % number)
        except FileExistsError:
            return None
        return b"%d" % number

    (winner,) = [result for result in at_once(6, write) if result is not None]
    as_before(served, winner)


@pytest.fixture
def full(tmp_path, monkeypatch):
    """A server on a disk that is full after a MiB."""
    from secftp.api import server as module

    monkeypatch.setattr(module, "LocalStore", lambda directory, **_: FullStore(directory, 1 << 20))
    (tmp_path / "file").write_bytes(b"before")
    with serving_programs(tmp_path) as found:
        yield found


def write_on(file):
    for _ in range(1000):
        file.write(BIG)


def test_a_failure_at_the_server_is_raised_while_writing_and_nothing_is_there(full):
    def fail():
        with full.remote.open("file", "wb") as file:
            write_on(file)

    with pytest.raises(secftp.NoSpace):
        fail()
    as_before(full, b"before")


def test_a_failure_that_comes_late_is_raised_by_the_close(full):
    file = full.remote.open("file", "wb")
    file.write(BIG)
    with pytest.raises(secftp.NoSpace):
        file.close()
    assert file.closed
    as_before(full, b"before")


def test_who_looks_away_from_a_failure_gets_no_file_either(full):
    file = full.remote.open("file", "wb")
    with pytest.raises(secftp.NoSpace):
        write_on(file)
    with pytest.raises(secftp.NoSpace):
        file.close()
    assert file.closed
    as_before(full, b"before")


def test_a_read_only_server_says_so(tmp_path):
    with serving_programs(tmp_path, read_only=True) as served_to_read:
        file = served_to_read.remote.open("file", "wb")
        with pytest.raises(PermissionError):
            write_on(file)
        file.abort()
        assert not list(tmp_path.iterdir())


# --- connections ------------------------------------------------------------------------------------------------------


def test_a_lost_connection_is_raised_and_nothing_is_there(served, before):
    file = served.remote.open("file", "wb")
    file.write(BIG)
    served.server.stop(abort=True)
    with pytest.raises(ConnectionError) as raised:
        write_on(file)
    assert isinstance(raised.value, secftp.SecftpError)
    with pytest.raises(ConnectionError):
        file.close()
    as_before(served, before)


def test_closing_the_client_ends_its_writers(served, before):
    file = served.remote.open("file", "wb")
    file.write(BIG)
    served.remote.close()
    with pytest.raises(secftp.SecftpError):
        file.close()
    as_before(served, before)
    with pytest.raises(secftp.UsageError):
        served.remote.open("file", "wb")


def test_a_server_that_does_not_answer_does_not_hold_up_an_exception(monkeypatch):
    """Giving up waits for a moment, then the connection is broken off."""
    monkeypatch.setattr(writer, "GIVE_UP_SECONDS", 0.05)
    over = threading.Event()

    def play(wire):
        limits = SessionLimits(requests=64, keepalive=15, idle=60)
        wire.send(Welcome(version=1, software="fake", capabilities=("stat",), limits=limits))
        asked = wire.receive()
        assert isinstance(asked, Stat)
        wire.send(Error(id=asked.id, code=ErrorCode.FORBIDDEN, text="no"))
        assert over.wait(DEADLINE)

    with fake_server(play) as port:
        with secftp.connect(f"secftp://{HOST}:{port}", KEY) as client, pytest.raises(Trouble):
            leave_by(Trouble, client, BIG)
        over.set()


def test_a_forked_process_can_neither_write_nor_commit(served):
    file = served.remote.open("file", "wb")
    file.write(b"parent")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads and forks: what else could be tested here
        child = os.fork()
    if not child:
        try:
            file.write(b"child")
            file.flush()
        except secftp.UsageError:
            file.abort()
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    file.close()
    assert (served.root / "file").read_bytes() == b"parent"


def test_small_writes_are_put_together(served, monkeypatch):
    added = []
    monkeypatch.setattr(writer.UploadThread, "add", lambda self, data: added.append(len(data)))
    monkeypatch.setattr(writer.UploadThread, "finish", writer.UploadThread.give_up)
    with served.remote.open("file", "wb") as file:
        for _ in range(writer.BUFFER_BYTES // 64 + 1):
            file.write(bytes(64))
    assert added == [writer.BUFFER_BYTES, 64]
    nothing_is_left(served)
