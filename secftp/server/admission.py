"""Handshakes of all connections, in the accept loop.

A client has no thread, no session buffers and no session slot before it has proved a key, so clients that send nothing
or guess keys do not keep out those with a key. A connection is in one of three states:

    silent      no hello yet, or no PROXY header. Most clients send it at once and are never in this state.
    waiting     the hello is here and its answer is delayed (`server.hello_queue`)
    challenged  the challenge was sent

The size of each state is bounded. Where one is full, a connection of a crowded network is closed, never the new one: a
silent one if these fill half of the room, else a challenged one. Time spent waiting does not count as handshake time.

A connection from a listed proxy (`server.proxies`) begins with a header that names the client. From then on it is that
client's, for limits, delays and log; until then it counts for no address. A proxy that only looks whether the server is
there leaves no line.

Invariants: the loop never waits for a single client; an error of one client never ends it; no step takes longer with
more connections; only a listed proxy says which address a client has.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from secftp.crypto import Mode
from secftp.errors import AuthenticationError, ConnectionLost, ProtocolError, SecftpError
from secftp.protocol.handshake import Established, HelloReceived, Status
from secftp.server.fairness import EvictionPool
from secftp.server.hello_queue import HelloQueue, Timers
from secftp.server.pending import PendingConnection
from secftp.server.proxies import Proxies
from secftp.server.session_limits import log_slot_limit
from secftp.transport import IncomingProxyHeader

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.protocol.handshake import Unacceptable
    from secftp.server.access import Access, Grant
    from secftp.server.fairness import SourceAddress
    from secftp.server.log import Log
    from secftp.server.options import ServerLimits
    from secftp.server.session_limits import SlotLimit
    from secftp.server.shared import SharedGuesses
    from secftp.transport import Listener, MeteredStream, Peer


class Admission:
    """Handshakes of all connections of a listener.

    `admit` takes over a client that has proved its key, without blocking; it returns False, and does nothing, if that
    key opens nothing any more. `access` is called at each challenge and proof, so that the keys of that moment count.
    `limit_for` returns the limit that refuses a client a session, as far as it may be told before the proof. `proxies`
    are those that have to name their clients. `others`: the guesses at all servers that count together.
    """

    def __init__(
        self,
        listener: Listener,
        limits: ServerLimits,
        log: Log,
        *,
        access: Callable[[], Access],
        limit_for: Callable[[SourceAddress, Grant], SlotLimit | None],
        admit: Callable[[PendingConnection, Established], bool],
        proxies: Proxies | None = None,
        others: SharedGuesses | None = None,
    ) -> None:
        self._listener = listener
        self._limits = limits
        self._log = log
        self._access, self._limit_for, self._admit = access, limit_for, admit
        self._proxies = proxies or Proxies()
        self._watched: dict[int, PendingConnection] = {}  # by descriptor: silent and challenged ones
        self._silent: EvictionPool[PendingConnection] = EvictionPool(oldest_first=True)
        self._challenged: EvictionPool[PendingConnection] = EvictionPool(oldest_first=True)
        self._deadlines: Timers[PendingConnection] = Timers()  # of the watched ones
        self._queue: HelloQueue[PendingConnection] = HelloQueue(limits, time.monotonic(), others=others)
        self._undelayed: list[PendingConnection] = []  # by nothing but the budget for challenges
        self._number = 0
        self._exhausted = 0

    def run_once(self) -> None:
        """Wait for an event or a timer, and handle what has happened."""
        ready = self._listener.wait(self._timeout(time.monotonic()))
        for descriptor in ready:
            if (pending := self._watched.get(descriptor)) is not None:
                self._guarded(pending, self._advance)
        for stream, peer in self._listener.accept():
            self._accept(stream, peer)
        if self._listener.exhausted != self._exhausted:
            self._exhausted = self._listener.exhausted
            self._log.limit("descriptors", "Out of file descriptors or memory: a client was rejected, others wait.")
        self._expire(time.monotonic())
        self._answer_waiting()

    def close(self) -> None:
        """Close all connections that are not authenticated; those that wait for an answer are told to try again."""
        for pending in self._queue:
            with contextlib.suppress(SecftpError):  # the client has left
                pending.incoming.refuse(Status.BUSY)
        for pending in [*self._watched.values(), *self._queue]:
            self._drop(pending, "stopping")

    # --- begin and end of a connection ------------------------------------------------------------------------------

    def _accept(self, stream: MeteredStream, peer: Peer) -> None:
        self._number += 1
        log = self._log.session(self._number, peer)
        now = time.monotonic()
        header = IncomingProxyHeader(stream) if self._proxies.has(peer.host) else None
        pending = PendingConnection(stream, peer, log, now, header)
        pending.deadline = now + self._limits.handshake_seconds
        if header is not None:
            log.quiet = True
            self._guarded(pending, self._read_header)
            return
        self._log_arrival(pending)
        pending.trusted = self._queue.is_trusted(pending.source, now)
        self._guarded(pending, self._read_hello)

    def _log_arrival(self, pending: PendingConnection) -> None:
        """Log a connection as that of a client."""
        pending.log.quiet = False
        pending.log.line(f"Client connected: {pending.peer.host}")
        pending.log.event("connected")

    def _read_header(self, pending: PendingConnection) -> None:
        """Read the PROXY header. When it is complete, the connection is like any other of the client that it names."""
        assert pending.header is not None  # the caller has looked
        found = pending.header.advance()
        if found is None:
            if not self._is_watched(pending):
                self._watch(pending, self._silent)
            return
        self._unwatch(pending)
        pending.on_header(found)
        if not pending.log.quiet:
            self._log_arrival(pending)
        pending.trusted = self._queue.is_trusted(pending.source, time.monotonic())
        self._read_hello(pending)

    def _read_hello(self, pending: PendingConnection) -> None:
        """Read the hello, which most clients have sent by now; else the connection is a silent one."""
        event = pending.incoming.advance()
        if event is not None:
            assert not isinstance(event, Established)  # nothing is established without a challenge
            self._on_hello(pending, event)
            return
        if self._silent.count(pending.source) >= self._limits.max_pending_per_source:
            victim = self._silent.victim_of(pending.source)
            assert victim is not None  # there are some
            victim.log.limit("source", "Too many silent connections from its address: one of them is closed.")
            self._refuse(victim, Status.BUSY)
        self._watch(pending, self._silent)

    def _watch(self, pending: PendingConnection, state: EvictionPool[PendingConnection]) -> None:
        """Put a connection into a state in which something is expected from the client."""
        if len(self._watched) >= self._limits.max_pending:
            # Silent ones never fill more than half, but do not always go first: a client may be silent for a moment.
            full = self._silent if 2 * len(self._silent) >= self._limits.max_pending else self._challenged
            victim = full.victim() or self._silent.victim()
            assert victim is not None  # every watched connection is in one of the two
            victim.log.limit("pending", "Too many handshakes are in progress: one of them is closed.")
            self._refuse(victim, Status.BUSY)
        self._listener.watch(pending.stream)
        self._watched[pending.stream.fileno()] = pending
        state.add(pending)
        self._deadlines.set(pending, pending.deadline)

    def _is_watched(self, pending: PendingConnection) -> bool:
        return self._watched.get(pending.stream.fileno()) is pending

    def _unwatch(self, pending: PendingConnection) -> None:
        """Remove a connection from its state; idempotent."""
        if not self._is_watched(pending):
            return
        del self._watched[pending.stream.fileno()]
        self._listener.unwatch(pending.stream)
        self._silent.discard(pending)
        self._challenged.discard(pending)
        self._deadlines.clear(pending)

    def _drop(self, pending: PendingConnection, result: str) -> None:
        """Close a connection that is not authenticated."""
        self._unwatch(pending)
        self._queue.remove(pending)
        pending.stream.close()
        pending.log.handshake(result)
        pending.log.line("Done.")

    # --- the handshake ----------------------------------------------------------------------------------------------

    def _advance(self, pending: PendingConnection) -> None:
        """Read from a watched connection."""
        if pending.header is not None:
            self._read_header(pending)
            return
        event = pending.incoming.advance()
        if isinstance(event, Established):
            self._on_proof(pending, event)
        elif event is not None:
            self._unwatch(pending)
            self._on_hello(pending, event)

    def _guarded(self, pending: PendingConnection, step: Callable[[PendingConnection], None]) -> None:
        """Run a step for one connection; whatever it raises closes that connection alone."""
        try:
            step(pending)
        except AuthenticationError:
            pending.log.line("Refused: the client did not prove the key.")
            self._drop(pending, "wrong_key")
        except ConnectionLost:
            challenged = pending.grant is not None
            pending.log.line(
                "The client disconnected at the challenge: a wrong key?" if challenged else "The client disconnected."
            )
            self._drop(pending, "wrong_key" if challenged else "probe" if pending.log.quiet else "left")
        except ProtocolError as problem:
            self._on_violation(pending, problem)
        except Exception as problem:  # noqa: BLE001 - an error of one connection must never end the server
            pending.log.quiet = False
            pending.log.line(f"Internal error: {type(problem).__name__}")
            self._drop(pending, "internal")

    def _on_violation(self, pending: PendingConnection, problem: ProtocolError) -> None:
        """Close a connection that has sent neither a hello nor, if there has to be one, a PROXY header."""
        if pending.header is not None:
            pending.log.limit("proxy_header", f"A connection from a listed proxy is refused: {problem}")
            self._drop(pending, "proxy_header")
            return
        if pending.log.quiet:  # a proxy that has named no client
            self._log_arrival(pending)
        pending.log.line(f"Refused: {problem}")
        self._drop(pending, "protocol")

    def _on_hello(self, pending: PendingConnection, event: HelloReceived | Unacceptable) -> None:
        if pending.log.quiet:  # the proxy has named no client
            self._log_arrival(pending)
        if not isinstance(event, HelloReceived):
            self._refuse(pending, event.status)
            return
        pending.log.cipher = event.suite.name.lower()
        pending.log.lines([f"Cipher: {pending.log.cipher}", f"IV: {event.initialization_vector.hex()}"])
        pending.hello = event
        if (grant := self._grant_for(pending, event)) is None:
            return
        if grant.mode is Mode.ANONYMOUS or not self._access().guessable:
            self._challenge(pending, grant, charged=False)
        else:
            self._enqueue(pending)

    def _grant_for(self, pending: PendingConnection, hello: HelloReceived) -> Grant | None:
        """Return what the current keys grant for this hello; None if it was refused."""
        verdict = self._access().decide(hello)
        if isinstance(verdict, Status):
            self._refuse(pending, verdict)
            return None
        if (limit_for := self._limit_for(pending.source, verdict)) is not None:
            log_slot_limit(pending.log, limit_for)
            self._refuse(pending, Status.BUSY)
            return None
        return verdict

    def _enqueue(self, pending: PendingConnection) -> None:
        """Queue a hello; if nothing delays its answer, until the end of this `run_once`."""
        now = time.monotonic()
        if (victim := self._queue.find_victim(pending)) is not None:
            victim.log.limit("waiting", "Too many clients wait for their handshake: one of them is rejected.")
            self._refuse(victim, Status.BUSY)
        pending.deadline -= now
        if self._queue.add(pending, now) > now:
            pending.log.limit("guesses", "Too many wrong keys from its address: the answer is delayed.")
        else:
            self._undelayed.append(pending)

    def _answer_waiting(self) -> None:
        """Answer the hellos that are due, as far as the budget for challenges allows."""
        while (pending := self._queue.take(time.monotonic())) is not None:
            self._guarded(pending, self._resume)
        for pending in self._undelayed:
            if pending in self._queue:
                pending.log.limit("all_guesses", "Too many wrong keys from all addresses: new handshakes are delayed.")
        self._undelayed.clear()

    def _resume(self, pending: PendingConnection) -> None:
        """Answer a hello that has waited. The keys may have changed meanwhile."""
        assert pending.hello is not None  # only hellos wait
        pending.deadline += time.monotonic()
        if pending.stream.has_ended():  # the answer would be charged to others, and not read
            raise ConnectionLost("The client disconnected before it was answered.")
        if (grant := self._grant_for(pending, pending.hello)) is not None:
            charged = grant.mode is not Mode.ANONYMOUS
            if charged and self._queue.must_wait(pending, now := time.monotonic()):
                pending.deadline -= now
                pending.log.limit(
                    "shared_guesses", "Too many wrong keys at all servers together: the answer is delayed."
                )
                return
            self._challenge(pending, grant, charged=charged)

    def _challenge(self, pending: PendingConnection, grant: Grant, *, charged: bool) -> None:
        pending.log.line("Sending challenge...")
        pending.incoming.challenge(grant.password)
        pending.grant = grant
        if charged:  # at once: whatever fails from here on, the client may know now whether its key is right
            self._queue.charge(pending, time.monotonic())
        self._watch(pending, self._challenged)

    def _refuse(self, pending: PendingConnection, status: Status) -> None:
        """Refuse a connection with a plaintext status; one that was challenged is only closed."""
        pending.log.line(f"Refused: {status.name.lower()}.")
        if pending.grant is None:
            with contextlib.suppress(SecftpError):  # the client has left
                pending.incoming.refuse(status)
        self._drop(pending, status.name.lower())

    def _on_proof(self, pending: PendingConnection, established: Established) -> None:
        assert pending.grant is not None  # nothing is established without a challenge
        self._unwatch(pending)
        if not self._admit(pending, established):  # it counts as a wrong guess
            pending.log.line("Refused: the key was revoked during the handshake.")
            self._drop(pending, "revoked")
        elif pending.grant.mode is not Mode.ANONYMOUS:
            self._queue.proved(pending, time.monotonic())

    # --- time -------------------------------------------------------------------------------------------------------

    def _expire(self, now: float) -> None:
        while (pending := self._deadlines.take(now)) is not None:
            pending.log.limit("handshake", "A client did not finish its handshake in time.")
            pending.log.line("Refused: the client did not finish the handshake in time.")
            self._drop(pending, "timeout")
        for pending in self._queue.expire(now):
            pending.log.line("Refused: the client has waited too long for its turn.")
            self._drop(pending, "timeout")

    def _timeout(self, now: float) -> float | None:
        """Return the seconds until the next timer; None if there is none."""
        times = [when for when in (self._deadlines.next(), self._queue.next_time(now)) if when is not None]
        return max(0.0, min(times) - now) if times else None
