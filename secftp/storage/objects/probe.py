"""A trial of what an object store does on condition, since what speaks the protocol of S3 may ignore one.

A store that ignores If-None-Match overwrites, and says that all is well. So each condition is tried on objects of this
program's own, and counts only where it was refused and has changed nothing. Invariant: what the trial has made is
removed.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Final

from secftp.errors import AlreadyExists, FileError
from secftp.storage.objects.bucket import ConditionalWrites
from secftp.storage.objects.keys import reserved

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.storage.objects.bucket import Bucket
    from secftp.storage.objects.keys import Key

_FIRST: Final = b"first"
_SECOND: Final = b"second"


class Conditions:
    """What the store of a bucket can do on condition, tried once, when it is first asked for."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._lock = threading.Lock()
        self._found: ConditionalWrites | None = None

    def find(self) -> ConditionalWrites:
        """Return it; raises `FileError` if the trial fails, and tries again the next time."""
        with self._lock:
            if self._found is None:
                self._found = probe(self._bucket)
            return self._found


def probe(bucket: Bucket) -> ConditionalWrites:
    """Try a write and a copy onto an existing object, on condition that there is none; about ten requests.

    Raises `FileError` if objects can't be written, read or copied at all.
    """
    one, other, new = (reserved("probe", os.urandom(16).hex()) for _ in range(3))
    try:
        bucket.put(one, _FIRST, {})
        bucket.put(other, _SECOND, {})
        can_put = _can_put(bucket, one, new)
        bucket.copy(one, new)  # what fails here is no lack of a condition
        for way in bucket.ways_to_copy:
            bucket.delete(new)
            if _can_copy(bucket, one, other, new, way):
                return ConditionalWrites(can_put, way)
        return ConditionalWrites(can_put, None)
    finally:
        for key in (one, other, new):
            with contextlib.suppress(FileError):
                bucket.delete(key)


def _can_put(bucket: Bucket, one: Key, new: Key) -> bool:
    """Return whether a write is refused where there is an object, and made where there is none."""
    return _is_refused(lambda: bucket.put(one, _SECOND, {}, create=True), bucket, one, _FIRST) and _is_made(
        lambda: bucket.put(new, _FIRST, {}, create=True), bucket, new
    )


def _can_copy(bucket: Bucket, one: Key, other: Key, new: Key, way: str) -> bool:
    """Return the same of a copy."""
    return _is_refused(lambda: bucket.copy(one, other, create=way), bucket, other, _SECOND) and _is_made(
        lambda: bucket.copy(one, new, create=way), bucket, new
    )


def _is_refused(attempt: Callable[[], object], bucket: Bucket, key: Key, content: bytes) -> bool:
    """Return whether an attempt is refused because there is an object, which still has its content."""
    try:
        attempt()
    except AlreadyExists:
        if _content(bucket, key) == content:
            return True
    except FileError:  # a store may not know the condition; what else is wrong shows in the request after it
        pass
    bucket.put(key, content, {})
    return False


def _is_made(attempt: Callable[[], object], bucket: Bucket, key: Key) -> bool:
    """Return whether an attempt makes the object."""
    try:
        attempt()
    except AlreadyExists:
        return False
    return _content(bucket, key) == _FIRST


def _content(bucket: Bucket, key: Key) -> bytes:
    return bytes(bucket.get_whole(key, len(_FIRST) + len(_SECOND))[1])
