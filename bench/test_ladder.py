"""Ladder benchmark: each rung adds one cost for the same bytes; the rung without encryption bounds those above it.

1 the cipher, 2 sealing and opening, 3 a plain socket pair, 4 a channel over a socket pair, 5 whole transfers over TCP,
6 whole processes with the command line. From rung 3 on the remote end is a separate process.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.native import Cipher, Frames
from bench.pair import shake_hands
from bench.peers.directories import TMPFS, file_name, make_source
from bench.peers.process import run
from bench.peers.servers import secftp
from bench.remote_end import ChannelSender, PlainSender, remote_end
from secftp.crypto import BATCH_BYTES, PAYLOAD_MAX, Inbox, Mode, Outbox, Suite
from secftp.keys import read_key_file, write_key_file
from secftp.session import Session
from secftp.storage import create_local_sink, open_local_source
from secftp.transport import Credentials

TIMEOUT = 60.0
DATA = 3  # docs/PROTOCOL.md, "Messages"
LENGTH, WIRE_EXTRA = 4, 36  # bytes before the ciphertext of a frame; overhead of a frame over its payload
OPENED_MAX = 1 << 26

suites = pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.name.lower())
bits = pytest.mark.parametrize("bits", [128, 256], ids=lambda bits: f"aes{bits}")


def name(suite):
    return suite.name.lower()


# --- 1: the cipher ----------------------------------------------------------------------------------------------------


def batch_of_frames(size):
    """Return frames in wire layout, at most one batch, and how many of these make up `size`."""
    payload, batch = min(size, PAYLOAD_MAX), min(size, BATCH_BYTES)
    return Frames(batch // payload, payload, stride=payload + WIRE_EXTRA, first=LENGTH), size // batch


@bits
def test_libcrypto_cbc(measure, bits, size):
    frames, times = batch_of_frames(size)
    cbc = Cipher(f"AES-{bits}-CBC")
    measure("1 cipher", f"aes{bits}, libcrypto's own CBC", lambda: [frames.cbc(cbc) for _ in range(times)])


@bits
def test_lanes(measure, bits, size):
    frames, times = batch_of_frames(size)
    ecb, cbc = Cipher(f"AES-{bits}-ECB"), Cipher(f"AES-{bits}-CBC")
    measure("1 cipher", f"aes{bits}, in lanes", lambda: [frames.lanes(ecb, cbc) for _ in range(times)])


# --- 2: sealing and opening -------------------------------------------------------------------------------------------


def seal(outbox, size):
    outbox.fill(DATA, size)
    return outbox.seal()


@suites
def test_seal(measure, suite, size):
    outbox = Outbox(shake_hands(suite)[0].sealer)
    batch = min(size, BATCH_BYTES)
    measure("2 seal", name(suite), lambda: [seal(outbox, batch) for _ in range(size // batch)])


@suites
def test_open(measure, suite, size):
    if size > OPENED_MAX:
        pytest.skip(f"sealed frames are kept in memory before they are opened: at most {OPENED_MAX >> 20} MiB")
    client, server = shake_hands(suite)
    outbox = Outbox(client.sealer)
    inboxes = [Inbox(server.opener) for _ in range(size // min(size, BATCH_BYTES))]

    def fill():
        for inbox in inboxes:
            wire = seal(outbox, min(size, BATCH_BYTES))
            inbox.room()[: len(wire)] = wire
            inbox.received(len(wire))

    measure("2 open", name(suite), lambda: [inbox.frames() for inbox in inboxes], setup=fill)


# --- 3 and 4: a socket pair without crypto, and a channel over one ----------------------------------------------------


def test_plain_socket_pair(measure, size):
    with remote_end("plain") as local:
        sender = PlainSender(local)
        measure("3 socket pair", "no crypto", lambda: sender.move(size))


@suites
def test_channel(measure, suite, size):
    with remote_end("channel") as local:
        sender = ChannelSender(local, suite)
        measure("4 channel", name(suite), lambda: sender.move(size))


# --- 5 and 6: whole transfers -----------------------------------------------------------------------------------------


class Served:
    """A server process, its key, and a directory of files."""

    def __init__(self, server, root, own):
        self.root = root
        self.own = own
        self.key = server.key
        self.place = server.place
        self._files = {}

    def session(self, suite):
        host, _, port = self.place.rpartition(":")
        password = read_key_file(self.key).password()
        return Session.open(host, int(port), Credentials(password, suite, Mode.KEYED), timeout=TIMEOUT)

    def file(self, size):
        """Return a served file of random bytes in the page cache."""
        if size not in self._files:
            self._files[size] = make_source(self.root, size)
        return self._files[size]


@pytest.fixture(scope="module")
def served():
    with ExitStack() as stack:
        place = TMPFS if TMPFS.is_dir() else None
        directories = [
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secftp-bench-", dir=where))).resolve()
            for where in (place, None)
        ]
        root, own = directories
        key = own / "key"
        write_key_file(key)
        yield Served(stack.enter_context(secftp(root, key, own / "server.log")), root, own)


@suites
def test_write(measure, served, suite, size):
    source, target = str(served.file(size)), (b"written",)

    def write():
        with open_local_source(source) as opened:
            session.write(target, opened)

    with served.session(suite) as session:
        measure("5 whole transfer: write", name(suite), write)


@suites
def test_read(measure, served, suite, size):
    source, target = served.file(size), str(served.root / "read")

    def read():
        with create_local_sink(target) as sink:
            session.read((source.name.encode(),), sink)

    with served.session(suite) as session:
        measure("5 whole transfer: read", name(suite), read)


def command(served, verb, option, local, remote, suite):
    """Return a function that runs a secftp command to completion."""
    client = [
        sys.executable,
        "-P",
        "-m",
        "secftp.client",
        verb,
        "-q",
        option,
        str(local),
        remote,
        served.place,
        name(suite),
    ]
    return lambda: run([*client, "--key-file", str(served.key)], served.own / "client.log", limit_seconds=TIMEOUT)


@suites
def test_write_by_command(measure, served, suite, size):
    rung = "6 command line: write"
    measure(rung, name(suite), command(served, "write", "-i", served.file(size), "written", suite))


@suites
def test_read_by_command(measure, served, suite, size):
    rung, source = "6 command line: read", served.file(size)
    measure(rung, name(suite), command(served, "read", "-o", served.root / "read", file_name(size), suite))
    assert (served.root / "read").read_bytes() == source.read_bytes()
