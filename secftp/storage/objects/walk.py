"""The directories and files that the keys of a bucket make, in one pass over the keys in their order.

Keys of one directory are next to each other. So a pass remembers only the directories that it is in, and the files of
whose keys the current one is a continuation: for each of these a directory of the same name may still come. Invariants:
a directory is told of once, before its contents; nothing is left out silently; memory does not grow with the tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import FileError, InputOutputError, NameRefused, NotADirectory, NotFound, Reason
from secftp.protocol.limits import MAX_COMPONENT, MAX_COMPONENTS
from secftp.storage.directories import not_found
from secftp.storage.errors import failure
from secftp.storage.objects.bucket import PAGE, ObjectInfo, UnservableName
from secftp.storage.objects.keys import Key, is_reserved

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from secftp.storage.names import DirectoryPath, Path
    from secftp.storage.objects.bucket import Bucket, Page
    from secftp.storage.objects.keys import Keys

_SEPARATOR: Final = "/"
_SLASH: Final = b"/"
UNSERVABLE: Final = "Contains an object with a name that can't be served"
_LAST_SIGN: Final = "\U0010ffff"
# How often the listing of one level is begun anew behind a subdirectory, before the store is asked for all of the level
# at once: that is one request for a thousand entries, and needs memory for all of them.
_JUMPS: Final = 2


class Found(NamedTuple):
    """An entry as the keys tell it; `object`: None of a directory. `path`: from the root of the store."""

    path: Path
    object: ObjectInfo | None
    problem: FileError | None = None


class _Level:
    """A directory that the pass is in: its last name and its path, and why it is not told of to its end."""

    __slots__ = ("name", "path", "problem")

    def __init__(self, name: str, path: DirectoryPath) -> None:
        self.name = name
        self.path = path
        self.problem: FileError | None = None


class Walk:
    """A pass over the keys below the directory `path`, `recursive` or over one level."""

    def __init__(self, bucket: Bucket, keys: Keys, path: DirectoryPath, *, recursive: bool) -> None:
        self._bucket = bucket
        self._keys = keys
        self._recursive = recursive
        self._prefix = keys.below(path)
        self._top = _Level("", path)
        self._levels: list[_Level] = []  # below the top
        self._files: list[str] = []  # keys of files; each begins with the one before, and the current key with the last
        self._skipped = ""  # keys that begin with it are passed over

    def found(self) -> Generator[Found, None, None]:
        """Yield what there is, depth first and a directory before its contents.

        Raises `NotFound` or `NotADirectory` in place of the first if there is no such directory, and at the end what
        has kept the directory itself from being listed to its end.
        """
        is_there = not self._top.path
        waiting: ObjectInfo | None = None  # it has no bytes, and the next key tells what it may be
        for one in self._objects():
            is_there = True
            if waiting is not None:
                yield from self._empty(waiting, one.key)
                waiting = None
            if one.size:
                yield from self._object(one)
            else:
                waiting = one
        if waiting is not None:
            yield from self._empty(waiting, "")
        if not is_there:
            self._raise_missing()
        yield from self._leave(0)
        if self._top.problem is not None:
            raise self._top.problem

    def _objects(self) -> Iterator[ObjectInfo]:
        if not self._recursive:
            yield from _one_level(self._bucket, self._prefix, self._top.path)
            return
        begun = b""
        try:
            for page in self._bucket.list(self._prefix, self._top.path):
                yield from page.objects
                begun = _end_of(page, begun)
        except UnservableName:
            yield from self._level_by_level(self._prefix, begun)

    def _level_by_level(self, prefix: str, begun: bytes) -> Iterator[ObjectInfo]:
        """Yield the objects behind the key `begun`; what can't be listed is a problem of its own directory alone."""
        for one in _whole_level(self._bucket, prefix, self._top.path, begun):
            if not begun.startswith(one.key.encode()):
                yield one  # a directory has been entered, or is to be skipped, when this goes on
            if not one.key.endswith(_SEPARATOR) or (self._skipped and one.key.startswith(self._skipped)):
                continue
            try:
                yield from self._level_by_level(one.key, begun)
            except UnservableName:
                yield one  # so that it has been entered also if it was begun before, unless it is to be skipped
                for level in self._levels[one.key[len(self._prefix) :].count(_SEPARATOR) - 1 :][:1]:
                    level.problem = failure(InputOutputError, UNSERVABLE, level.path)

    def _raise_missing(self) -> None:
        path = self._top.path
        try:
            self._bucket.info(self._keys.of(path))
        except NotFound:
            raise not_found(path) from None
        raise failure(NotADirectory, "Not a directory", path)

    def _empty(self, one: ObjectInfo, following: str) -> Iterable[Found]:
        """Return what an object of no bytes is: a file, or a directory that a console has made.

        Consoles make a directory by an object whose key ends with a slash, which a listing has without it.
        """
        inside = one.key + _SEPARATOR
        if one.key in self._files:  # the file was told of, and this is the directory
            return () if following.startswith(inside) else self._object(one._replace(key=inside))
        if following.startswith(inside):
            try:
                self._bucket.info(Key(one.key, self._top.path))
            except NotFound:
                return ()  # what follows tells of the directory
        return self._object(one)

    def _object(self, one: ObjectInfo) -> Iterator[Found]:
        """Yield an object, behind the directories that begin with it."""
        key = one.key
        if len(key) <= len(self._prefix):
            if one.size:  # else it is the directory itself, as a console has made it
                self._top.problem = failure(InputOutputError, UNSERVABLE, self._top.path)
            return
        if self._skipped:
            if key.startswith(self._skipped):
                return
            self._skipped = ""
        while self._files and not key.startswith(self._files[-1]):
            self._files.pop()
        *parents, name = key[len(self._prefix) :].split(_SEPARATOR)
        if not name and [level.name for level in self._levels[: len(parents)]] == parents:
            return  # a directory that the pass is in
        if not self._recursive and parents:
            yield from self._enter(parents[:1])
            return
        yield from self._enter(parents)
        if self._skipped or not name or is_reserved(name):
            return
        path = self._path_of(name)
        if path is not None:
            self._files.append(key)
            yield Found(path, one)

    def _enter(self, names: list[str]) -> Iterator[Found]:
        """Leave the directories that end here, and enter these; what is below one that can't be entered is skipped."""
        depth = 0
        while depth < min(len(names), len(self._levels)) and names[depth] == self._levels[depth].name:
            depth += 1
        yield from self._leave(depth)
        for at in range(depth, len(names)):
            name = names[at]
            key = self._prefix + _SEPARATOR.join(names[: at + 1])
            path = None if is_reserved(name) else self._path_of(name)
            problem = None if path is None else self._refusal(key, path)
            if path is not None:
                yield Found(path, None, problem)
            if path is None or problem is not None:
                self._skipped = key + _SEPARATOR
                return
            self._levels.append(_Level(name, path))

    def _leave(self, depth: int) -> Iterator[Found]:
        """Leave the directories below a depth; tell of those again that were not told of to their end."""
        while len(self._levels) > depth:
            level = self._levels.pop()
            if level.problem is not None:
                yield Found(level.path, None, level.problem)

    def _refusal(self, key: str, path: Path) -> FileError | None:
        """Return why a directory can't be entered, if so."""
        if key in self._files:
            return failure(NotADirectory, "A file has the same name", path)
        if self._recursive and len(path) >= MAX_COMPONENTS:
            return failure(NameRefused, "Contents nested too deep", path, reason=Reason.TOO_DEEP)
        return None

    def _path_of(self, name: str) -> Path | None:
        """Return the path of a name in the current directory; None, and a problem of that, if the name is too long."""
        level = self._levels[-1] if self._levels else self._top
        encoded = name.encode()
        if len(encoded) <= MAX_COMPONENT:
            return (*level.path, encoded)
        level.problem = failure(
            NameRefused, "Contains names that are too long", level.path or ".", reason=Reason.NAME_TOO_LONG
        )
        return None


def _one_level(bucket: Bucket, prefix: str, path: DirectoryPath) -> Iterator[ObjectInfo]:
    """Yield the objects of one level, and for each directory in it at least one key that begins with it.

    Without a store's notion of directories a level is listed in pages, in bounded memory; what is in a directory is
    passed over by listing from behind it.
    """
    offset: str | None = None
    begun = b""
    try:
        for _ in range(1 + _JUMPS if bucket.has_sorted_listings else 0):
            for page in bucket.list(prefix, path, offset=offset):
                yield from page.objects
                begun = _end_of(page, begun)
                name, separator, _ = page.objects[-1].key[len(prefix) :].partition(_SEPARATOR)
                if separator and len(page.objects) >= PAGE:
                    break
            else:
                return
            offset = prefix + name + _SEPARATOR + _LAST_SIGN
    except UnservableName:
        pass  # it may be in a subdirectory, of which nothing but its name is of interest
    yield from _whole_level(bucket, prefix, path, begun)


def _end_of(page: Page, begun: bytes) -> bytes:
    """Return the last key of a page that follows the key `begun`.

    One that is listed before its predecessor has a slash at its end, which a listing leaves out.
    """
    for one in page.objects:
        key = one.key.encode()
        begun = key if key >= begun else key + _SLASH
    return begun


def _whole_level(bucket: Bucket, prefix: str, path: DirectoryPath, begun: bytes) -> Iterator[ObjectInfo]:
    """Yield the objects of one level behind the key `begun`, and for each directory a key that ends with a slash.

    The store is asked for the level as such, which is then in memory as a whole.
    """
    page = bucket.list_directory(prefix, path)
    inside = (ObjectInfo(f"{text}{_SEPARATOR}", 1, None, 0) for text in page.prefixes)
    found = [(one.key.encode(), one) for one in (*page.objects, *inside) if len(one.key) > len(prefix)]
    for key, one in sorted(found, key=lambda pair: pair[0]):
        if key > begun or (begun.startswith(key) and key.endswith(_SLASH)):
            yield one
