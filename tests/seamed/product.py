"""The product's Python code on the core built for tests, with controlled randomness.

`binding.lib` and `binding.ffi` are looked up at each call, so replacing them with those of the other extension is
enough. This tests the product from `ServerHandshake` down to csrc, byte for byte.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from secftp.crypto import Frame, Inbox, Mode, Opener, Password, Sealer, Suite, binding
from secftp.protocol.handshake import ClientHandshake, Established, HelloReceived, ServerHandshake
from tests.seamed import core
from tests.support.counts import COUNTS

if TYPE_CHECKING:
    from collections.abc import Iterator

EPOCH_BITS = 20
W = bytes(31) + b"\x05"
CLIENT_DRAWS = (bytes(range(16)), bytes(31) + b"\x07")  # client_iv, x
SERVER_DRAWS = (bytes(range(16, 32)), bytes(31) + b"\x0b", b"\xff" * 16)  # server_rand, y, nonce


class Sealed(NamedTuple):
    """A frame to be sealed."""

    type: int
    flags: int = 0
    payload: bytes = b""
    padding: int = 0


C2S = b"\1" * 32
STORY = [Sealed(3, 0, b"a block of bytes"), Sealed(3, 0, b""), Sealed(3, 0, b"zeros follow", 7), Sealed(4, 1, b"end")]


class Opened(NamedTuple):
    """A frame as the core hands it out, and how much of the stream the call took."""

    type: int
    flags: int
    payload: bytes
    padding: int
    consumed: int


class Seams:
    """The seamed core, and the product's objects on it."""

    def __init__(self) -> None:
        module = core()
        self.lib: Any = module.lib
        self.ffi: Any = module.ffi

    def draw(self, *values: bytes) -> None:
        """Let the core's next draws be these."""
        for value in values:
            self.lib.seam_random_push(value, len(value))

    def pair(self, suite: int, secret: bytes, start: int = 0) -> tuple[Sealer, Opener]:
        """Both ends of one direction, at one sequence number."""
        sealer, opener = self.ffi.new("secftp_sealer **"), self.ffi.new("secftp_opener **")
        binding.check(self.lib.seam_new_pair(suite, secret, sealer, opener))
        self.lib.seam_set_sequence(sealer[0], opener[0], start)
        return Sealer(sealer[0], suite), Opener(opener[0])

    def inbox(self, suite: int, secret: bytes) -> Inbox:
        """The receiving end of a direction that begins."""
        return Inbox(self.pair(suite, secret)[1], batch_frames=1)

    def seal(self, sealer: Sealer, frames: list[Sealed]) -> bytes:
        """Frames with padding, which `Outbox` never uses, in one call to the core."""
        sizes = [self.lib.secftp_wire_bytes(sealer.suite, len(frame.payload) + frame.padding) for frame in frames]
        assert all(sizes)
        wire = self.ffi.new("uint8_t[]", b"\xaa" * sum(sizes) + b"\xaa")
        descriptors = self.ffi.new("secftp_frame[]", len(frames))
        start = 0
        for descriptor, frame, size in zip(descriptors, frames, sizes, strict=True):
            self.ffi.memmove(wire + start + binding.lib.SECFTP_PAYLOAD_OFFSET, frame.payload, len(frame.payload))
            descriptor.payload_bytes, descriptor.padding_bytes = len(frame.payload), frame.padding
            descriptor.type, descriptor.flags = frame.type, frame.flags
            start += size
        written = self.ffi.new("size_t *")
        status = self.lib.secftp_seal(sealer._pointer, wire, start, descriptors, len(frames), written)
        binding.check(status)
        assert written[0] == start
        return bytes(self.ffi.buffer(wire, start))

    def story(self, suite: int, secret: bytes = C2S) -> list[bytes]:
        """The frames of STORY from number 0 on."""
        sealer, _ = self.pair(suite, secret)
        return [self.seal(sealer, [frame]) for frame in STORY]

    def open(self, opener: Opener, wire: bytes) -> tuple[int, list[Opened], bytes]:
        """One call to the core: its status, the frames it handed out, and what is in the buffer afterwards."""
        lib, ffi = self.lib, self.ffi
        limit = 512
        buffer, frames = ffi.new("uint8_t[]", wire + b"\0"), ffi.new("secftp_opened[]", limit)
        ffi.buffer(frames)[:] = b"\xaa" * ffi.sizeof(frames)
        count, consumed = ffi.new("size_t *"), ffi.new("size_t *")
        status = lib.secftp_open(opener._pointer, buffer, len(wire), frames, limit, count, consumed)
        whole = bytes(ffi.buffer(buffer, len(wire)))
        if status == lib.SECFTP_REFUSED:
            assert (count[0], consumed[0]) == (0, 0)
            assert not any(bytes(ffi.buffer(frames)))
        opened = [
            Opened(f.type, f.flags, whole[f.offset : f.offset + f.payload_bytes], f.padding_bytes, consumed[0])
            for f in frames[0 : count[0]]
        ]
        return status, opened, whole

    def client(self, password: Password, suite: int, mode: int, name: bytes = b"") -> ClientHandshake:
        """A client that draws CLIENT_DRAWS."""
        self.draw(*CLIENT_DRAWS)
        return ClientHandshake(password, Suite(suite), Mode(mode), name.decode())

    def accept(self, server: ServerHandshake, password: Password) -> bytes:
        """SERVER_HELLO of a server that draws SERVER_DRAWS; those that it leaves are taken back."""
        self.draw(*SERVER_DRAWS)
        try:
            return server.accept(password)
        finally:
            self.lib.seam_random_clear()

    def record(self, suite: int, c2s: list[Sealed], s2c: list[Sealed], mode: int = 1) -> Recording:
        """A whole session under W, as an eavesdropper would have it; the same bytes each time."""
        password = Password.from_secret(W) if mode else Password.anonymous()
        client = self.client(password, suite, mode)
        server = ServerHandshake()
        assert isinstance(server.receive(client.hello), HelloReceived)
        hello = self.accept(server, password)
        mine = client.receive(hello)
        assert mine is not None
        yours = server.receive(mine.reply)
        assert isinstance(yours, Established)
        frames = [self.seal(mine.sealer, [frame]) for frame in c2s], [self.seal(yours.sealer, [frame]) for frame in s2c]
        return Recording(suite, mode, password, client.hello, hello, mine.reply, *frames)


class Recording(NamedTuple):
    """What went over the wire, flight by flight and frame by frame."""

    suite: int
    mode: int
    password: Password
    client_hello: bytes
    server_hello: bytes
    client_finish: bytes
    c2s: list[bytes]
    s2c: list[bytes]


def flipped(data: bytes, at: int) -> bytes:
    """With the lowest bit of one byte changed."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def contents(frames: list[Frame]) -> list[tuple[int, int, bytes]]:
    """Type, flags and payload, copied out of the inbox."""
    return [(frame.type, frame.flags, bytes(frame.payload)) for frame in frames]


@pytest.fixture
def seams(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seams]:
    """The product on the tests' core. Fails a test that leaves draws behind, or whose objects outlive it."""
    made = Seams()
    alive = made.lib.seam_allocated()
    monkeypatch.setattr(binding, "lib", made.lib)
    monkeypatch.setattr(binding, "ffi", made.ffi)
    yield made
    undrawn = made.lib.seam_random_clear()
    made.lib.seam_fail_allocation(0)
    made.lib.seam_set_epoch_bits(EPOCH_BITS)
    if made.lib.seam_allocated() > alive:
        gc.collect()  # an exception's traceback holds its frames in a cycle
    assert undrawn == 0, "not drawn"
    assert made.lib.seam_allocated() <= alive, "objects of the core outlive the test"


@pytest.fixture
def tell(record_property, request):
    """Keep a count for the end of the run, where it is printed."""
    case = f" ({request.node.callspec.id})" if hasattr(request.node, "callspec") else ""
    return lambda what, count: record_property(COUNTS, f"[core] {count} {what}: all detected{case}")
