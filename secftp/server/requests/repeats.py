"""Changes that were carried out lately: one whose answer got lost may be asked for again, and is not done twice.

A client that repeats a change over a new connection gives it the token that it had the first time. So to remove, to
rename and to make a directory can be told apart from the same change asked for by another client. What must never
happen: that clients make this remember more than a bounded number of changes.
"""

from __future__ import annotations

import threading
from typing import Final

MOST_TOKENS: Final = 4096


class Repeats:
    """The tokens of changes that succeeded, of all sessions of one server; for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[bytes, None] = {}  # the oldest first

    def note(self, token: bytes | None) -> None:
        """A change was carried out."""
        if token is None:
            return
        with self._lock:
            if len(self._tokens) >= MOST_TOKENS:
                del self._tokens[next(iter(self._tokens))]
            self._tokens[token] = None

    def knows(self, token: bytes | None) -> bool:
        """Whether it was carried out."""
        with self._lock:
            return token in self._tokens
