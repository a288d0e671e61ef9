"""URLs of a Redis that servers share: `redis://host:port/db`, `rediss://` over TLS, `unix:///path`.

No sentence repeats the URL: it may have a password by mistake.
"""

from __future__ import annotations

import urllib.parse
from typing import Final, NamedTuple

from secftp.errors import UsageError

DEFAULT_PORT: Final = 6379
_DATABASE_MAX: Final = 99_999
_EXAMPLE: Final = "For example redis://10.0.0.5:6379/0, rediss://cache.example/1 or unix:///run/redis/redis.sock"


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

    Raises `UsageError` for what is none, and for one with a password: other users of the machine see a command line.
    """
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port or DEFAULT_PORT
    except ValueError:
        raise UsageError("The URL of the shared Redis can't be parsed.", hint=_EXAMPLE) from None
    if parts.password is not None:
        raise UsageError(
            "The URL of the shared Redis must not have a password.",
            hint="Put it into a file: --shared-password-file FILE, or set SECFTP_SHARED_PASSWORD.",
        )
    if parts.query or parts.fragment or "?" in text or not text.isprintable():
        raise UsageError("The URL of the shared Redis must have no query.", hint=_EXAMPLE)
    user = urllib.parse.unquote(parts.username) if parts.username else None
    if parts.scheme == "unix" and not parts.netloc and len(parts.path) > 1:
        return SharedUrl("", 0, path=urllib.parse.unquote(parts.path))
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise UsageError("The URL of the shared Redis has no host, or another scheme.", hint=_EXAMPLE)
    return SharedUrl(
        parts.hostname, port, database=_database(parts.path), user=user, tls=parts.scheme == "rediss"
    )  # fmt: skip


def _database(path: str) -> int:
    name = path.removeprefix("/")
    if not name:
        return 0
    if not (name.isascii() and name.isdigit() and int(name[:9]) <= _DATABASE_MAX):
        raise UsageError("The path in the URL of the shared Redis is no database.", hint="It is a number: /0.")
    return int(name)
