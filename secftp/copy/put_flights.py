"""What is under way to a server and not confirmed yet: a handler for each request, which knows what its answer means.

Handlers run while something else is being sent, so they only take note; a step that has to be done once more is put
back into the queue. What must never happen: that a file counts as complete which the server has not confirmed with the
digest of what was read here.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, NamedTuple, Protocol

from secftp.copy.tally import MODE_SET, SAME
from secftp.errors import ChecksumMismatch, ProtocolError
from secftp.messages import ErrorCode, Ok, Results, clause_for, remote_failure
from secftp.session.replies import SingleReply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.channel import Received
    from secftp.copy.options import CopyOptions
    from secftp.copy.steps import Step
    from secftp.copy.tally import Tally
    from secftp.errors import FileError
    from secftp.messages import Message
    from secftp.storage import Digest, Path

# What a server may say of a partial that can't be gone on with: then the file starts again.
_NOT_RESUMED = frozenset({ErrorCode.CHECKSUM, ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.UNSUPPORTED})


class Base(Protocol):
    """Where the flights start and land. `lost_folders` are those that could not be made."""

    options: CopyOptions
    tally: Tally
    lost_folders: set[Path]

    def landed(self, flight: Flight) -> None:
        """An answer has come."""

    def failed(self, step: Step, code: ErrorCode, reason: str | None = None, *, size: int | None = None) -> None:
        """The server did not do it."""

    def refused(self, sent: Sent, code: ErrorCode, reason: str | None) -> None:
        """The server did not take a small file, which may be there since it was sent for the first time."""

    def again(self, step: Step) -> None:
        """Put a step back into the queue."""


class Flight(SingleReply):
    """A request under way, with the steps that are done when it is confirmed."""

    __slots__ = ("base",)

    def __init__(self, base: Base) -> None:
        super().__init__()
        self.base = base

    def __call__(self, received: Received) -> bool:
        """Take the answer."""
        super().__call__(received)
        self.base.landed(self)
        return True

    @property
    def steps(self) -> Sequence[Step]:
        """What has to be done again if no answer comes."""
        raise AssertionError

    def done(self, answer: Message) -> None:
        """It was done, as `answer` says."""

    def refused(self, code: ErrorCode, reason: str | None = None) -> None:
        """It was not done."""
        for step in self.steps:
            self.base.failed(step, code, reason)


class FolderFlight(Flight):
    """MKDIR. If it fails, nothing is reported of what was in the folder."""

    __slots__ = ("_step",)

    def __init__(self, base: Base, step: Step) -> None:
        super().__init__(base)
        self._step = step

    @property
    def steps(self) -> Sequence[Step]:
        """As `Flight.steps`."""
        return (self._step,)

    def refused(self, code: ErrorCode, reason: str | None = None) -> None:
        """As `Flight.refused`."""
        super().refused(code, reason)
        self.base.lost_folders.add(self._step.remote)


class AttributesFlight(FolderFlight):
    """SETATTR of a folder whose content is complete. The folder is there, so the copy has not failed."""

    __slots__ = ()

    def done(self, answer: Message) -> None:
        """As `Flight.done`."""
        if isinstance(answer, Ok):
            self.base.tally.changed(times=answer.time_changed, modes=answer.mode_changed)

    def refused(self, code: ErrorCode, reason: str | None = None) -> None:
        """As `Flight.refused`."""
        lost, path = self.base.lost_folders, self._step.remote
        if lost and any(path[:depth] in lost for depth in range(len(path) + 1)):
            return  # it could not be made, which has been told
        why = clause_for(code, reason)
        self.base.tally.listener.note(self._step.name, f"its permissions and time could not be set: {why}")


class ModeFlight(AttributesFlight):
    """SETATTR of a file that is the same at the server, but for its permissions."""

    __slots__ = ()

    def done(self, answer: Message) -> None:
        """As `Flight.done`."""
        super().done(answer)
        self.base.tally.skipped(self._step.name, MODE_SET, planned=self._step.counted)

    def refused(self, code: ErrorCode, reason: str | None = None) -> None:
        """As `Flight.refused`."""
        why = clause_for(code, reason)
        self.base.tally.listener.note(self._step.name, f"its permissions could not be set: {why}")
        self.base.tally.skipped(self._step.name, SAME, planned=self._step.counted)


class Sent(NamedTuple):
    """A small file in a message; the bytes themselves are not kept."""

    step: Step
    name: bytes
    size: int
    digest: bytes


class BatchFlight(Flight):
    """WRITEMANY."""

    __slots__ = ("_sent",)

    def __init__(self, base: Base, sent: list[Sent]) -> None:
        super().__init__(base)
        self._sent = sent

    @property
    def steps(self) -> Sequence[Step]:
        """As `Flight.steps`."""
        return [sent.step for sent in self._sent]

    def done(self, answer: Message) -> None:
        """As `Flight.done`."""
        if not isinstance(answer, Results):
            raise ProtocolError("The answer does not fit the request.")
        tally = self.base.tally
        tally.changed(times=answer.times_changed, modes=answer.modes_changed)
        moved = tally.listener.moved
        reasons = answer.reasons + (None,) * (len(self._sent) - len(answer.reasons))
        for sent, code, reason in zip(self._sent, answer.codes, reasons, strict=False):
            if code is None:
                moved(sent.size)
                tally.finished(sent.name, sent.size, sent.digest, moved=sent.size)
            else:
                self.base.refused(sent, code, reason)

    def refused(self, code: ErrorCode, reason: str | None = None) -> None:
        """As `Flight.refused`."""
        for sent in self._sent:
            self.base.failed(sent.step, code, reason, size=sent.size)


class FileFlight(Flight):
    """WRITE. `problem` is what went wrong here while it was being sent, and is worth more than the server's answer.

    With a `size` of None the file is as large as what has been sent of it.
    """

    __slots__ = ("_is_known", "_step", "digest", "offset", "problem", "size")

    def __init__(self, base: Base, step: Step, size: int | None, digest: Digest, offset: int) -> None:
        super().__init__(base)
        self._step = step
        self._is_known = size is not None
        self.size = size or 0
        self.digest = digest
        self.offset = offset
        self.problem: FileError | None = None

    @property
    def steps(self) -> Sequence[Step]:
        """As `Flight.steps`."""
        return (self._step,)

    def progress(self, done: int, _total: int | None, /) -> None:
        """So many bytes were sent."""
        if not self._is_known:
            step, self.size = self._step, done
            self.base.tally.found_another_size(done - (step.counted or 0))
            step.counted = done
        self.tell(self.offset + done)

    def tell(self, place: int) -> None:
        """Bring the listener to where the file is now."""
        step = self._step
        if place != step.told:
            self.base.tally.listener.moved(place - step.told)
            step.told = place

    def done(self, answer: Message) -> None:
        """As `Flight.done`."""
        if not isinstance(answer, Ok):
            raise ProtocolError("The answer does not fit the request.")
        digest, step = self.digest.digest(), self._step
        if answer.digest is not None and not hmac.compare_digest(answer.digest, digest):
            problem = remote_failure(
                ChecksumMismatch,
                step.name,
                "the server confirmed another checksum than the one sent.",
                hint="Try again.",
            )
            self._give_up(problem)
        elif self.problem is not None:
            self._give_up(self.problem)
        else:
            self.tell(self.size)
            self.base.tally.changed(times=answer.time_changed, modes=answer.mode_changed)
            self.base.tally.finished(step.name, self.size, digest, moved=self.size - (step.kept or 0))

    def refused(self, code: ErrorCode, reason: str | None = None) -> None:
        """As `Flight.refused`."""
        step = self._step
        if self.problem is not None:
            self._give_up(self.problem)
        elif self.offset and code in _NOT_RESUMED:
            self.tell(0)
            step.resume, step.kept = False, 0
            self.base.tally.listener.note(step.name, "what was kept of it can't be gone on with, so it starts again")
            self.base.again(step)
        else:
            self.tell(0)
            self.base.failed(step, code, reason, size=self.size)

    def _give_up(self, problem: FileError) -> None:
        self.tell(0)
        self.base.tally.failed(self._step.name, problem, planned=self.size)
