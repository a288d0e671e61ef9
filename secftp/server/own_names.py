"""Names that clients may not make where Python searches for the modules of this server.

A server that is started by `python -m secftp.server` in the directory that it serves removes that directory from
sys.path in its first statement (`secftp.safe_path`). Modules that Python loads before that statement are searched for
there again at the next start: secftp itself, and those that find it. So no client may make a name at the top of that
directory that Python could take for one of them. Invariant: no spelling passes that a file system treats as the same
name (in other case, composed differently, with characters that it ignores).
"""

# ruff: noqa: D102 - methods without a docstring are those of the interfaces in `storage.store`

from __future__ import annotations

import functools
import sys
import unicodedata
from typing import TYPE_CHECKING, Final

from secftp import safe_path
from secftp.errors import NameRefused
from secftp.protocol import backup_path
from secftp.storage import SmallFiles, Store, WriteOptions
from secftp.storage.attributes import DEFAULT_OPTIONS, KEPT_OPTIONS
from secftp.storage.wrappers import SmallFilesWrapper, StoreWrapper

if TYPE_CHECKING:
    from secftp.storage import Path, ResumedSink, Sink
    from secftp.storage.attributes import Kept
    from secftp.storage.store import UploadSink

PREFIX: Final = "secftp"
# Modules that runpy of CPython 3.11 to 3.14 imports before it has found the module to run.
_BEFORE: Final = frozenset(
    {
        "collections",
        "contextlib",
        "functools",
        "importlib",
        "keyword",
        "operator",
        "reprlib",
        "runpy",
        "threading",
        "types",
        "warnings",
    }
)
_CODE: Final = frozenset({"", "py", "pyc", "pyo", "pyw", "pyd", "so", "dylib", "dll"})
# Letters to Unicode that file systems ignore in a name, like marks and controls.
_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0")


def is_own(name: bytes) -> bool:
    """Return whether Python, or a file system that folds names, could take `name` for a module that is loaded first."""
    folded = _folded(name)
    module, _, rest = folded.partition(".")
    return folded.startswith(PREFIX) or (module in _names() and rest.rstrip(". ").rpartition(".")[2] in _CODE)


def is_module(name: str) -> bool:
    """Return whether Python imports `name` before, or as, the first module of secftp."""
    return name == PREFIX or name in _names()


@functools.cache
def _names() -> frozenset[str]:
    """Return the modules that this Python has loaded from files by then; the others are built in."""
    loaded = safe_path.loaded_first() & sys.stdlib_module_names
    return _BEFORE | {name for name in loaded if getattr(sys.modules.get(name), "__file__", None) and not _frozen(name)}


def _frozen(name: str) -> bool:
    return getattr(getattr(sys.modules[name], "__spec__", None), "origin", None) == "frozen"


def _folded(name: bytes) -> str:
    """Return the name as the most tolerant file system compares it."""
    text = name.decode("utf-8", "surrogateescape")
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(sign for sign in parts if unicodedata.category(sign)[0] not in "CM" and sign not in _FILLERS)


def check(path: Path) -> None:
    """Raise `NameRefused` for a path at or beneath such a name at the top."""
    if path and is_own(path[0]):
        raise NameRefused("Python searches this directory for modules of the server, and could load this file as one.")


def _checked(path: Path, options: WriteOptions) -> WriteOptions:
    """Return the options; raise `NameRefused` if the backup of the file would have such a name."""
    if options.backup is not None and path:
        check(backup_path(path, options.backup))
    return options


class OwnNamesStore(StoreWrapper[Store]):
    """The store `inner`, in which nothing is made under such a name."""

    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:
        check(path)
        return self._inner.create_sink(path, _checked(path, options))

    def resume_sink(self, path: Path, offset: int, options: WriteOptions = KEPT_OPTIONS) -> ResumedSink:
        check(path)
        return self._inner.resume_sink(path, offset, _checked(path, options))

    def open_upload(self, path: Path, tag: bytes, options: WriteOptions, *, adopt: bool = False) -> UploadSink:
        check(path)
        return self._inner.open_upload(path, tag, _checked(path, options), adopt=adopt)

    def rename(self, path: Path, to: Path, *, overwrite: bool = False) -> None:
        check(to)
        self._inner.rename(path, to, overwrite=overwrite)

    def make_directory(self, path: Path, *, parents: bool = False, mode: int | None = None) -> bool:
        check(path)
        return self._inner.make_directory(path, parents=parents, mode=mode)

    def small_files(self) -> SmallFiles:
        return _OwnNamesSmallFiles(self._inner.small_files())


class _OwnNamesSmallFiles(SmallFilesWrapper[SmallFiles]):
    """Small files under the same rule."""

    def write(self, path: Path, data: memoryview, options: WriteOptions = DEFAULT_OPTIONS) -> Kept:
        check(path)
        return self._inner.write(path, data, _checked(path, options))
