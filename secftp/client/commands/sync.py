"""`secftp sync`: make a directory what another one is, one of them here and one at a server."""

from __future__ import annotations

import argparse
import contextlib
import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secftp.client.copy_options import CopySettings, add_fields, add_run_options, copy_options, take_settings
from secftp.client.options import (
    CHECKSUMS,
    CommandParser,
    add_congestion_option,
    add_connection_options,
    checked_checksum,
    local_name,
    take_connection,
)
from secftp.errors import UsageError
from secftp.url import is_remote

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal
    from secftp.url import Url

_FIELDS: Final = (
    "include", "exclude", "resume", "follow_symlinks", "limit_rate", "streams", "compress", "compress_level",
    "sparse",
)  # fmt: skip
_FOR_DELETIONS: Final = {"max_delete": "--max-delete", "trash_days": "--trash-days", "no_trash": "--no-trash"}
DEFAULT_DAYS: Final = 30
_MOST_DIGITS: Final = 9
_KINDS: Final = [[kind] for kind in CHECKSUMS]
_CONTENTS: Final = ("", ".", "..")


class SyncCommand(NamedTuple):
    """What to sync: `local` is the directory here, `url` the one at the server; `sends`: the source is here.

    `name`: that of the source. `max_delete`: a number, and whether it is a percentage; None for the default.
    """

    local: str
    url: Url
    sends: bool
    name: bytes
    settings: CopySettings
    delete: bool
    contents: bool
    trash: bool
    trash_days: int
    max_delete: tuple[int, bool] | None
    json: bool
    watch: bool


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "sync",
        usage="[options] SRC DST",
        description="Make the directory DST what SRC is; one of them is here, one on a server.",
        epilog="SRC/ with a slash at its end stands for its contents, SRC for the directory\n"
        "itself, which is made in DST: as rsync does. Files are the same if their size\n"
        "and time are; a newer file in DST is never replaced without --force.\n\n"
        "Nothing is deleted without --delete, nor after a failure; what is excluded\n"
        "stays. What is deleted is moved to DST/.trash-secftp/TIME/, where it can be\n"
        "taken from. With --delete the exit code is 17, and nothing is changed, if SRC\n"
        "has no files, or if that would be more than 100 files which are also more than\n"
        "25 % of those in DST; --max-delete allows more, or fewer.\n\n"
        "A dry run prints the plan, and so does -v; with --json each line is an object:\n"
        "action (mkdir, copy, replace, rename, attributes, delete, rmdir, empty, skip),\n"
        "path; size, mtime_ns, from, reason (newer, kind, case, other, kept, unknown);\n"
        "the last one is the summary. --progress json writes the events of get and put,\n"
        "and deleted (trash), renamed (from), changed (text), not_deleted (files);\n"
        "--watch adds pass (a summary of each) and watch (text).\n\n"
        "examples:\n"
        "  secftp sync photos/ secftp://host/photos/\n"
        "  secftp sync --delete --dry-run site/ secftp://host/www/\n"
        "  secftp sync --delete --exclude '*.tmp' secftp://host/data/ data/\n"
        "  secftp sync --watch site/ secftp://host/www/\n",
    )
    parser.add_argument("source", metavar="SRC", help="the source: a directory here, or a URL")
    parser.add_argument("target", metavar="DST", help="the target: a URL, or a directory here")
    parser.add_argument("--delete", action="store_true", help="delete what SRC does not have")
    parser.add_argument("-n", "--dry-run", action="store_true", help="print the plan, and change nothing")
    parser.add_argument("--json", action="store_true", help="print the plan, one JSON object per line")
    parser.add_argument(
        "-c", dest="contents", action="store_true", help="compare contents by checksums, not size and time"
    )
    parser.add_argument(
        "--checksum",
        metavar="KIND",
        help=f"the same, by KIND: {', '.join(CHECKSUMS)}; KIND may be left out",
    )
    parser.add_argument(
        "--max-delete", metavar="N", help="delete up to N files, or N%% of those in DST; if there are more, none"
    )
    parser.add_argument("--no-trash", action="store_true", help="delete at once, instead of moving to the trash")
    parser.add_argument(
        "--trash-days", metavar="N", help=f"empty the trash of what is older than N days (default: {DEFAULT_DAYS})"
    )
    parser.add_argument(
        "--watch", action="store_true", help="go on with what changes in SRC, until Ctrl-C; SRC has to be here"
    )
    parser.add_argument("-f", "--force", action="store_true", help="replace files in DST that are newer, too")
    add_fields(parser, _FIELDS)
    for flags in (("-r", "--recursive"), ("-a", "--archive"), ("-p",), ("-t",), ("-u", "--update")):
        parser.add_argument(*flags, action="store_true", dest="is_default", help=argparse.SUPPRESS)
    add_run_options(parser, "reconnect up to N times if the connection is lost, and go on")
    add_congestion_option(parser)
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="print the plan, and what the connections were like"
    )
    add_connection_options(parser)
    return parser


def parse(arguments: list[str]) -> SyncCommand:
    """Return the options; raises `UsageError`, and `NameRefused` for an invalid path."""
    values = parser().parse(_with_short_checksum(arguments))
    source, target = values.pop("source"), values.pop("target")
    sends = _is_sent(source, target)
    connection, (url,) = take_connection(values, [target if sends else source])
    local = local_name(source if sends else target, "sync")
    name = _name_of(source) if sends else ("" if url.trailing_slash else os.fsdecode(url.path[-1]))
    if name and sends:
        url = url._replace(path=(*url.path, os.fsencode(name)), trailing_slash=True)
    elif name:
        local = os.path.join(local, name)
    checksum = checked_checksum(values["checksum"] or CHECKSUMS[0])
    copy = copy_options(values, _FIELDS)._replace(dry_run=values["dry_run"], checksum=checksum, force=values["force"])
    settings = take_settings(values, connection._replace(congestion=values["congestion"]), copy)
    if not values["delete"]:
        _refuse(values)
    if values["watch"]:
        _check_watch(sends=sends, dry_run=values["dry_run"])
    return SyncCommand(
        local,
        url,
        sends,
        os.fsencode(os.path.basename(source.rstrip("/"))) if sends else b"".join(url.path[-1:]),
        settings,
        values["delete"],
        values["contents"] or values["checksum"] is not None,
        not values["no_trash"],
        _days(values["trash_days"]),
        _limit(values["max_delete"]),
        values["json"],
        values["watch"],
    )


def _with_short_checksum(arguments: list[str]) -> list[str]:
    """Return the arguments with -c for each --checksum that no kind of checksum follows: so rsync has it."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [
        "-c" if word == "--checksum" and place < end and arguments[place + 1 : place + 2] not in _KINDS else word
        for place, word in enumerate(arguments)
    ]


def _is_sent(source: str, target: str) -> bool:
    """Return whether the source is here. Raises `UsageError` unless exactly one of both is."""
    sends = not is_remote(source)
    if sends == (not is_remote(target)):
        if sends:
            raise UsageError("SRC and DST are both on this machine.", hint="One of them has to be a URL.")
        raise UsageError(
            "SRC and DST are both on a server.", hint="One of them has to be here; cp -r copies within a server."
        )
    return sends


def _name_of(source: str) -> str:
    """Return the last name of a source, empty for one that stands for its contents."""
    name = os.path.basename(source)
    return "" if name in _CONTENTS else name


def _refuse(values: dict[str, Any]) -> None:
    """Raise `UsageError` for an option about deletions."""
    for name, flag in _FOR_DELETIONS.items():
        if values[name]:
            raise UsageError(f"{flag} is about deletions, which need --delete.", hint="Add --delete, or leave it out.")


def _check_watch(*, sends: bool, dry_run: bool) -> None:
    """Raise `UsageError` for what can't be watched."""
    if not sends:
        raise UsageError(
            "--watch needs a source on this machine: a server does not tell what changes.",
            hint="Run it where SRC is, or repeat the sync, for example with a timer.",
        )
    if dry_run:
        raise UsageError("--watch can't be used with --dry-run.", hint="Leave one of them out.")


def _days(text: str | None) -> int:
    if text is None:
        return DEFAULT_DAYS
    if not _is_number(text):
        raise UsageError("--trash-days must be a number of days.", hint="For example --trash-days 7.")
    return int(text)


def _limit(text: str | None) -> tuple[int, bool] | None:
    if text is None:
        return None
    number, percent = text.removesuffix("%"), text.endswith("%")
    if not _is_number(number) or (percent and int(number) > 100):  # noqa: PLR2004
        raise UsageError(
            "--max-delete must be a number of files, or of percent from 0% to 100%.",
            hint="For example --max-delete 500 or --max-delete 30%.",
        )
    return int(number), percent


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def run(options: SyncCommand, terminal: Terminal) -> None:
    """Sync. Raises what `Sync.run` and `choose_key` raise, and `PartialFailure`; see `Watch.run` for --watch."""
    from secftp.client import copying
    from secftp.client.connect import Connector
    from secftp.client.sync_report import BarSync, JsonSync, PlanOutput, TextSync
    from secftp.sync.directions import Pulling, Pushing
    from secftp.sync.guards import MaxDelete
    from secftp.sync.listing import FilteredSelection
    from secftp.sync.run import Sync, SyncOptions
    from secftp.transfer.filters import Filters

    settings = options.settings
    copying.prepare(settings, [options.url], terminal)
    copy = settings.copy
    filters = Filters(copy.include, copy.exclude)
    selection = FilteredSelection(filters, options.name)

    def new_report() -> TextSync | JsonSync:
        kind = BarSync if settings.progress == "auto" and terminal.shows_bars else TextSync
        report = JsonSync(terminal, copy) if settings.progress == "json" else kind(terminal, copy, "Copied")
        if options.json or copy.dry_run or settings.verbose:
            report.output = PlanOutput(terminal, as_json=options.json)
        report.as_json = options.json
        return report

    how = SyncOptions(
        copy,
        delete=options.delete,
        contents=options.contents,
        force=copy.force,
        trash=options.trash,
        trash_days=options.trash_days,
        max_delete=None if options.max_delete is None else MaxDelete(*options.max_delete),
    )
    if options.watch:
        from secftp.client.watching import Watch, Watched

        connector = Connector.choose(settings.connection, terminal.waiting)
        Watch(Watched(options.local, options.url.path, selection, how, new_report), connector, terminal).run()
    report = new_report()
    report.filters = filters
    with contextlib.closing((Pushing if options.sends else Pulling)(options.local, options.url.path)) as direction:
        sync = Sync(direction, selection, how, report)
        copying.run_copy(settings, sync, report, terminal, sends=options.sends, to_resume=["--resume"])
