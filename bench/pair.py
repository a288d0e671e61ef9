"""Two ends of a session from a whole handshake in this process, and batches that the core alone seals and opens.

One C call a batch, and nothing of Python's between: what is timed here is the core.
"""

from __future__ import annotations

from secftp.handshake import ClientHandshake, Established, HelloReceived, ServerHandshake
from secftp.record import Mode, Opener, Password, Sealer, Suite, binding

_DATA = 3


def shake_hands(suite: Suite) -> tuple[Established, Established]:
    """A client's and a server's session with one another, without a key and without a socket."""
    password = Password.anonymous()
    client, server = ClientHandshake(password, suite, Mode.ANONYMOUS), ServerHandshake()
    assert isinstance(server.receive(client.hello), HelloReceived)
    at_client = client.receive(server.accept(password))
    assert isinstance(at_client, Established)
    at_server = server.receive(at_client.reply)
    assert isinstance(at_server, Established)
    return at_client, at_server


class Batch:
    """`count` frames of `payload` bytes each. Whatever is sealed is to be opened next, in the same order."""

    def __init__(self, suite: Suite, count: int, payload: int) -> None:
        client, server = shake_hands(suite)
        self._sealer: Sealer = client.sealer
        self._opener: Opener = server.opener
        self._bytes = count * binding.lib.secftp_wire_bytes(suite, payload)
        self._count = count
        self._buffer = bytearray(self._bytes)
        self._memory = binding.ffi.from_buffer("uint8_t[]", self._buffer)
        self._frames = binding.ffi.new("secftp_frame[]", count)
        self._opened = binding.ffi.new("secftp_opened[]", count)
        self._sizes = binding.ffi.new("size_t[2]")
        for frame in self._frames:
            frame.payload_bytes, frame.type = payload, _DATA

    def seal(self) -> None:
        """Derive, pad, encrypt and tag all of them."""
        binding.check(
            binding.lib.secftp_seal(
                self._sealer._pointer, self._memory, self._bytes, self._frames, self._count, self._sizes
            )
        )

    def open(self) -> None:
        """Verify, decrypt and check what `seal` has left."""
        sizes = self._sizes
        binding.check(
            binding.lib.secftp_open(
                self._opener._pointer, self._memory, self._bytes, self._opened, self._count, sizes, sizes + 1
            )
        )
        assert sizes[0] == self._count
