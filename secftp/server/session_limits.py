"""Limits on concurrent sessions: in total, per source address, per key and for anonymous clients.

A key, all anonymous clients together, and a source address under one key may each have as many sessions as slots are
free: half of them if there are no others, fewer the more others there are. So clients with few sessions always find a
free slot, without any configuration. A configured number replaces this rule. A server with one key gives it all slots;
an IPv6 /48 counts like an address. A wider network, and an IPv4 /24 or /16, may belong to a whole company: it may have
seven of eight slots.
"""

from __future__ import annotations

import enum
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from secftp.crypto import Mode

if TYPE_CHECKING:
    from collections.abc import Hashable

    from secftp.server.access import Grant
    from secftp.server.fairness import Network, SourceAddress
    from secftp.server.log import SessionLog
    from secftp.server.options import ServerLimits

_ALL: Final = "all"
# With fewer slots one address may have all of them: a server behind a proxy, in a test, at home.
SHARED_FROM: Final = 33
# A network may have this many times the free slots: seven of eight.
NETWORK_SHARE: Final = 7


class SlotLimit(enum.Enum):
    """The limit that refuses a session."""

    ALL = enum.auto()
    SOURCE = enum.auto()
    KEY = enum.auto()
    ANONYMOUS = enum.auto()


_LOG_LINES: Final = {
    SlotLimit.ALL: ("clients", "The maximum number of sessions is reached: a client is rejected."),
    SlotLimit.SOURCE: (
        "clients_per_source",
        "The maximum number of sessions for its address or network is reached: a client is rejected.",
    ),
    SlotLimit.KEY: ("clients_per_key", "The maximum number of sessions for its key is reached: a client is rejected."),
    SlotLimit.ANONYMOUS: (
        "anonymous",
        "The maximum number of anonymous sessions is reached: a client is rejected.",
    ),
}


def log_slot_limit(log: SessionLog, limit: SlotLimit) -> None:
    """Log that a client was rejected because of this limit."""
    log.limit(*_LOG_LINES[limit])


class Condition(NamedTuple):
    """A count that must not be full: below `bound`, or below `times` as many sessions as are free."""

    limit: SlotLimit
    what: Hashable
    bound: int | None = None
    times: int = 0


class SlotClaim(NamedTuple):
    """The source and the grant that a session counts for."""

    source: SourceAddress
    grant: Grant

    @property
    def key(self) -> str | None:
        """The name of the key; None for an anonymous client."""
        return None if self.grant.mode is Mode.ANONYMOUS else self.grant.name

    @property
    def counted(self) -> list[Hashable]:
        """What it counts for: all, its key, its address and networks, and each of these under its key."""
        shared = [(network, self.key) for network in _sites(self.source)]
        return [_ALL, ("key", self.key), self.source.address, *_wider(self.source), *shared]


class SlotCounter:
    """Counts of the current sessions, and the limit that the next one would exceed. Not thread-safe."""

    def __init__(self, limits: ServerLimits, max_clients: int) -> None:
        self._limits = limits
        self._max = max_clients
        # Of all sessions, of each key, of each address and network, and of each address under each key.
        self._counts: Counter[Hashable] = Counter()

    def limit_for(self, claim: SlotClaim, *, proved: bool) -> SlotLimit | None:
        """Return the limit that refuses this session; None if there is a slot for it.

        Before the proof of the key (`proved` is False) the limits per key are left out: they would reveal which names
        have keys.
        """
        free = self._max - self._counts[_ALL]
        if free <= 0:
            return SlotLimit.ALL
        if self._is_address_full(claim) or self._is_network_full(claim, free):
            return SlotLimit.SOURCE
        if claim.key is not None and not proved:
            return None
        if self._is_share_full(claim, free):
            return SlotLimit.SOURCE
        configured = self._limits.max_anonymous if claim.key is None else self._limits.max_clients_per_key
        # Where others may want slots as well, as many as are free.
        most = configured if configured is not None else free if claim.grant.contested else self._max
        if self._counts["key", claim.key] < most:
            return None
        return SlotLimit.ANONYMOUS if claim.key is None else SlotLimit.KEY

    def conditions_for(self, claim: SlotClaim) -> list[Condition]:
        """Return what `limit_for` examines after the proof, in the same order, for counts that are kept elsewhere."""
        source, limits = claim.source, self._limits
        found = [Condition(SlotLimit.ALL, _ALL, self._max)]
        if limits.max_clients_per_source is not None:
            found.append(Condition(SlotLimit.SOURCE, source.address, limits.max_clients_per_source))
        if self._max >= SHARED_FROM:
            found += [Condition(SlotLimit.SOURCE, network, times=NETWORK_SHARE) for network in _wider(source)]
            if limits.max_clients_per_source is None:
                found += [Condition(SlotLimit.SOURCE, (network, claim.key), times=1) for network in _sites(source)]
        limit = SlotLimit.ANONYMOUS if claim.key is None else SlotLimit.KEY
        configured = limits.max_anonymous if claim.key is None else limits.max_clients_per_key
        if configured is None and claim.grant.contested:
            found.append(Condition(limit, ("key", claim.key), times=1))
        else:
            found.append(Condition(limit, ("key", claim.key), self._max if configured is None else configured))
        return found

    def streams_for(self, grant: Grant) -> int:
        """Return how many sessions a client with this grant may use for one transfer: at most half of all it may have.

        Those that are in use now don't count.
        """
        limits = self._limits
        configured = limits.max_anonymous if grant.mode is Mode.ANONYMOUS else limits.max_clients_per_key
        most = self._max // 2 if configured is None and grant.contested else self._max
        bounds = [bound for bound in (most, configured, limits.max_clients_per_source) if bound is not None]
        return max(1, min(limits.streams, min(bounds) // 2))

    def add(self, claim: SlotClaim) -> None:
        """Count one session more."""
        self._counts.update(claim.counted)

    def remove(self, claim: SlotClaim) -> None:
        """Count one session less."""
        for what in claim.counted:
            self._counts[what] -= 1
            if not self._counts[what]:
                del self._counts[what]

    def _is_address_full(self, claim: SlotClaim) -> bool:
        configured = self._limits.max_clients_per_source
        return configured is not None and self._counts[claim.source.address] >= configured

    def _is_share_full(self, claim: SlotClaim, free: int) -> bool:
        """Per key: a client that shares its address with a flood under another key is not part of the flood."""
        shared = [(network, claim.key) for network in _sites(claim.source)]
        configured = self._limits.max_clients_per_source
        return configured is None and self._max >= SHARED_FROM and any(self._counts[pair] >= free for pair in shared)

    def _is_network_full(self, claim: SlotClaim, free: int) -> bool:
        most = NETWORK_SHARE * free
        return self._max >= SHARED_FROM and any(self._counts[network] >= most for network in _wider(claim.source))


def _sites(source: SourceAddress) -> list[Network]:
    return [source.address] if source.site is None else [source.address, source.site]


def _wider(source: SourceAddress) -> tuple[Network, ...]:
    """The networks above an address, without those that are too wide to mean anything: /24 and /16, or /56 and /32."""
    return source.networks[2:-1] if source.site is None else source.networks[1:-1]


class Registered(Protocol):
    """A connection in the registry. `refused_by`: the limit that refuses it a session, None if it has one."""

    refused_by: SlotLimit | None

    def __hash__(self) -> int: ...

    @property
    def claim(self) -> SlotClaim:
        """What its session counts for."""
        ...
