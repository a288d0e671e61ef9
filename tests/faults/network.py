"""Network faults: a proxy between client and server that cuts, resets and splits.

The stream is cut at every byte in each direction, and split in two at every byte.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from secftp.crypto import Suite
from secftp.errors import SecftpError
from secftp.server.options import ServerLimits
from tests.support.serving import HOST, get, put, serving, session

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.prove import Figures
    from tests.support.serving import Running

OLD, NEW = b"old" * 30, b"new" * 50
TIMEOUT = 10.0
# What happens to the bytes of one direction: pieces to be sent, one after another, and whether that is the end.
Cut = tuple[list[bytes], str]


class Proxy:
    """Passes one connection on. `to_server` and `to_client` say what becomes of what has come, given how much went
    through before."""

    def __init__(self, port: int, way: int, treat: Callable[[int, bytes], Cut]) -> None:
        self.total = [0, 0]
        self._treat = treat
        self._way = way
        self._port = port
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        near, _ = self._listener.accept()
        far = socket.create_connection((HOST, self._port))
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pumps = [threading.Thread(target=self._pump, args=ends) for ends in ((near, far, 0), (far, near, 1))]
        for pump in pumps:
            pump.start()
        for pump in pumps:
            pump.join()
        near.close()
        far.close()

    def _pump(self, source: socket.socket, target: socket.socket, way: int) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                pieces, end = self._treat(self.total[way], data) if way == self._way else ([data], "")
                self.total[way] += len(data)
                for piece in pieces:
                    target.sendall(piece)
                if end:
                    self._end(end, source, target)
                    return
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _end(self, how: str, source: socket.socket, target: socket.socket) -> None:
        for sock in (source, target):
            if how == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            with contextlib.suppress(OSError):
                # Wakes the other pump, too.
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self._thread.join(TIMEOUT + 5)
        assert not self._thread.is_alive(), "the proxy hangs"


def cutting(at: int, how: str) -> Callable[[int, bytes], Cut]:
    """Everything up to byte `at`, and then the end."""

    def treat(before: int, data: bytes) -> Cut:
        if before + len(data) <= at:
            return [data], ""
        return [data[: at - before]], how

    return treat


def splitting(at: int) -> Callable[[int, bytes], Cut]:
    """In two pieces at byte `at`; -1: each byte by itself."""

    def treat(before: int, data: bytes) -> Cut:
        if at < 0:
            return [bytes([byte]) for byte in data], ""
        inside = at - before
        return ([data[:inside], data[inside:]] if 0 < inside < len(data) else [data]), ""

    return treat


def one(server: Running, way: int, treat: Callable[[int, bytes], Cut], suite: Suite) -> tuple[str | None, list[int]]:
    """A session that writes and reads through the proxy. What it failed with, and how much went each way."""
    proxy = Proxy(server.port, way, treat)
    failure = None
    try:
        with session(proxy.port, suite=suite, timeout=TIMEOUT) as client:
            put(client, b"target", NEW)
            assert get(client, b"target") == NEW
    except SecftpError as problem:
        failure = str(problem)
    finally:
        proxy.close()
    return failure, proxy.total


def every_byte(figures: Figures) -> None:
    """All cuts, all resets, all splits."""
    points = confirmed = 0
    violations: list[str] = []
    with tempfile.TemporaryDirectory(prefix="secftp-faults-") as base:
        target = Path(base) / "target"
        # A connection that is cut in its handshake counts as a guess: here it is none.
        with serving(base, limits=ServerLimits(free_guesses=10**9, guess_burst=10**9)) as server:
            target.write_bytes(OLD)
            failure, totals = one(server, 0, splitting(10**9), Suite.AES128)
            assert failure is None, failure
            for way in (0, 1):
                for at in range(totals[way]):
                    for how in ("end", "reset"):
                        target.write_bytes(OLD)
                        failure, _ = one(server, way, cutting(at, how), Suite.AES128)
                        points += 1
                        found = target.read_bytes()
                        confirmed += failure is None
                        if found not in (OLD, NEW) or (failure is None and found != NEW):
                            violations.append(f"{how} after byte {at} of way {way}: {failure}, {found[:20]!r}")
                for at in (-1, *range(1, totals[way])):
                    failure, _ = one(server, way, splitting(at), list(Suite)[at % 3])
                    points += 1
                    if failure is not None:
                        violations.append(f"split at byte {at} of way {way}: {failure}")
            left = [name for name in Path(base).iterdir() if name.name != "target"]
            if left or "Internal error" in server.log.text:
                violations.append(f"left behind: {left}")
    for violation in violations[:50]:
        print(f"  VIOLATION {violation}")
    figures.section(
        "network, every byte",
        good=not violations,
        points=points,
        # A cut in the last bytes takes nothing from a session whose answers have all come.
        sessions_that_were_done_by_then=confirmed,
        violations=len(violations),
    )
