"""The commands of `secftp`: which one a command line means, and the help about all of them.

Each command is a module here with the functions `parser`, `parse` and `run`; a new one is added to `COMMANDS` and
`HELP`. Only the module of the command at hand is imported, and it imports the core only when it runs, so that help and
usage errors are fast.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from secftp._version import __version__
from secftp.client.options import VALUED
from secftp.command_line import closest
from secftp.errors import InstallationError, UsageError

if TYPE_CHECKING:
    from secftp.client.options import CommandParser
    from secftp.client.terminal import Terminal

COMMANDS: Final = (
    "get", "put", "ls", "stat", "cat", "rm", "cp", "mv", "mkdir", "du", "df", "sum", "verify", "sync", "read",
    "write", "share", "receive", "ping", "host", "keygen", "completion",
)  # fmt: skip
HELP: Final = """\
usage: secftp COMMAND [options] ...        (for details: secftp help COMMAND)

  get URL... [TARGET]   download files and directories; - is standard output
  put FILE... URL       upload files and directories; - is standard input
  sync, verify, sum     make DST what SRC is; compare with a URL; checksums
  ls, stat, cat, du, df list; show status, contents, sizes and free space
  rm, mv, cp, mkdir     remove (-r: directories), rename, copy, create
  share, receive        give or take files once, with a key of six words
  host, ping, keygen    name a server; check it; make a key (and: completion)
  read, write           NAME HOST:PORT CIPHER [KEY]: one file, through a pipe

A URL is secftp://[name@]host[:port]/path, or host:path as with scp. The key is
that of the host (secftp host), of --key-file, of SECFTP_KEY, or prompted for.

  secftp put notes.txt photos secftp://host/backup/
  secftp get --resume --retries 9 secftp://host/backup/huge.img .
  secftp sync --delete --dry-run photos/ secftp://host/photos/
  pg_dump shop | secftp put - secftp://host/shop.sql

Exit codes: 0 success, 1 failure or differences, 2 usage, 3 unreachable, 4 key,
5 timeout, 6 not found, 7 refused, 8 already exists, 9 no space, 10 checksum,
11 connection lost, 12 protocol, 13 local file, 14 broken pipe, 15 server
error, 16 installation, 17 too many deletions, 128 and above: by a signal.
"""
NUMBERED: Final = frozenset({"-d"})  # options with a number for one command (du), and no value for another (ls)
LOCAL: Final = ("keygen", "completion")  # without a server
_LISTED: Final = f"The commands are {', '.join(COMMANDS)}."


class Command(Protocol):
    """A module of this package. `run` gets what `parse` returns; its exit code is 0 if it returns None."""

    def parser(self) -> CommandParser:
        """Return the parser of the command line."""

    def parse(self, arguments: list[str], /) -> Any:
        """Return the options; raises `UsageError`."""

    def run(self, options: Any, terminal: Terminal, /) -> int | None:
        """Execute the command."""


def load(name: str) -> Command:
    """Import the module of a command."""
    return cast("Command", import_module(f"{__name__}.{name}"))


def run(arguments: list[str], terminal: Terminal) -> int:
    """Execute a command line and return the exit code; raises what the command raises, and `UsageError`.

    A usage error is reported as the options want it, too, so these are looked for before the line is parsed.
    """
    terminal.json, terminal.shows = wants_json(arguments), value_of(arguments, "--progress") or "auto"
    place = find_command(arguments)
    log = value_of(arguments, "--log")
    if log is not None:
        from secftp.client.run_log import RunLog

        terminal.log = RunLog(log, "" if place is None or arguments[place] not in COMMANDS else arguments[place])
    before = arguments if place is None else arguments[:place]
    word = "" if place is None else arguments[place]
    if "-h" in before or "--help" in before or word == "help":
        _print_help(terminal, arguments[place + 1 :] if place is not None and word == "help" else [])
    elif "--version" in before or "-V" in before or word == "version":
        _print_version(terminal)
    elif place is None:
        raise UsageError("No command was given.", hint=f"{_LISTED} See secftp --help.")
    else:
        command = _find(arguments[place])
        terminal.arguments = arguments
        options = command.parse(arguments[:place] + arguments[place + 1 :])
        if terminal.log is not None:
            terminal.log.names(options)
        if arguments[place] not in LOCAL:
            _import_msgspec()
        code = command.run(options, terminal) or 0
        terminal.ended()
        return code
    return 0


def wants_json(arguments: list[str]) -> bool:
    """Return whether a command line, valid or not, has `--json`, or `json` as the last value of --progress."""
    return value_of(arguments, "--progress") == "json" or "--json" in _before_operands(arguments)


def value_of(arguments: list[str], option: str) -> str | None:
    """Return the last value of `--option VALUE` or `--option=VALUE` in a command line, valid or not; None if none."""
    found = None
    words = _before_operands(arguments)
    for place, word in enumerate(words):
        if word == option:
            following = words[place + 1 : place + 2]
            found = None if not following or following[0].startswith("-") else following[0]
        elif word.startswith(f"{option}="):
            found = word[len(option) + 1 :]
    return found


def _before_operands(arguments: list[str]) -> list[str]:
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def find_command(arguments: list[str]) -> int | None:
    """Return the index of the first argument that is neither an option nor the value of one."""
    is_value = False
    for place, argument in enumerate(arguments):
        if is_value:
            is_value = False
        elif argument == "--":
            return None
        elif argument == "-" or not argument.startswith("-"):
            return place
        else:
            following = "".join(arguments[place + 1 : place + 2])
            is_value = _takes_next(argument) or (_may_take_number(argument) and following.isdigit())
    return None


def _may_take_number(option: str) -> bool:
    return not option.startswith("--") and f"-{option[-1]}" in NUMBERED


def _takes_next(option: str) -> bool:
    """Return whether the next argument is the value of `--name`, or of the last letter of `-xyz`."""
    if option.startswith("--"):
        return option in VALUED
    valued = [f"-{letter}" in VALUED for letter in option[1:]]
    return any(valued) and valued.index(True) == len(valued) - 1


def _find(word: str) -> Command:
    if word in COMMANDS:
        return load(word)
    from secftp.client.neighbours import verb_for

    # The word is not repeated: it may be a key in the wrong position.
    if hint := verb_for(word.lower(), COMMANDS):
        raise UsageError("Unknown command.", hint=f"{hint} See secftp --help.")
    similar = closest(word, (*COMMANDS, "help", "version"))
    hint = f"Did you mean {similar}? See secftp --help." if similar else f"{_LISTED} See secftp --help."
    raise UsageError("Unknown command.", hint=hint)


def _print_help(terminal: Terminal, arguments: list[str]) -> None:
    """Print the help about all commands, or about the one that is named."""
    verbs = [argument for argument in arguments if not argument.startswith("-")]
    if not verbs:
        terminal.print(HELP.rstrip("\n"))
    elif len(verbs) > 1:
        raise UsageError("Too many arguments.", hint="For example secftp help get.")
    elif verbs[0] in ("help", "version"):
        terminal.print(HELP.rstrip("\n"))
    else:
        _find(verbs[0]).parser().print_help()


def _import_msgspec() -> None:
    """Import msgspec without typing_extensions, which it prefers to typing where it is installed.

    That imports the parser, the tokenizer and the disassembler of Python, for a tenth of the time that a small file
    takes. This Python's own typing has all that msgspec takes from there.
    """
    if "typing_extensions" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment] # as if it were not installed
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]


def _print_version(terminal: Terminal) -> None:
    try:
        from secftp.crypto import libcrypto_version
    except InstallationError:
        # The core is broken; a bug report needs the version of secftp all the same.
        terminal.print(f"secftp {__version__}")
        raise
    terminal.print(f"secftp {__version__} ({libcrypto_version()})")
