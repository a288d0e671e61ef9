"""Keepalives by a timer of the event loop, for sessions that are busy elsewhere: with a slow disk, a slow program."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from secftp.errors import SecftpError
from secftp.transport.keepalive import CHECK_SECONDS, Keepalive

if TYPE_CHECKING:
    import asyncio

    from secftp.transport.keepalive import Pingable


class LoopKeepalive(Keepalive):
    """Sends a PING on channels that have sent nothing for a while; nothing here waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._channels: set[Pingable] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, channel: Pingable) -> None:
        """Send keepalives on this channel from now on."""
        self._channels.add(channel)
        if self._timer is None:
            self._timer = self._loop.call_later(CHECK_SECONDS, self._check)

    def remove(self, channel: Pingable) -> None:
        """Send no more on this channel."""
        self._channels.discard(channel)
        if not self._channels and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = self._loop.call_later(CHECK_SECONDS, self._check)
        for channel in tuple(self._channels):
            # A connection that fails here is found lost by what uses it, which reports it.
            with contextlib.suppress(SecftpError, OSError, ValueError):
                channel.ping()
