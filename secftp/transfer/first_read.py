"""First request of a large file that is downloaded in parts, and the end of that file.

The first READ of a file is of the whole, and leaves like any other. Once additional streams are at work it is
cancelled, and the next part requested right behind that, so that the stream of the copy never idles; what had come
counts.

Invariant: a file gets its name when all of it has come and its digest is that of the file at the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.errors import FileChanged, FileError
from secftp.protocol import Abort, Error, ErrorCode, remote_failure
from secftp.storage.sink import FileSink
from secftp.transfer.download_requests import ReadRequest
from secftp.transport.file_data import checksum_mismatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from secftp.protocol import File
    from secftp.storage import Digest, ResumedSink, Sink
    from secftp.transfer.destinations import Destination
    from secftp.transfer.engine import Transfer
    from secftp.transfer.file_in_parts import FileInParts
    from secftp.transfer.parts import Part
    from secftp.transfer.remote_tree import RemoteFile
    from secftp.transport import Received

    # Begins a file of which FILE has come, with the sink and the offset at which the reply begins.
    Begin: TypeAlias = Callable[["FirstRead", File, Sink, int], FileInParts | None]

_CHANGED: Final = "it changed while its parts were fetched, so it starts again over one connection"


class FirstRead(ReadRequest):
    """The first READ of a file, of all of it: the file is fetched in parts if FILE allows that, and else as usual.

    `begin`: begins to fetch the file in parts, once FILE has come; returns None if that is not possible.
    `is_decided`: whether FILE, or an error, has come.
    """

    __slots__ = ("_begin", "_cancel", "_is_cancelled", "_received", "file", "is_decided", "is_over", "part")

    def __init__(
        self,
        begin: Begin,
        transfer: Transfer[RemoteFile],
        item: RemoteFile,
        destination: Destination,
        digest: Digest,
        cancel: Callable[[], None],
        offset: int,
        resumed: ResumedSink | None,
    ) -> None:
        super().__init__(transfer, item, destination, digest, self._stop, offset, resumed)
        self.file: FileInParts | None = None  # from FILE on, if it is fetched in parts
        self.is_decided = False
        self.is_over = False  # whether the reply has ended, or is of no use any more
        self.part: Part | None = None  # that this READ is in
        self._begin = begin
        self._cancel = cancel
        self._is_cancelled = False
        self._received = 0

    @property
    def item(self) -> RemoteFile:
        """The file."""
        return self._item

    @property
    def unfinished(self) -> tuple[RemoteFile, ...]:
        """None, once it is fetched in parts: the file is not this request's alone."""
        return () if self.file is not None else (self._item,)

    @property
    def occupies_stream(self) -> bool:
        """Whether no part can be requested behind this: the rest of the file is still coming."""
        return not self.is_over and not self._is_cancelled

    def abort(self) -> None:
        """Give back what has not come; whether the file is kept is decided when all streams have ended."""
        if self.file is None:
            self.is_over = True
            super().abort()
        else:
            self.leave(self.file)

    def on_reply(self, received: Received) -> bool:
        """Take the next part of the file."""
        complete = self._take_reply(received)
        self.is_decided = True
        self.is_over = self.is_over or complete
        return complete

    def _take_reply(self, received: Received) -> bool:
        file = self.file
        if file is None:
            return super().on_reply(received)  # FILE, which may set the file, is not the end
        if self._reading(received):
            self._ended(file, received)
        return self._reading.complete

    def _open(self, file: File) -> Sink:
        sink = super()._open(file)
        self.file = self._begin(self, file, sink, self._offset)
        if self.file is None:
            return sink
        self.part = self.file.queue.take_at(self._offset, self.file.queue.part_bytes)
        return self.file.writer.part(self._offset)

    def _progress(self, done: int, total: int | None, /) -> None:
        file, moved = self.file, done - self._received
        self._received = done
        if file is None:
            super()._progress(done, total)
            return
        position = self._offset + done
        self._advance(file, position)
        if done < (total or 0) and (self.part is None or file.queue.stopped):
            # Another stream has what follows, or it is not wanted.
            self.leave(file)  # and the request is cancelled
        elif file.has_company:
            self._stop()
        self.transfer.limit.spend(self.transfer.pipeline.channel.sent_of(moved))

    def _advance(self, file: FileInParts, position: int) -> None:
        """Go on into the next part, unless that is another stream's."""
        while self.part is not None and position >= file.queue.reach(self.part, position):
            end = self.part.end
            file.queue.finish(self.part)
            self.part = None if self._is_cancelled else file.queue.take_at(end, file.queue.part_bytes)

    def _stop(self) -> None:
        """Cancel the request, once."""
        if not self._is_cancelled:
            self._is_cancelled = True
            self._cancel()

    def leave(self, file: FileInParts) -> None:
        """Leave the rest to others. The digest goes on where this has stopped. Idempotent.

        More of the reply may still come: it must not go into the digest, which is not this stream's any more.
        """
        if not self.is_over:
            self.is_over = True
            self._reading.drop(remote_failure(FileError, file.name, "the rest is not needed."))
            self._give_back()
            file.begin_hashing(self._digest, self._offset + self._received)

    def _give_back(self) -> None:
        part, self.part = self.part, None
        if self.file is not None and part is not None:
            self.file.queue.give_back(part, kept=part.position - part.at)

    def _ended(self, file: FileInParts, received: Received) -> None:
        """Deal with the end of the reply: END, ABORT after CANCEL, or a failure."""
        if self.is_over:
            return
        problem = self._reading.problem
        if self._reading.end is not None:
            file.take_sum(self._digest.digest())  # END had it
        elif self._reading.is_refused:
            file.fail(problem or checksum_mismatch(file.name))
        elif not (self._is_cancelled and isinstance(received, Abort) and received.code is ErrorCode.CANCELLED):
            if isinstance(received, Error | Abort) and received.code is ErrorCode.STOPPING:
                pass  # BYE follows
            else:
                file.fail(problem or checksum_mismatch(file.name), received)
        self.leave(file)

    # --- the end of the file, on the thread of the copy ---------------------------------------------------------------

    def commit(self, file: FileInParts) -> None:
        """Give the file its name."""
        file.writer.end()
        self._commit()

    def fail(self, file: FileInParts, problem: FileError) -> None:
        """Discard what has come, and count the failure; one that may be that of a change starts again."""
        file.writer.end()
        if isinstance(problem, FileChanged):
            self._drop()
            self._item.in_parts = False
            self.transfer.start_again(self._item, _CHANGED)
        else:
            if file.keeps:
                self.keep(file)
            self._fail(problem)

    def keep(self, file: FileInParts) -> None:
        """Keep what has come without a gap."""
        file.writer.end()
        sink, self._sink = self._sink, None
        if isinstance(sink, FileSink):
            sink.keep_first(file.queue.prefix)
