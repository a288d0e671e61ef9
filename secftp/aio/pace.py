"""Turns for the loop between steps that need not wait, for tasks that take many of them in a row."""

from __future__ import annotations

import asyncio
import time

from secftp.aio.driver import PACE_SECONDS


class Pace:
    """Awaited between two steps: lets the loop run if that was not done for some milliseconds."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = time.monotonic()

    async def __call__(self) -> None:
        """Let the loop run, or return at once."""
        if time.monotonic() - self._last > PACE_SECONDS:
            await asyncio.sleep(0)
            self._last = time.monotonic()
