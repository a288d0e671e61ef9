"""Steps into requests, over one session: small files packed into messages, large ones one behind the other.

Nothing here waits for an answer before it sends the next request. The server does what it is told in order, so a folder
that was asked for before the files in it is there when they come, and its times are set after the last of them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.copy.put_again import REFUSALS, SumFlight, can_compare, sum_of
from secftp.copy.put_flights import AttributesFlight, BatchFlight, Flight, FolderFlight, ModeFlight, Sent
from secftp.copy.put_large import send_large
from secftp.copy.steps import Step
from secftp.errors import ConnectionLost, FileError, SecftpError, Side
from secftp.messages import (
    Algorithm,
    Capability,
    Error,
    ErrorCode,
    MakeDirectory,
    NewFile,
    SetAttributes,
    WriteMany,
    exception_for,
    no_directory,
    no_parent,
)
from secftp.messages.limits import MAX_BULK, MAX_SMALL
from secftp.storage.digest import digester
from secftp.storage.tree import EntryKind, SmallContent

if TYPE_CHECKING:
    from secftp.copy.limit import RateLimit
    from secftp.copy.options import CopyOptions
    from secftp.copy.steps import Files
    from secftp.copy.tally import Tally
    from secftp.messages import Message
    from secftp.session import Session
    from secftp.storage import Path

# Of a message: its own map, and for each file its array, digest, mode, time and the heads of all that.
_MESSAGE_BYTES: Final = 96
_FILE_BYTES: Final = 80
_ROOM: Final = MAX_BULK - _MESSAGE_BYTES
_BATCH_FILES: Final = 256
_BATCHES_UNDER_WAY: Final = (
    128  # what is not confirmed is remembered: empty files would else come by the hundred thousand
)
_WAITING_FOLDERS: Final = 256  # whose times are to be set when the batch has left
_FLUSH_BYTES: Final = 4 * MAX_BULK
_OWN: Final = 0o700  # while it is being filled


class Sending:
    """What is sent over one session, for as long as that lasts.

    `current` is the step that is being taken, until it is somewhere else where it can't be forgotten: while it is, the
    steps before it may be sent. `token`: that of all files of this copy, over whichever session they are sent.
    """

    def __init__(
        self,
        session: Session,
        options: CopyOptions,
        tally: Tally,
        limit: RateLimit,
        lost_folders: set[Path],
        token: bytes,
    ) -> None:
        self.options = options
        self.algorithm = Algorithm(options.checksum)
        self.token = token
        self.tally = tally
        self.lost_folders = lost_folders
        self.current: Step | None = None
        self._fatal: SecftpError | None = None
        self.pipeline = session.pipeline
        self.limit = limit
        self._repeated: deque[Step] = deque()
        self._flights: deque[Flight] = deque()
        self._files: list[NewFile] = []
        self._sent: list[Sent] = []
        self._size = 0
        self._unflushed = 0
        self._asked = 0  # directories since the last batch
        self._left: deque[Step] = deque()
        self._doubts: list[tuple[Sent, ErrorCode, str | None]] = []
        self._open: Files | None = None
        self._small_limit = MAX_SMALL if session.can(Capability.MANY) else -1
        self.can_keep = session.can(Capability.RESUME)
        self.can_compare = can_compare(session)
        self._digest = digester(self.algorithm)

    # --- one step -----------------------------------------------------------------------------------------------------

    def folder(self, step: Step) -> None:
        """Make a folder, unless that failed for one it is in; one that is there is made writable for the time."""
        step.sender = self
        if self.is_lost(step):
            return
        self._gather_no_longer()
        keeps = step.info is not None and self.options.preserve and not step.is_taken
        mode = step.info.mode | _OWN if step.info is not None and keeps else None
        try:
            request = MakeDirectory(id=self.pipeline.next_id(), path=step.remote, parents=True, mode=mode, fill=True)
        except FileError as problem:
            self.tally.failed(step.name, problem.locate(Side.REMOTE))  # a name that none takes
            self.lost_folders.add(step.remote)
            return
        if step.info is not None and keeps:
            self.note(step, step.info.mode, step.info.mtime_ns)
        flight = FolderFlight(self, step)
        self.depart(flight)
        self.pipeline.submit(request, flight)

    def note(self, step: Step, mode: int, mtime_ns: int) -> None:
        """Count, once, what can't be kept of a file or directory that is sent with these."""
        if self.options.preserve and not step.is_noted:
            step.is_noted = True
            self.tally.copied(mode, mtime_ns)

    def _gather_no_longer(self) -> None:
        """Send what was gathered before so many directories have come that the server closes the one it is for."""
        self._asked += 1
        if self._asked >= _WAITING_FOLDERS:
            self._asked = 0
            self.send_batch()

    def _require_folder(self, step: Step | None) -> None:
        """Ask again, over this connection, for the directories that something goes into: the server has closed them."""
        if step is None or step.sender is self or not (step.path or step.origin.makes_top):
            return
        current = self.current
        self._require_folder(step.folder)
        self.folder(step)
        self.current = current

    def left(self, step: Step) -> None:
        """Set a folder's permissions and time, once the files that were put into messages have left."""
        self._left.append(step)
        self.current = None
        if not self._files or len(self._left) >= _WAITING_FOLDERS:
            self.send_batch()

    def file(self, step: Step) -> None:
        """Send a file."""
        if self.is_lost(step):
            if step.counted is not None:
                self.tally.left_out(step.counted)
            return
        self._require_folder(step.folder)
        files = self._use(step)
        try:
            content = files.open(step.path, self._small_limit)
        except FileError as problem:
            self.tally.failed(step.name, problem, planned=step.counted)
            return
        if isinstance(content, SmallContent):
            self._add(step, content)
        else:
            self._count(step, content.info.size or 0)
            with content:
                send_large(self, step, content)

    def require_readable(self, step: Step) -> None:
        """Open a file and close it, in a dry run; raises what is wrong with it."""
        self._use(step).open_source(step.path).close()

    def _use(self, step: Step) -> Files:
        """The files of a step's source, of which one source's at a time are held open."""
        files = step.origin.files
        if files is not self._open:
            self.close()
            self._open = files
        return files

    def _count(self, step: Step, size: int) -> None:
        """See to it that the plan has the file with the size that it has now."""
        if step.counted is None:
            self.tally.found(size)
        elif step.counted != size:
            self.tally.found_another_size(size - step.counted)
        step.counted = size

    def is_lost(self, step: Step) -> bool:
        """Whether a directory that it should be in could not be made."""
        if not self.lost_folders:
            return False
        path = step.remote
        return any(path[:depth] in self.lost_folders for depth in range(len(path) + 1))

    # --- small files --------------------------------------------------------------------------------------------------

    def _add(self, step: Step, content: SmallContent) -> None:
        mode: int | None
        mtime_ns: int | None
        mode, mtime_ns, data = content
        self.note(step, mode, mtime_ns)
        if not self.options.preserve:
            mode = mtime_ns = None
        size, name, path = len(data), step.name, step.remote
        self._count(step, size)
        cost = _FILE_BYTES + size + sum(map(len, path)) + 3 * len(path)
        if self._size + cost > _ROOM or len(self._files) == _BATCH_FILES:
            self.send_batch()
        digest = self._digest(data)
        try:
            self._files.append(NewFile(path, data, digest, mode, mtime_ns))
        except FileError as problem:
            self.tally.failed(name, problem.locate(Side.REMOTE), planned=size)
            return
        self._sent.append(Sent(step, name, size, digest))
        self.current = None
        self._size += cost
        self.tally.listener.started(name, size)

    def send_batch(self) -> None:
        """Send the small files that were gathered, then what had to wait for them."""
        self._asked = 0
        if self._files:
            self._send_files()
        while self._left:
            step = self._left.popleft()
            if not self.is_lost(step):
                self._set_attributes(step)

    def _send_files(self) -> None:
        request = WriteMany(
            id=self.pipeline.next_id(),
            files=tuple(self._files),
            algorithm=self.algorithm,
            overwrite=self.options.overwrite,
            token=self.token,
        )
        flight, spent = BatchFlight(self, self._sent), sum(sent.size for sent in self._sent)
        self._unflushed += self._size
        self._files, self._sent, self._size = [], [], 0
        self._submit(request, flight)
        if self._unflushed >= _FLUSH_BYTES or self.limit.rate:
            self._unflushed = 0
            self.pipeline.flush()
            self.pipeline.poll()
        while len(self._flights) > _BATCHES_UNDER_WAY:
            self.pipeline.step()
        self.limit.spend(spent)

    def set_mode(self, step: Step) -> None:
        """Bring the permissions of a file up to date whose contents are."""
        assert step.info is not None  # the caller has compared it
        request = SetAttributes(id=self.pipeline.next_id(), path=step.remote, mode=step.info.mode & 0o777)
        flight = ModeFlight(self, step)
        self.depart(flight)
        self.pipeline.submit(request, flight)

    def _set_attributes(self, step: Step) -> None:
        info, folder = step.info, step.folder
        if info is None or (folder is not None and folder.is_taken):
            return
        request = SetAttributes(
            id=self.pipeline.next_id(), path=step.remote, mode=info.mode & 0o777, mtime_ns=info.mtime_ns
        )
        self._submit(request, AttributesFlight(self, step))

    # --- answers ------------------------------------------------------------------------------------------------------

    def _submit(self, request: Message, flight: Flight) -> None:
        self._flights.append(flight)
        self.pipeline.submit(request, flight)

    def depart(self, flight: Flight) -> None:
        """The current step's request is about to be made."""
        self._flights.append(flight)
        self.current = None

    def landed(self, flight: Flight) -> None:
        """As `Base.landed`."""
        answer = flight.message
        assert answer is not None
        assert self._flights[0] is flight
        if not isinstance(answer, Error):
            flight.done(answer)
        elif not self._ends(answer.code, answer.reason, flight.steps[0].remote):
            flight.refused(answer.code, answer.reason)
        elif answer.code is ErrorCode.STOPPING:
            self._repeated.extend(flight.steps)
        self._flights.popleft()

    def failed(self, step: Step, code: ErrorCode, reason: str | None = None, *, size: int | None = None) -> None:
        """As `Base.failed`."""
        if self._ends(code, reason, step.remote):
            if code is ErrorCode.STOPPING:
                self.again(step)
        elif self.is_lost(step):
            if size is not None:  # else it is a folder in that folder
                self.tally.left_out(size)
        elif code is ErrorCode.EXISTS and not self.options.overwrite and step.what is EntryKind.FILE:
            self.tally.skipped(step.name, "it exists already", planned=size)
        else:
            self.tally.failed(step.name, _problem(step, code, reason), planned=size)

    def refused(self, sent: Sent, code: ErrorCode, reason: str | None) -> None:
        """As `Base.refused`."""
        if sent.step.may_be_there and self.can_compare and code in REFUSALS:
            self._doubts.append((sent, code, reason))
        else:
            self.failed(sent.step, code, reason, size=sent.size)

    def _compare(self) -> None:
        """Ask for the digests of files that were refused, and may be there since they were first sent."""
        while self._doubts:
            sent, code, reason = self._doubts[-1]
            request = sum_of(self, sent.step)
            self._flights.append(SumFlight(self, sent, code, reason))
            self._doubts.pop()
            self.pipeline.submit(request, self._flights[-1])
        self.pipeline.settle()

    def again(self, step: Step) -> None:
        """As `Base.again`; the folder it is in gets its time once more."""
        self._repeated.append(step)
        if step.folder is not None and self.options.preserve:
            folder = step.folder
            self._repeated.append(Step(EntryKind.LEFT, step.origin, folder.path, folder.info, None, folder))

    def _ends(self, code: ErrorCode, reason: str | None, path: Path) -> bool:
        """Whether this concerns more than one file."""
        if code is ErrorCode.STOPPING:
            self._fatal = ConnectionLost("The server is stopping.", hint="Try again later.")
        elif code is ErrorCode.READ_ONLY:
            self._fatal = exception_for(code, path, reason)
        else:
            return False
        return True

    # --- the end ------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Send what was gathered and wait until all is answered."""
        self.send_batch()
        self.pipeline.settle()
        self._compare()
        self.check()

    def check(self) -> None:
        """Raise what ends the whole, if an answer said so."""
        if self._fatal is not None:
            raise self._fatal

    def unconfirmed(self) -> list[Step]:
        """What has to be done over another session, in order, if this one is lost."""
        steps = [step for flight in self._flights for step in flight.steps]
        steps += [sent.step for sent, _, _ in self._doubts]
        for step in steps:
            step.may_be_there = True
        steps += [sent.step for sent in self._sent]
        if self.current is not None:
            steps.append(self.current)
        for step in steps:
            step.resume = True
        return [*self.repeated(), *steps, *self._left]

    def repeated(self) -> list[Step]:
        """What was put back into the queue since this was last asked for."""
        steps = list(self._repeated)
        self._repeated.clear()
        return steps

    def close(self) -> None:
        """Let go of the sources' folders."""
        if self._open is not None:
            self._open.close()
            self._open = None


def _problem(step: Step, code: ErrorCode, reason: str | None) -> FileError:
    if code is not ErrorCode.NOT_FOUND:
        return exception_for(code, step.name, reason)
    if step.what is EntryKind.FILE:
        return no_parent(step.remote, step.name)
    return no_directory(step.remote)
