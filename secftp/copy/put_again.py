"""Files that may be at the server already: they were sent, and the connection was lost before the answer came.

Sent again, such a file can be refused although it has arrived: the server replaces nothing, or its directory has been
closed by then (mode 0555). So a refusal counts only if what is there is not what was sent. A large file is compared
before it is sent, which also saves sending it. The server tells the digest of what has come with the copy's token even
to a client that may not read.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from secftp.copy.prefix import hash_prefix
from secftp.copy.put_flights import Flight
from secftp.copy.times import same_time
from secftp.errors import FileError
from secftp.messages import Capability, Error, ErrorCode, Info, Kind, Ok, Stat, Sum
from secftp.session.replies import SingleReply
from secftp.storage import new_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.copy.put_flights import Base, Sent
    from secftp.copy.sending import Sending
    from secftp.copy.steps import Step
    from secftp.messages import Message
    from secftp.session import Session
    from secftp.storage import Source

# What a server says of a file that it has already, and may not write once more.
REFUSALS: Final = frozenset({ErrorCode.EXISTS, ErrorCode.FORBIDDEN})


def can_compare(session: Session) -> bool:
    """Whether the server can tell what it has."""
    return session.can(Capability.STAT) and session.can(Capability.SUM)


class SumFlight(Flight):
    """SUM of a small file that was refused with `code` when it was sent again."""

    __slots__ = ("_code", "_reason", "_sent")

    def __init__(self, base: Base, sent: Sent, code: ErrorCode, reason: str | None) -> None:
        super().__init__(base)
        self._sent = sent
        self._code = code
        self._reason = reason

    @property
    def steps(self) -> Sequence[Step]:
        """As `Flight.steps`."""
        return (self._sent.step,)

    def done(self, answer: Message) -> None:
        """It is there; whether it is what was sent, its digest tells."""
        step, name, size, digest = self._sent
        if isinstance(answer, Ok) and hmac.compare_digest(answer.digest or b"", digest):
            self.base.tally.listener.moved(size)
            self.base.tally.finished(name, size, digest, moved=size)
        else:
            self.base.failed(step, self._code, self._reason, size=size)

    def refused(self, code: ErrorCode, reason: str | None = None) -> None:  # noqa: ARG002 - the first tells more
        """It can't be compared, so the refusal counts."""
        self.base.failed(self._sent.step, self._code, self._reason, size=self._sent.size)


def has_arrived(base: Sending, step: Step, source: Source) -> bool:
    """Whether a large file is at the server as it is here; then the tally has been told."""
    size = source.info.size
    if not step.may_be_there or not base.can_compare or size is None:
        return False
    there = _ask(base, Stat(id=base.pipeline.next_id(), path=step.remote))
    may_look = not (isinstance(there, Error) and there.code is ErrorCode.FORBIDDEN)
    if may_look and not _looks_like(there, source, preserve=base.options.preserve):
        return False
    answer, digest = SingleReply(), new_digest(base.algorithm)
    base.pipeline.submit(sum_of(base, step), answer)
    base.pipeline.flush()
    if not may_look and not isinstance(_await(base, answer), Ok):
        return False  # before all of it is read here in vain
    try:
        hash_prefix(source, digest, size)
        source.check_unchanged()
    except FileError:
        return False  # what is wrong with it shows when it is sent
    finally:
        found = _await(base, answer)
    if not isinstance(found, Ok) or not hmac.compare_digest(found.digest or b"", digest.digest()):
        return False
    base.tally.listener.moved(size - step.told)
    step.told = size
    base.tally.finished(step.name, size, digest.digest(), moved=size - (step.kept or 0))
    return True


def sum_of(base: Sending, step: Step) -> Sum:
    """The request for the digest of a file that may be there."""
    return Sum(id=base.pipeline.next_id(), path=step.remote, algorithm=base.algorithm, token=base.token)


def _looks_like(there: Message | None, source: Source, *, preserve: bool) -> bool:
    """Whether a file at the server has the size of one here and, if it gets that, the time."""
    if not isinstance(there, Info) or there.kind is not Kind.FILE or there.size != source.info.size:
        return False
    return not preserve or same_time(there.mtime_ns, source.info.mtime_ns)


def _ask(base: Sending, request: Stat) -> Message | None:
    answer = SingleReply()
    base.pipeline.submit(request, answer)
    return _await(base, answer)


def _await(base: Sending, answer: SingleReply) -> Message | None:
    while not answer.complete:
        base.pipeline.step()
    return answer.message
