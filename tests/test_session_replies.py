"""A file that is coming in, at the end that has stopped wanting it."""

from __future__ import annotations

from secftp.channel import DataRun
from secftp.errors import NoSpace
from secftp.messages import End, File
from secftp.session import FileReply
from secftp.storage import new_digest
from secftp.transfer import unwatched


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
