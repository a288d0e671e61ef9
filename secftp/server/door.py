"""The door: all that happens between a TCP connection and a session, for everybody at once, in the accept loop.

No client has a thread, a buffer of a session or a session's place before it has proved the key, so those that say
nothing, or guess, keep out nobody who can prove it. A connection is in one of three states:

    pending   its handshake is under way; it has some seconds in all. Beyond the bound the oldest one goes, of those
              that have said nothing if there are any.
    waiting   its source has enough pending ones; it has its turn when one of those is through
    delayed   its hello is there, and too many wrong keys came from its source, or from everywhere

Those that wait are bounded too, and nobody waits for longer than a client has patience. Time spent waiting does not
count as time for the handshake. What must never happen: that this loop waits for one client, or that one client's
trouble ends it.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from secftp.errors import AuthenticationError, ConnectionLost, ProtocolError, SecftpError
from secftp.handshake import Established, HelloReceived, Status
from secftp.record import Mode
from secftp.server.guesses import Guesses, source_of
from secftp.server.visitors import Visitor, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.channel import Listener, PacedStream, Peer
    from secftp.handshake import Unacceptable
    from secftp.server.access import Access, Grant
    from secftp.server.limits import Limits
    from secftp.server.log import Log

# How often those that wait are looked at while there are any.
TICK_SECONDS: Final = 0.05


class Door:
    """The loop's part of a server. `enter` takes over a client that has proved itself; it must not wait either.

    It returns False, and leaves the client alone, if what was proved opens nothing any more.
    `access` is asked at each challenge and at each proof, so that the keys of that moment count; `full` says that there
    is no place.
    """

    def __init__(
        self,
        listener: Listener,
        limits: Limits,
        log: Log,
        *,
        access: Callable[[], Access],
        full: Callable[[], bool],
        enter: Callable[[Visitor, Established], bool],
    ) -> None:
        self._listener = listener
        self._limits = limits
        self._log = log
        self._access, self._full, self._enter = access, full, enter
        self._guesses = Guesses(limits, time.monotonic())
        self._pending: dict[int, Visitor] = {}  # by descriptor; the order is that in which they became pending
        self._pending_of: Counter[str] = Counter()
        self._waiting = Waiting()
        self._delayed = Waiting()
        self._number = 0
        self._exhausted = 0
        self._next_tick = 0.0

    def turn(self) -> None:
        """Wait until something happens, or until it is time for something; and do what is to be done."""
        ready = self._listener.wait(self._timeout(time.monotonic()))
        for descriptor in ready:
            if (visitor := self._pending.get(descriptor)) is not None:
                self._guarded(visitor, self._advance)
        for stream, peer in self._listener.take():
            self._arrive(stream, peer)
        if self._listener.exhausted != self._exhausted:
            self._exhausted = self._listener.exhausted
            self._log.limit("descriptors", "Out of descriptors or memory: a client was sent away, others wait.")
        now = time.monotonic()
        if now >= self._next_tick:  # not at every turn: it looks at all who wait
            self._next_tick = now + TICK_SECONDS
            self._tick(now)

    def close(self) -> None:
        """Send away everybody who has not proved anything yet."""
        for visitor in [*self._pending.values(), *self._waiting, *self._delayed]:
            self._leave(visitor, "stopping")

    # --- coming and going -------------------------------------------------------------------------------------------

    def _arrive(self, stream: PacedStream, peer: Peer) -> None:
        self._number += 1
        log = self._log.session(self._number, peer)
        log.line(f"Client connected: {peer.host}")
        log.event("connected")
        visitor = Visitor(stream, source_of(peer.host), log, time.monotonic())
        if self._pending_of[visitor.source] < self._limits.max_pending_per_source:
            self._guarded(visitor, self._begin)
        elif self._may_wait(visitor):
            log.limit("source", "Its address has too many handshakes under way; this one waits for its turn.")
            self._waiting.add(visitor)

    def _begin(self, visitor: Visitor) -> None:
        """Start the clock of its handshake."""
        visitor.deadline = time.monotonic() + self._limits.handshake_seconds
        self._become_pending(visitor)

    def _become_pending(self, visitor: Visitor) -> None:
        if len(self._pending) >= self._limits.max_pending:
            # The oldest that has not even said hello, if there is one: who has is about to prove itself, or charged.
            pending = self._pending.values()
            oldest = next((one for one in pending if one.grant is None), None) or next(iter(pending))
            oldest.log.limit("pending", "Too many handshakes are under way: the oldest one goes.")
            oldest.log.line("Refused: busy.")
            self._leave(oldest, "busy")
        self._listener.watch(visitor.stream)
        self._pending[visitor.stream.fileno()] = visitor
        self._pending_of[visitor.source] += 1
        self._advance(visitor)

    def _stop_pending(self, visitor: Visitor) -> None:
        if self._pending.pop(visitor.stream.fileno(), None) is None:
            return
        self._listener.forget(visitor.stream)
        self._pending_of[visitor.source] -= 1
        if not self._pending_of[visitor.source]:
            del self._pending_of[visitor.source]

    def _may_wait(self, visitor: Visitor) -> bool:
        """Whether there is room for one more to wait; if not, it has been sent away."""
        of_source = self._waiting.count(visitor.source) + self._delayed.count(visitor.source)
        total = len(self._waiting) + len(self._delayed)
        if of_source < self._limits.max_waiting_per_source and total < self._limits.max_waiting:
            return True
        visitor.log.limit("waiting", "Too many clients wait for their handshake: this one is sent away.")
        self._refuse(visitor, Status.BUSY)
        return False

    def _leave(self, visitor: Visitor, result: str) -> None:
        """The end of one that has not proved anything."""
        self._stop_pending(visitor)
        visitor.stream.close()
        visitor.log.handshake(result)
        visitor.log.line("Done.")

    # --- the handshake ----------------------------------------------------------------------------------------------

    def _advance(self, visitor: Visitor) -> None:
        """Take what has come from a pending one, whatever it is."""
        event = visitor.incoming.advance()
        if isinstance(event, Established):
            self._prove(visitor, event)
        elif event is not None:
            self._decide(visitor, event)

    def _guarded(self, visitor: Visitor, step: Callable[[Visitor], None]) -> None:
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

    def _decide(self, visitor: Visitor, event: HelloReceived | Unacceptable) -> None:
        if not isinstance(event, HelloReceived):
            self._refuse(visitor, event.status)
            return
        visitor.log.cipher = event.suite.name.lower()
        visitor.log.lines([f"Cipher: {visitor.log.cipher}", f"IV: {event.initialization_vector.hex()}"])
        visitor.hello = event
        self._answer(visitor, event, at_once=self._is_due(visitor.source))

    def _answer(self, visitor: Visitor, hello: HelloReceived, *, at_once: bool) -> None:
        """By the keys of now: the hello of one that was delayed is older than a reload may be."""
        verdict = self._access().decide(hello)
        if isinstance(verdict, Status):
            self._refuse(visitor, verdict)
        elif self._full():
            visitor.log.limit("clients", "There are as many sessions as may be; a client is sent away.")
            self._refuse(visitor, Status.BUSY)
        elif at_once or verdict.mode is Mode.ANONYMOUS:
            self._challenge(visitor, verdict)
        else:
            self._delay(visitor)

    def _is_due(self, source: str) -> bool:
        now = time.monotonic()
        return not self._delayed.count(source) and self._guesses.due(source, now) <= now

    def _challenge(self, visitor: Visitor, grant: Grant) -> None:
        visitor.log.line("Sending challenge...")
        visitor.incoming.challenge(grant.password)
        visitor.grant = grant
        if grant.mode is not Mode.ANONYMOUS:
            self._guesses.charge(visitor.source, time.monotonic())

    def _refuse(self, visitor: Visitor, status: Status) -> None:
        visitor.log.line(f"Refused: {status.name.lower()}.")
        with contextlib.suppress(SecftpError):  # it has left
            visitor.incoming.refuse(status)
        self._leave(visitor, status.name.lower())

    def _prove(self, visitor: Visitor, established: Established) -> None:
        assert visitor.grant is not None  # nothing is established without a challenge
        self._stop_pending(visitor)
        if not self._enter(visitor, established):  # then it was a guess like any other
            visitor.log.line("Refused: its key was taken away during the handshake.")
            self._leave(visitor, "revoked")
        elif visitor.grant.mode is not Mode.ANONYMOUS:
            self._guesses.refund(visitor.source, time.monotonic())

    # --- those that wait --------------------------------------------------------------------------------------------

    def _delay(self, visitor: Visitor) -> None:
        """Its hello is there, but its source, or everybody, has guessed too often to be answered at once."""
        now = time.monotonic()
        self._stop_pending(visitor)
        if not self._may_wait(visitor):
            return
        if self._guesses.source_due(visitor.source, now) > now or self._delayed.count(visitor.source):
            visitor.log.limit("guesses", "Too many wrong keys came from its address: the answer is delayed.")
        else:
            visitor.log.limit("all_guesses", "Too many wrong keys come from everywhere: new handshakes are delayed.")
        visitor.deadline -= now
        visitor.arrived = now
        self._delayed.add(visitor)

    def _tick(self, now: float) -> None:
        for visitor in [one for one in self._pending.values() if one.deadline <= now]:
            visitor.log.limit("handshake", "A client did not finish its handshake in time.")
            visitor.log.line("Refused: The client did not finish the handshake in time.")
            self._leave(visitor, "timeout")
        for line in (self._waiting, self._delayed):
            for visitor in [one for one in line if now - one.arrived > self._limits.waiting_seconds]:
                line.remove(visitor)
                visitor.log.line("Refused: It waited for too long.")
                self._leave(visitor, "timeout")
        for source in self._waiting.sources():
            while self._waiting.count(source) and self._pending_of[source] < self._limits.max_pending_per_source:
                self._guarded(self._waiting.next(source), self._begin)
        self._answer_delayed(now)

    def _answer_delayed(self, now: float) -> None:
        """Those first whose source has guessed least, so that who guesses much keeps the budget from nobody else."""
        for source in sorted(self._delayed.sources(), key=lambda source: self._guesses.count(source, now)):
            while self._delayed.count(source) and self._guesses.due(source, now) <= now:
                self._guarded(self._delayed.next(source), self._resume)

    def _resume(self, visitor: Visitor) -> None:
        assert visitor.hello is not None  # else it would not have been delayed
        visitor.deadline += time.monotonic()
        self._answer(visitor, visitor.hello, at_once=True)
        if visitor.grant is not None:
            self._become_pending(visitor)

    def _timeout(self, now: float) -> float | None:
        """How long nothing need be done of itself."""
        if self._waiting or self._delayed:
            return TICK_SECONDS
        if not self._pending:
            return None
        return max(self._next_tick, min(one.deadline for one in self._pending.values())) - now
