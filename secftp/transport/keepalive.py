"""Keepalives for sessions whose own thread is busy elsewhere: with a full pipe, a pager, a slow disk.

One daemon thread serves any number of channels; it starts with the first and ends with the last.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Protocol

from secftp.errors import SecftpError

CHECK_SECONDS = 5.0


class Pingable(Protocol):
    """A channel, see `secftp.transport.channel`."""

    def ping(self) -> None:
        """Send a PING if nothing was sent for a while, without waiting."""
        ...


class Keepalive:
    """Sends a PING on channels that have sent nothing for a while."""

    def __init__(self) -> None:
        self._channels: set[Pingable] = set()
        self._lock = threading.Lock()
        self._running: tuple[threading.Thread, threading.Event] | None = None

    def add(self, channel: Pingable) -> None:
        """Send keepalives on this channel from now on. Raises RuntimeError if no thread can be started for that."""
        with self._lock:
            if self._running is None:
                stop = threading.Event()
                thread = threading.Thread(target=self._run, args=(stop,), name="secftp-keepalive", daemon=True)
                thread.start()  # which can fail; the next channel tries again then
                self._running = thread, stop
            self._channels.add(channel)

    def remove(self, channel: Pingable) -> None:
        """Send no more on this channel. Ends the thread with the last one."""
        with self._lock:
            self._channels.discard(channel)
            if self._channels or self._running is None:
                return
            (thread, stop), self._running = self._running, None
        stop.set()
        thread.join()

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(CHECK_SECONDS):
            with self._lock:
                channels = list(self._channels)
            for channel in channels:
                # A connection that fails here is found lost by its own thread, which reports it.
                with contextlib.suppress(SecftpError, OSError, ValueError):
                    channel.ping()
