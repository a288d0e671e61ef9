"""The proxies whose word about a client's address is taken: networks that the operator lists (`--proxy-from`).

A connection from one of them has to begin with a PROXY header (`secftp.protocol.proxy_header`). For all others such a
header is no part of the protocol, so no client chooses the address that limits and log see.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    ProxyNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def parse_network(text: str) -> ProxyNetwork:
    """Return the network that a text names: `10.0.0.0/24`, or one address. Raises `ValueError`.

    IPv4 addresses that are mapped into IPv6 are IPv4 addresses, as those of accepted connections are.
    """
    if "%" in text:
        raise ValueError("a network has no zone")
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        below = int(network.network_address) - int(_MAPPED.network_address)
        return ipaddress.IPv4Network((below, network.prefixlen - _MAPPED.prefixlen))
    return network


class Proxies:
    """The listed networks."""

    def __init__(self, networks: Iterable[ProxyNetwork] = ()) -> None:
        self._networks = tuple(networks)

    def has(self, host: str) -> bool:
        """Return whether an address is listed, as the system writes it, with or without a zone (`fe80::1%eth0`)."""
        if not self._networks:
            return False
        address = ipaddress.ip_address(host.partition("%")[0])
        return any(address in network for network in self._networks)
