"""Files and folders of a server to this machine.

Folders are listed a little ahead of the files that are fetched, and made when they are found; each gets its permissions
and time when everything in it is here. What had not come when a connection is lost waits for the next one.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.copy.get_target import Found, Target, look_at_sources, look_at_target, make_target
from secftp.copy.globs import Globs
from secftp.copy.limit import RateLimit
from secftp.copy.options import CopyOptions, RemoteLocation
from secftp.copy.places import ByName
from secftp.copy.receiving import Receiving
from secftp.copy.remote_tree import Folder, Item
from secftp.copy.rights import require_right
from secftp.copy.tally import MODE_DIFFERS, MODE_SET, SAME, Tally, twice
from secftp.copy.times import same_time
from secftp.copy.walk import Walk
from secftp.copy.watch import NullListener, Summary
from secftp.copy.writable import Writable
from secftp.errors import AlreadyExists, FileError, IsADirectory, NotFound, Reason
from secftp.messages import ErrorCode, Kind, exception_for
from secftp.storage import LocalStore
from secftp.storage.errors import failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secftp.copy.places import Place
    from secftp.copy.watch import ProgressListener
    from secftp.session import Session

_OWN: Final = 0o700  # of a folder while it is being filled
_PLANNED_AHEAD: Final = 65536  # files that may wait, where the plan is to be known


class Download:
    """A copy from a server. After `run` raised `ConnectionLost`, `run` with another session goes on where it was."""

    def __init__(
        self,
        sources: Sequence[RemoteLocation],
        target: str,
        options: CopyOptions | None = None,
        listener: ProgressListener | None = None,
    ) -> None:
        self.summary = Summary()
        self._sources = sources
        self._target = target
        self._options = options or CopyOptions()
        self._tally = Tally(self.summary, listener or NullListener())
        self._globs = Globs(self._options.include, self._options.exclude)
        self._limit = RateLimit(self._options.limit_rate)
        self._walk: Walk | None = None
        self._store: LocalStore | None = None
        self._queue: deque[Item] = deque()
        self._place: Target | None = None  # None until it has been looked at
        self._writable = Writable()

    def run(self, session: Session) -> Summary:
        """Copy what is not copied yet.

        What fails for one file or folder goes to `listener.failed` and into the summary. Raised are what concerns the
        whole: `FileError` for a target that can't be, and what the session raises when the connection fails.
        """
        began = time.monotonic()
        try:
            with session.pipeline.keepalive():
                self._run(session)
        finally:
            if self._store is not None:
                self._writable.suspend(self._store)
                self._store.close()
                self._store = None
            self.summary.seconds += time.monotonic() - began
            self._tally.listener.ended(self.summary)
        return self.summary

    def _run(self, session: Session) -> None:
        begins = self._walk is None
        if begins:
            self._begin(session)
        walk, target = self._walk, self._place
        assert walk is not None
        assert target is not None
        if target.is_folder and (target.is_there or not self._options.dry_run):
            self._store = LocalStore(target.name)
            if begins and target.is_there and not self._options.dry_run:
                self._store.sweep_leftovers()
            self._writable.go_on(self._store)
        walk.use(session.pipeline)
        receiving = Receiving(
            session, self._store, self._options, self._tally, self._limit, lambda item: walk.done(item.folder)
        )
        try:
            self._fetch_all(walk, receiving)
        except BaseException:
            self._queue.extendleft(reversed(receiving.break_off()))
            raise

    def _fetch_all(self, walk: Walk, receiving: Receiving) -> None:
        while True:
            while (item := self._next(walk, receiving)) is not None:
                receiving.current = item
                self._take(item, receiving)
                receiving.current = None
                receiving.check()
            receiving.settle()
            self._queue.extend(receiving.repeated())
            if not self._queue:
                return

    def _next(self, walk: Walk, receiving: Receiving) -> Item | None:
        ahead = _PLANNED_AHEAD if self._tally.wants_plan else 1
        while len(self._queue) < ahead:
            item = walk.next(receiving.before_waiting)
            if item is None:
                self._tally.all_found()
                break
            self._tally.found(item.size)
            self._queue.append(item)
        return self._queue.popleft() if self._queue else None

    def _take(self, item: Item, receiving: Receiving) -> None:
        try:
            reason = self._reason_to_skip(item, receiving)
        except FileError as problem:
            receiving.failed(item, problem)
            return
        if reason:
            self._tally.skipped(item.name, reason, planned=item.size)
            receiving.done(item)
        elif self._options.dry_run:
            self._tally.finished(item.name, item.size, None, moved=item.size)
            receiving.done(item)
        else:
            receiving.take(item)

    def _reason_to_skip(self, item: Item, receiving: Receiving) -> str:
        """Why what is here already is left as it is; empty if it is not."""
        options = self._options
        # Where the user named the file himself it may be a device, which is written to.
        looks = options.update or not options.overwrite or (options.dry_run and item.place is None)
        place = receiving.place_of(item) if looks else None
        there = place.look() if place is not None else None
        if there is None:
            return ""
        if there.kind is Kind.DIRECTORY:
            raise failure(IsADirectory, "It is a folder", item.local)
        if not options.overwrite:
            return "it exists already"
        if not options.update:
            return ""
        is_same = there.kind is Kind.FILE and there.size == item.size and same_time(there.mtime_ns, item.mtime_ns)
        if is_same and options.preserve and (there.mode ^ item.mode) & 0o777:
            return self._set_mode(item, place)
        return SAME if is_same else ""

    def _set_mode(self, item: Item, place: Place | None) -> str:
        """Bring the permissions of a file up to date whose contents are; what to say of the file."""
        if self._options.dry_run or place is None:
            return MODE_DIFFERS
        try:
            place.set_mode(item.mode)
        except FileError as problem:
            self._tally.listener.note(item.name, f"its permissions could not be set: {problem}")
            return SAME
        return MODE_SET

    # --- what goes where ----------------------------------------------------------------------------------------------

    def _begin(self, session: Session) -> None:
        """Look at sources and target, and make the target if it is to be a folder."""
        if self._options.dry_run and self._sources:
            require_right(session, "read", self._sources[0].path)
        sources = look_at_sources(session, self._sources)
        target = look_at_target(self._target, sources)
        if target.is_folder and not target.is_there and not self._options.dry_run:
            make_target(
                target.name, None if target.takes_names else _OWN | (sources[0].info.mode if sources[0].info else 0)
            )
        self._place = target
        self._walk = Walk(self._tops(sources, target), self._globs, self._tally, self._opened, self._closed)

    def _tops(self, sources: Sequence[Found], target: Target) -> Iterator[Folder | Item]:
        taken = set()
        for remote, info, problem in sources:
            name = remote[-1] if remote else b""
            if info is None:
                self._tally.failed(name or b"/", problem or exception_for(ErrorCode.IO_ERROR, name))
            elif info.kind is not Kind.DIRECTORY:
                if name in taken:
                    self._tally.failed(name, twice(name))
                elif self._globs.wants_file((name,)):
                    taken.add(name)
                    place = None if target.is_folder else ByName(target.name)
                    yield Item(Folder(remote[:-1], (), b""), name, info.size, info.mtime_ns, info.mode, place)
            elif name in taken:
                self._tally.failed(name, twice(name))
            elif not name or self._globs.wants_folder((name,)):
                if name:
                    taken.add(name)
                folder = Folder(remote, (name,) if name and target.takes_names else (), name)
                folder.mode, folder.mtime_ns = info.mode, info.mtime_ns
                folder.sets = bool(folder.local) or not target.is_there
                yield folder

    def _opened(self, folder: Folder) -> bool:
        """Make a folder that was found; whether it can be filled."""
        if self._store is None or not folder.local:
            return True
        if self._options.dry_run:
            return self._could_be_filled(folder, self._store)
        mode = folder.mode | _OWN if self._options.preserve else None
        try:
            try:
                self._store.make_directory(folder.local, mode=mode)
            except AlreadyExists as taken:
                if taken.reason is not Reason.DIRECTORY:
                    raise
                folder.sets = folder.sets and self._options.overwrite
                self._writable.begin(self._store, folder)
                self._store.sweep_leftovers(folder.local)
        except FileError as problem:
            self._tally.failed(folder.name, problem)
            return False
        return True

    def _could_be_filled(self, folder: Folder, store: LocalStore) -> bool:
        """In a dry run: whether a folder is there or could be made, as far as can be seen."""
        try:
            if store.stat(folder.local).kind is Kind.DIRECTORY:
                return True
            problem: FileError = failure(AlreadyExists, "It already exists", folder.local, reason=Reason.FILE)
        except NotFound as missing:
            if missing.reason is not Reason.SYMLINK:
                return True
            problem = missing
        except FileError as unusable:
            problem = unusable
        self._tally.failed(folder.name, problem)
        return False

    def _closed(self, folder: Folder) -> None:
        """Everything in a folder has been dealt with."""
        if self._store is None or self._options.dry_run:
            return
        sets = folder.sets and self._options.preserve
        try:
            if sets:
                kept = self._store.set_attributes(folder.local, mode=folder.mode, mtime_ns=folder.mtime_ns)
                self._tally.copied(folder.mode, folder.mtime_ns, kept)
            self._writable.end(self._store, folder, restored=not sets)
        except FileError as problem:
            self._tally.listener.note(folder.name, f"its permissions and time could not be set: {problem}")
