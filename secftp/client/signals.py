"""Signal handling that ends the client wherever its main thread blocks.

Python runs signal handlers between two bytecode instructions of the main thread. A signal that arrives after Python has
checked for one and before the blocking system call begins is recorded, but does not interrupt the call: reading a
terminal, polling, sleeping or joining a thread would last as long as if there had been no signal. So the C part of
Python's handler writes a byte to a pipe (`signal.set_wakeup_fd`), and a thread ends the wait: as long as the byte is
unread, no handler has run, and the thread interrupts the main thread with another signal. Python's calls then check for
signals again (PEP 475).

Only for a program that owns its process; `main(arguments)` and the Python API leave signals alone.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from types import FrameType

STOPPING: Final = {signal.SIGTERM: "Terminated", signal.SIGHUP: "Hung up"}
# Ignored by default, so that a superfluous one does no harm.
_NUDGE: Final = signal.SIGURG
# Seconds that a handler may take to run before the main thread is interrupted; doubled each time.
_FIRST_NUDGE: Final = 0.01
_LAST_NUDGE: Final = 0.5


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end; it propagates like Ctrl-C, so that everything is cleaned up."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = signal.Signals(number)


class Interruptions:
    """From `begin` to `end`, SIGINT, SIGTERM and SIGHUP raise `KeyboardInterrupt` or `Stopped` in the main thread."""

    def __init__(self) -> None:
        self._waiting, self._arrived = os.pipe()
        for descriptor in (self._waiting, self._arrived):
            os.set_blocking(descriptor, False)

    def begin(self) -> None:
        """Handle the signals, except those that the process was started to ignore, as by nohup."""
        signal.signal(_NUDGE, self._handle_nudge)
        signal.set_wakeup_fd(self._arrived, warn_on_full_buffer=False)
        for number, usual in (
            (signal.SIGINT, signal.default_int_handler),
            *((number, signal.SIG_DFL) for number in STOPPING),
        ):
            if signal.getsignal(number) == usual:
                signal.signal(number, self._handle)
        # A low-level thread: neither the start nor the end of a command waits for it.
        _thread.start_new_thread(self._watch, (_thread.get_ident(),))

    def end(self) -> None:
        """Ignore signals after the cleanup; a second Ctrl-C would only make Python print a traceback."""
        for number in (signal.SIGINT, *STOPPING):
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)

    def _handle(self, number: int, _frame: FrameType | None) -> NoReturn:
        self._forget()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise Stopped(number)

    def _handle_nudge(self, _number: int, _frame: FrameType | None) -> None:
        self._forget()

    def _forget(self) -> None:
        """Empty the pipe: with this handler those of all signals that have arrived are run."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._waiting, 4096)

    def _watch(self, main: int) -> None:
        poller = select.poll()
        poller.register(self._waiting, select.POLLIN)
        while True:
            poller.poll()
            pause = _FIRST_NUDGE
            time.sleep(pause)
            while poller.poll(0):
                signal.pthread_kill(main, _NUDGE)
                pause = min(2 * pause, _LAST_NUDGE)
                time.sleep(pause)
