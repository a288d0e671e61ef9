"""Keeps the working directory away from where Python looks for modules, once secftp runs as a program.

`python -m secftp.server` puts the working directory first on sys.path. That is the directory which is served, or into
which a client fetches: the peer could place a file there that is named like a module (CWE-427). `secftp/__init__` calls
`begin` in its first statement, and both programs call `take_off` again, for the ways to start them that `begin` can't
tell from a library's import. What must never happen: that this module imports anything which is not loaded already,
`__future__` included, or that sys.path changes for a program which merely imports secftp.
"""

import os
import sys


class _Start:
    """What `begin` found: the entries of sys.path, and which of them is there because of `python -m` alone."""

    entries: tuple[str, ...] = ()
    module_directory: str | None = None
    modules: frozenset[str] = frozenset()


def begin() -> None:
    """Remember how this process began; as a program, take the working directory off sys.path, as `python -P` does."""
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
    """Take the working directory off sys.path, however it got there (an empty entry of PYTHONPATH means it, too)."""
    sys.path[:] = [entry for entry in sys.path if not isinstance(entry, str) or not _is_here(entry)]


def module_directory() -> str | None:
    """The working directory that `python -m` had put on sys.path, where no other setting had put it; else None."""
    return _Start.module_directory


def entries() -> tuple[str, ...]:
    """Every other directory and archive where Python looks for modules, or did when this process began; absolute."""
    now = (_absolute(entry) for entry in sys.path if isinstance(entry, str))
    return tuple(dict.fromkeys((*_Start.entries, *now)))


def loaded_first() -> frozenset[str]:
    """The modules that were loaded before secftp, by name; empty where it was not loaded in order to be run."""
    return _Start.modules


def _is_script() -> bool:
    """Whether this is one of the commands `secftp` and `secftpd`, which installers make; not one of the user's own.

    Its own directory is on sys.path too: a script in the working directory needs that for what belongs to it.
    """
    directory, name = os.path.split((getattr(sys, "argv", None) or [""])[0])
    return name in ("secftp", "secftpd") and os.path.isabs(directory) and not _is_here(directory)


def _is_program() -> bool:
    """Whether this is `python -m secftp.server` or its like; not a program of another's that imports secftp.

    While the module is looked for, sys.argv[0] is "-m" (Python's documentation of the command line). What comes before
    the module's own arguments is its name, or ends with it: `-Bmsecftp.server`.
    """
    arguments: list[str] = getattr(sys, "argv", [])
    if arguments[:1] != ["-m"]:
        return False
    word = sys.orig_argv[-len(arguments)]
    name = word.partition("m")[2] if word.startswith("-") else word
    return name == "secftp" or name.startswith("secftp.")


def _is_here(entry: str) -> bool:
    """Whether an entry of sys.path is the working directory, or depends on which directory that is."""
    if not os.path.isabs(entry):
        return True
    try:
        return os.path.samestat(os.stat(entry), os.stat("."))
    except OSError:
        return False


def _absolute(entry: str) -> str:
    """The entry as it leads on from the root; its dots stay, since what is before them may be a symlink."""
    try:
        return os.path.join(os.getcwd(), entry)
    except OSError:  # there is no working directory any more
        return entry
