"""The loop of `secftp sync --watch`: a full pass, then one of what has changed after each pause, a full pass each hour.

Where changes are not told, or not of all directories, it makes a full pass each minute instead. A lost connection is
retried for ever. Invariants: the rules about deletions are those of a sync; if they refuse a pass, nothing is deleted
before the next full one, and everything else is done.
"""

from __future__ import annotations

import contextlib
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from secftp.client.copying import resume_command
from secftp.client.failures import PartialFailure
from secftp.client.sync_report import JsonSync, results
from secftp.errors import FileError
from secftp.session.retry import Retries
from secftp.sync.directions import Pushing
from secftp.sync.guards import TooManyDeletions
from secftp.sync.local_changes import LocalChanges, load
from secftp.sync.run import Sync
from secftp.sync.watch import MOST_PATHS, Changes, Part
from secftp.text import count_files, format_duration, format_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.client.connect import Connector
    from secftp.client.sync_report import TextSync
    from secftp.client.terminal import Terminal
    from secftp.errors import SecftpError
    from secftp.storage import Path
    from secftp.sync.listing import Selection
    from secftp.sync.progress import SyncSummary
    from secftp.sync.run import SyncOptions

_WHOLE: Final[frozenset[Path]] = frozenset({()})
_FOREVER: Final = 2**62  # retries
_ADDED: Final = ("files", "bytes", "deleted", "renamed", "failed", "conflicts", "changed")
# What makes a pass worth a line, beside those.
_TOLD: Final = (*_ADDED, "made_directories", "removed_directories", "attributes")
_WATCHING: Final = "Watching for changes."
_BLOCKED: Final = "Nothing is deleted before the next full pass; everything else is done."


class Pauses(NamedTuple):
    """Times in seconds. A pass begins when nothing has changed for `quiet`, but `longest` after a change at most.

    `full`: between full passes. `scan`: between these where the directory can't be watched, and after a failure.
    `check`: between looks whether the directory is still the one that is watched.
    """

    quiet: float = 1.0
    longest: float = 10.0
    full: float = 3600.0
    scan: float = 60.0
    check: float = 10.0


PAUSES: Final = Pauses()


class Watched(NamedTuple):
    """What is synced: a directory of this machine with one at a server; a report is made for each pass."""

    local: str
    remote: Path
    filters: Selection
    options: SyncOptions
    new_report: Callable[[], TextSync | JsonSync]


class Watch:
    """The passes of a sync, from `run` on until it is interrupted or fails for good."""

    def __init__(self, watched: Watched, connector: Connector, terminal: Terminal) -> None:
        load()
        self._watched = watched
        self._connector = connector
        self._terminal = terminal
        self._pauses = PAUSES
        self._began = monotonic()
        self._changes = Changes(watched.filters)
        self._local: LocalChanges | None = None
        self._trouble: str | None = None  # why there are scans, empty if there are none; None before it was told
        self._due = 0.0  # the time of the next full pass
        self._failures = 0  # passes in a row
        self._again: frozenset[Path] = frozenset()  # what has changed during a pass, perhaps at the target
        self._again_at = float("inf")  # the time at which that is looked at
        self._agains = 0  # passes in a row
        self._is_blocked = False  # whether nothing is deleted before the next full pass
        self._counts = dict.fromkeys(("passes", *_ADDED), 0)

    def run(self) -> NoReturn:
        """Watch. Raises what the first pass raises, and later what another attempt would not change."""
        try:
            while True:
                self._turn()
        except KeyboardInterrupt:
            self._terminal.status = self.summary()
            self._terminal.resume = resume_command(self._terminal.arguments, [])
            raise
        finally:
            self._terminal.counts = dict(self._counts)
            if self._local is not None:
                self._local.close()

    def summary(self) -> str:
        """Return what was done, as a sentence."""
        counts = self._counts
        words = [f"copied {count_files(counts['files'])}, {format_size(counts['bytes'])}"]
        words += (f"{word} {count_files(counts[word])}" for word in ("deleted", "renamed") if counts[word])
        words += (f"{counts[word]} {word}" for word in ("failed", "conflicts") if counts[word])
        passes = f"{counts['passes']} {'pass' if counts['passes'] == 1 else 'passes'}"
        return f"Watched for {format_duration(monotonic() - self._began)}, {passes}: {'; '.join(words)}."

    def _turn(self) -> None:
        """Make the pass that is due, if one is, and wait for changes."""
        paths = self._changes.take()
        if monotonic() >= self._again_at:
            paths, self._again, self._again_at = paths | self._again, frozenset(), float("inf")
        if monotonic() >= self._due:
            paths = _WHOLE
            if self._local is None or self._local.problem:
                self._restart()
        elif self._local is not None and not self._local.problem and not self._local.is_same():
            paths = _WHOLE
            self._restart()
        if paths:
            self._pass(_WHOLE if () in paths else paths)
        pauses = self._pauses
        self._changes.wait(pauses.quiet, pauses.longest, self._until())

    def _until(self) -> float:
        """Return the time at which the wait for changes ends."""
        return min(self._due, self._again_at, monotonic() + self._pauses.check)

    # --- the watch ----------------------------------------------------------------------------------------------------

    def _restart(self) -> None:
        """Watch the directory of that name, before it is listed: then no change is missed."""
        if self._local is not None:
            self._local.close()
        self._local = LocalChanges(self._watched.local, self._changes)
        self._local.start()
        self._changes.take()  # what came before is in the listing

    def _next_full(self, directories: int) -> float:
        """Return how long to wait for the next full pass; tell why it is not as long as usual."""
        assert self._local is not None  # it was started before
        trouble = self._local.problem
        if not trouble and not self._local.covers(directories):
            trouble = "not all directories in it (fs.inotify.max_user_watches)"
        if trouble != self._trouble:
            every = format_duration(self._pauses.scan)
            self._tell(f"Can't watch the source: {trouble}. It is scanned every {every}." if trouble else _WATCHING)
            self._trouble = trouble
        return self._pauses.scan if trouble else self._pauses.full

    def _tell(self, text: str) -> None:
        if self._terminal.json:
            self._terminal.event({"event": "watch", "text": text})
        else:
            self._terminal.say(text)

    # --- passes -------------------------------------------------------------------------------------------------------

    def _pass(self, changed: frozenset[Path]) -> None:
        """Sync what has changed; after a failure, all of it again in a while."""
        is_part = () not in changed
        directories, is_done = 0, False
        try:
            directories, is_done = self._guarded_pass(changed, is_part=is_part)
        except TooManyDeletions:
            self._pass(_WHOLE)  # in which they are less, of all files of the target
            return
        except FileError as problem:
            if not self._counts["passes"]:
                raise
            self._terminal.failed(problem)
        self._failures = 0 if is_done else self._failures + 1
        now = monotonic()
        if not is_part:
            self._due = now + self._next_full(directories)
        if not is_done:
            self._due = min(self._due, now + self._pause(self._failures))
        self._agains = self._agains + 1 if self._again else 0
        if self._again:
            self._again_at = now + self._pause(self._agains)

    def _pause(self, number: int) -> float:
        """Return the pause before something is tried again for that time, twice as long each time."""
        return min(self._pauses.scan * 2.0 ** min(number - 1, 10), self._pauses.full)

    def _guarded_pass(self, changed: frozenset[Path], *, is_part: bool) -> tuple[int, bool]:
        """Return how many directories the source has, and whether nothing is left to do.

        Raises `TooManyDeletions` for a part; if that is the answer to a full pass, it is told, and nothing is deleted.
        """
        may_delete = not is_part or not self._is_blocked
        try:
            done = self._sync(changed, is_part=is_part, may_delete=may_delete)
        except TooManyDeletions as problem:
            if is_part:
                raise
            self._terminal.failed(problem)
            self._tell(_BLOCKED)
            self._is_blocked = True
            return self._sync(changed, is_part=False, may_delete=False)
        self._is_blocked = self._is_blocked and is_part
        return done

    def _sync(self, changed: frozenset[Path], *, is_part: bool, may_delete: bool) -> tuple[int, bool]:
        watched, report = self._watched, self._watched.new_report()
        report.for_later = set()
        selection = Part(watched.filters, changed) if is_part else watched.filters
        options = watched.options if may_delete else watched.options._replace(delete=False)
        with contextlib.closing(Pushing(watched.local, watched.remote)) as direction:
            sync = Sync(direction, selection, options, report, is_part=is_part)
            sync.open_stream = self._connector.open_stream
            retries = Retries(
                _FOREVER,
                progress=lambda: report.moved_bytes + report.done_files,
                on_retry=lambda problem, pause, attempt, _: _tell_rarely(report, problem, pause, attempt),
            )
            try:
                retries.run(lambda: self._connector.run(sync.run))
            except BaseException:
                report.give_up()
                raise
            self._again |= {tuple(name.split(b"/")) for name in report.for_later}
            if len(self._again) > MOST_PATHS:
                self._again = _WHOLE
            return direction.source.directories, self._conclude(report, sync.summary)

    def _conclude(self, report: TextSync | JsonSync, done: SyncSummary) -> bool:
        """Tell what a pass has done, if it has done anything; return whether nothing is left to do."""
        is_first = not self._counts["passes"]
        self._counts["passes"] += 1
        for name in _ADDED:
            self._counts[name] += getattr(done, name)
        if isinstance(report, JsonSync):
            self._terminal.event({"event": "pass", **results(done), "seconds": round(done.seconds, 3)})
        elif is_first or any(getattr(done, name) for name in _TOLD):
            with contextlib.suppress(PartialFailure):  # each failure has been told
                report.conclude()
        self._terminal.clear()
        return not done.failed


def _tell_rarely(report: TextSync | JsonSync, problem: SecftpError, pause: float, attempt: int) -> None:
    """Tell of a lost connection; less and less often, as long as it stays lost."""
    if not attempt & (attempt - 1):
        report.retrying(problem, pause, attempt, None)
