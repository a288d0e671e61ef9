"""Signals that end the client, wherever in the main thread it waits.

Python runs a signal's handler between two instructions of the main thread. A signal that comes after Python has looked
for one, and before the system call that waits has begun, is noted, but the wait has not heard of it: a read of a
terminal, a poll, a pause, the join of a thread would last as long as if nothing had come. So the C part of Python's
handler writes a byte to a pipe (`signal.set_wakeup_fd`), and a thread sees to it that the wait ends: as long as the
byte is there, no handler has run, and the thread interrupts the main thread by a signal of its own. Python's calls then
look for signals again (PEP 475).

For a program that has its process for itself. Nothing of this is done for `main(arguments)` or the Python interface.
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
# Ignored by default, so that one too many does no harm.
_NUDGE: Final = signal.SIGURG
# Seconds that a handler may take to run before the main thread is interrupted; twice as long each time.
_FIRST_NUDGE: Final = 0.01
_LAST_NUDGE: Final = 0.5


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end; it takes the way that Ctrl-C takes, past all that must be cleaned up."""

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
        """Take over what the process was not started to ignore; nohup means it."""
        signal.signal(_NUDGE, self._handle_nudge)
        signal.set_wakeup_fd(self._arrived, warn_on_full_buffer=False)
        for number, usual in (
            (signal.SIGINT, signal.default_int_handler),
            *((number, signal.SIG_DFL) for number in STOPPING),
        ):
            if signal.getsignal(number) == usual:
                signal.signal(number, self._handle)
        # Of the low-level kind: the start of every command waits for no thread, and its end neither.
        _thread.start_new_thread(self._watch, (_thread.get_ident(),))

    def end(self) -> None:
        """All is said and cleaned up; an impatient second Ctrl-C would only make Python show where it was."""
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
        """A handler runs, and with it, in the order of their numbers, those of all signals that have come."""
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
