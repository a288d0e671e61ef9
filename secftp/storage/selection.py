"""A read-only store of a few files and directories that the user named, whatever directories they are in.

Its root is no directory of the file system: it has one entry for each operand, under the last name of that. A file is
looked up by its own name in the directory that holds it, a directory is a store of its own; both are held by descriptor
from the start. Invariants: nothing beside the operands is opened, listed, or told from what does not exist; nothing is
written; symlinks in the operands themselves are followed once, at the start, and no others ever.
"""

# ruff: noqa: D102 - methods without a docstring are those of the interfaces in `store`

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from secftp.errors import FileError, Forbidden, IsADirectory, NameRefused, NotADirectory, NotFound, Reason, UsageError
from secftp.protocol import Kind
from secftp.protocol.limits import check_path
from secftp.storage.attributes import DEFAULT_OPTIONS, KEPT_OPTIONS, FileInfo, WriteOptions
from secftp.storage.directories import not_found
from secftp.storage.errors import failure, require_regular, translated
from secftp.storage.local import LocalStore
from secftp.storage.names import check, check_directory
from secftp.storage.store import ScanEntry, SmallFiles, Store
from secftp.text import show_local

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from secftp.storage.attributes import Identity, Kept
    from secftp.storage.directories import Space
    from secftp.storage.names import DirectoryPath, Path
    from secftp.storage.store import ResumedSink, Sink, Source, UploadSink
    from secftp.storage.upload_map import KeptParts

_ROOT_MODE = 0o755
_NAMELESS = ("", os.curdir, os.pardir)


class Operand(NamedTuple):
    """A file or directory in the selection: the store that has it, and its path there, `()` for a whole store."""

    store: LocalStore
    path: Path


class SelectionStore(Store):
    """The files and directories `names`, paths of this machine.

    Raises `UsageError` for two of one name and for the root of the file system, which has none; `NotFound`,
    `NotADirectory`, `Forbidden` (also for what is no regular file), `NameRefused` for what can't be read.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._operands: dict[bytes, Operand] = {}
        self._parents: dict[str, LocalStore] = {}
        self._mtime_ns = 0
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            for name in names:
                self._add(name)
            undo.pop_all()

    @property
    def names(self) -> tuple[bytes, ...]:
        """The names at its root, in the order of the operands."""
        return tuple(self._operands)

    def _add(self, name: str) -> None:
        if not name or "\0" in name:
            raise NameRefused("A name is not empty and contains no NUL byte.")
        with translated(name):
            status = os.stat(name)
            real = os.path.realpath(name, strict=True)
        shown = os.fsencode(_last_name(name, real))
        if shown in self._operands:
            raise UsageError(
                f"Two of the files have the name {show_local(shown)}.", hint="Rename one of them, or name a directory."
            )
        check((shown,))
        if stat.S_ISDIR(status.st_mode):
            self._operands[shown] = Operand(LocalStore(real), ())
        else:
            require_regular(status, name)
            above, last = os.path.split(real)
            if above not in self._parents:
                self._parents[above] = LocalStore(above)
            self._operands[shown] = Operand(self._parents[above], (os.fsencode(last),))
            self.open_source((shown,)).close()  # now, and not when a client asks for it
        self._mtime_ns = max(self._mtime_ns, self.stat((shown,)).mtime_ns)

    def _find(self, path: Path) -> Operand:
        """Return the store that has a path, and the path in it."""
        check(path)
        found = self._operands.get(path[0])
        if found is None:
            raise not_found(path)
        if found.path and len(path) > 1:
            raise failure(NotADirectory, "Not a directory", path[:1])
        return Operand(found.store, found.path + path[1:])

    def space(self, path: DirectoryPath) -> Space:
        """Nothing can be stored, and what the disk has is no part of the selection."""
        _refuse(path)

    def _find_file(self, path: Path) -> Operand:
        """Return the same for what can't be the root of a store."""
        found = self._find(path)
        if not found.path:
            raise failure(IsADirectory, "Is a directory", path)
        return found

    def open_source(self, path: Path) -> Source:
        store, inner = self._find_file(path)
        return store.open_source(inner)

    def stat(self, path: DirectoryPath, *, partial: bool = False) -> FileInfo:
        """Partials don't exist here: those that lie beside a file are not a part of the selection."""
        if partial:
            raise not_found(path)
        if not path:
            return FileInfo(Kind.DIRECTORY, 0, self._mtime_ns, _ROOT_MODE)
        store, inner = self._find(path)
        return store.stat(inner)

    def scan(self, path: DirectoryPath, *, recursive: bool = False, others: bool = False) -> Iterator[ScanEntry]:
        check_directory(path)
        if not path:
            return self._scan_root(recursive=recursive, others=others)
        return self._scan_below(path, recursive=recursive, others=others)

    def _scan_below(self, path: Path, *, recursive: bool, others: bool) -> Iterator[ScanEntry]:
        store, inner = self._find(path)
        if inner and self._operands[path[0]].path:
            raise failure(NotADirectory, "Not a directory", path)
        yield from store.scan(inner, recursive=recursive, others=others)

    def _scan_root(self, *, recursive: bool, others: bool) -> Iterator[ScanEntry]:
        for name, operand in self._operands.items():
            try:
                info = operand.store.stat(operand.path)
            except NotFound:
                continue
            except FileError as problem:
                yield ScanEntry((name,), None, problem)
                continue
            yield ScanEntry((name,), info)
            if recursive and not operand.path:
                yield from _scan_tree(name, info, operand.store, others=others)

    def identity_of_root(self) -> Identity:
        return -1, id(self)

    def identity(self, path: Path) -> Identity:
        store, inner = self._find(path)
        return store.identity(inner) if inner else store.identity_of_root()

    def small_files(self) -> SmallFiles:
        return _SelectionSmallFiles(self)

    def find_small(self, path: Path) -> Operand:
        """Return the store that has a file, and its path there, for `small_files`."""
        return self._find_file(path)

    # --- what is refused ----------------------------------------------------------------------------------------------

    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:  # noqa: ARG002
        _refuse(path)

    def resume_sink(self, path: Path, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedSink:  # noqa: ARG002
        _refuse(path)

    def open_upload(self, path: Path, tag: bytes, options: WriteOptions, *, adopt: bool = False) -> UploadSink:  # noqa: ARG002
        _refuse(path)

    def kept_parts(self, path: Path) -> KeptParts:
        raise not_found(path)

    def remove(self, path: Path, *, kind: Kind | None = None) -> None:  # noqa: ARG002
        _refuse(path)

    def rename(self, path: Path, to: Path, *, overwrite: bool = False) -> None:  # noqa: ARG002
        _refuse(path)

    def make_directory(self, path: Path, *, parents: bool = False, mode: int | None = None) -> bool:  # noqa: ARG002
        _refuse(path)

    def set_attributes(
        self,
        path: DirectoryPath,
        *,
        mode: int | None = None,  # noqa: ARG002
        mtime_ns: int | None = None,  # noqa: ARG002
        only: Identity | None = None,  # noqa: ARG002
    ) -> Kept:
        _refuse(path)

    def has_attributes(self, path: DirectoryPath, *, mode: int | None = None, mtime_ns: int | None = None) -> bool:  # noqa: ARG002
        _refuse(path)

    def make_writable(self, path: Path) -> int | None:
        _refuse(path)

    def restore_mode(self, path: Path, mode: int) -> None:  # noqa: ARG002
        _refuse(path)

    def close(self) -> None:
        for operand in self._operands.values():
            operand.store.close()
        for parent in self._parents.values():
            parent.close()


class _SelectionSmallFiles(SmallFiles):
    """Reads small files of the selection; only the last store that had one has anything open."""

    def __init__(self, selection: SelectionStore) -> None:
        self._selection = selection
        self._store: LocalStore | None = None
        self._files: SmallFiles | None = None

    def read(self, path: Path, limit: int) -> tuple[FileInfo, bytes]:
        store, inner = self._selection.find_small(path)
        if self._files is None or store is not self._store:
            self.close()
            self._store, self._files = store, store.small_files()
        return self._files.read(inner, limit)

    def write(self, path: Path, data: memoryview, options: WriteOptions = DEFAULT_OPTIONS) -> Kept:  # noqa: ARG002
        _refuse(path)

    def close(self) -> None:
        files, self._files, self._store = self._files, None, None
        if files is not None:
            files.close()


def _last_name(name: str, real: str) -> str:
    """Return the name under which an operand is shown: its last one, as it was typed if that is a name."""
    last = os.path.basename(name.rstrip("/"))
    if last in _NAMELESS:
        last = os.path.basename(real)
    if not last:
        raise UsageError("The root of the file system has no name.", hint="Name what is to be shared in it.")
    return last


def _scan_tree(name: bytes, info: FileInfo, store: LocalStore, *, others: bool) -> Iterator[ScanEntry]:
    """List a directory of the selection; what is too deep or too long with its name before it is a problem of it."""
    has_lost = False
    for found in store.scan((), recursive=True, others=others):
        path = (name, *found.path)
        try:
            check_path(path)
        except NameRefused:
            has_lost = True
            continue
        yield ScanEntry(path, found.info, found.problem)
    if has_lost:
        problem = failure(NameRefused, "Contains names that are too long", (name,), reason=Reason.NAME_TOO_LONG)
        yield ScanEntry((name,), info, problem)


def _refuse(path: DirectoryPath) -> NoReturn:
    raise failure(Forbidden, "Nothing can be written here", path or ".")
