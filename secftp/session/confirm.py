"""Whether a file is there that was sent whole, when the connection was lost before the server confirmed it."""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING

from secftp.errors import ConnectionLost, FileError, Forbidden
from secftp.messages import Kind
from secftp.messages.limits import TOKEN_BYTES

if TYPE_CHECKING:
    from secftp.messages import Algorithm
    from secftp.session.session import Session, Transferred
    from secftp.storage import Path


class Unconfirmed(ConnectionLost):
    """As `ConnectionLost`, when a file had been sent to its end: whether the server has stored it is not known.

    `sent`: its size and digest, which is of the kind `algorithm`. `token`: that of the request, if it had one.
    """

    def __init__(
        self, lost: ConnectionLost, sent: Transferred, algorithm: Algorithm, token: bytes | None = None
    ) -> None:
        super().__init__(lost.message, hint=lost.hint)
        self.args = (lost, sent, algorithm, token)  # from which it is made again where it was pickled
        self.sent = sent
        self.algorithm = algorithm
        self.token = token


def has_arrived(session: Session, path: Path, lost: Unconfirmed) -> bool:
    """Whether the file `path` is what was sent over the connection that was lost.

    A server that remembers the request's token tells a client without further rights, too. Else an empty file proves
    nothing: all are alike. False also if this client may not ask. Raises what ends the session.
    """
    try:
        if not _may_be(session, path, lost):
            return False
        found, is_own = session.own_checksum(path, lost.algorithm, lost.token)
    except FileError:
        return False
    if not is_own and not lost.sent.size:
        return False
    return hmac.compare_digest(found.digest, lost.sent.digest)


def _may_be(session: Session, path: Path, lost: Unconfirmed) -> bool:
    """Whether it is worth while to have the server read it: not if it has another size, as far as that can be seen."""
    try:
        info = session.stat(path)
    except Forbidden:
        return True
    return info.kind is Kind.FILE and info.size == lost.sent.size


def new_token() -> bytes:
    """Return a random token for a request: a server makes the change once, however often it is asked for with that."""
    return os.urandom(TOKEN_BYTES)
