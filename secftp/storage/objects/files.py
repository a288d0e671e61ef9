"""The files of a bucket for those that read and write them: sources, sinks and small files, with their attributes."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import AlreadyExists, FileError, IsADirectory, NotFound, Unsupported
from secftp.storage.attributes import DEFAULT_OPTIONS, WriteOptions, granted_mode, kept_attributes
from secftp.storage.errors import failure
from secftp.storage.objects.bucket import ConditionalWrites
from secftp.storage.objects.changes import find_file, is_directory
from secftp.storage.objects.concurrency import AT_ONCE, each
from secftp.storage.objects.info import FILE_MODE, Times, file_info
from secftp.storage.objects.sink import ObjectSink
from secftp.storage.objects.source import ObjectSource
from secftp.storage.objects.targets import Targets, find
from secftp.storage.store import SmallFiles

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from secftp.storage.attributes import FileInfo, Kept
    from secftp.storage.names import Path
    from secftp.storage.objects.bucket import Bucket, ObjectInfo
    from secftp.storage.objects.keys import Keys
    from secftp.storage.objects.probe import Conditions

_ANY: Final = ConditionalWrites(put=False, copy=None)  # for a file that may replace another one


class Files(NamedTuple):
    """The files of `bucket` whose keys are `keys`. `mode_mask`: the permissions that requests may set."""

    bucket: Bucket
    keys: Keys
    times: Times
    mode_mask: int
    conditions: Conditions

    def open_source(self, path: Path) -> ObjectSource:
        """Open a file for reading, see `Store.open_source`."""
        found = find_file(self.bucket, self.keys, path)
        return ObjectSource(self.bucket, self.keys.of(path), found, file_info(found, self.times))

    def create_sink(self, path: Path, options: WriteOptions) -> ObjectSink:
        """Begin a file, see `Store.create_sink`. Its directory need not exist."""
        self._refuse(path, options)
        replaced = Targets(self.bucket, self.keys).check(path, look=not options.overwrite or options.mode is None)
        if replaced is not None and not options.overwrite:
            raise failure(AlreadyExists, "Already exists", path)
        return self._sink(path, options, replaced)

    def create_small(self, path: Path, options: WriteOptions, targets: Targets) -> ObjectSink:
        """Begin one file of a batch with these `targets`."""
        self._refuse(path, options)
        targets.check_one(path)
        look = options.overwrite and options.mode is None
        return self._sink(path, options, find(self.bucket, self.keys, path) if look else None)

    def _refuse(self, path: Path, options: WriteOptions) -> None:
        """Raise what can be refused without a request."""
        self.keys.of(path)
        if options.backup is not None:
            raise failure(Unsupported, "An object store keeps no backups", path)

    def _sink(self, path: Path, options: WriteOptions, replaced: ObjectInfo | None) -> ObjectSink:
        if options.mode is not None:
            mode = granted_mode(options.mode, self.mode_mask)
        else:
            mode = FILE_MODE & self.mode_mask if replaced is None else file_info(replaced, self.times).mode
        return ObjectSink(
            self.bucket,
            self.keys.of(path),
            options,
            mode=mode,
            writes=_ANY if options.overwrite else self.conditions.find(),
            own_times=self.times is Times.OWN,
        )


class ObjectSmallFiles(SmallFiles):
    """Small files of a bucket: many requests at once, since each takes far longer than its bytes."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._targets = Targets(files.bucket, files.keys)

    def read(self, path: Path, limit: int) -> tuple[FileInfo, bytes]:
        """Read with one request, see `SmallFiles.read`."""
        bucket, keys = self._files.bucket, self._files.keys
        try:
            found, data = bucket.get_whole(keys.of(path), limit)
        except NotFound:
            if is_directory(bucket, keys, path):
                raise failure(IsADirectory, "Is a directory", path) from None
            raise
        return file_info(found, self._files.times), bytes(data)

    def write(self, path: Path, data: memoryview, options: WriteOptions = DEFAULT_OPTIONS) -> Kept:
        """Write with one request, see `SmallFiles.write`, behind those that check the name."""
        options = options._replace(size=len(data))
        with self._files.create_small(path, options, self._targets) as sink:
            sink.writev([data])
            return kept_attributes(options, sink.commit())

    def read_each(self, paths: Iterable[Path], limit: int) -> Generator[tuple[FileInfo, bytes] | FileError, None, None]:
        """Read many at once."""

        def read(path: Path) -> tuple[FileInfo, bytes] | FileError:
            try:
                return self.read(path, limit)
            except FileError as problem:
                return problem

        return each(read, paths, AT_ONCE)

    def write_each(
        self, files: Iterable[tuple[Path, memoryview, WriteOptions]]
    ) -> Generator[Kept | FileError, None, None]:
        """Write many at once, but files of one path in their order."""
        return each(self._write_next, _ordered(files), AT_ONCE)

    def _write_next(self, file: _Next) -> Kept | FileError:
        try:
            if file.before is not None:
                file.before.result()
            return self.write(file.path, file.data, file.options)
        except FileError as problem:
            return problem
        finally:
            file.done.set_result(None)

    def close(self) -> None:
        """Release what is known of the directories."""
        self._targets = Targets(self._files.bucket, self._files.keys)


class _Next(NamedTuple):
    """A file that is to be written when that of the same path before it is `done`."""

    path: Path
    data: memoryview
    options: WriteOptions
    before: Future[None] | None
    done: Future[None]


def _ordered(files: Iterable[tuple[Path, memoryview, WriteOptions]]) -> Iterator[_Next]:
    last: dict[Path, Future[None]] = {}
    for path, data, options in files:
        done: Future[None] = Future()
        yield _Next(path, data, options, last.get(path), done)
        last[path] = done
