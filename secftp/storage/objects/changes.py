"""Files and directories in a bucket: found, made, and removed.

A store has no operation on more than one object. Invariant: a directory is removed only while nothing that a listing
shows is in it.
"""

from __future__ import annotations

import contextlib
import operator
import secrets
from typing import TYPE_CHECKING, Final

from secftp.errors import (
    AlreadyExists,
    FileError,
    InputOutputError,
    IsADirectory,
    NotADirectory,
    NotEmpty,
    NotFound,
    Reason,
    Unsupported,
)
from secftp.protocol import OTHER_KINDS, Kind
from secftp.storage.directories import not_found
from secftp.storage.errors import failure
from secftp.storage.names import is_map, is_partial, is_temporary
from secftp.storage.objects.concurrency import each
from secftp.storage.objects.keys import MARKER, Key, reserved
from secftp.storage.objects.metadata import decode
from secftp.storage.objects.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.storage.names import DirectoryPath, Path
    from secftp.storage.objects.bucket import Bucket, ObjectInfo
    from secftp.storage.objects.keys import Keys
    from secftp.storage.objects.metadata import Metadata
    from secftp.storage.objects.probe import Conditions

DIGESTS: Final = "digest"  # kind of the reserved keys under which digests are that an object's metadata do not have


def directory_marker(bucket: Bucket, keys: Keys, path: DirectoryPath) -> ObjectInfo | None:
    """Return the marker of a directory, None if it has none; raise `NotFound` if there is no such directory."""
    try:
        return bucket.info(keys.marker(path))
    except NotFound:
        if path and not bucket.has_below(keys.below(path), path):
            raise not_found(path) from None
        return None


def is_directory(bucket: Bucket, keys: Keys, path: Path) -> bool:
    """Return whether there is a directory of this name."""
    try:
        directory_marker(bucket, keys, path)
    except NotFound:
        return False
    return True


def find_file(bucket: Bucket, keys: Keys, path: Path) -> ObjectInfo:
    """Return the object of a file; raises `IsADirectory`, `NotFound`."""
    try:
        return bucket.info(keys.of(path))
    except NotFound:
        if is_directory(bucket, keys, path):
            raise failure(IsADirectory, "Is a directory", path) from None
        raise


def remove(bucket: Bucket, keys: Keys, path: Path, kind: Kind | None) -> None:
    """Remove a file or an empty directory, see `Store.remove`."""
    key = keys.of(path)
    if kind in OTHER_KINDS:
        raise not_found(path)
    try:
        found = bucket.info(key)
    except NotFound:
        _remove_directory(bucket, keys, path, kind)
        return
    if kind is Kind.DIRECTORY:
        raise failure(NotADirectory, "Not a directory", path)
    bucket.delete(key, only=found)
    known = decode(found.metadata or {})
    if known.upload is not None and known.digest is None:  # else it has its digest itself
        with contextlib.suppress(FileError):  # the file is removed; nothing finds a digest that is left
            # A copy of the file is hashed again when it is asked for.
            bucket.delete(reserved(DIGESTS, known.upload, path))


def _remove_directory(bucket: Bucket, keys: Keys, path: Path, kind: Kind | None) -> None:
    prefix = keys.below(path)
    ours: list[Key] = []
    is_there = has_been_made = False
    for page in bucket.list(prefix, path):
        for one in page.objects:
            is_there = True
            rest = one.key[len(prefix) :]
            if not rest:
                has_been_made = True  # by a console: an object whose key ends with a slash
            elif not _is_ours(rest):
                if kind is Kind.FILE:
                    raise failure(IsADirectory, "Is a directory", path)
                raise failure(NotEmpty, "Directory not empty", path)
            else:
                ours.append(Key(one.key, path))
    if not is_there:
        raise not_found(path)
    if kind is Kind.FILE:
        raise failure(IsADirectory, "Is a directory", path)
    if has_been_made:
        raise failure(Unsupported, "Made by another program, which has to remove it", path)
    for key in ours:
        bucket.delete(key)


def _is_ours(rest: str) -> bool:
    """Return whether what is left of a key, behind a directory's, is a marker or an unfinished file."""
    name = rest.encode()
    return rest == MARKER or is_temporary(name) or is_partial(name) or is_map(name)


def make_directory(
    bucket: Bucket, keys: Keys, path: Path, metadata: Metadata, *, parents: bool, conditions: Conditions
) -> bool:
    """Make the marker of a directory, with `parents` also those above it; return whether it was made.

    Raises `AlreadyExists`, for a directory only without `parents`; `NotADirectory` if a file is above it.
    """
    looks: list[Callable[[], bool | None]] = [
        lambda: exists(bucket, keys.of(path)),
        lambda: exists(bucket, keys.marker(path)),
        lambda: bucket.has_below(keys.below(path), path),
        lambda: not parents or len(path) == 1 or exists(bucket, keys.marker(path[:-1])),
        *(() if parents else Targets(bucket, keys).looks_above(path)),
    ]
    is_file, has_marker, has_files, has_parent, *_ = each(operator.call, looks)
    if is_file:
        raise failure(AlreadyExists, "Already exists", path, reason=Reason.FILE)
    if not has_marker and not has_files:
        if not has_parent:  # else the directory above would go with this one
            make_directory(bucket, keys, path[:-1], metadata, parents=True, conditions=conditions)
        if _make_marker(bucket, keys.marker(path), metadata, create=conditions.find().put):
            return True
    if not parents:
        raise failure(AlreadyExists, "Already exists", path, reason=Reason.DIRECTORY)
    return False


def _make_marker(bucket: Bucket, marker: Key, metadata: Metadata, *, create: bool) -> bool:
    """Write a marker; return False if another session has. If the answer is lost, the store is asked."""
    ours = metadata._replace(upload=secrets.token_hex(16))
    try:
        bucket.put(marker, b"", ours.encoded(), create=create)
    except (AlreadyExists, InputOutputError) as problem:  # a request that obstore repeats finds its own object
        with contextlib.suppress(NotFound):
            if decode(bucket.info(marker).metadata or {}).upload == ours.upload:
                return True
        if isinstance(problem, InputOutputError):
            raise
        return False
    return True


def exists(bucket: Bucket, key: Key) -> bool:
    """Return whether there is an object of this key."""
    try:
        bucket.info(key)
    except NotFound:
        return False
    return True
