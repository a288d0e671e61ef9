"""Where a file of the server's is put on this machine.

Either in a folder held open, by a name from the server, or by a name that the user typed. What must never happen: that
a name of the first kind is used in the way of the second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from secftp.errors import FileError, NotADirectory, NotFound, Reason
from secftp.storage import create_local_sink, resume_local_sink, set_local_mode, stat_local

if TYPE_CHECKING:
    from secftp.storage import FileInfo, Path, ResumedSink, Sink, Store, WriteOptions


class Place(Protocol):
    """One file's."""

    def look(self, *, partial: bool = False) -> FileInfo | None:
        """What is there, or what is kept for it; None for nothing. Raises what else is wrong with it."""
        ...

    def create(self, options: WriteOptions) -> Sink:
        """As `Store.create_sink`."""
        ...

    def resume(self, offset: int, options: WriteOptions) -> ResumedSink:
        """As `Store.resume_sink`."""
        ...

    def set_mode(self, mode: int) -> None:
        """Set the permissions of the file that is there, as `Store.set_attributes` does."""
        ...


class InStore:
    """Beneath the folder that the copy goes into; the path is the server's word, and the store refuses bad ones."""

    __slots__ = ("_path", "_store")

    def __init__(self, store: Store, path: Path) -> None:
        self._store = store
        self._path = path

    def look(self, *, partial: bool = False) -> FileInfo | None:
        """As `Place.look`."""
        try:
            return self._store.stat(self._path, partial=partial)
        except (NotFound, NotADirectory) as problem:
            if problem.reason is Reason.SYMLINK:
                raise
            return None

    def create(self, options: WriteOptions) -> Sink:
        """As `Place.create`."""
        return self._store.create_sink(self._path, options)

    def resume(self, offset: int, options: WriteOptions) -> ResumedSink:
        """As `Place.resume`."""
        return self._store.resume_sink(self._path, offset, options)

    def set_mode(self, mode: int) -> None:
        """As `Place.set_mode`."""
        self._store.set_attributes(self._path, mode=mode)


class ByName:
    """The user's own word; links in it are followed, and it may be a device."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def look(self, *, partial: bool = False) -> FileInfo | None:
        """As `Place.look`."""
        try:
            return stat_local(self._name, partial=partial)
        except (NotFound, NotADirectory):
            return None
        except FileError:
            if partial:
                return None  # of a device nothing is kept
            raise

    def create(self, options: WriteOptions) -> Sink:
        """As `Place.create`."""
        return create_local_sink(self._name, options)

    def resume(self, offset: int, options: WriteOptions) -> ResumedSink:
        """As `Place.resume`."""
        return resume_local_sink(self._name, offset, options)

    def set_mode(self, mode: int) -> None:
        """As `Place.set_mode`."""
        set_local_mode(self._name, mode)
