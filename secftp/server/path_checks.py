"""Startup checks: files that the operator names, and code of this process, are out of the clients' reach.

A configuration decides what is served, keys let clients in, a log records what they did. A client that may write could
replace such a file, one that may read could fetch it.

Whatever is on sys.path runs when a module is imported, now or at the next start (CWE-427, uncontrolled search path). So
a directory that clients may write to must not contain an entry of sys.path, be one, contain a file that is loaded, or
be or become a package in one. The working directory that `python -m` puts on sys.path is an exception, as it is removed
again before anything is imported: there, only some names must not be created (`secftp.server.own_names`).

Invariants: no option that names a file is left out; a path is not passed over because it does not exist yet or has
another name.
"""

from __future__ import annotations

import os
import site
import stat
import sys
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Final

from secftp import safe_path
from secftp.errors import KeyFormatError, NotFound, SecftpError, UsageError
from secftp.exposure import Exposure, lookups, steps
from secftp.keys import refuse_beneath
from secftp.server.own_names import is_module
from secftp.text import escape, show_local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.server.options import ServerOptions

_WHAT: Final = {
    "config": "configuration",
    "keys": "keys file",
    "key_file": "key file",
    "log_file": "log file",
    "shared_password_file": "password file",
}
_KEYS: Final = frozenset({"keys", "key_file", "shared_password_file"})
_DESCRIPTOR: Final = "/proc/self/fd/{}"
# Directories and files from which the dynamic linker and libcrypto load code into this process
# (ld.so(8), dyld(1), openssl-env(7)). An empty directory in such a list is the working directory.
_LIBRARY_LISTS: Final = (
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "GCONV_PATH",
    "OPENSSL_MODULES",
    "OPENSSL_ENGINES",
)
_LIBRARY_FILES: Final = ("LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "OPENSSL_CONF")
# Modules that `site` imports at each start if they exist.
_CUSTOM: Final = frozenset({"sitecustomize", "usercustomize"})
_SAFE_START: Final = "Start it as secftpd, or as python -P -m secftp.server; or serve another directory."
_OWN_DIRECTORY: Final = "Serve a separate directory without programs, or let clients only read."
_MARK: Final = "any"  # stands for any name that would be looked up in a directory


def check_operator_files(options: ServerOptions) -> None:
    """Raise if clients can reach a file that an option names: KeyFormatError for keys, UsageError for other files."""
    from secftp.server.parser import file_options

    for name in file_options():
        if (path := getattr(options, name)) is not None:
            check_file(path, options.directory, _WHAT.get(name, name), is_key=name in _KEYS)


def check_file(path: str, root: str | None, what: str, *, is_key: bool = True) -> None:
    """Raise likewise for one file; `what` names its kind. None of this machine is in an object store (`root` None)."""
    if root is None:
        return
    try:
        refuse_beneath(path, root, what)
    except KeyFormatError as problem:
        if is_key:
            raise
        raise UsageError(problem.message, hint=problem.hint) from None


def check_descriptor(descriptor: int, root: str | None) -> None:
    """Raise likewise for a key file that was opened for this process. Call it before the descriptor is read."""
    if (path := _path_of(descriptor)) is not None:
        check_file(path, root, _WHAT["key_file"])


def _path_of(descriptor: int) -> str | None:
    """Return the path of the regular file behind a descriptor; None for a pipe, and without /proc."""
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.readlink(_DESCRIPTOR.format(descriptor))
    except OSError:
        pass  # a closed descriptor is an error when the key is read
    return None


class CodePaths:
    """The paths that code of this process is loaded from, as seen with its current privileges.

    Raises `NotFound` if one of them can't be examined, such as a relative path in a deleted working directory.
    """

    def __init__(self) -> None:
        try:
            # Each directory in which a name is looked up, with the path that this is for.
            self._lookups = {directory: path for path in _code() for directory in lookups(path)}
        except OSError as error:
            raise NotFound(
                f"A path that code is loaded from can't be examined: {_reason(error)}.",
                hint="Start the server in a directory that exists.",
            ) from error
        self._entries = safe_path.entries()

    def refuse(self, directory: str) -> bool:
        """Raise `UsageError` if clients that may write to `directory` could make this process run their code.

        Return True if it is the working directory of `python -m`, in which names of our modules must not be created.
        Raises `NotFound` if it can't be examined.
        """
        try:
            return self._judge(directory, Exposure(directory))
        except OSError as error:
            if isinstance(error, SecftpError):
                raise
            raise NotFound(f"The directory {show_local(directory)} can't be examined: {_reason(error)}.") from error

    def refuse_new(self, directory: str) -> bool:
        """Do the same for clients that only make new names in `directory`, and change nothing that is there.

        Then a path that code is loaded from is safe beneath it, unless one of its names is missing in the directory.
        """
        try:
            exposure = Exposure(directory)
            for path in _code():
                for below in steps(path):
                    if exposure.is_root(os.path.dirname(below)) and not os.path.lexists(below):
                        raise _refusal(
                            directory, f"code of this server is loaded from {show_local(_without_mark(path))}"
                        )
            return self._judge_place(directory, exposure)
        except OSError as error:
            if isinstance(error, SecftpError):
                raise
            raise NotFound(f"The directory {show_local(directory)} can't be examined: {_reason(error)}.") from error

    def _judge(self, directory: str, exposure: Exposure) -> bool:
        for above, path in self._lookups.items():
            if exposure.includes(above):
                raise _refusal(directory, f"code of this server is loaded from {show_local(_without_mark(path))}")
        return self._judge_place(directory, exposure)

    def _judge_place(self, directory: str, exposure: Exposure) -> bool:
        """Judge the directory itself: it must not be, or become, a package."""
        real = os.path.realpath(directory)
        for entry in self._entries:
            module, is_top = _below(entry, real)
            if _is_package(module, entry) or (is_top and self._is_module(module, entry)):
                raise _refusal(directory, f"it can be taken for the module {escape(module)} in {show_local(entry)}")
        started = safe_path.module_directory()
        return started is not None and _is_start(started, directory, exposure, real)

    def _is_module(self, name: str, entry: str) -> bool:
        """Return whether a directory `name` in `entry` would shadow a module if a client made it a package."""
        if name in sys.stdlib_module_names or name in sys.modules or name in _CUSTOM or is_module(name):
            return True
        return PathFinder.find_spec(name, [other for other in self._entries if other != entry]) is not None


def _is_start(started: str, directory: str, exposure: Exposure, real: str) -> bool:
    """Return whether `python -m` was started in `directory`; raise if it contains that, or could be a package in it."""
    if exposure.reaches(started) or exposure.shows_again(started):
        raise _refusal(directory, f"modules are looked for in {show_local(started)}", _SAFE_START)
    module, is_top = _below(started, real)
    if is_module(module) and (is_top or _is_package(module, started)):
        raise _refusal(
            directory, f"it can be taken for the module {escape(module)} in {show_local(started)}", _SAFE_START
        )
    return exposure.is_root(started)


def _code() -> Iterator[str]:
    """Yield the files that code is loaded from, and a name in each directory that is searched for code."""
    for directory in (*safe_path.entries(), *_user_site(), *_search_lists()):
        yield os.path.join(directory, _MARK)
        yield directory  # an archive is a file
    yield from (file for text in _listed(_LIBRARY_FILES) for file in text.split())
    yield from (path for path in (sys.executable, getattr(sys, "_base_executable", None)) if path)
    yield from (os.path.join(prefix, "pyvenv.cfg") for prefix in (sys.prefix, sys.exec_prefix))
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and not file.startswith("<"):
            yield file


def _search_lists() -> Iterator[str]:
    yield from (path or "." for path in _listed(_LIBRARY_LISTS))
    if sys.pycache_prefix is not None:
        yield sys.pycache_prefix


def _listed(variables: tuple[str, ...]) -> Iterator[str]:
    """Yield the paths in these environment variables, separated as for the dynamic linker; unset ones have none."""
    for name in variables:
        if value := os.environ.get(name):
            yield from value.replace(";", ":").split(":")


def _user_site() -> list[str]:
    """Return the user's site-packages, which are on sys.path once they exist; a client could create them."""
    return [site.getusersitepackages()] if site.ENABLE_USER_SITE else []


def _below(entry: str, real: str) -> tuple[str, bool]:
    """Return the first name on the path from an entry of sys.path to `real`, and whether it is the last one.

    The name is empty if `real` is not below the entry, or not in a possible package.
    """
    names = os.path.relpath(real, os.path.realpath(entry)).split("/")
    return (names[0], len(names) == 1) if names[0].isidentifier() else ("", False)


def _is_package(name: str, entry: str) -> bool:
    """Return whether `entry` contains a package of that name, whose subdirectories are part of it."""
    found = PathFinder.find_spec(name, [entry]) if name else None
    return found is not None and found.origin is not None


def _refusal(directory: str, why: str, hint: str = _OWN_DIRECTORY) -> UsageError:
    return UsageError(
        f"Clients may write to {show_local(directory)}, but {why}: they could make this machine run their code.",
        hint=hint,
    )


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _without_mark(path: str) -> str:
    head, tail = os.path.split(path)
    return head if tail == _MARK else path
