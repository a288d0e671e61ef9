"""Files of a bucket that are copied and renamed within it.

A store copies an object with what belongs to it, and moves none: a renamed file is a copy, and then a deletion.
Invariants: where nothing may be replaced, the store decides; an object is deleted only after the store has confirmed
its copy, and only if it is the one that was copied; a lost answer is asked for.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Final

from secftp.errors import (
    AlreadyExists,
    FileChanged,
    FileError,
    Forbidden,
    InputOutputError,
    IsADirectory,
    NotFound,
    Reason,
    TooLarge,
    Unsupported,
)
from secftp.storage.errors import failure, of_target
from secftp.storage.objects.bucket import MULTIPART
from secftp.storage.objects.changes import find_file
from secftp.storage.objects.metadata import UPLOAD, decode
from secftp.storage.objects.targets import Targets

if TYPE_CHECKING:
    from secftp.storage.names import Path
    from secftp.storage.objects.bucket import Bucket, ObjectInfo
    from secftp.storage.objects.keys import Key, Keys
    from secftp.storage.objects.probe import Conditions

# Bytes of an object that is copied by way of this machine where the store could not copy its metadata.
_PASSED_ON: Final = 8 << 20
COPY_SECONDS: Final = 300.0  # that a copy may take after the store has accepted it
_LOOK_SECONDS: Final = 0.2


def rename(bucket: Bucket, keys: Keys, path: Path, to: Path, *, overwrite: bool, conditions: Conditions) -> None:
    """Copy a file and delete it under its old name, see `Store.rename`.

    Raises `Unsupported` for a directory, `FileChanged` if the file was replaced before it was deleted: then it is under
    both names, each a version of its own.
    """
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
    try:
        found = bucket.info(key)
    except NotFound:
        return  # another session has renamed or removed it, too
    if not found.is_version(source):
        raise failure(FileChanged, "Replaced while it was being renamed", path)
    bucket.delete(key, only=source)


def copy_object(
    bucket: Bucket, keys: Keys, source: ObjectInfo, key: Key, to: Key, *, overwrite: bool, conditions: Conditions
) -> bool:
    """Copy an object; return whether the copy has its metadata: a large one has not where the store can't copy them.

    Raises, `of_target`, `AlreadyExists`, `IsADirectory`, `NotADirectory`, and `Unsupported` where the store has no such
    condition; `TooLarge` where it copies only smaller ones; a failure with the reason `UNCONFIRMED` if the store can't
    be asked whether it has made the copy.
    """
    if bucket.max_copy is not None and source.size > bucket.max_copy:
        raise failure(TooLarge, "Too large to be copied by the object store", key.path, reason=Reason.COPY_LIMIT)
    with of_target():
        _check_name(bucket, keys, to, overwrite=overwrite)
        way = None if overwrite else conditions.find().copy
        if way is None and not overwrite:
            raise no_condition(to.path)
    if way == MULTIPART and source.size <= _PASSED_ON and conditions.find().put:
        _pass_on(bucket, key, to)
        return True
    try:
        bucket.copy(key, to, create=way)
    except AlreadyExists as problem:
        # There was nothing before. So it is another session's file, or the own copy, whose request obstore repeated.
        problem.of_target = True
        if _is_copy(bucket, to, source, problem):
            raise unconfirmed(to.path) from problem
        raise
    except InputOutputError as problem:
        if not _is_copy(bucket, to, source, problem):
            raise
    if bucket.copies_later:
        wait_for_copy(bucket, to, source.size)
    return way != MULTIPART


def _check_name(bucket: Bucket, keys: Keys, to: Key, *, overwrite: bool) -> None:
    """Raise if a file can't get a name: a bucket would take it beside, or below, what is there."""
    try:
        found = Targets(bucket, keys).check(to.path, look=not overwrite)
    except IsADirectory:
        kind = IsADirectory if overwrite else AlreadyExists
        raise failure(kind, "A directory has this name", to.path, reason=Reason.DIRECTORY) from None
    if found is not None and not overwrite:
        raise failure(AlreadyExists, "Already exists", to.path)


def wait_for_copy(bucket: Bucket, to: Key, size: int) -> None:
    """Return when a copy that the store has accepted is whole; raise `UNCONFIRMED` if it is not soon.

    Until then its source has to stay. A copy that is still being made is empty.
    """
    until = time.monotonic() + COPY_SECONDS
    with of_target():
        while True:
            try:
                if bucket.info(to).size == size:
                    return
            except FileError as problem:
                raise unconfirmed(to.path) from problem
            if time.monotonic() > until:
                raise unconfirmed(to.path)
            time.sleep(_LOOK_SECONDS)


def _pass_on(bucket: Bucket, key: Key, to: Key) -> None:
    """Read an object and write it under another key, on condition that there is none."""
    found, data = bucket.get_whole(key, _PASSED_ON)
    upload = secrets.token_hex(16)  # by which the own object is known
    with of_target():
        try:
            bucket.put(to, data, {**(found.metadata or {}), UPLOAD: upload}, create=True)
        except (AlreadyExists, InputOutputError) as problem:
            try:
                if decode(bucket.info(to).metadata or {}).upload == upload:
                    return
            except NotFound:
                raise problem from None
            except FileError:
                raise unconfirmed(to.path) from problem
            raise


def _is_copy(bucket: Bucket, to: Key, source: ObjectInfo, problem: FileError) -> bool:
    """Return whether there is a copy of an object after a failure, False if there is nothing.

    Raises an error that says that it is not known, where it isn't.
    """
    try:
        found = bucket.info(to)
    except NotFound:
        return False
    except FileError:
        raise unconfirmed(to.path) from problem
    upload, copied = decode(source.metadata or {}).upload, decode(found.metadata or {}).upload
    if found.size != source.size:
        return False
    if upload is not None and copied is not None:
        return upload == copied
    if found.etag == source.etag:
        return True
    if upload is None and isinstance(problem, AlreadyExists):
        return False
    raise unconfirmed(to.path) from problem  # it may be a copy without metadata


def no_condition(path: Path) -> Unsupported:
    """Return the exception for a file that may replace nothing, which the store can't promise."""
    return failure(
        Unsupported,
        "The object store can't write a file only if there is none of its name",
        path,
        reason=Reason.NO_CONDITION,
    )


def unconfirmed(path: Path) -> InputOutputError:
    """Return the exception for a file of which it is not known whether the store has it."""
    return failure(
        InputOutputError,
        "Not confirmed by the object store, which may have stored it",
        path,
        reason=Reason.UNCONFIRMED,
    )
