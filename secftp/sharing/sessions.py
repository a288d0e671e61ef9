"""The log of a server for one delivery, which is not written anywhere: what it is told of goes to a tracker.

Every session of a server reports its handshake, its finished requests and its end to its log. That is all that is
needed to know who has transferred what, and it concerns no handler of a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from secftp.server.log import Log, LogLevel, SessionLog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secftp.server.log_format import Operation
    from secftp.transport import Peer
    from secftp.transport.tcp_info import TcpInfo


class Visit(Protocol):
    """One session of a client, as a tracker knows it."""

    def finished(self, done: Operation, /) -> None:
        """Note a finished request."""

    def ended(self, *, in_order: bool, has_failed: bool, additional: bool) -> None:
        """Note the end. `in_order`: with BYE; `has_failed`: which says that something failed at the client."""


class Tracker(Protocol):
    """What becomes of the sessions of a server. Called from any thread."""

    def visited(self, host: str, /) -> Visit:
        """A client at this address has proved the key."""

    def refused(self, host: str, /) -> None:
        """A client at this address has a wrong key."""


class TrackingLog(Log):
    """A log that writes nothing, and passes what happens to a tracker."""

    def __init__(self, tracker: Tracker) -> None:
        super().__init__()
        self._tracker = tracker

    def session(self, number: int, peer: Peer) -> SessionLog:
        """Return the log of one client."""
        return _TrackingSession(self, number, peer, self._tracker)

    def is_enabled(self, level: LogLevel) -> bool:  # noqa: ARG002
        """No line is written."""
        return False

    def write(self, text: str) -> None:
        """Write nothing."""

    def limit(self, name: str, text: str) -> None:
        """Write nothing."""


class _TrackingSession(SessionLog):
    """The log of one client of a `TrackingLog`."""

    def __init__(self, log: Log, number: int, peer: Peer, tracker: Tracker) -> None:
        super().__init__(log, number, peer)
        self._tracker = tracker
        self._visit: Visit | None = None

    def handshake(self, result: str) -> None:
        """Note a client that may begin, or has a wrong key."""
        if result == "ok":
            self._visit = self._tracker.visited(self._host)
        elif result == "wrong_key":
            self._tracker.refused(self._host)

    def operations(self, done: Iterable[Operation]) -> None:
        """Note finished requests."""
        if self._visit is not None:
            for one in done:
                self._visit.finished(one)

    def end(self, connection: TcpInfo | None = None, *, additional: bool = False) -> None:  # noqa: ARG002
        """Note the end of an authenticated client."""
        visit, self._visit = self._visit, None
        if visit is not None:
            bye = self.bye
            visit.ended(
                in_order=bye is not None, has_failed=bye is not None and bye.code is not None, additional=additional
            )
