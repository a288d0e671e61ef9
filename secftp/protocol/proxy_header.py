"""Header of the PROXY protocol, versions 1 and 2, in which a load balancer names the client. Sans-I/O.

    version 1  "PROXY" SP ("TCP4" | "TCP6") SP source SP destination SP source_port SP destination_port CR LF
               "PROXY" SP "UNKNOWN" [SP anything] CR LF
    version 2  signature(12) | 2(4 bits) command(4 bits) | family(4 bits) transport(4 bits) | length(2) | length bytes

It stands before the first byte of a connection. Connections of the proxy itself (LOCAL, for example health checks) and
those whose client has no IP address or does not use TCP (UNKNOWN, UNSPEC, UNIX, UDP) keep the address that they have.
What follows the addresses (TLVs) is skipped and not looked at.

Invariants: a header is bounded before it is complete. Bytes that begin otherwise are refused at the first of them.
Nothing that only resembles a header counts as one: no other case, white space, form of a number or line end.

Source: The PROXY protocol, versions 1 & 2 (haproxy.org, doc/proxy-protocol.txt), sections 2.1 and 2.2.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import ProtocolError

if TYPE_CHECKING:
    from typing import TypeAlias

    _Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# The longest header: what fits the smallest TCP segment that every host accepts (section 2).
MAX_PROXY_HEADER: Final = 536
_V1_PREFIX: Final = b"PROXY "
_V1_MAX: Final = 107  # bytes, with CR LF
_V1_END: Final = b"\r\n"
_V1_FAMILIES: Final[dict[bytes, type[_Address]]] = {b"TCP4": ipaddress.IPv4Address, b"TCP6": ipaddress.IPv6Address}
_V1_PORT: Final = re.compile(rb"0|[1-9][0-9]{0,4}")
_V1_ADDRESS: Final = re.compile(rb"[0-9A-Fa-f:.]{2,45}")
_PORT_MAX: Final = 65535

_V2_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED: Final = struct.Struct("!12sBBH")
_V2_LOCAL: Final = 0x20
_V2_PROXY: Final = 0x21
_V2_KINDS: Final = frozenset(family << 4 | transport for family in range(4) for transport in range(3))
# The kinds that are a client over TCP and IP: source and destination address, source and destination port.
_V2_ADDRESSES: Final = {0x11: struct.Struct("!4s4sHH"), 0x21: struct.Struct("!16s16sHH")}


class ProxyHeader(NamedTuple):
    """A complete header: its size in bytes, and the address and port of the client.

    `client` is None where the connection's own address counts. An IPv4 address that is mapped into IPv6 is given as an
    IPv4 address.
    """

    size: int
    client: tuple[str, int] | None


def parse_proxy_header(received: bytes) -> ProxyHeader | None:
    """Return the header at the beginning of these bytes; None while more of it has to arrive.

    Raises `ProtocolError` for anything that no header begins with. Of `MAX_PROXY_HEADER` bytes it never returns None.
    """
    if received.startswith(_V1_PREFIX):
        return _parse_v1(received)
    if received.startswith(_V2_SIGNATURE):
        return _parse_v2(received)
    if _V1_PREFIX.startswith(received) or _V2_SIGNATURE.startswith(received):
        return None
    raise ProtocolError("The PROXY header is missing.")


def _parse_v1(received: bytes) -> ProxyHeader | None:
    end = received.find(_V1_END, 0, _V1_MAX)
    if end < 0:
        if len(received) >= _V1_MAX:
            raise ProtocolError("The PROXY header is too long.")
        return None
    _, kind, *fields = received[:end].split(b" ")
    size = end + len(_V1_END)
    if kind == b"UNKNOWN":
        return ProxyHeader(size, None)
    family = _V1_FAMILIES.get(kind)
    if family is None or len(fields) != 4:  # noqa: PLR2004 - two addresses and two ports
        raise _malformed()
    source, _destination = (_address_of(family, text) for text in fields[:2])
    port, _port_of_destination = (_port_of(text) for text in fields[2:])
    return ProxyHeader(size, (_plain(source), port))


def _address_of(family: type[_Address], text: bytes) -> _Address:
    if not _V1_ADDRESS.fullmatch(text):  # it has no zone either, which ipaddress would accept
        raise _malformed()
    try:
        return family(text.decode("ascii"))
    except ValueError:
        raise _malformed() from None


def _port_of(text: bytes) -> int:
    if not _V1_PORT.fullmatch(text) or int(text) > _PORT_MAX:
        raise _malformed()
    return int(text)


def _parse_v2(received: bytes) -> ProxyHeader | None:
    if len(received) < _V2_FIXED.size:
        return None
    _, command, kind, length = _V2_FIXED.unpack_from(received)
    size = _V2_FIXED.size + length
    if command not in (_V2_LOCAL, _V2_PROXY):
        raise _malformed()
    if command == _V2_PROXY and kind not in _V2_KINDS:  # of a local connection the kind is ignored
        raise _malformed()
    if size > MAX_PROXY_HEADER:
        raise ProtocolError("The PROXY header is too long.")
    addresses = _V2_ADDRESSES.get(kind) if command == _V2_PROXY else None
    if addresses is not None and length < addresses.size:
        raise _malformed()
    if len(received) < size:
        return None
    if addresses is None:
        return ProxyHeader(size, None)
    source, _, port, _ = addresses.unpack_from(received, _V2_FIXED.size)
    return ProxyHeader(size, (_plain(ipaddress.ip_address(source)), port))


def _plain(address: _Address) -> str:
    """Return the address as the system would have given it: one of a client over IPv4 is an IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _malformed() -> ProtocolError:
    return ProtocolError("The PROXY header is malformed.")
