"""Measured seconds and the statistics shown in documents: medians, ranges, table rows."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench.peers.directories import size_name
from bench.report.published import CIPHERS, ORIGINAL_SECONDS, WAYS, Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TITLE = "secftp: reading and writing, in seconds"
HEADER = ("file", "way", *CIPHERS, *(f"original {cipher}" for cipher in CIPHERS))


class Results(NamedTuple):
    """Seconds of every run by key, and the environment (processor, versions, date)."""

    seconds: Mapping[Place, Sequence[float]]
    facts: Mapping[str, str]

    @property
    def sizes(self) -> list[int]:
        """The measured sizes in bytes, ascending."""
        return sorted({place.size for place in self.seconds})

    def median(self, place: Place) -> float:
        """Return the median seconds."""
        return median(self.seconds[place])

    def rate(self, place: Place) -> float:
        """Return the rate in MB/s (10**6 bytes per second) over the whole process."""
        return place.size / self.median(place) / 1e6


def rows(results: Results) -> list[tuple[str, ...]]:
    """Return the rows for `HEADER`: median (range) of secftp, published seconds of the original."""
    return [_row(results, size, way) for size in results.sizes for way in WAYS]


def method(results: Results) -> str:
    """Return a description of the method."""
    runs = {size: len(results.seconds[Place(size, WAYS[0], CIPHERS[0])]) for size in results.sizes}
    counts = ", ".join(f"{count} runs of {size_name(size)}" for size, count in runs.items())
    return (
        "secftp: seconds of the whole client process, including startup, over loopback to a server on the same "
        f"machine; from the page cache to memory; median (range) of {counts}, the ciphers in turn. "
        "original: published by its authors for 1 KB, 1 MB and 1 GB; on their network and their "
        "machines, so ratios between the two are not meaningful."
    )


def _row(results: Results, size: int, way: str) -> tuple[str, ...]:
    places = [Place(size, way, cipher) for cipher in CIPHERS]
    ours = [_spread(results, place) for place in places]
    theirs = [f"{ORIGINAL_SECONDS[place]:.3f}" if place in ORIGINAL_SECONDS else "-" for place in places]
    return (size_name(size), way, *ours, *theirs)


def _spread(results: Results, place: Place) -> str:
    seconds = results.seconds[place]
    return f"{results.median(place):.3f} ({min(seconds):.3f} to {max(seconds):.3f})"
