"""PROXY headers, versions 1 and 2: each form, each rule broken, each beginning; and what the model makes of them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secftp.errors import ProtocolError
from secftp.protocol.proxy_header import MAX_PROXY_HEADER, parse_proxy_header
from tests.model import proxy as model

QUICK = settings(max_examples=300, deadline=None, derandomize=True)
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
V4 = bytes([192, 0, 2, 7, 10, 0, 0, 1]) + (40000).to_bytes(2) + (8888).to_bytes(2)
SIX = ipaddress.IPv6Address("2001:db8::7").packed + ipaddress.IPv6Address("2001:db8::1").packed
V6 = SIX + (40000).to_bytes(2) + (8888).to_bytes(2)
MAPPED = ipaddress.IPv6Address("::ffff:192.0.2.7").packed * 2 + (1).to_bytes(2) + (65535).to_bytes(2)
TLVS = b"\x04\0\3abc" + b"\x05\0\x10" + bytes(16) + b"\x03\0\4" + b"\xde\xad\xbe\xef"


def binary(command, kind, content=b"", length=None):
    """A header of version 2."""
    return SIGNATURE + bytes([command, kind]) + (len(content) if length is None else length).to_bytes(2) + content


def v1(*words):
    return " ".join(words).encode("latin-1") + b"\r\n"


CLIENT, CLIENT6 = ("192.0.2.7", 40000), ("2001:db8::7", 40000)
GOOD = [
    (v1("PROXY", "TCP4", "192.0.2.7", "10.0.0.1", "40000", "8888"), CLIENT),
    (v1("PROXY", "TCP4", "255.255.255.255", "255.255.255.255", "65535", "65535"), ("255.255.255.255", 65535)),
    (v1("PROXY", "TCP4", "0.0.0.0", "0.0.0.0", "0", "0"), ("0.0.0.0", 0)),
    (v1("PROXY", "TCP6", "2001:db8::7", "2001:db8::1", "40000", "8888"), CLIENT6),
    (v1("PROXY", "TCP6", "2001:0DB8:0000:0000:0000:0000:0000:0007", "::", "40000", "1"), CLIENT6),
    (v1("PROXY", "TCP6", "::ffff:192.0.2.7", "::ffff:10.0.0.1", "40000", "8888"), CLIENT),
    (v1("PROXY", "TCP6", "::ffff:c000:207", "::1", "40000", "8888"), CLIENT),
    (v1("PROXY", "TCP6", *["ffff:" * 7 + "ffff"] * 2, "65535", "65535"), ("ffff:" * 7 + "ffff", 65535)),
    (b"PROXY UNKNOWN\r\n", None),
    (v1("PROXY", "UNKNOWN", *["ffff:" * 7 + "ffff"] * 2, "65535", "65535"), None),
    (b"PROXY UNKNOWN \xff\0\n\r whatever\r\n", None),
    (binary(0x21, 0x11, V4), CLIENT),
    (binary(0x21, 0x21, V6), CLIENT6),
    (binary(0x21, 0x21, MAPPED), ("192.0.2.7", 1)),
    (binary(0x21, 0x11, V4 + TLVS), CLIENT),
    (binary(0x21, 0x21, V6 + TLVS), CLIENT6),
    (binary(0x21, 0x11, V4 + b"\xff no TLV at all"), CLIENT),
    (binary(0x21, 0x11, V4 + bytes(MAX_PROXY_HEADER - 28)), CLIENT),
    (binary(0x20, 0x00), None),
    (binary(0x20, 0x11, V4), None),
    (binary(0x20, 0x21, V6 + TLVS), None),
    (binary(0x20, 0xFF, b"ignored"), None),
    (binary(0x20, 0x00, bytes(MAX_PROXY_HEADER - 16)), None),
    (binary(0x21, 0x00), None),
    (binary(0x21, 0x00, TLVS), None),
    (binary(0x21, 0x01, V4), None),
    (binary(0x21, 0x10, V4), None),
    (binary(0x21, 0x12, V4), None),
    (binary(0x21, 0x22, V6), None),
    (binary(0x21, 0x31, bytes(216)), None),
    (binary(0x21, 0x32, bytes(216)), None),
]
BAD = [
    b"proxy TCP4 192.0.2.7 10.0.0.1 1 2\r\n",
    b"PROXY\tTCP4 192.0.2.7 10.0.0.1 1 2\r\n",
    b" PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n",
    b"PROXY  TCP4 192.0.2.7 10.0.0.1 1 2\r\n",
    b"PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2 \r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n",
    b"PROXY TCP4\r\n",
    b"PROXY \r\n",
    b"PROXY tcp4 192.0.2.7 10.0.0.1 1 2\r\n",
    b"PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n",
    b"PROXY UNKNOWNS\r\n",
    b"PROXY TCP4 192.0.2.07 10.0.0.1 1 2\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.01 1 2\r\n",
    b"PROXY TCP4 192.0.2 10.0.0.1 1 2\r\n",
    b"PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n",
    b"PROXY TCP4 192.0.2.7 host 1 2\r\n",
    b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
    b"PROXY TCP4 ::ffff:192.0.2.7 10.0.0.1 1 2\r\n",
    b"PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n",
    b"PROXY TCP6 2001:db8::7 10.0.0.1 1 2\r\n",
    b"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n",
    b"PROXY TCP6 1::2::3 ::1 1 2\r\n",
    b"PROXY TCP6 12345::1 ::1 1 2\r\n",
    b"PROXY TCP6 [::1] ::1 1 2\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 1 02\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 -1 2\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 +1 2\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 1_0 2\r\n",
    "PROXY TCP4 192.0.2.7 10.0.0.1 ٣ 2\r\n".encode(),
    "PROXY TCP4 ١٩٢.0.2.7 10.0.0.1 1 2\r\n".encode(),
    b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n" + bytes(107),
    b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r" + bytes(107),
    b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    b"PROXY UNKNOWN " + b"x" * 600,
    b"SECFTP\1" + bytes(118),
    b"GET / HTTP/1.1\r\n\r\n",
    b"\r\n\r\n\0\r\nQUIT\r\n" + bytes(4),
    binary(0x11, 0x11, V4),
    binary(0x31, 0x11, V4),
    binary(0x22, 0x11, V4),
    binary(0x2F, 0x11, V4),
    binary(0x01, 0x11, V4),
    binary(0x21, 0x13, V4),
    binary(0x21, 0x41, V4),
    binary(0x21, 0xFF, V4),
    binary(0x21, 0x11, V4[:-1]),
    binary(0x21, 0x11),
    binary(0x21, 0x21, V6[:-1]),
    binary(0x21, 0x21, V4),
    binary(0x21, 0x11, V4, MAX_PROXY_HEADER - 15),
    binary(0x20, 0x00, b"", 0xFFFF),
]


@pytest.mark.parametrize(("header", "client"), GOOD, ids=lambda value: repr(value)[:60])
def test_a_header_names_the_client_whatever_follows_it(header, client):
    for rest in (b"", b"SECFTP\1", header):
        assert parse_proxy_header(header + rest) == (len(header), client)


@pytest.mark.parametrize("header", [header for header, _ in GOOD], ids=lambda value: repr(value)[:60])
def test_a_header_is_complete_with_its_last_byte(header):
    assert [parse_proxy_header(header[:size]) for size in range(len(header))] == [None] * len(header)


@pytest.mark.parametrize("header", BAD, ids=lambda value: repr(value)[:60])
def test_what_only_resembles_a_header_is_refused(header):
    with pytest.raises(ProtocolError, match=r"^The PROXY header is (missing|malformed|too long)\.$"):
        parse_proxy_header(header)


@pytest.mark.parametrize(("received", "text"), [(b"S", "missing"), (b"PROX ", "missing"), (b"\r\n\n", "missing")])
def test_other_bytes_are_refused_at_the_first_of_them(received, text):
    with pytest.raises(ProtocolError, match=text):
        parse_proxy_header(received)


def test_a_long_header_is_refused_when_its_length_is_known():
    with pytest.raises(ProtocolError, match="too long"):
        parse_proxy_header(binary(0x20, 0, b"", 0xFFFF)[:16])
    with pytest.raises(ProtocolError, match="too long"):
        parse_proxy_header((b"PROXY UNKNOWN " + b"x" * 600)[:107])


def verdict(data):
    """What the model says of these bytes, and that this is what the parser says."""
    try:
        expected = model.read(data)
    except model.Incomplete:
        expected = None
    except model.Broken:
        expected = "refused"
    try:
        found = parse_proxy_header(data)
    except ProtocolError:
        found = "refused"
    if isinstance(found, tuple) and found.client is not None:
        found = found._replace(client=(ipaddress.ip_address(found.client[0]).packed, found.client[1]))
    assert found == expected
    return found


@pytest.mark.parametrize("header", [*(header for header, _ in GOOD), *BAD], ids=lambda value: repr(value)[:60])
def test_the_model_says_the_same_of_each_beginning(header):
    for size in range(min(len(header), 140) + 1):
        verdict(header[:size])
    verdict(header)


ADDRESS = st.ip_addresses().map(str) | st.from_regex(r"[0-9a-f:.]{1,20}", fullmatch=True)
PORT = st.integers(0, 70000).map(str) | st.from_regex(r"0?[0-9]{1,5}", fullmatch=True)
LINES = st.tuples(
    st.just("PROXY"), st.sampled_from(["TCP4", "TCP6", "UNKNOWN", "tcp4"]), ADDRESS, ADDRESS, PORT, PORT
).map(lambda words: v1(*words))
BLOCKS = st.builds(
    binary,
    st.sampled_from([0x20, 0x21, 0x21, 0x22, 0x11]),
    st.sampled_from([0, 0x11, 0x21, 0x31, 0x12, 0x41]) | st.integers(0, 255),
    st.binary(max_size=60),
    st.none() | st.integers(0, 600),
)


@QUICK
@given(LINES | BLOCKS | st.binary(max_size=40), st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_the_model_says_the_same_of_anything(header, rest, at, value):
    verdict(header + rest)
    if header:
        changed = bytearray(header)
        changed[at % len(header)] = value
        verdict(bytes(changed) + rest)
