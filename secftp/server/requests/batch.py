"""READMANY and WRITEMANY: many small files in one message, each with its own result.

Ten thousand files are read or written in the time of a few: per file there is the store's work, a digest, one or two
log lines and a record, and nothing else.

Invariants: a file that fails does not affect the others; no file is written before its digest was compared.
"""

from __future__ import annotations

import contextlib
import hmac
import time
from typing import TYPE_CHECKING, Final, TypeAlias

from secftp.errors import ChecksumMismatch, FileError
from secftp.protocol import ErrorCode, Files, ReadMany, Results, Right, SmallFile, WriteMany, text_for
from secftp.protocol.limits import MAX_BULK, MAX_CONTROL, MAX_SMALL
from secftp.server.log import FileLine
from secftp.server.log_format import Operation
from secftp.server.requests.capabilities import refuse_lacking
from secftp.server.requests.context import begin_digester, name_of
from secftp.server.requests.refusals import code_of, error_fields, error_for
from secftp.server.requests.serve import handles
from secftp.storage import WriteOptions
from secftp.transport.compression import SERVER_LEVEL, SmallFileCompressor, decompress_small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from secftp.errors import Reason
    from secftp.server.requests.context import RequestContext
    from secftp.storage import Path
    from secftp.storage.attributes import FileInfo, Kept

_ROOM_BYTES: Final = MAX_BULK - 64  # for the files of one FILES; the rest is its envelope
_FILE_BYTES: Final = 64  # of a file around its bytes, at most
_CHECK_FILES: Final = 64
_ENVELOPE_BYTES: Final = 64  # of RESULTS around its codes and reasons, at most

_Result: TypeAlias = "tuple[ErrorCode | None, Reason | None]"
_Read: TypeAlias = "tuple[SmallFile, Reason | None, int | None]"  # the size before compression
_DONE: Final[_Result] = (None, None)


class _Record:
    """Collects the operations of a batch, and logs them together at its end."""

    __slots__ = ("_asked", "_done", "_name", "_operations", "_since")

    def __init__(self, name: str, asked: str, done: str) -> None:
        self._name = name
        self._asked = asked
        self._done = done
        self._operations: list[Operation] = []
        self._since = time.perf_counter()

    @property
    def count(self) -> int:
        """The number of finished files."""
        return len(self._operations)

    def add(self, path: Path, code: ErrorCode | None, size: int, digest: bytes, saved: int = 0) -> None:
        """Add a finished file, and how many bytes compression has saved."""
        now = time.perf_counter()
        if code is None:
            seconds = now - self._since
            self._operations.append(Operation(self._name, path, "ok", seconds, size, digest, moved=True, saved=saved))
        else:
            self._operations.append(Operation(self._name, path, code, now - self._since))
        self._since = now

    def write_log(self, context: RequestContext) -> None:
        """Write all lines and operations to the log."""
        context.log.lines([text for done in self._operations for text in self._lines(done)])
        context.log.operations(self._operations)

    def _lines(self, done: Operation) -> tuple[str, str]:
        name = name_of(done.path)
        asked = f"{self._asked}{name}"
        if done.digest is not None:
            return asked, FileLine(f"{self._done}{done.digest.hex()}", name)
        return asked, f"Refused: {text_for(ErrorCode(done.result))}"


@handles(WriteMany)
def write_many(context: RequestContext, request: WriteMany) -> None:
    """Answer WRITEMANY with RESULTS; with ERROR only if no file may be written at all."""
    batch = WrittenBatch(context, request)
    try:
        batch.begin()
    except FileError as problem:
        batch.refuse(problem)
        return
    try:
        with context.store.small_files() as small, contextlib.closing(small.write_each(batch.verified())) as outcomes:
            for outcome in outcomes:
                batch.note(outcome)
        batch.finish()
    finally:
        batch.write_log()


class WrittenBatch:
    """The files of a WRITEMANY, and what has become of them, in the order of the request.

    A store may be given some files ahead of their results.
    """

    __slots__ = (
        "_algorithm", "_context", "_digest_of", "_files", "_kept", "_overwrite", "_record", "_refused", "_request",
        "_results", "_sizes",
    )  # fmt: skip

    def __init__(self, context: RequestContext, request: WriteMany) -> None:
        self._results: list[_Result] = []
        self._kept: list[Kept] = []
        self._refused: dict[int, FileError] = {}  # why a file was not given to the store, by its number
        self._context = context
        self._request = request
        self._record = _Record("write", "Client requested to write filename: ", "File confirmed, checksum: ")
        self._files = request.files
        self._algorithm = request.algorithm
        self._digest_of: Callable[[bytes], bytes] = bytes  # see `begin`
        self._overwrite = request.overwrite and context.rights.overwrite
        self._sizes: list[int] = []  # of the files that were looked at

    def begin(self) -> None:
        """Raise `FileError` if no file may be written at all."""
        self._context.require(Right.WRITE)
        refuse_lacking(self._request, self._context.lacks)
        self._context.check()
        self._digest_of = begin_digester(self._request.algorithm)

    def refuse(self, problem: FileError) -> None:
        """Answer with ERROR."""
        code = code_of(problem)
        self._context.channel.send(error_for(self._request.id, problem))
        for file in self._files:
            self._record.add(file.path, code, 0, b"")
        self.write_log()

    def verified(self) -> Iterator[tuple[Path, memoryview, WriteOptions]]:
        """Yield the files that are to be written: those whose digest agrees."""
        overwrite, algorithm, backup = self._overwrite, self._algorithm, self._request.backup
        check, digest_of, sizes = self._context.check, self._digest_of, self._sizes
        for file, data in zip(self._files, _contents(self._context, self._request), strict=True):
            sizes.append(len(data))
            try:
                check()
                if not hmac.compare_digest(digest_of(data), file.digest):
                    raise ChecksumMismatch("What arrived is not what was sent.")
            except FileError as problem:
                self._refused[len(sizes) - 1] = problem
                continue
            digest = algorithm, file.digest
            options = WriteOptions(overwrite, file.mode, file.mtime_ns, None, False, 0, False, backup, digest)
            yield file.path, memoryview(data), options

    def note(self, outcome: Kept | FileError) -> None:
        """Note what has become of the next file that was given to the store."""
        if self._refused:
            self._note_refused()
        if isinstance(outcome, FileError):
            self._note_failure(outcome)
            return
        number = len(self._results)
        file, size = self._files[number], self._sizes[number]
        self._results.append(_DONE)
        self._kept.append(outcome)
        self._context.note_created(file.path)
        if not self._overwrite:  # else the client may send it again
            self._context.confirmed.note(self._request.token, file.path, self._algorithm, file.digest)
        self._record.add(file.path, None, size, file.digest, size - len(file.data))

    def _note_refused(self) -> None:
        """Note the results of the next files as far as they were not given to the store."""
        while (problem := self._refused.pop(len(self._results), None)) is not None:
            self._note_failure(problem)

    def _note_failure(self, problem: FileError) -> None:
        self._context.explain_existing(problem, wanted=self._request.overwrite)
        number, result = len(self._results), error_fields(problem)
        file = self._files[number]
        self._results.append(result)
        self._record.add(file.path, result[0], self._sizes[number], file.digest)

    def finish(self) -> bool:
        """Answer with RESULTS if all files have one; return whether they do."""
        self._note_refused()
        results = self._results
        if len(results) < len(self._files):
            return False
        codes, reasons = tuple(code for code, _ in results), _fitting(results)
        self._context.confirmed.flush()
        times_changed, modes_changed = (sum(not one[which] for one in self._kept) for which in (0, 1))
        self._context.channel.send(
            Results(
                id=self._request.id,
                codes=codes,
                times_changed=times_changed,
                modes_changed=modes_changed,
                reasons=reasons,
            )
        )
        return True

    def write_log(self) -> None:
        """Write what was done to the log."""
        self._record.write_log(self._context)


def _contents(context: RequestContext, request: WriteMany) -> Iterable[bytes]:
    """Return the contents of the files; those that are compressed are decompressed one after the other."""
    files = [file.data for file in request.files]
    if not request.clear_sizes:
        return files
    return decompress_small(files, request.clear_sizes, wanted=context.channel.may_compress)


def _fitting(results: list[_Result]) -> tuple[Reason | None, ...]:
    """Return the reasons up to the last one that is set, as far as they fit into the message."""
    room = MAX_CONTROL - _ENVELOPE_BYTES - sum(len(code or "") + 2 for code, _ in results)
    reasons: list[Reason | None] = []
    last = 0
    for number, (_, reason) in enumerate(results, 1):
        reasons.append(reason)
        room -= len(reason or "") + 2
        if room < 0:
            break
        if reason is not None:
            last = number
    return tuple(reasons[:last])


@handles(ReadMany)
def read_many(context: RequestContext, request: ReadMany) -> None:
    """Answer READMANY with one or more FILES; with ERROR in place of files that are not sent any more."""
    with context.store.small_files() as small, contextlib.closing(small.read_each(request.paths, MAX_SMALL)) as each:
        send_many(context, request, each)


def send_many(context: RequestContext, request: ReadMany, each: Iterator[tuple[FileInfo, bytes] | FileError]) -> None:
    """Answer READMANY with the files that `each` yields; it may have more, and is not asked without the right."""
    record = _Record("read", "Client requesting filename: ", "File sent, checksum: ")
    files: list[_Read] = []
    try:
        _send_all(context, request, record, files, each)
    except FileError as problem:
        _send_files(context, request, files)
        code = code_of(problem)
        context.channel.send(error_for(request.id, problem))
        for path in request.paths[record.count :]:
            record.add(path, code, 0, b"")
    finally:
        record.write_log(context)


def _send_all(
    context: RequestContext,
    request: ReadMany,
    record: _Record,
    files: list[_Read],
    each: Iterator[tuple[FileInfo, bytes] | FileError],
) -> None:
    """Read and send the files; those that were read and not sent yet are in `files`."""
    context.require(Right.READ)
    refuse_lacking(request, context.lacks)
    digest_of = begin_digester(request.algorithm)
    packer = None
    if request.compress is not None and context.channel.may_compress:
        packer = SmallFileCompressor(min(request.compress, SERVER_LEVEL))
    room = _ROOM_BYTES
    for number, path in enumerate(request.paths):
        if number % _CHECK_FILES == 0:
            context.check(request.id)
        reason, size, clear_size = None, 0, None
        found = next(each)
        if isinstance(found, FileError):
            code, reason = error_fields(found)
            file = SmallFile(code)
        else:
            info, data = found
            size, digest = len(data), digest_of(data)
            if packer is not None:
                data, clear_size = packer.compress(data)
            file = SmallFile(None, data, digest, info.mtime_ns, info.mode)
        nbytes = _FILE_BYTES + len(file.data)
        if nbytes > room:
            _send_files(context, request, files)
            context.check(request.id)
            room = _ROOM_BYTES
        files.append((file, reason, clear_size))
        room -= nbytes
        record.add(path, file.code, size, file.digest, size - len(file.data))
    _send_files(context, request, files)


def _send_files(context: RequestContext, request: ReadMany, files: list[_Read]) -> None:
    if files:
        context.channel.send(
            Files(
                id=request.id,
                files=tuple(file for file, _, _ in files),
                reasons=tuple(reason for _, reason, _ in files) if any(reason for _, reason, _ in files) else (),
                clear_sizes=tuple(size for _, _, size in files) if any(size for _, _, size in files) else (),
            )
        )
        files.clear()
