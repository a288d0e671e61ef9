"""The report of a copy as JSON Lines: one object a line on standard error, and nothing else there.

The events and their fields are listed in `copy_options.EVENTS`, which is part of the help; fields are only ever added.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from secftp.client.failures import Failures
from secftp.client.report import UNMATCHED, CopyReport
from secftp.json_lines import name_fields

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal
    from secftp.errors import FileError, SecftpError
    from secftp.json_lines import Value
    from secftp.transfer import CopyOptions

INTERVAL_SECONDS: Final = 0.5


class JsonReport(CopyReport):
    """A listener that writes events."""

    def __init__(self, terminal: Terminal, options: CopyOptions, operands: int = 1) -> None:
        super().__init__()
        self._terminal = terminal
        self._options = options
        self._failures = Failures(lambda _problem: None, operands)
        self._due = time.monotonic() + INTERVAL_SECONDS

    def planned(self, files: int, nbytes: int, /) -> None:
        """Write the first plan; later ones are part of `progress`."""
        if self.files is None:
            self._write("planned", files=files, bytes=nbytes)
        self.files, self.bytes = files, nbytes

    def started(self, name: bytes, size: int, /) -> None:
        """Write the event."""
        super().started(name, size)
        self._write("started", name, size=size)

    def moved(self, nbytes: int, /) -> None:
        """Write `progress`, if it is time to."""
        super().moved(nbytes)
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + INTERVAL_SECONDS
        rate = self.moved_bytes / (now - self.began)
        known = self.files is not None
        left = max(self.bytes - self.done_bytes, 0) / rate if known and rate > 0 else None
        self._write(
            "progress",
            files=self.done_files,
            bytes=self.done_bytes,
            files_planned=self.files,
            bytes_planned=self.bytes if known else None,
            rate=round(rate),
            seconds_left=None if left is None else round(left, 1),
            connections=True,
        )

    def resumed(self, name: bytes, nbytes: int, /) -> None:
        """Write the event."""
        super().resumed(name, nbytes)
        self._write("resumed", name, bytes=nbytes)

    def finished(self, name: bytes, size: int, digest: bytes | None, /) -> None:
        """Write the event."""
        super().finished(name, size, digest)
        self._write("finished", name, size=size, checksum=_hex(digest))

    def skipped(self, name: bytes, reason: str, /) -> None:
        """Write the event."""
        self._write("skipped", name, reason=reason)

    def note(self, name: bytes, text: str, /) -> None:
        """Write the event."""
        self._write("note", name, text=text)

    def failed(self, name: bytes, error: FileError, /) -> None:
        """Write the event."""
        self._failures.add(self.name_failure(name, error))
        self._terminal.failure = self._terminal.failure or str(error)
        self._write("failed", name, message=str(error), exit_code=int(error.exit_code))

    def retrying(self, problem: SecftpError, pause: float, attempt: int, attempts: int | None) -> None:
        """Write that there will be another connection."""
        self._write("retrying", message=str(problem), attempt=attempt, attempts=attempts, pause=round(pause, 1))

    def _connections(self) -> dict[str, Value]:
        """Return what the kernel knows of the connections."""
        if self.connections is None:
            return {"streams": None, "round_trip": None, "retransmits": None, "congestion": None}
        info = self.connections.total()
        return {
            "streams": self.connections.streams,
            "round_trip": None if info.round_trip is None else round(info.round_trip, 6),
            "retransmits": info.retransmits,
            "congestion": info.congestion,
        }

    def _write(self, event: str, name: bytes | None = None, *, connections: bool = False, **fields: Value) -> None:
        names = {} if name is None else name_fields("name", name)
        if connections:
            fields |= self._connections()
        self._terminal.event({"event": event, **names, **fields})

    def conclude(self) -> None:
        """Write the summary, and raise as `Failures.conclude` does."""
        done = self.summary
        for pattern in done.unmatched:
            self._write("note", pattern.encode("utf-8", "surrogateescape"), text=UNMATCHED)
        self._terminal.counts = self.counts(self._options)
        self._terminal.ended(
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
            algorithm=self._options.checksum,
            **self._connections(),
            compression="zstd" if done.compression else None,
            saved_bytes=done.saved_bytes,
            ratio=None if self.ratio is None else round(self.ratio, 3),
        )
        self._failures.done = self.is_partial
        self._failures.conclude()

    def give_up(self) -> None:
        """Keep the counts; the exception that ends the copy becomes an event of its own."""
        self._terminal.counts = self.counts(self._options)


def _hex(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()
