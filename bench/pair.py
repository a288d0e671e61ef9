"""Both ends of a session in one process, and batches that only the core seals and opens.

One C call per batch, so that the core is timed without Python code.
"""

from __future__ import annotations

from secftp.crypto import Mode, Opener, Password, Sealer, Suite, binding
from secftp.protocol.handshake import ClientHandshake, Established, HelloReceived, ServerHandshake

_DATA = 3


def shake_hands(suite: Suite) -> tuple[Established, Established]:
    """Perform an anonymous handshake in memory; return the client's and the server's session."""
    password = Password.anonymous()
    client, server = ClientHandshake(password, suite, Mode.ANONYMOUS), ServerHandshake()
    assert isinstance(server.receive(client.hello), HelloReceived)
    at_client = client.receive(server.accept(password))
    assert isinstance(at_client, Established)
    at_server = server.receive(at_client.reply)
    assert isinstance(at_server, Established)
    return at_client, at_server


class Batch:
    """`count` frames of `payload` bytes each. What was sealed has to be opened next, in the same order."""

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
        """Derive keys, pad, encrypt and authenticate all frames."""
        binding.check(
            binding.lib.secftp_seal(
                self._sealer._pointer, self._memory, self._bytes, self._frames, self._count, self._sizes
            )
        )

    def open(self) -> None:
        """Verify, decrypt and check the sealed frames."""
        sizes = self._sizes
        binding.check(
            binding.lib.secftp_open(
                self._opener._pointer, self._memory, self._bytes, self._opened, self._count, sizes, sizes + 1
            )
        )
        assert sizes[0] == self._count
