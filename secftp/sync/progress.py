"""Progress of a sync: its counters, and the listener that is told of every event.

Invariant: what is an error, after which nothing is deleted, is decided here and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.errors import FileChanged, NotFound, Side
from secftp.sync.changes import CHANGED, GONE
from secftp.sync.plan import Act, Reason
from secftp.sync.tree import EntryKind
from secftp.transfer.engine import EXISTS
from secftp.transfer.progress import ProgressListener, Summary

if TYPE_CHECKING:
    from secftp.errors import FileError
    from secftp.storage import Path
    from secftp.sync.plan import Action, Plan
    from secftp.sync.trash import Trash
    from secftp.transfer.progress import Places

APPEARED: Final = "it has appeared since the plan was made, left alone"
# Of the summaries of several transfers, what is added up.
_ADDED: Final = ("files", "bytes", "left_out", "special_bits", "times", "modes", "saved_bytes")


class SyncSummary(Summary):
    """What a sync has done, beside what `Summary` counts; `skipped` are newer files.

    Attributes:
        same (int): The files that were the same already.
        only_there (int): The files that only the target has, and that stay.
        deleted (int): The files that were deleted, or moved to the trash.
        renamed (int): The files that were renamed at the target.
        removed_directories (int): The directories that were removed.
        made_directories (int): The directories that were to be made.
        attributes (int): The files and directories whose permissions and times were set.
        conflicts (int): What stays different, because it can't be made the same.
        changed (int): What has changed since the plan was made, and was left alone.
        kept (int): The directories that stay because of what is excluded.
        trash (bytes): The directory that deleted files were moved to, relative to the target; empty for none.
    """

    same: int = 0
    only_there: int = 0
    deleted: int = 0
    renamed: int = 0
    removed_directories: int = 0
    made_directories: int = 0
    attributes: int = 0
    conflicts: int = 0
    changed: int = 0
    kept: int = 0
    trash: bytes = b""


class SyncListener(ProgressListener):
    """Receives the events of a sync, beside those of a copy. This class ignores them."""

    def made(self, plan: Plan, /) -> None:
        """The plan is made; nothing has been changed yet."""

    def deleted(self, name: bytes, trash: bytes, /) -> None:
        """A file or directory was deleted; `trash`: where a file is now, empty for nowhere."""

    def renamed(self, name: bytes, origin: bytes, /) -> None:
        """A file of the target was renamed."""

    def changed(self, name: bytes, text: str, /) -> None:
        """Something is not what the plan has seen; it was left alone."""

    def not_deleted(self, number: int, /) -> None:
        """So many files were to be deleted and were not, because of an error."""


def name_of(path: Path) -> bytes:
    """Return the name of a path for the listener."""
    return b"/".join(path) or b"."


class Gathered:
    """What listings meet, told when all of them are complete: one that is interrupted begins again.

    What is neither a file nor a directory is counted by its kind.
    """

    def __init__(self) -> None:
        self._problems: list[tuple[Path, FileError]] = []
        self._left_out: dict[str, tuple[Path, int]] = {}

    @property
    def problems(self) -> int:
        """How many failures there were."""
        return len(self._problems)

    def unlisted(self, path: Path, error: FileError) -> None:
        """Keep a failure."""
        self._problems.append((path, error))

    def left_out(self, path: Path, text: str) -> None:
        """Count it; the first of its kind is named."""
        first, number = self._left_out.get(text, (path, 0))
        self._left_out[text] = first, number + 1

    def tell(self, outcome: Outcome) -> None:
        """Count and tell all of it."""
        for path, error in self._problems:
            outcome.failed_at(path, error)
        for text, (first, number) in self._left_out.items():
            outcome.left_out(first, text, number)


class Outcome(ProgressListener):
    """The listener of everything that a sync does: it counts into `summary`, and tells the caller's listener.

    `errors`: how many failures there were, of a listing or of a copy.
    """

    def __init__(self, listener: SyncListener, *, sends: bool) -> None:
        self.summary = SyncSummary()
        self.errors = 0
        self._listener = listener
        self._sends = sends
        self._unset = 0

    def left_out(self, path: Path, text: str, number: int) -> None:
        """Count what is neither a file nor a directory."""
        self.summary.left_out += number
        more = f", and {number - 1} more of that kind" if number > 1 else ""
        self._listener.note(name_of(path), f"{text}{more}")

    # --- of copies ----------------------------------------------------------------------------------------------------

    def started(self, name: bytes, size: int, /) -> None:
        """Pass it on."""
        self._listener.started(name, size)

    def moved(self, nbytes: int, /) -> None:
        """Pass it on."""
        self._listener.moved(nbytes)

    def resumed(self, name: bytes, nbytes: int, /) -> None:
        """Pass it on."""
        self._listener.resumed(name, nbytes)

    def finished(self, name: bytes, size: int, digest: bytes | None, /) -> None:
        """Pass it on."""
        self._listener.finished(name, size, digest)

    def skipped(self, name: bytes, reason: str, /) -> None:
        """Count a file that was not copied because the target is not what the plan has seen."""
        self._tell_changed(name, APPEARED if reason == EXISTS else reason)

    def note(self, name: bytes, text: str, /) -> None:
        """Pass it on."""
        self._listener.note(name, text)

    def located(self, error: FileError, places: Places, /) -> None:
        """Pass it on."""
        self._listener.located(error, places)

    def failed(self, name: bytes, error: FileError, /) -> None:
        """Count a failure; that a file of the source has changed or is gone is none."""
        is_gone = isinstance(error, NotFound) and error.side is (Side.LOCAL if self._sends else Side.REMOTE)
        if isinstance(error, FileChanged):
            self._tell_changed(name, CHANGED)
        elif is_gone and error.reason is None:
            self._tell_changed(name, GONE)
        else:
            self.errors += 1
            self.summary.failed += 1
            self._listener.failed(name, error)

    def ended(self, summary: Summary, /) -> None:
        """Add what a transfer has done; it may run again, and then counts on."""

    def add(self, done: Summary) -> None:
        """Add what a transfer has done that is over."""
        for field in _ADDED:
            setattr(self.summary, field, getattr(self.summary, field) + getattr(done, field))
        self.summary.compression = self.summary.compression or done.compression

    # --- of changes ---------------------------------------------------------------------------------------------------

    def done(self, action: Action, trash: Trash | None) -> None:
        """Count a change that was made."""
        summary, name = self.summary, name_of(action.path)
        if action.act is Act.DELETE:
            summary.deleted += 1
            summary.trash = b"" if trash is None else trash.name
            self._listener.deleted(name, summary.trash)
        elif action.act is Act.REMOVE_DIRECTORY:
            summary.removed_directories += 1
            self._listener.deleted(name + b"/", b"")
        elif action.act is Act.RENAME:
            summary.renamed += 1
            self._listener.renamed(name, name_of(action.origin or ()))
        else:
            summary.attributes += 1

    def changed(self, path: Path, clause: str) -> None:
        """Count what was left alone."""
        self._tell_changed(name_of(path), clause)

    def failed_at(self, path: Path, error: FileError) -> None:
        """Count a change that has failed."""
        self.failed(name_of(path), error)

    def unset(self, path: Path, error: FileError) -> None:
        """Tell, once, that permissions and a time could not be set; what is copied is there."""
        self._unset += 1
        if self._unset == 1:
            self._listener.note(
                name_of(path), f"its permissions and time could not be set: {str(error).removesuffix('.')}"
            )

    def not_deleted(self, number: int) -> None:
        """Tell that nothing is deleted."""
        self._listener.not_deleted(number)

    def emptied(self, path: Path) -> None:
        """Tell that a directory of the trash was removed."""
        self._listener.deleted(name_of(path) + b"/", b"")

    # --- of the plan --------------------------------------------------------------------------------------------------

    def planned_sync(self, plan: Plan) -> None:
        """Count and tell what the plan says."""
        summary = self.summary
        summary.same, summary.only_there = plan.same, plan.only_there
        summary.made_directories = sum(1 for _ in plan.of(Act.MAKE_DIRECTORY))
        for action in plan.of(Act.SKIP):
            assert action.reason is not None
            if action.reason.is_conflict:
                summary.conflicts += 1
            elif action.reason is Reason.KEPT:
                summary.kept += 1
            elif action.reason is Reason.NEWER:
                summary.skipped += 1
        self._listener.made(plan)
        copied = [action.entry.size for action in plan.of(Act.COPY, Act.REPLACE)]
        self._listener.planned(len(copied), sum(copied))

    def rehearse(self, plan: Plan) -> None:
        """Count what the plan would do, as done."""
        summary = self.summary
        for action in plan.of(Act.COPY, Act.REPLACE):
            summary.files += 1
            summary.bytes += action.entry.size
        summary.renamed = sum(1 for _ in plan.of(Act.RENAME))
        summary.attributes = sum(1 for _ in plan.of(Act.SET_ATTRIBUTES))
        summary.deleted = plan.deletions
        summary.removed_directories = sum(1 for _ in plan.of(Act.REMOVE_DIRECTORY))

    def conclude(self) -> None:
        """Tell that the run is over."""
        self._listener.ended(self.summary)

    def _tell_changed(self, name: bytes, text: str) -> None:
        self.summary.changed += 1
        self._listener.changed(name, text)


def is_file(action: Action) -> bool:
    """Return whether a step is about a file."""
    return action.entry.kind is EntryKind.FILE
