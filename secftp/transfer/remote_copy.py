"""Copy of files and directories within a server, which copies them by itself.

The sources are listed like those of a download. No request waits for the reply to an earlier one: a server carries them
out in order, so a directory is requested before the files in it. Its permissions and time are set when everything in it
is complete.

Invariant: with `overwrite` off, neither a file nor the attributes of a directory that existed are changed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError, Side
from secftp.protocol import Capability, Copy, ErrorCode, MakeDirectory, Right, SetAttributes, Stat, exception_for
from secftp.session import new_token
from secftp.transfer.copy_requests import (
    AttributesRequest,
    CopyRequest,
    DirectoryRequest,
    ExistenceRequest,
    UnfinishedCopy,
)
from secftp.transfer.engine import Batch
from secftp.transfer.remote_tree import RemoteDirectory, RemoteFile, RemoteTree

if TYPE_CHECKING:
    from secftp.protocol import Ok
    from secftp.session import Session
    from secftp.session.requested import Requested
    from secftp.transfer.copy_plan import CopyPlan
    from secftp.transfer.options import CopyOptions
    from secftp.transfer.progress import ProgressListener

_REQUESTS_UNDER_WAY: Final = 256
_OWNER: Final = 0o700  # permissions of a directory that is being filled


class RemoteCopy(UnfinishedCopy):
    """A copy within a server. Of the options, `overwrite` counts."""

    fatal_codes = frozenset({ErrorCode.READ_ONLY})
    _tree: RemoteTree  # from the first session on

    def __init__(
        self, plan: CopyPlan, options: CopyOptions | None = None, listener: ProgressListener | None = None
    ) -> None:
        super().__init__(options, listener)
        self.batch: Batch[RemoteFile] = Batch()  # of which there is none
        self._plan = plan
        self._guess: Requested[Ok] | None = None
        self._token = new_token()  # of the guess
        self._is_planned = False
        self._session = 0  # its number
        self._tokens: dict[RemoteFile, bytes] = {}  # of files that are not confirmed
        self._looks_first = False  # whether directories that exist keep their attributes

    # --- what is to be copied -----------------------------------------------------------------------------------------

    def begin_early(self, session: Session) -> None:
        """Ask what the sources are, and try at once what is likely to be meant."""
        self._guess = None
        if self._is_planned:
            return
        self._plan.ask(session)
        if (guess := self._plan.guess()) is not None:
            try:
                self._guess = session.begin_copy(*guess, overwrite=self.options.overwrite, token=self._token)
            except FileError:
                return  # a bad name, which is reported when it is known what it stands for

    def begin(self, session: Session) -> None:
        """Find out what goes where, over the first session."""
        session.require(Capability.COPY, self._plan.subject)
        if self._plan.asks:
            session.require(Capability.STAT, self._plan.subject)
        self._session += 1
        self._looks_first = not (self.options.overwrite and session.may(Right.OVERWRITE))
        if not self._is_planned:
            tops = () if self._was_guessed() else self._plan.tops(session, self.counters)
            self._tree = RemoteTree(tops, self.filters, self.counters, self._opened, self._closed)
            self._is_planned = True
        # A directory that has to be requested once more changes the time of the one that it is in.
        self.closing = deque(sorted(self.closing, key=lambda directory: -len(directory.local)))
        self._tree.use_round_trip(session.round_trip)
        self._tree.request_again(session.pipeline)

    def _was_guessed(self) -> bool:
        """Return whether the copy has been made already; a refusal means that something has to be asked."""
        guess, self._guess = self._guess, None
        if guess is None:
            return False
        try:
            reply, item = guess.result(), self._plan.guessed()
        except FileError:
            return False
        self.counters.begun(item, 0)
        self.copied(item, reply)
        return True

    def discover(self) -> RemoteFile | None:
        """Return the next file of the tree."""
        item = self._tree.next(self.pipeline, lambda: None)
        if item is not None:
            self.counters.found(item.size)
        return item

    # --- requests -----------------------------------------------------------------------------------------------------

    def process(self, item: RemoteFile) -> None:
        """Request a copy; waits while too much is under way."""
        self.set_attributes()
        if self.is_lost(item.directory):
            self.drop(item)
            return
        self._require_directory(item.directory)
        token = None if self.options.overwrite else self._tokens.setdefault(item, new_token())
        try:
            request = Copy(
                id=self.pipeline.next_id(),
                path=item.remote,
                to=item.local,
                overwrite=self.options.overwrite,
                token=token,
            )
        except FileError as problem:  # too deep
            self.fail(item, problem.locate(Side.REMOTE))
            return
        self.counters.begun(item, 0)
        pending = CopyRequest(self, item)
        self.track(pending, item)
        self.pipeline.submit(request, pending)
        if len(self.pending) >= _REQUESTS_UNDER_WAY:
            while len(self.pending) > _REQUESTS_UNDER_WAY // 2:  # not in lockstep, a request for each reply
                self.pipeline.step()

    def send_batch(self) -> None:
        """Nothing was gathered."""

    def settle(self) -> None:
        """Wait until all requests are answered, and the last directories have their attributes."""
        super().settle()
        while self.closing:
            self.set_attributes()
            super().settle()

    def _opened(self, directory: RemoteDirectory) -> bool:
        """Request a directory; returns whether it is to be listed."""
        if self.is_lost(directory):
            return False
        if self._looks_first and directory.sets_attributes:
            pending = ExistenceRequest(self, directory)
            try:
                request = Stat(id=self.pipeline.next_id(), path=directory.local)
            except FileError:
                pass  # a bad name, which is reported below
            else:
                self.track(pending)
                self.pipeline.submit(request, pending)
        return self._make(directory)

    def _make(self, directory: RemoteDirectory) -> bool:
        """Request a directory over this session; one that exists is made writable while it is filled."""
        try:
            request = MakeDirectory(
                id=self.pipeline.next_id(),
                path=directory.local,
                parents=True,
                mode=directory.mode & 0o777 | _OWNER,
                fill=True,
            )
        except FileError as problem:
            self.failed.add(directory)
            self.counters.problem(directory.name, problem.locate(Side.REMOTE))
            return False
        self.made[directory] = self._session
        pending = DirectoryRequest(self, directory)
        self.track(pending)
        self.pipeline.submit(request, pending)
        return True

    def _require_directory(self, directory: RemoteDirectory) -> None:
        """Request a directory, and those above it, over this session, too: the server has closed them since."""
        if self.made.get(directory, self._session) == self._session:
            return
        if directory.parent is not None:
            self._require_directory(directory.parent)
        self._make(directory)

    def _closed(self, directory: RemoteDirectory) -> None:
        """Take note that everything in a directory is complete; this may be in the middle of another request."""
        if directory in self.made:
            self.closing.append(directory)

    def set_attributes(self) -> None:
        """Request the permissions and the time of directories that are complete."""
        while self.closing:
            directory = self.closing[0]
            if not self.is_lost(directory):
                self._require_directory(directory)
            self.closing.popleft()
            if self.is_lost(directory) or not directory.sets_attributes:
                del self.made[directory]
                continue
            pending = AttributesRequest(self, directory)
            self.track(pending)
            request = SetAttributes(
                id=self.pipeline.next_id(),
                path=directory.local,
                mode=directory.mode & 0o777,
                mtime_ns=directory.mtime_ns,
            )
            self.pipeline.submit(request, pending)

    # --- outcomes -----------------------------------------------------------------------------------------------------

    def refused(self, item: RemoteFile, code: ErrorCode, reason: str | None = None) -> None:
        """Count a failure."""
        self.fail(item, exception_for(code, item.name, reason))

    def done(self, item: RemoteFile) -> None:
        """Complete the directory with its last file."""
        self._tokens.pop(item, None)
        if self._is_planned:
            self._tree.done(item.directory)
