"""One large file, put and got by the blocking client and on an event loop, in turn; and how long the loop had to wait.

A ticker sleeps for a millisecond at a time while a file is copied on the loop: what it sleeps too long is how late
anything else there would have been, by the wall clock. It measures the machine, too: with fewer processors than there
are busy threads, that is also the scheduler's time slice.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import secftp
import secftp.aio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from bench.aio.loops import Run

_TICK_SECONDS = 0.001


class Place(NamedTuple):
    """What is copied between: a server's URL and key file, a file in its directory, and a directory of this side."""

    url: str
    key_file: Path
    source: Path
    served: Path
    here: Path


class Compared(NamedTuple):
    """Medians in seconds, and of the loop the longest that its ticker was late, in all rounds."""

    blocking: float
    loop: float
    latest: float

    @property
    def ratio(self) -> float:
        """The speed on the loop as a share of that of the blocking client."""
        return self.blocking / self.loop


def compare(place: Place, run: Run, rounds: int) -> dict[str, Compared]:
    """Return the comparison for `put` and `get`, after a warm-up."""
    blocking: dict[str, list[float]] = {"put": [], "get": []}
    loop: dict[str, list[float]] = {"put": [], "get": []}
    latest = {"put": 0.0, "get": 0.0}
    for number in range(rounds + 1):
        for way, seconds in _blocking(place).items():
            blocking[way] += [seconds] if number else []
        for way, (seconds, late) in run(_on_a_loop(place)).items():
            if number:
                loop[way].append(seconds)
                latest[way] = max(latest[way], late)
    return {way: Compared(median(blocking[way]), median(loop[way]), latest[way]) for way in blocking}


def _blocking(place: Place) -> dict[str, float]:
    seconds = {}
    with secftp.connect(place.url, key_file=place.key_file, cipher="aes128") as client:
        _tidy(place)
        began = time.perf_counter()
        client.put(place.source, "written", streams=1)
        seconds["put"] = time.perf_counter() - began
        began = time.perf_counter()
        client.get(place.source.name, place.here / "back", streams=1)
        seconds["get"] = time.perf_counter() - began
    return seconds


async def _on_a_loop(place: Place) -> dict[str, tuple[float, float]]:
    async with secftp.aio.connect(place.url, key_file=place.key_file, cipher="aes128") as client:
        _tidy(place)
        return {
            "put": await _timed(lambda: client.put(place.source, "written")),
            "get": await _timed(lambda: client.get(place.source.name, place.here / "back")),
        }


async def _timed(act: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Return how long something takes, and how late the ticker was at most meanwhile."""
    late = [0.0]
    ticker = asyncio.create_task(_tick(late))
    await asyncio.sleep(0)
    began = time.perf_counter()
    await act()
    seconds = time.perf_counter() - began
    ticker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await ticker
    return seconds, max(late)


async def _tick(late: list[float]) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(_TICK_SECONDS)
        late[0] = max(late[0], time.perf_counter() - before - _TICK_SECONDS)


def _tidy(place: Place) -> None:
    """Both write new files: to replace one frees its pages meanwhile."""
    (place.served / "written").unlink(missing_ok=True)
    (place.here / "back").unlink(missing_ok=True)
