"""Listings of a bucket, as directories and files with their attributes.

A listing of keys has sizes and the times at which the objects were stored. The times and permissions that files were
written with are asked for each object, many at once, and told in order. Invariants: a listing that breaks raises, and
none ends early; an entry whose attributes can't be had is told with its problem.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from secftp.errors import FileError, InputOutputError, NotFound
from secftp.storage.errors import failure
from secftp.storage.objects.concurrency import each
from secftp.storage.objects.info import Times, directory_info, file_info
from secftp.storage.objects.keys import Key
from secftp.storage.objects.walk import UNSERVABLE, Found, Walk
from secftp.storage.store import ScanEntry

if TYPE_CHECKING:
    from collections.abc import Generator

    from secftp.storage.names import DirectoryPath
    from secftp.storage.objects.bucket import Bucket, ObjectInfo
    from secftp.storage.objects.keys import Keys


def scan(
    bucket: Bucket, keys: Keys, path: DirectoryPath, times: Times, *, recursive: bool
) -> Generator[ScanEntry, None, None]:
    """List a directory, see `Store.scan`."""
    look = _Look(bucket, keys, len(path), times)
    with (
        contextlib.closing(Walk(bucket, keys, path, recursive=recursive).found()) as found,
        contextlib.closing(each(look.ask, found, ready=look.without_request)) as entries,
    ):
        for entry in entries:
            if entry is not None:
                yield entry


class _Look:
    """Finds the attributes of entries; `top`: the number of names of the listed directory."""

    def __init__(self, bucket: Bucket, keys: Keys, top: int, times: Times) -> None:
        self._bucket = bucket
        self._keys = keys
        self._top = top
        self._times = times

    def without_request(self, found: Found) -> ScanEntry | None:
        """Return the entry, None if the store has to be asked for it."""
        is_own = self._times is Times.OWN
        if found.object is None:
            if is_own and found.problem is None:
                return None
            return ScanEntry(found.path[self._top :], directory_info(None, self._times), found.problem)
        if is_own or not found.object.size:
            return None
        return ScanEntry(found.path[self._top :], file_info(found.object, self._times))

    def ask(self, found: Found) -> ScanEntry | None:
        """Return the entry, None if it has gone since it was listed."""
        below = found.path[self._top :]
        try:
            if found.object is None:
                return ScanEntry(below, directory_info(self._marker(found), self._times))
            try:
                info = self._bucket.info(Key(found.object.key, found.path))
            except NotFound:
                if not self._bucket.has_below(self._keys.below(found.path), found.path):
                    return None
                if found.object.size:  # its key ends with a slash, so that no path names it
                    raise failure(InputOutputError, UNSERVABLE, found.path) from None
                return ScanEntry(below, directory_info(None, self._times))  # made by a console, see `Walk`
            if self._times is Times.STORED:
                return ScanEntry(below, file_info(found.object, self._times))
            return ScanEntry(below, file_info(info, self._times))
        except FileError as problem:
            return ScanEntry(below, None if found.object else directory_info(None, self._times), problem)

    def _marker(self, found: Found) -> ObjectInfo | None:
        try:
            return self._bucket.info(self._keys.marker(found.path))
        except NotFound:
            return None
