"""A server process between its bound port and its end: what it opens, whom it listens to, and in which order.

The order matters. The port first, which root alone may bind; then the user without root's powers; only then files and
keys, so that what the server can read at its start it can read again later, and root's own files it never can. Signals
do nothing by themselves: they set a flag and wake the loop, which they do even if Python has not run their handler yet.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, Final

from secftp.channel import notify
from secftp.errors import SecftpError
from secftp.safe_path import module_directory
from secftp.server.keyring import Keyring
from secftp.server.log import Level, Log
from secftp.server.log_file import open_log
from secftp.server.own_names import OwnNamesStore
from secftp.server.quota import BoundedStore, Quota
from secftp.server.server import Server
from secftp.server.user import become
from secftp.storage import ALGORITHMS, LocalStore, load_digests

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.channel import Listener
    from secftp.server.options import ServerOptions
    from secftp.storage import Store

_UNSAFE_START: Final = (
    "Python looks for modules in this directory too: no client may make a name in it that begins with secftp, or that "
    "of a module which Python loads first. A safer start is secftpd, or python -P -m secftp.server."
)
# At the end, for a reload that is under way.
WAIT_SECONDS: Final = 5.0
_STOP: Final = (signal.SIGINT, signal.SIGTERM)


def check(options: ServerOptions) -> None:
    """Raise what would keep a server with these options from starting, as far as that shows without a port."""
    with contextlib.ExitStack() as stack:
        log = _open_log(options, stack)
        root = stack.enter_context(contextlib.closing(LocalStore(options.root)))
        stack.enter_context(contextlib.closing(Keyring(options, log, root, lambda store: store))).load()


def run(options: ServerOptions, listener: Listener, announce: Callable[[Listener, ServerOptions, Log], None]) -> None:
    """Serve until a signal ends it. `announce` tells where it listens."""
    if options.user is not None:
        become(options.user)
    load_digests(*ALGORITHMS)
    with contextlib.ExitStack() as stack:
        log = _open_log(options, stack)
        root = stack.enter_context(
            contextlib.closing(LocalStore(options.root, sweep=True, mode_mask=options.mode_mask))
        )
        bounded = _bounding(options, log)
        keyring = stack.enter_context(contextlib.closing(Keyring(options, log, root, bounded)))
        access = keyring.load()
        again = Again(options, log, keyring)
        limits = options.limits.within_descriptors()
        server = Server(bounded(root), access, log, limits=limits, grace=options.grace, on_hangup=again)
        again.server = server
        stack.callback(again.wait)
        listener.wake_at_signals()
        for number in _STOP:
            signal.signal(number, lambda *_: server.stop())
        signal.signal(signal.SIGHUP, lambda *_: server.hang_up())
        if os.geteuid() == 0:
            log.line("Running as root: a user of its own is safer (--user NAME).", Level.WARNING)
        if keyring.writes_where_modules_are:
            log.line(_UNSAFE_START, Level.WARNING)
        announce(listener, options, log)
        notify("READY=1", f"STATUS=Listening on port {listener.port}")
        server.serve(listener, on_stop=lambda: notify("STOPPING=1", "STATUS=Waiting for transfers to end"))
        for number in (*_STOP, signal.SIGHUP):
            # One that comes now changes nothing any more, and must not make of this end a death by a signal.
            signal.signal(number, signal.SIG_IGN)
        log.line("Stopped.")


def _open_log(options: ServerOptions, stack: contextlib.ExitStack) -> Log:
    counter, where = None, None
    if options.metrics is not None and not options.check_config:
        from secftp.server.metrics import serve_metrics

        counter = stack.enter_context(serve_metrics(*options.metrics))
        where = f"Metrics @ {options.metrics[0]} on port {counter.port}"
    level = Level[options.log_level.upper()]
    log = Log(level=level, json=options.log_format == "json", counter=counter)
    if options.log_file is not None:
        log.reopen(open_log(options.log_file, options.root))
        stack.callback(_close_log, log)
    if where is not None:
        log.line(where)
    return log


def _close_log(log: Log) -> None:
    stream = log.reopen(None)
    if stream is not None:
        stream.close()


def _bounding(options: ServerOptions, log: Log) -> Callable[[LocalStore], Store]:
    """What makes of a folder the store that sessions see: itself, if nothing restricts what is made in it."""
    limits = options.limits
    if limits.max_file_size is None and limits.min_free is None and limits.min_free_files is None:
        return lambda store: _without_own_names(store, store)
    quota = Quota(limits, log.limit)
    return lambda store: _without_own_names(store, BoundedStore(store, quota))


def _without_own_names(local: LocalStore, seen: Store) -> Store:
    """What sessions see of `local`; no name of ours can be made where `python -m` has looked for modules."""
    directory = module_directory()
    return OwnNamesStore(seen) if directory is not None and local.is_at(directory) else seen


class Again:
    """What SIGHUP is for: another log file, and the keys as they are now. Sessions under way notice nothing of it.

    Called in the accept loop; reading keys takes time (a text is stretched), so that is a thread's work.
    """

    def __init__(self, options: ServerOptions, log: Log, keyring: Keyring) -> None:
        self.server: Server | None = None
        self._options = options
        self._log = log
        self._keyring = keyring
        self._thread: threading.Thread | None = None
        self._once_more = False
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """Begin; one that comes while it is under way makes it happen once more after that."""
        with self._lock:
            self._once_more = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="secftp-again", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Return when none is under way, or hangs in a file system, which must not keep the server from its end."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(WAIT_SECONDS)

    def _run(self) -> None:
        while self._goes_on():
            for step in (self._reopen_log, self._read_keys):
                try:
                    step()
                except Exception as problem:  # noqa: BLE001 - else this thread would end, and no later signal be heeded
                    self._log.line(f"Internal error: {type(problem).__name__}", Level.ERROR)

    def _goes_on(self) -> bool:
        with self._lock:
            goes_on, self._once_more = self._once_more, False
            if not goes_on:
                self._thread = None
            return goes_on

    def _reopen_log(self) -> None:
        if self._options.log_file is None:
            return
        try:
            before = self._log.reopen(open_log(self._options.log_file, self._options.root))
        except SecftpError as problem:
            self._log.line(f"The log stays where it is: {problem}", Level.ERROR)
            return
        if before is not None:
            before.close()

    def _read_keys(self) -> None:
        server = self.server
        assert server is not None  # signals come to a server that is there
        try:
            access = self._keyring.load()
        except SecftpError as problem:
            self._log.line(f"The keys stay as they are: {problem}", Level.ERROR)
            return
        server.admit_by(access)
        self._keyring.retire(server.stores_in_use())
        self._log.line("The keys were read again.")
