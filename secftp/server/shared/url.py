"""URLs of a Redis that servers share: `redis://host:port/db`, `rediss://` over TLS, `unix:///path`.

No sentence repeats the URL: it may have a password by mistake.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Final, NamedTuple

DEFAULT_PORT: Final = 6379
_DATABASE: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_EXAMPLE: Final = (
    "a URL is required, such as redis://10.0.0.5:6379/0, rediss://cache.example/1 or unix:///run/redis.sock"
)


class SharedUrl(NamedTuple):
    """Where a Redis is: a host and port, or the path of a Unix socket. `tls`: whether the connection is encrypted."""

    host: str
    port: int
    path: str | None = None
    database: int = 0
    user: str | None = None
    tls: bool = False

    def __str__(self) -> str:
        """Return a text for log lines."""
        if self.path is not None:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}"


def parse_shared_url(text: str) -> SharedUrl:
    """Parse the URL of a Redis.

    Raises `ValueError` for what is none, and for one with a password: other users of the machine see a command line.
    """
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port or DEFAULT_PORT
    except ValueError:
        raise ValueError(_EXAMPLE) from None
    if parts.password is not None:
        raise ValueError("the password goes into a file (--shared-password-file) or SECFTP_SHARED_PASSWORD, not here")
    if parts.query or parts.fragment or "?" in text or not text.isprintable():
        raise ValueError(_EXAMPLE)
    user = urllib.parse.unquote(parts.username) if parts.username else None
    if parts.scheme == "unix" and not parts.netloc and len(parts.path) > 1:
        return SharedUrl("", 0, path=urllib.parse.unquote(parts.path))
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise ValueError(_EXAMPLE)
    database = parts.path.removeprefix("/") or "0"
    if not _DATABASE.fullmatch(database):
        raise ValueError("the path of the URL is the number of a database, such as /0")
    return SharedUrl(parts.hostname, port, database=int(database), user=user, tls=parts.scheme == "rediss")
