"""Files and folders of this machine to a server.

The sources are walked through step by step, only a little ahead of what is being sent; what was not confirmed when a
connection is lost waits for the next one, in its order.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.copy.asking import Asking
from secftp.copy.globs import Globs
from secftp.copy.limit import RateLimit
from secftp.copy.options import CopyOptions, RemoteLocation
from secftp.copy.put_target import goals
from secftp.copy.rights import require_right
from secftp.copy.sending import Sending
from secftp.copy.steps import steps_of
from secftp.copy.tally import MODE_DIFFERS, SAME, Tally, twice
from secftp.copy.watch import NullListener, Summary
from secftp.errors import FileError
from secftp.messages import Capability
from secftp.session import new_token
from secftp.storage.errors import failure
from secftp.storage.tree import EntryKind
from secftp.text import path_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secftp.copy.steps import Goal, Step
    from secftp.copy.watch import ProgressListener
    from secftp.session import Session
    from secftp.storage import Path

_NOTES: Final = {
    EntryKind.SYMLINK: "a link, left out",
    EntryKind.SPECIAL: "no regular file, left out",
    EntryKind.RESERVED: "a name that secftp keeps for itself, left out",
}
# How many steps the walk may be ahead: of what has to be asked about first, and where the plan is to be known.
_ASKED_AHEAD: Final = 512
_PLANNED_AHEAD: Final = 65536


class Upload:
    """A copy to a server. After `run` raised `ConnectionLost`, `run` with another session goes on where it was."""

    def __init__(
        self,
        sources: Sequence[str],
        target: RemoteLocation,
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
        self._lost_folders: set[Path] = set()
        self._token = new_token()
        self._steps: Iterator[Step] | None = None  # None before the first session, and after the last step
        self._is_planned = False
        self._queue: deque[Step] = deque()

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
            self.summary.seconds += time.monotonic() - began
            self._tally.listener.ended(self.summary)
        return self.summary

    def _run(self, session: Session) -> None:
        if not self._is_planned:
            if self._options.dry_run:
                require_right(session, "write", self._target.path)
            found, is_missing = goals(session, self._sources, self._target)
            if is_missing and not self._options.dry_run:
                session.make_directory(self._target.path, parents=True)
            sizes = self._tally.wants_plan or self._options.update or self._options.resume or self._options.dry_run
            self._steps = _walk(found, self._globs, follow=self._options.follow_symlinks, sizes=sizes)
            self._is_planned = True
        sending = Sending(session, self._options, self._tally, self._limit, self._lost_folders, self._token)
        may_overwrite = session.may("overwrite")
        asking = Asking(
            session.pipeline,
            self._options,
            can_resume=sending.can_keep,
            can_look=session.can(Capability.STAT),
            may_overwrite=may_overwrite,
        )
        for waiting in self._queue:
            asking.ask(waiting)
        try:
            self._send_all(sending, asking)
        except BaseException:
            self._queue.extendleft(reversed(sending.unconfirmed()))
            raise
        finally:
            sending.close()

    def _send_all(self, sending: Sending, asking: Asking) -> None:
        while True:
            while (step := self._next(asking)) is not None:
                sending.current = step
                self._take(step, sending, asking)
                sending.current = None
                sending.check()
            sending.settle()
            self._queue.extend(sending.repeated())
            if not self._queue:
                return

    # --- steps --------------------------------------------------------------------------------------------------------

    def _next(self, asking: Asking) -> Step | None:
        ahead = _PLANNED_AHEAD if self._tally.wants_plan else _ASKED_AHEAD if asking.needed else 1
        while len(self._queue) < ahead and self._steps is not None:
            step = next(self._steps, None)
            if step is None:
                self._steps = None
                self._tally.all_found()
                break
            if step.what is EntryKind.FILE and step.info is not None and self._tally.wants_plan:
                step.counted = step.info.size or 0
                self._tally.found(step.counted)
            self._queue.append(step)
            asking.ask(step)
        return self._queue.popleft() if self._queue else None

    def _take(self, step: Step, sending: Sending, asking: Asking) -> None:
        match step.what:
            case EntryKind.FILE:
                self._file(step, sending, asking)
            case EntryKind.DIRECTORY | EntryKind.LEFT:
                if not (step.path or step.origin.makes_top):
                    return
                if self._options.dry_run:
                    self._would_make(step, sending, asking)
                    return
                if step.what is EntryKind.DIRECTORY:
                    step.is_taken = asking.is_taken(step)
                    sending.folder(step)
                elif self._options.preserve:
                    sending.left(step)
            case EntryKind.PROBLEM:
                self._tally.failed(
                    step.name, step.problem or failure(FileError, "It could not be read", path_text(step.name))
                )
            case _:
                is_circle = self._options.follow_symlinks and step.what is EntryKind.SYMLINK
                text = "a link to a folder that it is in, left out" if is_circle else _NOTES[step.what]
                self._tally.not_copied(step.name, text)

    def _would_make(self, step: Step, sending: Sending, asking: Asking) -> None:
        """In a dry run: tell what would keep a directory from being made."""
        if step.what is not EntryKind.DIRECTORY or sending.is_lost(step):
            return
        problem = asking.obstacle(step)
        if problem is not None:
            self._tally.failed(step.name, problem)
            self._lost_folders.add(step.remote)

    def _would_send(self, step: Step, sending: Sending, asking: Asking) -> bool:
        """In a dry run: whether a file would be sent, as far as can be seen; tells what would keep it from that."""
        if sending.is_lost(step):
            if step.counted is not None:
                self._tally.left_out(step.counted)
            return False
        problem = asking.obstacle(step)
        if problem is None:
            try:
                sending.require_readable(step)
            except FileError as unreadable:
                problem = unreadable
        if problem is not None:
            self._tally.failed(step.name, problem, planned=step.counted)
        return problem is None

    def _file(self, step: Step, sending: Sending, asking: Asking) -> None:
        size = (step.info.size or 0) if step.info is not None else 0
        if self._options.dry_run and not self._would_send(step, sending, asking):
            return
        if (reason := asking.reason_to_skip(step)) == SAME and asking.has_other_mode(step):
            if self._options.dry_run:
                self._tally.skipped(step.name, MODE_DIFFERS, planned=step.counted)
            else:
                sending.set_mode(step)
        elif reason:
            self._tally.skipped(step.name, reason, planned=step.counted)
        elif self._options.dry_run and (problem := asking.may_not_replace(step)) is not None:
            self._tally.failed(step.name, problem, planned=step.counted)
        elif self._options.dry_run:
            if step.counted is None:
                self._tally.found(size)
            self._tally.finished(step.name, size, None, moved=size)
        else:
            sending.file(step)


def _walk(found: list[Goal], globs: Globs, *, follow: bool, sizes: bool) -> Iterator[Step]:
    """All steps of all sources. It knows nothing of its copy, so that what it has open goes with that."""
    taken = set()
    for goal in found:
        for step in steps_of(goal, globs, follow=follow, sizes=sizes):
            if goal.name and not step.path and step.what in (EntryKind.FILE, EntryKind.DIRECTORY):
                if goal.target in taken:
                    step.what, step.problem = EntryKind.PROBLEM, twice(goal.name)
                    yield step
                    break
                taken.add(goal.target)
            yield step
