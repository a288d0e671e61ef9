"""Child processes: timed clients, and servers that are always stopped.

Each child leads its own session, so that it has no terminal to prompt on and can be killed with its children. Processes
that servers fork into other sessions are found through the process tree before the servers are stopped. Invariant: no
process is killed by name. Output goes to files, so that no pipe fills up and no thread has to read it.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.peers.failure import BenchError, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

START_SECONDS = 20.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02
IDLE_SECONDS = 2.0
# Sampling interval of memory. The kernel records the peak, so only the last interval can be missed.
WATCH_SECONDS = 0.002
# Settings of the user must not affect the measurement (without bytecode caching, Python compiles each module at each
# start, unlike an installed program); messages that are parsed have to be in English.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("SECFTP_", "RSYNC_")) and name != "PYTHONDONTWRITEBYTECODE"
}
ENVIRONMENT |= {"LC_ALL": "C.UTF-8"}


class Run(NamedTuple):
    """Result of a client process: wall-clock seconds, output, peak memory of its largest process in bytes.

    `cpu`: CPU seconds, user and system, of the client and its descendants, and of the server meanwhile.
    """

    seconds: float
    output: str
    peak: int | None
    cpu: float = 0.0


def run(
    command: Sequence[str], log: Path, *, limit_seconds: float, watch: bool = False, server: Server | None = None
) -> Run:
    """Run a client to completion; raises `BenchError` if it fails or takes longer than `limit_seconds`.

    With `watch` its memory is sampled, which takes CPU time and so distorts the seconds. `server` is the one it uses.
    """
    used = _cpu_of_children() + (server.cpu() if server else 0.0)
    with log.open("wb") as output:
        start = time.perf_counter()
        process = _start(command, output.fileno())
        # Popen.wait with a timeout polls at intervals of up to 50 ms; without one it returns at once.
        watchdog = threading.Timer(limit_seconds, _kill_session, [process])
        watchdog.start()
        try:
            with _watched(process.pid) if watch else contextlib.nullcontext([0]) as peak:
                process.wait()
            seconds = time.perf_counter() - start
        finally:
            watchdog.cancel()
            _kill_session(process)
    said = log.read_text(errors="backslashreplace")
    if process.returncode != 0:
        late = f"timeout after {limit_seconds:.0f} s" if seconds >= limit_seconds else reason(said)
        raise BenchError(f"{Path(command[0]).name} ended with exit code {process.returncode}: {late}")
    cpu = _cpu_of_children() + (server.cpu(idle=True) if server else 0.0) - used
    return Run(seconds, said, peak[0] or None, cpu)


def _cpu_of_children() -> float:
    """CPU seconds of the children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Server:
    """A server process that is ready to accept connections."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def log(self) -> str:
        """Return its output so far."""
        return self._log.read_text(errors="backslashreplace")

    def peak(self) -> int | None:
        """Return its peak memory so far, in bytes; None if unknown."""
        return peak_memory(self.pid)

    def cpu(self, *, idle: bool = False) -> float:
        """Return the CPU seconds of it and its descendants so far; 0 if unknown.

        With `idle`, wait until processes that it has for a connection have ended.
        """
        end = time.monotonic() + IDLE_SECONDS
        while idle and descendants(self.pid) and time.monotonic() < end:
            time.sleep(POLL_SECONDS / 4)
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def wait_until_ready(self, is_ready: Callable[[str], bool]) -> None:
        """Wait until `is_ready(log)` is true; raises `BenchError`."""
        end = time.monotonic() + START_SECONDS
        while not is_ready(self.log()):
            if self._process.poll() is not None or time.monotonic() > end:
                raise BenchError(f"its server did not start: {reason(self.log())}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop it and its descendants: with SIGTERM, then with SIGKILL."""
        family = [*descendants(self.pid), self.pid] if self._process.poll() is None else []
        for pid in reversed(family):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in [*descendants(self.pid), self.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
        _kill_session(self._process)


@contextlib.contextmanager
def serving(command: Sequence[str], log: Path, is_ready: Callable[[str], bool]) -> Iterator[Server]:
    """Run a server as a context manager; raises `BenchError` if it does not start."""
    with log.open("wb") as output:
        server = Server(_start(command, output.fileno()), log)
    try:
        server.wait_until_ready(is_ready)
        yield server
    finally:
        server.stop()


def descendants(pid: int) -> list[int]:
    """Return all living descendants of a process, parents first; an empty list if unknown."""
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return children + [lower for child in children for lower in descendants(child)]


def peak_memory(pid: int) -> int | None:
    """Return the peak memory of a living process in bytes (VmHWM, proc(5)); None if unknown."""
    try:
        return parse_peak(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return None


def parse_peak(status: str) -> int | None:
    """Parse VmHWM in /proc/PID/status, in bytes; None for a process without memory."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _start(command: Sequence[str], output: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
            start_new_session=True,
        )
    except OSError as error:
        raise BenchError(f"{command[0]} can't be run: {error.strerror}") from None


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    # The group has the id of its leader; the kernel does not reuse that id while a member lives.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _watched(pid: int) -> Iterator[list[int]]:
    """Sample a process and its descendants; yields a list with the largest peak in bytes."""
    peak, over = [0], threading.Event()

    def follow() -> None:
        while not over.wait(WATCH_SECONDS):
            peak[0] = max(peak[0], *(peak_memory(member) or 0 for member in [pid, *descendants(pid)]))

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield peak
    finally:
        over.set()
        follower.join()
