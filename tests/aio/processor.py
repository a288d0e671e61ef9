"""The processor time of each callback of an event loop, in the thread of the loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time


class Callbacks:
    """How much of its processor time a thread has spent in the callbacks of its loop."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.count = 0
        self.what = ""  # the longest one

    def take(self, seconds, handle):
        self.count += 1
        if seconds > self.longest:
            self.longest, self.what = seconds, repr(handle)


@contextlib.contextmanager
def measured_callbacks(monkeypatch):
    """Measure all callbacks in the block.

    Garbage is not collected in it: how long that takes is a matter of all objects of a program, and here of all tests.
    """
    found = Callbacks()
    run = asyncio.Handle._run

    def measured(handle):
        before = time.thread_time()
        run(handle)
        found.take(time.thread_time() - before, handle)

    gc.collect()
    gc.disable()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(asyncio.Handle, "_run", measured)
            yield found
    finally:
        gc.enable()
