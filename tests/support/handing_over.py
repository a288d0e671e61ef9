"""A server for one delivery in a thread, with a view that records what it is shown."""

from __future__ import annotations

import contextlib
import threading
from typing import NamedTuple

from secftp.sharing.handover import hand_over
from secftp.sharing.inbox import open_inbox
from secftp.storage.selection import SelectionStore
from tests.support.serving import DEADLINE, HOST, KEY, session


class Settings(NamedTuple):
    times: int = 1
    seconds: float | None = None
    hosts: tuple[str, ...] = (HOST,)
    port: int = 0


class Abandoned(Exception):
    """The test has failed: the server ends as at an interruption."""


class Recorded:
    """What a handover has shown; the `View` of one."""

    def __init__(self):
        self.port = None
        self.events = []
        self.failure = None
        self.delivered = None
        self.counts = None
        self.is_abandoned = False
        self._changed = threading.Condition()
        self._over = False

    def announce(self, what, addresses, port, draw):
        with self._changed:
            self.what, self.addresses, self.port = what, addresses, port
            self._changed.notify_all()

    def status(self, delivered):
        self.delivered = delivered

    def show(self, event):
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def tick(self, counts):
        self.counts = counts
        if self.is_abandoned:
            raise Abandoned

    needs_every_file = True

    def conclude(self, delivered):
        self.delivered = delivered

    # --- for tests ----------------------------------------------------------------------------------------------------

    def kinds(self):
        with self._changed:
            return [event.kind for event in self.events]

    def wait_for(self, kind, count=1):
        """Wait for so many events of a kind; return the last of them."""
        with self._changed:

            def found():
                return [event for event in self.events if event.kind == kind]

            self._changed.wait_for(lambda: self._over or len(found()) >= count, DEADLINE)
            assert len(found()) >= count, f"no {kind} ({count}) in {self.events}"
            return found()[count - 1]

    def session(self, key=KEY, **options):
        return session(self.port, key, **options)

    def run(self, *arguments):
        try:
            hand_over(*arguments[:-1], takes=arguments[-1], totals=(3, 46))
        except BaseException as problem:  # noqa: BLE001 - raised again in the test
            self.failure = problem
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    @property
    def is_over(self):
        with self._changed:
            return self._over


@contextlib.contextmanager
def handing_over(store, *, takes, key=KEY, view=None, **settings):
    """Yield a `Recorded`; the handover has to end by itself before the block ends, or fails the test."""
    view = view or Recorded()
    thread = threading.Thread(target=view.run, args=(store, key, Settings(**settings), view, "what", takes))
    thread.start()
    try:
        with view._changed:
            view._changed.wait_for(lambda: view.port or view._over, DEADLINE)
        yield view
    except BaseException:
        view.is_abandoned = True
        raise
    finally:
        thread.join(DEADLINE)
        assert not thread.is_alive(), f"it does not end: {view.events}"
    if view.failure is not None:
        raise view.failure


def sharing(*names, **settings):
    """A handover of these files."""
    return handing_over(SelectionStore(list(map(str, names))), takes=False, **settings)


def receiving(directory, **settings):
    """A handover into this directory."""
    return handing_over(open_inbox(str(directory)), takes=True, **settings)
