"""Parts of an open file at a server, each requested by a READ of its own and verified before it is used.

Invariant: parts of two versions of a file are never taken for parts of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.api.memory import MemorySink
from secftp.errors import Cancelled, ConnectionLost, FileChanged
from secftp.protocol import Algorithm, Read, remote_failure
from secftp.session import unexpected_reply
from secftp.session.replies import FileReply
from secftp.session.requested import require_for
from secftp.storage import new_digest
from secftp.transport.file_data import unwatched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.protocol import File, Info
    from secftp.session import Session
    from secftp.storage import Path, Sink


class OpenFile:
    """A file at the server as it was when it was opened: `path`, `size` in bytes.

    The first part that comes tells its version; the server refuses all others then.
    """

    __slots__ = ("_mtime_ns", "path", "size", "version")

    def __init__(self, path: Path, info: Info) -> None:
        self.path = path
        self.size = info.size
        self.version = b""  # empty: not known, or the server has none
        self._mtime_ns = info.mtime_ns

    def check(self, file: File, length: int) -> None:
        """Raise `FileChanged` unless a part of `length` bytes is one of this version of the file."""
        version = file.version or b""
        if not self.version:
            self.version = version
        is_same_size = file.total in (None, self.size)
        if version != self.version or file.mtime_ns != self._mtime_ns or file.size != length or not is_same_size:
            raise self.changed()

    def changed(self) -> FileChanged:
        """Return the exception for a file that is another one now."""
        return remote_failure(
            FileChanged,
            self.path,
            "the file has changed since it was opened, or the server was restarted.",
            hint="Open it again to read it as it is.",
        )


class PartRequest:
    """A READ of `length` bytes of a file from `offset` on."""

    __slots__ = ("_file", "_is_cancelled", "_number", "_pipeline", "_reply", "_sink", "length", "offset")

    def __init__(
        self, session: Session, file: OpenFile, offset: int, length: int, head: bytes | memoryview = b""
    ) -> None:
        self.offset = offset
        self.length = length
        self._file = file
        self._sink = _PartSink(head)
        self._pipeline = session.pipeline
        self._number = self._pipeline.next_id()
        self._is_cancelled = False
        request = Read(id=self._number, path=file.path, offset=offset, length=length, version=file.version)
        require_for(self._pipeline, request, file.path)
        self._reply = FileReply(
            self._opened, new_digest(Algorithm.XXH128), subject=file.path, stop=self.cancel_later, progress=unwatched
        )
        self._pipeline.submit(request, self._reply)

    @property
    def end(self) -> int:
        """The offset behind the part."""
        return self.offset + self.length

    def result(self) -> bytes:
        """Wait until the part is there, and return `head` and its bytes. To be called once.

        Raises `FileChanged` for another version of the file, the `FileError` with which the server refuses the request,
        `ConnectionLost` if the server is stopping, and what the session raises. A loss of the connection does not
        matter once the part is complete.
        """
        reply, pipeline = self._reply, self._pipeline
        try:
            while not reply.complete:
                pipeline.step()
                pipeline.channel.ping()  # which does nothing unless it is time for one
        except ConnectionLost:
            if not reply.complete:
                raise
        if isinstance(reply.problem, FileChanged):
            raise self._file.changed()
        if isinstance(reply.problem, Cancelled):
            raise ConnectionLost("The server is stopping and ended the session.", hint="Try again later.")
        if reply.problem is not None:
            raise reply.problem
        if reply.end is None:
            raise unexpected_reply()
        data = self._sink.data()
        self._sink.abort()  # else a cycle of references would keep it in memory
        return data

    def cancel_later(self) -> None:
        """Cancel the request, with whatever is sent next; what still comes is thrown away."""
        if self._begin_cancel():
            self._pipeline.cancel_later(self._number)

    def cancel(self) -> None:
        """Cancel the request now; what still comes is thrown away."""
        if self._begin_cancel():
            self._pipeline.cancel(self._number)

    def _begin_cancel(self) -> bool:
        self._sink.is_wanted = False
        self._sink.abort()
        if self._is_cancelled or self._reply.complete:
            return False
        self._is_cancelled = True
        return True

    def _opened(self, file: File) -> Sink:
        if self._sink.is_wanted:
            self._file.check(file, self.length)
            self._sink.reserve(file.size)
        return self._sink


class _PartSink(MemorySink):
    """A sink in memory that throws away what is not wanted any more."""

    __slots__ = ("is_wanted",)

    def __init__(self, head: bytes | memoryview) -> None:
        super().__init__(head)
        self.is_wanted = True

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """Append buffers."""
        if self.is_wanted:
            super().writev(buffers)
