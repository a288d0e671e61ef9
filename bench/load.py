"""A server under load and attack, on Linux: `python -m bench.load`.

Three parts, against server processes. First many handshakes from hundreds of loopback addresses, each of which
authenticates and disconnects: memory and descriptors must not grow. Then a thousand silent connections from a thousand
addresses, reopened whenever the server closes them, while legitimate clients perform handshakes one after the other;
the 99th percentile of their time counts. Finally the scenarios of `bench.lockouts`.
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
from secftp.crypto import Mode, Suite
from secftp.keys import read_key_file, write_key_file
from secftp.protocol import Bye
from secftp.transport import Credentials, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.peers.servers import Secftp
    from secftp.crypto import Password

IN_FLIGHT = 64
SOURCES = 250
TARGET_SECONDS = 2.0
TIMEOUT_SECONDS = 10.0
SETTLE_SECONDS = 10.0


def source(number: int) -> str:
    """Return one of many loopback addresses."""
    return f"127.{1 + number // 62_500 % 250}.{1 + number // 250 % 250}.{1 + number % 250}"


class Usage:
    """Memory, descriptors and threads of a process."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)

    def __str__(self) -> str:
        memory = self._process.memory_info().rss / (1 << 20)
        threads, descriptors = self._process.num_threads(), self._process.num_fds()
        return f"{memory:7.1f} MiB {descriptors:6} descriptors {threads:4} threads"

    def descriptors(self) -> int:
        """Return the number of open descriptors."""
        return int(self._process.num_fds())


def settle(usage: Usage, at_most: int) -> None:
    """Wait until the server has closed the last connections."""
    end = time.monotonic() + SETTLE_SECONDS
    while usage.descriptors() > at_most and time.monotonic() < end:
        time.sleep(0.05)


def shake_hands(address: tuple[str, int], password: Password, count: int) -> tuple[dict[Outcome, int], float]:
    """Perform `count` handshakes with the right key, some concurrently; return their outcomes and the seconds."""
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
            ready = selector.select(TIMEOUT_SECONDS)
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


class SilentConnections:
    """Silent connections, one from each address; `renew` reopens those that were closed."""

    def __init__(self, address: tuple[str, int], count: int) -> None:
        self._address = address
        self._selector = selectors.DefaultSelector()
        self._next = 0
        self.closed = 0
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
        """Reopen closed connections."""
        for key, _ in self._selector.select(0):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            self._selector.unregister(sock)
            sock.close()
            self.closed += 1
            self._open()

    def close(self) -> None:
        """Close all."""
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()


def legitimate(address: tuple[str, int], password: Password, count: int, silent: SilentConnections) -> list[float]:
    """Return the seconds of `count` legitimate clients from connecting to WELCOME, sorted."""
    seconds = []
    for _ in range(count):
        silent.renew()
        began = time.monotonic()
        channel = connect(*address, Credentials(password, Suite.AES128, Mode.KEYED), timeout=TIMEOUT_SECONDS)
        channel.flush()
        channel.receive()
        seconds.append(time.monotonic() - began)
        channel.close(Bye())
    return sorted(seconds)


@contextlib.contextmanager
def server() -> Iterator[tuple[Secftp, tuple[str, int], Password]]:
    """Run a server; yields it, its address and its key."""
    with contextlib.ExitStack() as stack:
        root, own = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secftp-bench-"))).resolve() for _ in range(2)
        )
        write_key_file(own / "key")
        served = stack.enter_context(secftp(root, own / "key", own / "server.log"))
        host, _, port = served.place.rpartition(":")
        yield served, (host, int(port)), read_key_file(own / "key").password()


def measure(handshakes: int, stalled: int, clients: int) -> None:
    """Measure the first two parts and print the results."""
    with server() as (served, address, password):
        usage = Usage(served.server.pid)
        before = usage.descriptors()
        print(f"  {'at startup':<28}{usage}")
        done = 0
        for part in (handshakes // 10, handshakes // 2, handshakes):
            outcomes, seconds = shake_hands(address, password, part - done)
            settle(usage, before)
            rate = (part - done) / seconds
            others = {str(key): count for key, count in outcomes.items() if key is not Outcome.ACCEPTED}
            print(f"  {f'after {part:,} handshakes':<28}{usage}   {rate:,.0f} per second {others or ''}")
            done = part
        silent = SilentConnections(address, stalled)
        try:
            times = legitimate(address, password, clients, silent)
            print(f"  {f'{stalled:,} silent connections':<28}{usage}   {silent.closed:,} were closed meanwhile")
        finally:
            silent.close()
        settle(usage, before)
        print(f"  {'afterwards':<28}{usage}")
    middle, late = times[len(times) // 2], times[min(len(times) - 1, len(times) * 99 // 100)]
    print(
        f"\n  {clients} legitimate clients meanwhile: median {1000 * middle:.1f} ms, "
        f"99th percentile {1000 * late:.1f} ms, slowest {1000 * times[-1]:.1f} ms "
        f"(target: at most {TARGET_SECONDS:g} s)"
    )


def main() -> int:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__.split("\n\n")[0])
    parser.add_argument("--handshakes", type=int, default=100_000, help="total number (default: 100,000)")
    parser.add_argument("--stalled", type=int, default=1000, help="silent connections (default: 1,000)")
    parser.add_argument("--clients", type=int, default=500, help="legitimate clients meanwhile (default: 500)")
    parser.add_argument("--attempts", type=int, default=ATTEMPTS, help=f"clients in each scenario ({ATTEMPTS})")
    parser.add_argument("--only-lockouts", action="store_true", help="skip the first two parts")
    options = parser.parse_args()
    machine = facts()
    print(f"processor: {machine['Processor']}\nlibcrypto: {machine['libcrypto']}\n")
    if not options.only_lockouts:
        measure(max(10, options.handshakes), max(1, options.stalled), max(1, options.clients))
    print("\nClients admitted during attacks:\n", flush=True)
    return 0 if play_all(list(SCENARIOS), max(1, options.attempts)) else 1


if __name__ == "__main__":
    sys.exit(main())
