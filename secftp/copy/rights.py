"""What a session may not do, said before anything is tried: for a dry run, which tries nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.errors import Forbidden, Reason
from secftp.messages import remote_failure

if TYPE_CHECKING:
    from secftp.session import Session
    from secftp.storage import Path

_REASONS = {"read": Reason.MAY_NOT_READ, "write": Reason.MAY_NOT_WRITE}


def require_right(session: Session, right: str, path: Path) -> None:
    """Raise `Forbidden` if the server said that this session lacks the right, without which nothing can be copied."""
    if not session.may(right):
        raise remote_failure(
            Forbidden,
            path,
            f"this session may not {right}.",
            hint="The server's operator gives rights to keys.",
            reason=_REASONS[right],
        )
