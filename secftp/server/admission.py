"""Handshakes of all connections, in the accept loop.

A client has no thread, no session buffers and no session slot before it has proved a key, so clients that send nothing
or guess keys do not keep out those with a key. A connection is in one of three states:

    silent      no hello yet. Most clients send it at once and are never in this state.
    waiting     the hello is here and its answer is delayed (`server.hello_queue`)
    challenged  the challenge was sent

The size of each state is bounded. Where one is full, a connection of a crowded network is closed, never the new one: a
silent one if these fill half of the room, else a challenged one. Time spent waiting does not count as handshake time.

Invariants: the loop never waits for a single client; an error of one client never ends it; no step takes longer with
more connections.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from secftp.channel import IncomingHandshake
from secftp.errors import AuthenticationError, ConnectionLost, ProtocolError, SecftpError
from secftp.handshake import Established, HelloReceived, Status
from secftp.record import Mode
from secftp.server.fairness import EvictionPool, source_address
from secftp.server.hello_queue import HelloQueue, Timers
from secftp.server.session_limits import log_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.channel import Listener, MeteredStream, Peer
    from secftp.handshake import Unacceptable
    from secftp.server.access import Access, Grant
    from secftp.server.fairness import SourceAddress
    from secftp.server.limits import ServerLimits
    from secftp.server.log import Log, SessionLog
    from secftp.server.session_limits import SessionLimit
    from secftp.server.throttle import Charge


class PendingConnection:
    """One connection before it is a session. `now` is the time of its arrival, in seconds of a monotonic clock."""

    __slots__ = ("_source", "_stream", "arrived", "charge", "deadline", "grant", "hello", "incoming", "log", "trusted")

    def __init__(self, stream: MeteredStream, source: SourceAddress, log: SessionLog, now: float) -> None:
        self._stream = stream
        self._source = source
        self.incoming = IncomingHandshake(stream)
        self.log = log
        self.arrived = now
        self.deadline = 0.0  # of the handshake; while its hello waits, what is left of the time, in seconds
        self.trusted = False  # whether its source has proved a key lately
        self.hello: HelloReceived | None = None
        self.grant: Grant | None = None  # what it has been challenged for
        self.charge: Charge | None = None  # what that has cost

    @property
    def stream(self) -> MeteredStream:
        """Its connection."""
        return self._stream

    @property
    def source(self) -> SourceAddress:
        """Where it comes from."""
        return self._source


class Admission:
    """The loop's part of a server. `enter` takes over a client that has proved itself; it must not wait either.

    It returns False, and leaves the client alone, if what was proved opens nothing any more.
    `access` is asked at each challenge and at each proof, so that the keys of that moment count; `bound` says what
    keeps a client from a session, as far as it may be told before its proof.
    """

    def __init__(
        self,
        listener: Listener,
        limits: ServerLimits,
        log: Log,
        *,
        access: Callable[[], Access],
        bound: Callable[[SourceAddress, Grant], SessionLimit | None],
        enter: Callable[[PendingConnection, Established], bool],
    ) -> None:
        self._listener = listener
        self._limits = limits
        self._log = log
        self._access, self._bound, self._enter = access, bound, enter
        self._watched: dict[int, PendingConnection] = {}  # by descriptor: the silent and the challenged ones
        self._silent: EvictionPool[PendingConnection] = EvictionPool(oldest_first=True)
        self._challenged: EvictionPool[PendingConnection] = EvictionPool(oldest_first=True)
        self._deadlines: Timers[PendingConnection] = Timers()  # of those that are watched
        self._admission: HelloQueue[PendingConnection] = HelloQueue(limits, time.monotonic())
        self._undelayed: list[
            PendingConnection
        ] = []  # those of this turn that nothing delays but perhaps the budget of all
        self._number = 0
        self._exhausted = 0

    def turn(self) -> None:
        """Wait until something happens, or until it is time for something; and do what is to be done."""
        ready = self._listener.wait(self._timeout(time.monotonic()))
        for descriptor in ready:
            if (visitor := self._watched.get(descriptor)) is not None:
                self._guarded(visitor, self._advance)
        for stream, peer in self._listener.take():
            self._arrive(stream, peer)
        if self._listener.exhausted != self._exhausted:
            self._exhausted = self._listener.exhausted
            self._log.limit("descriptors", "Out of descriptors or memory: a client was sent away, others wait.")
        self._expire(time.monotonic())
        self._answer()

    def close(self) -> None:
        """Send away all who have not proved anything yet; who waits for an answer is told to come again."""
        for visitor in self._admission:
            with contextlib.suppress(SecftpError):  # it has left
                visitor.incoming.refuse(Status.BUSY)
        for visitor in [*self._watched.values(), *self._admission]:
            self._leave(visitor, "stopping")

    # --- coming and going -------------------------------------------------------------------------------------------

    def _arrive(self, stream: MeteredStream, peer: Peer) -> None:
        self._number += 1
        log = self._log.session(self._number, peer)
        log.line(f"Client connected: {peer.host}")
        log.event("connected")
        now = time.monotonic()
        visitor = PendingConnection(stream, source_address(peer.host), log, now)
        visitor.trusted = self._admission.is_trusted(visitor.source, now)
        visitor.deadline = now + self._limits.handshake_seconds
        self._guarded(visitor, self._begin)

    def _begin(self, visitor: PendingConnection) -> None:
        """Most have said hello by now; who has not takes a place among the silent ones."""
        event = visitor.incoming.advance()
        if event is not None:
            assert not isinstance(event, Established)  # nothing is established without a challenge
            self._decide(visitor, event)
            return
        if self._silent.count(visitor.source) >= self._limits.max_pending_per_source:
            dropped = self._silent.pick_of(visitor.source)
            assert dropped is not None  # there are some
            dropped.log.limit("source", "Its address has too many silent connections: one of them is closed.")
            self._refuse(dropped, Status.BUSY)
        self._watch(visitor, self._silent)

    def _watch(self, visitor: PendingConnection, state: EvictionPool[PendingConnection]) -> None:
        """Put it into one of the states in which something is expected from it."""
        if len(self._watched) >= self._limits.max_pending:
            # Silent ones never have more than half. Neither do they always go first: a client is one for a moment.
            full = self._silent if 2 * len(self._silent) >= self._limits.max_pending else self._challenged
            dropped = full.pick() or self._silent.pick()
            assert dropped is not None  # all who are watched are in one of the two
            dropped.log.limit("pending", "Too many handshakes are under way: one of them is closed.")
            self._refuse(dropped, Status.BUSY)
        self._listener.watch(visitor.stream)
        self._watched[visitor.stream.fileno()] = visitor
        state.add(visitor)
        self._deadlines.set(visitor, visitor.deadline)

    def _unwatch(self, visitor: PendingConnection) -> None:
        """Take it out of the state that it is in; once more does no harm."""
        if self._watched.get(visitor.stream.fileno()) is not visitor:
            return
        del self._watched[visitor.stream.fileno()]
        self._listener.forget(visitor.stream)
        self._silent.discard(visitor)
        self._challenged.discard(visitor)
        self._deadlines.clear(visitor)

    def _leave(self, visitor: PendingConnection, result: str) -> None:
        """The end of one that has not proved anything."""
        self._unwatch(visitor)
        self._admission.remove(visitor)
        visitor.stream.close()
        visitor.log.handshake(result)
        visitor.log.line("Done.")

    # --- the handshake ----------------------------------------------------------------------------------------------

    def _advance(self, visitor: PendingConnection) -> None:
        """Take what has come from a watched one, whatever it is."""
        event = visitor.incoming.advance()
        if isinstance(event, Established):
            self._prove(visitor, event)
        elif event is not None:
            self._unwatch(visitor)
            self._decide(visitor, event)

    def _guarded(self, visitor: PendingConnection, step: Callable[[PendingConnection], None]) -> None:
        """Take a step with one; whatever goes wrong in it is the end of this one alone."""
        try:
            step(visitor)
        except AuthenticationError:
            visitor.log.line("Refused: the client did not prove the key.")
            self._leave(visitor, "wrong_key")
        except ConnectionLost:
            challenged = visitor.grant is not None
            visitor.log.line("The client left at the challenge: a wrong key?" if challenged else "The client left.")
            self._leave(visitor, "wrong_key" if challenged else "left")
        except ProtocolError as problem:
            visitor.log.line(f"Refused: {problem}")
            self._leave(visitor, "protocol")
        except Exception as problem:  # noqa: BLE001 - one client's trouble must never end the server
            visitor.log.line(f"Internal error: {type(problem).__name__}")
            self._leave(visitor, "internal")

    def _decide(self, visitor: PendingConnection, event: HelloReceived | Unacceptable) -> None:
        if not isinstance(event, HelloReceived):
            self._refuse(visitor, event.status)
            return
        visitor.log.cipher = event.suite.name.lower()
        visitor.log.lines([f"Cipher: {visitor.log.cipher}", f"IV: {event.initialization_vector.hex()}"])
        visitor.hello = event
        if (grant := self._granted(visitor, event)) is None:
            return
        if grant.mode is Mode.ANONYMOUS or not self._access().guessable:
            self._challenge(visitor, grant, charged=False)
        else:
            self._wait(visitor)

    def _granted(self, visitor: PendingConnection, hello: HelloReceived) -> Grant | None:
        """What the keys of now give for this hello; None if it was refused."""
        verdict = self._access().decide(hello)
        if isinstance(verdict, Status):
            self._refuse(visitor, verdict)
            return None
        if (bound := self._bound(visitor.source, verdict)) is not None:
            log_limit(visitor.log, bound)
            self._refuse(visitor, Status.BUSY)
            return None
        return verdict

    def _wait(self, visitor: PendingConnection) -> None:
        """Let its hello wait for its answer; if nothing delays that, until the end of this turn of the loop."""
        now = time.monotonic()
        if (dropped := self._admission.crowded(visitor)) is not None:
            dropped.log.limit("waiting", "Too many clients wait for their handshake: one of them is sent away.")
            self._refuse(dropped, Status.BUSY)
        visitor.deadline -= now
        if self._admission.add(visitor, now) > now:
            visitor.log.limit("guesses", "Too many wrong keys came from its address: the answer is delayed.")
        else:
            self._undelayed.append(visitor)

    def _answer(self) -> None:
        """Answer those whose time has come, as far as the budget for challenges goes."""
        while (visitor := self._admission.take(time.monotonic())) is not None:
            self._guarded(visitor, self._resume)
        for visitor in self._undelayed:
            if visitor in self._admission:
                visitor.log.limit(
                    "all_guesses", "Too many wrong keys come from everywhere: new handshakes are delayed."
                )
        self._undelayed.clear()

    def _resume(self, visitor: PendingConnection) -> None:
        """It has waited long enough. The keys may have changed meanwhile."""
        assert visitor.hello is not None  # else it would not have waited
        visitor.deadline += time.monotonic()
        if visitor.stream.has_ended():  # then an answer would be charged to others, and read by no one
            raise ConnectionLost("The client left before it was answered.")
        if (grant := self._granted(visitor, visitor.hello)) is not None:
            self._challenge(visitor, grant, charged=grant.mode is not Mode.ANONYMOUS)

    def _challenge(self, visitor: PendingConnection, grant: Grant, *, charged: bool) -> None:
        visitor.log.line("Sending challenge...")
        visitor.incoming.challenge(grant.password)
        visitor.grant = grant
        if charged:  # at once: whatever fails from here on, the client may know now whether its key is right
            self._admission.charge(visitor, time.monotonic())
        self._watch(visitor, self._challenged)

    def _refuse(self, visitor: PendingConnection, status: Status) -> None:
        """Tell in clear why it ends here, unless it was challenged: then it is just closed."""
        visitor.log.line(f"Refused: {status.name.lower()}.")
        if visitor.grant is None:
            with contextlib.suppress(SecftpError):  # it has left
                visitor.incoming.refuse(status)
        self._leave(visitor, status.name.lower())

    def _prove(self, visitor: PendingConnection, established: Established) -> None:
        assert visitor.grant is not None  # nothing is established without a challenge
        self._unwatch(visitor)
        if not self._enter(visitor, established):  # then it was a guess like any other
            visitor.log.line("Refused: its key was taken away during the handshake.")
            self._leave(visitor, "revoked")
        elif visitor.grant.mode is not Mode.ANONYMOUS:
            self._admission.proved(visitor, time.monotonic())

    # --- time -------------------------------------------------------------------------------------------------------

    def _expire(self, now: float) -> None:
        while (visitor := self._deadlines.take(now)) is not None:
            visitor.log.limit("handshake", "A client did not finish its handshake in time.")
            visitor.log.line("Refused: The client did not finish the handshake in time.")
            self._leave(visitor, "timeout")
        for visitor in self._admission.expire(now):
            visitor.log.line("Refused: It waited for too long.")
            self._leave(visitor, "timeout")

    def _timeout(self, now: float) -> float | None:
        """How long nothing need be done of itself, in seconds."""
        times = [when for when in (self._deadlines.next(), self._admission.next_time(now)) if when is not None]
        return max(0.0, min(times) - now) if times else None
