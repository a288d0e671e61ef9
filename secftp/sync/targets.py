"""The target of a sync, here or at the server: what is asked of it and changed in it, beside copies.

Each method requests something and returns the outcome, which may be awaited later, so that many requests are under way
at a server. Paths are relative to the target's directory. Invariant: at this machine each name is resolved from the
descriptor of that directory, through no symlink.
"""

# ruff: noqa: D102 - methods without a docstring are those of `Target`

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from secftp.errors import AlreadyExists, FileError, NotFound, Reason, Side
from secftp.protocol import Info, Kind, MakeDirectory, Ok, Remove, Rename, SetAttributes, Stat
from secftp.session.operations import list_tree, remove_tree
from secftp.session.requested import Requested
from secftp.storage.attributes import Kept
from secftp.sync.tree import TRASH, Entry, EntryKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.protocol import Message, Request
    from secftp.session import Session
    from secftp.storage import FileInfo, LocalStore, Path

_T = TypeVar("_T")
_Message = TypeVar("_Message", bound="Message")
_T_co = TypeVar("_T_co", covariant=True)


class Outcome(Protocol[_T_co]):
    """What comes of a request."""

    def result(self) -> _T_co:
        """Wait for it. Raises the `FileError` of a failure, and what ends the session."""
        ...


class Target(Protocol):
    """The directory that is made what the source is. Changes with a `token` may be requested again.

    `window`: how many changes are looked at before the first of them is made.
    """

    window: int

    def stat(self, path: Path) -> Outcome[Entry]:
        """Look at a file or directory."""
        ...

    def rename(self, path: Path, to: Path, token: bytes) -> Outcome[object]:
        """Rename a file to a name that is free."""
        ...

    def remove(self, path: Path, *, is_directory: bool, token: bytes) -> Outcome[object]:
        """Remove a file or an empty directory."""
        ...

    def make_directory(self, path: Path, mode: int, token: bytes, *, may_exist: bool = True) -> Outcome[object]:
        """Make a directory in an existing one."""
        ...

    def set_attributes(self, path: Path, mode: int, mtime_ns: int) -> Outcome[Kept]:
        """Set permissions and time of a file or directory."""
        ...

    def list_trash(self) -> list[tuple[bytes, int]]:
        """Return the directories in the trash: names, and times in nanoseconds since 1970."""
        ...

    def remove_tree(self, path: Path) -> list[FileError]:
        """Remove a directory with all that is in it; return what is wrong."""
        ...


# --- at the server ----------------------------------------------------------------------------------------------------


class RemoteTarget(Target):
    """A directory at the server, over one session."""

    window = 256

    def __init__(self, session: Session, top: Path) -> None:
        self._session = session
        self._pipeline = session.pipeline
        self._top = top

    def stat(self, path: Path) -> Outcome[Entry]:
        whole = self._whole(path)
        return _Asked(lambda: Requested(self._pipeline, Stat(id=self._id(), path=whole), Info, whole), _entry)

    def rename(self, path: Path, to: Path, token: bytes) -> Outcome[object]:
        old, new = self._whole(path), self._whole(to)
        return self._change(lambda: Rename(id=self._id(), path=old, to=new, token=token), old, new)

    def remove(self, path: Path, *, is_directory: bool, token: bytes) -> Outcome[object]:
        whole, kind = self._whole(path), Kind.DIRECTORY if is_directory else Kind.FILE
        return self._change(lambda: Remove(id=self._id(), path=whole, kind=kind, tree=is_directory, token=token), whole)

    def make_directory(self, path: Path, mode: int, token: bytes, *, may_exist: bool = True) -> Outcome[object]:
        whole = self._whole(path)
        return self._change(
            lambda: MakeDirectory(id=self._id(), path=whole, parents=may_exist, mode=mode, token=token), whole
        )

    def set_attributes(self, path: Path, mode: int, mtime_ns: int) -> Outcome[Kept]:
        whole = self._whole(path)

        def ask() -> Requested[Ok]:
            request = SetAttributes(id=self._id(), path=whole, mode=mode, mtime_ns=mtime_ns)
            return Requested(self._pipeline, request, Ok, whole)

        return _Asked(ask, lambda ok: Kept(not ok.time_changed, not ok.mode_changed))

    def list_trash(self) -> list[tuple[bytes, int]]:
        try:
            entries = list(self._session.list(self._whole((TRASH,))))
        except NotFound:
            return []
        return [(entry.path[0], entry.mtime_ns) for entry in entries if entry.kind is Kind.DIRECTORY]

    def remove_tree(self, path: Path) -> list[FileError]:
        whole, problems = self._whole(path), list[FileError]()
        found = list_tree(self._session, whole, problems.append)
        problems += [problem for problem in remove_tree(self._session, whole, found) if problem is not None]
        return problems

    def _whole(self, path: Path) -> Path:
        return (*self._top, *path)

    def _id(self) -> int:
        return self._pipeline.next_id()

    def _change(self, make: Callable[[], Request], path: Path, to: Path | None = None) -> Outcome[object]:
        return _Asked(lambda: Requested(self._pipeline, make(), Ok, path, to), lambda ok: ok)


class _Asked(Generic[_Message, _T]):
    """A request to the server; a name that can't be sent is a failure of its own."""

    def __init__(self, ask: Callable[[], Requested[_Message]], meaning: Callable[[_Message], _T]) -> None:
        self._meaning = meaning
        self._asked: Requested[_Message] | FileError
        try:
            self._asked = ask()
        except FileError as problem:
            self._asked = problem
            problem.locate(Side.REMOTE)

    def result(self) -> _T:
        """Return what the reply means."""
        if isinstance(self._asked, FileError):
            raise self._asked
        return self._meaning(self._asked.result())


def _entry(info: Info | FileInfo) -> Entry:
    kind = EntryKind.DIRECTORY if info.kind is Kind.DIRECTORY else EntryKind.FILE
    return Entry(kind, info.size or 0, info.mtime_ns, info.mode & 0o777)


# --- on this machine --------------------------------------------------------------------------------------------------


class LocalTarget(Target):
    """A directory of this machine. Everything is done at once."""

    window = 1

    def __init__(self, store: LocalStore) -> None:
        self._store = store

    def stat(self, path: Path) -> Outcome[Entry]:
        return _Done(lambda: _entry(self._store.stat(path)))

    def rename(self, path: Path, to: Path, token: bytes) -> Outcome[object]:  # noqa: ARG002 - no answer is lost here
        return _Done(lambda: self._store.rename(path, to))

    def remove(self, path: Path, *, is_directory: bool, token: bytes) -> Outcome[object]:  # noqa: ARG002
        return _Done(lambda: self._store.remove(path, kind=Kind.DIRECTORY if is_directory else Kind.FILE))

    def make_directory(self, path: Path, mode: int, token: bytes, *, may_exist: bool = True) -> Outcome[object]:  # noqa: ARG002
        def make() -> None:
            try:
                self._store.make_directory(path, mode=mode)
            except AlreadyExists as taken:
                if not may_exist or taken.reason is not Reason.DIRECTORY:
                    raise

        return _Done(make)

    def set_attributes(self, path: Path, mode: int, mtime_ns: int) -> Outcome[Kept]:
        return _Done(lambda: self._store.set_attributes(path, mode=mode, mtime_ns=mtime_ns))

    def list_trash(self) -> list[tuple[bytes, int]]:
        try:
            entries = list(self._store.scan((TRASH,)))
        except NotFound:
            return []
        return [
            (entry.path[0], entry.info.mtime_ns)
            for entry in entries
            if entry.info is not None and entry.info.kind is Kind.DIRECTORY
        ]

    def remove_tree(self, path: Path) -> list[FileError]:
        found, problems = [(path, Kind.DIRECTORY)], list[FileError]()
        for entry in self._store.scan(path, recursive=True):
            if entry.problem is not None:
                problems.append(entry.problem)
            if entry.info is not None:
                found.append(((*path, *entry.path), entry.info.kind))
        for place, kind in reversed(found):
            try:
                self._store.remove(place, kind=kind)
            except FileError as problem:
                problems.append(problem)
        return problems


class _Done(Generic[_T]):
    """What has been done already."""

    def __init__(self, work: Callable[[], _T]) -> None:
        self._outcome: _T | FileError
        try:
            self._outcome = work()
        except FileError as problem:
            self._outcome = problem

    def result(self) -> _T:
        """Return it."""
        if isinstance(self._outcome, FileError):
            raise self._outcome
        return self._outcome
