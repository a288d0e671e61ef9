"""Base class of the reports of a copy: counters, and messages about files that failed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from secftp.text import count_files, format_size, path_text, show_path
from secftp.transfer import ProgressListener, Summary

if TYPE_CHECKING:
    from secftp.client.failures import Failures
    from secftp.errors import FileError
    from secftp.json_lines import Value
    from secftp.transfer import CopyOptions
    from secftp.transport.tcp_totals import TcpTotals

UNMATCHED: Final = "no name matches this pattern"


class CopyReport(ProgressListener):
    """A listener that counts; subclasses decide what is shown, and where.

    `files`, `bytes`: planned; None and 0 unless a subclass asks for a plan, which takes time, and has received it.
    `done_bytes` are transferred or were there already, `moved_bytes` went over the connection since `began` (monotonic
    clock). `name`, `size`, `name_done`: of the file that was started last. `connections`: those of the copy, None if
    they are not counted.
    """

    def __init__(self) -> None:
        self._failures: Failures
        self.files: int | None = None
        self.bytes = 0
        self.done_files = 0
        self.done_bytes = 0
        self.moved_bytes = 0
        self.began = 0.0
        self.name = b""
        self.size = 0
        self.name_done = 0
        self.reasons: dict[str, int] = {}
        self.summary = Summary()
        self.connections: TcpTotals | None = None
        self._is_over = False

    def set_operands(self, operands: int) -> None:
        """Note how many names are copied, once it is known what patterns match."""
        self._failures.operands = operands

    def started(self, name: bytes, size: int, /) -> None:
        """Note the current file."""
        if not self.began:
            self.began = time.monotonic()
        self.name, self.size, self.name_done = name, size, 0

    def moved(self, nbytes: int, /) -> None:
        """Count bytes."""
        self.moved_bytes += nbytes
        self.done_bytes += nbytes
        self.name_done += nbytes

    def resumed(self, name: bytes, nbytes: int, /) -> None:
        """Count bytes that need not be transferred."""
        self.done_bytes += nbytes
        if name == self.name:
            self.name_done += nbytes

    def finished(self, _name: bytes, _size: int, _digest: bytes | None, /) -> None:
        """Count a file."""
        self.done_files += 1

    def skipped(self, _name: bytes, reason: str, /) -> None:
        """Count by reason; there are few of them."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def ended(self, summary: Summary, /) -> None:
        """Keep the summary."""
        self.summary = summary
        self._is_over = True

    def name_failure(self, name: bytes, error: FileError) -> FileError:
        """Return the error with the whole name in its message; where it was raised, only a part may be known."""
        whole = path_text(name)
        known = error.filename
        if known is None or not f"/{known}".endswith(f"/{whole}"):
            error.message = f"{show_path(name)}: {error.message}"
        return error

    def counts(self, options: CopyOptions) -> dict[str, Value]:
        """Return what the log says of the copy, whole or interrupted."""
        if not self._is_over:
            return {"files": self.done_files, "bytes": self.done_bytes}
        done = self.summary
        checksum = None if done.digest is None else done.digest.hex()
        return {
            "files": done.files,
            "bytes": done.bytes,
            "skipped": done.skipped or None,
            "left_out": done.left_out or None,
            "failed": done.failed,
            "dry_run": "yes" if options.dry_run else None,
            "checksum": checksum,
            "algorithm": options.checksum,
        }

    def unmatched_patterns(self) -> list[str]:
        """Return a sentence for each pattern that matched nothing."""
        return [f"{show_path(pattern)}: {UNMATCHED}." for pattern in self.summary.unmatched]

    def not_preserved(self) -> list[str]:
        """Return a sentence for each kind of metadata that could not be preserved."""
        sentences, done = [], self.summary
        if done.special_bits:
            sentences.append(f"Setuid, setgid and sticky bits are never copied; {_names(done.special_bits)} had some.")
        if done.modes:
            sentences.append(
                f"{_names(done.modes)} did not get all permissions, which the target restricts or does not support."
            )
        if done.times:
            sentences.append(
                f"The target can't store the modification times of {_names(done.times)} and has the nearest it can."
            )
        return sentences

    @property
    def ratio(self) -> float | None:
        """Return how many bytes of files came with each byte of their compressed data; None without compression."""
        done = self.summary
        sent = done.bytes - done.saved_bytes
        return done.bytes / sent if done.compression and sent > 0 else None

    @property
    def is_partial(self) -> bool:
        """Return whether something succeeded, so that a failure is that of a part."""
        return bool(self.summary.files or self.summary.skipped)

    def status(self) -> str:
        """Return a sentence about what is complete."""
        if self.files is None:
            return f"{count_files(self.done_files)} complete." if self.done_files else "Nothing is complete yet."
        of = f"{format_size(max(self.done_bytes, 0))} of {format_size(self.bytes)}"
        if self.files == 1:
            return "The file is complete." if self.done_files else f"The file is not complete ({of})."
        return f"{self.done_files} of {self.files} files are complete ({of})."


def _names(number: int) -> str:
    return f"{number} {'file or directory' if number == 1 else 'files and directories'}"
