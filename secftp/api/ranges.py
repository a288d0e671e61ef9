"""Many files, or ranges of files, read into memory at once: all requests leave together and share few round trips.

Ranges of one file that touch, or have a small gap between them, become one request. Small whole files share a message.
Invariant: what is returned was verified, and all ranges of a file are of one version of it.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from secftp.api.memory import MemorySink
from secftp.errors import FileChanged, FileError, ProtocolError
from secftp.protocol import (
    Algorithm,
    Capability,
    Error,
    ErrorCode,
    Files,
    Read,
    ReadMany,
    exception_for,
    remote_failure,
)
from secftp.protocol.limits import MAX_BULK
from secftp.session import unexpected_reply
from secftp.session.replies import FileReply
from secftp.session.requested import require_for
from secftp.storage import new_digest
from secftp.storage.digest import digester
from secftp.transport.file_data import checksum_mismatch, unwatched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from secftp.api.pool import Pool, PooledConnection
    from secftp.protocol import File
    from secftp.session.replies import Reply
    from secftp.storage import Path, Sink
    from secftp.transport import Received

MAX_GAP: Final = 32 << 10  # bytes that are fetched and thrown away to save a request
MAX_MERGED: Final = 8 << 20  # of what is fetched for several ranges; each is copied out of it
SHORT_BYTES: Final = 8 << 20  # for more, the connection counts as a long one, which no other request waits for
_BATCH_FILES: Final = 256
_REQUEST_BYTES: Final = MAX_BULK - 64

Result: TypeAlias = "bytes | FileError"


class Range(NamedTuple):
    """A range of a file in bytes; `length` None: to its end."""

    path: Path
    offset: int
    length: int | None

    @property
    def end(self) -> int | None:
        """The offset behind it; None: the end of the file."""
        return None if self.length is None else self.offset + self.length


def read_ranges(pool: Pool, ranges: Sequence[Range], *, stop: bool) -> list[Result]:
    """Return the bytes of each range, or the `FileError` for which there are none; with `stop`, raise the first one."""
    pieces = merge(ranges)
    known = sum(piece.length or 0 for piece in pieces)

    def fetch(connection: PooledConnection) -> list[Result]:
        with connection.session.pipeline.keepalive():
            fetcher = _Fetcher(pool, connection, ranges, stop=stop)
            fetcher.request(pieces)
            return fetcher.finish()

    return pool.ask(fetch, long=known > SHORT_BYTES)


def read_many(pool: Pool, paths: Sequence[Path], *, stop: bool) -> list[Result]:
    """Return the contents of each file, or the `FileError` for which there are none; with `stop`, raise the first one.

    Small files come several in a message; a large one is requested when the server has said that it is large.
    """
    ranges = [Range(path, 0, None) for path in paths]
    if len(ranges) == 1:
        return read_ranges(pool, ranges, stop=stop)

    def fetch(connection: PooledConnection) -> list[Result]:
        with connection.session.pipeline.keepalive():
            fetcher = _Fetcher(pool, connection, ranges, stop=stop)
            if not connection.session.can(Capability.MANY):
                fetcher.request(merge(ranges))
                return fetcher.finish()
            for batch in [fetcher.request_small(numbers) for numbers in _batches(paths)]:
                fetcher.wait_for(batch)
                fetcher.request(merge(ranges, batch.large))
            return fetcher.finish()

    return pool.ask(fetch)


def read_small(connection: PooledConnection, paths: Sequence[Path]) -> list[Result | None]:
    """Return the contents of each small file, or the `FileError` for which there are none; None for a large file.

    All are None if the server can't send several files in a message.
    """
    results: list[Result | None] = [None] * len(paths)
    pipeline = connection.session.pipeline
    if connection.session.can(Capability.MANY):
        with pipeline.keepalive():
            for numbers in _batches(paths):
                asked = tuple(paths[number] for number in numbers)
                reply = SmallReply(pipeline.next_id(), numbers, asked, results)
                pipeline.submit(ReadMany(id=reply.number, paths=asked), reply)
            pipeline.settle()
    return results


# --- merging ----------------------------------------------------------------------------------------------------------


class Piece:
    """What is requested at once: a range of a file, in which the ranges with the given numbers lie."""

    __slots__ = ("length", "numbers", "offset", "path")

    def __init__(self, number: int, wanted: Range) -> None:
        self.path, self.offset, self.length = wanted
        self.numbers = [number]

    def add(self, number: int, wanted: Range) -> bool:
        """Take in a range that does not begin before this one, if that is worth it; returns whether it is."""
        if self.length is None:
            self.numbers.append(number)
            return True
        if wanted.length is None:
            return False
        gap = wanted.offset - (self.offset + self.length)
        length = max(self.length, wanted.offset + wanted.length - self.offset)
        # With no gap larger than the range behind it, no more is thrown away than is wanted.
        if gap > min(MAX_GAP, wanted.length) or MAX_MERGED < length > self.length:
            return False
        self.length = length
        self.numbers.append(number)
        return True

    def cut(self, wanted: Range, data: bytes) -> bytes:
        """Return one of its ranges from the data of all."""
        begin = wanted.offset - self.offset
        if begin == 0 and wanted.length in (None, self.length):
            return data
        return data[begin:] if wanted.length is None else data[begin : begin + wanted.length]


def merge(ranges: Sequence[Range], numbers: Iterable[int] | None = None) -> list[Piece]:
    """Return what to request for these ranges, or for those with some numbers; files in the order of occurrence."""
    files: dict[Path, list[int]] = {}
    for number in range(len(ranges)) if numbers is None else numbers:
        files.setdefault(ranges[number].path, []).append(number)
    pieces: list[Piece] = []
    for of_file in files.values():
        piece: Piece | None = None
        for number in sorted(of_file, key=lambda one: ranges[one].offset):
            if piece is None or not piece.add(number, ranges[number]):
                piece = Piece(number, ranges[number])
                pieces.append(piece)
    return pieces


def _batches(paths: Sequence[Path]) -> Iterator[list[int]]:
    """Yield the numbers of the paths that fit into one message."""
    batch: list[int] = []
    nbytes = 0
    for number, path in enumerate(paths):
        size = sum(map(len, path)) + 3 * len(path) + 3
        if batch and (nbytes + size > _REQUEST_BYTES or len(batch) == _BATCH_FILES):
            yield batch
            batch, nbytes = [], 0
        batch.append(number)
        nbytes += size
    if batch:
        yield batch


# --- fetching ---------------------------------------------------------------------------------------------------------


class _Fetcher:
    """Requests on one connection, and their results; with `stop`, the first failure cancels the rest and is raised."""

    def __init__(self, pool: Pool, connection: PooledConnection, ranges: Sequence[Range], *, stop: bool) -> None:
        self._pool = pool
        self._connection = connection
        self._pipeline = connection.session.pipeline
        self._ranges = ranges
        self._results: list[Result | None] = [None] * len(ranges)
        self._stop = stop
        self._requested: list[tuple[int, _PieceReply]] = []
        self._unfinished: dict[int, Reply] = {}
        self._versions: dict[Path, bytes | int] = {}
        self._changed: dict[Path, FileError] = {}
        self._received = 0

    def request(self, pieces: Sequence[Piece]) -> None:
        """Request pieces; `finish` waits for them."""
        for piece in pieces:
            number = self._pipeline.next_id()
            request = Read(id=number, path=piece.path, offset=piece.offset, length=piece.length, version=b"")
            require_for(self._pipeline, request, piece.path)
            reply = _PieceReply(self, number, piece)
            self._requested.append((number, reply))
            self._submit(request, reply)
            if self._stop and reply.problem is not None:
                break

    def request_small(self, numbers: list[int]) -> SmallReply:
        """Request whole files that may be small, in one message."""
        number = self._pipeline.next_id()
        paths = tuple(self._ranges[one].path for one in numbers)
        reply = SmallReply(number, numbers, paths, self._results)
        self._submit(ReadMany(id=number, paths=paths), reply)
        return reply

    def finish(self) -> list[Result]:
        """Wait for all that was requested and return the results, in order."""
        for number, reply in self._requested:
            self._wait(number, reply)
            self._take(reply)
        for reply in (reply for _, reply in self._requested):
            if (problem := self._changed.get(reply.piece.path)) is not None:
                self._fail(reply, problem)
        assert all(result is not None for result in self._results)
        return [result for result in self._results if result is not None]

    def wait_for(self, reply: SmallReply) -> None:
        """Wait until a reply about small files is complete."""
        self._wait(reply.number, reply)
        if self._stop:
            for number in reply.numbers:
                if isinstance(problem := self._results[number], FileError):
                    self._cancel()
                    raise problem

    def opened(self, file: File, path: Path) -> None:
        """Take note of a piece; raises `FileChanged` if it is of another version than one before."""
        # A file without a version, of a server that knows them, is one that the system makes up as it is read.
        version = file.version if self._connection.session.can(Capability.VERSIONS) else file.mtime_ns
        if version is not None and self._versions.setdefault(path, version) != version:
            problem = remote_failure(
                FileChanged, path, "the file has changed while parts of it were being read.", hint="Try again."
            )
            self._changed[path] = problem
            raise problem
        self._received += file.size
        if self._received > SHORT_BYTES:
            self._pool.prolong(self._connection)

    def cancel_soon(self, number: int) -> None:
        """Cancel a request with whatever is sent next."""
        self._pipeline.cancel_later(number)

    def _submit(self, request: Read | ReadMany, reply: Reply) -> None:
        self._unfinished[request.id] = reply
        self._pipeline.submit(request, reply)

    def _wait(self, number: int, reply: Reply) -> None:
        self._pipeline.wait_for(reply)
        del self._unfinished[number]

    def _take(self, reply: _PieceReply) -> None:
        if reply.problem is not None:
            self._fail(reply, reply.problem)
            return
        data = reply.data()
        for number in reply.piece.numbers:
            self._results[number] = reply.piece.cut(self._ranges[number], data)

    def _fail(self, reply: _PieceReply, problem: FileError) -> None:
        if self._stop:
            self._cancel()
            raise problem
        for number in reply.piece.numbers:
            self._results[number] = problem

    def _cancel(self) -> None:
        """Cancel what has not come, and wait for the answers, so that the connection can be used again."""
        for number, reply in self._unfinished.items():
            if not reply.complete:
                self._pipeline.cancel_later(number)
        self._pipeline.settle()


class _PieceReply(FileReply):
    """The reply to a READ of a piece."""

    __slots__ = ("_sink", "piece")

    def __init__(self, fetcher: _Fetcher, number: int, piece: Piece) -> None:
        self.piece = piece
        self._sink = MemorySink()

        def opened(file: File) -> Sink:
            fetcher.opened(file, piece.path)
            return self._sink

        super().__init__(
            opened,
            new_digest(Algorithm.XXH128),
            subject=piece.path,
            stop=lambda: fetcher.cancel_soon(number),
            progress=unwatched,
        )

    def data(self) -> bytes:
        """Return what has come, once it is complete, and forget it."""
        if self.end is None:
            raise unexpected_reply()
        data = self._sink.data()
        self._sink.abort()
        return data


class SmallReply:
    """The reply to a READMANY; the results go to their places. `large`: the numbers of the files that need a READ."""

    __slots__ = ("_digest_of", "_done", "_paths", "_results", "complete", "large", "number", "numbers")

    def __init__(self, number: int, numbers: list[int], paths: Sequence[Path], results: list[Result | None]) -> None:
        self.complete = False
        self.large: list[int] = []
        self.number = number
        self.numbers = numbers
        self._paths = paths
        self._results = results
        self._digest_of = digester(Algorithm.XXH128)
        self._done = 0

    def __call__(self, received: Received) -> bool:
        """Take some of the files. An ERROR is one for each that has not come."""
        if isinstance(received, Files):
            if received.clear_sizes:
                raise ProtocolError("Compressed files are not allowed here.")
            for position, file in enumerate(received.files):
                if file.code is None:
                    self._add(self._checked(file.data, file.digest))
                elif file.code is ErrorCode.TOO_LARGE:
                    self.large.append(self.numbers[self._done])
                    self._done += 1
                else:
                    self._refused(file.code, received.reasons[position] if position < len(received.reasons) else None)
        elif isinstance(received, Error):
            while self._done < len(self.numbers):
                self._refused(received.code, received.reason)
        else:
            raise unexpected_reply()
        self.complete = self._done == len(self.numbers)
        return self.complete

    @property
    def _path(self) -> Path:
        return self._paths[self._done]

    def _checked(self, data: bytes, digest: bytes) -> Result:
        return data if hmac.compare_digest(self._digest_of(data), digest) else checksum_mismatch(self._path)

    def _refused(self, code: ErrorCode, reason: str | None) -> None:
        self._add(exception_for(code, self._path, reason))

    def _add(self, result: Result) -> None:
        self._results[self.numbers[self._done]] = result
        self._done += 1
