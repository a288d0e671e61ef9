"""Limit of the connections that a client holds for files that are being read in order, see `secftp.api.read_ahead`.

A client has `READ_AHEADS` of them at most. One that was not used for `SPARE_SECONDS` gives way to another.
"""

from __future__ import annotations

import threading
import time
from typing import Final, Protocol

READ_AHEADS: Final = 8
SPARE_SECONDS: Final = 1.0


class Stream(Protocol):
    """A `ReadAhead`."""

    last_used: float

    def acquire(self) -> bool:
        """Begin to use it; returns False if it is in use or has ended. Never waits."""
        ...

    def release(self) -> None:
        """End the use."""
        ...

    def finish(self) -> None:
        """Give back the connection."""
        ...


class ReadAheadLimit:
    """The read-aheads of one client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[Stream] = set()

    def admit(self, stream: Stream) -> bool:
        """Return whether there may be one more; another one that is not in use gives way."""
        oldest = None
        with self._lock:
            if len(self._open) >= READ_AHEADS:
                oldest = min(self._open, key=lambda stream: stream.last_used)
                if time.monotonic() - oldest.last_used < SPARE_SECONDS or not oldest.acquire():
                    return False
                self._open.discard(oldest)
            self._open.add(stream)
        if oldest is not None:
            try:
                oldest.finish()
            finally:
                oldest.release()
        return True

    def remove(self, stream: Stream) -> None:
        """Count one less."""
        self._open.discard(stream)  # atomic, and without the lock, since a finalizer may run anywhere
