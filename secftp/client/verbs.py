"""The verbs: which there are, which one a command line means, and the help that is about all of them.

A verb is a parser and a function; a new one is one more line in `VERBS`. Both are loaded only when they are called, so
that help, a typing error and a new key cost no start of the core, and no verb pays for another.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secftp._version import __version__
from secftp.client.common import VALUED
from secftp.client.parser import closest
from secftp.errors import InstallationError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.client.parser import Parser
    from secftp.client.terminal import Terminal

HELP: Final = """\
usage: secftp COMMAND [options] ...           secftp COMMAND --help tells more

  get URL... [TARGET]   fetch files and folders; - is standard output
  put FILE... URL       send files and folders; - is standard input
  ls, stat, sum URL...  list folders, tell of one name, print checksums
  rm, mkdir URL...      remove (-r), make folders (-p)
  mv URL... URL         give another name, or move into a folder
  verify LOCAL URL      compare a file or a folder, list what differs
  read, write           NAME HOST:PORT CIPHER [KEY]: one file through a pipe
  keygen, completion    a new key; a script for bash, zsh or fish

A URL is secftp://[name@]host[:port]/path, the port 8888 and --cipher aes256 if
left out. The key comes from --key-file, SECFTP_KEY or a prompt.

  secftp put notes.txt photos secftp://host/backup/
  secftp get --resume --retries 9 secftp://host/backup/huge.img .
  pg_dump shop | secftp put - secftp://host/shop.sql
  secftp write notes.txt host:8888 aes128 < notes.txt

Exit codes: 0 done, 1 failed or differs, 2 wrong usage, 3 unreachable, 4 key,
5 timeout, 6 not found, 7 refused, 8 exists already, 9 no space, 10 checksum,
11 connection lost, 12 protocol, 13 local file, 14 broken pipe, 15 server
failed, 16 installation, 128 and above: ended by a signal (130: Ctrl-C).
"""


class Verb(NamedTuple):
    """How a verb's arguments are understood, and what it does with its options: an exit code, None for 0."""

    parser: Callable[[], Parser]
    parse: Callable[[list[str]], Any]
    run: Callable[[Any, Terminal], int | None]


def _verb(name: str, options: str, code: str) -> Verb:
    """The verb whose functions are in two modules of this package: its command line, and what it does."""
    return Verb(_late(options, f"{name}_parser"), _late(options, f"parse_{name}"), _late(code, f"run_{name}"))


def _late(module: str, function: str) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        return getattr(import_module(f"secftp.client.{module}"), function)(*arguments)

    return call


VERBS: Final = {
    name: _verb(name, options, code)
    for name, options, code in (
        ("get", "copy_options", "copy_files"),
        ("put", "copy_options", "copy_files"),
        ("ls", "remote_options", "listing"),
        ("stat", "remote_options", "listing"),
        ("rm", "remote_options", "change"),
        ("mv", "remote_options", "change"),
        ("mkdir", "remote_options", "change"),
        ("sum", "remote_options", "sums"),
        ("verify", "remote_options", "verify"),
        ("read", "options", "read_write"),
        ("write", "options", "read_write"),
        ("keygen", "options", "keygen"),
        ("completion", "remote_options", "completion"),
    )
}
_LISTED: Final = f"The commands are {', '.join(VERBS)}."


def run(arguments: list[str], terminal: Terminal) -> int:
    """Do what a command line says and return the exit code; raises what the verb raises, and `UsageError`."""
    terminal.programs = for_programs(arguments)  # a usage error comes before the options are known
    place = find_verb(arguments)
    before = arguments if place is None else arguments[:place]
    if "-h" in before or "--help" in before:
        terminal.print(HELP.rstrip("\n"))
    elif "--version" in before:
        _print_version(terminal)
    elif place is None:
        raise UsageError("A command is missing.", hint=f"{_LISTED} See secftp --help.")
    else:
        verb = _find(arguments[place])
        terminal.arguments = arguments
        chosen = verb.parse(arguments[:place] + arguments[place + 1 :])
        return verb.run(chosen, terminal) or 0
    return 0


def for_programs(arguments: list[str]) -> bool:
    """Whether a command line, right or wrong, asks for JSON: `--json`, or `--progress json` as the last of its kind."""
    if "--" in arguments:
        arguments = arguments[: arguments.index("--")]
    kind = ""
    for place, argument in enumerate(arguments):
        if argument == "--progress":
            kind = "".join(arguments[place + 1 : place + 2])
        elif argument.startswith("--progress="):
            kind = argument.partition("=")[2]
    return kind == "json" or "--json" in arguments


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
        return option in VALUED
    valued = [f"-{letter}" in VALUED for letter in option[1:]]
    return any(valued) and valued.index(True) == len(valued) - 1


def _find(word: str) -> Verb:
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
