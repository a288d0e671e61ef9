"""The run of a sync: both sides are listed, the plan is made and checked, and then carried out, deletions last.

After a lost connection the run goes on over the next session where it has ended; the plan stays the same. Invariants:
nothing is changed before the plan has passed all guards; nothing is renamed or deleted after any failure.
"""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import FileError, Forbidden, NotADirectory, NotFound
from secftp.protocol import Algorithm, Right, remote_failure
from secftp.protocol.errors import MISSING_RIGHT
from secftp.sync import guards, renames
from secftp.sync import plan as plans
from secftp.sync.case import folds
from secftp.sync.changes import Changes
from secftp.sync.digests import Digests, collect
from secftp.sync.plan import Act, Plan, Rules
from secftp.sync.progress import Gathered, Outcome, is_file
from secftp.sync.trash import DEFAULT_DAYS, Trash, expired
from secftp.sync.tree import TRASH, EntryKind, Tree
from secftp.transfer.options import CopyOptions
from secftp.transfer.targets import require_right

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from secftp.session import Session
    from secftp.storage import Path
    from secftp.sync.directions import Direction
    from secftp.sync.download import SyncDownload
    from secftp.sync.guards import MaxDelete
    from secftp.sync.listing import Selection
    from secftp.sync.plan import Action
    from secftp.sync.progress import SyncListener, SyncSummary
    from secftp.sync.targets import Target
    from secftp.sync.tree import Entry
    from secftp.sync.upload import SyncUpload
    from secftp.transfer.streams import OpenStream

_DELETIONS: Final = (Act.RENAME, Act.DELETE, Act.REMOVE_DIRECTORY)
_WINDOW: Final = 256  # directories whose attributes are set before the first reply is waited for


class SyncOptions(NamedTuple):
    """How a sync is made. Of the options of copies, `overwrite` and `update` do not count.

    `delete`: what only the target has is deleted. `contents`: files are compared by digest, not by size and time.
    `force`: newer files are replaced by older ones. `trash`: what is deleted is moved to the trash, which is emptied of
    what is older than `trash_days` days. `max_delete`: how many files may be deleted, None for the default.
    """

    copy: CopyOptions = CopyOptions()
    delete: bool = False
    contents: bool = False
    force: bool = False
    trash: bool = True
    trash_days: int = DEFAULT_DAYS
    max_delete: MaxDelete | None = None


class Sync:
    """A sync in one direction. After `run` raised `ConnectionLost`, `run` with another session goes on.

    `selection`: which files and directories are synced. `is_part`: these are not all, so that no file among them says
    nothing about the source. `now` returns the time in UTC.
    """

    open_stream: OpenStream | None = None

    def __init__(
        self,
        direction: Direction,
        selection: Selection,
        options: SyncOptions,
        listener: SyncListener,
        *,
        is_part: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.plan: Plan | None = None
        self._direction = direction
        self._selection = selection
        self._options = options
        self._outcome = Outcome(listener, sends=direction.sends)
        self._is_part = is_part
        self._now = now
        self._digests: Digests | None = None
        self._renames: renames.RenameDigests | None = None
        self._target = Tree()
        self._may_delete = False
        self._steps: deque[Callable[[Session], None]] = deque()

    @property
    def summary(self) -> SyncSummary:
        """What has been done."""
        return self._outcome.summary

    def run(self, session: Session) -> SyncSummary:
        """Do what is not done yet.

        A failure of one file or directory goes to the listener and is counted. Raises `TooManyDeletions`, the
        `FileError` of a source or target that can't be used, and what the session raises if the connection fails.
        """
        began = time.monotonic()
        try:
            with session.pipeline.keepalive():
                if self.plan is None:
                    self.plan = self._make_plan(session)
                    if self._options.copy.dry_run:
                        self._outcome.rehearse(self.plan)
                    else:
                        self._steps.extend(self._steps_of(self.plan))
                while self._steps:
                    self._steps[0](session)
                    self._steps.popleft()
        finally:
            self.summary.seconds += time.monotonic() - began
            self._outcome.conclude()
        return self.summary

    # --- the plan -----------------------------------------------------------------------------------------------------

    def _make_plan(self, session: Session) -> Plan:
        """List, compare and check. What a lost connection interrupts begins again, except for digests."""
        found, direction, options = Gathered(), self._direction, self._options
        target = direction.list(session, self._selection, found, follow=options.copy.follow_symlinks)
        source = direction.source
        rules = Rules(
            delete=options.delete and not found.problems,
            force=options.force,
            folds=not direction.is_missing and folds(source, target, direction.target(session)),
            bare_directories=not options.copy.include,
        )
        if options.contents:
            plan = self._compare_contents(session, source, target, rules, found)
        else:
            plan = plans.make(source, target, rules)
        if rules.delete:
            plan = self._find_renames(session, plan)
        self._target = target
        may_empty = not direction.sends or session.may(Right.DELETE)
        if options.delete and may_empty and not found.problems and not direction.is_missing:
            there = self._list_trash(session)
            plan.expired = [(TRASH, name) for name in expired(there, self._now(), options.trash_days)]
        found.tell(self._outcome)
        self._outcome.planned_sync(plan)
        self._check(session, plan, found)
        return plan

    def _list_trash(self, session: Session) -> list[tuple[bytes, int]]:
        try:
            return self._direction.target(session).list_trash()
        except NotADirectory as problem:
            if self._options.trash:
                problem.hint = f"Rename {TRASH.decode()} in the target, or use --no-trash."
                raise
            return []

    def _compare_contents(self, session: Session, source: Tree, target: Tree, rules: Rules, found: Gathered) -> Plan:
        candidates: list[Path] = []
        plans.make(source, target, rules, collect(candidates))
        if self._digests is None:
            direction, algorithm = self._direction, Algorithm(self._options.copy.checksum)
            self._digests = Digests(direction.open_local, direction.remote, algorithm)
        if candidates:
            self._digests.compare(session, candidates, found)
        return plans.make(
            source, target, rules._replace(delete=rules.delete and not found.problems), self._digests.same
        )

    def _find_renames(self, session: Session, plan: Plan) -> Plan:
        """Return the plan with renames at the target for files that it deletes and copies anew."""
        direction = self._direction
        asked = renames.candidates(plan)
        if not asked.source or not renames.is_possible(session, sends=direction.sends):
            return plan
        if self._renames is None:
            algorithm = Algorithm(self._options.copy.checksum)
            self._renames = renames.RenameDigests(
                direction.open_local, direction.remote, algorithm, sends=direction.sends
            )
        self._renames.ask(session, asked)
        return renames.find(plan, self._renames)

    def _check(self, session: Session, plan: Plan, found: Gathered) -> None:
        """Raise what forbids the whole."""
        direction = self._direction
        if direction.sends and plan.actions:
            require_right(session, Right.WRITE, direction.remote)
        if not self._options.delete:
            return
        if found.problems:
            if plan.only_there:
                self._outcome.not_deleted(plan.only_there)
            return
        guards.check(
            plan,
            self._options.max_delete,
            is_filtered=bool(self._options.copy.include or self._options.copy.exclude),
            is_part=self._is_part,
        )
        if direction.sends and any(plan.of(*_DELETIONS)) and not session.may(Right.DELETE):
            raise remote_failure(
                Forbidden,
                direction.remote,
                "this session may not delete or rename, so nothing was changed.",
                hint="Leave out --delete, or ask the server's operator for that right.",
                reason=MISSING_RIGHT[Right.DELETE],
            )

    # --- the steps ----------------------------------------------------------------------------------------------------

    def _steps_of(self, plan: Plan) -> Iterator[Callable[[Session], None]]:
        if self._direction.is_missing:
            yield self._direction.make_top
        yield lambda _session: self._direction.sweep(self._target)
        yield from self._copies(plan.of(Act.MAKE_DIRECTORY, Act.COPY), overwrite=False)
        yield from self._copies(plan.of(Act.REPLACE), overwrite=True)
        yield self._decide
        renamed = {action.path for action in plan.of(Act.RENAME)}
        files = [action for action in plan.of(Act.SET_ATTRIBUTES) if is_file(action)]
        moves = [*plan.of(Act.RENAME), *(action for action in files if action.path in renamed)]
        for act in (Act.RENAME, Act.SET_ATTRIBUTES):
            changes = Changes([action for action in moves if action.act is act], self._outcome)
            yield partial(self._change, changes, deletes=True)
        yield self._decide_again
        others = Changes([action for action in files if action.path not in renamed], self._outcome)
        yield partial(self._change, others, deletes=False)
        trash = Trash(self._now(), self._mode_of) if self._options.trash else None
        deletions = Changes(plan.of(Act.DELETE, Act.REMOVE_DIRECTORY), self._outcome, trash)
        yield partial(self._change, deletions, deletes=True)
        directories = deque(self._touched(plan))
        yield lambda session: self._set_directories(self._direction.target(session), directories)
        old = deque(plan.expired)
        yield partial(self._empty_trash, old)

    def _copies(self, found: Iterable[Action], *, overwrite: bool) -> Iterator[Callable[[Session], None]]:
        actions = list(found)
        if not actions:
            return
        transfer: SyncUpload | SyncDownload | None = None
        options = self._options.copy._replace(
            include=(), exclude=(), overwrite=overwrite, update=False, preserve=True, dry_run=False
        )

        def step(session: Session) -> None:
            nonlocal transfer
            if transfer is None:
                transfer = self._direction.copy(actions, options, self._outcome)
            transfer.open_stream = self.open_stream
            transfer.run(session)
            self._outcome.add(transfer.summary)

        yield step

    def _decide(self, _session: Session) -> None:
        """Decide, once, whether anything is deleted."""
        assert self.plan is not None
        self._may_delete = not self._outcome.errors
        if not self._may_delete and any(self.plan.of(*_DELETIONS)):
            self._outcome.not_deleted(self.plan.deletions)

    def _decide_again(self, _session: Session) -> None:
        """Delete nothing if a rename has failed: the target may lack a file that the source has."""
        assert self.plan is not None
        if self._may_delete and self._outcome.errors:
            self._may_delete = False
            if any(self.plan.of(Act.DELETE, Act.REMOVE_DIRECTORY)):
                self._outcome.not_deleted(self.plan.deletions)

    def _change(self, changes: Changes, session: Session, *, deletes: bool) -> None:
        if self._may_delete or not deletes:
            changes.run(self._direction.target(session))

    def _mode_of(self, path: Path) -> int:
        """Return the permissions of a directory of the target, as it was listed."""
        entry = self._target.get(path)
        return 0 if entry is None else entry.mode

    def _touched(self, plan: Plan) -> list[Path]:
        """Return the directories that get the source's permissions and time, the innermost first."""
        source = self._direction.source
        found: set[Path] = set()
        for action in plan.actions:
            if action.act is Act.SKIP:
                continue
            if action.entry.kind is EntryKind.DIRECTORY and action.act is not Act.REMOVE_DIRECTORY:
                found.add(action.path)
            found.add(action.path[:-1])
            if action.origin is not None:
                found.add(action.origin[:-1])
        if self._direction.is_missing and source.top is not None:
            found.add(())
        else:
            found.discard(())
        return sorted((path for path in found if self._directory(path) is not None), reverse=True)

    def _directory(self, path: Path) -> Entry | None:
        entry = self._direction.source.get(path) if path else self._direction.source.top
        return entry if entry is not None and entry.kind is EntryKind.DIRECTORY else None

    def _set_directories(self, target: Target, left: deque[Path]) -> None:
        while left:
            window = list(islice(left, _WINDOW))
            outcomes = []
            for path in window:
                entry = self._directory(path)
                assert entry is not None
                outcomes.append(target.set_attributes(path, entry.mode, entry.mtime_ns))
            for path, outcome in zip(window, outcomes, strict=True):
                try:
                    kept = outcome.result()
                    self.summary.times += not kept.time
                    self.summary.modes += not kept.mode
                except FileError as problem:
                    self._outcome.unset(path, problem)
                left.popleft()

    def _empty_trash(self, old: deque[Path], session: Session) -> None:
        while old and self._may_delete:
            target = self._direction.target(session)
            for problem in target.remove_tree(old[0]):
                if not isinstance(problem, NotFound):
                    self._outcome.failed_at(old[0], problem)
            self._outcome.emptied(old.popleft())
