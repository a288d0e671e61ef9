"""Thread of one authenticated connection, and the monitor of slow transfers."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from secftp.channel import Channel, Keepalive
from secftp.errors import ConnectionLost, SecftpError, TransferTimeout
from secftp.messages import Bye, Direction, ErrorCode, text_for
from secftp.server.requests.idempotency import CompletedChanges, ConfirmedFiles, OwnConfirmedFiles
from secftp.server.session import Context, ServerSession, welcome
from secftp.server.session_limits import SessionClaim, SessionLimit, log_limit
from secftp.text import format_rate

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from secftp.channel import MeteredStream
    from secftp.handshake import Established
    from secftp.server.access import Access, Grant
    from secftp.server.admission import PendingConnection
    from secftp.server.limits import ServerLimits
    from secftp.server.log import Log
    from secftp.server.session_limits import ConnectionRegistry
    from secftp.storage import Store


# How long a client that was told of the end may take to hang up.
LINGER_SECONDS: Final = 1.0


class SignalFlag:
    """What a signal handler may set: no lock, which the very thread that it interrupts could be holding."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Raise the flag, for good."""
        self._is_set = True

    def clear(self) -> None:
        """Lower it."""
        self._is_set = False

    def is_set(self) -> bool:
        """Whether it was raised."""
        return self._is_set


@dataclass
class SharedState:
    """What all clients of one server have in common. `access` alone changes: it holds from the next proof on."""

    store: Store
    access: Access
    log: Log
    limits: ServerLimits
    registry: ConnectionRegistry[ConnectionThread]
    keepalive: Keepalive = field(default_factory=Keepalive)
    stopping: SignalFlag = field(default_factory=SignalFlag)
    hurry: SignalFlag = field(default_factory=SignalFlag)
    repeats: CompletedChanges = field(default_factory=CompletedChanges)
    arrivals: ConfirmedFiles = field(default_factory=ConfirmedFiles)


class ConnectionThread:
    """One session and its thread. The door has let it in; whether there is a place for it, the registry knows."""

    def __init__(self, shared: SharedState, visitor: PendingConnection, grant: Grant, established: Established) -> None:
        self.stream: MeteredStream = visitor.stream
        self.place = SessionClaim(visitor.source, grant)
        self.refused_by: SessionLimit | None = None  # why it has no place, if it has none
        self.store: Store = grant.store or shared.store
        self.thread = threading.Thread(target=self._run, name="secftp-client", daemon=True)
        self._shared = shared
        self._log = visitor.log
        self._grant = grant
        self._established: Established | None = established
        self._session: ServerSession | None = None
        self._channel: Channel | None = None

    @property
    def moving(self) -> bool:
        """Whether a file, or a message in pieces, is on its way to the client or from it now.

        Small files and listings are messages, and a client that is slow with those holds up as much as with a file.
        """
        channel = self._channel
        return channel is not None and (channel.moving or (channel.has_part and not self.busy))

    @property
    def busy(self) -> bool:
        """Whether a request of its is being served now."""
        session = self._session
        return session is not None and session.busy

    def let_go(self) -> None:
        """From another thread: wake a session that waits for a request, so that it sees that the server stops."""
        if not self.busy:
            self.stream.stop_receiving()

    def limit(self, name: str, text: str) -> None:
        """From another thread: a limit bit this client."""
        self._log.limit(name, text)

    def _run(self) -> None:
        counter = self._shared.log.counter
        if counter is not None and self.refused_by is None:
            counter.session(1)
        self.stream.may_wait = True
        try:
            established, self._established = self._established, None
            assert established is not None  # the thread runs once
            channel = Channel(self.stream, established, Direction.TO_CLIENT, timeout=self._shared.limits.idle)
            if self.refused_by is None:
                self._log.handshake("ok")
                self._serve(channel)
            else:
                self._turn_away(channel, self.refused_by)
        except Exception as problem:  # noqa: BLE001 - one client's trouble must never end the server
            self._log.line(f"Internal error: {type(problem).__name__}")
        finally:
            self.stream.close()
            if counter is not None and self.refused_by is None:
                counter.session(-1)
            self._log.end()
            self._shared.registry.leave(self)  # last: a stopping server waits for no more than this

    def _turn_away(self, channel: Channel, bound: SessionLimit) -> None:
        """Tell the client, encrypted, that its key or the server has no free session slot."""
        log_limit(self._log, bound)
        self._log.line("Refused: busy.")
        self._log.handshake("busy")
        with contextlib.suppress(SecftpError, OSError):
            channel.send(welcome(channel.timeout))
            channel.send(Bye(code=ErrorCode.LIMIT, text=text_for(ErrorCode.LIMIT)))
            channel.flush()
            channel.linger(LINGER_SECONDS)

    def _serve(self, channel: Channel) -> None:
        shared = self._shared
        stopping = shared.stopping.is_set
        rights, hurry = self._grant.rights, shared.hurry.is_set
        arrivals = OwnConfirmedFiles(shared.arrivals, self.store, self._owner())
        context = Context(self.store, rights, self._log, stopping, hurry, shared.repeats, arrivals)
        self._session, self._channel = ServerSession(channel, context), channel
        shared.keepalive.watch(channel)
        try:
            self._session.run()
        except ConnectionLost as problem:
            # A session that waited for a request was woken by an end that this side made itself.
            if not stopping() or self._session.busy:
                self._log.line(str(problem))
                return
        except TransferTimeout as problem:
            self._log.limit("idle", f"A client gave no sign of life for {channel.timeout:.0f} seconds.")
            self._log.line(f"Session ended: {problem}")
            return
        except SecftpError as problem:
            self._log.line(f"Session ended: {problem}")
            return
        finally:
            shared.keepalive.forget(channel)
        self._say_goodbye(channel, stopping=stopping())

    def _owner(self) -> str:
        """Who has sent what this session sends: its key, or all clients without one."""
        return f"key {self._grant.name}" if self._grant.rights.keyed else "anonymous"

    def _say_goodbye(self, channel: Channel, *, stopping: bool) -> None:
        """The authenticated close; a client that has closed already misses nothing."""
        with contextlib.suppress(SecftpError, OSError):
            if stopping:
                channel.send(Bye(code=ErrorCode.STOPPING, text=text_for(ErrorCode.STOPPING)))
                channel.flush()
                channel.linger(LINGER_SECONDS)
            else:
                channel.close(Bye())


# Looks in the time over which the rate is taken.
LOOKS: Final = 12


class MinRateMonitor:
    """A context manager that looks after the clients that `clients` names, while it is entered."""

    def __init__(self, limits: ServerLimits, clients: Callable[[], list[ConnectionThread]]) -> None:
        self._rate = limits.min_rate
        self._seconds = limits.min_rate_seconds
        self._clients = clients
        self._since: dict[
            ConnectionThread, tuple[float, int]
        ] = {}  # when its time began, and what it had moved by then
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="secftp-watch", daemon=True)

    def __enter__(self) -> Self:
        if self._rate is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        if self._rate is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._seconds / LOOKS):
            self._look(time.monotonic())

    def _look(self, now: float) -> None:
        moving = [client for client in self._clients() if client.moving]
        self._since = {
            client: self._since.get(client, (now, client.stream.moved)) for client in moving
        }  # a client that moves none any more begins anew
        for client, (began, moved) in list(self._since.items()):
            if now - began >= self._seconds:
                self._judge(client, (client.stream.moved - moved) / (now - began))
                self._since[client] = now, client.stream.moved

    def _judge(self, client: ConnectionThread, rate: float) -> None:
        assert self._rate is not None  # else nobody looks
        if rate < self._rate:
            least = format_rate(self._rate)
            client.limit("min_rate", f"A transfer was cut: {format_rate(rate)}, and {least} is the least.")
            client.stream.interrupt()
