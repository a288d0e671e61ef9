"""Who may have how many sessions: in all, from one address, under one key, and without a key.

A key, all anonymous clients together, and an address under one key may each have as many sessions as there are places
left: half of them where there are no others, and less, the more others there are. So there is always a place for those
who have few, and no number has to be set. A number that an operator has set counts instead. A server with one key gives
it all places; an IPv6 /48 counts as an address does. A wider network, and an IPv4 /24 or /16, may be that of a whole
company: it may have seven of eight places.
"""

from __future__ import annotations

import enum
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.record import Mode

if TYPE_CHECKING:
    from collections.abc import Hashable

    from secftp.server.access import Grant
    from secftp.server.limits import Limits
    from secftp.server.log import SessionLog
    from secftp.server.sources import Network, Source

_ALL: Final = "all"
# A server for fewer clients than this may have all of them from one address: behind a proxy, in a test, at home.
SHARED_FROM: Final = 33
# A network may have so many times the places that are left: seven of eight.
NETWORK_SHARE: Final = 7


class Bound(enum.Enum):
    """Which of the bounds is reached."""

    ALL = enum.auto()
    SOURCE = enum.auto()
    KEY = enum.auto()
    ANONYMOUS = enum.auto()


def tell(log: SessionLog, bound: Bound) -> None:
    """Write the line of a bound that was reached."""
    if bound is Bound.ALL:
        log.limit("clients", "There are as many sessions as may be; a client is sent away.")
    elif bound is Bound.SOURCE:
        log.limit("clients_per_source", "Its address or network has as many sessions as may be; a client is sent away.")
    elif bound is Bound.KEY:
        log.limit("clients_per_key", "Its key has as many sessions as may be; a client is sent away.")
    else:
        log.limit("anonymous", "There are as many anonymous sessions as may be; a client is sent away.")


class Place(NamedTuple):
    """Who has, or wants, a session."""

    source: Source
    grant: Grant

    @property
    def key(self) -> str | None:
        """The name of its key; None without one."""
        return None if self.grant.mode is Mode.ANONYMOUS else self.grant.name


class Places:
    """The sessions there are, counted. Not for two threads at once."""

    def __init__(self, limits: Limits, max_clients: int) -> None:
        self._limits = limits
        self._max = max_clients
        self._of: Counter[Hashable] = Counter()  # of all, of each key, of each address, and of each of those together

    def bound(self, wanted: Place, *, proved: bool) -> Bound | None:
        """Which bound keeps this one from a session; None if none does.

        Before the proof what is counted by key is left out: it would tell which names have keys.
        """
        free = self._max - self._of[_ALL]
        if free <= 0:
            return Bound.ALL
        if self._address_is_full(wanted) or self._network_is_full(wanted, free):
            return Bound.SOURCE
        if wanted.key is not None and not proved:
            return None
        if self._share_is_full(wanted, free):
            return Bound.SOURCE
        given = self._limits.max_anonymous if wanted.key is None else self._limits.max_clients_per_key
        # Of what others want as well, as many as there are places left.
        most = given if given is not None else free if wanted.grant.contested else self._max
        if self._of["key", wanted.key] < most:
            return None
        return Bound.ANONYMOUS if wanted.key is None else Bound.KEY

    def take(self, place: Place) -> None:
        """There is one more."""
        self._of.update(_counted(place))

    def leave(self, place: Place) -> None:
        """There is one less."""
        for what in _counted(place):
            self._of[what] -= 1
            if not self._of[what]:
                del self._of[what]

    def _address_is_full(self, wanted: Place) -> bool:
        given = self._limits.max_clients_per_source
        return given is not None and self._of[wanted.source.address] >= given

    def _share_is_full(self, wanted: Place, free: int) -> bool:
        """By key: who comes from the address of a flood under another key is no part of it."""
        shared = [(network, wanted.key) for network in _sites(wanted.source)]
        given = self._limits.max_clients_per_source
        return given is None and self._max >= SHARED_FROM and any(self._of[pair] >= free for pair in shared)

    def _network_is_full(self, wanted: Place, free: int) -> bool:
        most = NETWORK_SHARE * free
        return self._max >= SHARED_FROM and any(self._of[network] >= most for network in _wider(wanted.source))


def _sites(source: Source) -> list[Network]:
    return [source.address] if source.site is None else [source.address, source.site]


def _wider(source: Source) -> tuple[Network, ...]:
    """The networks between an address and what is shared by half the world: /24 and /16, or /56, /48 and /32."""
    return source.networks[2:-1] if source.site is None else source.networks[1:-1]


def _counted(place: Place) -> list[Hashable]:
    shared = [(network, place.key) for network in _sites(place.source)]
    return [_ALL, ("key", place.key), place.source.address, *_wider(place.source), *shared]
