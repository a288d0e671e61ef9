"""Source of a file that a program writes piece by piece on an event loop, while a greenlet sends it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from secftp.api.memory import MAX_QUEUED, take_queued
from secftp.errors import Cancelled
from secftp.protocol import Kind
from secftp.storage import FileInfo, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MODE = 0o666


class LoopSource(Source):
    """A source that is filled until `complete` or `give_up` is called.

    It has no descriptor: the stream that sends it sets `wake`, which is called when `is_ready` becomes true. Invariant:
    a writer that goes away never looks like the end of the file.
    """

    __slots__ = ("_given_up", "_over", "_queue", "_queued", "_room", "_whole", "info", "wake")

    def __init__(self) -> None:
        self.info: FileInfo = FileInfo(Kind.FILE, None, time.time_ns(), _MODE)
        self.wake: Callable[[], None] | None = None
        self._queue: deque[memoryview] = deque()
        self._queued = 0
        self._room = asyncio.Event()  # whether more may be added, or the sender is gone
        self._room.set()
        self._whole = self._given_up = self._over = False

    # --- the program --------------------------------------------------------------------------------------------------

    async def room(self) -> bool:
        """Wait until bytes may be added; return False if the sender is gone."""
        await self._room.wait()
        return not (self._over or self._given_up)

    def add(self, data: bytes) -> None:
        """Append bytes."""
        self._queue.append(memoryview(data))
        self._queued += len(data)
        if self._queued >= MAX_QUEUED and not self._over:
            self._room.clear()
        self._notify()

    def complete(self) -> None:
        """End the file, which is whole."""
        self._whole = True
        self._notify()

    def give_up(self) -> None:
        """End the source; what was added is discarded. Idempotent."""
        self._given_up = True
        self._room.set()
        self._notify()

    # --- the greenlet that sends --------------------------------------------------------------------------------------

    @property
    def wait_descriptor(self) -> int:
        """No descriptor, but it may have to be waited for."""
        return -1

    @property
    def is_ready(self) -> bool:
        """Whether `readv` finds bytes, or the end."""
        return bool(self._queue) or self._whole or self._given_up

    def readv(self, buffers: Sequence[memoryview], _offset: int) -> int:
        """Read into buffers what was added; raises `Cancelled` if the file was given up."""
        self.check_unchanged()
        assert self.is_ready, "nothing is there, which would look like the end"
        count = take_queued(self._queue, buffers)
        self._queued -= count
        if self._queued < MAX_QUEUED:
            self._room.set()
        return count

    def check_unchanged(self) -> None:
        """Raise `Cancelled` if the file was given up, even at the last moment."""
        if self._given_up:
            raise Cancelled("The file was aborted before it was complete.")

    def close(self) -> None:
        """Close the source; nothing can be added from now on. Idempotent."""
        self._over = True
        self._queue.clear()
        self._room.set()

    def _notify(self) -> None:
        if self.wake is not None:
            self.wake()
