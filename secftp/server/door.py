"""All that happens between a TCP connection and a session, for all connections at once, in the accept loop.

No client has a thread, a buffer of a session or a session's place before it has proved a key, so those that say
nothing, or guess, keep out nobody who can prove it. A connection is in one of three states:

    silent      it has not said hello yet. Most say it at once and are never in this state.
    waiting     its hello is there, and its answer is delayed (`server.admission`)
    challenged  it was told what to prove

Each state is bounded. Where there is no room for another one, a connection of a crowded network goes, and never the
newcomer: a silent one if those have half of the room, else one that was challenged. Time spent waiting does not count
as time for the handshake. What must never happen: that this loop waits for one client, that one client's trouble ends
it, or that a step in it takes the longer, the more connections there are.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from secftp.errors import AuthenticationError, ConnectionLost, ProtocolError, SecftpError
from secftp.handshake import Established, HelloReceived, Status
from secftp.record import Mode
from secftp.server.admission import Admission
from secftp.server.crowd import Crowd
from secftp.server.places import tell
from secftp.server.sources import source_of
from secftp.server.timers import Timers
from secftp.server.visitors import Visitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.channel import Listener, PacedStream, Peer
    from secftp.handshake import Unacceptable
    from secftp.server.access import Access, Grant
    from secftp.server.limits import Limits
    from secftp.server.log import Log
    from secftp.server.places import Bound
    from secftp.server.sources import Source


class Door:
    """The loop's part of a server. `enter` takes over a client that has proved itself; it must not wait either.

    It returns False, and leaves the client alone, if what was proved opens nothing any more.
    `access` is asked at each challenge and at each proof, so that the keys of that moment count; `bound` says what
    keeps a client from a session, as far as it may be told before its proof.
    """

    def __init__(
        self,
        listener: Listener,
        limits: Limits,
        log: Log,
        *,
        access: Callable[[], Access],
        bound: Callable[[Source, Grant], Bound | None],
        enter: Callable[[Visitor, Established], bool],
    ) -> None:
        self._listener = listener
        self._limits = limits
        self._log = log
        self._access, self._bound, self._enter = access, bound, enter
        self._watched: dict[int, Visitor] = {}  # by descriptor: the silent and the challenged ones
        self._silent: Crowd[Visitor] = Crowd(oldest_first=True)
        self._challenged: Crowd[Visitor] = Crowd(oldest_first=True)
        self._deadlines: Timers[Visitor] = Timers()  # of those that are watched
        self._admission: Admission[Visitor] = Admission(limits, time.monotonic())
        self._undelayed: list[Visitor] = []  # those of this turn that nothing delays but perhaps the budget of all
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

    def _arrive(self, stream: PacedStream, peer: Peer) -> None:
        self._number += 1
        log = self._log.session(self._number, peer)
        log.line(f"Client connected: {peer.host}")
        log.event("connected")
        now = time.monotonic()
        visitor = Visitor(stream, source_of(peer.host), log, now)
        visitor.trusted = self._admission.is_trusted(visitor.source, now)
        visitor.deadline = now + self._limits.handshake_seconds
        self._guarded(visitor, self._begin)

    def _begin(self, visitor: Visitor) -> None:
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

    def _watch(self, visitor: Visitor, state: Crowd[Visitor]) -> None:
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

    def _unwatch(self, visitor: Visitor) -> None:
        """Take it out of the state that it is in; once more does no harm."""
        if self._watched.get(visitor.stream.fileno()) is not visitor:
            return
        del self._watched[visitor.stream.fileno()]
        self._listener.forget(visitor.stream)
        self._silent.discard(visitor)
        self._challenged.discard(visitor)
        self._deadlines.clear(visitor)

    def _leave(self, visitor: Visitor, result: str) -> None:
        """The end of one that has not proved anything."""
        self._unwatch(visitor)
        self._admission.remove(visitor)
        visitor.stream.close()
        visitor.log.handshake(result)
        visitor.log.line("Done.")

    # --- the handshake ----------------------------------------------------------------------------------------------

    def _advance(self, visitor: Visitor) -> None:
        """Take what has come from a watched one, whatever it is."""
        event = visitor.incoming.advance()
        if isinstance(event, Established):
            self._prove(visitor, event)
        elif event is not None:
            self._unwatch(visitor)
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
        if (grant := self._granted(visitor, event)) is None:
            return
        if grant.mode is Mode.ANONYMOUS or not self._access().guessable:
            self._challenge(visitor, grant, charged=False)
        else:
            self._wait(visitor)

    def _granted(self, visitor: Visitor, hello: HelloReceived) -> Grant | None:
        """What the keys of now give for this hello; None if it was refused."""
        verdict = self._access().decide(hello)
        if isinstance(verdict, Status):
            self._refuse(visitor, verdict)
            return None
        if (bound := self._bound(visitor.source, verdict)) is not None:
            tell(visitor.log, bound)
            self._refuse(visitor, Status.BUSY)
            return None
        return verdict

    def _wait(self, visitor: Visitor) -> None:
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

    def _resume(self, visitor: Visitor) -> None:
        """It has waited long enough. The keys may have changed meanwhile."""
        assert visitor.hello is not None  # else it would not have waited
        visitor.deadline += time.monotonic()
        if visitor.stream.has_ended():  # then an answer would be charged to others, and read by no one
            raise ConnectionLost("The client left before it was answered.")
        if (grant := self._granted(visitor, visitor.hello)) is not None:
            self._challenge(visitor, grant, charged=grant.mode is not Mode.ANONYMOUS)

    def _challenge(self, visitor: Visitor, grant: Grant, *, charged: bool) -> None:
        visitor.log.line("Sending challenge...")
        visitor.incoming.challenge(grant.password)
        visitor.grant = grant
        if charged:  # at once: whatever fails from here on, the client may know now whether its key is right
            self._admission.charge(visitor, time.monotonic())
        self._watch(visitor, self._challenged)

    def _refuse(self, visitor: Visitor, status: Status) -> None:
        """Tell in clear why it ends here, unless it was challenged: then it is just closed."""
        visitor.log.line(f"Refused: {status.name.lower()}.")
        if visitor.grant is None:
            with contextlib.suppress(SecftpError):  # it has left
                visitor.incoming.refuse(status)
        self._leave(visitor, status.name.lower())

    def _prove(self, visitor: Visitor, established: Established) -> None:
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
