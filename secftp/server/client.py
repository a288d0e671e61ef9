"""One client that has proved itself, and its thread: the session, and the lines that tell of it."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from secftp.channel import Channel, Keepalive
from secftp.errors import ConnectionLost, SecftpError, TransferTimeout
from secftp.messages import Bye, Direction, ErrorCode, text_for
from secftp.server.places import Bound, Place, tell
from secftp.server.requests.arrivals import Arrivals, OwnArrivals
from secftp.server.requests.repeats import Repeats
from secftp.server.session import Context, ServerSession, welcome

if TYPE_CHECKING:
    from secftp.channel import PacedStream
    from secftp.handshake import Established
    from secftp.server.access import Access, Grant
    from secftp.server.limits import Limits
    from secftp.server.log import Log
    from secftp.server.registry import Registry
    from secftp.server.visitors import Visitor
    from secftp.storage import Store

# How long a client that was told of the end may take to hang up.
LINGER_SECONDS: Final = 1.0


class Flag:
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
class Shared:
    """What all clients of one server have in common. `access` alone changes: it holds from the next proof on."""

    store: Store
    access: Access
    log: Log
    limits: Limits
    registry: Registry
    keepalive: Keepalive = field(default_factory=Keepalive)
    stopping: Flag = field(default_factory=Flag)
    hurry: Flag = field(default_factory=Flag)
    repeats: Repeats = field(default_factory=Repeats)
    arrivals: Arrivals = field(default_factory=Arrivals)


class Client:
    """One session and its thread. The door has let it in; whether there is a place for it, the registry knows."""

    def __init__(self, shared: Shared, visitor: Visitor, grant: Grant, established: Established) -> None:
        self.stream: PacedStream = visitor.stream
        self.place = Place(visitor.source, grant)
        self.refused_by: Bound | None = None  # why it has no place, if it has none
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

    def _turn_away(self, channel: Channel, bound: Bound) -> None:
        """Its key has as many sessions as may be, or the last place was taken meanwhile: tell it, under its key."""
        tell(self._log, bound)
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
        arrivals = OwnArrivals(shared.arrivals, self.store, self._owner())
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
