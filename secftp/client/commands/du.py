"""`secftp du`: the sizes of directories at a server.

Invariant: a size that is not known is printed as unknown, and the command fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secftp.client.failures import Failures
from secftp.client.options import (
    CommandParser,
    ConnectionOptions,
    add_connection_options,
    add_size_options,
    add_urls,
    parse_urls,
)
from secftp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.client.request_progress import RequestProgress
    from secftp.client.terminal import Terminal
    from secftp.client.usage import Usage
    from secftp.session import Session
    from secftp.url import Url

_BLOCK: Final = 1024
_UNITS: Final = (
    ("-b", "--bytes", 1, "bytes"), ("-k", "--kibibytes", _BLOCK, "1024 bytes"), ("-m", "--mebibytes", 1 << 20, "MiB"),
)  # fmt: skip
_UNKNOWN: Final = "unknown"
_DIGITS: Final = 4


class UsageOptions(NamedTuple):
    """What to measure, and how to print it.

    `depth`: of the directories that are printed below each operand, None for all. `base`: of sizes in units, None for
    blocks of `block` bytes.
    """

    connection: ConnectionOptions
    urls: tuple[Url, ...]
    quiet: bool
    json: bool
    files: bool
    total: bool
    depth: int | None
    base: int | None
    block: int


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "du",
        usage="[options] URL...",
        description="Add up the sizes of files in directories on a server, in units of 1024 bytes.",
        epilog="The sizes are those of the files' contents, as with du --apparent-size; a file\n"
        "with several names counts with each of them. A directory in which anything\n"
        "can't be listed is unknown, and so are those above it; the exit code is 1 then.\n"
        "With --json each line is an object: path, kind (file or folder), size in bytes\n"
        "(null if it is unknown), at_least (what was found), files; with -c the last one\n"
        "has total in place of path and kind.\n\n"
        "examples:\n"
        "  secftp du -sh secftp://host/backup\n"
        "  secftp du -hd 1 nas:\n"
        "  secftp du -sc --json nas:'photos/*' | jq .size\n",
        short_help=False,
    )
    add_urls(parser)
    parser.add_argument("-s", "--summarize", action="store_true", help="print the sum of each URL only, as -d 0")
    parser.add_argument("-d", "--max-depth", metavar="N", help="print directories up to N levels below the URL")
    parser.add_argument("-a", "--all", dest="files", action="store_true", help="print files, too")
    parser.add_argument(
        "-l",
        "--count-links",
        "--apparent-size",
        dest="links",
        action="store_true",
        help="as it is always done, see below",
    )
    parser.add_argument("-c", "--total", action="store_true", help="print the sum of all URLs at the end")
    add_size_options(parser)
    for short, name, size, text in _UNITS:
        parser.add_argument(
            short, name, dest="block", action="store_const", const=size, default=_BLOCK, help=f"in units of {text}"
        )
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    add_connection_options(parser)
    return parser


def parse(arguments: list[str]) -> UsageOptions:
    """Return the options; raises `UsageError`."""
    values = parse_urls(parser(), arguments)
    depth = _depth(values)
    del values["links"]
    return UsageOptions(depth=depth, **values)


def _depth(values: dict[str, Any]) -> int | None:
    is_summary, text = values.pop("summarize"), values.pop("max_depth")
    if is_summary and (values["files"] or text not in (None, "0")):
        raise UsageError("-s is mutually exclusive with -a and -d.", hint="It prints one line for each URL.")
    if text is not None and not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise UsageError("--max-depth must be a number, 0 or greater.", hint="For example -d 1.")
    return 0 if is_summary else None if text is None else int(text)


def run(options: UsageOptions, terminal: Terminal) -> None:
    """Measure each URL. Raises what the session and printing raise."""
    from secftp.client.connect import open_session
    from secftp.client.globs import expand
    from secftp.client.usage import Usage
    from secftp.protocol import Kind

    with (
        Failures(terminal.failed, len(options.urls)) as failures,
        terminal.counting("measured", "files", failures) as progress,
        open_session(options.connection, options.urls, terminal, quiet=options.quiet) as session,
    ):
        urls = expand(session, options.urls, whole=True)
        failures.operands = len(urls)
        show = _printer(options, progress)
        total = Usage((), Kind.DIRECTORY, 0, 0)
        for url in urls:
            done = None
            with failures.collected():
                for usage in _usages(session, url, options, failures, progress):
                    done = usage
                    failures.done = True
                    depth = len(usage.path) - len(url.path)
                    if options.depth is None or depth <= options.depth:
                        show(usage)
            total = total._replace(is_known=False) if done is None else total.with_(done)
        if options.total:
            _print_total(total, options, progress)


def _usages(
    session: Session, url: Url, options: UsageOptions, failures: Failures, progress: RequestProgress
) -> Iterator[Usage]:
    """Yield the usage of what is printed, that of the operand last."""
    from secftp.client.connect import stat_and_list
    from secftp.client.usage import Usage, tree_usage
    from secftp.protocol import Kind

    def counted(path: tuple[bytes, ...], files: int, nbytes: int) -> None:
        progress.now(path)
        progress.add(files, nbytes)

    info, listing = stat_and_list(session, url)
    if info.kind is Kind.FILE:
        listing.drop()
        counted(url.path, 1, info.size)
        yield Usage(url.path, info.kind, info.size, 1)
        return
    yield from tree_usage(session, url.path, listing, failures.add, with_files=options.files, counted=counted)


def _printer(options: UsageOptions, progress: RequestProgress) -> Callable[[Usage], None]:
    from secftp.client.terminal import print_output
    from secftp.json_lines import line, name_fields
    from secftp.text import show_path

    def show(usage: Usage) -> None:
        progress.clear()
        if options.json:
            fields = name_fields("path", b"/".join(usage.path)) | {"kind": usage.kind}
            print_output(line(fields | _numbers(usage)))
        else:
            print_output(f"{_size(usage, options)}\t{show_path(usage.path)}\n")

    return show


def _print_total(total: Usage, options: UsageOptions, progress: RequestProgress) -> None:
    from secftp.client.terminal import print_output
    from secftp.json_lines import line

    progress.clear()
    if options.json:
        numbers = _numbers(total)
        print_output(line({"total": numbers.pop("size"), **numbers}))
    else:
        print_output(f"{_size(total, options)}\ttotal\n")


def _numbers(usage: Usage) -> dict[str, int | str | float | None]:
    return {"size": usage.size if usage.is_known else None, "at_least": usage.size, "files": usage.files}


def _size(usage: Usage, options: UsageOptions) -> str:
    from secftp.client.sizes import blocks, human_size

    if not usage.is_known:
        return _UNKNOWN
    return blocks(usage.size, options.block) if options.base is None else human_size(usage.size, options.base)
