"""Server and client processes to which strace is attached right before the operation under test.

A starting Python makes hundreds of system calls; faults in those would test Python. strace is attached to the server
after it has served a session; the client is forked from a Python that has imported what it needs, and waits for a start
signal.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 40  # for a command to end; more is a hang, and a violation
_CALL = re.compile(r"^(\d+) +(\w+)\(")

# Imports what a transfer needs, once; then forks a client for each line that it gets, which waits until it may go.
NURSERY = """
import ctypes, importlib, json, os, pkgutil, random, shlex, sys
import secftp, xxhash
for module in pkgutil.walk_packages(secftp.__path__, "secftp."):
    if not module.name.startswith(("secftp.server", "secftp.api")):
        importlib.import_module(module.name)
from secftp.client import __main__ as client
for line in sys.stdin:
    order = json.loads(line)
    if "arguments" in order:
        barrier, opener = os.pipe()
        ready, told = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(opener)
            os.close(ready)
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(0, 1)
            os.dup2(os.open(order["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
            sys.argv = ["secftp", *order["arguments"]]
            status = 70
            os.close(told)
            os.read(barrier, 1)
            try:
                status = client.main()
            except SystemExit as stop:
                status = stop.code
            finally:
                sys.stderr.flush()
                os._exit(status)
        os.close(barrier)
        os.close(told)
        os.read(ready, 1)  # its end: the child waits at the barrier
        os.close(ready)
        print(pid, flush=True)
    else:
        os.close(opener)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Ended(NamedTuple):
    """A process that is over; status None: it hung and was killed."""

    status: int | None
    errors: str


class Nursery:
    """Where clients come from that need not start first. One at a time."""

    def __init__(self, home: Path) -> None:
        from tests.support.serving import environment

        self._errors = home / "errors"
        self._process = subprocess.Popen(
            [sys.executable, "-c", NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(home),
            cwd=home,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def _ask(self, order: dict[str, object], seconds: float = SECONDS) -> int | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return None
        return int(self._process.stdout.readline())

    def client(self, arguments: list[str]) -> Client:
        """A client that is about to run; it must be run."""
        pid = self._ask({"arguments": arguments, "errors": str(self._errors)})
        assert pid is not None
        return Client(self, pid)

    def run(self, pid: int) -> Ended:
        """Let it go, and wait for its end."""
        status = self._ask({"go": True})
        if status is None:
            os.kill(pid, signal.SIGKILL)
            assert self._process.stdout is not None
            self._process.stdout.readline()
        return Ended(status, self._errors.read_text(errors="replace") if self._errors.exists() else "")


class Client:
    """One command of the client's, about to run."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid

    def run(self) -> Ended:
        return self._nursery.run(self.pid)


class Strace:
    """strace on a process and its threads; `log` afterwards holds the calls that were traced."""

    def __init__(self, pid: int, log: Path, *expressions: str) -> None:
        log.unlink(missing_ok=True)
        self._log = log
        words = [word for expression in expressions for word in ("-e", expression)]
        self._process = subprocess.Popen(
            ["strace", "-f", "-p", str(pid), "-o", str(log), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        assert "attached" in line, line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Detach; the process goes on by itself."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            # It waits for threads of a process that was killed, and they for it.
            self._process.kill()
            self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()

    @property
    def text(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def hit(self) -> bool:
        """Whether the fault has come."""
        return "(INJECTED)" in self.text or "killed by SIGKILL" in self.text

    def counts(self) -> Counter[str]:
        """How often each call was made at most by one thread: strace counts for each thread by itself."""
        by_thread: Counter[tuple[str, str]] = Counter()
        for line in self.text.splitlines():
            if found := _CALL.match(line):
                by_thread[found[1], found[2]] += 1
        most: Counter[str] = Counter()
        for (_, call), count in by_thread.items():
            most[call] = max(most[call], count)
        return most
