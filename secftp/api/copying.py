"""Files and folders of this machine to a server and back, as a program sees it: options, callbacks, what failed.

A copy goes on when one of its files fails. What must never happen is that a program takes it for complete then: what
failed is raised at the end, unless the program has asked to be told of each.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from secftp.copy import NullListener
from secftp.errors import ConnectionLost, ExitCode, FileError, TransferTimeout
from secftp.session.retry import Retries

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.api.pool import Connection, Pool
    from secftp.copy import Download, Summary, Upload

    OnProgress: TypeAlias = Callable[["CopyProgress"], object]
    OnError: TypeAlias = Callable[[str, FileError], object]
    OnSkip: TypeAlias = Callable[[str, str], object]

# How many failures are remembered one by one: a tree has any number of files.
FAILURES_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """How far a copy is. The totals grow while folders are listed, and shrink by what is skipped or fails."""

    path: str
    """The file that this is about; names begin with that of the source, and are as `os.fsdecode` makes them."""
    bytes: int
    """What is through, including what a resumed file had already."""
    total_bytes: int
    files: int
    """How many are complete."""
    total_files: int


class CopyIncomplete(FileError):
    """Several files of a copy failed, or one of several; the others are complete.

    `failures` are pairs of name and error, a thousand at the most; `summary` counts them all.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, failures: tuple[tuple[str, FileError], ...], summary: Summary) -> None:
        _, first = failures[0]
        super().__init__(f"{summary.failed} could not be copied, {summary.files} were: {first}", hint=first.hint)
        self.args = failures, summary  # from which it is made again where it was pickled
        self.failures = failures
        self.summary = summary


class Report(NullListener):
    """A watcher that tells a program's callbacks, and remembers what failed."""

    def __init__(self, progress: OnProgress | None, on_error: OnError | None, on_skip: OnSkip | None) -> None:
        self.failures: list[tuple[str, FileError]] = []
        self.progress = 0  # grows with each byte that is moved and each file that is complete
        self._progress = progress
        self._on_error = on_error
        self._on_skip = on_skip
        self._path = b""
        self._bytes = self._total_bytes = self._files = self._total_files = 0

    def planned(self, files: int, nbytes: int, /) -> None:
        """Count what is to come."""
        self._total_files += files
        self._total_bytes += nbytes

    def started(self, name: bytes, _size: int, /) -> None:
        """Remember which file is under way."""
        self._path = name

    def moved(self, nbytes: int, /) -> None:
        """Tell of bytes."""
        self.progress += max(nbytes, 0)  # bytes of a file that failed are taken back
        self._bytes += nbytes
        self._tell()

    def resumed(self, name: bytes, nbytes: int, /) -> None:
        """Tell of bytes that were there."""
        self._path = name
        self._bytes += nbytes
        self._tell()

    def finished(self, name: bytes, _size: int, _digest: bytes | None, /) -> None:
        """Tell of a file."""
        self.progress += 1
        self._path = name
        self._files += 1
        self._tell()

    def skipped(self, name: bytes, reason: str, /) -> None:
        """Tell of what is left out."""
        if self._on_skip is not None:
            self._on_skip(os.fsdecode(name), reason)

    def note(self, name: bytes, text: str, /) -> None:
        """Likewise: a link, a special file, a file that is started again."""
        self.skipped(name, text)

    def failed(self, name: bytes, error: FileError, /) -> None:
        """Tell of a failure, or remember it."""
        if self._on_error is not None:
            self._on_error(os.fsdecode(name), error)
        elif len(self.failures) < FAILURES_MAX:
            self.failures.append((os.fsdecode(name), error))

    def _tell(self) -> None:
        if self._progress is not None:
            path = os.fsdecode(self._path)
            self._progress(CopyProgress(path, self._bytes, self._total_bytes, self._files, self._total_files))


def run(pool: Pool, copy: Upload | Download, report: Report, retries: int) -> Summary:
    """Run a copy to its end, over as many connections as it takes and `retries` allows.

    Raises what concerns the whole, the error of a copy that was but one file, `CopyIncomplete` for others.
    """
    persistence = Retries(retries, progress=lambda: report.progress, possible=lambda: not pool.closed, sleep=pool.pause)
    summary = persistence.run(lambda: _run_once(pool, copy, report))
    if report.failures:
        if summary.failed == 1 and not summary.files and not summary.skipped:
            raise report.failures[0][1]
        raise CopyIncomplete(tuple(report.failures), summary) from report.failures[0][1]
    return summary


def _run_once(pool: Pool, copy: Upload | Download, report: Report) -> Summary:
    """Run a copy over one connection; over the next if that was gone before, as in `Pool.ask`."""
    while True:
        used: Connection | None = None
        try:
            with pool.connection(long=True) as used:
                return copy.run(used.session)
        except (ConnectionLost, TransferTimeout):
            if used is None or not used.reused or report.progress or pool.closed:
                raise
