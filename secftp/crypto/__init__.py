"""The C core, for the layers above it: sealed frames, the password-authenticated key exchange."""

from secftp.crypto.binding import libcrypto_version
from secftp.crypto.password import SECRET_BYTES, Password

TYPE_CHECKING = False  # as of typing: a client stretches its key before it imports that
if TYPE_CHECKING:
    from secftp.crypto.exchange import (
        CLIENT_FINISH_BYTES,
        CLIENT_HELLO_BYTES,
        NAME_BYTES,
        REFUSAL_BYTES,
        SERVER_HELLO_BYTES,
        ClientExchange,
        Mode,
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

# Loaded when they are used: the key is stretched before there is anything to exchange.
_OF_FRAMES = ("BATCH_BYTES", "BATCH_FRAMES", "PAYLOAD_MAX", "Frame", "Inbox", "Opener", "Outbox", "Sealer")


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from secftp.crypto import exchange, frames

    found: object = getattr(frames if name in _OF_FRAMES else exchange, name)
    globals()[name] = found
    return found
