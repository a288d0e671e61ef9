"""Connections before they are sessions: what is known of each, and the lines in which they wait."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from secftp.channel import Incoming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.channel import PacedStream
    from secftp.handshake import HelloReceived
    from secftp.server.access import Grant
    from secftp.server.log import SessionLog


class Visitor:
    """One connection before it is a session."""

    __slots__ = ("_stream", "arrived", "deadline", "grant", "hello", "incoming", "log", "source")

    def __init__(self, stream: PacedStream, source: str, log: SessionLog, now: float) -> None:
        self._stream = stream
        self.incoming = Incoming(stream)
        self.source = source
        self.log = log
        self.arrived = now  # at the place where it is now
        self.deadline = 0.0  # of the handshake, while that goes on; while it is delayed, what is left of the time
        self.hello: HelloReceived | None = None
        self.grant: Grant | None = None  # what it has been challenged for

    @property
    def stream(self) -> PacedStream:
        """Its connection."""
        return self._stream


class Waiting:
    """Visitors that wait, in the order in which they came, by source."""

    def __init__(self) -> None:
        self._by_source: dict[str, deque[Visitor]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Visitor]:
        return (visitor for line in self._by_source.values() for visitor in line)

    def sources(self) -> list[str]:
        """Those that have somebody waiting."""
        return list(self._by_source)

    def count(self, source: str) -> int:
        """How many of this source wait."""
        return len(self._by_source.get(source, ()))

    def add(self, visitor: Visitor) -> None:
        """Put it at the end of its source's line."""
        self._by_source.setdefault(visitor.source, deque()).append(visitor)
        self._count += 1

    def next(self, source: str) -> Visitor:
        """Take the first of a source that has one."""
        visitor = self._by_source[source][0]
        self.remove(visitor)
        return visitor

    def remove(self, visitor: Visitor) -> None:
        """Take one out of the line."""
        line = self._by_source[visitor.source]
        line.remove(visitor)
        self._count -= 1
        if not line:
            del self._by_source[visitor.source]
