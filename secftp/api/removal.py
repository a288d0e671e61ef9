"""A whole tree removed: files as they are listed, each folder when the listing has left it, many under way at once.

The server serves requests in order, so a folder's removal may leave before those of its files are answered. What must
never happen: that anything is removed whose kind is not the one that was listed, or what is not served with it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Self

from secftp.api.listing import Listing
from secftp.api.names import folder_path
from secftp.errors import FileError
from secftp.messages import Capability, Error, Kind, Remove, exception_for
from secftp.session.operations import removal_order

if TYPE_CHECKING:
    from types import TracebackType

    from secftp.api.pool import Pool
    from secftp.channel import Received
    from secftp.session import Session
    from secftp.storage import Path


class Removals:
    """Removals under way on one session, in order. Raises the first failure, with the next removal or at the end.

    Of `top` and what is in it: these may be directories that their owner may not write to.
    """

    def __init__(self, session: Session, top: Path) -> None:
        session.require(Capability.CHANGE)
        self._top = top
        self._pipeline = session.pipeline
        self._problem: FileError | None = None

    def remove(self, path: Path, kind: Kind) -> None:
        """Remove a file, or a folder that is empty by then."""
        self._raise_problem()
        request = Remove(id=self._pipeline.next_id(), path=path, kind=kind, tree=path != self._top)
        self._pipeline.submit(request, partial(self._take, path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, FileError):
            self._pipeline.settle()
        if kind is None:
            self._raise_problem()

    def _take(self, path: Path, received: Received) -> bool:
        if isinstance(received, Error) and self._problem is None:
            self._problem = exception_for(received.code, path, received.reason)
        return True

    def _raise_problem(self) -> None:
        if self._problem is not None:
            raise self._problem


def remove_tree(pool: Pool, top: Path) -> None:
    """Remove a folder and everything in it, in one pass. Raises the first thing that goes wrong."""
    with (
        Listing(pool, top, b"/" + b"/".join(top), recursive=True) as listing,
        pool.session(long=True) as session,
        session.pipeline.alive(),
        Removals(session, top) as removals,
    ):
        found = ((folder_path(entry.path), Kind(entry.stat().kind)) for entry in listing)
        for path, kind in removal_order(top, found):
            removals.remove(path, kind)
