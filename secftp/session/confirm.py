"""Confirmation of a write whose reply was lost with the connection: whether the file is there, by its digest."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from secftp.errors import FileError, Forbidden, SecftpError
from secftp.messages import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.session.errors import Transferred, Unconfirmed
    from secftp.session.session import Session
    from secftp.storage import Path


def confirm(run: Callable[[Callable[[Session], bool]], bool], path: Path, lost: Unconfirmed) -> Transferred:
    """Return what was sent, if the file is there. Raises the loss if it is not, or if that can't be found out.

    `run` calls a function with a new session, as often as it likes, and returns what that returns.
    """
    try:
        if run(lambda session: has_arrived(session, path, lost)):
            return lost.sent
    except SecftpError:
        pass
    raise lost


def has_arrived(session: Session, path: Path, lost: Unconfirmed) -> bool:
    """Whether the file `path` is what was sent over the connection that was lost.

    A server that remembers the request's token tells a client that may only write, too. Without the token an empty file
    proves nothing: all are alike. Returns False also if this client may not ask. Raises what ends the session.
    """
    try:
        if not _has_size(session, path, lost.sent.size):
            return False
        found, is_own = session.own_checksum(path, lost.algorithm, lost.token)
    except FileError:
        return False
    if not is_own and not lost.sent.size:
        return False
    return hmac.compare_digest(found.digest, lost.sent.digest)


def _has_size(session: Session, path: Path, size: int) -> bool:
    """Whether it may be a file of that size, as far as that can be seen: else the server need not read it."""
    try:
        info = session.stat(path)
    except Forbidden:
        return True
    return info.kind is Kind.FILE and info.size == size
