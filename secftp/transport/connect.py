"""The client's side of a connection: TCP, then the handshake, then a channel."""

from __future__ import annotations

import select
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.crypto import SERVER_HELLO_BYTES, Mode, Password, Suite
from secftp.errors import ConnectionLost, SecftpError, ServerUnreachable, TransferTimeout
from secftp.protocol import Direction
from secftp.protocol.handshake import ClientHandshake, Established
from secftp.transport.channel import Channel
from secftp.transport.stream import Stream
from secftp.transport.tcp_connect import WANTED_SECONDS, AllFailed, connect_first, require_wanted, resolve

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from secftp.transport.tcp_connect import Event, Failed, Poller

# A server answers within a round trip, unless it delays its answers or is being restarted. Then `on_wait` is called.
NOTICE_SECONDS: Final = 2.0
_LINK_LOCAL: Final = tuple(f"[fe{digit}" for digit in "89ab")  # fe80::/10


class Network:
    """How a connection waits: with the system's calls. `secftp.aio.network` has one that waits on an event loop."""

    def new_event(self) -> Event:
        """Return what a name lookup is waited with."""
        return threading.Event()

    def new_poller(self) -> Poller:
        """Return what connecting sockets are waited with."""
        return select.poll()

    def new_stream(self, sock: socket.socket) -> Stream:
        """Return the stream of a connected socket."""
        return Stream(sock)


BLOCKING: Final = Network()


class Credentials(NamedTuple):
    """How a client authenticates, and the cipher it asks for. `name`: that of its key, if it has one."""

    password: Password
    suite: Suite
    mode: Mode
    name: str = ""


def connect(
    host: str,
    port: int,
    credentials: Credentials,
    *,
    timeout: float,
    connect_timeout: float | None = None,
    on_wait: Callable[[], None] | None = None,
    congestion: str | None = None,
    wanted: Callable[[], bool] | None = None,
    network: Network = BLOCKING,
) -> Channel:
    """Connect to a server and perform the handshake. CLIENT_FINISH leaves with the first message.

    `timeout` is in seconds, once for the connection and once for the whole handshake: a server may delay its answer
    after wrong keys from this address, and one that is being restarted answers when it is up again. `connect_timeout`
    is for the connection in place of `timeout`. `on_wait` is called
    once if no answer has come after 2 s. `congestion` names a congestion control for what is sent, see
    `secftp.transport.congestion`; None leaves the system's. `wanted` is asked ten times a second, in this thread:
    once it returns False, the attempt ends with `ConnectionLost`. `network` does all the waiting.

    Raises `ServerUnreachable`, `TransferTimeout`, `HandshakeRefused`, `AuthenticationError`, `ProtocolError` and
    `ConnectionLost`, each with a hint, and `UsageError` if the kernel refuses `congestion`.
    """
    # Made before the connection: under attack, a server drops the connections first that have not sent a hello yet.
    handshake = ClientHandshake(credentials.password, credentials.suite, credentials.mode, credentials.name)
    deadline = time.monotonic() + (timeout if connect_timeout is None else connect_timeout)
    stream = network.new_stream(_connect_any(host, port, deadline, congestion, wanted, network))
    try:
        established = _shake_hands(stream, handshake, timeout, on_wait, wanted)
        return Channel(stream, established, Direction.TO_SERVER, timeout=timeout)
    except BaseException:
        stream.close()
        raise


def _connect_any(
    host: str,
    port: int,
    deadline: float,
    congestion: str | None,
    wanted: Callable[[], bool] | None,
    network: Network,
) -> socket.socket:
    """Return a socket to the first of the host's addresses that accepts the connection before the deadline."""
    try:
        left = deadline - time.monotonic()
        addresses = resolve(host, port, seconds=left, wanted=wanted, new_event=network.new_event)
    except TimeoutError:
        raise TransferTimeout(
            f"The host {host!r} was not found in time: no name server answered.",
            hint="Check the network and the name servers, or use the host's address.",
        ) from None
    except (OSError, UnicodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else "no such name"
        hint = "Check the host's name, or use its address."
        if ":" in host and "%" in host:
            hint = "Check the address, and the network interface after the '%': ip link"
        raise ServerUnreachable(f"The host {host!r} can't be found: {reason}.", hint=hint) from None
    try:
        return connect_first(addresses, deadline, congestion, wanted, new_poller=network.new_poller)
    except AllFailed as problem:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise _unreachable(place, problem.failures) from None


def _unreachable(place: str, failures: list[Failed]) -> SecftpError:
    """Return why no address could be connected to: a timeout if any did not answer, since it might with more time."""
    each = [f"{address.text}: {reason or 'no answer'}" for address, reason in failures]
    if any(reason is None for _, reason in failures):
        more = f" ({'; '.join(each)})" if len(each) > 1 else ""
        return TransferTimeout(
            f"{place} did not answer in time{more}.", hint="Check the host, the port and any firewall."
        )
    reasons = {reason for _, reason in failures if reason is not None}
    why = reasons.pop() if len(reasons) == 1 else "; ".join(each)
    hint = "Check that a server runs there: secftpd PORT."
    if place.lower().startswith(_LINK_LOCAL) and "%" not in place:
        hint = "A link-local address needs its network interface, for example [fe80::1%eth0]."
    return ServerUnreachable(f"{place} can't be reached: {why}.", hint=hint)


def _shake_hands(
    stream: Stream,
    handshake: ClientHandshake,
    seconds: float,
    on_wait: Callable[[], None] | None,
    wanted: Callable[[], bool] | None,
) -> Established:
    stream.try_send(memoryview(handshake.hello))  # 125 bytes always fit an empty socket buffer
    answer = _HandshakeReader(stream, seconds, on_wait, wanted)
    established = None
    while established is None:
        established = handshake.receive(answer.receive())
    return established


class _HandshakeReader:
    """Receives what the server sends during the handshake, all of it within so many seconds."""

    def __init__(
        self,
        stream: Stream,
        seconds: float,
        on_wait: Callable[[], None] | None,
        wanted: Callable[[], bool] | None,
    ) -> None:
        self._stream = stream
        self._buffer = memoryview(bytearray(SERVER_HELLO_BYTES))
        now = time.monotonic()
        self._deadline = now + seconds
        self._notice = now + NOTICE_SECONDS
        self._on_wait = on_wait
        self._wanted = wanted

    def receive(self) -> memoryview:
        """Receive some bytes. Raises `TransferTimeout` and `ConnectionLost`."""
        while True:
            seconds = self._time_left()
            try:
                count = self._stream.receive_into(self._buffer, seconds)
            except TransferTimeout:
                continue  # `_time_left` calls `on_wait`, or raises
            if count == 0:
                raise ConnectionLost(
                    "The server closed the connection during the handshake.",
                    hint="Is a secftp server listening there? Its log may say more.",
                )
            return self._buffer[:count]

    def _time_left(self) -> float:
        """Return how many seconds to wait before this is called again."""
        now = time.monotonic()
        if now >= self._deadline:
            raise TransferTimeout(
                "The server did not finish the handshake in time.",
                hint="Try again later, or raise the timeout (--timeout on the command line).",
            )
        if self._wanted is not None:
            require_wanted(self._wanted)
            return min(self._deadline - now, WANTED_SECONDS)
        if self._on_wait is None:
            return self._deadline - now
        if now >= self._notice:
            on_wait, self._on_wait = self._on_wait, None
            on_wait()
            return self._deadline - now
        return min(self._notice, self._deadline) - now
