"""Listings of both sides of a sync: complete trees, of a directory of this machine and of one at the server.

What can't be listed or examined is told and counted in the tree, which is incomplete then. The trash of earlier
syncs counts as excluded, also in a directory below, which may be the target of other syncs. Invariant: no symlink is
followed unless the caller asks for it, on this machine only.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from secftp.errors import FileError, NotADirectory, ProtocolError, Side
from secftp.protocol import OTHER_KINDS, Capability, Kind, problem_of, remote_failure
from secftp.protocol.limits import MAX_COMPONENTS, MAX_PATH
from secftp.session.list_ahead import ListingsAhead, depth_first
from secftp.storage.tree import EntryKind as WalkKind
from secftp.storage.tree import LocalTree, TreeEntry
from secftp.sync.tree import TRASH, Entry, EntryKind, Tree

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from secftp.protocol import Listed
    from secftp.session import Session
    from secftp.storage import FileInfo, Path
    from secftp.transfer.filters import Filters

_PERMISSIONS: Final = 0o777
_OTHER: Final = Entry(EntryKind.OTHER)
_EXCLUDED: Final = Entry(EntryKind.EXCLUDED)
_SYMLINK: Final = "a symlink, left out"
_SPECIAL: Final = "not a regular file, left out"
_LEFT_OUT: Final = {
    WalkKind.SYMLINK: _SYMLINK,
    WalkKind.SPECIAL: _SPECIAL,
    WalkKind.RESERVED: "a name reserved by secftp, left out",
}


class Selection(Protocol):
    """What of a tree is synced; paths are relative to its top."""

    def wants_file(self, path: Path) -> bool:
        """Whether a file is."""
        ...

    def wants_directory(self, path: Path) -> bool:
        """Whether a directory is, and what is in it."""
        ...


class FilteredSelection(Selection):
    """What patterns select; `name`: that of the source, with which a pattern may begin."""

    def __init__(self, filters: Filters, name: bytes) -> None:
        self._filters = filters
        self._name = name

    def wants_file(self, path: Path) -> bool:
        """Whether the patterns select a file."""
        return self._filters.wants_file(path, self._name)

    def wants_directory(self, path: Path) -> bool:
        """Whether the patterns do not exclude a directory."""
        return self._filters.wants_directory(path, self._name)


class Listener(Protocol):
    """What is told of what a listing meets."""

    def unlisted(self, path: Path, error: FileError) -> None:
        """Something can't be listed or examined."""
        ...

    def left_out(self, path: Path, text: str) -> None:
        """Something is neither a file nor a directory."""
        ...


# --- this machine -----------------------------------------------------------------------------------------------------


def list_local(top: str, selection: Selection, listener: Listener, *, below: Path = (), follow: bool = False) -> Tree:
    """Return the tree of a directory of this machine.

    `below`: the path that it has at the server, which bounds the paths in it. Raises what is wrong with the directory
    itself.
    """
    tree = Tree()
    files = LocalTree(
        top,
        follow=follow,
        max_depth=MAX_COMPONENTS - len(below),
        max_path=MAX_PATH - 1 - sum(map(len, below)) - len(below),
    )
    listing = _LocalListing(tree, selection, listener)
    with files:
        for found in files.walk(listing.wants, with_info=True):
            listing.take(found)
    return tree


class _LocalListing:
    """The walk through a directory of this machine."""

    def __init__(self, tree: Tree, selection: Selection, listener: Listener) -> None:
        self._tree = tree
        self._selection = selection
        self._listener = listener

    def wants(self, path: Path) -> bool:
        """Return whether a directory is entered; one that is excluded is noted."""
        if path[-1:] != (TRASH,) and self._selection.wants_directory(path):
            return True
        self._tree.add(path, _EXCLUDED)
        return False

    def take(self, found: TreeEntry) -> None:
        """Add an entry of the walk. Raises the problem of the top."""
        kind, path, info, problem = found
        if kind is WalkKind.LEFT:
            self._tree.pack(path)
        elif kind is WalkKind.PROBLEM:
            assert problem is not None
            self._unlisted(path, problem)
        elif kind is WalkKind.DIRECTORY:
            assert info is not None
            if path:
                self._tree.add(path, _directory(info))
            else:
                self._tree.top = _directory(info)
        elif path[-1] == TRASH or not self._selection.wants_file(path):
            self._tree.add(path, _EXCLUDED)
        elif kind is WalkKind.FILE:
            assert info is not None
            self._tree.add(path, _file(info))
        else:
            self._tree.add(path, _OTHER)
            if kind is WalkKind.RESERVED:
                self._tree.with_reserved.add(path[:-1])
            self._listener.left_out(path, _LEFT_OUT[kind])

    def _unlisted(self, path: Path, problem: FileError) -> None:
        if not path:
            raise problem
        self._tree.problems += 1
        if self._tree.get(path) is None:
            self._tree.add(path, _OTHER)
        self._listener.unlisted(path, problem)


def _file(info: FileInfo) -> Entry:
    return Entry(EntryKind.FILE, info.size or 0, info.mtime_ns, info.mode & _PERMISSIONS)


def _directory(info: FileInfo) -> Entry:
    return Entry(EntryKind.DIRECTORY, 0, info.mtime_ns, info.mode & _PERMISSIONS)


# --- the server -------------------------------------------------------------------------------------------------------


class RemoteListing:
    """The listing of a directory at the server. Its first request leaves at once; `tree` waits for all of it.

    `hint`: what to do if it is a file.
    """

    def __init__(self, session: Session, top: Path, selection: Selection, listener: Listener, *, hint: str) -> None:
        self._session = session
        self._hint = hint
        self._top = top
        self._selection = selection
        self._listener = listener
        self._tree = Tree()
        self._ahead = ListingsAhead(session.pipeline, others=True)
        self._asked = session.begin_stat(top)
        self._ahead.adopt(session.begin_list(top, others=True))

    def tree(self) -> Tree:
        """Return the tree. Raises what is wrong with the directory itself."""
        top: Path = ()
        with contextlib.closing(self._ahead), self._session.pipeline.keepalive():
            self._session.require(Capability.LIST, self._top)
            info = self._asked.result()
            if info.kind is not Kind.DIRECTORY:
                raise remote_failure(NotADirectory, self._top, "it is not a directory.", hint=self._hint)
            self._tree.top = Entry(EntryKind.DIRECTORY, 0, info.mtime_ns, info.mode & _PERMISSIONS)
            deque(depth_first(top, self._enter, self), maxlen=0)
        return self._tree

    def has_room(self, *, soon: bool) -> bool:
        """Whether another directory may be requested before its turn."""
        return self._ahead.has_room(soon=soon)

    def request(self, directory: Path, /) -> None:
        """Request the listing of a directory that will be entered."""
        self._ahead.request((*self._top, *directory))

    def _enter(self, directory: Path) -> Generator[None, None, Iterator[Path]]:
        """List a directory; return those in it."""
        yield from ()
        below: list[bytes] = []
        try:
            for found in self._ahead.take((*self._top, *directory)):
                if len(found.path) != 1:
                    raise ProtocolError("A listing contains an entry of another directory.")
                path = (*directory, found.path[0])
                if self._take(path, found):
                    below.append(found.path[0])
        except FileError as problem:
            if not directory:
                raise
            self._tree.problems += 1
            self._listener.unlisted(directory, problem)
        self._tree.pack(directory)
        return ((*directory, name) for name in below)

    def _take(self, path: Path, found: Listed) -> bool:
        """Add an entry; return whether it is a directory that is entered."""
        selection = self._selection
        if path[-1] == TRASH:
            self._exclude(path)
        elif (problem := problem_of(found, (*self._top, *path))) is not None:
            self._unlisted(path, problem)
        elif found.kind is Kind.DIRECTORY and selection.wants_directory(path):
            self._tree.add(path, Entry(EntryKind.DIRECTORY, 0, found.mtime_ns, found.mode & _PERMISSIONS))
            return True
        elif found.kind is Kind.FILE and selection.wants_file(path):
            self._tree.add(path, Entry(EntryKind.FILE, found.size, found.mtime_ns, found.mode & _PERMISSIONS))
        elif found.kind in OTHER_KINDS and selection.wants_file(path):
            self._tree.add(path, _OTHER)
            self._listener.left_out(path, _SYMLINK if found.kind is Kind.SYMLINK else _SPECIAL)
        else:
            self._exclude(path)
        return False

    def _exclude(self, path: Path) -> None:
        self._tree.add(path, _EXCLUDED)
        self._ahead.discard((*self._top, *path))  # it was requested in case that it is wanted

    def _unlisted(self, path: Path, problem: FileError) -> None:
        self._tree.problems += 1
        if self._tree.get(path) is None:
            self._tree.add(path, _OTHER)
        self._listener.unlisted(path, problem.locate(Side.REMOTE))

    def drop(self) -> None:
        """Give up the listing."""
        self._ahead.close()
