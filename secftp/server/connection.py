"""Thread of one authenticated connection, and the monitor of slow transfers."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from secftp.errors import ConnectionLost, SecftpError, TransferTimeout
from secftp.protocol import Bye, Direction, ErrorCode, text_for
from secftp.server.requests import RequestContext
from secftp.server.requests.idempotency import CompletedChanges, CompletedCopies, ConfirmedFiles, OwnConfirmedFiles
from secftp.server.requests.uploads import SessionUploads, Uploads
from secftp.server.session import ServerSession, welcome
from secftp.server.session_limits import SlotClaim, SlotLimit, log_slot_limit
from secftp.text import counted, format_rate
from secftp.transport import Channel, Keepalive

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from secftp.protocol.handshake import Established
    from secftp.server.access import Access, Grant
    from secftp.server.log import Log
    from secftp.server.options import ServerLimits
    from secftp.server.pending import PendingConnection
    from secftp.server.registry import ConnectionRegistry
    from secftp.storage import Store
    from secftp.transport import MeteredStream
    from secftp.transport.tcp_info import TcpInfo

# How long a client may take to close after BYE.
LINGER_SECONDS: Final = 1.0
# Samples within the time over which a rate is measured.
SAMPLES: Final = 12


class SignalFlag:
    """A flag that signal handlers may set: without a lock, which the interrupted thread could be holding."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Set the flag."""
        self._is_set = True

    def clear(self) -> None:
        """Clear the flag."""
        self._is_set = False

    def is_set(self) -> bool:
        """Return whether the flag is set."""
        return self._is_set


@dataclass
class SharedState:
    """State of a server that all its connections share. Only `access` is replaced, for all proofs from then on.

    `compression`: whether files may be transferred compressed.
    """

    store: Store
    access: Access
    log: Log
    limits: ServerLimits
    registry: ConnectionRegistry[ConnectionThread]
    compression: bool = False
    keepalive: Keepalive = field(default_factory=Keepalive)
    stopping: SignalFlag = field(default_factory=SignalFlag)
    aborting: SignalFlag = field(default_factory=SignalFlag)
    completed_changes: CompletedChanges = field(default_factory=CompletedChanges)
    completed_copies: CompletedCopies = field(default_factory=CompletedCopies)
    confirmed_files: ConfirmedFiles = field(default_factory=ConfirmedFiles)
    uploads: Uploads = field(default_factory=Uploads)


class ConnectionThread:
    """One authenticated connection, its thread and its session. `refused_by` is set by the registry."""

    def __init__(self, shared: SharedState, pending: PendingConnection, grant: Grant, established: Established) -> None:
        self.stream: MeteredStream = pending.stream
        self.claim = SlotClaim(pending.source, grant)
        self.refused_by: SlotLimit | None = None
        self.store: Store = grant.store or shared.store
        self.thread = threading.Thread(target=self._run, name="secftp-client", daemon=True)
        self._shared = shared
        self._log = pending.log
        self._grant = grant
        self._established: Established | None = established
        self._session: ServerSession | None = None
        self._context: RequestContext | None = None
        self._channel: Channel | None = None
        self._ended = SignalFlag()  # as an additional stream, which has to give way
        self._additional = False  # whether it is an additional stream of a transfer
        self._info: TcpInfo | None = None  # of the connection, when the session has ended

    @property
    def is_transferring(self) -> bool:
        """Whether a file, or a message in parts, is being sent or received now.

        Small files and listings are messages, and a slow client occupies as much with them as with a file.
        """
        channel = self._channel
        return channel is not None and (channel.moving or (channel.has_part and not self.is_busy))

    @property
    def moved(self) -> int:
        """The bytes that were transferred; of what is compressed or a hole, those of the file: the progress."""
        data = None if self._channel is None else self._channel.data
        return self.stream.moved + (0 if data is None else data.saved + data.holes)

    @property
    def is_busy(self) -> bool:
        """Whether a request is being served now."""
        session = self._session
        return session is not None and session.busy

    def stop_when_idle(self) -> None:
        """Wake a session that waits for a request, so that it notices that the server stops. For another thread."""
        if not self.is_busy:
            self.stream.stop_receiving()

    def give_way(self) -> None:
        """End an additional stream because its slot is needed. For any thread."""
        self.limit("streams", "No session is free for an additional stream: it is ended.")
        if self._context is not None:
            self._context.abort_code = ErrorCode.LIMIT
        self._ended.set()
        if threading.current_thread() is not self.thread:
            self.stop_when_idle()

    def limit(self, name: str, text: str) -> None:
        """Log that this connection has reached a limit. For another thread."""
        self._log.limit(name, text)

    def _run(self) -> None:
        self._shared.registry.count_everywhere(self)
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
                self._reject(channel, self.refused_by)
        except Exception as problem:  # noqa: BLE001 - an error of one connection must never end the server
            self._log.line(f"Internal error: {type(problem).__name__}")
        finally:
            self.stream.close()
            if counter is not None and self.refused_by is None:
                counter.session(-1)
            self._log.end(self._info, additional=self._additional)
            self._shared.registry.remove(self)  # last: a stopping server waits for nothing else

    def _reject(self, channel: Channel, limit: SlotLimit) -> None:
        """Tell the client, encrypted, that its key or the server has no free session slot."""
        log_slot_limit(self._log, limit)
        self._log.line("Refused: busy.")
        self._log.handshake("busy")
        self._send_away(channel)

    def _send_away(self, channel: Channel) -> None:
        """Tell the client, encrypted, to come again later."""
        with contextlib.suppress(SecftpError, OSError):
            channel.send(welcome(channel.timeout))
            channel.send(Bye(code=ErrorCode.LIMIT, text=text_for(ErrorCode.LIMIT)))
            channel.flush()
            channel.linger(LINGER_SECONDS)

    def _serve(self, channel: Channel) -> None:
        shared = self._shared
        stopping = self._is_ending
        context = RequestContext(
            channel,
            self.store,
            self._grant.rights,
            self._log,
            lambda: shared.aborting.is_set() or self._ended.is_set(),
            shared.completed_changes,
            OwnConfirmedFiles(shared.confirmed_files, self.store, self._owner(), may_read=self._grant.rights.read),
            SessionUploads(shared.uploads, self.store, self._owner()),
            shared.completed_copies,
            self._ended.set,
        )
        self._context = context
        session = ServerSession(
            context,
            stopping,
            compression=shared.compression,
            streams=shared.registry.streams_for(self._grant),
            decide=self._decide,
        )
        self._session, self._channel = session, channel
        try:
            shared.keepalive.add(channel)
        except (RuntimeError, MemoryError):  # the first one needs a thread
            self._log.limit("threads", "No thread could be started for a client: it was rejected.")
            self._send_away(channel)
            return
        try:
            self._log.bye = self._session.run()
        except ConnectionLost as problem:
            # `stop_when_idle` ends the wait for a request as if the client had closed.
            if not stopping() or self._session.busy:
                self._log.line(str(problem))
                return
        except TransferTimeout as problem:
            self._log.limit(
                "idle", f"Idle timeout: nothing came from a client for {counted(round(channel.timeout), 'second')}."
            )
            self._log.line(f"Session ended: {problem}")
            return
        except SecftpError as problem:
            self._log.line(f"Session ended: {problem}")
            return
        finally:
            self._info = channel.tcp_info()
            shared.keepalive.remove(channel)
        self._close(channel, stopping=stopping())

    def _is_ending(self) -> bool:
        return self._shared.stopping.is_set() or self._ended.is_set()

    def _decide(self, additional: bool) -> None:  # noqa: FBT001 - a callback
        """Have a stream end, maybe this one, now that it is known whether this session is an additional stream."""
        self._additional = additional
        ending = self._shared.registry.decide(self, additional=additional)
        if ending is not None:
            ending.give_way()

    def _owner(self) -> str:
        """The identity that files are confirmed to: a key, or all anonymous clients."""
        return f"key {self._grant.name}" if self._grant.rights.keyed else "anonymous"

    def _close(self, channel: Channel, *, stopping: bool) -> None:
        """Close with an authenticated BYE; a client that has closed already misses nothing."""
        with contextlib.suppress(SecftpError, OSError):
            if stopping:
                code = ErrorCode.LIMIT if self._ended.is_set() else ErrorCode.STOPPING
                channel.send(Bye(code=code, text=text_for(code)))
                channel.flush()
                channel.linger(LINGER_SECONDS)
            else:
                channel.close(Bye())


class MinRateMonitor:
    """Context manager that cuts transfers slower than `limits.min_rate`, of the connections that a callable returns.

    One thread for all connections, and none without such a limit. Only time counts in which a file is transferred, or a
    message (small files, a listing) is sent or received in parts: neither a long checksum nor an idle session is cut.
    """

    def __init__(self, limits: ServerLimits, connections: Callable[[], list[ConnectionThread]]) -> None:
        self._rate = limits.min_rate
        self._seconds = limits.min_rate_seconds
        self._connections = connections
        self._since: dict[ConnectionThread, tuple[float, int]] = {}  # begin of a measurement, and bytes moved by then
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
        while not self._over.wait(self._seconds / SAMPLES):
            self._sample(time.monotonic())

    def _sample(self, now: float) -> None:
        transferring = [connection for connection in self._connections() if connection.is_transferring]
        # The next transfer of a connection that has none now is measured anew.
        self._since = {connection: self._since.get(connection, (now, connection.moved)) for connection in transferring}
        for connection, (began, moved) in list(self._since.items()):
            if now - began >= self._seconds:
                self._judge(connection, (connection.moved - moved) / (now - began))
                self._since[connection] = now, connection.moved

    def _judge(self, connection: ConnectionThread, rate: float) -> None:
        assert self._rate is not None  # else there is no thread
        if rate < self._rate:
            least = format_rate(self._rate)
            connection.limit("min_rate", f"A transfer is cut: {format_rate(rate)} is below the minimum of {least}.")
            connection.stream.interrupt()
