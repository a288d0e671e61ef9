"""ServerLimits on concurrent sessions: in total, per source address, per key and for anonymous clients.

A key, all anonymous clients together, and a source address under one key may each have as many sessions as slots are
free: half of them if there are no others, fewer the more others there are. So clients with few sessions always find a
free slot, without any configuration. A configured number replaces this rule. A server with one key gives it all slots;
an IPv6 /48 counts like an address. A wider network, and an IPv4 /24 or /16, may belong to a whole company: it may have
seven of eight slots.
"""

from __future__ import annotations

import enum
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, Protocol, TypeVar

from secftp.record import Mode

if TYPE_CHECKING:
    from collections.abc import Hashable

    from secftp.server.access import Grant
    from secftp.server.fairness import Network, SourceAddress
    from secftp.server.limits import ServerLimits
    from secftp.server.log import SessionLog

_ALL: Final = "all"
# A server for fewer clients than this may have all of them from one address: behind a proxy, in a test, at home.
SHARED_FROM: Final = 33
# A network may have so many times the places that are left: seven of eight.
NETWORK_SHARE: Final = 7


class SessionLimit(enum.Enum):
    """Which of the bounds is reached."""

    ALL = enum.auto()
    SOURCE = enum.auto()
    KEY = enum.auto()
    ANONYMOUS = enum.auto()


def log_limit(log: SessionLog, bound: SessionLimit) -> None:
    """Write the line of a bound that was reached."""
    if bound is SessionLimit.ALL:
        log.limit("clients", "There are as many sessions as may be; a client is sent away.")
    elif bound is SessionLimit.SOURCE:
        log.limit("clients_per_source", "Its address or network has as many sessions as may be; a client is sent away.")
    elif bound is SessionLimit.KEY:
        log.limit("clients_per_key", "Its key has as many sessions as may be; a client is sent away.")
    else:
        log.limit("anonymous", "There are as many anonymous sessions as may be; a client is sent away.")


class SessionClaim(NamedTuple):
    """Who has, or wants, a session."""

    source: SourceAddress
    grant: Grant

    @property
    def key(self) -> str | None:
        """The name of its key; None without one."""
        return None if self.grant.mode is Mode.ANONYMOUS else self.grant.name


class SessionSlots:
    """The sessions there are, counted. Not for two threads at once."""

    def __init__(self, limits: ServerLimits, max_clients: int) -> None:
        self._limits = limits
        self._max = max_clients
        self._of: Counter[Hashable] = Counter()  # of all, of each key, of each address, and of each of those together

    def bound(self, wanted: SessionClaim, *, proved: bool) -> SessionLimit | None:
        """Which bound keeps this one from a session; None if none does.

        Before the proof what is counted by key is left out: it would log_limit which names have keys.
        """
        free = self._max - self._of[_ALL]
        if free <= 0:
            return SessionLimit.ALL
        if self._address_is_full(wanted) or self._network_is_full(wanted, free):
            return SessionLimit.SOURCE
        if wanted.key is not None and not proved:
            return None
        if self._share_is_full(wanted, free):
            return SessionLimit.SOURCE
        given = self._limits.max_anonymous if wanted.key is None else self._limits.max_clients_per_key
        # Of what others want as well, as many as there are places left.
        most = given if given is not None else free if wanted.grant.contested else self._max
        if self._of["key", wanted.key] < most:
            return None
        return SessionLimit.ANONYMOUS if wanted.key is None else SessionLimit.KEY

    def take(self, place: SessionClaim) -> None:
        """There is one more."""
        self._of.update(_counted(place))

    def leave(self, place: SessionClaim) -> None:
        """There is one less."""
        for what in _counted(place):
            self._of[what] -= 1
            if not self._of[what]:
                del self._of[what]

    def _address_is_full(self, wanted: SessionClaim) -> bool:
        given = self._limits.max_clients_per_source
        return given is not None and self._of[wanted.source.address] >= given

    def _share_is_full(self, wanted: SessionClaim, free: int) -> bool:
        """By key: who comes from the address of a flood under another key is no part of it."""
        shared = [(network, wanted.key) for network in _sites(wanted.source)]
        given = self._limits.max_clients_per_source
        return given is None and self._max >= SHARED_FROM and any(self._of[pair] >= free for pair in shared)

    def _network_is_full(self, wanted: SessionClaim, free: int) -> bool:
        most = NETWORK_SHARE * free
        return self._max >= SHARED_FROM and any(self._of[network] >= most for network in _wider(wanted.source))


def _sites(source: SourceAddress) -> list[Network]:
    return [source.address] if source.site is None else [source.address, source.site]


def _wider(source: SourceAddress) -> tuple[Network, ...]:
    """The networks between an address and what is shared by half the world: /24 and /16, or /56, /48 and /32."""
    return source.networks[2:-1] if source.site is None else source.networks[1:-1]


def _counted(place: SessionClaim) -> list[Hashable]:
    shared = [(network, place.key) for network in _sites(place.source)]
    return [_ALL, ("key", place.key), place.source.address, *_wider(place.source), *shared]


# Clients that have proved themselves and are told that there is no place: each has a thread for as long as that takes.
TURNED_AWAY_MAX: Final = 64


class Registered(Protocol):
    """A connection in the registry. `refused_by`: the limit that keeps it from having a session."""

    refused_by: SessionLimit | None

    def __hash__(self) -> int: ...

    @property
    def place(self) -> SessionClaim:
        """What its session counts for."""
        ...


_T = TypeVar("_T", bound=Registered)


class ConnectionRegistry(Generic[_T]):
    """All clients of a server. Every thread may use it."""

    def __init__(self, limits: ServerLimits, max_clients: int) -> None:
        self._lock = threading.Lock()
        self._clients: set[_T] = set()
        self._places = SessionSlots(limits, max_clients)
        self._turned_away = 0

    def bound(self, source: SourceAddress, grant: Grant) -> SessionLimit | None:
        """Which bound would keep this client from a session, as far as it may be told before its proof."""
        with self._lock:
            return self._places.bound(SessionClaim(source, grant), proved=False)

    def enter(self, client: _T) -> bool:
        """Take in a client that has proved itself, with a session's place if there is one for it.

        False if there is no room even for telling it that there is none.
        """
        with self._lock:
            client.refused_by = self._places.bound(client.place, proved=True)
            if client.refused_by is None:
                self._places.take(client.place)
            elif self._turned_away >= TURNED_AWAY_MAX:
                return False
            else:
                self._turned_away += 1
            self._clients.add(client)
            return True

    def leave(self, client: _T) -> None:
        """Forget a client that is gone; once more does no harm."""
        with self._lock:
            if client not in self._clients:
                return
            self._clients.remove(client)
            if client.refused_by is None:
                self._places.leave(client.place)
            else:
                self._turned_away -= 1

    def all(self) -> list[_T]:
        """Every client there is now."""
        with self._lock:
            return list(self._clients)
