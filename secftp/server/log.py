"""What the server tells whoever watches it, in the words and the form of the original: `!! 19:06:18: Listening @ ...`.

Names from a peer come here escaped; a last guard sees to it that only printable signs get out. Keys never get here.
A session's lines end with its number and its peer in brackets, so that many at once can be told apart.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from secftp.channel import Peer
    from secftp.storage import Path

LONGEST_TEXT: Final = 1024


class Operation(NamedTuple):
    """A request that is over, for programs: lines tell people of it in words.

    `name` is that of the message in lower case (`read`, `writemany` counts as `write` for each file), `result` is `ok`
    or the code of the error, `nbytes` what was moved, `to` the other path of a rename.
    """

    name: str
    path: Path
    result: str
    seconds: float
    nbytes: int = 0
    digest: bytes | None = None
    to: Path | None = None


class Log:
    """Lines on standard output, one at a time whichever thread they come from."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def line(self, text: str) -> None:
        """Write one line. A log that can't be written never ends a transfer."""
        stamped = f"!! {time.strftime('%H:%M:%S')}: {_printable(text)}\n"
        with self._lock:
            stream = self._stream or sys.stdout
            if stream is None:  # closed since the start of the process
                return
            try:
                # Else a name that the locale can't encode would keep its line out of the log.
                encoding = stream.encoding or "utf-8"
                stamped = stamped.encode(encoding, "backslashreplace").decode(encoding)
                stream.write(stamped)
                stream.flush()
            except (OSError, ValueError):
                return

    def lines(self, texts: Iterable[str]) -> None:
        """Write several lines that came together."""
        for text in texts:
            self.line(text)

    def session(self, number: int, peer: Peer) -> SessionLog:
        """The log of one client."""
        return SessionLog(self, f"  [{number} {peer.host}:{peer.port}]")


class SessionLog:
    """One client's lines."""

    def __init__(self, log: Log, suffix: str) -> None:
        self._log = log
        self._suffix = suffix

    def line(self, text: str) -> None:
        """Write one line of this client's."""
        self._log.line(_bounded(text) + self._suffix)

    def lines(self, texts: Iterable[str]) -> None:
        """Write several lines of this client's that came together."""
        self._log.lines([_bounded(text) + self._suffix for text in texts])

    def operations(self, done: Iterable[Operation]) -> None:
        """Take note of requests that are over; the text form has told of them in lines."""


def _printable(text: str) -> str:
    """The last guard, whatever a caller forgot to escape."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in text)


def _bounded(text: str) -> str:
    """What a client can make longer is cut, before the part that tells whose it is."""
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "..."
