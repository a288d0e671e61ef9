"""Files of named keys: for each name its key, its rights, and a directory of its own.

That is beneath the served one, or has a URL in an object store.

    [backup]
    key-file = "backup.key"         # beside this file; or key = "..." in it
    rights = ["read", "write", "list"]

    [scans]
    key-file = "scans.key"
    folder = "incoming/scans"         # or "s3://bucket/scans", in an object store
    rights = "drop-box"

Such a file must be as private as a key file, and is understood as a whole or not at all: an unknown word in it might
have been meant to take a right away. Invariant: no key and no line of the file gets into an exception.
"""

from __future__ import annotations

import os
import re
import tomllib
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.crypto import NAME_BYTES
from secftp.errors import KeyFormatError, SecftpError
from secftp.keys.files import read_key_file, read_text
from secftp.keys.key import Key
from secftp.protocol import Right
from secftp.text import escape, show_local, to_locale

if TYPE_CHECKING:
    from secftp.keys.files import StrPath

PRESETS: Final = {
    "read-only": frozenset({Right.READ, Right.LIST}),
    "drop-box": frozenset({Right.WRITE}),
    "add-only": frozenset({Right.READ, Right.WRITE, Right.LIST}),
    "full": frozenset(Right),
}
_RIGHTS: Final = tuple(Right)
_is_url: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE | re.ASCII).match
_FIELDS: Final = frozenset({"key", "key-file", "folder", "rights"})


class KeyEntry(NamedTuple):
    """One named key, and its key file if it has one.

    `folder` is the path of its directory relative to the served one, name by name; () is that itself. `url` is that of
    a directory elsewhere; `folder` is () then. It is not checked here.
    """

    key: Key
    folder: tuple[bytes, ...]
    rights: frozenset[Right]
    key_file: str | None = None
    url: str | None = None


def read_keys(path: StrPath) -> dict[str, KeyEntry]:
    """Return the keys of a file, by name. Raises `KeyFormatError` for an invalid file or entry."""
    subject = f"The keys file {show_local(path)}"
    table = _parse(read_text(path, subject))
    if isinstance(table, str):
        raise KeyFormatError(
            f"{subject} is not valid TOML{table}.", hint="Write a table for each key: [name], key-file = ..."
        )
    if not table:
        raise KeyFormatError(f"{subject} contains no keys.", hint='Begin with: [name]\\nkey-file = "name.key"')
    return {
        name: _entry(_TomlEntry(f"{subject}, [{escape(name)}]", path), name, value) for name, value in table.items()
    }


class _TomlEntry(NamedTuple):
    """A table of the file, by its name in errors, and the file's path."""

    subject: str
    path: StrPath

    def fail(self, problem: str, hint: str = "") -> KeyFormatError:
        return KeyFormatError(f"{self.subject}: {problem}.", hint=hint)


def _parse(text: str) -> dict[str, object] | str:
    """Return the table, or where it is invalid. Raises nothing: an exception would carry the file's text along."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        return ": it is nested too deeply"
    except tomllib.TOMLDecodeError as problem:
        _, found, position = str(problem).rpartition("(at line ")
        return f" at line {position.partition(',')[0]}" if found and position[:1].isdigit() else ""


def _entry(entry: _TomlEntry, name: str, value: object) -> KeyEntry:
    raw = name.encode("utf-8", "surrogateescape")
    if not 0 < len(raw) <= NAME_BYTES or b"\0" in raw:
        raise entry.fail(f"a name has 1 to {NAME_BYTES} bytes")
    if not isinstance(value, dict):
        raise entry.fail("it must be a table", hint=f"Write [{escape(name)}] above its fields.")
    if unknown := sorted(set(value) - _FIELDS):
        # The word may be a key whose name was forgotten.
        raise entry.fail(f"it has {len(unknown)} unknown fields", hint=f"Known fields: {', '.join(sorted(_FIELDS))}.")
    key, key_file = _key(entry, value)
    place, rights = value.get("folder", "."), _rights(entry, value.get("rights"))
    if isinstance(place, str) and _is_url(place):
        return KeyEntry(key, (), rights, key_file, place)
    return KeyEntry(key, _folder(entry, place), rights, key_file)


def _key(entry: _TomlEntry, fields: dict[str, object]) -> tuple[Key, str | None]:
    text, file = fields.get("key"), fields.get("key-file")
    if (text is None) == (file is None):
        raise entry.fail("it needs either key or key-file")
    problem: SecftpError
    try:
        if isinstance(text, str):
            return Key.from_text(text), None
        if isinstance(file, str) and "\0" not in file:
            file = os.path.join(os.path.dirname(os.path.abspath(entry.path)), to_locale(file))
            return read_key_file(file), file
    except KeyFormatError as failure:
        problem = failure
    else:
        raise entry.fail("key and key-file must be strings")
    raise KeyFormatError(f"{entry.subject}: {problem.message}", hint=problem.hint)


def _folder(entry: _TomlEntry, value: object) -> tuple[bytes, ...]:
    if not isinstance(value, str) or "\0" in value:
        raise entry.fail("folder must be a string")
    parts = [part for part in value.split("/") if part not in ("", ".")]
    if value.startswith("/") or ".." in parts:
        raise entry.fail("folder is not below the served directory", hint="Omit the slash at its start, and any `..`.")
    return tuple(part.encode("utf-8", "surrogateescape") for part in parts)


def _rights(entry: _TomlEntry, value: object) -> frozenset[Right]:
    if isinstance(value, str) and value in PRESETS:
        return PRESETS[value]
    if isinstance(value, list) and value and all(isinstance(one, str) and one in _RIGHTS for one in value):
        return frozenset(map(Right, value))
    raise entry.fail(
        "rights are missing or invalid",
        hint=f"Give a list of {', '.join(Right)}, or one of {', '.join(PRESETS)}.",
    )
