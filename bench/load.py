"""A server that is attacked, on Linux: `python -m bench.load`. What it holds after many handshakes, and who gets in.

Three parts, against real server processes. First so many handshakes from hundreds of loopback addresses, each proving
the key and hanging up: memory and descriptors on the way must not grow. Then a thousand connections of a thousand
addresses that say nothing, opened again whenever the server cuts them, while one honest client after the other shakes
hands; what counts is how long the slowest in a hundred takes. At last the scenarios of `bench.lockouts`.
"""

from __future__ import annotations

import argparse
import contextlib
import selectors
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench.handshakes import Attempt, Outcome
from bench.lockouts import ATTEMPTS, SCENARIOS, play_all
from bench.peers.machine import facts
from bench.peers.servers import secftp
from secftp.channel import Credentials, connect
from secftp.keys import read_key_file, write_key_file
from secftp.messages import Bye
from secftp.record import Mode, Suite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.peers.servers import Secftp
    from secftp.record import Password

IN_FLIGHT = 64
SOURCES = 250
TARGET_SECONDS = 2.0
PATIENCE_SECONDS = 10.0
SETTLE_SECONDS = 10.0


def source(number: int) -> str:
    """One of many addresses of this machine's own."""
    return f"127.{1 + number // 62_500 % 250}.{1 + number // 250 % 250}.{1 + number % 250}"


class Held:
    """What a process holds: memory and descriptors."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)

    def __str__(self) -> str:
        memory = self._process.memory_info().rss / (1 << 20)
        threads, descriptors = self._process.num_threads(), self._process.num_fds()
        return f"{memory:7.1f} MiB {descriptors:6} descriptors {threads:4} threads"

    def descriptors(self) -> int:
        """How many are open now."""
        return int(self._process.num_fds())


def settle(held: Held, at_most: int) -> None:
    """Wait until the last connections are gone on the server's side, too; they may take a moment."""
    end = time.monotonic() + SETTLE_SECONDS
    while held.descriptors() > at_most and time.monotonic() < end:
        time.sleep(0.05)


def shake_hands(address: tuple[str, int], password: Password, count: int) -> tuple[dict[Outcome, int], float]:
    """So many handshakes with the right key, some side by side; how they ended, and in how many seconds."""
    outcomes: dict[Outcome, int] = {}
    started, began = 0, time.monotonic()
    with selectors.DefaultSelector() as selector:

        def start() -> None:
            nonlocal started
            attempt = Attempt(address, password, source(started % SOURCES))
            selector.register(attempt.socket, selectors.EVENT_WRITE, attempt)
            started += 1

        while started < min(count, IN_FLIGHT):
            start()
        while selector.get_map():
            ready = selector.select(PATIENCE_SECONDS)
            if not ready:
                outcomes[Outcome.LOST] = outcomes.get(Outcome.LOST, 0) + len(selector.get_map())
                for key in list(selector.get_map().values()):
                    selector.unregister(key.fileobj)
                    key.data.socket.close()
            for key, events in ready:
                attempt: Attempt = key.data
                if events & selectors.EVENT_WRITE:
                    attempt.connected()
                    selector.modify(attempt.socket, selectors.EVENT_READ, attempt)
                elif (outcome := attempt.ready()) is not None:
                    outcomes[outcome] = outcomes.get(outcome, 0) + 1
                    selector.unregister(attempt.socket)
                    attempt.socket.close()
                    if started < count:
                        start()
    return outcomes, time.monotonic() - began


class Siege:
    """Connections that say nothing, one from each address; `renew` opens those again that were cut."""

    def __init__(self, address: tuple[str, int], count: int) -> None:
        self._address = address
        self._selector = selectors.DefaultSelector()
        self._next = 0
        self.cut = 0
        for _ in range(count):
            self._open()

    def _open(self) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.bind((source(SOURCES + self._next), 0))
        self._next += 1
        sock.connect_ex(self._address)
        self._selector.register(sock, selectors.EVENT_READ)

    def renew(self) -> None:
        """Look once."""
        for key, _ in self._selector.select(0):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            self._selector.unregister(sock)
            sock.close()
            self.cut += 1
            self._open()

    def close(self) -> None:
        """Give up."""
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()


def honest(address: tuple[str, int], password: Password, count: int, siege: Siege) -> list[float]:
    """How long each of so many honest clients took from its connection to WELCOME, in seconds, sorted."""
    seconds = []
    for _ in range(count):
        siege.renew()
        began = time.monotonic()
        channel = connect(*address, Credentials(password, Suite.AES128, Mode.KEYED), timeout=PATIENCE_SECONDS)
        channel.flush()
        channel.receive()
        seconds.append(time.monotonic() - began)
        channel.close(Bye())
    return sorted(seconds)


@contextlib.contextmanager
def server() -> Iterator[tuple[Secftp, tuple[str, int], Password]]:
    """A server, where it listens, and its key."""
    with contextlib.ExitStack() as stack:
        root, own = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secftp-bench-"))).resolve() for _ in range(2)
        )
        write_key_file(own / "key")
        served = stack.enter_context(secftp(root, own / "key", own / "server.log"))
        host, _, port = served.place.rpartition(":")
        yield served, (host, int(port)), read_key_file(own / "key").password()


def measure(handshakes: int, stalled: int, clients: int) -> None:
    """Both parts, printed."""
    with server() as (served, address, password):
        held = Held(served.server.pid)
        before = held.descriptors()
        print(f"  {'at the start':<28}{held}")
        done = 0
        for part in (handshakes // 10, handshakes // 2, handshakes):
            outcomes, seconds = shake_hands(address, password, part - done)
            settle(held, before)
            rate = (part - done) / seconds
            others = {str(key): count for key, count in outcomes.items() if key is not Outcome.ACCEPTED}
            print(f"  {f'after {part:,} handshakes':<28}{held}   {rate:,.0f} a second {others or ''}")
            done = part
        siege = Siege(address, stalled)
        try:
            times = honest(address, password, clients, siege)
            print(f"  {f'{stalled:,} stalled connections':<28}{held}   {siege.cut:,} were cut meanwhile")
        finally:
            siege.close()
        settle(held, before)
        print(f"  {'after them':<28}{held}")
    middle, late = times[len(times) // 2], times[min(len(times) - 1, len(times) * 99 // 100)]
    print(
        f"\n  {clients} honest clients meanwhile: median {1000 * middle:.1f} ms, 99th percentile {1000 * late:.1f} ms, "
        f"slowest {1000 * times[-1]:.1f} ms (at most {TARGET_SECONDS:g} s are wanted)"
    )


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__.split("\n\n")[0])
    parser.add_argument("--handshakes", type=int, default=100_000, help="how many in all (default: 100,000)")
    parser.add_argument("--stalled", type=int, default=1000, help="connections that say nothing (default: 1,000)")
    parser.add_argument("--clients", type=int, default=500, help="honest clients meanwhile (default: 500)")
    parser.add_argument("--attempts", type=int, default=ATTEMPTS, help=f"clients in each scenario ({ATTEMPTS})")
    parser.add_argument("--only-lockouts", action="store_true", help="leave out the first two parts")
    options = parser.parse_args()
    machine = facts()
    print(f"processor: {machine['Processor']}\nlibcrypto: {machine['libcrypto']}\n")
    if not options.only_lockouts:
        measure(max(10, options.handshakes), max(1, options.stalled), max(1, options.clients))
    print("\nWho gets in meanwhile:\n", flush=True)
    return 0 if play_all(list(SCENARIOS), max(1, options.attempts)) else 1


if __name__ == "__main__":
    sys.exit(main())
