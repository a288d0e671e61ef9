"""The addresses under which others reach this machine."""

from __future__ import annotations

import ipaddress


def reachable_addresses(bound: list[str]) -> list[str]:
    """What a client can be told to connect to, for sockets bound to these addresses.

    A wildcard becomes every address of this machine of its family, without loopback and without IPv6's link-local ones
    (they need a zone that only the client knows); loopback stands only where there is nothing else.
    """
    found: list[str] = []
    for address in bound:
        ip = ipaddress.ip_address(address.partition("%")[0])
        found += _of_this_machine(ip.version, address) if ip.is_unspecified else [address]
    unique = list(dict.fromkeys(found))
    return unique or ["127.0.0.1" if any("." in address for address in bound) else "::1"]


def _of_this_machine(version: int, wildcard: str) -> list[str]:
    import psutil

    addresses = []
    try:
        interfaces = psutil.net_if_addrs()
    except OSError:
        return [wildcard]  # a sandbox may not look at the machine's interfaces; listening needs no such look
    for entries in interfaces.values():
        for entry in entries:
            try:
                ip = ipaddress.ip_address(entry.address.partition("%")[0])
            except ValueError:
                continue  # a hardware address
            if ip.version == version and not (ip.is_loopback or ip.is_link_local or ip.is_unspecified):
                addresses.append(str(ip))
    return addresses
