"""State that several servers share in Redis: guesses, sessions, and the requests that were carried out.

Each server enforces its own limits as it would alone. What it is told beyond that can make a client wait or come again,
and answer a repeated request; it lets no client in. So without Redis each server goes on alone, and an attacker who
can write to Redis can at most hold clients up, or have requests taken for repetitions.

    url          where Redis is
    line         one connection, the only importer of redis
    link         the connections of a server: when Redis counts as lost, and when it is there again
    names        names in Redis: keyed hashes of addresses, keys and tokens
    guesses      wrong keys, for `server.throttle`
    slots        sessions, for `server.registry`
    tables       tokens, for `server.requests.idempotency`
    scripts      what is done in Redis, each script in one step

Invariants: the accept loop waits for Redis no longer than `line.SECONDS`, and not at all once it is lost; nothing about
a client is in Redis in clear; no password is in a log line or an exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.server.shared.guesses import SharedGuesses
from secftp.server.shared.link import HEARTBEAT_SECONDS, Link
from secftp.server.shared.names import Names
from secftp.server.shared.slots import SharedSlots
from secftp.server.shared.tables import SharedTable
from secftp.server.shared.url import SharedUrl, parse_shared_url

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from secftp.server.log import Log
    from secftp.server.options import ServerLimits

__all__ = ["SharedGuesses", "SharedSlots", "SharedTable", "SharedUrl", "Sharing", "parse_shared_url"]

# Entries that are kept of each kind, for all servers together; the oldest are dropped. About 50 MB if all are full.
MOST_CHANGES = 65_536
MOST_COPIES = 16_384
MOST_FILES = 131_072


class Sharing:
    """What a server shares with others, while it is entered: a context manager.

    Entering connects. Raises `UsageError` if Redis refuses the password; if it can't be reached, the server begins
    alone. `heartbeat`: seconds between two heartbeats, after three of which without one its sessions are not counted
    any more.
    """

    def __init__(
        self,
        url: SharedUrl,
        password: str | None,
        limits: ServerLimits,
        log: Log,
        *,
        heartbeat: float = HEARTBEAT_SECONDS,
    ) -> None:
        names = Names(password)
        self.link = Link(url, password, log, heartbeat=heartbeat)
        self.guesses = SharedGuesses(self.link, names, limits)
        self.slots = SharedSlots(self.link, names)
        self.changes = SharedTable(self.link, names, "changes", MOST_CHANGES)
        self.copies = SharedTable(self.link, names, "copies", MOST_COPIES)
        self.files = SharedTable(self.link, names, "files", MOST_FILES)
        # For `server.requests.versions`; it needs no Redis. Without a password it would be no secret.
        self.version_key = None if password is None else names.secret("versions")
        self.link.on_beat = [self.slots.synchronize, self.guesses.settle, self.copies.renew]
        self.link.on_hurry = [self.guesses.settle]

    def __enter__(self) -> Self:
        self.link.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.slots.leave()
        self.link.close()
