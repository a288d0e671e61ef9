"""From a host's name to its addresses, in bounded time.

The system's resolver takes no timeout, and while it waits for a name server that does not answer no signal handler
runs. So a name is looked up in a thread of its own, which is left behind when the caller's time is over or Ctrl-C
comes: it is a daemon that ends with the resolver's own patience (resolv.conf(5), some 10 to 30 s), or with the process.
"""

from __future__ import annotations

import socket
import threading
from typing import Any, NamedTuple


class Address(NamedTuple):
    """Where to connect to or to listen: arguments of socket(2) and connect(2)."""

    family: int
    kind: int
    protocol: int
    place: tuple[Any, ...]

    @property
    def text(self) -> str:
        """The address without the port."""
        return str(self.place[0])


def resolve(host: str, port: int | None, *, seconds: float | None = None, flags: int = 0) -> list[Address]:
    """All addresses of a host for TCP, each once, in the order of the system (RFC 6724).

    `seconds`: how long the name servers may take, None for as long as they do. Raises `TimeoutError` after that,
    `OSError` (`socket.gaierror`) and `UnicodeError` for what is no name.
    """
    try:  # what is an address needs no name server, and no thread
        return _look_up(host, port, flags | socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        pass
    lookup = _Lookup(host, port, flags)
    lookup.start()
    return lookup.result(seconds)


def interleaved(addresses: list[Address]) -> list[Address]:
    """The addresses with their families taking turns, the first one's first (RFC 8305, section 4)."""
    families = {address.family: [one for one in addresses if one.family == address.family] for address in addresses}
    longest = max(map(len, families.values()), default=0)
    return [family[place] for place in range(longest) for family in families.values() if place < len(family)]


def _look_up(host: str, port: int | None, flags: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(Address(family, kind, protocol, place) for family, kind, protocol, _, place in found))


class _Lookup(threading.Thread):
    def __init__(self, host: str, port: int | None, flags: int) -> None:
        super().__init__(name=f"secftp-lookup of {host!r}", daemon=True)
        self._arguments = host, port, flags
        self._found: list[Address] = []
        self._problem: Exception | None = None
        self._over = threading.Event()

    def run(self) -> None:
        try:
            self._found = _look_up(*self._arguments)
        except Exception as problem:  # noqa: BLE001 - it is the caller's
            self._problem = problem
        self._over.set()

    def result(self, seconds: float | None) -> list[Address]:
        if not self._over.wait(seconds):
            raise TimeoutError("the name was not resolved in time")
        if self._problem is not None:
            raise self._problem
        return self._found
