"""A server that ends by itself: after a number of complete deliveries, or after a time.

It runs in a thread; the caller's thread shows what happens and waits. At its end no more clients are accepted, and
those that transfer something finish; an interruption aborts them. Invariants: no thread, socket or descriptor is left,
however it ends; nothing is printed here.
"""

from __future__ import annotations

import contextlib
import queue
import resource
import sys
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol, Self

from secftp import system
from secftp.crypto import Suite
from secftp.server.access import Access, Rights
from secftp.server.options import ServerLimits
from secftp.server.run import reachable_addresses
from secftp.server.server import FileServer, open_listener
from secftp.sharing.counts import CountingStore, Counts
from secftp.sharing.picture import draw
from secftp.sharing.sessions import TrackingLog
from secftp.sharing.tracking import Downloads, Event, Uploads
from secftp.storage import ALGORITHMS, load_digests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from secftp.keys import Key
    from secftp.storage import Store

# What clients may do; no session without encryption is accepted.
SHARED: Final = Rights(read=True, write=False, overwrite=False, delete=False)
INBOX: Final = Rights(read=False, write=True, overwrite=False, list=False, delete=False)
_SUITES: Final = frozenset(Suite) - {Suite.NONE}
# After the last delivery: for other clients, without a transfer, before they are sent away.
IDLE_SECONDS: Final = 5.0
EVENTS: Final = 1024
_TICK_SECONDS: Final = 0.1
_SWITCH_SECONDS: Final = 0.0005


class Settings(Protocol):
    """What the user has chosen, see `secftp.client.handover_options`."""

    @property
    def times(self) -> int:
        """Complete deliveries before the end; 0 for any number."""

    @property
    def seconds(self) -> float | None:
        """The time limit."""

    @property
    def hosts(self) -> list[str]:
        """The addresses to listen on; none for all."""

    @property
    def port(self) -> int:
        """The port; 0 for a free one."""


class View(Protocol):
    """What shows the events, in the thread that waits."""

    def announce(self, what: str, addresses: Sequence[str], port: int, draw: Callable[..., str | None], /) -> None:
        """Show where the server is."""

    def status(self, delivered: int, /) -> None:
        """Note how many deliveries are complete."""

    def conclude(self, delivered: int, /) -> None:
        """Show the end; raises if it came too early."""

    def show(self, event: Event, /) -> None:
        """Show an event."""

    def tick(self, counts: Counts, /) -> None:
        """Show the progress; called about ten times a second."""

    @property
    def needs_every_file(self) -> bool:
        """Whether each event `file` has to be shown; else some are left out when there are many."""


class Handover:
    """A server of `store` for clients with `key`, on these addresses (all if there are none) and this port (0: free).

    `takes`: it is an inbox, and not to be read. A context manager; closes the store. Raises `UsageError` if it can't
    listen.
    """

    def __init__(
        self,
        store: Store,
        key: Key,
        *,
        takes: bool,
        hosts: list[str],
        port: int,
        needs_every_file: bool = False,
    ) -> None:
        self.counts = Counts()
        self.delivered = 0
        self._needs_every_file = needs_every_file
        self._failure: Exception | None = None
        self._events: queue.Queue[Event] = queue.Queue(EVENTS)
        self._closed = threading.Event()
        self._store = CountingStore(store, self.counts)
        with contextlib.ExitStack() as undo:
            undo.callback(self._store.close)
            deliveries = Uploads(self._tell, self.counts) if takes else Downloads(store, self._tell, self.counts)
            access = Access(
                key, suites=_SUITES, read_only=not takes, overwrite=False, rights=INBOX if takes else SHARED
            )
            undo.enter_context(_prepared_process())
            load_digests(*ALGORITHMS)
            self._listener = open_listener(hosts, port)
            undo.callback(self._listener.close)
            limits = ServerLimits().within_descriptors()
            self._server = FileServer(self._store, access, TrackingLog(deliveries), limits=limits)
            self.port = self._listener.port
            self.addresses = reachable_addresses(self._listener.bound)
            self._thread = threading.Thread(target=self._serve, name="secftp-server", daemon=True)
            self._thread.start()
            self._undo = undo.pop_all()

    def _serve(self) -> None:
        try:
            self._server.serve(self._listener)
        except Exception as problem:  # noqa: BLE001 - it is raised in the thread that waits
            self._failure = problem

    def _tell(self, event: Event) -> None:
        """Pass an event to the thread that waits; a session waits while there are too many, until the end.

        Files leave room for other events: where the terminal is stopped (Ctrl-S), a download goes on.
        """
        if event.kind == "file" and not self._needs_every_file and self._events.qsize() >= EVENTS // 2:
            return
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._events.put(event, timeout=_TICK_SECONDS)
                return

    def wait(self, view: View, *, times: int, seconds: float | None) -> None:
        """Wait for so many complete deliveries (0: for any number), or for so many seconds, and for what runs then."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not times or self.delivered < times:
            if not self._thread.is_alive() or (deadline is not None and time.monotonic() >= deadline):
                break
            self._step(view)
        self._server.drain()
        idle_since = time.monotonic()
        while self._thread.is_alive():
            self._step(view)
            if self._server.is_transferring:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since >= IDLE_SECONDS:
                self._server.stop()
        for event in self._left():
            self._take(event, view)
        if self._failure is not None:
            raise self._failure

    def _step(self, view: View) -> None:
        """Take an event, or wait for one for a moment."""
        with contextlib.suppress(queue.Empty):
            self._take(self._events.get(timeout=_TICK_SECONDS), view)
        view.tick(self.counts)

    def _left(self) -> Iterator[Event]:
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._events.get_nowait()

    def _take(self, event: Event, view: View) -> None:
        view.show(event)
        if event.kind == "complete":
            self.delivered += 1
            view.status(self.delivered)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server at once, wait for its threads, and close the store; idempotent."""
        self._closed.set()
        self._server.stop()
        self._server.stop()
        self._thread.join()
        self._undo.close()


def hand_over(
    store: Store, key: Key, settings: Settings, view: View, what: str, *, takes: bool, totals: tuple[int, int] | None
) -> None:
    """Run a server to its end. Raises what `Handover` and `View.conclude` raise.

    `what`: a sentence about it. `totals`: the number of files and of their bytes, for the progress.
    """
    with Handover(
        store,
        key,
        takes=takes,
        hosts=settings.hosts,
        port=settings.port,
        needs_every_file=view.needs_every_file,
    ) as handover:
        if totals is not None:
            handover.counts.files, handover.counts.bytes = totals
        view.status(0)
        view.announce(what, handover.addresses, handover.port, draw)
        handover.wait(view, times=settings.times, seconds=settings.seconds)
    view.conclude(handover.delivered)


@contextlib.contextmanager
def _prepared_process() -> Iterator[None]:
    """A block in which this process is a server: no core dumps, as many descriptors as it may have, quick threads."""
    # A sandbox may deny either.
    with contextlib.suppress(OSError, ImportError):
        system.forbid_dumps()  # they would contain the key
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    interval = sys.getswitchinterval()
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
