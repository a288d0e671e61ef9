"""The report of a copy as text: a bar on a terminal, a line for each note and failure, and a line at the end.

Skipped files are counted and not listed, since with --update that may be nearly all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.client.failures import Failures
from secftp.client.left_out import Others
from secftp.client.progress_bar import CopyBar
from secftp.client.report import CopyReport
from secftp.client.terminal import print_output
from secftp.text import count_files, escape, format_duration, format_rate, format_size, show_digest, show_path
from secftp.transfer.progress import LEFT_OUT

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal
    from secftp.errors import FileError, SecftpError
    from secftp.transfer import CopyOptions

_LEFT_OUT: Final = {text: kind for kind, text in LEFT_OUT.items()}
_BLOCK: Final = 500  # names of a dry run that are printed at once
_NOTABLE_SECONDS: Final = 0.1  # the rate of a shorter copy means nothing


class TextReport(CopyReport):
    """A listener that writes lines. `done` begins the last one: "Fetched", "Sent"."""

    def __init__(
        self, terminal: Terminal, options: CopyOptions, done: str, operands: int = 1, *, verbose: bool = False
    ) -> None:
        super().__init__()
        self._terminal = terminal
        self._options = options
        self._verb = done
        self._failures = Failures(terminal.failed, operands)
        self._names: list[str] = []
        self._others = Others(keep_all=verbose)

    def finished(self, name: bytes, size: int, digest: bytes | None, /) -> None:
        """Count; the name is the output of a dry run."""
        super().finished(name, size, digest)
        if self._options.dry_run:
            self._names.append(f"{show_path(name)}\n")
            if len(self._names) >= _BLOCK:
                self._print_names()

    def note(self, name: bytes, text: str, /) -> None:
        """Write the note; symlinks and special files are told at the end, all together."""
        if (kind := _LEFT_OUT.get(text)) is not None:
            self._others.add(name, kind)
            return
        self._terminal.note(f"{show_path(name)}: {text}.")

    def failed(self, name: bytes, error: FileError, /) -> None:
        """Write the failure, or keep it for the end if it may stay the only one."""
        self._failures.add(self.name_failure(name, error))

    def retrying(self, problem: SecftpError, pause: float, attempt: int, attempts: int | None) -> None:
        """Write that there will be another connection."""
        self._terminal.retrying(problem, pause, attempt, attempts)

    def _print_names(self) -> None:
        if not self._names:
            return
        self._terminal.clear()
        names, self._names = self._names, []
        print_output("".join(names))

    def conclude(self) -> None:
        """Write the summary, and raise as `Failures.conclude` does."""
        self._print_names()
        self._terminal.counts = self.counts(self._options)
        self._failures.done = self.is_partial
        if self.is_partial:
            self._failures.report_first()
        if self.is_partial or not self._failures.count:
            self._terminal.say(self.conclusion())
        if sentence := self._others.sentence("left out"):
            self._terminal.note(sentence)
        for sentence in (*self.unmatched_patterns(), *self.not_preserved()):
            self._terminal.note(sentence)
        if self._options.level is not None and not self.summary.compression and self.summary.files:
            self._terminal.note("The server has no compression, so nothing was compressed.")
        self._failures.conclude()

    def give_up(self) -> None:
        """Write what the exception that ends the copy does not say."""
        self._terminal.counts = self.counts(self._options)
        self._failures.report_first()

    def conclusion(self) -> str:
        """Return the summary as a line."""
        done = self.summary
        words = [
            f"{self._verb} {count_files(done.files)}, {format_size(done.bytes)}"
            if done.files
            else f"{self._verb} nothing"
        ]
        if done.files and done.seconds >= _NOTABLE_SECONDS and not self._options.dry_run:
            words.append(f" in {format_duration(done.seconds)} ({format_rate(done.bytes / done.seconds)})")
        if done.saved_bytes and self.ratio is not None:
            words.append(f", compressed to {format_size(done.bytes - done.saved_bytes)} ({self.ratio:.1f}:1)")
        if done.digest is not None:
            words.append(f", {show_digest(self._options.checksum, done.digest)}")
        words += [f"; {number} skipped: {escape(reason)}" for reason, number in self.reasons.items()]
        if done.left_out:
            words.append(f"; {done.left_out} left out")
        if done.failed:
            words.append(f"; {done.failed} failed")
        return f"{''.join(words)}."


class BarReport(TextReport):
    """A text report with a progress bar."""

    def __init__(
        self, terminal: Terminal, options: CopyOptions, done: str, operands: int = 1, *, verbose: bool = False
    ) -> None:
        super().__init__(terminal, options, done, operands, verbose=verbose)
        terminal.bar = self._bar = CopyBar(terminal.draw, self)

    def planned(self, files: int, nbytes: int, /) -> None:
        """Note the totals, for the time left."""
        self.files, self.bytes = files, nbytes

    def started(self, name: bytes, size: int, /) -> None:
        """Draw."""
        super().started(name, size)
        self._bar.update()

    def moved(self, nbytes: int, /) -> None:
        """Draw."""
        super().moved(nbytes)
        self._bar.update()

    def conclude(self) -> None:
        """Erase the bar, and write the summary."""
        self._bar.clear()
        super().conclude()

    def give_up(self) -> None:
        """Erase the bar."""
        self._bar.clear()
        super().give_up()
