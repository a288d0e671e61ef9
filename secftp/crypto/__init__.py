"""The C core, for the layers above it: sealed frames, the password-authenticated key exchange."""

from secftp.crypto.binding import libcrypto_version
from secftp.crypto.exchange import (
    CLIENT_FINISH_BYTES,
    CLIENT_HELLO_BYTES,
    NAME_BYTES,
    REFUSAL_BYTES,
    SECRET_BYTES,
    SERVER_HELLO_BYTES,
    ClientExchange,
    Mode,
    Password,
    ServerExchange,
    Suite,
)
from secftp.crypto.frames import (
    BATCH_BYTES,
    BATCH_FRAMES,
    PAYLOAD_MAX,
    Frame,
    Inbox,
    Opener,
    Outbox,
    Sealer,
)

__all__ = [
    "BATCH_BYTES",
    "BATCH_FRAMES",
    "CLIENT_FINISH_BYTES",
    "CLIENT_HELLO_BYTES",
    "NAME_BYTES",
    "PAYLOAD_MAX",
    "REFUSAL_BYTES",
    "SECRET_BYTES",
    "SERVER_HELLO_BYTES",
    "ClientExchange",
    "Frame",
    "Inbox",
    "Mode",
    "Opener",
    "Outbox",
    "Password",
    "Sealer",
    "ServerExchange",
    "Suite",
    "libcrypto_version",
]
