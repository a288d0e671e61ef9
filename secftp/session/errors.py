"""Failures of a session's requests: missing capabilities, replies that do not fit, writes without a confirmation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import ConnectionLost, FileError, ProtocolError
from secftp.messages import Capability, remote_failure
from secftp.text import escape

if TYPE_CHECKING:
    from secftp.messages import Algorithm
    from secftp.storage import Path

_MISSING: Final[dict[str, str]] = {
    Capability.RANGES: "send parts of files",
    Capability.STAT: "show the status of files",
    Capability.LIST: "list directories",
    Capability.CHANGE: "make, rename, remove or change files and directories",
    Capability.SUM: "compute checksums",
    Capability.RESUME: "resume interrupted transfers",
    Capability.MANY: "transfer several files in one message",
}


def lacks(capability: str, subject: Path) -> FileError:
    """Return the failure of a request that needs a capability which the server did not name in WELCOME."""
    what = _MISSING.get(capability, f"do this ({escape(capability)})")
    return remote_failure(FileError, subject, f"the server can't {what}.", hint="Use a newer version of the server.")


def unexpected_reply() -> ProtocolError:
    """Return the exception for a reply that is none to this request."""
    return ProtocolError("The server's reply does not fit the request.")


class Transferred(NamedTuple):
    """What was transferred, verified by both sides: `size` in bytes, and the digest of the whole file."""

    size: int
    digest: bytes


class Unconfirmed(ConnectionLost):
    """The connection was lost after a file had been sent to its end: whether the server has stored it is not known.

    `sent`: its size and digest, which is of the kind `algorithm`. `token`: that of the request, if it had one.
    """

    def __init__(
        self, lost: ConnectionLost, sent: Transferred, algorithm: Algorithm, token: bytes | None = None
    ) -> None:
        super().__init__(lost.message, hint=lost.hint)
        self.args = (lost, sent, algorithm, token)  # for pickle, which makes the exception anew from these
        self.sent = sent
        self.algorithm = algorithm
        self.token = token
