"""The key of a command, stretched while the modules of that command are imported.

To stretch a text takes as long as to import all modules of a transfer, and does not need Python's lock. So `begin` is
called first of all: it guesses from the words of the command line which key the command is going to use, and lets a
thread stretch it. `take` is called with what the parsed options say: it returns that key if the guess was right, and
None if it was wrong or if anything has failed. Then the key is obtained without this module, and fails without it.

If the command line and the environment have no key, the user's file of hosts may: then that is read first, and kept for
the command (`take_config`). A pipe is not read here, and no command is run: either may be possible only once.

Invariants: nothing is reported, asked or sent here, and a guess never decides which key is used. No module is imported
that importing `secftp` has not imported, except those of the keys and of the core, and those that read the file.
"""

from __future__ import annotations

import os
import stat

from secftp.text import from_locale

TYPE_CHECKING = False  # as of typing, which takes longer to import than all that this module needs
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

    from secftp.hosts.config import Config
    from secftp.keys import Key

_URL: Final = "secftp://"
_POSITIONAL: Final = ("read", "write")  # the commands that take a server without a scheme, and a key after the cipher
_KEY_PLACE: Final = 4
_KEY_FILE: Final = "--key-file"
_KEYLESS: Final = frozenset({"--help", "-V", "--version", "--anonymous", "--no-key"})
_SIZED: Final = frozenset({"ls", "du", "df"})  # where -h is no help
_READ_ONCE: Final = ("--key-fd", "--key-command")


class Source:
    """Where a key comes from: the name of its file, or its text."""

    def __init__(self, *, file: str | None = None, text: str | None = None) -> None:
        self.file = file
        self.text = text

    def is_same(self, other: Source) -> bool:
        """Compare."""
        return (self.file, self.text) == (other.file, other.text)


_CONFIGURED: Final = Source()


class _Begun:
    """The only guess of this process, as a program has one command line: a source, and the key from it.

    `config` is the file of hosts, if that was read for it.
    """

    guess: tuple[Source, Key] | None = None
    config: Config | None = None


def begin(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Start to stretch the key that a command line is going to use, as far as that can be guessed.

    Core dumps are forbidden before the key is there. Raises nothing.
    """
    try:
        source = _find(arguments, environment.get("SECFTP_KEY"), environment.get("SECFTP_KEY_FILE"))
        if source is _CONFIGURED:
            source = _from_config(arguments, environment)
        if source is None:
            return
        from secftp import system

        system.forbid_dumps()
        key = _obtain(source)
    except Exception:  # noqa: BLE001 - what fails is done again, and reported, when the key is needed
        return
    _Begun.guess = source, key
    key.stretch_ahead()


def take(source: Source) -> Key | None:
    """Return the key from a source, if `begin` has guessed that. The guess is forgotten in any case."""
    begun, _Begun.guess = _Begun.guess, None
    return begun[1] if begun is not None and begun[0].is_same(source) else None


def take_config() -> Config | None:
    """Return the file of hosts, if `begin` has read it; it is forgotten here."""
    config, _Begun.config = _Begun.config, None
    return config


def guess(arguments: Sequence[str], variable: str | None, variable_file: str | None = None) -> Source | None:
    """Return which key a command line probably uses; None if it has and needs none, or is not one that connects.

    `variable` is SECFTP_KEY and `variable_file` SECFTP_KEY_FILE, if that is set.
    """
    source = _find(arguments, variable, variable_file)
    return None if source is _CONFIGURED else source


def _find(arguments: Sequence[str], variable: str | None, variable_file: str | None) -> Source | None:
    """Return what `guess` does, or `_CONFIGURED` for the key that the file of hosts may have."""
    words = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    if not _KEYLESS.isdisjoint(words) or not _connects(arguments):
        return None
    if "-h" in words and _SIZED.isdisjoint(words):
        return None
    if any(word.partition("=")[0] in _READ_ONCE for word in words):
        return None
    file = _value(words, _KEY_FILE)
    if file is not None:
        return Source(file=file)
    text = _key_argument(words)
    if text is None:
        text = variable
    if text is not None:
        return Source(text=from_locale(text))
    return _CONFIGURED if variable_file is None else Source(file=variable_file)


def _connects(arguments: Sequence[str]) -> bool:
    is_positional = len(arguments) >= _KEY_PLACE and arguments[0] in _POSITIONAL
    return is_positional or any(map(_is_remote, arguments))


def _is_remote(word: str) -> bool:
    """Return whether a word is a URL, or like `host:path`."""
    return word[: len(_URL)].lower() == _URL or (":" in word.partition("/")[0] and not word.startswith("-"))


def _from_config(arguments: Sequence[str], environment: Mapping[str, str]) -> Source | None:
    """Return the key file that the file of hosts has for the first word that names a server."""
    from secftp.hosts import existing_config

    path = existing_config(environment)
    if path is None:
        return None
    from secftp.hosts.config import read_config
    from secftp.hosts.words import host_of

    config = _Begun.config = read_config(path)
    words = (from_locale(word) for word in arguments if _is_remote(word))
    host = next((host for word in words if (host := config.hosts.get(host_of(word))) is not None), None)
    key = config.default_key if host is None else host.key
    return None if key is None or key.file is None else Source(file=key.file)


def _value(words: Sequence[str], option: str) -> str | None:
    """Return the last value of an option, `--option VALUE` or `--option=VALUE`."""
    found = None
    for place, word in enumerate(words):
        if word == option:
            found = words[place + 1] if place + 1 < len(words) else None
        elif word.startswith(f"{option}="):
            found = word[len(option) + 1 :]
    return found


def _key_argument(words: Sequence[str]) -> str | None:
    """Return the key of `read NAME SERVER CIPHER KEY`, if no option precedes it."""
    operands = words[: _KEY_PLACE + 1]
    if len(operands) <= _KEY_PLACE or operands[0] not in _POSITIONAL or any(word.startswith("-") for word in operands):
        return None
    return operands[_KEY_PLACE]


def _obtain(source: Source) -> Key:
    from secftp.crypto import Password  # noqa: F401 - here and not in the thread, where it would wait for Python's lock
    from secftp.keys import Key, read_key_file

    if source.file is None:
        return Key.from_text(source.text or "")
    if not stat.S_ISREG(os.stat(source.file).st_mode):
        raise ValueError  # even to open a pipe may lose what is in it
    return read_key_file(source.file)
