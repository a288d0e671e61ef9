"""Listings: from the server's answer to entries, a part at a time.

What a folder of usual size holds is taken at once, so that the connection is free again before the first entry is
looked at, however long the program takes with it. A larger one is streamed over a connection of its own, and memory
stays bounded.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, AnyStr, Final, Generic, Self

from secftp.api.entries import RemoteEntry, RemoteStat
from secftp.api.names import joined
from secftp.errors import ConnectionLost, FileError
from secftp.messages import problem_of
from secftp.session.held import Some

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from secftp.api.pool import Pool
    from secftp.messages import Info, Listed
    from secftp.storage import Path

AHEAD_ENTRIES: Final = 20_000
AHEAD_BYTES: Final = 20 << 20  # of entries with long names less are taken ahead


class Listing(Generic[AnyStr]):
    """An iterator over the entries of a folder, and a context manager that ends it early.

    The order is the server's; with `recursive` a folder comes before what is in it.
    """

    def __init__(self, pool: Pool, path: Path, given: AnyStr, *, recursive: bool) -> None:
        self._pool = pool
        self._given: AnyStr = given
        self._ahead: deque[Listed] = deque()
        self._rest: Iterator[Listed] | None = None
        self._problem: FileError | None = None  # with which the listing broke off
        self._keep: contextlib.ExitStack = contextlib.ExitStack()
        while not self._begin(path, recursive=recursive):
            pass

    def _begin(self, path: Path, *, recursive: bool) -> bool:
        """Take what may be taken at once; false if that met a connection which was gone by then (`Pool.ask`)."""
        pool = self._pool
        with contextlib.ExitStack() as undo:
            connection = undo.enter_context(pool.connection())
            listed = connection.session.list(path, recursive=recursive)
            some = Some(listed, AHEAD_ENTRIES, AHEAD_BYTES)
            try:
                self._ahead.extend(some)
            except ConnectionLost:
                if not connection.reused or self._ahead or pool.closed:
                    raise
                return False
            except FileError as problem:
                if not self._ahead:
                    raise
                self._problem = problem.with_traceback(None)  # what came before it is good
            if some.is_more:
                self._rest = listed
                pool.prolong(connection)
                self._keep = undo.pop_all()
        return True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RemoteEntry[AnyStr]:
        if not self._ahead and self._rest is not None:
            self._read_on()
        if not self._ahead:
            problem, self._problem = self._problem, None
            if problem is not None:
                raise problem
            raise StopIteration
        return self._entry(self._ahead.popleft())

    def close(self) -> None:
        """Ask for no more; what is not listed yet never will be. Idempotent."""
        self._ahead.clear()
        self._rest = self._problem = None
        self._keep.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_on(self) -> None:
        some = Some((), AHEAD_ENTRIES, AHEAD_BYTES)
        try:
            self._pool.require_open()
            some = Some(self._rest or (), AHEAD_ENTRIES, AHEAD_BYTES)
            self._ahead.extend(some)
        except FileError as problem:
            if not self._ahead:
                self.close()
                raise
            self._problem = problem.with_traceback(None)
        except BaseException:
            self.close()
            raise
        if not some.is_more:
            self._rest = None
            self._keep.close()

    def _entry(self, listed: Listed) -> RemoteEntry[AnyStr]:
        path = joined(self._given, b"/".join(listed.path))
        problem = problem_of(listed, path)
        return RemoteEntry(path, None if listed.kind is None else stat_of(listed), problem)


def stat_of(info: Info | Listed) -> RemoteStat:
    """What the wire says of a file or folder, as a program sees it."""
    assert info.kind is not None, "an entry that could not be looked at has no RemoteStat"
    return RemoteStat(info.kind, info.size, info.mtime_ns, info.mode)
