"""The server's handshake: CLIENT_HELLO comes in, the caller decides, CLIENT_FINISH comes in.

The server proves itself first, so a guess is spent when the challenge is sent (`accept`), not when it is answered.
"""

from __future__ import annotations

from typing import NamedTuple

from secftp.errors import AuthenticationError, ProtocolError
from secftp.handshake.wire import (
    CLIENT_IV,
    MAGIC,
    MODE_AT,
    NAME,
    PROLOGUE,
    RESERVED,
    SUITE_AT,
    Established,
    Status,
    decode_name,
    not_secftp,
)
from secftp.record import (
    CLIENT_FINISH_BYTES,
    CLIENT_HELLO_BYTES,
    REFUSAL_BYTES,
    Mode,
    Password,
    ServerExchange,
    Suite,
)


class HelloReceived(NamedTuple):
    """What a client asks for. Nothing of it is authenticated yet. `name` is None when it is malformed."""

    suite: Suite
    mode: Mode
    name: str | None
    initialization_vector: bytes


class Unacceptable(NamedTuple):
    """A hello that this server can't serve, whoever sent it: `refuse` with the status, and close."""

    status: Status


class ServerHandshake:
    """One attempt. `receive` until it tells what is asked; `accept` or `refuse`; `receive` until `Established`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._hello: bytes | None = None
        self._exchange: ServerExchange | None = None
        self._over = False

    def receive(self, data: bytes | memoryview) -> HelloReceived | Unacceptable | Established | None:
        """Take bytes of the client; None while more must come.

        Raises `ProtocolError` for what is no hello, and `AuthenticationError` for a finish that does not verify; then
        the object is dead. Bytes between the hello and `accept` are kept back, not looked at.
        """
        if self._over:
            raise ProtocolError("This handshake is over.")
        self._buffer += data
        try:
            if self._hello is None:
                return self._receive_hello()
            if self._exchange is None:
                return None
            return self._receive_finish(self._exchange)
        except BaseException:
            self._over = True
            raise

    def accept(self, password: Password) -> bytes:
        """SERVER_HELLO under this password, 141 bytes; `AuthenticationError` when the client's share is no point."""
        if self._hello is None or self._exchange is not None or self._over:
            raise ProtocolError("There is no hello to accept.")
        try:
            self._exchange = ServerExchange(password, self._hello)
        except BaseException:
            self._over = True
            raise
        return self._exchange.hello

    def refuse(self, status: Status) -> bytes:
        """The 12 bytes that tell a client in clear why it is sent away."""
        self._over = True
        suite, mode = (self._hello[SUITE_AT], self._hello[MODE_AT]) if self._hello is not None else (0, 0)
        return (PROLOGUE + bytes([status, suite, mode])).ljust(REFUSAL_BYTES, b"\0")

    def _receive_hello(self) -> HelloReceived | Unacceptable | None:
        buffer = bytes(self._buffer[:CLIENT_HELLO_BYTES])
        if not PROLOGUE.startswith(buffer[: len(PROLOGUE)]):
            if buffer.startswith(MAGIC):
                return Unacceptable(Status.VERSION)
            raise not_secftp()
        if len(buffer) < CLIENT_HELLO_BYTES:
            return None
        if any(buffer[RESERVED]):
            raise ProtocolError("A reserved byte of the hello is not zero.")
        self._hello = buffer
        del self._buffer[:CLIENT_HELLO_BYTES]
        if buffer[SUITE_AT] not in tuple(Suite):
            return Unacceptable(Status.SUITE)
        if buffer[MODE_AT] not in tuple(Mode):
            return Unacceptable(Status.MODE)
        mode = Mode(buffer[MODE_AT])
        if mode is Mode.ANONYMOUS and any(buffer[NAME]):
            raise ProtocolError("An anonymous hello bears a name.")
        return HelloReceived(Suite(buffer[SUITE_AT]), mode, decode_name(buffer[NAME]), buffer[CLIENT_IV])

    def _receive_finish(self, exchange: ServerExchange) -> Established | None:
        if len(self._buffer) < CLIENT_FINISH_BYTES:
            return None
        self._over = True
        try:
            sealer, opener = exchange.finish(bytes(self._buffer[:CLIENT_FINISH_BYTES]))
        except AuthenticationError:
            raise AuthenticationError("The client did not prove the key.") from None
        return Established(sealer, opener, b"", bytes(self._buffer[CLIENT_FINISH_BYTES:]))
