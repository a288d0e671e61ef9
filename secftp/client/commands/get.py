"""`secftp get`: download files and directories."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from secftp.client.copy_options import (
    EVENTS,
    PATTERNS,
    STREAM,
    TARGETS,
    CopySettings,
    add_copy_options,
    add_exact_option,
    require_one_source,
    take_copy_options,
    with_suffixes,
)
from secftp.client.name_list import NameList, add_list_options, take_list
from secftp.client.options import CommandParser, local_name, take_connection
from secftp.errors import UsageError
from secftp.url import is_remote, is_url

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal
    from secftp.url import Url


class GetOptions(NamedTuple):
    """What to download, and the target: a local name, or `-` for standard output."""

    sources: tuple[Url, ...]
    target: str
    settings: CopySettings
    is_exact: bool = False
    names: NameList | None = None


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "get",
        usage="[options] URL... [TARGET]",
        description="Download files and directories. The default TARGET is the current directory.",
        epilog=f"{TARGETS}\n{PATTERNS}\n"
        "examples:\n"
        "  secftp get secftp://host/notes.txt\n"
        "  secftp get secftp://host/backup/data secftp://host/plan.pdf copies/\n"
        "  secftp get secftp://host/data.tar - | tar x\n"
        "  secftp get --resume --retries 20 secftp://host/huge.img /tmp/\n"
        f"\n{EVENTS}",
    )
    parser.add_argument(
        "operands", nargs="+", metavar="URL... [TARGET]", help="what to download; a local name, or - at the end"
    )
    add_exact_option(parser)
    add_list_options(parser)
    add_copy_options(parser)
    return parser


def parse(arguments: list[str]) -> GetOptions:
    """Return the options; raises `UsageError`, and `NameRefused` for an invalid path."""
    values = parser().parse(with_suffixes(arguments))
    operands: list[str] = values.pop("operands")
    target = os.curdir
    if len(operands) > 1 and (not is_remote(operands[-1]) or _is_local_target(operands[-1])):
        target = local_name(operands.pop(), "get")
    connection, urls = take_connection(values, operands)
    if target == STREAM and len(urls) > 1:
        raise UsageError("Only one file can go to standard output.", hint="Name one file, or a directory for all.")
    settings = take_copy_options(values, connection, is_stream=target == STREAM, overwrites=target != STREAM)
    names = take_list(values, urls)
    if names is not None and target == STREAM:
        raise UsageError("With --files-from the target is a directory.", hint="For example --files-from LIST URL .")
    if values["is_exact"]:
        require_one_source(urls)
    return GetOptions(urls, target, settings, values["is_exact"], names)


def _is_local_target(text: str) -> bool:
    """Return whether the last word, which may be a target or a source, is a target although it looks like `host:path`.

    It is if a file has that name: that is what it would be without the other meaning.
    """
    return not is_url(text) and os.path.lexists(text)


def run(options: GetOptions, terminal: Terminal) -> None:
    """Download. Raises what `Session.open`, `Download.run` and `choose_key` raise, and `PartialFailure`."""
    from secftp.client import copying

    settings = options.settings
    copying.prepare(settings, options.sources, terminal)
    if options.target == STREAM:
        from secftp.client.streams import get_stream

        get_stream(options.sources[0], settings, terminal)
        return
    from secftp.transfer import Download

    report = copying.make_report(
        settings, terminal, "Would fetch" if settings.copy.dry_run else "Fetched", len(options.sources)
    )
    if options.names is not None:
        from secftp.client.name_list import read_names
        from secftp.transfer.listed import ListedDownload

        names = read_names(options.names)
        listed = ListedDownload(options.sources[0].path, names, options.target, settings.copy, report)
        copying.run_copy(settings, listed, report, terminal, sends=False)
        return
    sources = list(map(copying.location, options.sources))
    download = Download(sources, options.target, settings.copy, report)
    download.is_exact = options.is_exact
    run = copying.after_patterns(options.sources, download.use_sources, report, download.run)
    copying.run_copy(settings, download, report, terminal, sends=False, run=run)
