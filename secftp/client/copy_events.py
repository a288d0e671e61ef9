"""A copy as programs see it: one JSON object a line on standard error, and nothing else there.

The events and their fields stand in `copy_options.EVENTS`, which is part of the help; fields are only ever added.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from secftp.client.as_json import name_fields
from secftp.client.copy_counts import Counts
from secftp.client.remote import Failures

if TYPE_CHECKING:
    from secftp.client.as_json import Value
    from secftp.client.copy_options import How
    from secftp.client.terminal import Terminal
    from secftp.errors import FileError, SecftpError

INTERVAL_SECONDS: Final = 0.5


class Programs(Counts):
    """A watcher that writes events."""

    def __init__(self, terminal: Terminal, how: How, operands: int = 1) -> None:
        super().__init__()
        self._terminal = terminal
        self._how = how
        self._failures = Failures(terminal, operands, tell_one=lambda _problem: None)
        self._due = time.monotonic() + INTERVAL_SECONDS

    def planned(self, files: int, nbytes: int, /) -> None:
        """Tell the first time; afterwards `progress` has it."""
        if self.files is None:
            self._tell("planned", files=files, bytes=nbytes)
        self.files, self.bytes = files, nbytes

    def started(self, name: bytes, size: int, /) -> None:
        """Tell."""
        super().started(name, size)
        self._tell("started", name, size=size)

    def moved(self, nbytes: int, /) -> None:
        """Tell, if it is time to."""
        super().moved(nbytes)
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + INTERVAL_SECONDS
        rate = self.moved_bytes / (now - self.began)
        known = self.files is not None
        left = max(self.bytes - self.done_bytes, 0) / rate if known and rate > 0 else None
        self._tell(
            "progress",
            files=self.done_files,
            bytes=self.done_bytes,
            files_planned=self.files,
            bytes_planned=self.bytes if known else None,
            rate=round(rate),
            seconds_left=None if left is None else round(left, 1),
        )

    def resumed(self, name: bytes, nbytes: int, /) -> None:
        """Tell."""
        super().resumed(name, nbytes)
        self._tell("resumed", name, bytes=nbytes)

    def finished(self, name: bytes, size: int, digest: bytes | None, /) -> None:
        """Tell."""
        super().finished(name, size, digest)
        self._tell("finished", name, size=size, checksum=_hex(digest))

    def skipped(self, name: bytes, reason: str, /) -> None:
        """Tell."""
        self._tell("skipped", name, reason=reason)

    def note(self, name: bytes, text: str, /) -> None:
        """Tell."""
        self._tell("note", name, text=text)

    def failed(self, name: bytes, error: FileError, /) -> None:
        """Tell."""
        self._failures.add(self.name_failure(name, error))
        self._tell("failed", name, message=str(error), exit_code=int(error.exit_code))

    def retrying(self, problem: SecftpError, pause: float, attempt: int, attempts: int) -> None:
        """Tell that the connection is going to be made anew."""
        self._tell("retrying", message=str(problem), attempt=attempt, attempts=attempts, pause=round(pause, 1))

    def _tell(self, event: str, name: bytes | None = None, **fields: Value) -> None:
        names = {} if name is None else name_fields("name", name)
        self._terminal.event({"event": event, **names, **fields})

    def conclude(self) -> None:
        """The copy is over: tell what has been done, and raise as `Failures.conclude` does."""
        done = self.summary
        self._tell(
            "ended",
            files=done.files,
            bytes=done.bytes,
            skipped=done.skipped,
            failed=done.failed,
            left_out=done.left_out,
            special_bits=done.special_bits,
            times_changed=done.times,
            modes_changed=done.modes,
            seconds=round(done.seconds, 3),
            checksum=_hex(done.digest),
            algorithm=self._how.checksum,
        )
        self._failures.done = self.is_partial
        self._failures.conclude()

    def give_up(self) -> None:
        """An exception ends the copy, and tells itself."""


def _hex(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()
