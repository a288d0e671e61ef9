"""`walk` through a server's tree: one listing for each directory, and no more names in memory than a bound allows."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, AnyStr, Final, Generic

from secftp.api.listing import Listing
from secftp.api.names import encoded, folder_path
from secftp.errors import FileError
from secftp.session.packed import BLOCK, NameSequence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from secftp.api.pool import Pool
    from secftp.session.held import Room
    from secftp.storage import Path

LISTED: Final = 20_000  # files of a directory that come as a list
_PLACE_BYTES: Final = 8


class _Found(Generic[AnyStr]):
    """The names in one directory, and what they take of the room."""

    def __init__(self, room: Room, made: Callable[[bytes], AnyStr]) -> None:
        self.folders: list[AnyStr] = []
        self._files: list[AnyStr] = []
        self._packed: NameSequence[AnyStr] = NameSequence(made)
        self._made: Callable[[bytes], AnyStr] = made
        self._room = room
        self._nbytes = 0
        self._folder_nbytes = 0  # of these

    @property
    def files(self) -> Sequence[AnyStr]:
        """A list unless there are many."""
        if len(self._packed):
            self._pack()
            return self._packed
        return self._files

    def add(self, name: AnyStr, *, is_folder: bool) -> None:
        """Keep one more; raises `TooLarge`."""
        nbytes = sys.getsizeof(name) + _PLACE_BYTES
        self._take(nbytes)
        if is_folder:
            self._folder_nbytes += nbytes
            self.folders.append(name)
            return
        self._files.append(name)
        if len(self._files) >= (BLOCK if len(self._packed) else LISTED):
            self._pack()

    def forget_files(self) -> None:
        """The names of files are kept here no more."""
        self._files, self._packed = [], NameSequence(self._made)
        self._room.give(self._nbytes - self._folder_nbytes)
        self._nbytes = self._folder_nbytes

    def forget(self) -> None:
        """Nothing is kept here any more."""
        self._room.give(self._nbytes)
        self._nbytes = self._folder_nbytes = 0

    def _pack(self) -> None:
        for start in range(0, len(self._files), BLOCK):
            names = self._files[start : start + BLOCK]
            nbytes = sum(map(sys.getsizeof, names)) + _PLACE_BYTES * len(names)
            self._room.give(nbytes)
            self._nbytes -= nbytes
            self._take(self._packed.pack([encoded(name) for name in names]))
        self._files = []

    def _take(self, nbytes: int) -> None:
        self._room.take(nbytes)
        self._nbytes += nbytes


def walk(
    pool: Pool,
    base: Path,
    top: AnyStr,
    room: Room,
    *,
    topdown: bool,
    on_error: Callable[[FileError], object] | None,
) -> Iterator[tuple[AnyStr, list[AnyStr], Sequence[AnyStr]]]:
    """As `RemoteTree.walk`; raises `TooLarge` where that has more names than `room`."""
    found: _Found[AnyStr] = _Found(room, partial(_made, top))
    try:
        _list(pool, base, top, found, on_error)
        files = found.files
    except FileError as problem:
        found.forget()
        if room.refused:
            raise  # nothing is wrong with the directory
        if on_error is not None:
            on_error(problem)
        return
    folders = found.folders
    if topdown:
        yield top, folders, files
        del files
        found.forget_files()
    for name in folders:
        yield from walk(pool, base, _beneath(top, name), room, topdown=topdown, on_error=on_error)
    if not topdown:
        yield top, folders, files
    found.forget()


def _list(
    pool: Pool, base: Path, top: AnyStr, found: _Found[AnyStr], on_error: Callable[[FileError], object] | None
) -> None:
    with Listing(pool, folder_path(top, base), top, recursive=False) as listing:
        for entry in listing:
            if entry.info is None and entry.problem is not None and on_error is not None:
                on_error(entry.problem)
            found.add(entry.name, is_folder=entry.is_dir())


def _made(like: AnyStr, name: bytes) -> AnyStr:
    """A name of the kind that `like` is."""
    return name if isinstance(like, bytes) else name.decode("utf-8", "surrogateescape")


def _beneath(top: AnyStr, name: AnyStr) -> AnyStr:
    slash: AnyStr = b"/" if isinstance(top, bytes) else "/"
    return name if not top else top + name if top.endswith(slash) else top + slash + name
