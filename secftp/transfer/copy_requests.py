"""Requests of a copy within a server that are under way, and what their replies mean.

Replies are handled while something else is being requested, so the handlers only take note.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from secftp.protocol import Error, ErrorCode, Ok, clause_for, exception_for, no_directory, no_parent
from secftp.session import unexpected_reply
from secftp.session.session import copied_size
from secftp.storage.attributes import Kept
from secftp.transfer.engine import PendingRequest, Transfer
from secftp.transfer.remote_tree import RemoteFile

if TYPE_CHECKING:
    from secftp.errors import FileError
    from secftp.transfer.options import CopyOptions
    from secftp.transfer.progress import ProgressListener
    from secftp.transfer.remote_tree import RemoteDirectory
    from secftp.transport import Received


class UnfinishedCopy(Transfer[RemoteFile]):
    """What the requests of a copy know of it.

    `closing`: directories that are complete, and whose attributes are not set yet. `failed`: those that could not be
    created. `made`: over which session each was requested, until its attributes are set.
    """

    def __init__(self, options: CopyOptions | None, listener: ProgressListener | None) -> None:
        super().__init__(options, listener)
        self.closing: deque[RemoteDirectory] = deque()
        self.failed: set[RemoteDirectory] = set()
        self.made: dict[RemoteDirectory, int] = {}

    def is_lost(self, directory: RemoteDirectory | None) -> bool:
        """Whether a directory, or one that it is in, could not be created."""
        while self.failed and directory is not None:
            if directory in self.failed:
                return True
            directory = directory.parent
        return False

    def drop(self, item: RemoteFile) -> None:
        """Leave out a file whose directory could not be created, which has been reported."""
        self.counters.drop(item)
        self.done(item)

    def copied(self, item: RemoteFile, reply: Ok) -> None:
        """Count a file that the server has copied."""
        size, counters = copied_size(reply), self.counters
        counters.resize(item, size)
        counters.reached(item, size)
        counters.copied(item.mode, item.mtime_ns, Kept(not reply.time_changed, not reply.mode_changed))
        self.complete(item, None)


class CopyRequest(PendingRequest[RemoteFile]):
    """COPY of a file."""

    __slots__ = ()
    transfer: UnfinishedCopy

    def __init__(self, transfer: UnfinishedCopy, item: RemoteFile) -> None:
        super().__init__(transfer, (item,))

    def on_reply(self, received: Received) -> bool:
        """Count the file."""
        (item,), transfer = self.items, self.transfer
        if isinstance(received, Ok):
            transfer.copied(item, received)
        elif not isinstance(received, Error):
            raise unexpected_reply()
        elif transfer.ends_transfer(received.code, received.reason, self.items):
            pass
        elif transfer.is_lost(item.directory):
            transfer.drop(item)
        else:
            transfer.fail(item, _failure(item, received))
        return True


def _failure(item: RemoteFile, refusal: Error) -> FileError:
    """Return the failure of a file, which is about its copy where the server says so."""
    code, reason = refusal.code, refusal.reason
    if not refusal.target:
        return exception_for(code, item.name, reason)
    problem = no_parent(item.local) if code is ErrorCode.NOT_FOUND else exception_for(code, item.local, reason)
    problem.of_target = True
    return problem


class _AboutDirectory(PendingRequest[RemoteFile]):
    """A request about a directory. It is not repeated as such: what is not complete is requested anew."""

    __slots__ = ("directory",)
    transfer: UnfinishedCopy

    def __init__(self, transfer: UnfinishedCopy, directory: RemoteDirectory) -> None:
        super().__init__(transfer, ())
        self.directory = directory


class ExistenceRequest(_AboutDirectory):
    """STAT of a directory that is about to be requested: unless it is missing, its attributes are left as they are."""

    __slots__ = ()

    def on_reply(self, received: Received) -> bool:
        """Take note of what is there."""
        if not isinstance(received, Error) or received.code is not ErrorCode.NOT_FOUND:
            self.directory.sets_attributes = False
        return True

    def abort(self) -> None:
        """Leave the attributes as they are: by the next session the directory may be there because of this copy."""
        self.directory.sets_attributes = False


class DirectoryRequest(_AboutDirectory):
    """MKDIR."""

    __slots__ = ()

    def on_reply(self, received: Received) -> bool:
        """Count a failure, unless the directory above has failed, too."""
        transfer, directory = self.transfer, self.directory
        if not isinstance(received, Error) or transfer.is_lost(directory):
            return True
        if _is_stopping(transfer, received):
            self.abort()
            return True
        transfer.failed.add(directory)
        missing = received.code is ErrorCode.NOT_FOUND
        path = directory.local
        problem = no_directory(path) if missing else exception_for(received.code, path, received.reason)
        problem.of_target = True
        transfer.counters.problem(directory.name, problem)
        return True

    def abort(self) -> None:
        """Request it over the next session, also if nothing else is to be done about it."""
        transfer, directory = self.transfer, self.directory
        if directory not in transfer.made:
            transfer.made[directory] = 0
            transfer.closing.append(directory)


class AttributesRequest(_AboutDirectory):
    """SETATTR of a directory whose contents are complete."""

    __slots__ = ()

    def on_reply(self, received: Received) -> bool:
        """Count what could not be preserved."""
        transfer, directory = self.transfer, self.directory
        if isinstance(received, Error) and _is_stopping(transfer, received):
            self.abort()
            return True
        del transfer.made[directory]
        if isinstance(received, Ok):
            kept = Kept(not received.time_changed, not received.mode_changed)
            transfer.counters.copied(directory.mode, directory.mtime_ns, kept)
        elif isinstance(received, Error):
            note = f"its permissions and time could not be set: {clause_for(received.code, received.reason)}"
            transfer.counters.listener.note(directory.name, note)
        return True

    def abort(self) -> None:
        """Set them over the next session."""
        self.transfer.closing.append(self.directory)


def _is_stopping(transfer: UnfinishedCopy, refusal: Error) -> bool:
    """Return whether the server refuses everything from now on, which ends the session."""
    return refusal.code is ErrorCode.STOPPING and transfer.ends_transfer(refusal.code, refusal.reason, ())
