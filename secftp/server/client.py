"""One connection and its thread: the handshake, the session, and the lines that tell of them."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from secftp.channel import IDLE_SECONDS, Channel, Keepalive, Peer, Stream, accept_client
from secftp.errors import AuthenticationError, ConnectionLost, HandshakeRefused, SecftpError
from secftp.handshake import HelloReceived, Status
from secftp.messages import Bye, ErrorCode, text_for
from secftp.record import Mode, Password
from secftp.server.session import Context, ServerSession, welcome

if TYPE_CHECKING:
    from secftp.server.access import Access
    from secftp.server.log import Log, SessionLog
    from secftp.storage import Store

# How long a client that was told of the end may take to hang up.
LINGER_SECONDS: Final = 1.0


class Registry:
    """The clients that are there, and how many of them have been let in."""

    def __init__(self, max_clients: int, pending_max: int) -> None:
        self._max_clients = max_clients
        self._max_connections = max_clients + pending_max
        self._lock = threading.Lock()
        self._clients: set[Client] = set()

    def enter(self, client: Client) -> bool:
        """Take in a new connection, if there is room for one more."""
        with self._lock:
            if len(self._clients) >= self._max_connections:
                return False
            self._clients.add(client)
            return True

    @property
    def full(self) -> bool:
        """Whether there is no room for one more session."""
        with self._lock:
            return self._sessions() >= self._max_clients

    def admit(self, client: Client) -> bool:
        """Count a client that has proved itself among the sessions, if there is still room for one more."""
        with self._lock:
            if self._sessions() >= self._max_clients:
                return False
            client.admitted = True
            return True

    def leave(self, client: Client) -> None:
        """Forget a connection that is over."""
        with self._lock:
            self._clients.discard(client)

    def all(self) -> list[Client]:
        """Every connection there is now."""
        with self._lock:
            return list(self._clients)

    def _sessions(self) -> int:
        return sum(client.admitted for client in self._clients)


class Flag:
    """What a signal handler may set: no lock, which the very thread that it interrupts could be holding."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Raise the flag, for good."""
        self._is_set = True

    def is_set(self) -> bool:
        """Whether it was raised."""
        return self._is_set


@dataclass(frozen=True)
class Shared:
    """What all clients of one server have in common."""

    store: Store
    access: Access
    log: Log
    registry: Registry
    keepalive: Keepalive = field(default_factory=Keepalive)
    stopping: Flag = field(default_factory=Flag)
    hurry: Flag = field(default_factory=Flag)


class Client:
    """One connection and its thread: the handshake, the session, the lines that tell of them."""

    def __init__(self, shared: Shared, number: int, stream: Stream, peer: Peer) -> None:
        self.stream = stream
        self.admitted = False
        self.thread = threading.Thread(target=self._run, name=f"secftp-client-{number}", daemon=True)
        self._shared = shared
        self._peer = peer
        self._log: SessionLog = shared.log.session(number, peer)
        self._session: ServerSession | None = None
        self._mode = Mode.ANONYMOUS

    def let_go(self) -> None:
        """From another thread: wake a session that waits for a request, so that it sees that the server stops."""
        session = self._session
        if session is None or not session.busy:
            self.stream.stop_receiving()

    def _run(self) -> None:
        self._log.line(f"Client connected: {self._peer.host}")
        try:
            channel = self._shake_hands()
            if channel is not None:
                self._admit(channel)
        except Exception as problem:  # noqa: BLE001 - one client's trouble must never end the server
            self._log.line(f"Internal error: {type(problem).__name__}")
        finally:
            self.stream.close()
            self._log.line("Done.")
            self._shared.registry.leave(self)  # last: a stopping server waits for no more than this

    def _shake_hands(self) -> Channel | None:
        challenged = False

        def told() -> None:
            nonlocal challenged
            challenged = True

        try:
            channel = accept_client(self.stream, self._decide, challenged=told, timeout=IDLE_SECONDS)
        except HandshakeRefused as problem:
            self._log.line(str(problem))
        except AuthenticationError:
            self._log.line("Refused: the client did not prove the key.")
        except ConnectionLost:
            self._log.line("The client left at the challenge: a wrong key?" if challenged else "The client left.")
        except SecftpError as problem:
            self._log.line(f"Refused: {problem}")
        else:
            self._log.line("Received good response. Initializing communication.")
            return channel
        return None

    def _decide(self, hello: HelloReceived) -> Password | Status:
        self._log.line(f"Cipher: {hello.suite.name.lower()}")
        self._log.line(f"IV: {hello.initialization_vector.hex()}")
        self._mode = hello.mode
        verdict = self._shared.access.decide(hello)
        if not isinstance(verdict, Status):
            if self._shared.registry.full:
                return Status.BUSY
            self._log.line("Sending challenge...")
        return verdict

    def _admit(self, channel: Channel) -> None:
        """Only now it takes a session's place: who can't prove the key keeps nobody out who can."""
        if self._shared.registry.admit(self):
            self._serve(channel)
            return
        self._log.line("Refused: busy.")
        with contextlib.suppress(SecftpError, OSError):
            channel.send(welcome())
            channel.send(Bye(code=ErrorCode.LIMIT, text=text_for(ErrorCode.LIMIT)))
            channel.flush()
            channel.linger(LINGER_SECONDS)

    def _serve(self, channel: Channel) -> None:
        shared = self._shared
        stopping = shared.stopping.is_set
        rights = shared.access.rights(self._mode)
        self._session = ServerSession(channel, Context(shared.store, rights, self._log, stopping, shared.hurry.is_set))
        shared.keepalive.watch(channel)
        try:
            self._session.run()
        except ConnectionLost as problem:
            # A session that waited for a request was woken by an end that this side made itself.
            if not stopping() or self._session.busy:
                self._log.line(str(problem))
                return
        except SecftpError as problem:
            self._log.line(f"Session ended: {problem}")
            return
        finally:
            shared.keepalive.forget(channel)
        self._say_goodbye(channel, stopping=stopping())

    def _say_goodbye(self, channel: Channel, *, stopping: bool) -> None:
        """The authenticated close; a client that has closed already misses nothing."""
        with contextlib.suppress(SecftpError, OSError):
            if stopping:
                channel.send(Bye(code=ErrorCode.STOPPING, text=text_for(ErrorCode.STOPPING)))
                channel.flush()
                channel.linger(LINGER_SECONDS)
            else:
                channel.close(Bye())
