"""The client's handshake: `hello` goes out, SERVER_HELLO comes in, in pieces of any size.

It never accepts another suite or mode than it asked for, and it opens nothing before the server has proved the key.
"""

from __future__ import annotations

from secftp.errors import AuthenticationError, ProtocolError
from secftp.handshake.wire import PROLOGUE, STATUS_AT, Established, Status, encode_name, not_secftp, refusal
from secftp.record import REFUSAL_BYTES, SERVER_HELLO_BYTES, ClientExchange, Mode, Password, Suite


class ClientHandshake:
    """One attempt. Send `hello`, then `receive` what comes until it returns `Established`."""

    def __init__(self, password: Password, suite: Suite, mode: Mode, name: str = "") -> None:
        self._exchange = ClientExchange(password, suite, mode, encode_name(name))
        self._mode = mode
        self._buffer = bytearray()
        self._over = False

    @property
    def hello(self) -> bytes:
        """CLIENT_HELLO, 125 bytes."""
        return self._exchange.hello

    def receive(self, data: bytes | memoryview) -> Established | None:
        """Take bytes of the server; None while more must come.

        Raises `HandshakeRefused` when the server says no, `AuthenticationError` when it did not prove the key, and
        `ProtocolError` when it speaks something else. After any of them the object is dead.
        """
        if self._over:
            raise ProtocolError("This handshake is over.")
        self._buffer += data
        try:
            established = self._advance()
        except BaseException:
            self._over = True
            raise
        self._over = established is not None
        return established

    def _advance(self) -> Established | None:
        buffer = self._buffer
        if not PROLOGUE.startswith(bytes(buffer[: len(PROLOGUE)])):
            self._refuse_prologue()
        if len(buffer) > STATUS_AT and buffer[STATUS_AT] != Status.OK:
            if len(buffer) < REFUSAL_BYTES:
                return None
            raise refusal(buffer[STATUS_AT])
        if len(buffer) < SERVER_HELLO_BYTES:
            return None
        if len(buffer) > SERVER_HELLO_BYTES:
            # Nothing may follow before CLIENT_FINISH: bytes of an attacker would be waiting in front of the session's.
            raise ProtocolError("The server sent more than the handshake has.")
        try:
            finish, sealer, opener = self._exchange.finish(bytes(buffer))
        except AuthenticationError:
            raise self._wrong_key() from None
        return Established(sealer, opener, finish, b"")

    def _refuse_prologue(self) -> None:
        if self._buffer[:6] == PROLOGUE[:6]:
            raise refusal(Status.VERSION)
        raise not_secftp()

    def _wrong_key(self) -> AuthenticationError:
        if self._mode is Mode.ANONYMOUS:
            return AuthenticationError("The handshake failed.", hint="Somebody may be changing what is sent.")
        return AuthenticationError(
            "The server did not prove this key: it is not the server's key.",
            hint="Check the key (and its name); if it is right, somebody may be changing what is sent.",
        )
