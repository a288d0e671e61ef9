"""The verbs: which there are, which one a command line means, and the help that is about all of them.

A verb is a parser and a function; a new one is one more line in `VERBS`. The functions load what they need only when
they are called, so that help, a typing error and a new key cost no start of the core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secftp._version import __version__
from secftp.client import options
from secftp.client.parser import closest
from secftp.errors import InstallationError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.client.terminal import Terminal

HELP: Final = """\
usage: secftp <read|write> [options] <filename> <host>:<port> <cipher> [key]
       secftp keygen [--file FILE]

Encrypted file transfer under one shared key. Ciphers: none, aes128, aes256.
  read    a file of the server's goes to standard output, or to a file with -o
  write   standard input, or a file with -i, goes to a file of the server's
  keygen  prints a new key, or makes a key file

  secftp write notes.txt host:8888 aes128 < notes.txt    (asks for the key)
  secftp read notes.txt host:8888 aes128 --key-file KEY > copy.txt
  tar c src | secftp write src.tar host:8888 aes256 --key-file KEY
  secftp read photo.jpg '[2001:db8::7]:8888' none --no-key -o photo.jpg
  secftp keygen --file ~/.secftp.key

Each command has its own: secftp read --help. secftp --version tells versions.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 unreachable, 4 key, 5 timeout,
6 not found, 7 refused, 8 exists already, 9 no space, 10 checksum differs,
11 connection lost, 12 protocol broken, 13 local file, 14 broken pipe,
15 server failed, 16 installation, 128 and above: ended by a signal.
"""


class Verb(NamedTuple):
    """How a verb's arguments are understood, and what it does with its options."""

    parse: Callable[[list[str]], Any]
    run: Callable[[Any, Terminal], None]


def _read(chosen: options.TransferOptions, terminal: Terminal) -> None:
    from secftp.client.read_write import read

    read(chosen, terminal)


def _write(chosen: options.TransferOptions, terminal: Terminal) -> None:
    from secftp.client.read_write import write

    write(chosen, terminal)


def _keygen(chosen: options.KeygenOptions, terminal: Terminal) -> None:
    """A key for people on standard output, or one in a file."""
    if chosen.file is None:
        from secftp.keys import generate_key

        terminal.print(generate_key())
        return
    from secftp.keys import write_key_file

    write_key_file(chosen.file)
    terminal.key_file_made(chosen.file)


VERBS: Final = {
    "read": Verb(options.parse_read, _read),
    "write": Verb(options.parse_write, _write),
    "keygen": Verb(options.parse_keygen, _keygen),
}
_LISTED: Final = f"The commands are {', '.join(VERBS)}."


def run(arguments: list[str], terminal: Terminal) -> None:
    """Do what a command line says; raises what the verb raises, and `UsageError` for a verb that there is not."""
    place = find_verb(arguments)
    before = arguments if place is None else arguments[:place]
    if "-h" in before or "--help" in before:
        terminal.print(HELP.rstrip("\n"))
    elif "--version" in before:
        _print_version(terminal)
    elif place is None:
        raise UsageError("A command is missing.", hint=f"{_LISTED} See secftp --help.")
    else:
        verb = _verb(arguments[place])
        chosen = verb.parse(arguments[:place] + arguments[place + 1 :])
        verb.run(chosen, terminal)


def find_verb(arguments: list[str]) -> int | None:
    """The place of the first argument that is neither an option nor the value of one."""
    is_value = False
    for place, argument in enumerate(arguments):
        if is_value:
            is_value = False
        elif argument == "--":
            return None
        elif argument == "-" or not argument.startswith("-"):
            return place
        else:
            is_value = _wants_value(argument)
    return None


def _wants_value(option: str) -> bool:
    """Whether the next argument belongs to this one: `--name`, or single letters of which the last has a value."""
    if option.startswith("--"):
        return option in options.VALUED
    valued = [f"-{letter}" in options.VALUED for letter in option[1:]]
    return any(valued) and valued.index(True) == len(valued) - 1


def _verb(word: str) -> Verb:
    if word in VERBS:
        return VERBS[word]
    similar = closest(word, VERBS)
    # The word is not repeated: it may be a key that landed in the wrong place.
    hint = f"Did you mean {similar}? See secftp --help." if similar else f"{_LISTED} See secftp --help."
    raise UsageError("There is no such command.", hint=hint)


def _print_version(terminal: Terminal) -> None:
    try:
        from secftp.record import libcrypto_version
    except InstallationError:
        # What is broken is the core; which version of secftp it is, is what a report of it needs.
        terminal.print(f"secftp {__version__}")
        raise
    terminal.print(f"secftp {__version__} ({libcrypto_version()})")
