"""Destinations of downloaded files.

A file goes either to a path in a directory that is held open, or to a name that the user gave. Invariant: a path from
the server is never used as a name of the user's.
"""

# ruff: noqa: D102 - methods without a docstring are those of `Destination`

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from secftp.errors import FileError, NotADirectory, NotFound, Reason
from secftp.storage import create_local_sink, resume_local_sink, set_local_mode, stat_local

if TYPE_CHECKING:
    from secftp.storage import FileInfo, Path, ResumedSink, Sink, Store, WriteOptions


class Destination(abc.ABC):
    """Where one file is created."""

    __slots__ = ()

    @abc.abstractmethod
    def stat(self, *, partial: bool = False) -> FileInfo | None:
        """Return what is there, or the partial file that is kept for it; None for nothing. Raises `FileError`."""

    @abc.abstractmethod
    def create(self, options: WriteOptions) -> Sink:
        """Begin the file; raises `FileError`."""

    @abc.abstractmethod
    def resume(self, offset: int, options: WriteOptions) -> ResumedSink:
        """Continue its partial file behind `offset` bytes; raises `FileError`."""

    @abc.abstractmethod
    def set_mode(self, mode: int) -> None:
        """Set the permissions of the file that is there; raises `FileError`."""


class StoreDestination(Destination):
    """A path below the target directory. It comes from the server; the store refuses bad ones."""

    __slots__ = ("_path", "_store")

    def __init__(self, store: Store, path: Path) -> None:
        self._store = store
        self._path = path

    def stat(self, *, partial: bool = False) -> FileInfo | None:
        """Raises `NotFound` for a symlink."""
        try:
            return self._store.stat(self._path, partial=partial)
        except (NotFound, NotADirectory) as problem:
            if problem.reason is Reason.SYMLINK:
                raise
            return None

    def create(self, options: WriteOptions) -> Sink:
        return self._store.create_sink(self._path, options)

    def resume(self, offset: int, options: WriteOptions) -> ResumedSink:
        return self._store.resume_sink(self._path, offset, options)

    def set_mode(self, mode: int) -> None:
        self._store.set_attributes(self._path, mode=mode)


class PathDestination(Destination):
    """A name that the user gave: symlinks in it are followed, and it may be a device."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def stat(self, *, partial: bool = False) -> FileInfo | None:
        try:
            return stat_local(self._name, partial=partial)
        except (NotFound, NotADirectory):
            return None
        except FileError:
            if partial:
                return None  # of a device nothing is kept
            raise

    def create(self, options: WriteOptions) -> Sink:
        return create_local_sink(self._name, options)

    def resume(self, offset: int, options: WriteOptions) -> ResumedSink:
        return resume_local_sink(self._name, offset, options)

    def set_mode(self, mode: int) -> None:
        set_local_mode(self._name, mode)
