"""Removal of the working directory from sys.path when secftp runs as a program (CWE-427).

`python -m secftp.server` puts the working directory first on sys.path. That is the directory which is served, or into
which a client fetches: the peer could write a file there with the name of a module. `secftp/__init__` calls `begin` in
its first statement, and both programs call `take_off` again, for the ways to start them that `begin` can't tell from an
import as a library. Invariants: this module imports nothing that is not loaded already, `__future__` included, and
sys.path does not change for a program that merely imports secftp.
"""

import os
import sys


class _Start:
    """What `begin` found: the entries of sys.path, which of them `python -m` alone added, and the loaded modules."""

    entries: tuple[str, ...] = ()
    module_directory: str | None = None
    modules: frozenset[str] = frozenset()


def begin() -> None:
    """Record how this process was started; in a program, remove the working directory from sys.path, as -P does."""
    entries = [entry for entry in sys.path if isinstance(entry, str)]
    if _is_script():
        take_off()
    elif _is_program():
        _Start.modules = frozenset(sys.modules)
        if entries and not sys.flags.safe_path and _is_here(entries[0]):
            _Start.module_directory = _absolute(entries.pop(0))
        take_off()
    _Start.entries = tuple(map(_absolute, entries))


def take_off() -> None:
    """Remove the working directory from sys.path, whatever added it (an empty entry of PYTHONPATH means it, too)."""
    sys.path[:] = [entry for entry in sys.path if not isinstance(entry, str) or not _is_here(entry)]


def module_directory() -> str | None:
    """Return the working directory if `python -m` put it on sys.path, and no other setting did; else None."""
    return _Start.module_directory


def entries() -> tuple[str, ...]:
    """Return the other directories and archives of sys.path, now or when this process was started; absolute."""
    now = (_absolute(entry) for entry in sys.path if isinstance(entry, str))
    return tuple(dict.fromkeys((*_Start.entries, *now)))


def loaded_first() -> frozenset[str]:
    """Return the names of the modules that were loaded before secftp; empty where it was imported as a library."""
    return _Start.modules


def _is_script() -> bool:
    """Return whether this is one of the commands `secftp` and `secftpd` that installers make.

    The directory of a script is on sys.path too: one in the working directory needs that for what belongs to it.
    """
    directory, name = os.path.split((getattr(sys, "argv", None) or [""])[0])
    return name in ("secftp", "secftpd") and os.path.isabs(directory) and not _is_here(directory)


def _is_program() -> bool:
    """Return whether this is `python -m secftp.server` or the like, and not another program that imports secftp.

    While the module is searched for, sys.argv[0] is "-m" (Python's documentation of the command line). What precedes
    the module's own arguments is its name, or ends with it: `-Bmsecftp.server`.
    """
    arguments: list[str] = getattr(sys, "argv", [])
    if arguments[:1] != ["-m"]:
        return False
    word = sys.orig_argv[-len(arguments)]
    name = word.partition("m")[2] if word.startswith("-") else word
    return name == "secftp" or name.startswith("secftp.")


def _is_here(entry: str) -> bool:
    """Return whether an entry of sys.path is the working directory, or is relative to it."""
    if not os.path.isabs(entry):
        return True
    try:
        return os.path.samestat(os.stat(entry), os.stat("."))
    except OSError:
        return False


def _absolute(entry: str) -> str:
    """Return the entry as an absolute path; its dots stay, since what precedes them may be a symlink."""
    try:
        return os.path.join(os.getcwd(), entry)
    except OSError:  # the working directory was removed
        return entry
