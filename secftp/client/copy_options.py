"""The options that `secftp get` and `secftp put` share, derived from the fields of `secftp.transfer.CopyOptions`."""

from __future__ import annotations

import os
from argparse import SUPPRESS
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secftp.client.options import (
    CommandParser,
    ConnectionOptions,
    add_congestion_option,
    add_connection_options,
    checked_checksum,
)
from secftp.command_line import Configured, add_option
from secftp.errors import UsageError
from secftp.text import parse_size
from secftp.transfer.options import (
    COMMAND_LINE,
    MAX_LEVEL,
    MAX_SHARDS,
    MAX_STREAMS,
    CommandLineOption,
    CopyOptions,
    Shard,
    check_backup,
    check_results,
    check_shard,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STREAM: Final = "-"
WITHOUT_T: Final = "Without -T the sources are copied into the directory."
MAX_RETRIES: Final = 1_000_000
_DEFAULTS: Final = CopyOptions()._asdict()
# What requires files that have names.
_NOT_FOR_STREAMS: Final = ("update", "resume", "dry_run", "include", "exclude", "streams", "shard", "results")

TARGETS: Final = """\
The last argument is used as cp does: an existing directory receives the files,
anything else is the new name; a slash at its end stands for a directory, which
is created if it is missing. A URL is secftp://[name@]host[:port]/path, the
default port is 8888; %20 is a space, and so on for any byte.
"""
PATTERNS: Final = """\
Patterns of --include and --exclude, which have to be quoted for the shell:
  *.o, .git          a name, at any depth
  cache/             a directory, at any depth
  /build, docs/*.md  a path from the source on; src/build in a copy of src
  **/build, docs/**  any number of directories, also none; everything in one
  ?  [a-z]  [!a-z]   one byte: any, one of these, none of these; not a slash
  \\*                 the character itself
What is excluded is skipped, a directory with everything in it. If something is
included, only such files are copied, with the directories that they are in; a
slash at the end includes all files in such directories. --exclude goes first.
"""
EVENTS: Final = """\
With --progress json each line on standard error is an object with an event:
  planned      files, bytes: the totals
  started      name, size
  resumed      name, bytes: how many were there already, verified
  progress     files, bytes, files_planned, bytes_planned, rate, seconds_left,
               streams, round_trip, retransmits, congestion;
               null if unknown; at most twice a second
  finished     name, size, checksum: complete, under its final name
  skipped      name, reason
  note         name, text
  failed       name, message, exit_code: the copy continues
  retrying     message, attempt, attempts, pause
  waiting      message: the server has not answered the handshake yet
  ended        files, bytes, skipped, failed, left_out, special_bits,
               times_changed, modes_changed, seconds, checksum, algorithm,
               streams, round_trip, retransmits, congestion,
               compression (zstd or null), saved_bytes (how many fewer were
               sent), ratio (of bytes to those that were sent, or null)
  interrupted  reason, complete, resume, exit_code: resume is a command
  error        message, hint, exit_code: the last line of a failure
Sizes are in bytes, times in seconds. A name that is not UTF-8 is escaped, and
name_base64 has its bytes. Of the connections (streams: how many at one time):
the shortest round trip, segments that this side sent again, and this side's
congestion control.
"""


class CopySettings(NamedTuple):
    """What `get` and `put` have in common.

    `retries`: new connections after a loss; `progress`: one of `options.PROGRESS`.
    """

    connection: ConnectionOptions
    copy: CopyOptions
    retries: int
    progress: str
    quiet: bool
    verbose: bool


def add_copy_options(parser: CommandParser) -> None:
    """Add an option for each field of `CopyOptions`, and those about connections and progress."""
    add_fields(parser, COMMAND_LINE)
    add_usual(parser, "-a", "-r", "-p", aliases=("--archive", "--recursive", "--perms", "--human-readable"))
    parser.without_port = "Pp"
    add_run_options(parser, "reconnect up to N times if the connection is lost, and resume")
    add_congestion_option(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="say what the connections were like, at the end")
    add_connection_options(parser)


def add_fields(parser: CommandParser, names: Iterable[str]) -> None:
    """Add the options of some fields of `CopyOptions`."""
    for name in names:
        option = COMMAND_LINE[name]
        if option.bare is not None:
            _add_bare_option(parser, name, option)
            continue
        settings: dict[str, Any] = {"dest": name, "help": option.help}
        if option.metavar is None:
            settings["action"] = "store_true"
        else:
            settings["metavar"] = option.metavar
        if isinstance(_DEFAULTS[name], tuple):
            settings |= {"action": "append", "default": []}
        add_option(parser, *option.flags, aliases=option.aliases, **settings)


def _add_bare_option(parser: CommandParser, name: str, option: CommandLineOption) -> None:
    """Add an option whose value is left out or follows an equals sign: never is the next word taken for it."""
    add_option(parser, *option.flags, dest=name, action="store_const", const=option.bare, help=option.help)
    parser.add_argument(f"{option.flags[-1]}-suffix", dest=name, metavar="SUFFIX", help=SUPPRESS)


def with_suffixes(arguments: list[str]) -> list[str]:
    """Return the words of a command line, with --backup=SUFFIX as the option of `_add_bare_option` that has a value."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [
        word.replace("=", "-suffix=", 1) if word.startswith("--backup=") and number < end else word
        for number, word in enumerate(arguments)
    ]


def add_exact_option(parser: CommandParser) -> None:
    """Add -T, which is about the target and not about copying."""
    add_option(
        parser,
        "-T",
        "--no-target-directory",
        dest="is_exact",
        action="store_true",
        help="copy the one source to the name of the target, even if that is a directory already",
    )


def require_one_source(sources: Sequence[object]) -> None:
    """Raise `UsageError` unless there is one source, which -T wants."""
    if len(sources) > 1:
        raise UsageError("With -T there is one source, which gets the name of the target.", hint=WITHOUT_T)


def add_usual(parser: CommandParser, *flags: str, aliases: tuple[str, ...] = ()) -> None:
    """Add options of cp and rsync that ask for what is done anyway; their values are of no use."""
    text = "as in cp and rsync; directories, permissions and times are copied anyway"
    add_option(parser, *flags, aliases=aliases, dest="usual", action="store_true", help=text)


def add_run_options(parser: CommandParser, retries: str) -> None:
    """Add the options of everything that a report is made of; `retries`: what --retries does."""
    parser.add_argument("--retries", metavar="N", help=retries)
    parser.keeps_progress = True


def take_copy_options(
    values: dict[str, Any], connection: ConnectionOptions, *, is_stream: bool, overwrites: bool = True
) -> CopySettings:
    """Return the settings, from what is left of the values. Raises `UsageError`.

    `is_stream`: the copy is from or to a standard stream. `overwrites`: its target may exist already.
    """
    refused = _NOT_FOR_STREAMS if overwrites else ("overwrite", "backup", "sparse", *_NOT_FOR_STREAMS)
    for name in refused if is_stream else ():
        if isinstance(values[name], Configured):
            values[name] = None  # it is for the files that have names
        elif values[name] not in (None, False, []):
            raise UsageError(f"{flag(name)} can't be used with -.", hint="Leave it out.")
    connection = connection._replace(congestion=values["congestion"])
    return take_settings(values, connection, copy_options(values, COMMAND_LINE))


def copy_options(values: dict[str, Any], names: Iterable[str]) -> CopyOptions:
    """Return the options of copies, from the values of some fields. Raises `UsageError`."""
    given = {name: values[name] for name in names if values[name] not in (None, False, [])}
    return CopyOptions(**{name: _value(name, text) for name, text in given.items()})


def take_settings(values: dict[str, Any], connection: ConnectionOptions, copy: CopyOptions) -> CopySettings:
    """Return the settings with the values of `add_run_options`, -q, and -v where there is that. Raises `UsageError`."""
    retries, is_verbose = _retries(values["retries"]), values.get("verbose", False)
    return CopySettings(connection, copy, retries, values["progress"], values["quiet"], is_verbose)


def flag(name: str) -> str:
    """Return the long option for a field of `CopyOptions`."""
    return COMMAND_LINE[name].flags[-1]


def parse_rate(text: str) -> int:
    """Return bytes per second, as `secftp.text.parse_size` reads them. Raises `UsageError`."""
    rate = parse_size(text)
    if rate is None:
        raise UsageError(
            f"{flag('limit_rate')} must be a number of bytes per second, at least 1.",
            hint="For example 500K, 2.5M or 20KiB, but not MB, which is ambiguous.",
        )
    return rate


def parse_streams(text: str) -> int | None:
    """Return a number of streams, None for `auto`. Raises `UsageError`."""
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_STREAMS)) and 1 <= int(text) <= MAX_STREAMS):
        raise UsageError(
            f"{flag('streams')} must be auto or a number from 1 to {MAX_STREAMS}.", hint="For example --streams 4."
        )
    return int(text)


def parse_level(text: str) -> int:
    """Return a level of compression. Raises `UsageError`."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LEVEL)) and 1 <= int(text) <= MAX_LEVEL):
        raise UsageError(
            f"{flag('compress_level')} must be a number from 1 to {MAX_LEVEL}.", hint="For example --compress-level 9."
        )
    return int(text)


def parse_shard(text: str) -> Shard:
    """Return the shard `I/N`. Raises `UsageError`."""
    number, _, of = text.partition("/")
    digits = len(str(MAX_SHARDS))
    are_numbers = all(part.isascii() and part.isdigit() and len(part) <= digits for part in (number, of))
    return check_shard(int(number), int(of)) if are_numbers else check_shard(0, 0)


def _value(name: str, given: Any) -> Any:
    """Return the value of a field whose option was given."""
    default = _DEFAULTS[name]
    if isinstance(default, bool):
        return not default
    if isinstance(default, tuple):
        return tuple(map(os.fsencode, given))
    parse = {
        "backup": check_backup,
        "limit_rate": parse_rate,
        "checksum": checked_checksum,
        "streams": parse_streams,
        "compress_level": parse_level,
        "shard": parse_shard,
        "results": check_results,
    }
    return parse[name](given)


def _retries(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_RETRIES)) and int(text) <= MAX_RETRIES):
        raise UsageError(f"--retries must be a number from 0 to {MAX_RETRIES}.", hint="For example --retries 10.")
    return int(text)
