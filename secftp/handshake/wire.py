"""What both sides of the handshake share: the fixed parts of the three flights, and what a refusal means.

    CLIENT_HELLO  125 = "SECFTP" 01 | suite(1) | mode(1) | 00 00 00 | client_iv(16) | name(32) | pA(65)
    SERVER_HELLO  141 = "SECFTP" 01 | status(1) | suite(1) | mode(1) | 00 00 | server_rand(16) | pB(65) | chal(16) | cB(32)
    CLIENT_FINISH  48 = resp(16) | cA(32)

docs/PROTOCOL.md describes the rest. Nothing here touches a socket, a file or a clock.
"""  # noqa: E501

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from secftp.errors import HandshakeRefused, ProtocolError, ServerBusy, UsageError
from secftp.record import NAME_BYTES, Inbox, Opener, Outbox, Sealer

MAGIC: Final = b"SECFTP"
VERSION: Final = 1
PROLOGUE: Final = MAGIC + bytes([VERSION])
SUITE_AT: Final = 7
MODE_AT: Final = 8
RESERVED: Final = slice(9, 12)
CLIENT_IV: Final = slice(12, 28)
NAME: Final = slice(28, 60)
STATUS_AT: Final = 7


class Status(enum.IntEnum):
    """Why a server will not go on. Sent in clear: a hint, shown as one of the fixed texts below."""

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
    Status.MODE: ("The server wants a key.", "Give its key: --key-file FILE, SECFTP_KEY, or as the last argument."),
    Status.BUSY: ("The server has too many clients.", "Try again later."),
}


def refusal(status: int) -> HandshakeRefused:
    """The exception for a status byte, known or not."""
    try:
        message, hint = _REFUSALS[Status(status)]
    except (ValueError, KeyError):
        message, hint = "The server refused, for a reason that this release does not know.", "Update secftp."
    kind = ServerBusy if status == Status.BUSY else HandshakeRefused
    return kind(message, hint=hint)


class Established(NamedTuple):
    """The handshake has verified: the only way to objects that can seal and open frames.

    `reply` is what still must be sent (CLIENT_FINISH; empty for the server), `rest` what came after the handshake.
    """

    sealer: Sealer
    opener: Opener
    reply: bytes
    rest: bytes

    def boxes(self) -> tuple[Outbox, Inbox]:
        """An outbox and an inbox over the two directions, with `rest` already received."""
        inbox = Inbox(self.opener)
        inbox.room()[: len(self.rest)] = self.rest
        inbox.received(len(self.rest))
        return Outbox(self.sealer), inbox


def encode_name(name: str) -> bytes:
    """A key's name as CLIENT_HELLO carries it: UTF-8, at most 32 bytes, zero-filled. `UsageError` for anything else."""
    raw = name.encode("utf-8", "surrogateescape")
    if len(raw) > NAME_BYTES or b"\0" in raw:
        raise UsageError(f"A key's name has {NAME_BYTES} bytes at the most, and no NUL.")
    return raw.ljust(NAME_BYTES, b"\0")


def decode_name(field: bytes) -> str | None:
    """The name a client sent; None when it is malformed, and then it is treated like one that nobody has."""
    raw = field.rstrip(b"\0")
    if b"\0" in raw:
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def not_secftp() -> ProtocolError:
    """The peer's first bytes are those of something else."""
    return ProtocolError("The other side does not speak secftp.", hint="Check the host and the port.")
