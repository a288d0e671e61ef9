"""Denial-of-service attacks on a server: floods of hellos, guessing, silent connections, idle sessions.

Each attack runs in its own threads from `start` to `stop` and counts outcomes. Attacks use addresses of this machine
only, and are bounded in concurrent connections and in hellos per second.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from secftp.errors import HandshakeRefused, SecftpError
from secftp.protocol import Bye, Direction
from secftp.protocol.handshake import ClientHandshake
from secftp.transport import Channel, Keepalive, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.transport import Credentials

Address = tuple[str, int]
# Returns the source address of the connection with a number.
Sources = "Callable[[int], str]"
TIMEOUT_SECONDS = 30.0
CONNECTIONS_MAX = 2000
HELLO_BYTES = 141


class Attack(Protocol):
    """An attack that runs until it is stopped, and its number of outcomes by kind."""

    outcomes: Counter[str]

    def start(self) -> None:
        """Start the attack."""
        ...

    def stop(self) -> None:
        """Stop, and return when all connections are closed."""
        ...


def connect_from(source: str, address: Address, *, timeout: float = TIMEOUT_SECONDS) -> socket.socket:
    """Connect from one of this machine's addresses."""
    return socket.create_connection(address, timeout=timeout, source_address=(source, 0))


def shake_hands(source: str, address: Address, credentials: Credentials, *, timeout: float) -> Channel:
    """Open a session and receive WELCOME, within `timeout` seconds in all."""
    deadline = time.monotonic() + timeout
    handshake = ClientHandshake(credentials.password, credentials.suite, credentials.mode, credentials.name)
    sock = connect_from(source, address, timeout=timeout)
    try:
        sock.sendall(handshake.hello)
        established = None
        while established is None:
            established = handshake.receive(_receive(sock, deadline))
        left = max(0.001, deadline - time.monotonic())
        channel = Channel(Stream(sock), established, Direction.TO_SERVER, timeout=left)
        channel.flush()
        _require_session(channel)
    except BaseException:
        sock.close()
        raise
    return channel


def _receive(sock: socket.socket, deadline: float) -> bytes:
    sock.settimeout(max(0.001, deadline - time.monotonic()))
    if not (data := sock.recv(HELLO_BYTES)):
        raise ConnectionResetError
    return data


def _require_session(channel: Channel) -> None:
    """Receive WELCOME. An authenticated client that gets no session receives BYE right after it."""
    if isinstance(channel.receive(), Bye) or channel.waiting():
        raise ConnectionResetError


class Repeated:
    """`count` threads that repeat a step, with a pause in between."""

    def __init__(self, count: int, pause: float, step: Callable[[], str]) -> None:
        self.outcomes: Counter[str] = Counter()
        self._step = step
        self._pause = pause
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, name="attack", daemon=True) for _ in range(count)]

    def start(self) -> None:
        """Start the attack."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop; a step that waits for a reply ends by itself."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.is_set():
            outcome = self._step()
            with self._lock:
                self.outcomes[outcome] += 1
            self._over.wait(self._pause)


def guessers(count: int, pause: float, source: str, address: Address, wrong: Credentials) -> Repeated:
    """Return `count` clients of one address that keep trying wrong keys."""

    def guess() -> str:
        try:
            with connect_from(source, address) as sock:
                sock.sendall(ClientHandshake(wrong.password, wrong.suite, wrong.mode, wrong.name).hello)
                answer = sock.recv(HELLO_BYTES, socket.MSG_WAITALL)
        except OSError:
            return "lost"
        return "challenged" if len(answer) == HELLO_BYTES else "refused"

    return Repeated(count, pause, guess)


class Flood:
    """Connections from one source address after the other, `rate` per second; silent ones if `hello` is empty.

    At most `keep` of them are open at once, until the server closes them.
    """

    def __init__(self, rate: float, keep: int, sources: Callable[[int], str], address: Address, hello: bytes) -> None:
        self.outcomes: Counter[str] = Counter()
        self._rate = rate
        self._keep = min(keep, CONNECTIONS_MAX)
        self._sources = sources
        self._address = address
        self._hello = hello
        self._selector = selectors.DefaultSelector()
        self._number = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flood", daemon=True)

    def start(self) -> None:
        """Start the attack."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and close all connections."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        began, opened = time.monotonic(), 0
        while not self._over.is_set():
            due = int((time.monotonic() - began) * self._rate)
            while opened < due:
                opened += 1
                if len(self._selector.get_map()) < self._keep:
                    self._open()
            for key, events in self._selector.select(1 / self._rate):
                self._advance(key.fileobj, events)
        for key in list(self._selector.get_map().values()):
            self._close(key.fileobj, "open at the end")
        self._selector.close()

    def _open(self) -> None:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        self._number += 1
        sock.bind((self._sources(self._number), 0))
        sock.connect_ex(self._address)
        self._selector.register(sock, selectors.EVENT_WRITE if self._hello else selectors.EVENT_READ)

    def _advance(self, sock: object, events: int) -> None:
        assert isinstance(sock, socket.socket)
        try:
            if events & selectors.EVENT_WRITE:
                sock.send(self._hello)
                self.outcomes["hellos"] += 1
                self._selector.modify(sock, selectors.EVENT_READ)
                return
            answer = sock.recv(HELLO_BYTES)
        except OSError:
            self._close(sock, "lost")
            return
        if len(answer) == HELLO_BYTES:
            self.outcomes["challenged"] += 1  # stays open without a reply
        else:
            self._close(sock, "refused" if answer else "closed")

    def _close(self, sock: object, outcome: str) -> None:
        assert isinstance(sock, socket.socket)
        self.outcomes[outcome] += 1
        self._selector.unregister(sock)
        sock.close()


class Sessions:
    """As many concurrent sessions as the server accepts, up to `count`, which are kept alive."""

    def __init__(self, count: int, sources: Callable[[int], str], address: Address, credentials: Credentials) -> None:
        self.outcomes: Counter[str] = Counter()
        self._count = count
        self._sources = sources
        self._address = address
        self._credentials = credentials
        self._channels: list[Channel] = []
        self._keepalive = Keepalive()
        self._number = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sessions", daemon=True)

    def start(self) -> None:
        """Start, and return when no more sessions are accepted."""
        for _ in range(self._count):
            self._open()
        self._thread.start()

    def stop(self) -> None:
        """Stop, and close all connections."""
        self._over.set()
        self._thread.join()
        for channel in self._channels:
            self._keepalive.remove(channel)
            with contextlib.suppress(SecftpError, OSError):
                channel.close(Bye())

    def _run(self) -> None:
        while not self._over.wait(0.1):  # a slot may have become free
            if len(self._channels) < self._count:
                self._open()

    def _open(self) -> None:
        self._number += 1
        try:
            channel = shake_hands(
                self._sources(self._number), self._address, self._credentials, timeout=TIMEOUT_SECONDS
            )
        except HandshakeRefused:
            self.outcomes["refused"] += 1
        except (SecftpError, OSError):
            self.outcomes["turned away"] += 1
        else:
            self.outcomes["sessions"] += 1
            self._channels.append(channel)
            self._keepalive.add(channel)
