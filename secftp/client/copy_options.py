"""The command lines of `secftp get` and `secftp put`."""

from __future__ import annotations

import os
from typing import Any, Final, NamedTuple

from secftp.client.common import (
    CHECKSUMS,
    Connection,
    add_checksum,
    add_connection,
    add_option,
    local_name,
    one_of,
    take_connection,
)
from secftp.client.parser import Parser
from secftp.errors import UsageError
from secftp.text import parse_size
from secftp.url import Url, is_url

STREAM: Final = "-"
PROGRESS: Final = ("auto", "json", "none")
MAX_RETRIES: Final = 1_000_000


_EPILOG: Final = """\
The last argument is used as cp does: into a folder that is there, else as that
name; with a slash at its end it is a folder, and made if it is missing.
A URL is secftp://[name@]host[:port]/path, with port 8888 if left out; %20 is a
blank, and likewise any byte that is hard to type.
"""
EVENTS: Final = """\
With --progress json each line on standard error is an object, with an event:
  planned      files, bytes: all that is to be copied
  started      name, size
  resumed      name, bytes: so much was there already, verified
  progress     files, bytes, files_planned, bytes_planned, rate, seconds_left;
               null is what nobody knows yet; twice a second at most
  finished     name, size, checksum: complete, under its final name
  skipped      name, reason
  note         name, text
  failed       name, message, exit_code: the rest goes on
  retrying     message, attempt, attempts, pause
  waiting      message: the server has not answered the handshake yet
  ended        files, bytes, skipped, failed, left_out, special_bits,
               times_changed, modes_changed, seconds, checksum, algorithm
  interrupted  reason, complete, resume, exit_code: resume is the command
  error        message, hint, exit_code: the last line of a failure
Sizes are in bytes, times in seconds. A name that is not UTF-8 is escaped, and
its bytes stand in name_base64.
"""


class How(NamedTuple):
    """How files are copied; the fields of `secftp.copy.CopyOptions`, as far as words can say them.

    `rate`: bytes a second, None for as fast as it goes. `include`, `exclude`: globs as bytes.
    """

    preserve: bool
    follow: bool
    include: tuple[bytes, ...]
    exclude: tuple[bytes, ...]
    dry_run: bool
    overwrite: bool
    update: bool
    resume: bool
    rate: int | None
    checksum: str


class GetOptions(NamedTuple):
    """What to fetch and where to put it; `-` is standard output."""

    connection: Connection
    sources: tuple[Url, ...]
    target: str
    how: How
    retries: int
    progress: str
    quiet: bool


class PutOptions(NamedTuple):
    """What to send and where it goes; `-` is standard input."""

    connection: Connection
    sources: tuple[str, ...]
    target: Url
    how: How
    retries: int
    progress: str
    quiet: bool


def get_parser() -> Parser:
    """The command line of `secftp get`."""
    parser = Parser(
        "get",
        usage="[options] URL... [TARGET]",
        description="Fetch files and folders. Without TARGET they come into the folder you are in.",
        epilog=f"{_EPILOG}\n"
        "examples:\n"
        "  secftp get secftp://host/notes.txt\n"
        "  secftp get secftp://host/backup/data secftp://host/plan.pdf copies/\n"
        "  secftp get secftp://host/data.tar - | tar x\n"
        "  secftp get --resume --retries 20 secftp://host/huge.img /tmp/\n"
        f"\n{EVENTS}",
    )
    parser.add_argument(
        "places", nargs="+", metavar="URL... [TARGET]", help="what to fetch; a local name, or - at the end"
    )
    _add_copying(parser, no_clobber="leave alone what is here already")
    return parser


def parse_get(arguments: list[str]) -> GetOptions:
    """The options of `secftp get`; raises `UsageError`, and `NameRefused` for a path that is none."""
    values = get_parser().parse(arguments)
    places: list[str] = values.pop("places")
    target = os.curdir
    if not is_url(places[-1]) and len(places) > 1:
        target = local_name(places.pop(), "get")
    connection, urls = take_connection(values, places)
    if target == STREAM and len(urls) > 1:
        raise UsageError("Several files can't go to standard output.", hint="Name one of them, or a folder for all.")
    options = GetOptions(connection=connection, sources=tuple(urls), target=target, **_take_copying(values))
    if target == STREAM:
        _refuse_for_streams(options.how, no_clobber=not options.how.overwrite)
    return options


def put_parser() -> Parser:
    """The command line of `secftp put`."""
    parser = Parser(
        "put",
        usage="[options] FILE... URL",
        description="Send files and folders to a server.",
        epilog=f"{_EPILOG}\n"
        "examples:\n"
        "  secftp put notes.txt secftp://host/\n"
        "  secftp put --key-file KEY src docs secftp://joe@host:9000/backup/\n"
        "  pg_dump shop | secftp put - secftp://host/backup/shop.sql\n"
        "  secftp put --update --exclude '*.o' src secftp://host/backup\n"
        f"\n{EVENTS}",
    )
    parser.add_argument(
        "places", nargs="+", metavar="FILE... URL", help="what to send, - for standard input; and where to"
    )
    _add_copying(parser, no_clobber="leave alone what the server has already")
    return parser


def parse_put(arguments: list[str]) -> PutOptions:
    """The options of `secftp put`; raises `UsageError`, and `NameRefused` for a path that is none."""
    values = put_parser().parse(arguments)
    places: list[str] = values.pop("places")
    if len(places) == 1:
        raise UsageError("Something is missing: FILE or URL.", hint="See secftp put --help.")
    connection, (target,) = take_connection(values, places[-1:])
    sources = tuple(local_name(text, "put") for text in places[:-1])
    if STREAM in sources and (len(sources) > 1 or target.trailing_slash):
        raise UsageError(
            "Standard input becomes one file, and needs a name for it.",
            hint="For example secftp put - secftp://host/file.",
        )
    options = PutOptions(connection=connection, sources=sources, target=target, **_take_copying(values))
    if STREAM in sources:
        _refuse_for_streams(options.how)
    return options


def _add_copying(parser: Parser, *, no_clobber: str) -> None:
    add_option(parser, "--include", "GLOB", "copy only files that match; may be repeated", action="append")
    add_option(parser, "--exclude", "GLOB", "leave out files and folders that match; may be repeated", action="append")
    parser.add_argument("-n", "--no-clobber", action="store_true", help=no_clobber)
    parser.add_argument(
        "-u",
        "--update",
        action="store_true",
        help="leave alone what has the same size and time, but for its permissions",
    )
    parser.add_argument("--resume", action="store_true", help="go on with what was broken off, after comparing it")
    add_option(parser, "--retries", "N", "connect again up to N times if the connection is lost, and go on")
    parser.add_argument("--follow", action="store_true", help="follow links; else they are left out, with a note")
    parser.add_argument("--no-preserve", action="store_true", help="keep neither permissions nor times")
    parser.add_argument("--dry-run", action="store_true", help="tell what would be copied, and copy nothing")
    add_option(parser, "--limit", "RATE", "at most RATE bytes a second: 500K, 1.5M, 20KiB, ...")
    add_option(parser, "--progress", "KIND", "auto: a bar on a terminal (the default); json; none")
    add_checksum(parser, CHECKSUMS[0])
    add_connection(parser)
    parser.set_defaults(progress=PROGRESS[0], retries="0", include=[], exclude=[])


def _take_copying(values: dict[str, Any]) -> dict[str, Any]:
    """What `get` and `put` have in common, from what is left of the values."""
    progress = one_of(PROGRESS, values.pop("progress"), "--progress", "Leave it out if in doubt.")
    retries, quiet = _count(values.pop("retries")), values.pop("quiet")
    one_of(CHECKSUMS, values["checksum"], "--checksum", "Leave it out if in doubt.")
    limit = values.pop("limit")
    how = How(
        preserve=not values.pop("no_preserve"),
        overwrite=not values.pop("no_clobber"),
        include=tuple(map(os.fsencode, values.pop("include"))),
        exclude=tuple(map(os.fsencode, values.pop("exclude"))),
        rate=None if limit is None else parse_rate(limit),
        **values,
    )
    return {"how": how, "retries": retries, "progress": progress, "quiet": quiet}


def _refuse_for_streams(how: How, *, no_clobber: bool = False) -> None:
    """Raise `UsageError` for what can only be done with files that have names."""
    given = {
        "--no-clobber": no_clobber,
        "--update": how.update,
        "--resume": how.resume,
        "--dry-run": how.dry_run,
        "--include": bool(how.include),
        "--exclude": bool(how.exclude),
    }
    if any(given.values()):
        option = next(name for name, is_given in given.items() if is_given)
        raise UsageError(f"{option} is about files with names, and - is none.", hint="Leave it out.")


def parse_rate(text: str) -> int:
    """Bytes a second, as `secftp.text.parse_size` reads them. Raises `UsageError`."""
    rate = parse_size(text)
    if rate is None:
        raise UsageError(
            "--limit must be a number of bytes a second, at least 1.",
            hint="For example --limit 500K, --limit 2.5M or --limit 20KiB; MB is none.",
        )
    return rate


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_RETRIES)) and int(text) <= MAX_RETRIES):
        raise UsageError(f"--retries must be a number from 0 to {MAX_RETRIES}.", hint="For example --retries 10.")
    return int(text)
