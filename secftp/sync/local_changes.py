"""Changes of a directory of this machine and everything below it, as the operating system tells them.

The only importer of watchfiles, an optional library. Invariant: what was not told as a change has not changed, or a
`problem` is known; a burst of changes, of which the operating system may have lost some, counts as one of everything.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

from secftp.errors import InstallationError
from secftp.system import watched_directories

if TYPE_CHECKING:
    from types import ModuleType

    from secftp.storage import Path
    from secftp.sync.watch import Changes

_STEP: Final = 200  # milliseconds in which changes are gathered
_LONGEST: Final = 400  # less than the pause of a pass, else it would take changes that go on for quiet
_WAKES: Final = 1000  # without changes
# Linux keeps 16384 changes of all directories until they are read, and drops those beyond.
_BURST: Final = 4096
_LOST: Final = "\N{REPLACEMENT CHARACTER}"  # in the place of bytes that are no UTF-8


def load() -> ModuleType:
    """Import watchfiles. Raises `InstallationError` if it is missing."""
    try:
        import watchfiles
    except ImportError:
        raise InstallationError(
            "Watching a directory requires watchfiles.", hint="Run: pip install 'secftp[watch]'"
        ) from None
    return watchfiles


class LocalChanges:
    """A thread that adds the changes of a directory to `changes`, from `start` until it is closed.

    `problem`: why it has ended; empty as long as it watches.
    """

    def __init__(self, top: str, changes: Changes) -> None:
        self.problem = ""
        self._top = os.path.realpath(top)
        self._prefix = os.path.join(self._top, "")
        self._changes = changes
        self._watch = load().watch
        self._identity = _identity(self._top)
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="secftp-watch", daemon=True)

    def start(self) -> None:
        """Begin; returns when every change from now on will be told, or there is a problem."""
        self._thread.start()
        while not self._ready.wait(1.0):  # a wait without an end could not be interrupted
            pass

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def is_same(self) -> bool:
        """Return whether its name still stands for the directory that is watched: no other, and not unmounted."""
        return _identity(self._top) == self._identity

    def covers(self, directories: int) -> bool:
        """Return whether the top and so many directories in it are watched, as far as the operating system tells."""
        watched = watched_directories()
        return watched is None or watched > directories

    def _run(self) -> None:
        try:
            for found in self._watch(
                self._top,
                watch_filter=None,
                step=_STEP,
                debounce=_LONGEST,
                stop_event=self._stop,
                rust_timeout=_WAKES,
                yield_on_timeout=True,
                recursive=True,
                ignore_permission_denied=False,  # if it is true, it ignores that there are too many directories, too
            ):
                self._ready.set()
                if len(found) >= _BURST:
                    self._changes.add([()])
                elif found:
                    self._changes.add(self._relative(name) for _, name in found)
        except Exception as problem:  # noqa: BLE001 - of a library that calls the operating system
            self.problem = _reason(problem)
        finally:
            if not self._stop.is_set():
                self.problem = self.problem or "the watch has ended"
                self._changes.add([()])
            self._ready.set()

    def _relative(self, name: str) -> Path:
        """Return a path relative to the top; up to a name that was not told as it is."""
        if not name.startswith(self._prefix):
            return ()
        path = name[len(self._prefix) :].split("/")
        exact = next((depth for depth, part in enumerate(path) if _LOST in part), len(path))
        return tuple(map(os.fsencode, path[:exact]))


def _reason(problem: Exception) -> str:
    """Return a clause about why there is no watch."""
    text = str(problem)
    if "watch limit" in text:
        return "there are more directories than the system allows to be watched (fs.inotify.max_user_watches)"
    if "decode path" in text:
        return "a name in it is not UTF-8"
    if isinstance(problem, FileNotFoundError):
        return "there is no such directory"
    if isinstance(problem, PermissionError):
        return "a directory in it can't be read"
    return "the system refuses"


def _identity(top: str) -> tuple[int, int] | None:
    try:
        status = os.stat(top)
    except OSError:
        return None
    return status.st_dev, status.st_ino
