"""TCP connections by host name: resolution in bounded time, and Happy Eyeballs (RFC 8305).

The system's resolver takes no timeout, and while it waits for a name server no signal handler runs. So a name is looked
up in a thread, which is left behind at the deadline or on Ctrl-C: a daemon thread that ends with the resolver's own
timeout (resolv.conf(5), some 10 to 30 s), or with the process.

An address that swallows packets (a broken IPv6 route, a firewall) delays the next one by a quarter of a second, while
its own attempt goes on. One thread and one poll run all attempts; no socket is left open but the one that connected.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from secftp.errors import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# RFC 8305, section 5: the Connection Attempt Delay that it recommends.
STAGGER_SECONDS: Final = 0.25
WANTED_SECONDS: Final = 0.1  # between questions whether a connection is still wanted
_UNDER_WAY: Final = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR})


class Event(Protocol):
    """What is used of a `threading.Event`: set by the thread of a lookup, and waited for by that of the connection."""

    def set(self) -> None:
        """Wake the thread that waits."""
        ...

    def wait(self, timeout: float | None = None, /) -> bool:
        """Wait for at most `timeout` seconds; return whether it is set."""
        ...


class Poller(Protocol):
    """What is used of a `select.poll`."""

    def register(self, sock: socket.socket, events: int, /) -> None:
        """Wait for a socket, too."""
        ...

    def unregister(self, descriptor: int, /) -> None:
        """Wait for it no longer."""
        ...

    def poll(self, milliseconds: float, /) -> list[tuple[int, int]]:
        """Wait for at most so long; return pairs of a descriptor that is ready, and events."""
        ...


# --- resolution -------------------------------------------------------------------------------------------------------


class Address(NamedTuple):
    """An address to connect to or to listen on: arguments of socket(2) and connect(2)."""

    family: int
    kind: int
    protocol: int
    place: tuple[Any, ...]

    @property
    def text(self) -> str:
        """The address without the port."""
        return str(self.place[0])


def require_wanted(wanted: Callable[[], bool] | None) -> None:
    """Raise `ConnectionLost` for a connection that is not wanted any more; None: it is."""
    if wanted is not None and not wanted():
        raise ConnectionLost("The connection is not needed any more.")


def resolve(
    host: str,
    port: int | None,
    *,
    seconds: float | None = None,
    flags: int = 0,
    wanted: Callable[[], bool] | None = None,
    new_event: Callable[[], Event] = threading.Event,
) -> list[Address]:
    """Return the addresses of a host for TCP, each once, in the order of the system (RFC 6724).

    `seconds` limits how long the name servers may take. `new_event` makes what the lookup is waited with. Raises
    `TimeoutError` after `seconds`, `OSError` (`socket.gaierror`) for a name that is not found, `UnicodeError` for one
    that can't be.
    """
    try:  # an address needs no name server, and no thread
        # Python would encode a text as an international name, and import the tables for that even if it is plain ASCII.
        name = host.encode() if host.isascii() else host
        return _look_up(name, port, flags | socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        pass
    lookup = _Lookup(host, port, flags, new_event())
    lookup.start()
    return lookup.result(seconds, wanted)


def _look_up(host: str | bytes, port: int | None, flags: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(Address(family, kind, protocol, place) for family, kind, protocol, _, place in found))


class _Lookup(threading.Thread):
    def __init__(self, host: str, port: int | None, flags: int, over: Event) -> None:
        super().__init__(name=f"secftp-lookup of {host!r}", daemon=True)
        self._arguments = host, port, flags
        self._found: list[Address] = []
        self._problem: Exception | None = None
        self._over = over

    def run(self) -> None:
        try:
            self._found = _look_up(*self._arguments)
        except Exception as problem:  # noqa: BLE001 - the caller's thread raises it
            self._problem = problem
        self._over.set()

    def result(self, seconds: float | None, wanted: Callable[[], bool] | None) -> list[Address]:
        if wanted is not None:
            deadline = math.inf if seconds is None else time.monotonic() + seconds
            while not self._over.wait(WANTED_SECONDS) and time.monotonic() < deadline:
                require_wanted(wanted)
            seconds = 0
        if not self._over.wait(seconds):
            raise TimeoutError("the name was not resolved in time")
        if self._problem is not None:
            raise self._problem
        return self._found


# --- connecting -------------------------------------------------------------------------------------------------------


class Failed(NamedTuple):
    """An address that could not be connected to, and why; None if it did not answer."""

    address: Address
    reason: str | None


class AllFailed(Exception):
    """No address could be connected to; `failures` in the order in which they were known."""

    def __init__(self, failures: list[Failed]) -> None:
        super().__init__()
        self.failures = failures


def connect_first(
    addresses: Sequence[Address],
    deadline: float,
    congestion: str | None = None,
    wanted: Callable[[], bool] | None = None,
    *,
    new_poller: Callable[[], Poller] = select.poll,
) -> socket.socket:
    """Return a connected, non-blocking socket to the first of the addresses that accepts the connection.

    `deadline` is a time of `time.monotonic`. `congestion` is set before the connection, None leaves the system's.
    `new_poller` makes what the sockets are waited with. Raises `AllFailed` when all have failed, and at the deadline;
    `UsageError` if the kernel refuses `congestion`.
    """
    with contextlib.ExitStack() as stack:
        race = _Race(interleaved(list(addresses)), deadline, congestion, wanted, new_poller())
        stack.callback(race.close)
        return race.run()


def interleaved(addresses: list[Address]) -> list[Address]:
    """Return the addresses with their families alternating, that of the first one first (RFC 8305, section 4)."""
    families = {address.family: [one for one in addresses if one.family == address.family] for address in addresses}
    longest = max(map(len, families.values()), default=0)
    return [family[place] for place in range(longest) for family in families.values() if place < len(family)]


class _Race:
    def __init__(
        self,
        addresses: list[Address],
        deadline: float,
        congestion: str | None,
        wanted: Callable[[], bool] | None,
        poller: Poller,
    ) -> None:
        self._wanted = wanted
        self._waiting = addresses[::-1]
        self._deadline = deadline
        self._congestion = congestion
        self._running: dict[int, tuple[socket.socket, Address]] = {}
        self._failures: list[Failed] = []
        self._poller = poller

    def run(self) -> socket.socket:
        """Return the socket that connected first, which the caller has to close."""
        due = time.monotonic()
        while self._waiting or self._running:
            now = time.monotonic()
            if self._waiting and now >= due:
                if (winner := self._start(self._waiting.pop())) is not None:
                    return winner
                # An attempt that has failed delays nothing.
                due = now + STAGGER_SECONDS if self._running else now
                continue
            if now >= self._deadline:
                break
            until = min(due, self._deadline) if self._waiting else self._deadline
            if self._wanted is not None:
                require_wanted(self._wanted)
                until = min(until, now + WANTED_SECONDS)
            failed = len(self._failures)
            for descriptor, _ in self._poller.poll(max(0.0, until - now) * 1000):
                if (winner := self._finish(descriptor)) is not None:
                    return winner
            if len(self._failures) > failed:
                due = now
        silent = [address for _, address in self._running.values()]
        raise AllFailed(self._failures + [Failed(address, None) for address in silent + self._waiting[::-1]])

    def close(self) -> None:
        """Give up the other attempts."""
        for sock, _ in self._running.values():
            sock.close()
        self._running.clear()

    def _start(self, address: Address) -> socket.socket | None:
        """Start an attempt; return the socket if it is connected already."""
        try:
            sock = socket.socket(address.family, address.kind, address.protocol)
        except OSError as problem:
            self._failures.append(Failed(address, problem.strerror or str(problem)))
            return None
        self._running[sock.fileno()] = sock, address
        if self._congestion is not None:
            from secftp.transport.congestion import set_congestion

            set_congestion(sock, self._congestion)
        try:
            sock.setblocking(False)
            code = sock.connect_ex(address.place)
        except OSError as problem:
            code = problem.errno or errno.EINVAL
        if code not in _UNDER_WAY:
            return self._end(sock.fileno(), code)
        self._poller.register(sock, select.POLLOUT)
        return None

    def _finish(self, descriptor: int) -> socket.socket | None:
        self._poller.unregister(descriptor)
        sock, _ = self._running[descriptor]
        return self._end(descriptor, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _end(self, descriptor: int, code: int) -> socket.socket | None:
        """End an attempt: return the socket if it is connected, else note the failure."""
        sock, address = self._running.pop(descriptor)
        if code == 0:
            return sock
        sock.close()
        # ETIMEDOUT: the system's own timeout, after some two minutes; that is no answer, either.
        self._failures.append(Failed(address, None if code == errno.ETIMEDOUT else os.strerror(code)))
        return None
