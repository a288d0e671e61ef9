"""One file that is fetched in parts: what has come of it, its digest, and the requests of its parts.

Every part is of the one version that the first READ has named, and its own digest is compared. The digest of the whole
is computed here, in order, as far as the file has come without a gap, and compared with what the server says.
Invariant: a failure of one part is one of the file, unless only the stream is to blame.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from secftp.errors import FileChanged, FileError
from secftp.intervals import Intervals
from secftp.protocol import Abort, Error, ErrorCode, Ok, exception_for, remote_failure
from secftp.session import unexpected_reply
from secftp.session.replies import FileReply
from secftp.storage import new_digest
from secftp.storage.digest import hash_part
from secftp.storage.part_writer import WriterEnded
from secftp.transfer.parts import PartQueue
from secftp.transport.file_data import checksum_mismatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.protocol import Algorithm, File
    from secftp.storage import Digest, Path
    from secftp.storage.part_writer import PartSink, PartWriter
    from secftp.transfer.parts import Part
    from secftp.transport import Received

# With these the server ends the session, and not because of the file.
_ENDS_STREAM: Final = frozenset({ErrorCode.STOPPING, ErrorCode.LIMIT})
# Reasons of an ABORT after which what has come is worth keeping.
_WORTH_KEEPING: Final = frozenset({ErrorCode.IO_ERROR, ErrorCode.CANCELLED})


class FileInParts:
    """A file of `total` bytes, of which the first `offset` are there; written by `writer`. For any number of threads.

    `problem`: why the file can't be had, once that is known. `expected`: the digest of the whole, as the server says.
    `has_company`: whether an additional stream is at work.
    """

    def __init__(
        self,
        path: Path,
        name: bytes,
        version: bytes,
        total: int,
        algorithm: Algorithm,
        writer: PartWriter,
        *,
        streams: int,
        offset: int,
        on_change: Callable[[], None],
    ) -> None:
        self.path = path
        self.name = name
        self.version = version
        self.algorithm = algorithm
        self.writer = writer
        self.queue = PartQueue(total, streams, done=Intervals([(0, offset)]), on_change=on_change)
        self.problem: FileError | None = None
        self.keeps = False  # whether what has come is worth keeping all the same
        self.expected: bytes | None = None
        self.has_company = False
        self._on_change = on_change
        self._lock = threading.Lock()
        self._sum_is_asked = False
        self._digest: Digest | None = None
        self._hashed = 0
        self._hashing = threading.Lock()

    def fail(self, problem: FileError, received: Received | None = None) -> None:
        """Give the file up, because of what was received if that is given. The first problem counts."""
        with self._lock:
            if self.problem is None:
                self.keeps = isinstance(received, Abort) and received.code in _WORTH_KEEPING
                self.problem = problem
        self.queue.stop()

    # --- the digest of the whole --------------------------------------------------------------------------------------

    @property
    def needs_sum(self) -> bool:
        """Whether the server has not been asked for the digest of the whole."""
        return not self._sum_is_asked and self.expected is None and not self.queue.stopped

    def claim_sum(self) -> bool:
        """Whether the caller is to ask the server for the digest of the whole, which then only it does."""
        with self._lock:
            is_needed = self.needs_sum
            self._sum_is_asked = self._sum_is_asked or is_needed
            return is_needed

    def drop_sum(self) -> None:
        """Note that no answer will come: another stream may ask."""
        with self._lock:
            self._sum_is_asked = False
        self._on_change()

    def take_sum(self, digest: bytes) -> None:
        """Take the server's digest of the whole."""
        self.expected = digest
        self._on_change()

    def begin_hashing(self, digest: Digest, hashed: int) -> None:
        """Continue the digest of the whole, which has the first `hashed` bytes already."""
        self._hashed = hashed
        self._digest = digest
        self.hash_more()

    def hash_more(self) -> None:
        """Hash what has come without a gap; returns at once if another thread is about it."""
        while self._digest is not None and not self.queue.stopped and self.queue.prefix > self._hashed:
            if not self._hashing.acquire(blocking=False):
                return
            try:
                self._hash(self._digest)
            except WriterEnded:
                return
            except FileError as problem:
                self.fail(problem)
            finally:
                self._hashing.release()
            self._on_change()

    def _hash(self, digest: Digest) -> None:
        more = self.queue.prefix - self._hashed
        if hash_part(self.writer.read, digest, self._hashed, more) < more:
            raise checksum_mismatch(self.name)  # another program has truncated it
        self._hashed += more

    @property
    def digest(self) -> bytes:
        """The digest of the whole, once it `is_hashed`."""
        assert self._digest is not None
        return self._digest.digest()

    @property
    def is_hashed(self) -> bool:
        """Whether the digest of the whole is computed."""
        return self._hashed == self.queue.total and self._digest is not None and not self._hashing.locked()


class PartReply:
    """The reply to the READ of one part. `is_over`: the part is finished or given back, whatever still comes.

    `stop` cancels the request. `spend` is told of the bytes that have come, and may sleep. `is_known`: this session has
    sent bytes of the version before. If it has not, and its server has another version or none, that may be another
    server: then `is_useless` is set, and the file goes on without this stream.
    """

    __slots__ = ("_done", "_file", "_is_known", "_length", "_part", "_reply", "_spend", "is_over", "is_useless")

    def __init__(
        self,
        file: FileInParts,
        part: Part,
        length: int,
        stop: Callable[[], None],
        spend: Callable[[int], None],
        *,
        is_known: bool,
    ) -> None:
        self.is_over = False
        self.is_useless = False
        self._file = file
        self._part = part
        self._length = length  # that was asked for; the part may have shrunk since
        self._spend = spend
        self._done = 0
        self._is_known = is_known
        self._reply = FileReply(
            self._opened, new_digest(file.algorithm), subject=file.name, stop=stop, progress=self._progress
        )

    def __call__(self, received: Received) -> bool:
        """Take the next part of the reply."""
        if isinstance(received, Error | Abort) and received.code in _ENDS_STREAM:
            self.give_back()
            self.is_useless = True
            return True
        if isinstance(received, Error) and received.code is ErrorCode.CHANGED and not self._is_known:
            self.is_useless = True
        complete = self._reply(received)
        if complete and not self.is_over:
            self._end(received)
        return complete

    def give_back(self) -> None:
        """Give back what has not come. Idempotent."""
        if not self.is_over:
            self.is_over = True
            self._file.queue.give_back(self._part, kept=self._part.position - self._part.at)

    def _opened(self, file: File) -> PartSink:
        mine = self._file
        if file.version != mine.version:
            self.is_useless = not self._is_known
            raise remote_failure(FileChanged, mine.name, "it has changed.")
        if file.size != self._length:
            raise remote_failure(FileChanged, mine.name, "it has another size than the server said.")
        self._is_known = True
        mine.has_company = True
        return mine.writer.part(self._part.at)

    def _progress(self, done: int, total: int | None, /) -> None:
        queue, part = self._file.queue, self._part
        moved, self._done = done - self._done, done
        if self.is_over:
            return
        end = queue.reach(part, part.at + done)
        if done < (total or 0) and (queue.stopped or part.at + done >= end):
            # Another stream has the rest, or it is not wanted: the server is told to stop.
            self._reply.problem = remote_failure(FileError, self._file.name, "the rest is not needed.")
            self.give_back()
            self._file.hash_more()
        self._spend(moved)

    def _end(self, received: Received) -> None:
        problem = self._reply.problem
        if self._reply.end is not None:
            self.is_over = True
            self._file.queue.finish(self._part)
            self._file.hash_more()
            return
        self.give_back()
        if not self.is_useless:
            answered = None if self._reply.is_refused else received  # else it is the answer to CANCEL
            self._file.fail(problem or checksum_mismatch(self._file.name), answered)


class SumReply:
    """The reply to the SUM of the whole file. `is_over`: it has come."""

    __slots__ = ("_file", "is_over")

    def __init__(self, file: FileInParts) -> None:
        self._file = file
        self.is_over = False

    def __call__(self, received: Received) -> bool:
        """Take it."""
        self.is_over = True
        file = self._file
        if isinstance(received, Ok) and received.digest is not None:
            if received.size != file.queue.total:
                raise unexpected_reply()
            file.take_sum(received.digest)
        elif isinstance(received, Error):
            self._refused(received)
        else:
            raise unexpected_reply()
        return True

    def give_back(self) -> None:
        """Note that it won't come. Idempotent."""
        if not self.is_over:
            self.is_over = True
            self._file.drop_sum()

    def _refused(self, error: Error) -> None:
        if error.code in _ENDS_STREAM:
            self._file.drop_sum()
        else:
            self._file.fail(exception_for(error.code, self._file.name, error.reason))
