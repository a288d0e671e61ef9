"""Where a connection comes from: the networks that its address is in, from the widest to the one that it is counted by.

One attacker has many addresses more easily than many networks: a household has a /56 of IPv6 or a /64, a hosted server
a /64 and often a /48. What is shared is therefore shared by networks first, and by addresses last.
"""

from __future__ import annotations

import ipaddress
from typing import Final, NamedTuple, TypeAlias

# The version of IP, the length of the prefix in bits, and the prefix.
Network: TypeAlias = tuple[int, int, int]

_PREFIXES: Final = {4: (0, 8, 16, 24, 32), 6: (0, 32, 48, 56, 64)}
_SITE_BITS: Final = 48


class Source(NamedTuple):
    """An address as the networks that it is in, the widest first; two addresses of one IPv6 /64 are one source."""

    networks: tuple[Network, ...]

    @property
    def address(self) -> Network:
        """What is counted by: the IPv4 address, or the /64 of the IPv6 address."""
        return self.networks[-1]

    @property
    def site(self) -> Network | None:
        """The /48 of an IPv6 address, which one customer of a provider may have whole; None for IPv4."""
        return next((network for network in self.networks if network[:2] == (6, _SITE_BITS)), None)


def source_of(host: str) -> Source:
    """The source of an address as the system writes it, with or without a zone (`fe80::1%eth0`)."""
    address = ipaddress.ip_address(host.partition("%")[0])
    number, bits = int(address), address.max_prefixlen
    return Source(tuple((address.version, prefix, number >> (bits - prefix)) for prefix in _PREFIXES[address.version]))
