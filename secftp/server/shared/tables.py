"""Values under tokens, which every server finds, and claims of what one of them does now."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from secftp.server.shared.scripts import CLAIM, GET, KEEP, PUT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secftp.server.shared.link import Link
    from secftp.server.shared.names import Names

# A client repeats a request within its timeouts; nothing is kept for ever of a service that is not used any more.
KEPT_SECONDS: Final = 24 * 3600


class SharedTable:
    """A table of at most `most` values, of which the oldest are dropped. Without Redis it is empty. Thread-safe."""

    def __init__(self, link: Link, names: Names, kind: str, most: int) -> None:
        self._link = link
        self._names = names
        self._kind = kind
        self._most = most
        self._keys = names.key(kind, "values"), names.key(kind, "times")
        self._lock = threading.Lock()
        self._claims: set[str] = set()

    def put(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep values under tokens."""
        values = [value for token, kept in entries for value in (self._names.of(self._kind, token), kept)]
        if values:
            self._link.call(PUT, self._keys, (self._most, KEPT_SECONDS, *values))

    def get(self, token: bytes) -> bytes | None:
        """Return the value under a token; None if there is none, or Redis is lost."""
        found = self._link.call(GET, self._keys[:1], (self._names.of(self._kind, token),))
        return found if isinstance(found, bytes) else None

    def claim(self, token: bytes) -> bool:
        """Claim what is done under a token; return False while another server does it. True without Redis."""
        key = self._names.key(f"{self._kind}-claim", token)
        if self._link.call(CLAIM, (key,), (self._link.server, self._life)) == 0:
            return False
        with self._lock:
            self._claims.add(key)
        return True

    def give_up(self, token: bytes) -> None:
        """End a claim."""
        key = self._names.key(f"{self._kind}-claim", token)
        with self._lock:
            self._claims.discard(key)
        self._link.call(KEEP, (key,), (self._link.server, 0))

    def renew(self, run: Callable[..., Any]) -> None:
        """Keep the claims of this server. Raises `LineError`."""
        with self._lock:
            claims = list(self._claims)
        if claims:
            run(KEEP, claims, (self._link.server, self._life))

    @property
    def _life(self) -> int:
        return int(1000 * self._link.life)
