"""Reload at SIGHUP: the log file is reopened, configuration and keys are read again.

The log says what was reloaded, what is in effect for new sessions, and what requires a restart. Sessions that are open
keep what they had.

Invariant: a file that can't be used changes nothing. Keys and rules are replaced together or not at all.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Final

from secftp.errors import SecftpError
from secftp.server.banner import who_gets_in
from secftp.server.log import LogLevel
from secftp.server.log_output import open_log
from secftp.server.path_checks import check_operator_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.server.access import Access
    from secftp.server.keyring import Keyring
    from secftp.server.log import Log
    from secftp.server.options import ServerOptions
    from secftp.server.server import FileServer

# For a reload that is still running when the server ends.
WAIT_SECONDS: Final = 5.0
# Options that a reload applies; all others require a restart.
RELOADED: Final = frozenset(
    {
        "anonymous",
        "anonymous_write",
        "ciphers",
        "key_file",
        "keys",
        "log_file",
        "no_overwrite",
        "read_only",
    }
)


class Reloader:
    """Reloads when called; `server` must be set before the first call.

    `read_options` returns the current options, or raises `SecftpError`. A call returns at once, as it is made in the
    accept loop: a thread reads the keys, which takes time (passphrases are stretched with scrypt).
    """

    def __init__(
        self, options: ServerOptions, log: Log, keyring: Keyring, read_options: Callable[[], ServerOptions]
    ) -> None:
        self.server: FileServer | None = None
        self._options = options
        self._log = log
        self._keyring = keyring
        self._read_options = read_options
        self._thread: threading.Thread | None = None
        self._once_more = False
        self._told = ""  # who gets in
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """Start a reload, or have the running one followed by another."""
        with self._lock:
            self._once_more = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="secftp-reload", daemon=True)
                self._thread.start()

    def tell(self, access: Access, options: ServerOptions) -> None:
        """Log who gets in, if that is not what was logged last."""
        sentence = who_gets_in(options, access, is_shown=self._keyring.is_shown)
        if sentence != self._told:
            self._told = sentence
            self._log.line(sentence)

    def wait(self) -> None:
        """Wait for a running reload, at most 5 s: a hanging file system must not delay the shutdown."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(WAIT_SECONDS)

    def _run(self) -> None:
        while self._continues():
            try:
                self._reload()
            except Exception as problem:  # noqa: BLE001 - the thread would end, and later signals would do nothing
                self._log.line(f"Internal error: {type(problem).__name__}", LogLevel.ERROR)

    def _continues(self) -> bool:
        with self._lock:
            continues, self._once_more = self._once_more, False
            if not continues:
                self._thread = None
            return continues

    def _reload(self) -> None:
        try:
            options = self._read_options()
            # All others stay, so that paths are checked against the root that is served.
            effective = dataclasses.replace(self._options, **{name: getattr(options, name) for name in RELOADED})
            check_operator_files(effective)
        except SecftpError as problem:
            self._reopen_log(self._options.log_file)  # logrotate has moved the file, whatever else is wrong
            self._log.line(f"Nothing was reloaded: {problem}", LogLevel.ERROR)
            return
        log_file = self._reopen_log(effective.log_file)
        effective = dataclasses.replace(effective, log_file=log_file)
        if self._read_keys(effective):
            self._report_changes(options, effective)
            self._options = effective  # what requires a restart is logged at each reload
        else:
            self._options = dataclasses.replace(self._options, log_file=log_file)

    def _reopen_log(self, wanted: str | None) -> str | None:
        """Open the log file `wanted`, by default the current one; return the path of the one that is open then."""
        current = self._options.log_file
        path = current if wanted is None else wanted
        if path is None:
            return None
        try:
            before = self._log.reopen(open_log(path, self._options.directory))
        except SecftpError as problem:
            opened = self._reopen_log(current) if path != current else current
            self._log.line(f"The log file was not changed: {problem}", LogLevel.ERROR)
            return opened
        if before is not None:
            before.close()
        self._log.line("The log file was reopened.")
        return path

    def _read_keys(self, options: ServerOptions) -> bool:
        """Read the keys and apply the rules; False if that failed and nothing has changed."""
        server = self.server
        assert server is not None  # set before the first signal
        try:
            access = self._keyring.load(options)
        except SecftpError as problem:
            self._log.line(f"The keys were not changed: {problem}", LogLevel.ERROR)
            return False
        server.set_access(access)
        self._keyring.retire(server.stores_in_use())
        for line in self._keyring.sources():
            self._log.line(line)
        self.tell(access, options)
        return True

    def _report_changes(self, options: ServerOptions, effective: ServerOptions) -> None:
        """Log which options have changed since the last reload, and which of them are in effect."""
        if options.config is not None:
            self._log.line("The configuration was reloaded.")
        changed = {
            _option(field.name): getattr(options, field.name) == getattr(effective, field.name)
            for field in dataclasses.fields(options)
            if field.name != "limits" and getattr(options, field.name) != getattr(self._options, field.name)
        }
        changed |= {
            _option(field.name): False
            for field in dataclasses.fields(options.limits)
            if getattr(options.limits, field.name) != getattr(self._options.limits, field.name)
        }
        reloaded = [name for name, in_effect in changed.items() if in_effect]
        waiting = [name for name, in_effect in changed.items() if not in_effect]
        if reloaded:
            self._log.line(f"In effect for new sessions: {', '.join(sorted(reloaded))}.")
        if waiting:
            names = ", ".join(sorted(waiting))
            self._log.line(f"Changed, but a restart is required: {names}.", LogLevel.WARNING)


def _option(field: str) -> str:
    """Return the option name of a field."""
    return "host" if field == "hosts" else field.replace("_", "-")
