"""Load test: `python -m tests.soak [--sessions N] [--at-once N] [--seed N]`, with mixed sizes and ciphers.

The server is a separate process, started as by an operator; one session in a hundred is aborted. Invariants: no file
comes back with other bytes or another digest, the memory and descriptors of the server are constant once the buffers of
`--at-once` sessions exist, and no incomplete file is left after the last session.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import queue
import random
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from secftp.crypto import Suite
from secftp.errors import SecftpError
from secftp.keys import read_key_file
from secftp.protocol import Write
from tests.faults.scenario import Place
from tests.prove import Figures
from tests.support.serving import HOST, Hostile, digest_of, get, put, server_process, session, until

BROKEN_OFF = 0.01
GROWTH = 1.10  # of the resident memory, from the end of the warm-up to the end
# Bytes of a file: most are small, some fill several batches.
SIZES = (0, 1, 100, 4096, 65535, 65536, 65537, 300_000, 1_500_000)
WEIGHTS = (4, 8, 30, 30, 6, 6, 6, 8, 2)


class Worker(threading.Thread):
    """Takes numbers of sessions until there are none, and does each."""

    def __init__(self, number: int, port: int, key: object, numbers: queue.SimpleQueue[int], seed: int) -> None:
        super().__init__(name=f"soak {number}")
        self.done: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        self._number = number
        self._port = port
        self._key = key
        self._numbers = numbers
        self._seed = seed

    def run(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._session(random.Random(self._seed * 1_000_003 + self._numbers.get_nowait()))

    def _session(self, chance: random.Random) -> None:
        data = chance.randbytes(chance.choices(SIZES, WEIGHTS)[0])
        suite = chance.choice(list(Suite))
        name = b"file-%d-%d" % (self._number, chance.randrange(4))
        try:
            if chance.random() < BROKEN_OFF:
                self._break_off(name, suite, data or b"x")
                self.done["aborted"] += 1
                return
            with session(self._port, self._key, suite, timeout=60) as client:
                sent = put(client, name, data)
                back = get(client, name)
                if sent.digest != digest_of(data) or back != data:
                    self.wrong.append(f"{name!r}: {len(data)} bytes came back as {len(back)}")
                if chance.random() < 0.5 and client.checksum((name,)).digest != sent.digest:
                    self.wrong.append(f"{name!r}: another sum")
            self.done["sessions"] += 1
            self.done["bytes"] += 2 * len(data)
        except (SecftpError, OSError, AssertionError) as problem:
            self.wrong.append(f"{name!r}: {type(problem).__name__}: {problem}")

    def _break_off(self, name: bytes, suite: Suite, data: bytes) -> None:
        """A client that is gone in the middle of a file, with a reset or without a word."""
        with Hostile(self._port, self._key, suite) as wire:
            wire.welcome()
            wire.send(Write(id=1, path=(name,), size=len(data) + 1))
            wire.send_data(data)
            if len(data) % 2:
                wire.reset()


def measured(pid: int) -> tuple[int, int]:
    """Resident bytes and open descriptors of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{pid}/fd"))


def wave(count: int, at_once: int, port: int, key: object, seed: int) -> list[Worker]:
    """So many sessions, so many at once."""
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(count):
        numbers.put(number)
    workers = [Worker(number, port, key, numbers, seed) for number in range(at_once)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return workers


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--sessions", type=int, default=2000, metavar="N", help="how many (default: 2000)")
    parser.add_argument("--at-once", type=int, default=64, metavar="N", help="at a time (default: 64)")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    options = parser.parse_args()
    figures = Figures("soak")
    with tempfile.TemporaryDirectory(prefix="secftp-soak-") as base:
        place = Place(Path(base))
        place.clear()
        key = read_key_file(place.key)
        port = free_port()
        arguments = [str(port), "--host", "127.0.0.1", "--root", place.served, "--key-file", place.key]
        # What bounds one address is not what is tried here: all clients are one address.
        arguments += ["--max-pending-per-source", "200", "--log-level", "error"]
        with server_process(place.base, *arguments, watched=True) as server:
            until(lambda: listens(port), "the server listens")
            soak(figures, options, server.pid, port, place, key)
    return figures.close()


def free_port() -> int:
    """A port of our own choice: a server that logs errors alone does not say which it took."""
    with socket.create_server((HOST, 0)) as sock:
        return sock.getsockname()[1]


def listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection((HOST, port)).close()
        return True
    return False


def soak(figures: Figures, options: argparse.Namespace, pid: int, port: int, place: Place, key: object) -> None:
    warm = max(options.at_once * 2, options.sessions // 10)
    workers = wave(warm, options.at_once, port, key, options.seed)
    descriptors_idle = settled(pid)
    before, _ = measured(pid)
    began = time.monotonic()
    workers += wave(options.sessions - warm, options.at_once, port, key, options.seed + 1)
    seconds = time.monotonic() - began
    descriptors = settled(pid)
    after, _ = measured(pid)
    done = sum((worker.done for worker in workers), collections.Counter())
    wrong = [line for worker in workers for line in worker.wrong]
    for line in wrong[:20]:
        print(f"  WRONG {line}")
    left = [path.name for path in place.served.rglob(".secftp-*")]
    flat = after <= before * GROWTH and descriptors <= descriptors_idle
    figures.section(
        "sessions",
        good=not wrong and not left and flat and done["aborted"] > 0,
        sessions=done["sessions"],
        aborted=done["aborted"],
        at_once=options.at_once,
        megabytes=done["bytes"] // 10**6,
        sessions_a_second=round((options.sessions - warm) / seconds) if seconds else 0,
        wrong=len(wrong),
        resident_MB_before=round(before / 1e6, 1),
        resident_MB_after=round(after / 1e6, 1),
        descriptors_before=descriptors_idle,
        descriptors_after=descriptors,
        left_behind=len(left),
    )


def settled(pid: int) -> int:
    """The descriptors of a server whose sessions are all over."""
    last: list[int] = []

    def is_quiet() -> bool:
        last.append(measured(pid)[1])
        return len(last) > 40 and len(set(last[-40:])) == 1

    until(is_quiet, "the server is quiet", 60)
    return last[-1]


if __name__ == "__main__":
    sys.exit(main())
