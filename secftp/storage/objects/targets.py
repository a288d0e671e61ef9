"""Checks of the names that files get: a directory is not replaced by a file, and a file is no directory.

A bucket has no directories: it would take a file `a` beside another one `a/b`. So it is asked before each file whether
anything is below its name, and whether a file has the name of a directory above it. For the files of a batch that is
asked once for each directory. A store decides nothing of that, so two writers at the same moment can make both; then a
listing says so.
"""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from secftp.errors import IsADirectory, NotADirectory, NotFound, Reason
from secftp.storage.errors import failure
from secftp.storage.objects.bucket import PAGE
from secftp.storage.objects.concurrency import each

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.storage.names import DirectoryPath, Path
    from secftp.storage.objects.bucket import Bucket, ObjectInfo
    from secftp.storage.objects.keys import Keys

_Found = TypeVar("_Found")

_AT_ONCE: Final = 16  # requests for one name: as many directories may be above it, or more


class Targets:
    """The names of one file, or of the files of one batch. For any number of threads."""

    def __init__(self, bucket: Bucket, keys: Keys) -> None:
        self._bucket = bucket
        self._keys = keys
        self._files = _Memory(self._is_file)
        self._directories = _Memory(self._directories_in)
        self._turns = itertools.count()

    def check(self, path: Path, *, look: bool) -> ObjectInfo | None:
        """Return the object of this name if `look`, None if there is none; the requests run at the same time.

        Raises `IsADirectory`, `NotADirectory`, and what the store raises.
        """
        requests: list[Callable[[], ObjectInfo | None]] = [lambda: self._require_no_directory(path)]
        requests += self.looks_above(path)
        if look:
            requests.append(lambda: find(self._bucket, self._keys, path))
        *_, last = each(lambda request: request(), requests, _AT_ONCE)
        return last

    def looks_above(self, path: Path) -> list[Callable[[], None]]:
        """Return the questions whether a file has the name of a directory above; each raises `NotADirectory`."""
        return [self._requirement(path, depth) for depth in range(1, len(path))]

    def check_one(self, path: Path) -> None:
        """Do as `check` for one of many files, whose requests run beside those of the others.

        Each thread begins with another one of the questions, so that those about a new directory are asked at once.
        """
        looks = self.looks_above(path)
        looks.append(lambda: self._require_free(path))
        first = next(self._turns) % len(looks)
        for look in looks[first:] + looks[:first]:
            look()

    def _require_free(self, path: Path) -> None:
        found = self._directories.find(path[:-1])
        if found is None:
            self._require_no_directory(path)
        elif path[-1].decode() in found:
            raise _is_directory(path)

    def _requirement(self, path: Path, depth: int) -> Callable[[], None]:
        return lambda: self._require_no_file(path, depth)

    def _require_no_file(self, path: Path, depth: int) -> None:
        if self._files.find(path[:depth]):
            raise failure(NotADirectory, "Not a directory", path, reason=Reason.NO_PARENT)

    def _require_no_directory(self, path: Path) -> None:
        if self._bucket.has_below(self._keys.below(path), path):
            raise _is_directory(path)

    def _is_file(self, path: Path) -> bool:
        return find(self._bucket, self._keys, path) is not None

    def _directories_in(self, path: DirectoryPath) -> frozenset[str] | None:
        """Return the names of the directories in a directory; None if it has too many objects to look through."""
        prefix = self._keys.below(path)
        found, count = set(), 0
        for page in self._bucket.list(prefix, path):
            count += len(page.objects)
            if count >= PAGE:
                return None
            for one in page.objects:
                name, separator, _ = one.key[len(prefix) :].partition("/")
                if separator:
                    found.add(name)
        return frozenset(found)


def find(bucket: Bucket, keys: Keys, path: Path) -> ObjectInfo | None:
    """Return the object of a file, None if there is none."""
    try:
        return bucket.info(keys.of(path))
    except NotFound:
        return None


def _is_directory(path: Path) -> IsADirectory:
    return failure(IsADirectory, "Is a directory", path)


class _Memory(Generic[_Found]):
    """What `look` has found for each path. Of several threads that ask for the same one, the first one looks."""

    def __init__(self, look: Callable[[DirectoryPath], _Found]) -> None:
        self._look = look
        self._found: dict[DirectoryPath, Future[_Found]] = {}
        self._lock = threading.Lock()

    def find(self, path: DirectoryPath) -> _Found:
        """Return it, or raise what `look` has raised."""
        with self._lock:
            known = self._found.get(path)
            future = self._found.setdefault(path, Future()) if known is None else known
        if known is None:
            try:
                future.set_result(self._look(path))
            except BaseException as problem:  # noqa: BLE001 - raised for each that waits
                future.set_exception(problem)
        return future.result()
