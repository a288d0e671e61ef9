"""A network line between two network namespaces, emulated by `native/line.c`: delay, rate, queue, loss, reordering.

The namespaces and their TUN devices belong to the line. They have no other interface, so no traffic leaves them, and
every process in them is killed when the line is closed, or when the process that made it has ended in whatever way.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from bench.peers.failure import BenchError
from bench.peers.native import build
from bench.peers.packages import find

if TYPE_CHECKING:
    from types import TracebackType

SOURCE = Path(__file__).parent / "native" / "line.c"
TUN = Path("/dev/net/tun")
CLIENT, SERVER = "10.177.0.1", "10.177.0.2"
MTU = 1500
# Else what the kernel remembers of one transfer (RFC 9040) would be the beginning of the next.
FRESH = "net/ipv4/tcp_no_metrics_save"
CONGESTION = "net/ipv4/tcp_congestion_control"
STOP_SECONDS = 5.0


class Unavailable(BenchError):
    """A line can't be made on this machine, or not by this user."""


@dataclass(frozen=True)
class Conditions:
    """What a line is like, in each direction: `delay` in seconds one way, `rate` in bits a second, `queue` in bytes.

    `loss` and `reorder` are probabilities of a packet; `later` is by how many seconds a reordered packet comes late.
    """

    delay: float = 0.0
    rate: float = 0.0
    queue: int = 4_000_000
    loss: float = 0.0
    reorder: float = 0.0
    later: float = 0.005
    seed: int = 1

    def words(self) -> str:
        """The arguments of the command `set` of line.c."""
        million = 1_000_000
        return (
            f"{self.delay * million:.0f} {self.rate / 8:.0f} {self.queue} {self.loss * million:.0f} "
            f"{self.reorder * million:.0f} {self.later * million:.0f} {self.seed}"
        )


class Counts(NamedTuple):
    """Of one direction since the conditions were set: packets and bytes forwarded, packets lost, packets dropped."""

    packets: int
    nbytes: int
    lost: int
    dropped: int


class Line:
    """A line that stands, for the length of a `with`. Raises `Unavailable` where none can be made."""

    def __init__(self) -> None:
        require()
        self._process = subprocess.Popen(
            [_program(), CLIENT, SERVER, str(MTU)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # it outlives a group that is killed, and ends what that leaves in the namespaces
        )
        try:
            self._namespaces = self._greeting()
            for side in (CLIENT, SERVER):
                self.write_setting(side, FRESH, "1")
        except BaseException:
            self.close()
            raise

    def _greeting(self) -> dict[str, str]:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        said = self._process.stdout.readline().split()
        if not said:
            raise Unavailable(f"no line can be made: {self._process.stderr.read().strip()}")
        pid, client, server = said
        return {CLIENT: f"/proc/{pid}/fd/{client}", SERVER: f"/proc/{pid}/fd/{server}"}

    def inside(self, side: str) -> list[str]:
        """The words in front of a command that is to run at one end, `CLIENT` or `SERVER`."""
        return [find("nsenter") or "nsenter", f"--net={self._namespaces[side]}", "--"]

    def write_setting(self, side: str, name: str, value: str) -> None:
        """Write a sysctl of one end's namespace; raises `Unavailable` if the kernel refuses it."""
        script = f'printf %s "$0" > /proc/sys/{name}'
        done = subprocess.run(
            [*self.inside(side), "sh", "-c", script, value], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise Unavailable(f"{name}={value}: {done.stderr.strip()}")

    def set(self, conditions: Conditions) -> None:
        """Change what the line is like from the next packet on; the counts begin anew."""
        assert self._ask(f"set {conditions.words()}") == "set"

    def counts(self) -> tuple[Counts, Counts]:
        """What has passed: from the client's end, and from the server's."""
        numbers = self._numbers()
        return Counts(*numbers[:4]), Counts(*numbers[4:8])

    def round_trips(self) -> float:
        """How many round trips were waited for one after the other since the conditions were set.

        The longest chain of packets of which each followed one from the other end, halved; those without data, other
        than the first of a connection, are left out. What merely happens to come later counts, too: an upper bound.
        """
        return self._numbers()[8] / 2

    def connections(self) -> int:
        """How many TCP connections the client's end has begun since the conditions were set."""
        return self._numbers()[9]

    def cut(self, number: int) -> None:
        """Forward nothing of one connection any more: by its number since the conditions were set, from 0 on."""
        if self._ask(f"cut {number}") != "cut":
            raise ValueError(f"there are only {self.connections()} connections")

    def _numbers(self) -> list[int]:
        return [int(word) for word in self._ask("count").split()]

    def _ask(self, command: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        """End the line."""
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def require() -> None:
    """Raise `Unavailable` with the first thing that is missing here."""
    if os.geteuid() != 0:
        raise Unavailable("a line of its own needs root (network namespaces and TUN devices)")
    if not TUN.exists():
        raise Unavailable(f"a line of its own needs {TUN}, which this machine does not have")
    for program in ("nsenter", "cc"):
        if find(program) is None:
            raise Unavailable(f"a line of its own needs {program}, which is not installed")


def _program() -> str:
    try:
        return build(SOURCE)
    except BenchError as failure:
        raise Unavailable(str(failure)) from None
