"""Changes of names in a bucket: directories made, files and directories removed, files renamed and copied.

A store has no such operation on more than one object, and none that moves one. Invariants: an object is deleted only
after the store has confirmed its copy; a directory is removed only while nothing that a listing shows is in it; where
nothing may be replaced, the store decides.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Final

from secftp.errors import (
    AlreadyExists,
    Forbidden,
    InputOutputError,
    IsADirectory,
    NotADirectory,
    NotEmpty,
    NotFound,
    Reason,
    TooLarge,
    Unsupported,
)
from secftp.protocol import OTHER_KINDS, Kind
from secftp.storage.directories import not_found
from secftp.storage.errors import failure, of_target
from secftp.storage.names import is_map, is_partial, is_temporary
from secftp.storage.objects.concurrency import each
from secftp.storage.objects.keys import MARKER, Key, reserved
from secftp.storage.objects.metadata import decode

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
    bucket.delete(key)
    upload = decode(found.metadata or {}).upload
    if upload is not None:
        bucket.delete(reserved(DIGESTS, upload, path))  # a copy of the file is hashed again when it is asked for


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
    bucket: Bucket, keys: Keys, path: Path, metadata: Metadata, *, exist_ok: bool, conditions: Conditions
) -> bool:
    """Make the marker of a directory; return whether it was made. Raises `AlreadyExists`, unless it is `exist_ok`."""
    key, marker = keys.of(path), keys.marker(path)
    looks: list[Callable[[], bool]] = [lambda: _exists(bucket, key), lambda: is_directory(bucket, keys, path)]
    is_file, is_there = each(operator.call, looks)
    if is_file:
        raise failure(AlreadyExists, "Already exists", path, reason=Reason.FILE)
    if not is_there:
        try:
            bucket.put(marker, b"", metadata.encoded(), create=conditions.find().put)
        except AlreadyExists:  # another session has made it
            pass
        else:
            return True
    if not exist_ok:
        raise failure(AlreadyExists, "Already exists", path, reason=Reason.DIRECTORY)
    return False


def _exists(bucket: Bucket, key: Key) -> bool:
    try:
        bucket.info(key)
    except NotFound:
        return False
    return True


def rename(bucket: Bucket, keys: Keys, path: Path, to: Path, *, overwrite: bool, conditions: Conditions) -> None:
    """Copy a file and delete it under its old name, see `Store.rename`; raises `Unsupported` for a directory."""
    with of_target():
        new = keys.of(to)
    key = keys.of(path)
    try:
        source = find_file(bucket, keys, path)
    except IsADirectory:
        if to[: len(path)] == path != to:
            raise failure(
                Forbidden, "A directory can't be moved into itself", path, reason=Reason.INTO_ITSELF
            ) from None
        raise failure(Unsupported, "An object store can't rename a directory", path, reason=Reason.DIRECTORY) from None
    if key.text == new.text and overwrite:
        return
    copy_object(bucket, keys, source, key, new, overwrite=overwrite, conditions=conditions)
    bucket.delete(key)


def copy_object(
    bucket: Bucket, keys: Keys, source: ObjectInfo, key: Key, to: Key, *, overwrite: bool, conditions: Conditions
) -> None:
    """Have the store copy an object, with its metadata where it can.

    Raises, `of_target`, `AlreadyExists`, `IsADirectory`, and `Unsupported` where the store has no such condition;
    `TooLarge` where it copies only smaller ones. If the answer of the store was lost, it is asked whether the copy is
    there.
    """
    if bucket.max_copy is not None and source.size > bucket.max_copy:
        raise failure(TooLarge, "Too large to be copied by the object store", key.path, reason=Reason.COPY_LIMIT)
    with of_target():
        if not overwrite and _exists(bucket, to):
            raise failure(AlreadyExists, "Already exists", to.path)
        if is_directory(bucket, keys, to.path):
            kind = IsADirectory if overwrite else AlreadyExists
            raise failure(kind, "A directory has this name", to.path, reason=Reason.DIRECTORY)
        way = None if overwrite else conditions.find().copy
        if way is None and not overwrite:
            raise no_condition(to.path)
    try:
        bucket.copy(key, to, create=way)
    except AlreadyExists as problem:
        problem.of_target = True
        raise
    except InputOutputError:
        if not _is_copy(bucket, to, source):
            raise


def no_condition(path: Path) -> Unsupported:
    """Return the exception for a file that may replace nothing, which the store can't promise."""
    return failure(
        Unsupported,
        "The object store can't write a file only if there is none of its name",
        path,
        reason=Reason.NO_CONDITION,
    )


def _is_copy(bucket: Bucket, to: Key, source: ObjectInfo) -> bool:
    """Return whether an object is a copy of another, as far as the store tells; raises if it can't be asked."""
    try:
        found = bucket.info(to)
    except NotFound:
        return False
    upload = decode(source.metadata or {}).upload
    is_same = found.etag == source.etag or (upload is not None and decode(found.metadata or {}).upload == upload)
    return is_same and found.size == source.size
