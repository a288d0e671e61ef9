"""The key of a command, stretched while the modules of that command are imported.

To stretch a text takes as long as to import all modules of a transfer, and does not need Python's lock. So `begin` is
called first of all: it guesses from the words of the command line which key the command is going to use, and lets a
thread stretch it. `take` is called with what the parsed options say: it returns that key if the guess was right, and
None if it was wrong or if anything has failed. Then the key is obtained without this module, and fails without it.

Invariants: nothing is reported, asked or sent here, and a guess never decides which key is used. No module is imported
that importing `secftp` has not imported, except those of the keys and of the core.
"""

from __future__ import annotations

from secftp.text import from_locale

TYPE_CHECKING = False  # as of typing, which takes longer to import than all that this module needs
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

    from secftp.keys import Key

_URL: Final = "secftp://"
_POSITIONAL: Final = ("read", "write")  # the commands that take a server without a scheme, and a key after the cipher
_KEY_PLACE: Final = 4
_KEY_FILE: Final = "--key-file"
_KEYLESS: Final = frozenset({"-h", "--help", "--version", "--anonymous", "--no-key"})


class Source:
    """Where a key comes from: the name of its file, or its text."""

    def __init__(self, *, file: str | None = None, text: str | None = None) -> None:
        self.file = file
        self.text = text

    def is_same(self, other: Source) -> bool:
        """Compare."""
        return (self.file, self.text) == (other.file, other.text)


class _Begun:
    """The only guess of this process, as a program has one command line: a source, and the key from it."""

    guess: tuple[Source, Key] | None = None


def begin(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Start to stretch the key that a command line is going to use, as far as that can be guessed.

    Core dumps are forbidden before the key is there. Raises nothing.
    """
    source = guess(arguments, environment.get("SECFTP_KEY"))
    if source is None:
        return
    from secftp import system

    try:
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


def guess(arguments: Sequence[str], variable: str | None) -> Source | None:
    """Return which key a command line probably uses; None if it needs none, or is not one that connects.

    `variable` is SECFTP_KEY, if that is set.
    """
    words = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    if not _KEYLESS.isdisjoint(words) or not _connects(arguments):
        return None
    file = _value(words, _KEY_FILE)
    if file is not None:
        return Source(file=file)
    text = _key_argument(words)
    if text is None:
        text = variable
    return None if text is None else Source(text=from_locale(text))


def _connects(arguments: Sequence[str]) -> bool:
    is_positional = len(arguments) >= _KEY_PLACE and arguments[0] in _POSITIONAL
    return is_positional or any(word[: len(_URL)].lower() == _URL for word in arguments)


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

    return read_key_file(source.file) if source.file is not None else Key.from_text(source.text or "")
