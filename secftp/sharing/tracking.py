"""Deliveries: when one is complete, told from what a client has asked for and how it has ended.

A client is an address, with all its sessions: a copy that goes on after a lost connection, or uses several connections,
is one copy. What it has read or written counts until a session ends with BYE, which comes after the client has verified
everything; that is when a delivery is complete or not. A BYE may say that something has failed at the client.

Invariants: a listing, a part of a file, a session that was cut and an additional stream end nothing; what is remembered
of clients is bounded.
"""

from __future__ import annotations

import abc
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import FileError
from secftp.intervals import Intervals
from secftp.protocol import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.server.log_format import Operation
    from secftp.sharing.counts import Counts
    from secftp.storage import Path, Store

# Clients that are remembered at once, files of one that are read in parts at once, and ranges of such a file.
CLIENTS: Final = 16
PARTED: Final = 64
RANGES: Final = 4096
REFUSED: Final = 1024
_READS: Final = frozenset({"read"})
_WRITES: Final = frozenset({"write", "mkdir"})


class Event(NamedTuple):
    """What the user is told: `connected`, `refused`, `file`, `complete`, `incomplete`; `files` and `nbytes` so far."""

    kind: str
    host: str
    path: Path = ()
    files: int = 0
    nbytes: int = 0


class Parts:
    """The ranges of one version of a file that a client has read."""

    def __init__(self, version: bytes | None) -> None:
        self.version = version
        self.ranges = Intervals()

    def covers(self, size: int) -> bool:
        """Return whether that is the whole of a file of that size."""
        found = list(self.ranges)
        return size == 0 or (len(found) == 1 and found[0].at == 0 and found[0].end >= size)


class Client:
    """What one client has done since its last complete delivery."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.whole: set[int] = set()  # hashes of the paths of whole files
        self.parted: dict[int, Parts] = {}  # of files that were read in parts
        self.refused: set[Path] = set()
        self.has_unknown_refusals = False
        self.files = 0
        self.nbytes = 0

    def complete_file(self, path: Path) -> None:
        """Note a file that was transferred to its end."""
        self.files += hash(path) not in self.whole
        self.whole.add(hash(path))
        self.parted.pop(hash(path), None)

    def forget(self) -> None:
        """Begin anew."""
        self.whole.clear()
        self.parted.clear()
        self.refused.clear()
        self.has_unknown_refusals = False
        self.files = self.nbytes = 0


class Deliveries(abc.ABC):
    """The tracker of a server for deliveries; `tell` gets the events, from any thread, and must not block for long.

    `adds_up`: what a session has transferred that ended in order counts on, although the delivery was not complete.
    """

    adds_up = True

    def __init__(self, tell: Callable[[Event], None], counts: Counts) -> None:
        self._tell = tell
        self._counts = counts
        self._clients: dict[str, Client] = {}
        self._lock = threading.Lock()

    def visited(self, host: str) -> DeliveryVisit:
        """A client has proved the key."""
        with self._lock:
            client = self._clients.pop(host, None) or Client(host)
            self._clients[host] = client  # the last one, as the most recent
            if len(self._clients) > CLIENTS:
                del self._clients[next(iter(self._clients))]
        self._tell(Event("connected", host))
        return DeliveryVisit(self, client)

    def refused(self, host: str) -> None:
        """A client has a wrong key."""
        self._tell(Event("refused", host))

    def finished(self, client: Client, done: Operation) -> bool:
        """Note a finished request; return whether it was one of a delivery."""
        with self._lock:
            client.nbytes += done.nbytes if done.name in _READS or done.name in _WRITES else 0
            counts = self.count(client, done)
        if done.moved:
            self._counts.finished()
            self._tell(Event("file", client.host, done.path, 1, done.nbytes))
        return counts

    def ended(self, client: Client, *, has_failed: bool) -> None:
        """Judge a client whose session has ended with BYE."""
        is_complete = not has_failed and self.is_complete(client)
        with self._lock:
            told = Event("complete" if is_complete else "incomplete", client.host, (), client.files, client.nbytes)
            if is_complete or not self.adds_up:
                client.forget()
        if is_complete:
            self._counts.restart()
        self._tell(told)

    @abc.abstractmethod
    def count(self, client: Client, done: Operation) -> bool:
        """Note a finished request; return whether it belongs to a delivery. Called with the lock."""

    @abc.abstractmethod
    def is_complete(self, client: Client) -> bool:
        """Return whether what the client has done is a whole delivery."""


class DeliveryVisit:
    """One session of a client."""

    def __init__(self, deliveries: Deliveries, client: Client) -> None:
        self._deliveries = deliveries
        self._client = client
        self._counts = False  # whether it had a part in a delivery

    def finished(self, done: Operation) -> None:
        """Note a finished request."""
        if self._deliveries.finished(self._client, done):
            self._counts = True

    def ended(self, *, in_order: bool, has_failed: bool, additional: bool) -> None:
        """Note the end."""
        if in_order and self._counts and not additional:
            self._deliveries.ended(self._client, has_failed=has_failed)


class Downloads(Deliveries):
    """Downloads of everything that `store` has: each file was sent to its end, at once or in parts of one version."""

    def __init__(self, store: Store, tell: Callable[[Event], None], counts: Counts) -> None:
        super().__init__(tell, counts)
        self._store = store

    def count(self, client: Client, done: Operation) -> bool:
        """Note a file or a part of it."""
        if done.name not in _READS:
            return False
        if done.moved:
            client.complete_file(done.path)
        elif done.at is not None and done.nbytes + done.held:
            self._add_part(client, done, done.at)
        return done.moved or done.nbytes > 0

    def _add_part(self, client: Client, done: Operation, at: int) -> None:
        parts = client.parted.get(hash(done.path))
        if parts is None or parts.version != done.version:
            parts = client.parted[hash(done.path)] = Parts(done.version)
        parts.ranges.add(at - done.held, at + done.nbytes)
        if len(client.parted) > PARTED or len(parts.ranges) > RANGES:
            del client.parted[next(iter(client.parted))]

    def is_complete(self, client: Client) -> bool:
        """Compare with what is there now: a file that is gone is not missed, one that came is."""
        found = False
        try:
            for entry in self._store.scan((), recursive=True):
                if entry.problem is not None or entry.info is None:
                    return False
                if entry.info.kind is Kind.FILE:
                    found = True
                    if not self._has(client, entry.path, entry.info.size):
                        return False
        except FileError:
            return False
        return found

    def _has(self, client: Client, path: Path, size: int | None) -> bool:
        with self._lock:
            if hash(path) in client.whole:
                return True
            parts = client.parted.get(hash(path))
            if parts is None or size is None or not parts.covers(size):
                return False
            client.complete_file(path)
            return True


class Uploads(Deliveries):
    """Deliveries into an inbox: at least one file, and nothing that was refused and not made good.

    What is there then is not a part of the next delivery.
    """

    adds_up = False

    def count(self, client: Client, done: Operation) -> bool:
        """Note a file or directory that was made, or refused."""
        if done.name not in _WRITES:
            return False
        path = done.path
        if done.moved:
            client.complete_file(path)
        if done.result == "ok":
            # A guess about the target may have been wrong: what was refused as a file may be a directory.
            for depth in range(1, len(path) + 1):
                client.refused.discard(path[:depth])
        elif hash(path) not in client.whole:
            if len(client.refused) < REFUSED:
                client.refused.add(path)
            else:
                client.has_unknown_refusals = True
        return done.name == "write"

    def is_complete(self, client: Client) -> bool:
        """Return whether something has come, and nothing was refused."""
        with self._lock:
            return client.files > 0 and not client.refused and not client.has_unknown_refusals
