"""`secftp verify`: compare a local file or directory with one at a server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from secftp.client.copy_options import parse_shard
from secftp.client.failures import Failures
from secftp.client.options import (
    CHECKSUMS,
    REQUEST_EVENTS,
    URL_HELP,
    CommandParser,
    ConnectionOptions,
    add_checksum_option,
    add_connection_options,
    checked_checksum,
    local_name,
    take_connection,
)
from secftp.errors import ExitCode
from secftp.transfer.options import Shard, check_results

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal
    from secftp.transfer.results import Results
    from secftp.url import Url


class VerifyOptions(NamedTuple):
    """What to compare."""

    connection: ConnectionOptions
    local: str
    url: Url
    quiet: bool
    checksum: str
    shard: Shard | None = None
    results: str | None = None


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "verify",
        usage="[options] LOCAL URL",
        description="Compare a local file or directory with one on a server.",
        epilog="Differences are listed on standard output, one per line, and the exit code is 1.\n"
        "Contents are compared by checksums, which each side computes for itself.\n\n"
        "examples:\n"
        "  secftp verify data.tar secftp://host/data.tar\n"
        "  secftp verify data secftp://host/backup/data && rm -r data\n"
        f"\n{REQUEST_EVENTS}",
    )
    parser.add_argument("local", metavar="LOCAL", help="a local file or directory")
    parser.add_argument("url", metavar="URL", help=URL_HELP)
    add_checksum_option(parser, CHECKSUMS[0])
    parser.add_argument(
        "--shard", metavar="I/N", help="compare only shard I of N: the shards 1/N to N/N have each file once"
    )
    parser.add_argument("--results", metavar="FILE", help="append a line of JSON for each file to FILE")
    add_connection_options(parser)
    return parser


def parse(arguments: list[str]) -> VerifyOptions:
    """Return the options; raises `UsageError`."""
    values = parser().parse(arguments)
    connection, (url,) = take_connection(values, [values["url"]])
    local = local_name(values["local"], "verify")
    return VerifyOptions(
        connection,
        local,
        url,
        values["quiet"],
        checked_checksum(values["checksum"]),
        None if values["shard"] is None else parse_shard(values["shard"]),
        None if values["results"] is None else check_results(values["results"]),
    )


def run(options: VerifyOptions, terminal: Terminal) -> int:
    """Compare, print the differences, return the exit code. Raises what the session, storage and printing raise."""
    from secftp.client.comparison import Comparison, open_local
    from secftp.client.connect import open_session
    from secftp.client.globs import expand_one

    with (
        _results(options) as results,
        open_local(options.local) as local,
        Failures(terminal.failed) as failures,
        open_session(options.connection, [options.url], terminal, quiet=options.quiet) as session,
        terminal.counting("compared", "files", failures) as progress,
    ):
        url = expand_one(session, options.url)
        progress.now()
        comparison = Comparison(session, url, local, options.checksum, failures, progress)
        if results is not None:
            comparison.results = results
        if options.shard is not None:
            from secftp.transfer.shards import membership

            comparison.is_in_shard = membership(options.shard)
        comparison.run()
        failures.done = comparison.found > 0
        terminal.counts = {"differences": comparison.differences}
        terminal.say(comparison.conclusion(failures.count))
        if sentence := comparison.others.sentence("left out, here or on the server"):
            terminal.note(sentence)
    return ExitCode.FAILED if comparison.differences else ExitCode.OK


def _results(options: VerifyOptions) -> contextlib.AbstractContextManager[Results | None]:
    """Return a context manager with the file of results, if there is to be one. Raises `FileError`."""
    if options.results is None:
        return contextlib.nullcontext()
    from secftp.transfer.results import Results

    return contextlib.closing(Results(options.results, options.checksum))
