"""Incoming files at a receiver that has cancelled them."""

from __future__ import annotations

import pytest

from secftp.errors import Cancelled, ChecksumMismatch, FileChanged, NoSpace
from secftp.protocol import Abort, End, ErrorCode, File
from secftp.session import FileReply
from secftp.storage import new_digest
from secftp.transport import DataRun
from secftp.transport.file_data import Aborted, IncomingFile, unwatched


class Full:
    """A sink that has no room at the second write, and none after it."""

    def __init__(self):
        self.written = []

    def writev(self, buffers):
        if len(self.written) == 1:
            self.written.append(None)
            raise NoSpace("No space left.")
        self.written.append(b"".join(buffers))


def test_nothing_is_written_behind_a_write_that_failed():
    """What comes until the server has heard of it is thrown away; else the file would have a gap."""
    sink, digest, stopped = Full(), new_digest("xxh128"), []
    reading = FileReply(lambda _file: sink, digest, subject=(b"a",), stop=lambda: stopped.append(1), progress=unwatched)
    assert not reading(File(id=1, size=4, mtime_ns=0, mode=0o644))
    for piece in (b"1", b"2", b"3", b"4"):
        assert not reading(DataRun([memoryview(piece)], 1))
    whole = new_digest("xxh128")
    whole.update(b"134")
    assert reading(End(size=4, digest=whole.digest()))
    assert sink.written == [b"1", None]
    assert stopped == [1]
    assert reading.end is None
    assert isinstance(reading.problem, NoSpace)


def test_an_exception_of_the_progress_callback_is_no_failure_of_the_file():
    """It ends the session, as the caller that raised it wants; else a copy would go on with the next file."""

    def progress(done, _total):
        if done:
            raise Cancelled("Enough.")

    sink, stopped = Counting(), []
    reply = FileReply(
        lambda _file: sink, new_digest("xxh128"), subject=(b"a",), stop=lambda: stopped.append(1), progress=progress
    )
    assert not reply(File(id=1, size=4, mtime_ns=0, mode=0o644))
    with pytest.raises(Cancelled):
        reply(DataRun([memoryview(b"1234")], 4))
    assert (sink.size, stopped, reply.problem, reply.complete) == (4, [], None, False)


@pytest.mark.parametrize("end", ["digest", "abort"])
def test_both_roles_take_a_file_for_whole_by_one_rule(end):
    """The client's reply and the server's WRITE are fed with the same parts."""
    parts = [DataRun([memoryview(b"12"), memoryview(b"3")], 3), DataRun([memoryview(b"4")], 1)]
    whole = new_digest("xxh128")
    whole.update(b"1234")
    last = Abort(code=ErrorCode.CHANGED) if end == "abort" else End(size=4, digest=bytes(len(whole.digest())))
    file, sink = IncomingFile(Counting(), new_digest("xxh128"), subject=(b"a",)), Counting()
    reply = FileReply(lambda _file: sink, new_digest("xxh128"), subject=(b"a",), stop=pytest.fail, progress=unwatched)
    reply(File(id=1, size=4, mtime_ns=0, mode=0o644))
    for part in parts:
        file.take(part)
        assert not reply(part)
    assert file.size == sink.size == 4
    with pytest.raises(Aborted if end == "abort" else ChecksumMismatch):
        file.take(last)
    assert reply(last)
    assert file.end is reply.end is None
    assert isinstance(reply.problem, FileChanged if end == "abort" else ChecksumMismatch)


class Counting:
    """A sink that counts."""

    size = 0

    def writev(self, buffers):
        self.size += sum(map(len, buffers))
