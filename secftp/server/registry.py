"""The clients that are there, and which of them have a session's place."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from secftp.server.places import Bound, Place, Places

if TYPE_CHECKING:
    from secftp.server.access import Grant
    from secftp.server.client import Client
    from secftp.server.limits import Limits
    from secftp.server.sources import Source

# Clients that have proved themselves and are told that there is no place: each has a thread for as long as that takes.
TURNED_AWAY_MAX: Final = 64


class Registry:
    """All clients of a server. Every thread may use it."""

    def __init__(self, limits: Limits, max_clients: int) -> None:
        self._lock = threading.Lock()
        self._clients: set[Client] = set()
        self._places = Places(limits, max_clients)
        self._turned_away = 0

    def bound(self, source: Source, grant: Grant) -> Bound | None:
        """Which bound would keep this client from a session, as far as it may be told before its proof."""
        with self._lock:
            return self._places.bound(Place(source, grant), proved=False)

    def enter(self, client: Client) -> bool:
        """Take in a client that has proved itself, with a session's place if there is one for it.

        False if there is no room even for telling it that there is none.
        """
        with self._lock:
            client.refused_by = self._places.bound(client.place, proved=True)
            if client.refused_by is None:
                self._places.take(client.place)
            elif self._turned_away >= TURNED_AWAY_MAX:
                return False
            else:
                self._turned_away += 1
            self._clients.add(client)
            return True

    def leave(self, client: Client) -> None:
        """Forget a client that is gone; once more does no harm."""
        with self._lock:
            if client not in self._clients:
                return
            self._clients.remove(client)
            if client.refused_by is None:
                self._places.leave(client.place)
            else:
                self._turned_away -= 1

    def all(self) -> list[Client]:
        """Every client there is now."""
        with self._lock:
            return list(self._clients)
