"""A directory that takes deliveries: new names only, and nothing that was there before is touched, or entered.

A name at the top is either made by this store, and then everything may be made beneath it, or it is refused. So a
delivery neither replaces a file nor adds one to a directory of the user's, where a program could run it (`bin`, `.git`,
`.config`), wherever the inbox is. Hidden names at the top are refused for the same reason. Invariants: what was there
when the store was opened stays as it is; when it is closed, no incomplete file remains of those that it has begun.
"""

# ruff: noqa: D102 - methods without a docstring are those of the interfaces in `store`

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, NoReturn

from secftp.errors import AlreadyExists, FileError, Forbidden, NameRefused, NotFound
from secftp.storage.attributes import DEFAULT_OPTIONS, KEPT_OPTIONS, WriteOptions
from secftp.storage.directories import not_found
from secftp.storage.errors import failure
from secftp.storage.local import LocalStore
from secftp.storage.names import check
from secftp.storage.store import ResumedSink, Sink
from secftp.storage.wrappers import SinkWrapper, SmallFilesWrapper, StoreWrapper, UploadSinkWrapper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.protocol import Kind
    from secftp.storage.attributes import FileInfo, Identity, Kept
    from secftp.storage.names import DirectoryPath, Path
    from secftp.storage.store import SmallFiles, UploadSink
    from secftp.storage.upload_map import KeptParts

_HIDDEN = b"."


class InboxStore(StoreWrapper[LocalStore]):
    """The store `inner` as an inbox. Closes it."""

    def __init__(self, inner: LocalStore) -> None:
        super().__init__(inner)
        self._made: dict[bytes, Identity] = {}  # the directories at the top that this store has made
        self._kept: set[Path] = set()  # the names that have a partial
        self._lock = threading.Lock()

    def require_new(self, path: Path) -> None:
        """Raise unless a name may be made: at the top if it is not hidden, else in a directory that was made here."""
        check(path)
        if path[0].startswith(_HIDDEN):
            raise NameRefused("An inbox takes no hidden names.")
        if len(path) > 1:
            self._require_made(path)

    def _require_made(self, path: Path) -> None:
        """Raise `AlreadyExists` if the directory at the top was there before; a missing one is reported later."""
        made = self._made.get(path[0])
        if made is None or self._inner.identity(path[:1]) != made:
            with contextlib.suppress(NotFound):
                self._inner.identity(path[:1])
                raise failure(AlreadyExists, "Already exists", path[:1])

    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:
        self.require_new(path)
        return _InboxSink(self._inner.create_sink(path, options._replace(overwrite=False)), self, path)

    def resume_sink(self, path: Path, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedSink:
        self.require_new(path)
        self._require_kept(path)
        sink = self._inner.resume_sink(path, offset, options._replace(overwrite=False))
        return _InboxResumedSink(sink, self, path)

    def open_upload(self, path: Path, tag: bytes, options: WriteOptions, *, adopt: bool = False) -> UploadSink:
        self.require_new(path)
        if adopt:
            self._require_kept(path)
        upload = self._inner.open_upload(path, tag, options._replace(overwrite=False), adopt=adopt)
        return _InboxUpload(upload, self, path)

    def stat(self, path: DirectoryPath, *, partial: bool = False) -> FileInfo:
        if partial:
            self._require_kept(path)
        return self._inner.stat(path, partial=partial)

    def kept_parts(self, path: Path) -> KeptParts:
        self._require_kept(path)
        return self._inner.kept_parts(path)

    def _require_kept(self, path: Path) -> None:
        """Raise `NotFound` for a partial that was there before: it is not a part of any delivery."""
        if path not in self._kept:
            raise not_found(path)

    def make_directory(self, path: Path, *, parents: bool = False, mode: int | None = None) -> bool:
        """Make a directory; the one at the top in one call that fails if the name exists (no check before it)."""
        self.require_new(path)
        with self._lock:
            if path[0] not in self._made and (parents or len(path) == 1):
                self._inner.make_directory(path[:1], mode=mode if len(path) == 1 else None)
                self._made[path[0]] = self._inner.identity(path[:1])
                if len(path) == 1:
                    return True
        return self._inner.make_directory(path, parents=parents, mode=mode)

    def remove(self, path: Path, *, kind: Kind | None = None) -> None:  # noqa: ARG002
        _refuse(path)

    def rename(self, path: Path, to: Path, *, overwrite: bool = False) -> None:  # noqa: ARG002
        _refuse(path)

    def set_attributes(
        self, path: DirectoryPath, *, mode: int | None = None, mtime_ns: int | None = None, only: Identity | None = None
    ) -> Kept:
        """Set attributes of what was made; for a file at the top, the caller names it with `only`."""
        if not path or (len(path) == 1 and path[0] not in self._made and only is None):
            _refuse(path)
        if len(path) > 1:
            self._require_made(path)
        return self._inner.set_attributes(path, mode=mode, mtime_ns=mtime_ns, only=only)

    def make_writable(self, path: Path) -> int | None:  # noqa: ARG002
        return None

    def small_files(self) -> SmallFiles:
        return _InboxSmallFiles(self._inner.small_files(), self)

    def note_partial(self, path: Path, *, kept: bool) -> None:
        """Note that a name has a partial, or has none any more."""
        with self._lock:
            if kept:
                self._kept.add(path)
            else:
                self._kept.discard(path)

    def close(self) -> None:
        """Discard the partials, and close."""
        with self._lock:
            kept, self._kept = self._kept, set()
        for path in kept:
            with contextlib.suppress(FileError):
                self._inner.discard_partial(path)
        self._inner.close()


class _InboxSink(SinkWrapper[Sink]):
    """A sink of an inbox."""

    def __init__(self, inner: Sink, inbox: InboxStore, path: Path) -> None:
        super().__init__(inner)
        self._inbox = inbox
        self._path = path

    def commit(self) -> FileInfo:
        info = self._inner.commit()
        self._inbox.note_partial(self._path, kept=False)
        return info

    def keep(self) -> None:
        self._inbox.note_partial(self._path, kept=True)
        self._inner.keep()


class _InboxResumedSink(_InboxSink, ResumedSink):
    """A sink of an inbox that continues a partial."""

    def __init__(self, inner: ResumedSink, inbox: InboxStore, path: Path) -> None:
        super().__init__(inner, inbox, path)
        self._resumed = inner

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        return self._resumed.readv(buffers, offset)


class _InboxUpload(UploadSinkWrapper):
    """A file in parts of an inbox."""

    def __init__(self, inner: UploadSink, inbox: InboxStore, path: Path) -> None:
        super().__init__(inner)
        self._inbox = inbox
        self._path = path

    def commit(self) -> FileInfo:
        info = self._inner.commit()
        self._inbox.note_partial(self._path, kept=False)
        return info

    def keep(self) -> None:
        self._inbox.note_partial(self._path, kept=True)
        self._inner.keep()


class _InboxSmallFiles(SmallFilesWrapper["SmallFiles"]):
    """Small files of an inbox."""

    def __init__(self, inner: SmallFiles, inbox: InboxStore) -> None:
        super().__init__(inner)
        self._inbox = inbox

    def write(self, path: Path, data: memoryview, options: WriteOptions = DEFAULT_OPTIONS) -> Kept:
        self._inbox.require_new(path)
        return self._inner.write(path, data, options._replace(overwrite=False))


def _refuse(path: DirectoryPath) -> NoReturn:
    raise failure(Forbidden, "An inbox only takes new files", path or ".")
