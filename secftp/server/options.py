"""Options of a server, and the limits on what it gives its clients. Each has an option of the same name."""

from __future__ import annotations

import dataclasses
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from secftp.storage.objects import is_object_url
from secftp.transport import IDLE_SECONDS

if TYPE_CHECKING:
    from secftp.server.proxies import ProxyNetwork
    from secftp.server.shared.url import SharedUrl

# Descriptors of a process beside its clients', and of a session beside its connection (directories, files, listings).
OWN_DESCRIPTORS: Final = 48
SESSION_DESCRIPTORS: Final = 6
LEAST: Final = 16
OBJECT_TIMES: Final = ("own", "stored")


@dataclass(frozen=True, kw_only=True)
class ServerLimits:
    """All limits of a server; times in seconds, sizes in bytes, rates in bytes a second. None: no limit."""

    # --- sessions ---
    max_clients: int = 256
    max_clients_per_source: int | None = None  # None: as many as slots are free (`server.session_limits`)
    max_clients_per_key: int | None = None  # likewise, if there are several keys
    max_anonymous: int | None = None  # likewise, if there are keys
    streams: int = 8  # sessions that a client may use for one transfer, at most half of those of its key
    idle: float = IDLE_SECONDS  # without a byte from the client
    min_rate: int | None = None  # a transfer slower than this, over `min_rate_seconds`, is cut
    min_rate_seconds: float = 60.0
    limit_rate: int | None = None  # of all sessions together, in each direction

    # --- before authentication ---
    handshake_seconds: float = 10.0  # in all, from the accepted connection; without the delay of the answer
    max_pending: int = 128  # silent and challenged connections; then one of them is closed
    max_pending_per_source: int = 64  # silent connections of one address; then one of them is closed
    max_waiting: int = 1024  # hellos whose answer is delayed; then one of them is rejected
    max_waiting_per_source: int = 64
    waiting_seconds: float = 60.0  # beyond its own delay; a client that has waited for this long has given up
    free_guesses: int = 10  # wrong keys of one source without a delay
    guess_delay: float = 5.0  # the longest delay, as long as few hellos of the source wait (`server.throttle`)
    guess_rate: float = 20.0  # wrong keys a second of all sources, and as many of those that proved a key recently
    guess_burst: int = 256
    forgiven_seconds: float = 60.0  # after which one wrong key of a source is forgiven

    # --- files ---
    max_file_size: int | None = None
    min_free: int | None = None  # bytes that stay free in the file system
    min_free_files: int | None = None  # inodes, likewise

    def within_descriptors(self) -> ServerLimits:
        """Return these limits, with few enough unauthenticated connections to leave sessions their descriptors."""
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most == resource.RLIM_INFINITY:
            return self
        left = most - OWN_DESCRIPTORS - SESSION_DESCRIPTORS * self.max_clients
        pending = min(self.max_pending, max(LEAST, left // 2))
        return dataclasses.replace(
            self, max_pending=pending, max_waiting=min(self.max_waiting, max(LEAST, left - pending))
        )


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Options of a server process, validated without access to the machine. `port` is None for inherited sockets."""

    port: int | None
    key: str | None = dataclasses.field(repr=False)
    key_file: str | None
    key_fd: int | None
    keys: str | None
    root: str  # a path, or the URL of a directory in an object store
    object_times: str  # of files in an object store: "own" or "stored"
    hosts: list[str]
    proxy_from: list[ProxyNetwork]
    compression: bool
    congestion: str | None
    ciphers: tuple[str, ...]
    read_only: bool
    no_overwrite: bool
    mode_mask: int
    anonymous: bool
    anonymous_write: bool
    limits: ServerLimits
    grace: float
    user: str | None
    log_format: str
    log_file: str | None
    log_level: str
    metrics: tuple[str, int] | None
    shared: SharedUrl | None
    shared_password: str | None = dataclasses.field(repr=False)
    shared_password_file: str | None
    config: str | None
    check_config: bool

    @property
    def directory(self) -> str | None:
        """The directory of this machine that is served; None if that is in an object store."""
        return None if is_object_url(self.root) else self.root
