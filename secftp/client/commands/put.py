"""`secftp put`: upload files and directories."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal
    from secftp.url import Url


class PutOptions(NamedTuple):
    """What to upload, `-` for standard input, and the target."""

    sources: tuple[str, ...]
    target: Url
    settings: CopySettings
    is_exact: bool = False
    names: NameList | None = None


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "put",
        usage="[options] FILE... URL",
        description="Upload files and directories to a server.",
        epilog=f"{TARGETS}\n{PATTERNS}\n"
        "examples:\n"
        "  secftp put notes.txt secftp://host/\n"
        "  secftp put --key-file KEY src docs secftp://joe@host:9000/backup/\n"
        "  pg_dump shop | secftp put - secftp://host/backup/shop.sql\n"
        "  secftp put --update --exclude '*.o' src secftp://host/backup\n"
        f"\n{EVENTS}",
    )
    parser.add_argument(
        "operands", nargs="+", metavar="FILE... URL", help="what to upload, - for standard input; the target"
    )
    add_exact_option(parser)
    add_list_options(parser)
    add_copy_options(parser)
    return parser


def parse(arguments: list[str]) -> PutOptions:
    """Return the options; raises `UsageError`, and `NameRefused` for an invalid path."""
    values = parser().parse(with_suffixes(arguments))
    operands: list[str] = values.pop("operands")
    if len(operands) == 1:
        raise UsageError("Required arguments are missing: FILE or URL.", hint="See secftp put --help.")
    connection, (target,) = take_connection(values, operands[-1:])
    sources = tuple(local_name(text, "put") for text in operands[:-1])
    is_stream = STREAM in sources
    if is_stream and (len(sources) > 1 or target.trailing_slash):
        raise UsageError(
            "Standard input is uploaded as one file, which needs a name.",
            hint="For example secftp put - secftp://host/file.",
        )
    names = take_list(values, sources)
    if names is not None and is_stream:
        raise UsageError("With --files-from the source is a directory.", hint="For example --files-from - . URL")
    if values["is_exact"]:
        require_one_source(sources)
    settings = take_copy_options(values, connection, is_stream=is_stream)
    return PutOptions(sources, target, settings, values["is_exact"], names)


def run(options: PutOptions, terminal: Terminal) -> None:
    """Upload. Raises what `Session.open`, `Upload.run` and `choose_key` raise, and `PartialFailure`."""
    from secftp.client import copying

    settings = options.settings
    copying.prepare(settings, [options.target], terminal)
    if STREAM in options.sources:
        from secftp.client.streams import put_stream

        put_stream(options.target, settings, terminal)
        return
    from secftp.transfer import Upload

    report = copying.make_report(
        settings, terminal, "Would send" if settings.copy.dry_run else "Sent", len(options.sources)
    )
    target = copying.location(options.target)
    if options.names is None:
        upload = Upload(options.sources, target, settings.copy, report)
        upload.is_exact = options.is_exact
    else:
        from secftp.client.name_list import read_names
        from secftp.transfer.listed import ListedUpload

        names = read_names(options.names)
        upload = ListedUpload(options.sources[0], names, target.path, settings.copy, report)
    copying.run_copy(settings, upload, report, terminal, sends=True)
