"""`secftp cp`: copy files and directories within a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from secftp.client.copy_options import CopySettings, add_run_options, take_settings
from secftp.client.options import (
    CommandParser,
    add_connection_options,
    add_no_overwrite_option,
    add_urls,
    parse_urls,
)
from secftp.command_line import add_option
from secftp.errors import UsageError
from secftp.transfer.options import CopyOptions

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal
    from secftp.url import Url


class CopyWithinOptions(NamedTuple):
    """What to copy, and where to."""

    sources: tuple[Url, ...]
    target: Url
    recursive: bool
    settings: CopySettings


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "cp",
        usage="[options] URL... URL",
        description="Copy files and directories within a server, which copies them by itself.",
        epilog="The last URL is used as cp does: an existing directory receives the files,\n"
        "anything else is the new name; a slash at its end stands for a directory, which\n"
        "is created if it is missing. Permissions and modification times are preserved.\n\n"
        "examples:\n"
        "  secftp cp secftp://host/notes.txt secftp://host/notes.bak\n"
        "  secftp cp -r secftp://host/site secftp://host/site-2026\n"
        "  secftp cp secftp://host/a secftp://host/b secftp://host/archive/\n\n"
        "The events of --progress json are those of get and put.\n",
    )
    add_urls(parser, metavar="URL... URL")
    add_option(
        parser,
        "-r",
        "-a",
        "--recursive",
        aliases=("-R", "--archive"),
        action="store_true",
        help="copy directories and their contents, too",
    )
    add_option(
        parser,
        "-p",
        "-f",
        aliases=("--preserve", "--force"),
        dest="usual",
        action="store_true",
        help="as in cp: permissions and times are preserved, and files replaced, anyway",
    )
    parser.without_port = "p"
    add_no_overwrite_option(parser, "skip files that already exist")
    add_run_options(parser, "reconnect up to N times if the connection is lost, and go on")
    add_connection_options(parser)
    return parser


def parse(arguments: list[str]) -> CopyWithinOptions:
    """Return the options; raises `UsageError`."""
    values = parse_urls(parser(), arguments)
    *sources, target = values["urls"]
    if not sources:
        raise UsageError("Required arguments are missing: the target.", hint="See secftp cp --help.")
    settings = take_settings(values, values["connection"], CopyOptions(overwrite=not values["no_overwrite"]))
    return CopyWithinOptions(tuple(sources), target, values["recursive"], settings)


def run(options: CopyWithinOptions, terminal: Terminal) -> None:
    """Copy. Raises what the session, `RemoteCopy.run` and `choose_key` raise, and `PartialFailure`."""
    from secftp.client import copying
    from secftp.transfer.copy_plan import CopyLikeCp
    from secftp.transfer.remote_copy import RemoteCopy

    settings = options.settings
    copying.prepare(settings, (*options.sources, options.target), terminal)
    report = copying.make_report(settings, terminal, "Copied", len(options.sources))
    sources = [copying.location(url) for url in options.sources]
    plan = CopyLikeCp(sources, copying.location(options.target), recursive=options.recursive)
    copy = RemoteCopy(plan, settings.copy, report)
    run = copying.after_patterns(options.sources, plan.use_sources, report, copy.run)
    copying.run_remote_copy(settings, run, report, terminal)
