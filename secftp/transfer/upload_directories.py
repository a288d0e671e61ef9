"""Directories of an upload: created before the files in them, and given their permissions and time after the last.

A directory is writable while it is being filled: until its attributes are set, or the session ends. So it is requested
once more over each session that puts something into it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError, Side
from secftp.protocol import MakeDirectory, SetAttributes
from secftp.storage.tree import EntryKind
from secftp.transfer.engine import Transfer
from secftp.transfer.local_tree import LocalEntry
from secftp.transfer.upload_requests import AttributesRequest, UploadRequest

if TYPE_CHECKING:
    from secftp.storage import Path
    from secftp.transfer.options import CopyOptions
    from secftp.transfer.progress import ProgressListener
    from secftp.transfer.upload_files import LargeFiles

_OPEN_DIRECTORIES: Final = 256  # that may wait until the batch has left, before the server closes the first of them
_OWNER: Final = 0o700  # permissions of a directory that is being filled


class DirectoryUpload(Transfer[LocalEntry]):
    """What an upload does about directories."""

    def __init__(self, options: CopyOptions | None, listener: ProgressListener | None) -> None:
        super().__init__(options, listener)
        self._session = 0  # number of the session
        self._large: LargeFiles | None = None  # over this session
        self._failed_directories: set[Path] = set()
        self._closing: deque[LocalEntry] = deque()  # whose attributes are set after the batch
        self._requested_directories = 0  # since the last batch

    def _make_directory(self, entry: LocalEntry) -> None:
        """Request a directory, unless one above it failed; one that exists is made writable while it is filled."""
        entry.session = self._session
        if self._is_lost(entry):
            return
        self._requested_directories += 1
        if self._requested_directories >= _OPEN_DIRECTORIES:
            self.send_batch()
        info = entry.info if self.options.preserve and not entry.existed else None
        try:
            request = MakeDirectory(
                id=self.pipeline.next_id(),
                path=entry.remote,
                parents=True,
                mode=None if info is None else info.mode | _OWNER,
                fill=True,
            )
        except FileError as problem:
            self.counters.failed(entry, problem.locate(Side.REMOTE))  # a bad name
            self._failed_directories.add(entry.remote)
            return
        if info is not None:
            entry.count_unpreserved(self.counters, info.mode, info.mtime_ns)
        pending = UploadRequest(self, entry)
        self.track(pending, entry)
        self.pipeline.submit(request, pending)

    def _require_directory(self, entry: LocalEntry) -> None:
        """Request a directory over this session, too, and those above it: the server has closed them since."""
        if entry.session == self._session or not (entry.path or entry.root.copies_top):
            return
        if entry.directory is not None:
            self._require_directory(entry.directory)
        self._make_directory(entry)

    def _close_directory(self, entry: LocalEntry) -> None:
        """Set a directory's permissions and time, once the batch has been sent."""
        if self._large is not None:
            self._large.finish()
        self._closing.append(entry)
        self.current = None
        if not self.batch.items or len(self._closing) >= _OPEN_DIRECTORIES:
            self.send_batch()

    def _set_attributes(self, entry: LocalEntry) -> None:
        info, directory = entry.info, entry.directory
        if info is None or (directory is not None and directory.existed) or self._is_lost(entry):
            return
        request = SetAttributes(
            id=self.pipeline.next_id(), path=entry.remote, mode=info.mode & 0o777, mtime_ns=info.mtime_ns
        )
        pending = AttributesRequest(self, entry)
        self.track(pending)
        self.pipeline.submit(request, pending)

    def _is_lost(self, entry: LocalEntry) -> bool:
        """Whether a directory that it is in, or it itself, could not be created."""
        if not self._failed_directories:
            return False
        path = entry.remote
        return any(path[:depth] in self._failed_directories for depth in range(len(path) + 1))

    def start_again(self, entry: LocalEntry, note: str) -> None:
        """Send a file from its beginning; its directory gets its time once more."""
        super().start_again(entry, note)
        directory = entry.directory
        if directory is not None and self.options.preserve:
            self.requeue(LocalEntry(EntryKind.LEFT, entry.root, directory.path, directory.info, None, directory))

    def take_unfinished(self) -> list[LocalEntry]:
        """Give up the session; the directories that are to be closed come last."""
        entries = [*super().take_unfinished(), *self._closing]
        self._closing.clear()
        self._requested_directories = 0
        return entries
