"""Fuzz targets for the decoders: each takes bytes, and raises if a guarantee is violated.

A target accepts only the exceptions that its decoder documents; an oracle, where there is one, is its own
implementation of docs/PROTOCOL.md. Returned names and texts are checked as `secftp.text.escape` would show them.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import tempfile

from secftp.crypto import Mode, Password, Suite
from secftp.errors import AuthenticationError, HandshakeRefused, KeyFormatError, NameRefused, ProtocolError, UsageError
from secftp.hosts.config import parse_config
from secftp.hosts.words import parse_remote
from secftp.keys import read_key_file
from secftp.keys.text import bare, normalise
from secftp.protocol import Direction, Receiver, RequestQueue, check_directory_path, check_path, decode, encode
from secftp.protocol.handshake import ClientHandshake, Established, HelloReceived, ServerHandshake, Unacceptable
from secftp.protocol.proxy_header import MAX_PROXY_HEADER, parse_proxy_header
from secftp.storage import names
from secftp.storage.upload_map import decode_map, encode_map
from secftp.text import escape
from secftp.transport import compression
from secftp.url import SCHEME, Url, format_url, is_remote, parse_endpoint, parse_url, split_remote
from tests.model import proxy as proxy_model
from tests.model import zstd
from tests.model.messages import Broken

W = bytes(31) + b"\x05"
PASSWORD = Password.from_secret(W)


def pieces(data: bytes, step: int) -> list[bytes]:
    """`data` cut into pieces whose lengths follow from `step`; 0: not at all."""
    if step == 0:
        return [data]
    found = []
    while data:
        size = 1 + step * (len(found) + 1) % 61
        found.append(data[:size])
        data = data[size:]
    return found


def hello(data: bytes) -> None:
    """The first byte cuts; the rest is what a client sends."""
    server = ServerHandshake()
    sent = data[1:]
    event = None
    taken = b""
    for piece in pieces(sent, data[0] if data else 0):
        taken += piece
        try:
            event = server.receive(piece)
        except ProtocolError:
            return
        if event is not None:
            break
    if isinstance(event, Unacceptable):
        assert len(server.refuse(event.status)) == 12
        return
    if event is None:
        assert b"SECFTP\1".startswith(taken[:7])
        assert len(taken) < 125
        return
    assert isinstance(event, HelloReceived)
    assert taken[:7] == b"SECFTP\1"
    assert taken[9:12] == bytes(3)
    assert (event.suite, event.mode, event.initialization_vector) == (taken[7], taken[8], taken[12:28])
    assert event.mode is Mode.KEYED or taken[28:60] == bytes(32)
    assert event.name is None or event.name.encode().ljust(32, b"\0") == taken[28:60]
    try:
        answer = server.accept(PASSWORD)
    except AuthenticationError:
        return
    assert answer[:8] == b"SECFTP\1\0"
    assert answer[8:10] == taken[7:9]
    try:
        server.receive(bytes(48))
    except AuthenticationError:
        return
    raise AssertionError("a finish of zeros was accepted")


def reply(data: bytes) -> None:
    """Suite, then how it is cut, then what a server sends: never a session, since x is new each time."""
    suite = Suite(data[0] % 3) if data else Suite.NONE
    client = ClientHandshake(PASSWORD, suite, Mode.KEYED)
    taken = 0
    for piece in pieces(data[2:], data[1] if len(data) > 1 else 0):
        taken += len(piece)
        try:
            event = client.receive(piece)
        except (HandshakeRefused, ProtocolError, AuthenticationError) as problem:
            assert str(problem).isprintable()
            return
        assert not isinstance(event, Established)
    assert taken < 141


def proxy(data: bytes) -> None:
    """What a load balancer sends: for the whole and for each beginning of it, what the model says."""
    for size in (*range(min(len(data), 20)), len(data) // 2, len(data)):
        received = data[:size]
        expected: proxy_model.Header | str
        try:
            expected = proxy_model.read(received)
        except proxy_model.Incomplete:
            expected = "incomplete"
            assert size < MAX_PROXY_HEADER
        except proxy_model.Broken:
            expected = "broken"
        try:
            header = parse_proxy_header(received)
        except ProtocolError as problem:
            assert str(problem).isprintable()
            assert expected == "broken", "a good header was refused"
            continue
        if header is None:
            assert expected == "incomplete"
            continue
        client = header.client and (ipaddress.ip_address(header.client[0]).packed, header.client[1])
        assert (header.size, client) == expected


def message(data: bytes) -> None:
    """Type, flags and direction, then the payload. What decodes must encode again, and mean the same."""
    if len(data) < 2:
        return
    direction = Direction.TO_SERVER if data[1] & 2 else Direction.TO_CLIENT
    try:
        found = decode(data[0], data[1] & 1, data[2:], direction)
    except ProtocolError as problem:
        assert str(problem).isascii()
        assert str(problem).isprintable()
        return
    again = encode(found)
    assert again[:2] == (data[0], data[1] & 1)
    assert decode(*again, direction) == found


def compressed(data: bytes) -> None:
    """Three bytes of a size, then a frame: what another library makes of it, or a refusal there, too."""
    clear_size, frame = int.from_bytes(data[:3]), data[3:]
    if not 1 <= clear_size <= min(2**20, 1024 * len(frame)):
        return  # the decoder of messages refuses it before
    try:
        expected = zstd.decompress(frame, clear_size)
    except Broken:
        expected = None
    try:
        found = compression.decompress(memoryview(frame), clear_size)
    except ProtocolError as problem:
        assert str(problem).isprintable()
        assert expected is None, "a good frame was refused"
    else:
        assert found == expected, "a bad frame was taken, or something else came of it"
    again = compression.Compressor(1 + clear_size % 3).compress(memoryview(data))
    assert compression.decompress(memoryview(again), len(data)) == data


def conversation(data: bytes) -> None:
    """Many frames of both directions, each (type, flags and direction, length, payload), as a third party sees them."""
    pending = RequestQueue()
    receivers = {direction: Receiver(direction, pending, 0.0) for direction in Direction}
    dead: set[Direction] = set()
    at = 0
    while at + 3 <= len(data):
        kind, bits, size = data[at : at + 3]
        payload = data[at + 3 : at + 3 + size]
        at += 3 + size
        direction = Direction.TO_SERVER if bits & 2 else Direction.TO_CLIENT
        try:
            found = decode(kind, bits & 1, payload, direction)
        except ProtocolError:
            continue
        try:
            receivers[direction].accept(found, at / 100)
        except ProtocolError:
            dead.add(direction)
        else:
            assert direction not in dead, "a direction that had failed went on"
        assert len(pending) <= pending.limit


def is_path(path: tuple[bytes, ...]) -> bool:
    """docs/PROTOCOL.md, read a second time."""
    if not 1 <= len(path) <= 64 or sum(len(name) + 1 for name in path) > 4096:
        return False
    return all(1 <= len(name) <= 255 and name not in (b".", b"..") and not set(name) & set(b"/\0") for name in path)


def path(data: bytes) -> None:
    """Components with a byte 0xff between them."""
    found = tuple(data.split(b"\xff")) if data else ()
    for check, expected in (
        (check_path, is_path(found)),
        (check_directory_path, found == () or is_path(found)),
        (names.check, is_path(found) and not any(name.startswith(b".secftp-") for name in found)),
    ):
        try:
            check(found)
        except NameRefused as problem:
            assert not expected, "a good path was refused"
            assert str(problem).isprintable()
        else:
            assert expected, "a bad path passed"


def url(data: bytes) -> None:
    text = os.fsdecode(data)
    for parse in (parse_url, parse_endpoint):
        try:
            found = parse(text)
        except (UsageError, NameRefused) as problem:
            # A key that landed in the wrong place must not be shown.
            assert len(text) < 9 or text not in str(problem)
            continue
        assert 1 <= found.port <= 65535
        assert found.host
        assert found.host.isprintable()
    try:
        found_url = parse_url(text)
    except (UsageError, NameRefused):
        return
    assert all(name not in (b"", b".", b"..") and not set(name) & set(b"/\0") for name in found_url.path)
    again = format_url(found_url)
    assert again.isascii() or not found_url.host.isascii()
    assert parse_url(again) == found_url._replace(pattern=None)  # wildcards are percent-encoded


BASE = Url("nas.example", 9000, "me", (b"backup",), trailing_slash=False)


def remote(data: bytes) -> None:
    """A word of a command line that names a file at a server, with a host of the user's file or without."""
    text = data.decode("utf-8", "surrogateescape")
    for find in ({}.get, {"nas": BASE}.get):
        try:
            found = parse_remote(text, find)
        except (UsageError, NameRefused) as problem:
            assert len(text) <= len(SCHEME) or text not in str(problem)
            continue
        assert is_remote(text)
        assert found.host.isprintable()
        assert 1 <= found.port <= 65535
        assert all(name not in (b"", b".", b"..") and not set(name) & set(b"/\0") for name in found.path)
        assert found.trailing_slash or found.path


def hosts(data: bytes) -> None:
    """A file of hosts with these bytes: entries that a command line can have, or a sentence."""
    try:
        config = parse_config(data, "/home/me/config.toml")
    except UsageError as problem:
        assert f"{problem} {problem.hint}".isprintable()
        return
    for name, host in config.hosts.items():
        assert split_remote(f"{name}:x") == (name, "x")
        assert all(isinstance(value, str) for value in host.options.values())
        assert host.key is None or [host.key.file, host.key.command, host.key.keyring].count(None) == 2


_DIRECTORY = tempfile.TemporaryDirectory(prefix="secftp-fuzz-")


def keyfile(data: bytes) -> None:
    """A file with these bytes: a key, or a sentence that holds nothing of them."""
    name = os.path.join(_DIRECTORY.name, "key")
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, data)
    os.close(descriptor)
    try:
        key = read_key_file(name)
    except KeyFormatError as problem:
        text = data.decode("utf-8", "replace").strip()
        assert len(text) < 8 or text not in f"{problem} {problem.hint}"
        assert problem.__cause__ is None or not isinstance(problem.__cause__, UnicodeError)
        return
    assert repr(key) in ("<secftp.Key>", "<secftp.Key generated>")
    assert data.strip()


def part_map(data: bytes) -> None:
    """The first byte is the inode number, and its highest bit says whether the checksum is made good."""
    inode, text = (data[0] & 0x7F, data[1:]) if data else (0, b"")
    if data and data[0] & 0x80:
        text += hashlib.blake2b(text, digest_size=16).digest()
    found = decode_map(text, inode)
    if found is None:
        return
    assert encode_map(found, inode) == text
    before = -1
    for at, end in found.ranges:
        assert before < at < end <= found.total <= 2**63 - 1
        before = end


def keytext(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        inner = bare(text)
        found = normalise(inner)
    except KeyFormatError as problem:
        assert len(text) < 8 or text not in f"{problem} {problem.hint}"
        return
    assert inner.strip()
    assert text in (mark + inner + end for mark in ("", "\ufeff") for end in ("", "\n", "\r\n", "\r"))
    assert normalise(found) == found
    found.encode()


def shown(data: bytes) -> None:
    """The one escape: printable, and no two byte strings alike (undone here, it is the same again)."""
    text = escape(data)
    assert text.isprintable()
    undone = text.encode("utf-8").decode("unicode_escape" if text.isascii() else "utf-8")
    if text.isascii():
        # \xNN stands for a byte that is no UTF-8, or for a control character: both are that one byte here.
        assert undone.encode("utf-8", "surrogateescape").decode("utf-8", "replace") is not None
    assert escape(text) == text or "\\" in text
