"""Sessions that count for all servers.

A session is counted here by its own thread, after this server has found a slot for it: so the accept loop never waits
for that. Each server has its counts in Redis for as long as it sends heartbeats, and writes all of them at each one.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from secftp.server.shared.link import MISUNDERSTOOD
from secftp.server.shared.names import PREFIX
from secftp.server.shared.scripts import CHANGE, LEAVE, SYNCHRONIZE, TAKE

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from secftp.server.session_limits import Condition
    from secftp.server.shared.link import Link
    from secftp.server.shared.names import Names

_SERVERS: Final = f"{PREFIX}servers"
_SESSIONS: Final = f"{PREFIX}sessions:"
_UNKNOWN: Final = -1


class SharedSlots:
    """The sessions of this server, as Redis counts them. Thread-safe."""

    def __init__(self, link: Link, names: Names) -> None:
        self._link = link
        self._names = names
        self._lock = threading.Lock()  # from a change of the counts until Redis knows it, so that both agree
        self._counts: Counter[str] = Counter()

    def take(
        self, counted: Sequence[Hashable], conditions: Sequence[Condition], instead_of: Sequence[Hashable] = ()
    ) -> Condition | None:
        """Count a session, in place of another one, or return what refuses it; without Redis nothing does.

        `counted`: what it counts for. `conditions`: what must not be full, that of all sessions first.
        """
        fields, given = self._fields(counted), self._fields(instead_of)
        values: list[str | int | float] = [len(conditions)]
        for condition in conditions:
            values += [self._names.of("slot", condition.what), condition.bound or 0, condition.times]
        values += [len(given), *given, *fields]
        with self._lock:
            found = self._call(TAKE, values)
            try:
                if found is not None and int(found) > 0:
                    return conditions[int(found) - 1]
            except MISUNDERSTOOD:
                self._link.distrust()
            self._add(fields, given)
        return None

    def release(self, counted: Sequence[Hashable], instead: Sequence[Hashable] = ()) -> None:
        """Count a session less, and another one instead."""
        less, more = self._fields(counted), self._fields(instead)
        with self._lock:
            self._add(more, less)
            self._call(CHANGE, [len(less), *less, *more])

    def _call(self, script: Any, values: list[Any]) -> Any:
        found = self._link.call(script, (_SERVERS,), (*self._head, *values))
        if found == _UNKNOWN:  # it has lost its data, or this server was silent for too long
            self._link.resume()
            return None
        return found

    @property
    def _head(self) -> tuple[str, str, float]:
        return self._link.server, _SESSIONS, self._link.life

    def synchronize(self, run: Callable[..., Any]) -> None:
        """Tell Redis all counts. Raises `LineError`."""
        with self._lock:
            values = [value for pair in self._counts.items() for value in pair]
            run(SYNCHRONIZE, (_SERVERS,), (*self._head, *values))

    def leave(self) -> None:
        """Have no session of this server counted any more, as it ends."""
        self._link.call(LEAVE, (_SERVERS,), self._head)

    def _fields(self, counted: Sequence[Hashable]) -> list[str]:
        return [self._names.of("slot", what) for what in counted]

    def _add(self, more: Sequence[str], less: Sequence[str]) -> None:
        self._counts.update(more)
        self._counts.subtract(less)
        for field in less:
            if self._counts[field] <= 0:
                del self._counts[field]
