"""The C core compared with the libcrypto it uses: `python -m bench.core`, or `make bench-core`.

Everything runs in one process, on one processor, in turn (A B C A B C ...), so that a slow phase of the machine affects
all alike; each figure is the median of the rounds. Time is the CPU time of the thread. `openssl speed` runs as a
process between the rounds and measures its own CPU time. Ratios are ratios of medians.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench.native import Cipher, Frames
from bench.pair import Batch
from bench.peers.machine import facts
from secftp.crypto import Suite, libcrypto_version

if TYPE_CHECKING:
    from collections.abc import Callable

FRAMES = 16
PAYLOAD = 65536
SMALL = (64, 1024, 4096)
SMALL_FRAMES = 256
# Sizes of a frame's parts, and of a whole frame (docs/PROTOCOL.md, "Frames").
LENGTH, HEADER, TAG = 4, 8, 16
WIRE = 65572
# Time of a contender per round: far above the resolution of the clock, short enough to alternate often.
TURN_SECONDS = 0.02
SPEED_EVERY = 5  # rounds
# A larger ratio between turns means that other load disturbed them.
QUIET = 1.2
AES_BITS = {Suite.AES128: 128, Suite.AES256: 256}


class Contender:
    """A timed function: each call does `units` units of work. `prepare` runs before each call and is not timed."""

    def __init__(self, call: Callable[[], None], units: int, prepare: Callable[[], None] | None = None) -> None:
        self._call = call
        self._units = units
        self._prepare = prepare
        self._calls = 1
        self._seconds: list[float] = []
        self._calls = max(1, round(TURN_SECONDS / self._time()))

    def turn(self) -> None:
        """Measure one turn."""
        self._seconds.append(self._time() / (self._calls * self._units))

    def seconds(self) -> float:
        """Return the median time per unit."""
        return median(self._seconds)

    def spread(self) -> float:
        """Return the ratio of the slowest turn to the fastest."""
        return max(self._seconds) / min(self._seconds)

    def _time(self) -> float:
        if self._prepare is None:
            start = time.thread_time()
            for _ in range(self._calls):
                self._call()
            return time.thread_time() - start
        total = 0.0
        for _ in range(self._calls):
            self._prepare()
            start = time.thread_time()
            self._call()
            total += time.thread_time() - start
        return total


def sealing(suite: Suite, count: int, payload: int, units: int) -> dict[str, Contender]:
    """Return sealing and opening of one batch by secftp."""
    seals, opens = Batch(suite, count, payload), Batch(suite, count, payload)
    name = suite.name.lower()
    return {
        f"seal {name}": Contender(seals.seal, units),
        f"open {name}": Contender(opens.open, units, opens.seal),
    }


def gcm(bits: int, count: int, payload: int, units: int) -> dict[str, Contender]:
    """Return the same for libcrypto's GCM: length as associated data, header and payload encrypted, a tag."""
    name = f"AES-{bits}-GCM"
    frames = Frames(count, HEADER + payload, stride=LENGTH + HEADER + payload + TAG)
    sealer, opener = Cipher(name), Cipher(name, encrypting=False)
    return {
        f"seal {name}": Contender(lambda: frames.gcm_seal(sealer), units),
        f"open {name}": Contender(lambda: frames.gcm_open(opener), units, lambda: frames.gcm_seal(sealer)),
    }


def ciphers(bits: int) -> dict[str, Contender]:
    """Return CBC of one batch by libcrypto and in lanes, and ECB as the bound of the lanes."""
    frames = Frames(FRAMES, PAYLOAD, stride=WIRE, first=LENGTH)
    ecb, cbc = Cipher(f"AES-{bits}-ECB"), Cipher(f"AES-{bits}-CBC")
    units = FRAMES * PAYLOAD
    return {
        f"cbc {bits}": Contender(lambda: frames.cbc(cbc), units),
        f"lanes {bits}": Contender(lambda: frames.lanes(ecb, cbc), units),
        f"ecb {bits}": Contender(lambda: frames.ecb(ecb), units),
    }


class Speed:
    """The figure of `openssl speed` for AES-CBC with a message of 64 KiB."""

    def __init__(self, bits: int) -> None:
        self._cipher = f"aes-{bits}-cbc"
        self._rates: list[float] = []

    def turn(self) -> None:
        """Measure for one second."""
        command = ["openssl", "speed", "-seconds", "1", "-bytes", str(PAYLOAD), "-evp", self._cipher]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = re.search(rf"^{self._cipher}\s+([\d.]+)k", done.stdout, re.MULTILINE | re.IGNORECASE)
        if found is None:
            sys.exit(f"`{' '.join(command)}` gave no figure:\n{done.stdout}{done.stderr}")
        self._rates.append(float(found[1]) * 1000)

    def seconds(self) -> float:
        """Return the median time per byte."""
        return 1 / median(self._rates)


class Target(NamedTuple):
    """A target: `ours` is at least `bound` times as fast as `other`."""

    ours: str
    other: str
    bound: float


TARGETS = (
    Target("lanes 128", "speed 128", 5.0),
    Target("lanes 256", "speed 256", 5.0),
    Target("seal aes128", "seal AES-128-GCM", 0.95),
    Target("seal aes256", "seal AES-256-GCM", 0.85),
    Target("open aes128", "open AES-128-GCM", 0.95),
    Target("open aes256", "open AES-256-GCM", 0.85),
)


def large_batches() -> dict[str, Contender]:
    """Return everything that is reported in GB/s."""
    units = FRAMES * PAYLOAD
    tags = Frames(FRAMES, PAYLOAD, stride=WIRE, first=LENGTH)
    found = ciphers(128) | ciphers(256) | {"poly1305": Contender(tags.poly1305, units)}
    for suite in Suite:
        found |= sealing(suite, FRAMES, PAYLOAD, units)
    for bits in AES_BITS.values():
        found |= gcm(bits, FRAMES, PAYLOAD, units)
    return found


def small_batches(payload: int) -> dict[str, Contender]:
    """Return everything that is reported in nanoseconds per frame."""
    found: dict[str, Contender] = {}
    for suite in Suite:
        found |= sealing(suite, SMALL_FRAMES, payload, SMALL_FRAMES)
    for bits in AES_BITS.values():
        found |= gcm(bits, SMALL_FRAMES, payload, SMALL_FRAMES)
    return found


def show_large(seconds: dict[str, float]) -> None:
    """Print the rates for a batch of full frames."""
    rows = (
        ("openssl speed, AES-CBC", "", "speed 128", "speed 256"),
        ("libcrypto AES-CBC, in this process", "", "cbc 128", "cbc 256"),
        ("secftp's lanes, the same bytes", "", "lanes 128", "lanes 256"),
        ("libcrypto AES-ECB, bound of the lanes", "", "ecb 128", "ecb 256"),
        ("libcrypto Poly1305", "poly1305", "poly1305", "poly1305"),
        ("libcrypto AES-GCM, sealing", "", "seal AES-128-GCM", "seal AES-256-GCM"),
        ("secftp, sealing", "seal none", "seal aes128", "seal aes256"),
        ("libcrypto AES-GCM, opening", "", "open AES-128-GCM", "open AES-256-GCM"),
        ("secftp, opening", "open none", "open aes128", "open aes256"),
    )
    heading = f"GB/s, {FRAMES} frames of {PAYLOAD // 1024} KiB"
    print(f"\n{heading:<42}{'none':>10}{'aes128':>10}{'aes256':>10}")
    for title, *names in rows:
        cells = [f"{1e-9 / seconds[name]:10.2f}" if name in seconds else f"{'-':>10}" for name in names]
        print(f"  {title:<40}{''.join(cells)}")


def show_targets(seconds: dict[str, float]) -> None:
    """Print the ratios and their targets."""
    print(f"\n{'ratios of medians':<42}{'':>10}{'target':>10}")
    for ours, other, bound in TARGETS:
        if other not in seconds:
            print(f"  {ours} / {other}: not measured, the openssl command is not installed")
            continue
        ratio = seconds[other] / seconds[ours]
        print(f"  {f'{ours} / {other}':<40}{ratio:10.2f}{bound:>10.2f}  {'' if ratio >= bound else 'MISSED'}")


def show_quiet(spread: float) -> None:
    """Print whether the figures are reliable."""
    # Other load on the same physical core slows lanes and GCM alike, but not serial CBC, which leaves units idle.
    verdict = "" if spread < QUIET else ": the processor was busy; measure again"
    print(f"  the slowest turn of the lanes took {spread:.2f} times as long as the fastest{verdict}")


def show_small(measured: dict[int, dict[str, float]]) -> None:
    """Print the costs of small frames."""
    names = [suite.name.lower() for suite in Suite] + [f"AES-{bits}-GCM" for bits in AES_BITS.values()]
    heading = f"ns/frame, batches of {SMALL_FRAMES}"
    print(f"\n{heading:<42}{''.join(f'{name:>10}' for name in ('none', 'aes128', 'aes256', 'GCM-128', 'GCM-256'))}")
    for payload, seconds in measured.items():
        for verb in ("seal", "open"):
            cells = "".join(f"{seconds[f'{verb} {name}'] * 1e9:10.0f}" for name in names)
            print(f"  {f'{verb} {payload} bytes':<40}{cells}")


def measure(rounds: int) -> None:
    """Measure everything and print it."""
    large = large_batches()
    small = {payload: small_batches(payload) for payload in SMALL}
    speeds = {f"speed {bits}": Speed(bits) for bits in AES_BITS.values()} if shutil.which("openssl") else {}
    for number in range(rounds):
        turns = [*large.values(), *(one for group in small.values() for one in group.values())]
        for contender in turns + (list(speeds.values()) if number % SPEED_EVERY == 0 else []):
            contender.turn()
    seconds = {name: one.seconds() for name, one in (large | speeds).items()}
    show_large(seconds)
    show_targets(seconds)
    show_quiet(large["lanes 128"].spread())
    show_small({payload: {name: one.seconds() for name, one in group.items()} for payload, group in small.items()})


def versions() -> str:
    """Return processor, loaded libcrypto, and version of the openssl command."""
    command = "not installed"
    if shutil.which("openssl"):
        command = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.strip()
    processor = facts()["Processor"]
    return f"processor: {processor}\nlibcrypto: {libcrypto_version()}\nopenssl command: {command}"


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench.core", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="turns of each contender (default: 15)")
    options = parser.parse_args()
    print(versions())
    measure(max(1, options.rounds))


if __name__ == "__main__":
    main()
