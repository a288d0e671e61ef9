"""Whether a file is there that was sent whole, when the connection was lost before the server confirmed it."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from secftp.errors import ConnectionLost, FileError
from secftp.messages import Kind

if TYPE_CHECKING:
    from secftp.messages import Algorithm
    from secftp.session.session import Session, Transferred
    from secftp.storage import Path


class Unconfirmed(ConnectionLost):
    """As `ConnectionLost`, when a file had been sent to its end: whether the server has stored it is not known.

    `sent`: its size and digest, which is of the kind `algorithm`.
    """

    def __init__(self, lost: ConnectionLost, sent: Transferred, algorithm: Algorithm) -> None:
        super().__init__(lost.message, hint=lost.hint)
        self.args = (lost, sent, algorithm)  # from which it is made again where it was pickled
        self.sent = sent
        self.algorithm = algorithm


def has_arrived(session: Session, path: Path, lost: Unconfirmed) -> bool:
    """Whether the file `path` is what was sent over the connection that was lost.

    An empty file proves nothing: all are alike. False also if this client may not ask. Raises what ends the session.
    """
    if not lost.sent.size:
        return False
    try:
        info = session.stat(path)
        if info.kind is not Kind.FILE or info.size != lost.sent.size:
            return False
        found = session.checksum(path, algorithm=lost.algorithm)
    except FileError:
        return False
    return hmac.compare_digest(found.digest, lost.sent.digest)
