"""What a session may not do, said before anything is tried: for a dry run, which tries nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.errors import Forbidden
from secftp.messages import Right, remote_failure
from secftp.messages.errors import MISSING_RIGHT

if TYPE_CHECKING:
    from secftp.session import Session
    from secftp.storage import Path


def require_right(session: Session, right: str, path: Path) -> None:
    """Raise `Forbidden` if the server said that this session lacks the right, without which nothing can be copied."""
    if not session.may(right):
        raise remote_failure(
            Forbidden,
            path,
            f"this session may not {right}.",
            hint="The server's operator gives rights to keys.",
            reason=MISSING_RIGHT[Right(right)],
        )
