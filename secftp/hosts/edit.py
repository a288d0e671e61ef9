"""Changes to the user's file of hosts: comments and order stay, and nothing but the entry is different afterwards.

The optional library tomlkit, imported here alone, writes the text. What it has written is parsed again by Python's own
parser and compared with what was meant, before it replaces the file. One process at a time does that.
"""

from __future__ import annotations

import contextlib
import copy
import fcntl
import os
import tomllib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secftp.errors import FileError, InstallationError, Side, UsageError
from secftp.hosts.config import HOSTS, check_name, parse_config
from secftp.hosts.trusted import read_own, require_own_directory
from secftp.keys.create import replace_private
from secftp.keys.files import reason_of
from secftp.text import show_local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping

    Table = MutableMapping[str, Any]

_PRIVATE: Final = 0o700


class Change(NamedTuple):
    """What has become of an entry: whether it was there before, and whether the file is different now."""

    existed: bool
    changed: bool


def set_host(path: str, name: str, fields: Mapping[str, object]) -> Change:
    """Set these fields of an entry, which is created if it is missing; the value None removes a field.

    The file is created with mode 0600, its directory with 0700. Raises `UsageError` for an invalid name or value, and
    for a file that can't be used; `FileError` if it can't be written; `InstallationError` without tomlkit.
    """
    check_name(name)
    words = [word for value in fields.values() for word in (value if isinstance(value, list) else [value])]
    if any(isinstance(word, str) and not _is_utf8(word) for word in words):
        raise UsageError(
            "What is not UTF-8 can't stand in the file of hosts.", hint="Choose another name for the file."
        )

    def change(table: Table, new_table: Callable[[bool], Table]) -> bool:
        hosts = _table(table, HOSTS, new_table(True))
        existed = name in hosts
        entry = _table(hosts, name, new_table(False))
        for field, value in fields.items():
            if value is None:
                entry.pop(field, None)
            elif entry.get(field) != value:
                entry[field] = value
        return existed

    return _edit(path, change)


def remove_host(path: str, name: str) -> Change:
    """Remove an entry, if there is one. Raises what `set_host` does."""

    def change(table: Table, _new_table: object) -> bool:
        hosts = table.get(HOSTS, {})
        existed = name in hosts
        if existed:
            del hosts[name]
            if not hosts:
                del table[HOSTS]
        return existed

    return _edit(path, change)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _table(table: Table, name: str, new: Table) -> Table:
    if name not in table:
        table[name] = new
    found: Table = table[name]
    return found


def _edit(path: str, change: Callable[[Table, Callable[[bool], Table]], bool]) -> Change:
    """Apply a change to the file. It is made twice: to the text, and to what the text means."""
    tomlkit = _import_tomlkit()
    try:
        with _alone(path):
            data = _read(path)
            parse_config(data, path)
            text = data.decode().removeprefix("\ufeff")
            before = tomllib.loads(text)
            meant = copy.deepcopy(before)
            existed = change(meant, lambda _: {})
            if meant == before:
                return Change(existed, changed=False)
            written = _changed_text(tomlkit, text, change)
            if written is None or tomllib.loads(written) != meant:
                raise UsageError(
                    f"The file {show_local(path)} can't be changed without changing something else in it.",
                    hint="Change it in an editor.",
                )
            parse_config(written.encode(), path)
            replace_private(path, written.encode())
            return Change(existed, changed=True)
    except OSError as problem:
        if isinstance(problem, FileError):
            raise
        raise FileError(
            f"The file {show_local(path)} can't be written: {reason_of(problem)}.", filename=path, side=Side.LOCAL
        ) from None


def _read(path: str) -> bytes:
    """Return what is in the file, nothing if it is missing: it must not be made where it is not read afterwards."""
    if os.path.lexists(path):
        return read_own(path)
    require_own_directory(os.path.dirname(os.path.abspath(path)))
    return b""


def _changed_text(tomlkit: Any, text: str, change: Callable[[Table, Callable[[bool], Table]], bool]) -> str | None:
    """Return the text after a change; None if tomlkit can't make it, as in an inline table, or makes no TOML."""
    try:
        document = tomlkit.parse(text)
        change(document, lambda is_super: tomlkit.table(is_super_table=is_super))
        written = str(tomlkit.dumps(document))
        tomllib.loads(written)
    except Exception:  # noqa: BLE001 - it raises what it likes, and nothing has been written
        return None
    return written


@contextlib.contextmanager
def _alone(path: str) -> Iterator[None]:
    """Let no other process change the file meanwhile; creates its directory."""
    directory = os.path.dirname(os.path.realpath(path))
    _make_directory(directory)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_directory(path: str) -> None:
    """Create a directory and those above it that are missing, for the user alone: otherwise the file is not trusted.

    Source: XDG Base Directory Specification. With the usual umask of a group for each user, others might be in it.
    """
    if not os.path.isdir(path):
        _make_directory(os.path.dirname(path))
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, _PRIVATE)


def _import_tomlkit() -> Any:
    try:
        import tomlkit
    except ImportError:
        raise InstallationError(
            "To change the file of hosts, secftp needs the package tomlkit.", hint="pip install 'secftp[hosts]'"
        ) from None
    return tomlkit
