"""A copy as people see it: a bar on a terminal, a line for each note and failure, and a line at the end.

What was skipped is counted and not listed, since with --update that may be nearly everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.client.copy_bar import CopyBar
from secftp.client.copy_counts import Counts, count
from secftp.client.remote import Failures
from secftp.client.terminal import print_output
from secftp.text import escape, format_duration, format_rate, format_size

if TYPE_CHECKING:
    from secftp.client.copy_options import How
    from secftp.client.terminal import Terminal
    from secftp.errors import FileError, SecftpError

_BLOCK: Final = 500  # names of a dry run that are printed at once
_NOTABLE_SECONDS: Final = 0.1  # what is over sooner has no rate worth a name


class People(Counts):
    """A watcher that tells in lines."""

    def __init__(self, terminal: Terminal, how: How, done: str, operands: int = 1) -> None:
        super().__init__()
        self._terminal = terminal
        self._how = how
        self._verb = done
        self._failures = Failures(terminal, operands)
        self._names: list[str] = []

    def finished(self, name: bytes, size: int, digest: bytes | None, /) -> None:
        """Count; in a dry run this is what was asked for."""
        super().finished(name, size, digest)
        if self._how.dry_run:
            self._names.append(f"{escape(name)}\n")
            if len(self._names) >= _BLOCK:
                self._print_names()

    def note(self, name: bytes, text: str, /) -> None:
        """Tell."""
        self._terminal.noted(f"{escape(name)}: {text}.")

    def failed(self, name: bytes, error: FileError, /) -> None:
        """Tell, or keep it for the end if it may be the only thing to tell."""
        self._failures.add(self.name_failure(name, error))

    def retrying(self, problem: SecftpError, pause: float, attempt: int, attempts: int) -> None:
        """Tell that the connection is going to be made anew."""
        self._terminal.retrying(problem, pause, attempt, attempts)

    def _print_names(self) -> None:
        if not self._names:
            return
        self._terminal.clear()
        names, self._names = self._names, []
        print_output("".join(names))

    def conclude(self) -> None:
        """The copy is over: tell what has been done, and raise as `Failures.conclude` does."""
        self._print_names()
        self._failures.done = self.is_partial
        if self.is_partial:
            self._failures.tell()
        if self.is_partial or not self._failures.count:
            self._terminal.say(self.conclusion())
        for sentence in self.not_kept():
            self._terminal.noted(sentence)
        self._failures.conclude()

    def give_up(self) -> None:
        """An exception ends the copy: tell what it does not tell."""
        self._failures.tell()

    def conclusion(self) -> str:
        """What has been done, in a line."""
        done = self.summary
        words = [
            f"{self._verb} {count(done.files)}, {format_size(done.bytes)}" if done.files else f"{self._verb} nothing"
        ]
        if done.files and done.seconds >= _NOTABLE_SECONDS and not self._how.dry_run:
            words.append(f" in {format_duration(done.seconds)} ({format_rate(done.bytes / done.seconds)})")
        if done.digest is not None:
            words.append(f", {self._how.checksum} {done.digest.hex()}")
        words += [f"; {number} skipped: {escape(reason)}" for reason, number in self.reasons.items()]
        if done.left_out:
            words.append(f"; {done.left_out} left out")
        if done.failed:
            words.append(f"; {done.failed} failed")
        return f"{''.join(words)}."


class PeopleAtTerminal(People):
    """One with a bar."""

    def __init__(self, terminal: Terminal, how: How, done: str, operands: int = 1) -> None:
        super().__init__(terminal, how, done, operands)
        terminal.bar = self._bar = CopyBar(terminal.draw, self)

    def planned(self, files: int, nbytes: int, /) -> None:
        """Take note: the time left follows from it."""
        self.files, self.bytes = files, nbytes

    def started(self, name: bytes, size: int, /) -> None:
        """Draw."""
        super().started(name, size)
        self._bar.look()

    def moved(self, nbytes: int, /) -> None:
        """Draw."""
        super().moved(nbytes)
        self._bar.look()

    def conclude(self) -> None:
        """Clear away, and then as ever."""
        self._bar.clear()
        super().conclude()

    def give_up(self) -> None:
        """Clear away, and then as ever."""
        self._bar.clear()
        super().give_up()
