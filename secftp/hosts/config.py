"""The user's file of hosts: what stands in it, checked as a whole.

    [default]                    # for every server
    streams = 4

    [hosts.nas]
    url = "secftp://nas.example:9000/backup"
    key-command = ["pass", "show", "nas"]

A file that is wrong anywhere is refused, since an unknown word in it might have been meant to protect something. Values
are kept as the texts that the options of the command line would have. Invariant: the file holds no key, and no message
repeats a word that may be one.
"""

from __future__ import annotations

import os
import re
import tomllib
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import SecftpError, UsageError
from secftp.hosts.trusted import read_own
from secftp.text import escape, parse_seconds, parse_size, show_local, to_locale
from secftp.url import Endpoint, Url, parse_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from secftp.keys import Key

DEFAULT: Final = "default"
HOSTS: Final = "hosts"
CIPHERS: Final = ("none", "aes128", "aes256")
MAX_RETRIES: Final = 1_000_000
MAX_STREAMS: Final = 16
_KEY_FIELDS: Final = ("key-file", "key-command", "keyring")
_is_name = re.compile(r"(?a:\w[\w.-]{1,63})").fullmatch


class KeySource(NamedTuple):
    """Where an entry has its key: exactly one of a file, a command and a user name in the keyring.

    `subject` begins the sentences of errors about it.
    """

    subject: str
    file: str | None = None
    command: tuple[str, ...] | None = None
    keyring: str | None = None

    def __repr__(self) -> str:
        return f"<{self.subject}>"  # without the arguments of a command, which may be secret

    def read(self) -> Key:
        """Return the key; a command is run for it. Raises `KeyFormatError`, and `InstallationError`."""
        if self.file is not None:
            from secftp.keys import read_key_file

            return read_key_file(self.file, pipe=True)
        if self.command is not None:
            from secftp.hosts.key_command import read_key_command

            return read_key_command(self.command, self.subject)
        from secftp.hosts.system_keyring import read_keyring

        assert self.keyring is not None
        return read_keyring(self.keyring, self.subject)


class Host(NamedTuple):
    """An entry, with what it takes from `[default]`. `options`: texts, by the names of the command line's options."""

    name: str
    url: Url
    key: KeySource | None
    options: Mapping[str, str]

    @property
    def endpoint(self) -> Endpoint:
        """The server."""
        return self.url.endpoint


class Config(NamedTuple):
    """A file: its entries, by name, and what counts for servers that have none."""

    path: str
    hosts: Mapping[str, Host]
    default_key: KeySource | None
    default_options: Mapping[str, str]


def read_config(path: str) -> Config:
    """Return what stands in a file. Raises `UsageError` for a file that others may have written, or that is invalid."""
    if path == os.devnull:
        return Config(path, {}, None, {})
    return parse_config(read_own(path), path)


def parse_config(data: bytes, path: str) -> Config:
    """Return what the bytes of a file mean. Raises `UsageError`."""
    file = _File(path)
    table = _parse(file, data)
    file.refuse_unknown("", table, (DEFAULT, HOSTS))
    default = file.table(DEFAULT, table.get(DEFAULT, {}))
    if "url" in default:
        raise file.fail(DEFAULT, "it has no url, as it counts for every server", "Write it in [hosts.NAME].")
    default_key, default_options = _entry(file, DEFAULT, default)
    hosts = {
        name: _host(file, name, value, default_key, default_options)
        for name, value in file.table(HOSTS, table.get(HOSTS, {})).items()
    }
    return Config(path, hosts, default_key, default_options)


def check_name(name: str) -> None:
    """Raise `UsageError` for what can't be the name of an entry: it stands before a colon, where hosts do."""
    if not _is_name(name):
        raise UsageError(
            "The name of a host has 2 to 64 letters, digits, hyphens, dots and underscores.",
            hint="It begins with a letter or a digit, for example nas.",
        )


class _File(NamedTuple):
    """A file in errors about it."""

    path: str

    def fail(self, where: str, problem: str, hint: str = "") -> UsageError:
        place = f", [{where}]" if where else ""
        return UsageError(f"The file {show_local(self.path)}{place}: {problem}.", hint=hint)

    def table(self, where: str, value: object) -> dict[str, object]:
        if not isinstance(value, dict):
            raise self.fail("", f"{where} must be a table", f"Write [{where}] on a line of its own.")
        return value

    def refuse_unknown(self, where: str, table: Mapping[str, object], known: tuple[str, ...]) -> None:
        for word in table:
            if word in known:
                continue
            if word == "key":
                raise self.fail(
                    where,
                    "it must not hold a key",
                    "Name its file, key-file, or a command that prints it, key-command.",
                )
            from difflib import get_close_matches

            names = f"Known are {', '.join(known)}."
            if similar := get_close_matches(word, known, n=1):
                raise self.fail(where, f"{escape(word)} is unknown", f"Did you mean {similar[0]}? {names}")
            # It may be a key whose name was forgotten.
            raise self.fail(where, "it has an unknown word", names)


def _parse(file: _File, data: bytes) -> dict[str, object]:
    try:
        return tomllib.loads(data.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError:
        raise file.fail("", "it is not UTF-8 text", "Save it as UTF-8.") from None
    except RecursionError:
        raise file.fail("", "it is nested too deeply", "It is TOML.") from None
    except tomllib.TOMLDecodeError as problem:
        raise file.fail("", f"it can't be parsed: {escape(str(problem))}", "It is TOML: https://toml.io") from None


def _host(
    file: _File, name: str, value: object, default_key: KeySource | None, default_options: Mapping[str, str]
) -> Host:
    where = f"{HOSTS}.{escape(name)}"
    try:
        check_name(name)
    except UsageError as problem:
        raise file.fail(where, problem.message[0].lower() + problem.message[1:].rstrip("."), problem.hint) from None
    table = file.table(where, value)
    if "url" not in table:
        raise file.fail(where, "its url is missing", 'For example url = "secftp://example.org/backup".')
    key, options = _entry(file, where, table)
    text = table["url"]
    try:
        url = parse_url(_string(text))
    except _Wrong:
        raise file.fail(where, "url must be a string", "Write it in quotes.") from None
    except SecftpError as problem:
        raise file.fail(where, f"url: {problem.message.rstrip('.')}", problem.hint) from None
    if url.name and options.get("name", url.name) != url.name:
        raise file.fail(where, "name and url have two different names of keys", "Leave out one of them.")
    return Host(name, url, key or default_key, {**default_options, **options})


def _entry(file: _File, where: str, table: Mapping[str, object]) -> tuple[KeySource | None, dict[str, str]]:
    """Return where a table has its key, and its options."""
    known = (("url",) if where != DEFAULT else ()) + (*_KEY_FIELDS, *_OPTIONS)
    file.refuse_unknown(where, table, known)
    options = {}
    for field, value in table.items():
        if (check := _OPTIONS.get(field)) is not None:
            try:
                options[field] = check.text(value)
            except _Wrong:
                raise file.fail(
                    where, f"{field} must be {check.kind}", f"For example {field} = {check.example}"
                ) from None
    return _key(file, where, table), options


def _key(file: _File, where: str, table: Mapping[str, object]) -> KeySource | None:
    given = [field for field in _KEY_FIELDS if field in table]
    if not given:
        return None
    if len(given) > 1:
        raise file.fail(where, f"{given[0]} and {given[1]} exclude each other", "Leave out one of them.")
    value = table[given[0]]
    subject = {"key-command": "The key command", "keyring": "The keyring"}.get(given[0], "The key file")
    subject = f"{subject} of [{where}]"
    if given[0] == "key-command":
        if isinstance(value, str):
            raise file.fail(
                where,
                "key-command must be a list, as no shell reads it",
                'For example key-command = ["pass", "show", "nas"]',
            )
        if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
            raise file.fail(where, "key-command must be a list of strings", 'For example ["pass", "show", "nas"].')
        return KeySource(subject, command=tuple(map(to_locale, value)))
    if not isinstance(value, str) or not value or "\0" in value:
        raise file.fail(where, f"{given[0]} must be a string", f'For example {given[0]} = "nas.key"')
    if given[0] == "keyring":
        return KeySource(subject, keyring=value)
    directory = os.path.dirname(os.path.abspath(file.path))
    return KeySource(subject, file=os.path.join(directory, os.path.expanduser(to_locale(value))))


# --- the options ------------------------------------------------------------------------------------------------------


class _Wrong(Exception):
    """A value is of the wrong type, or out of range."""


class _Option(NamedTuple):
    """What a field must be, in words, with an example, and how its value is written on a command line."""

    kind: str
    example: str
    text: Callable[[object], str]


def _string(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise _Wrong
    return value


def _number_text(value: object) -> str:
    """Return a number, or a string with one, as a text; a bool is none, though Python has it for one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _Wrong
    return str(value)


def _seconds(value: object) -> str:
    text = _number_text(value)
    if parse_seconds(text) is None:
        raise _Wrong
    return text


def _rate(value: object) -> str:
    text = _number_text(value)
    if parse_size(text) is None:
        raise _Wrong
    return text


def _whole(value: object, least: int, most: int) -> str:
    text = _number_text(value)
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise _Wrong
    return text


def _streams(value: object) -> str:
    return "auto" if value == "auto" else _whole(value, 1, MAX_STREAMS)


def _cipher(value: object) -> str:
    if value not in CIPHERS:
        raise _Wrong
    return str(value)


_SECONDS: Final = _Option("a number of seconds greater than 0", "10", _seconds)
_OPTIONS: Final[Mapping[str, _Option]] = {
    "cipher": _Option(f"{', '.join(CIPHERS[:-1])} or {CIPHERS[-1]}", '"aes256"', _cipher),
    "name": _Option("a string, the name of the key at the server", '"joe"', _string),
    "limit-rate": _Option("a number of bytes per second", '"20M"', _rate),
    "streams": _Option(f'"auto" or a number from 1 to {MAX_STREAMS}', "4", _streams),
    "retries": _Option(f"a number from 0 to {MAX_RETRIES}", "10", lambda value: _whole(value, 0, MAX_RETRIES)),
    "connect-timeout": _SECONDS,
    "timeout": _SECONDS,
}
