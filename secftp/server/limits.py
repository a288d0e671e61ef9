"""Upper bounds on what a server gives its clients. What operators set is an option of the same name and meaning."""

from __future__ import annotations

import dataclasses
import resource
from dataclasses import dataclass
from typing import Final

from secftp.channel import IDLE_SECONDS

# What a process has open beside its clients, and a session beside its connection (folders, files, a listing's depth).
OWN_DESCRIPTORS: Final = 48
SESSION_DESCRIPTORS: Final = 6
LEAST: Final = 16


@dataclass(frozen=True, kw_only=True)
class ServerLimits:
    """All of a server's limits; times in seconds, sizes in bytes, rates in bytes a second. None: no limit."""

    # --- sessions ---
    max_clients: int = 256
    max_clients_per_source: int | None = None  # None: as many as there are places left (`server.places`)
    max_clients_per_key: int | None = None  # likewise, if there are several keys
    max_anonymous: int | None = None  # likewise, if there are keys
    idle: float = IDLE_SECONDS  # without a byte from the client
    min_rate: int | None = None  # a transfer slower than this, over `min_rate_seconds`, is cut
    min_rate_seconds: float = 60.0
    bandwidth: int | None = None  # of all sessions together, in each direction

    # --- before there is a session ---
    handshake_seconds: float = 10.0  # in all, from the first look at a connection; without the delay of its answer
    max_pending: int = 128  # that have not said hello, or not answered the challenge; then one of them goes
    max_pending_per_source: int = 64  # of one address that have not said hello; then one of them goes
    max_waiting: int = 1024  # hellos whose answer is delayed; then one of them goes
    max_waiting_per_source: int = 64
    waiting_seconds: float = 60.0  # beyond its own delay; a client that waited for so long has given up
    free_guesses: int = 10  # wrong keys of one source that cost nothing
    guess_delay: float = 5.0  # the longest delay, as long as few of one source wait (`server.guesses`)
    guess_rate: float = 20.0  # wrong keys a second from everywhere, and as many from sources that have proved a key
    guess_burst: int = 256
    forgiven_seconds: float = 60.0  # after so long a source has one wrong key less

    # --- files ---
    max_file_size: int | None = None
    min_free: int | None = None  # bytes that stay free in the file system
    min_free_files: int | None = None  # inodes, likewise

    def within_descriptors(self) -> ServerLimits:
        """These limits, with no more connections before their proof than leave sessions the descriptors they need."""
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most == resource.RLIM_INFINITY:
            return self
        left = most - OWN_DESCRIPTORS - SESSION_DESCRIPTORS * self.max_clients
        pending = min(self.max_pending, max(LEAST, left // 2))
        return dataclasses.replace(
            self, max_pending=pending, max_waiting=min(self.max_waiting, max(LEAST, left - pending))
        )
