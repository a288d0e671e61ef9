"""The two directions of a sync: from this machine to the server, and back."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Final

from secftp.errors import NotADirectory, NotFound, Reason
from secftp.storage import LocalStore
from secftp.storage.errors import failure
from secftp.storage.tree import LocalTree
from secftp.sync.download import SyncDownload
from secftp.sync.listing import RemoteListing, list_local
from secftp.sync.targets import LocalTarget, RemoteTarget
from secftp.sync.tree import Tree
from secftp.sync.upload import SyncUpload
from secftp.transfer.targets import create_target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secftp.session import Session
    from secftp.storage import Path, Source
    from secftp.sync.listing import Listener, Selection
    from secftp.sync.plan import Action
    from secftp.sync.targets import Target
    from secftp.transfer.options import CopyOptions
    from secftp.transfer.progress import ProgressListener

_USE_COPIES: Final = "A single file is copied with get and put."
_USE_DIRECTORY: Final = "Name a directory as the target."


class _OfTarget:
    """Tells of failures alone: what else a target has is not copied anyway."""

    def __init__(self, listener: Listener) -> None:
        self.unlisted = listener.unlisted

    def left_out(self, path: Path, text: str) -> None:
        """Say nothing."""


class Direction(abc.ABC):
    """A directory of this machine, one at the server, and which of them is the source.

    `local`: a name of this machine; `remote`: a path at the server. `is_missing`: whether the target does not exist,
    known from the listing on.
    """

    sends: bool

    def __init__(self, local: str, remote: Path) -> None:
        self.local = local
        self.remote = remote
        self.is_missing = False
        self.source = Tree()

    @abc.abstractmethod
    def list(self, session: Session, selection: Selection, listener: Listener, *, follow: bool) -> Tree:
        """List both sides; set `source`, and return the tree of the target. Raises what is wrong with the source."""

    @abc.abstractmethod
    def make_top(self, session: Session) -> None:
        """Make the target's directory, and those above it that are missing."""

    @abc.abstractmethod
    def sweep(self, target: Tree) -> None:
        """Remove what killed writers have left in the target, as far as that is not done by a server."""

    @abc.abstractmethod
    def target(self, session: Session) -> Target:
        """Return the target, which exists, over this session."""

    @abc.abstractmethod
    def copy(
        self, actions: Iterable[Action], options: CopyOptions, listener: ProgressListener
    ) -> SyncUpload | SyncDownload:
        """Return the transfer that makes these copies."""

    @abc.abstractmethod
    def open_local(self, path: Path) -> Source:
        """Open a file of this machine."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release what is open."""


class Pushing(Direction):
    """From this machine to the server."""

    sends = True

    def __init__(self, local: str, remote: Path) -> None:
        super().__init__(local, remote)
        self._files = LocalTree(local)

    def list(self, session: Session, selection: Selection, listener: Listener, *, follow: bool) -> Tree:
        """List this machine while the server's first reply is under way."""
        listing = RemoteListing(session, self.remote, selection, _OfTarget(listener), hint=_USE_DIRECTORY)
        try:
            with session.pipeline.keepalive():
                self.source = list_local(self.local, selection, listener, below=self.remote, follow=follow)
        except NotADirectory:
            listing.drop()
            raise failure(NotADirectory, "Not a directory", self.local, hint=_USE_COPIES) from None
        except BaseException:
            listing.drop()
            raise
        self._files = LocalTree(self.local, follow=follow)
        try:
            return listing.tree()
        except NotFound:
            self.is_missing = True
            return Tree()

    def make_top(self, session: Session) -> None:
        """Make it at the server."""
        session.make_directory(self.remote, parents=True)

    def sweep(self, target: Tree) -> None:
        """Leave it to the server."""

    def target(self, session: Session) -> Target:
        """Return the directory at the server."""
        return RemoteTarget(session, self.remote)

    def copy(
        self, actions: Iterable[Action], options: CopyOptions, listener: ProgressListener
    ) -> SyncUpload | SyncDownload:
        """Return an upload."""
        return SyncUpload(self.local, self.source, self.remote, actions, options, listener)

    def open_local(self, path: Path) -> Source:
        """Open a file of the source."""
        return self._files.open_source(path)

    def close(self) -> None:
        """Close the source."""
        self._files.close()


class Pulling(Direction):
    """From the server to this machine."""

    sends = False

    def __init__(self, local: str, remote: Path) -> None:
        super().__init__(local, remote)
        self._open_store: LocalStore | None = None

    @property
    def _store(self) -> LocalStore:
        """The target, held open from the first use on: whatever becomes of its name, it stays this directory."""
        if self._open_store is None:
            self._open_store = LocalStore(self.local)
        return self._open_store

    def list(self, session: Session, selection: Selection, listener: Listener, *, follow: bool) -> Tree:  # noqa: ARG002
        """List this machine while the server's first reply is under way."""
        listing = RemoteListing(session, self.remote, selection, listener, hint=_USE_COPIES)
        try:
            with session.pipeline.keepalive():
                target = list_local(self.local, selection, _OfTarget(listener))
        except NotFound as problem:
            if problem.reason is Reason.DANGLING:
                listing.drop()
                raise
            self.is_missing, target = True, Tree()
        except NotADirectory:
            listing.drop()
            raise failure(NotADirectory, "Not a directory", self.local, hint=_USE_DIRECTORY) from None
        except BaseException:
            listing.drop()
            raise
        self.source = listing.tree()
        return target

    def make_top(self, session: Session) -> None:  # noqa: ARG002 - it is here
        """Make it here."""
        create_target(self.local, None)

    def sweep(self, target: Tree) -> None:
        """Remove unfinished files whose writers are gone."""
        for directory in target.with_reserved:
            self._store.sweep_leftovers(directory)

    def target(self, session: Session) -> Target:  # noqa: ARG002 - it is here
        """Return the directory here."""
        return LocalTarget(self._store)

    def copy(
        self, actions: Iterable[Action], options: CopyOptions, listener: ProgressListener
    ) -> SyncUpload | SyncDownload:
        """Return a download."""
        return SyncDownload(self.remote, self.source, self._store, actions, options, listener)

    def open_local(self, path: Path) -> Source:
        """Open a file of the target."""
        return self._store.open_source(path)

    def close(self) -> None:
        """Close the target."""
        store, self._open_store = self._open_store, None
        if store is not None:
            store.close()
