"""Read-ahead of a file that is read in order: its next parts are requested before they are needed.

The requests are pipelined on a connection of their own, so that the line is never idle. What was requested waits at the
server, in the network and in the system's buffers until the program reads on: it takes no memory here. A program that
pauses holds the connection until the server ends it, after a minute of silence; reading on then takes another one.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from secftp.api.file_parts import PartRequest
from secftp.errors import SecftpError

if TYPE_CHECKING:
    from secftp.api.file_parts import OpenFile
    from secftp.api.pool import Pool, PooledConnection


class ReadAhead:
    """Requested parts of one file, in order and without a gap. `end`: the offset behind the last one.

    The reader of the file uses it between `acquire` and `release`; another thread may end it at any other time.
    """

    def __init__(self, pool: Pool, file: OpenFile) -> None:
        self.last_used = time.monotonic()
        self.end = 0
        self._pool = pool
        self._file = file
        self._parts: deque[PartRequest] = deque()
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._connection: PooledConnection | None = None
        self._keep = contextlib.ExitStack()

    @classmethod
    def begin(cls, pool: Pool, file: OpenFile) -> ReadAhead | None:
        """Return a new one; None if the client has too many, or gets no other connection."""
        stream = cls(pool, file)
        with stream._lock:
            if not pool.read_aheads.admit(stream):
                return None
            try:
                stream._connection = stream._keep.enter_context(pool.connection(held=True))
            except SecftpError:
                pool.read_aheads.remove(stream)
                return None
        return stream

    def acquire(self) -> bool:
        """Begin to use it; returns False if it has ended, or is being ended. Never waits."""
        if self._process != os.getpid() or not self._lock.acquire(blocking=False):
            return False
        if self._connection is None:
            self._lock.release()
            return False
        return True

    def release(self) -> None:
        """End the use."""
        self.last_used = time.monotonic()
        self._lock.release()

    def covers(self, position: int) -> bool:
        """Return whether the part at a position is requested."""
        return bool(self._parts) and self._parts[0].offset <= position < self.end

    def skip_to(self, position: int) -> None:
        """Drop the parts before a position, and all if that was not requested; the next part begins there then."""
        while self._parts and not self._parts[0].offset <= position < self._parts[0].end:
            self._parts.popleft().cancel_later()
        if not self._parts:
            self.end = position

    def request(self, length: int) -> None:
        """Request the next `length` bytes of the file."""
        assert self._connection is not None
        part = PartRequest(self._connection.session, self._file, self.end, length)
        self._parts.append(part)
        self.end = part.end

    def take(self) -> tuple[int, bytes]:
        """Wait for the oldest part, and return its offset and its bytes. Raises what `PartRequest.result` does."""
        part = self._parts[0]
        data = part.result()
        self._parts.popleft()
        return part.offset, data

    @property
    def is_idle(self) -> bool:
        """Whether nothing is requested."""
        return not self._parts

    def finish(self) -> None:
        """Cancel what was requested, and give back the connection, even if that is interrupted."""
        connection = self._connection
        try:
            with contextlib.suppress(SecftpError, OSError):
                for part in self._parts:
                    part.cancel()
                if connection is not None:
                    connection.winding_down = True
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Give back the connection, which is closed if anything is requested. Sends nothing; idempotent."""
        self._connection = None
        self._parts.clear()
        self._pool.read_aheads.remove(self)
        self._keep.close()
