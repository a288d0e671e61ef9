"""Upload of files each of which has a name of its own at the server.

Nothing is asked first. The directories above the files are requested before them, if that is wanted, and all is under
way at once. A directory that could not be created matters only if a file does not find it: the session may be allowed
to write into directories, and not to create any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from secftp.errors import FileError, Side
from secftp.protocol import ErrorCode, MakeDirectory, exception_for
from secftp.storage.tree import EntryKind
from secftp.transfer.local_tree import LocalEntry, SourceRoot
from secftp.transfer.options import RemoteLocation
from secftp.transfer.upload import Upload
from secftp.transfer.upload_files import open_streams_early
from secftp.transfer.upload_requests import UploadRequest, failure_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secftp.session import Session
    from secftp.storage import Path
    from secftp.transfer.local_tree import LocalFiles
    from secftp.transfer.options import CopyOptions
    from secftp.transfer.progress import ProgressListener


class UploadPair(NamedTuple):
    """A file and its path at the server. `files`: read its contents under the path `()`; None creates a directory.

    `source`: the name on this machine, empty if it has none.
    """

    target: Path
    files: LocalFiles | None
    source: str = ""

    @property
    def name(self) -> bytes:
        """The name for the listener: the path at the server."""
        return b"/" + b"/".join(self.target)


class PairsUpload(Upload):
    """A copy of files to the names that `pairs` say. `make_parents`: create missing directories above them."""

    def __init__(
        self,
        pairs: Sequence[UploadPair],
        options: CopyOptions | None = None,
        listener: ProgressListener | None = None,
        *,
        make_parents: bool = False,
    ) -> None:
        super().__init__((), RemoteLocation(()), options, listener)
        self._pairs = pairs
        self._make_parents = make_parents
        self._refusals: dict[Path, FileError] = {}  # why directories could not be created

    def begin_early(self, session: Session) -> None:
        """Send nothing early: the first request may be that of a directory."""

    def _plan(self, session: Session) -> Iterator[LocalEntry]:
        open_streams_early(self, session, [pair.source for pair in self._pairs[:1] if pair.source])
        return self._walk()

    def _walk(self) -> Iterator[LocalEntry]:
        made: set[Path] = {()}
        for pair in self._pairs:
            root = SourceRoot(pair.source, pair.target, pair.name)
            above = pair.target[:-1]
            if pair.files is None:
                if pair.target not in made:
                    yield LocalEntry(EntryKind.DIRECTORY, root, ())
                    made.add(pair.target)
                continue
            if self._make_parents and above not in made:
                yield ParentEntry(above)
                made.update(above[:depth] for depth in range(1, len(above) + 1))
            root.files = pair.files
            yield LocalEntry(EntryKind.FILE, root, ())

    def process(self, entry: LocalEntry) -> None:
        """Send a file, or request a directory."""
        if entry.kind is EntryKind.DIRECTORY:
            self._request_directory(entry)
        else:
            super().process(entry)

    def _request_directory(self, entry: LocalEntry) -> None:
        try:
            request = MakeDirectory(id=self.pipeline.next_id(), path=entry.remote, parents=True)
        except FileError as problem:
            if not isinstance(entry, ParentEntry):
                self.counters.failed(entry, problem.locate(Side.REMOTE))
            return  # the files in it have a bad name, too
        pending = _DirectoryRequest(self, entry)
        self.track(pending, entry)
        self.pipeline.submit(request, pending)

    def refused(self, entry: LocalEntry, code: ErrorCode, reason: str | None = None) -> None:
        """Count a failure; if a directory is missing, with the reason why it could not be created."""
        if isinstance(entry, ParentEntry):
            self._refusals[entry.remote] = failure_of(entry, code, reason)
        elif entry.kind is EntryKind.FILE and code is ErrorCode.NOT_FOUND and entry.remote[:-1] in self._refusals:
            self.counters.failed(entry, self._refusals[entry.remote[:-1]])
        elif entry.kind is EntryKind.DIRECTORY:
            self.counters.failed(entry, exception_for(code, entry.name, reason))
        else:
            super().refused(entry, code, reason)


class ParentEntry(LocalEntry):
    """A directory that files are copied into, created if it is missing."""

    __slots__ = ()

    def __init__(self, path: Path) -> None:
        super().__init__(EntryKind.DIRECTORY, SourceRoot("", path, b"/" + b"/".join(path)), ())


class _DirectoryRequest(UploadRequest):
    """MKDIR of a directory that may exist."""

    __slots__ = ()
