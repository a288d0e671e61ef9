"""Output of the log: a writer that never blocks for long, and the log file.

The stream may be a pipe that is not read, a stopped terminal, or closed. Before each piece the writer polls the stream.
If it takes nothing, there is one wait; from then on lines are dropped, and counted, until it takes some again. All
sessions wait meanwhile, so a slow reader is waited for once a minute.

Invariants: a log that is not read never holds up the server, and one that can't be written never ends a transfer; the
log file is never a symlink or a pipe, and never in the clients' reach.
"""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from typing import TYPE_CHECKING, Final

from secftp.errors import UsageError
from secftp.server.path_checks import check_file
from secftp.text import escape_unencodable, show_local

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

# A writable pipe takes this many bytes at once without blocking (POSIX: PIPE_BUF is at least 512).
PIECE_BYTES: Final = getattr(select, "PIPE_BUF", 512)
PATIENCE_SECONDS: Final = 1.0
PATIENT_AGAIN_SECONDS: Final = 60.0
MODE: Final = 0o640
# O_NONBLOCK: a pipe without a reader must not block the start.
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PART_CHARACTERS: Final = PIECE_BYTES // 4  # a character has at most 4 bytes in UTF-8


class NonBlockingWriter:
    """Writes lines to a stream (default: standard output), and drops those that it does not accept. Not thread-safe."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream
        self.lost = 0  # lines dropped since the last one that was written
        self._impatient_until = 0.0
        self._torn = False  # whether the end of the last line was dropped
        self._polled: tuple[TextIO, select.poll | None] | None = None

    def write(self, text: str) -> None:
        """Write whole lines, or drop those that the stream does not accept."""
        stream = self.stream or sys.stdout
        if stream is None:  # closed since the start of the process
            return
        try:
            # A name that the locale can't encode must not keep its line out of the log.
            text = escape_unencodable(text, stream.encoding)
            poller = self._poller(stream)
            if poller is None:
                self._put(stream, text)
                return
            for parts in _pieces(text):
                self._write_parts(stream, poller, parts)
        except (OSError, ValueError):
            return

    def _write_parts(self, stream: TextIO, poller: select.poll, parts: list[str]) -> None:
        """Write whole lines, or the parts of one long line; drop what the stream does not accept."""
        if self._torn:
            parts = ["\n", *parts]
        for part in parts:
            patient = not self.lost and time.monotonic() >= self._impatient_until
            if not poller.poll(PATIENCE_SECONDS * 1000 if patient else 0):
                if patient:
                    self._impatient_until = time.monotonic() + PATIENT_AGAIN_SECONDS
                self.lost += parts[-1].count("\n")
                return
            self._put(stream, part)
            self._torn = not part.endswith("\n")
        self.lost = 0

    def _put(self, stream: TextIO, text: str) -> None:
        stream.write(text)
        stream.flush()

    def _poller(self, stream: TextIO) -> select.poll | None:
        """Return the poll object of the stream; None for a stream that accepts everything."""
        if self._polled is None or self._polled[0] is not stream:
            self._polled = stream, _make_poller(stream)
        return self._polled[1]


def _make_poller(stream: TextIO) -> select.poll | None:
    try:
        descriptor = stream.fileno()
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
    except (OSError, ValueError, AttributeError):
        return None  # an object without a descriptor
    poller = select.poll()
    poller.register(descriptor, select.POLLOUT)
    return poller


def _pieces(text: str) -> Iterator[list[str]]:
    """Yield as many whole lines at once as a pipe takes without blocking, and a longer line alone, in parts."""
    piece, size = "", 0
    for line in text.splitlines(keepends=True):
        length = len(line.encode(errors="replace"))
        if piece and size + length > PIECE_BYTES:
            yield [piece]
            piece, size = "", 0
        if length > PIECE_BYTES:
            yield [line[at : at + _PART_CHARACTERS] for at in range(0, len(line), _PART_CHARACTERS)]
        else:
            piece, size = piece + line, size + length
    if piece:
        yield [piece]


def open_log(path: str, root: str | None) -> TextIO:
    """Open the log file for appending. Raises `UsageError` if it is not a regular file, or can be reached in `root`."""
    check_file(path, root, "log file", is_key=False)
    shown = show_local(path)
    try:
        descriptor = os.open(path, _FLAGS, MODE)
    except OSError as problem:
        reason = (problem.strerror or "").lower()
        raise UsageError(
            f"The log file {shown} can't be opened: {reason}.", hint="Symlinks are not followed."
        ) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(f"The log file {shown} is not a regular file.")
    return open(descriptor, "a", encoding="utf-8")
