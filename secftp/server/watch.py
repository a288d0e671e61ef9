"""Ends transfers that are slower than a server puts up with: a place is not for whoever takes a day for a file.

One thread for all sessions, and none at all without such a limit. Only time counts in which a file is under way, or a
message (small files, a listing) is sent or taken in pieces; so neither a long sum nor an idle session is ever cut by
this.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from secftp.text import format_rate

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from secftp.server.client import Client
    from secftp.server.limits import Limits

# Looks in the time over which the rate is taken.
LOOKS: Final = 12


class SlowWatch:
    """A context manager that looks after the clients that `clients` names, while it is entered."""

    def __init__(self, limits: Limits, clients: Callable[[], list[Client]]) -> None:
        self._rate = limits.min_rate
        self._seconds = limits.min_rate_seconds
        self._clients = clients
        self._since: dict[Client, tuple[float, int]] = {}  # when its time began, and what it had moved by then
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="secftp-watch", daemon=True)

    def __enter__(self) -> Self:
        if self._rate is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        if self._rate is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._seconds / LOOKS):
            self._look(time.monotonic())

    def _look(self, now: float) -> None:
        moving = [client for client in self._clients() if client.moving]
        self._since = {
            client: self._since.get(client, (now, client.stream.moved)) for client in moving
        }  # a client that moves none any more begins anew
        for client, (began, moved) in list(self._since.items()):
            if now - began >= self._seconds:
                self._judge(client, (client.stream.moved - moved) / (now - began))
                self._since[client] = now, client.stream.moved

    def _judge(self, client: Client, rate: float) -> None:
        assert self._rate is not None  # else nobody looks
        if rate < self._rate:
            least = format_rate(self._rate)
            client.limit("min_rate", f"A transfer was cut: {format_rate(rate)}, and {least} is the least.")
            client.stream.interrupt()
