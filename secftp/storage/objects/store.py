"""A store whose files are the objects of a bucket.

A path is a key; directories are what the keys have in common, and a marker where one is to exist without a file.
Attributes of a file are metadata of its object. What a bucket can't do is in `lacks`, and raises `Unsupported`.
"""

# ruff: noqa: D102 - methods without a docstring are those of the interface `storage.store.Store`

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Final

from secftp.errors import Forbidden, NotFound, Reason, Unsupported
from secftp.protocol import Capability, Kind
from secftp.storage.attributes import (
    ALL_KEPT,
    DEFAULT_OPTIONS,
    KEPT_OPTIONS,
    PERMISSIONS,
    FileInfo,
    Kept,
    WriteOptions,
    directory_mode,
    granted_mode,
    kept_attributes,
)
from secftp.storage.directories import not_found
from secftp.storage.errors import failure, of_target
from secftp.storage.objects import changes, copies
from secftp.storage.objects.bucket import ObjectInfo
from secftp.storage.objects.changes import directory_marker
from secftp.storage.objects.concurrency import AT_ONCE, each
from secftp.storage.objects.files import Files, ObjectSmallFiles
from secftp.storage.objects.info import FILE_MODE, Times, directory_info, file_info
from secftp.storage.objects.keys import Keys
from secftp.storage.objects.listing import scan
from secftp.storage.objects.metadata import Metadata, decode
from secftp.storage.objects.probe import Conditions
from secftp.storage.objects.reachable import check_reachable
from secftp.storage.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.storage.attributes import Identity
    from secftp.storage.directories import Space
    from secftp.storage.names import DirectoryPath, Path
    from secftp.storage.objects.bucket import Bucket, ConditionalWrites
    from secftp.storage.objects.keys import Key
    from secftp.storage.store import ResumedSink, ScanEntry, Sink, SmallFiles, Source, UploadSink
    from secftp.storage.upload_map import KeptParts

# A bucket has no symlinks and no special files: a listing that is to have them has all that there are.
LACKS: Final = frozenset({Capability.RESUME, Capability.UPLOADS, Capability.HOLES, Capability.BACKUP, Capability.SPACE})


class ObjectStore(Store):
    """The objects of `bucket` below the directory `prefix`. For any number of threads.

    `times`: whose times files have. `mode_mask`: the permissions that requests may set.
    """

    def __init__(
        self,
        bucket: Bucket,
        prefix: DirectoryPath = (),
        *,
        times: Times = Times.OWN,
        mode_mask: int = PERMISSIONS,
        conditions: Conditions | None = None,
    ) -> None:
        self._bucket = bucket
        self._conditions = Conditions(bucket) if conditions is None else conditions
        self._keys = Keys(prefix, bucket.prefix_bytes)
        self._times = times
        self._mode_mask = mode_mask
        self._files = Files(bucket, self._keys, times, mode_mask, self._conditions)

    @property
    def lacks(self) -> frozenset[Capability]:
        return LACKS

    @property
    def at_once(self) -> int:
        return AT_ONCE

    @property
    def url(self) -> str:
        """Where it is, for the log."""
        return self._bucket.url + "".join(f"/{name.decode(errors='replace')}" for name in self._keys.prefix)

    def beneath(self, path: DirectoryPath) -> ObjectStore:
        """Return a directory of this store, which need not exist, as a store of its own; raises `NameRefused`."""
        prefix = self._keys.beneath(path).prefix
        return ObjectStore(
            self._bucket, prefix, times=self._times, mode_mask=self._mode_mask, conditions=self._conditions
        )

    def probe(self) -> ConditionalWrites:
        """Return what the store can do on condition; it is tried once. Raises `FileError` if that fails."""
        return self._conditions.find()

    def check(self) -> None:
        """Ask the store for one thing, so that what is wrong with bucket or credentials shows.

        Raises a `SecftpError` for the operator, see `reachable.check_reachable`.
        """
        check_reachable(self._bucket, self._keys.below(()), self.url)

    def open_source(self, path: Path) -> Source:
        return self._files.open_source(path)

    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:
        return self._files.create_sink(path, options)

    def small_files(self) -> SmallFiles:
        return ObjectSmallFiles(self._files)

    def resume_sink(self, path: Path, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedSink:  # noqa: ARG002
        raise _unsupported("An object store keeps no partial files", path)

    def open_upload(self, path: Path, tag: bytes, options: WriteOptions, *, adopt: bool = False) -> UploadSink:  # noqa: ARG002
        raise _unsupported("An object store keeps no partial files", path)

    def kept_parts(self, path: Path) -> KeptParts:
        self._keys.of(path)
        raise not_found(path)

    def space(self, path: DirectoryPath) -> Space:
        raise _unsupported("An object store has no size", path)

    def identity_of_root(self) -> Identity:
        return self._identity(self._keys.below(()))

    def identity(self, path: Path) -> Identity:
        """Return numbers that differ between two versions of a file."""
        return self._identity_of(path, self._look(path)[0])

    def _identity_of(self, path: Path, found: ObjectInfo | None) -> Identity:
        key = self._keys.of(path).text
        return self._identity(f"{key}/") if found is None else self._identity(key, f"{found.etag} {found.modified_ns}")

    def _identity(self, key: str, version: str = "") -> Identity:
        return _number(self._bucket.place + key), _number(version)

    def stat(self, path: DirectoryPath, *, partial: bool = False) -> FileInfo:
        if partial:
            return self.kept_parts(path).info
        if path:
            try:
                return file_info(self._bucket.info(self._keys.of(path)), self._times)
            except NotFound:
                pass
        return directory_info(directory_marker(self._bucket, self._keys, path), self._times)

    def scan(self, path: DirectoryPath, *, recursive: bool = False, others: bool = False) -> Iterator[ScanEntry]:  # noqa: ARG002
        return scan(self._bucket, self._keys, path, self._times, recursive=recursive)

    def remove(self, path: Path, *, kind: Kind | None = None) -> None:
        changes.remove(self._bucket, self._keys, path, kind)

    def rename(self, path: Path, to: Path, *, overwrite: bool = False) -> None:
        """Not atomic: a copy, and then a deletion. Raises `Unsupported` for a directory."""
        copies.rename(self._bucket, self._keys, path, to, overwrite=overwrite, conditions=self._conditions)

    def copy(self, path: Path, to: Path, options: WriteOptions, check: Callable[[int], None], /) -> FileInfo | None:
        with of_target():
            new = self._keys.of(to)
        source = changes.find_file(self._bucket, self._keys, path)
        info = file_info(source, self._times)
        if kept_attributes(options, info) != ALL_KEPT or source.size > (self._bucket.max_copy or source.size):
            return None  # the store copies the metadata as they are
        check(0)
        key = self._keys.of(path)
        has_metadata = copies.copy_object(
            self._bucket, self._keys, source, key, new, overwrite=options.overwrite, conditions=self._conditions
        )
        return info if has_metadata else FileInfo(Kind.FILE, source.size, time.time_ns(), FILE_MODE)

    def make_directory(self, path: Path, *, parents: bool = False, mode: int | None = None) -> bool:
        """Make a directory, whose parent need not exist."""
        metadata = Metadata(time.time_ns(), directory_mode(mode, self._mode_mask))
        return changes.make_directory(
            self._bucket, self._keys, path, metadata, parents=parents, conditions=self._conditions
        )

    def set_attributes(
        self, path: DirectoryPath, *, mode: int | None = None, mtime_ns: int | None = None, only: Identity | None = None
    ) -> Kept:
        """Set those of a directory; the metadata of a file can't be changed, and what it has is returned."""
        file, marker = self._look(path)
        if only is not None and path and only != self._identity_of(path, file):
            raise failure(Forbidden, "Not the expected file", path)
        if file is not None:
            found = file_info(file, self._times)
        elif mode is None and mtime_ns is None:
            found = directory_info(marker, self._times)
        else:
            found = self._set_directory(path, marker, mode, mtime_ns)
        return kept_attributes(WriteOptions(mode=mode, mtime_ns=mtime_ns), found)

    def _look(self, path: DirectoryPath) -> tuple[ObjectInfo | None, ObjectInfo | None]:
        """Return the object of a file, or the marker of a directory, if that has one; raises `NotFound` for neither."""
        keys = [self._keys.of(path), self._keys.marker(path)] if path else [self._keys.marker(path)]
        *files, marker = each(self._find, keys)
        file = files[0] if files else None
        if file is None and marker is None and path and not self._bucket.has_below(self._keys.below(path), path):
            raise not_found(path)
        return file, marker

    def _find(self, key: Key) -> ObjectInfo | None:
        try:
            return self._bucket.info(key)
        except NotFound:
            return None

    def _set_directory(
        self, path: DirectoryPath, marker: ObjectInfo | None, mode: int | None, mtime_ns: int | None
    ) -> FileInfo:
        before = decode({} if marker is None else marker.metadata or {})
        after = Metadata(
            before.mtime_ns if mtime_ns is None else mtime_ns,
            before.mode if mode is None else directory_mode(mode, self._mode_mask),
        )
        self._bucket.put(self._keys.marker(path), b"", after.encoded())
        return directory_info(ObjectInfo("", 0, None, 0, after.encoded()), self._times)

    def has_attributes(self, path: DirectoryPath, *, mode: int | None = None, mtime_ns: int | None = None) -> bool:
        info = self.stat(path)
        grant = directory_mode if info.kind is Kind.DIRECTORY else granted_mode
        is_mode = mode is None or info.mode == grant(mode, self._mode_mask)
        return is_mode and (mtime_ns is None or mtime_ns == info.mtime_ns)

    def make_writable(self, path: Path) -> int | None:  # noqa: ARG002
        """Nothing to do: permissions of a directory are kept for copies of it, and deny nothing here."""
        return None

    def restore_mode(self, path: Path, mode: int) -> None:
        """Nothing to undo."""

    def close(self) -> None:
        """Nothing is open but what obstore keeps for the next request."""


def _unsupported(words: str, path: DirectoryPath, reason: Reason | None = None) -> Unsupported:
    return failure(Unsupported, words, path or ".", reason=reason)


def _number(text: str) -> int:
    """Return 64 bits that identify a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
