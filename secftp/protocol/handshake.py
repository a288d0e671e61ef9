"""Handshake of secftp/1, sans-I/O, for both sides: bytes in, events out.

    CLIENT_HELLO  125 = "SECFTP" 01 | suite(1) | mode(1) | 00 00 00 | client_iv(16) | name(32) | pA(65)
    SERVER_HELLO  141 = "SECFTP" 01 | status(1) | suite(1) | mode(1) | 00 00 | server_rand(16) | pB(65) | chal(16) | cB(32)
    CLIENT_FINISH  48 = resp(16) | cA(32)

The client sends `ClientHandshake.hello`. The server receives it, and its caller decides about it: `accept` or `refuse`.
The server proves itself first, so a guess at the key is spent when the challenge is sent, not when it is answered.

Invariant: only a verified handshake returns `Established`, which is the only way to objects that can seal and open
frames. A side that has failed stays failed. The client accepts no other suite or mode than it asked for.

Nothing here touches a socket, a file, a thread or a clock. Source: docs/PROTOCOL.md, section 5.
"""  # noqa: E501

from __future__ import annotations

import abc
import enum
from typing import Final, Generic, NamedTuple, TypeVar

from secftp.crypto import (
    CLIENT_FINISH_BYTES,
    CLIENT_HELLO_BYTES,
    NAME_BYTES,
    REFUSAL_BYTES,
    SERVER_HELLO_BYTES,
    ClientExchange,
    Inbox,
    Mode,
    Opener,
    Outbox,
    Password,
    Sealer,
    ServerExchange,
    Suite,
)
from secftp.errors import AuthenticationError, HandshakeRefused, ProtocolError, ServerBusy, UsageError

_MAGIC: Final = b"SECFTP"
_PROLOGUE: Final = _MAGIC + bytes([1])
_SUITE_AT: Final = 7
_MODE_AT: Final = 8
_RESERVED: Final = slice(9, 12)
_CLIENT_IV: Final = slice(12, 28)
_NAME: Final = slice(28, 60)
_STATUS_AT: Final = 7


class Status(enum.IntEnum):
    """Why a server refuses a client. Sent in clear and unauthenticated: a hint, shown as one of the texts below."""

    OK = 0
    VERSION = 1
    SUITE = 2
    MODE = 3
    BUSY = 4


_REFUSALS: Final = {
    Status.VERSION: (
        "The server speaks another version of the protocol.",
        "Use the same release of secftp on both sides.",
    ),
    Status.SUITE: ("The server does not allow this cipher.", "Try aes256, or ask which ciphers it allows."),
    Status.MODE: (
        "The server requires a key.",
        "Give it with --key-file FILE, in SECFTP_KEY, or as the last argument of read and write.",
    ),
    Status.BUSY: ("The server has too many clients.", "Try again later."),
}


class Established(NamedTuple):
    """The result of a verified handshake: the only way to objects that can seal and open frames.

    `reply` is still to be sent (CLIENT_FINISH; empty for the server), `rest` is what arrived after the handshake.
    """

    sealer: Sealer
    opener: Opener
    reply: bytes
    rest: bytes

    def boxes(self) -> tuple[Outbox, Inbox]:
        """Return an outbox and an inbox for the two directions, with `rest` already received."""
        inbox = Inbox(self.opener)
        inbox.room()[: len(self.rest)] = self.rest
        inbox.received(len(self.rest))
        return Outbox(self.sealer), inbox


class HelloReceived(NamedTuple):
    """What a client asks for, none of it authenticated yet. `name` is None if it is malformed."""

    suite: Suite
    mode: Mode
    name: str | None
    initialization_vector: bytes


class Unacceptable(NamedTuple):
    """A hello that this server can't serve, independent of its key: `refuse` with the status, and close."""

    status: Status


_Event = TypeVar("_Event")


class _Handshake(abc.ABC, Generic[_Event]):
    """One attempt of either side."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._over = False

    def receive(self, data: bytes | memoryview) -> _Event | None:
        """Take bytes of the peer, in pieces of any size, and return what they amount to; None while more must arrive.

        Whatever is raised is final: afterwards each call raises `ProtocolError`, as it does after `Established`.
        """
        if self._over:
            raise ProtocolError("The handshake is over.")
        self._buffer += data
        try:
            event = self._advance()
        except BaseException:
            self._over = True
            raise
        self._over = isinstance(event, Established)
        return event

    @abc.abstractmethod
    def _advance(self) -> _Event | None:
        """Examine the buffer."""


class ClientHandshake(_Handshake[Established]):
    """The client's side: send `hello`, then `receive` what arrives until it returns `Established`.

    `receive` raises `HandshakeRefused` if the server refuses, `AuthenticationError` if it does not prove the key, and
    `ProtocolError` if it speaks something else.
    """

    def __init__(self, password: Password, suite: Suite, mode: Mode, name: str = "") -> None:
        super().__init__()
        self._exchange = ClientExchange(password, suite, mode, encode_name(name))
        self._mode = mode

    @property
    def hello(self) -> bytes:
        """CLIENT_HELLO, 125 bytes."""
        return self._exchange.hello

    def _advance(self) -> Established | None:
        buffer = self._buffer
        if not _PROLOGUE.startswith(bytes(buffer[: len(_PROLOGUE)])):
            self._refuse_prologue()
        if len(buffer) > _STATUS_AT and buffer[_STATUS_AT] != Status.OK:
            if len(buffer) < REFUSAL_BYTES:
                return None
            raise _refusal(buffer[_STATUS_AT])
        if len(buffer) < SERVER_HELLO_BYTES:
            return None
        if len(buffer) > SERVER_HELLO_BYTES:
            # Nothing may follow before CLIENT_FINISH: an attacker's bytes would precede those of the session.
            raise ProtocolError("The server sent more than the handshake messages.")
        try:
            finish, sealer, opener = self._exchange.finish(bytes(buffer))
        except AuthenticationError:
            raise self._wrong_key() from None
        return Established(sealer, opener, finish, b"")

    def _refuse_prologue(self) -> None:
        if self._buffer[: len(_MAGIC)] == _MAGIC:
            raise _refusal(Status.VERSION)
        raise _not_secftp()

    def _wrong_key(self) -> AuthenticationError:
        if self._mode is Mode.ANONYMOUS:
            return AuthenticationError("The handshake failed.", hint="The data may have been modified in transit.")
        return AuthenticationError(
            "The server did not prove this key: it is not the server's key.",
            hint="Check the key (and its name); if it is right, the data may have been modified in transit.",
        )


class ServerHandshake(_Handshake[HelloReceived | Unacceptable | Established]):
    """The server's side: `receive` until it returns a hello, `accept` or `refuse`, `receive` until `Established`.

    `receive` raises `ProtocolError` for what is no hello, and `AuthenticationError` for a finish that does not verify.
    It keeps bytes that arrive between the hello and `accept`, and does not examine them before.
    """

    def __init__(self) -> None:
        super().__init__()
        self._hello: bytes | None = None
        self._exchange: ServerExchange | None = None

    def accept(self, password: Password) -> bytes:
        """Return SERVER_HELLO under this password, 141 bytes.

        Raises `AuthenticationError` if the client's share is not a point of the curve, and `ProtocolError` if there is
        no hello to accept.
        """
        if self._hello is None or self._exchange is not None or self._over:
            raise ProtocolError("There is no hello to accept.")
        try:
            self._exchange = ServerExchange(password, self._hello)
        except BaseException:
            self._over = True
            raise
        return self._exchange.hello

    def refuse(self, status: Status) -> bytes:
        """Return the 12 bytes in clear that tell a client why it is refused, and end the handshake."""
        self._over = True
        suite, mode = (self._hello[_SUITE_AT], self._hello[_MODE_AT]) if self._hello is not None else (0, 0)
        return (_PROLOGUE + bytes([status, suite, mode])).ljust(REFUSAL_BYTES, b"\0")

    def _advance(self) -> HelloReceived | Unacceptable | Established | None:
        if self._hello is None:
            return self._receive_hello()
        return None if self._exchange is None else self._receive_finish(self._exchange)

    def _receive_hello(self) -> HelloReceived | Unacceptable | None:
        buffer = bytes(self._buffer[:CLIENT_HELLO_BYTES])
        if not _PROLOGUE.startswith(buffer[: len(_PROLOGUE)]):
            if buffer.startswith(_MAGIC):
                return Unacceptable(Status.VERSION)
            raise _not_secftp()
        if len(buffer) < CLIENT_HELLO_BYTES:
            return None
        if any(buffer[_RESERVED]):
            raise ProtocolError("A reserved byte of the hello is not zero.")
        self._hello = buffer
        del self._buffer[:CLIENT_HELLO_BYTES]
        if buffer[_SUITE_AT] not in tuple(Suite):
            return Unacceptable(Status.SUITE)
        if buffer[_MODE_AT] not in tuple(Mode):
            return Unacceptable(Status.MODE)
        mode = Mode(buffer[_MODE_AT])
        if mode is Mode.ANONYMOUS and any(buffer[_NAME]):
            raise ProtocolError("An anonymous hello has a name.")
        return HelloReceived(Suite(buffer[_SUITE_AT]), mode, _decode_name(buffer[_NAME]), buffer[_CLIENT_IV])

    def _receive_finish(self, exchange: ServerExchange) -> Established | None:
        if len(self._buffer) < CLIENT_FINISH_BYTES:
            return None
        try:
            sealer, opener = exchange.finish(bytes(self._buffer[:CLIENT_FINISH_BYTES]))
        except AuthenticationError:
            raise AuthenticationError("The client did not prove the key.") from None
        return Established(sealer, opener, b"", bytes(self._buffer[CLIENT_FINISH_BYTES:]))


def _refusal(status: int) -> HandshakeRefused:
    """Return the exception for a status byte, known or not."""
    try:
        message, hint = _REFUSALS[Status(status)]
    except (ValueError, KeyError):
        message, hint = "The server refused the handshake, for a reason unknown to this release.", "Update secftp."
    kind = ServerBusy if status == Status.BUSY else HandshakeRefused
    refusal = kind(message, hint=hint)
    refusal.status = status
    return refusal


def _not_secftp() -> ProtocolError:
    return ProtocolError("The peer does not speak secftp.", hint="Check the host and the port.")


def encode_name(name: str) -> bytes:
    """Return the name of a key as CLIENT_HELLO carries it: UTF-8, zero-filled to 32 bytes.

    Raises `UsageError` if it is longer or has a NUL byte.
    """
    raw = name.encode("utf-8", "surrogateescape")
    if len(raw) > NAME_BYTES or b"\0" in raw:
        raise UsageError(f"A key's name has {NAME_BYTES} bytes at the most, and no NUL.")
    return raw.ljust(NAME_BYTES, b"\0")


def _decode_name(field: bytes) -> str | None:
    """Return the name that a client sent; None if it is malformed, which is treated like the name of no key."""
    raw = field.rstrip(b"\0")
    if b"\0" in raw:
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
