"""The requests that have been made and not yet answered, oldest first.

This is what the two directions of a session know of each other, and all of it: a reply is legal only for the oldest
request here, and only if it is of a kind that answers it. It holds at both ends, since both see the same messages.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from secftp.errors import ProtocolError
from secftp.messages.bounds import MAX_DRAIN, MAX_SIZE, MIN_REQUESTS
from secftp.messages.schema import (
    Entries,
    Error,
    File,
    Files,
    Info,
    List,
    MakeDirectory,
    Ok,
    Read,
    ReadMany,
    Remove,
    Rename,
    Results,
    SetAttributes,
    Stat,
    Sum,
    Write,
    WriteMany,
)

if TYPE_CHECKING:
    from secftp.messages.schema import AnyRequest, Message, Reply

ANSWERS: dict[type[Message], frozenset[type[Message]]] = {
    Read: frozenset({File, Error}),
    Write: frozenset({Ok, Error}),
    Stat: frozenset({Info, Error}),
    List: frozenset({Entries, Error}),
    Remove: frozenset({Ok, Error}),
    Rename: frozenset({Ok, Error}),
    MakeDirectory: frozenset({Ok, Error}),
    Sum: frozenset({Ok, Error}),
    SetAttributes: frozenset({Ok, Error}),
    ReadMany: frozenset({Files, Error}),
    WriteMany: frozenset({Results, Error}),
}


class Incoming:
    """A file under way: `total` bytes so far, at most `limit`, exactly `announced` unless that is None."""

    __slots__ = ("announced", "limit", "total", "whole")

    def __init__(self, announced: int | None) -> None:
        self.announced = announced
        self.limit = MAX_SIZE if announced is None else announced
        self.total = 0
        self.whole = False  # its END has been seen

    def refuse(self) -> None:
        """Bound what may still come: the sender learns of the refusal only after the bytes that are in the pipe."""
        self.limit = min(self.limit, self.total + MAX_DRAIN)


class Unanswered:
    """One request: its id, its kind, the file that follows it if it is a WRITE, and the small files to be answered."""

    __slots__ = ("file", "files", "id", "kind")

    def __init__(self, request: AnyRequest) -> None:
        self.id = request.id
        self.kind: type[Message] = type(request)
        self.file = Incoming(request.size) if isinstance(request, Write) else None
        self.files = _count(request)

    def take(self, reply: Reply) -> bool:
        """Take in a reply that answers this; whether the answer is complete with it (a FILE's is at its END).

        Raises `ProtocolError` for a reply about other files than were asked for.
        """
        match reply:
            case File():
                return False
            case Entries():
                return reply.last
            case Files():
                self.files -= len(reply.files)
            case Results():
                self.files -= len(reply.codes)
            case Error():
                if self.file is not None:
                    self.file.refuse()  # what is left of it, if anything is, will be thrown away
                return True
            case _:
                return True
        if self.files < 0 or (self.files and isinstance(reply, Results)):
            raise ProtocolError("A reply is not about as many files as its request.")
        return not self.files


class Pending:
    """The queue that the two `Receiver`s of one session share.

    `limit` is how many requests may be unanswered; it starts at what every server grants, and WELCOME sets it. One
    thread may follow each direction: requests enter on one side and leave on the other.
    """

    __slots__ = ("_queue", "limit")

    def __init__(self) -> None:
        self.limit = MIN_REQUESTS
        self._queue: deque[Unanswered] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether one more request would break the limit."""
        return len(self._queue) >= self.limit

    def add(self, request: AnyRequest) -> Unanswered:
        """Enter a request. Raises `ProtocolError` if too many are unanswered."""
        if self.full:
            raise ProtocolError("More requests are unanswered than the server grants.")
        entry = Unanswered(request)
        self._queue.append(entry)
        return entry

    def match(self, reply: Reply) -> Unanswered:
        """Return the request that `reply` answers, and leave it queued. Raises `ProtocolError` if it answers none."""
        if not self._queue or self._queue[0].id != reply.id:
            raise ProtocolError("A reply does not belong to the oldest unanswered request.")
        entry = self._queue[0]
        if type(reply) not in ANSWERS[entry.kind]:
            raise ProtocolError("A reply is not of a kind that answers its request.")
        if isinstance(reply, Ok) and entry.file is not None and not entry.file.whole:
            raise ProtocolError("A file was confirmed before its end was sent.")
        if isinstance(reply, Ok) and entry.kind is Sum and (reply.size is None or reply.digest is None):
            raise ProtocolError("OK for a SUM lacks what was asked for.")
        return entry

    def pop(self) -> None:
        """Remove the oldest request: its answer is complete."""
        self._queue.popleft()


def _count(request: AnyRequest) -> int:
    if isinstance(request, ReadMany):
        return len(request.paths)
    return len(request.files) if isinstance(request, WriteMany) else 0
