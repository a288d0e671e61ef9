"""Requests of a download that are under way; each puts what comes in reply where it belongs.

Invariants: no file gets its name before its digest was compared, and no path from the server leads out of the directory
that the user chose.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, TypeAlias

from secftp.errors import FileChanged, FileError
from secftp.protocol import Abort, End, Error, ErrorCode, File, Files, Read, remote_failure
from secftp.protocol.limits import MAX_BULK
from secftp.session import unexpected_reply
from secftp.session.replies import FileReply
from secftp.storage import PipeSink, WriteOptions
from secftp.storage.attributes import kept_attributes
from secftp.transfer.engine import Batch, PendingRequest, Transfer
from secftp.transfer.options import KEEP_BYTES
from secftp.transfer.remote_tree import RemoteFile
from secftp.transport.file_data import checksum_mismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from secftp.protocol import Algorithm, SmallFile
    from secftp.session.pipeline import Pipeline
    from secftp.storage import Digest, LocalStore, Path, ResumedSink, Sink, SmallFiles
    from secftp.storage.attributes import Kept
    from secftp.transfer.destinations import Destination
    from secftp.transfer.options import CopyOptions
    from secftp.transport import Received

    _Written: TypeAlias = tuple[int, Kept]  # the size of a file, and which of its attributes it has

_BATCH_FILES: Final = 256
_BATCH_BYTES: Final = 8 * MAX_BULK  # of the files
_REQUEST_BYTES: Final = MAX_BULK - 64
# Error replies to a partial file that can't be continued: the file starts again.
_NOT_RESUMED = frozenset({ErrorCode.CHECKSUM, ErrorCode.UNSUPPORTED})
# Reasons of an ABORT after which what has come is worth keeping.
_WORTH_KEEPING = frozenset({ErrorCode.IO_ERROR, ErrorCode.CANCELLED, ErrorCode.LIMIT})


class DownloadBatch(Batch[RemoteFile]):
    """Small files for one READMANY."""

    __slots__ = ("data_bytes", "paths")

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[Path] = []
        self.data_bytes = 0  # of the files

    def has_room(self, nbytes: int, size: int) -> bool:
        """Whether the path of a file of this size, with so many bytes, fits into the message."""
        return (
            self.nbytes + nbytes <= _REQUEST_BYTES
            and len(self.items) < _BATCH_FILES
            and self.data_bytes + size <= _BATCH_BYTES
        )

    def add(self, item: RemoteFile, path: Path, nbytes: int) -> None:
        """Add a file whose path takes so many bytes."""
        self.items.append(item)
        self.paths.append(path)
        self.nbytes += nbytes
        self.data_bytes += item.size


class ReadManyRequest(PendingRequest[RemoteFile]):
    """READMANY."""

    __slots__ = ("_done", "_small_files", "_store")

    def __init__(self, transfer: Transfer[RemoteFile], items: list[RemoteFile], store: LocalStore) -> None:
        super().__init__(transfer, items)
        self._store = store
        self._small_files: SmallFiles | None = None
        self._done = 0

    @property
    def unfinished(self) -> Sequence[RemoteFile]:
        """The files that have not come."""
        return self.items[self._done :]

    def abort(self) -> None:
        """Close what is open for writing."""
        small_files, self._small_files = self._small_files, None
        if small_files is not None:
            small_files.close()

    def on_reply(self, received: Received) -> bool:
        """Write some of the files. An ERROR is one for each that has not come."""
        if isinstance(received, Files):
            reasons = received.reasons
            arrived = zip(self.unfinished, received.files, self._contents(received), strict=False)
            outcomes = self.transfer.waits.map(self._write, arrived)
            for number, (file, outcome) in enumerate(zip(received.files, outcomes, strict=True)):
                item = self.items[self._done]
                self._done += 1
                if file.code is not None:
                    self.transfer.refused(item, file.code, reasons[number] if number < len(reasons) else None)
                elif isinstance(outcome, FileError):
                    self.transfer.fail(item, outcome)
                else:
                    self._count(item, file, outcome)
            self.transfer.limit.spend(sum(len(file.data) for file in received.files))
        elif isinstance(received, Error):
            for item in self.unfinished:
                self._done += 1
                self.transfer.refused(item, received.code, received.reason)
        else:
            raise unexpected_reply()
        if self._done < len(self.items):
            return False
        self.abort()
        return True

    def _contents(self, received: Files) -> Iterable[bytes]:
        """Return the contents of the files; those that are compressed are decompressed one after the other."""
        files, clear_sizes = [file.data for file in received.files], received.clear_sizes
        pipeline = self.transfer.pipeline
        if pipeline.compress is None and not clear_sizes:
            return files
        from secftp.transport.compression import decompress_small

        saved = sum(size - len(data) for size, data in zip(clear_sizes, files, strict=False) if size is not None)
        pipeline.channel.count_data(sum(map(len, files)) + saved, saved)
        pipeline.channel.take_saved()  # the rate limit counts what has come
        return decompress_small(files, clear_sizes, wanted=pipeline.compress is not None)

    def _write(self, arrived: tuple[RemoteFile, SmallFile, bytes]) -> _Written | FileError | None:
        """Write a file, unless it is an error; returns what was written, or what is wrong."""
        item, file, data = arrived
        if file.code is not None:
            return None
        options = self.transfer.options
        if self._small_files is None:
            self._small_files = self._store.small_files()
        try:
            if not hmac.compare_digest(self.transfer.digest_of(data), file.digest):
                raise checksum_mismatch(item.name)
            item.check(len(data), file.mtime_ns)
            asked = WriteOptions(options.overwrite, backup=options.backup_suffix)
            if options.preserve:
                asked = asked._replace(mode=file.mode, mtime_ns=file.mtime_ns)
            return len(data), self._small_files.write(item.local, memoryview(data), asked)
        except FileError as problem:
            return problem

    def _count(self, item: RemoteFile, file: SmallFile, written: _Written | None) -> None:
        """Count a file that was written."""
        assert written is not None  # it is no error
        transfer, counters, (size, kept) = self.transfer, self.transfer.counters, written
        if transfer.options.preserve:
            counters.copied(file.mode, file.mtime_ns, kept)
        counters.resize(item, size)
        counters.reached(item, size)
        transfer.complete(item, file.digest)


def write_options(
    options: CopyOptions, item: RemoteFile, size: int, mode: int, mtime_ns: int, *, holes: int = 0
) -> WriteOptions:
    """Return the options of a sink that takes `size` bytes of a file, about `holes` of which are in holes."""
    return WriteOptions(
        overwrite=options.overwrite,
        mode=mode if options.preserve else None,
        mtime_ns=mtime_ns if options.preserve else None,
        size=size,
        keep=item.size >= KEEP_BYTES,
        holes=holes,
        sparse=options.sparse,
        backup=options.backup_suffix,
    )


class EarlyRead:
    """READ of a name that is not known to be a file; `taker` takes its reply, once it is known what for.

    That is before the reply comes, or the reply is an ERROR, or the file is not wanted. `version`: see `Read`.
    """

    __slots__ = ("_number", "_pipeline", "taker")

    def __init__(self, pipeline: Pipeline, path: Path, algorithm: Algorithm, version: bytes | None) -> None:
        self.taker: PendingRequest[RemoteFile] | None = None
        self._pipeline = pipeline
        self._number = pipeline.next_id()
        request = Read(
            id=self._number, path=path, algorithm=algorithm, version=version, compress=pipeline.compress, holes=True
        )
        pipeline.submit(request, self)

    def __call__(self, received: Received) -> bool:
        """Take a part of the reply; returns whether it was the last."""
        return self.taker(received) if self.taker is not None else isinstance(received, Error | End | Abort)

    def cancel(self) -> None:
        """Ask the server to end the reply."""
        self._pipeline.cancel(self._number)


class ReadRequest(PendingRequest[RemoteFile]):
    """READ. `resumed`: the sink that continues a partial file of `offset` bytes; else it is created when FILE comes."""

    __slots__ = ("_destination", "_digest", "_file", "_item", "_offset", "_reading", "_resumed", "_sink")

    def __init__(
        self,
        transfer: Transfer[RemoteFile],
        item: RemoteFile,
        destination: Destination,
        digest: Digest,
        cancel: Callable[[], None],
        offset: int,
        resumed: ResumedSink | None,
    ) -> None:
        super().__init__(transfer, (item,))
        self._item = item
        self._digest = digest
        self._destination = destination
        self._file: File | None = None
        self._offset = offset
        self._resumed = resumed
        self._sink: Sink | None = resumed
        self._reading = FileReply(
            self._open, digest, subject=item.name, stop=cancel, progress=self._progress, waits=transfer.waits
        )

    def abort(self) -> None:
        """Close the sink, and keep what can be continued."""
        sink, self._sink = self._sink, None
        if sink is not None:
            self.transfer.waits.call(sink.keep)

    def on_reply(self, received: Received) -> bool:
        """Take the next part of the file."""
        if isinstance(received, Error | Abort) and received.code is ErrorCode.STOPPING:
            self.abort()
            self.transfer.refused(self._item, received.code)
            return True
        if isinstance(received, Error) and self._resumed is not None and received.code in _NOT_RESUMED:
            self._drop()
            self.transfer.start_again(
                self._item, "the partial file here differs from the server's file, so it starts again"
            )
            return True
        if isinstance(received, Abort) and received.code in _WORTH_KEEPING:
            self.abort()
        if not self._reading(received):
            return False
        if self._reading.end is not None:
            self._commit()
        else:
            self._fail(self._reading.problem or checksum_mismatch(self._item.name))
        return True

    def _open(self, file: File) -> Sink:
        """Return the sink: FILE says that what the partial file holds is right, and what follows."""
        self._file = file
        item, counters = self._item, self.transfer.counters
        item.check(self._offset + file.size, file.mtime_ns)
        counters.resize(item, self._offset + file.size)
        counters.begun(item, self._offset)
        if self._resumed is None:
            options = write_options(self.transfer.options, item, file.size, file.mode, file.mtime_ns, holes=file.holes)
            self._sink = self.transfer.waits.call(self._destination.create, options)
            return self._sink
        if file.mtime_ns != item.mtime_ns:
            raise remote_failure(FileChanged, item.name, "it has changed since it was listed.", hint="Try again.")
        return self._resumed

    def _progress(self, done: int, _total: int | None, /) -> None:
        before = self._item.reported
        self.transfer.counters.reached(self._item, self._offset + done)
        transfer = self.transfer
        transfer.limit.spend(transfer.pipeline.channel.sent_of(self._item.reported - before))

    def _commit(self) -> None:
        item, sink, file = self._item, self._sink, self._file
        assert sink is not None
        try:
            info = self.transfer.waits.call(sink.commit)
        except FileError as problem:
            self._fail(problem)
            return
        self._drop()
        transfer = self.transfer
        if transfer.options.preserve and file is not None and not isinstance(sink, PipeSink):
            kept = kept_attributes(WriteOptions(mode=file.mode, mtime_ns=file.mtime_ns), info)
            transfer.counters.copied(file.mode, file.mtime_ns, kept)
        transfer.complete(item, self._digest.digest())

    def _fail(self, problem: FileError) -> None:
        self._drop()
        self.transfer.counters.reached(self._item, 0)
        self.transfer.fail(self._item, problem)

    def _drop(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            self.transfer.waits.call(sink.close)
