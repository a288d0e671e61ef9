"""Handshakes per second on one processor of a server: `python -m bench.handshakes`, or `make bench-handshakes`.

A server process, pinned to one processor where the system supports that, and a load generator on the others: one thread
with many concurrent connections over loopback. A handshake with the right key is complete when the server's first frame
arrives, which is sent only to an authenticated client; one with a wrong key when the client has found that the server's
confirmation does not match, and closes. A run ends after some seconds, or when the ports of one address would run out.
"""

from __future__ import annotations

import argparse
import contextlib
import enum
import os
import selectors
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from bench.peers.machine import facts
from bench.peers.servers import secftp
from secftp.crypto import Mode, Password, Suite
from secftp.errors import AuthenticationError, HandshakeRefused
from secftp.keys import read_key_file, write_key_file
from secftp.protocol.handshake import ClientHandshake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.peers.process import Server

TARGET = 500  # per second
COUNT_MAX = 12_000
# A connection without a reply for this long has failed.
TIMEOUT_SECONDS = 5.0
READ_BYTES = 4096


class Outcome(enum.StrEnum):
    """Result of an attempt."""

    ACCEPTED = "accepted"  # mutually authenticated
    WRONG_KEY = "wrong key"
    REFUSED = "refused"  # in clear: the server is busy
    LOST = "lost"


class Attempt:
    """A connection and its handshake, non-blocking: call `ready` when the socket is readable."""

    def __init__(self, address: tuple[str, int], password: Password, source: str | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source is not None:
            self.socket.bind((source, 0))
        self.socket.connect_ex(address)
        self._handshake: ClientHandshake | None = ClientHandshake(password, Suite.AES128, Mode.KEYED)

    def connected(self) -> None:
        """Send the hello. A failed connection is detected when reading from it."""
        assert self._handshake is not None
        with contextlib.suppress(OSError):
            self.socket.send(self._handshake.hello)

    def ready(self) -> Outcome | None:
        """Process received data; return the outcome once it is known."""
        try:
            data = self.socket.recv(READ_BYTES)
            if not data:
                return Outcome.LOST
            if self._handshake is None:
                return Outcome.ACCEPTED
            established = self._handshake.receive(data)
            if established is not None:
                self._handshake = None
                self.socket.send(established.reply)
        except AuthenticationError:
            return Outcome.WRONG_KEY
        except HandshakeRefused:
            return Outcome.REFUSED
        except OSError:
            return Outcome.LOST
        return None


class Load(NamedTuple):
    """Result of a run: number of attempts by outcome, seconds, and CPU seconds of the server."""

    outcomes: dict[Outcome, int]
    seconds: float
    server_seconds: float


class Generator:
    """Load generator with `in_flight` concurrent attempts, in one thread."""

    def __init__(self, address: tuple[str, int], password: Password, in_flight: int) -> None:
        self._address = address
        self._password = password
        self._in_flight = in_flight
        self._selector = selectors.DefaultSelector()
        self._outcomes: dict[Outcome, int] = {}

    def run(self, server: Server, seconds: float) -> Load:
        """Load the server for `seconds`; then let open attempts finish, which are not counted."""
        process = psutil.Process(server.pid)
        cpu, start = _cpu_seconds(process), time.monotonic()
        try:
            for _ in range(self._in_flight):
                self._start()
            while (took := time.monotonic() - start) < seconds and sum(self._outcomes.values()) < COUNT_MAX:
                self._turn(again=True)
            load = Load(dict(self._outcomes), took, _cpu_seconds(process) - cpu)
            while self._selector.get_map():
                self._turn(again=False)
        finally:
            for key in list(self._selector.get_map().values()):
                key.data.socket.close()
            self._selector.close()
        return load

    def _start(self) -> None:
        attempt = Attempt(self._address, self._password)
        self._selector.register(attempt.socket, selectors.EVENT_WRITE, attempt)

    def _turn(self, *, again: bool) -> None:
        ready = self._selector.select(TIMEOUT_SECONDS)
        for key, events in ready:
            attempt: Attempt = key.data
            if events & selectors.EVENT_WRITE:
                attempt.connected()
                self._selector.modify(attempt.socket, selectors.EVENT_READ, attempt)
            elif (outcome := attempt.ready()) is not None:
                self._finish(attempt, outcome, again=again)
        if not ready:
            for key in list(self._selector.get_map().values()):
                self._finish(key.data, Outcome.LOST, again=again)

    def _finish(self, attempt: Attempt, outcome: Outcome, *, again: bool) -> None:
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1
        self._selector.unregister(attempt.socket)
        attempt.socket.close()
        if again:
            self._start()


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def pinned() -> Iterator[str]:
    """Pin processes started in the block to one processor; yields a description."""
    if not hasattr(os, "sched_setaffinity"):
        yield "not pinned: not supported by this system"
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield f"pinned to one of {len(allowed)} processors"
    finally:
        os.sched_setaffinity(0, allowed - {min(allowed)} or allowed)


def show(title: str, expected: Outcome, load: Load) -> None:
    """Print a line of the table, and one for each unexpected outcome."""
    count = load.outcomes.get(expected, 0)
    busy = load.server_seconds / load.seconds
    each = f"{1000 * load.server_seconds / count:8.2f} ms" if count else f"{'-':>11}"
    print(f"  {title:<12}{count:>10}{count / load.seconds:>12.0f}{each:>16}{busy:>11.0%}")
    for outcome, number in load.outcomes.items():
        if outcome != expected:
            print(f"    unexpected: {number} {outcome}")


def measure(seconds: float, in_flight: int) -> None:
    """Run with the right and with a wrong key and print the results."""
    with contextlib.ExitStack() as stack:
        root, own = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secftp-bench-"))).resolve() for _ in range(2)
        )
        write_key_file(own / "key")
        with pinned() as where:
            # Otherwise the delays after wrong keys would be measured.
            unlimited = ("--free-guesses", "999999999", "--guess-rate", "999999999")
            served = stack.enter_context(secftp(root, own / "key", own / "server.log", *unlimited))
        print(f"server: {where}; {in_flight} concurrent connections, {seconds:g} s each\n")
        host, _, port = served.place.rpartition(":")
        right, wrong = read_key_file(own / "key").password(), Password.random()
        print(f"  {'':<12}{'handshakes':>10}{'per second':>12}{'server CPU each':>16}{'CPU used':>11}")
        for title, password, expected in (
            ("right key", right, Outcome.ACCEPTED),
            ("wrong key", wrong, Outcome.WRONG_KEY),
        ):
            show(title, expected, Generator((host, int(port)), password, in_flight).run(served.server, seconds))
        print(f"\n  target with the right key: {TARGET} per second")


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench.handshakes", description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="duration of each run (default: 5)")
    parser.add_argument("--in-flight", type=int, default=16, help="concurrent connections (default: 16)")
    options = parser.parse_args()
    machine = facts()
    print(f"processor: {machine['Processor']}\nlibcrypto: {machine['libcrypto']}")
    measure(options.seconds, max(1, options.in_flight))


if __name__ == "__main__":
    main()
