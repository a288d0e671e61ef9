"""The command lines of the verbs that look at files at the server or change them there, and of `completion`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.client.common import (
    CHECKSUMS,
    Connection,
    add_checksum,
    add_connection,
    local_name,
    one_of,
    take_connection,
)
from secftp.client.parser import Parser
from secftp.errors import UsageError

if TYPE_CHECKING:
    from secftp.url import Url

SHELLS: Final = ("bash", "zsh", "fish")
SUM_DEFAULT: Final = "sha256"
_URL_HELP: Final = "secftp://[name@]host[:port]/path"


class ListOptions(NamedTuple):
    """What `ls` and `stat` show, and how."""

    connection: Connection
    urls: tuple[Url, ...]
    quiet: bool
    json: bool
    long: bool = False
    recursive: bool = False


class RemoveOptions(NamedTuple):
    """What `rm` removes."""

    connection: Connection
    urls: tuple[Url, ...]
    quiet: bool
    recursive: bool
    force: bool


class MoveOptions(NamedTuple):
    """What `mv` gives another name."""

    connection: Connection
    sources: tuple[Url, ...]
    target: Url
    quiet: bool
    no_clobber: bool


class MakeOptions(NamedTuple):
    """Which folders `mkdir` makes."""

    connection: Connection
    urls: tuple[Url, ...]
    quiet: bool
    parents: bool


class SumOptions(NamedTuple):
    """What `sum` sums up."""

    connection: Connection
    urls: tuple[Url, ...]
    quiet: bool
    checksum: str


class VerifyOptions(NamedTuple):
    """What `verify` compares with what."""

    connection: Connection
    local: str
    url: Url
    quiet: bool
    checksum: str


class CompletionOptions(NamedTuple):
    """For which shell."""

    shell: str


def ls_parser() -> Parser:
    """The command line of `secftp ls`."""
    parser = Parser(
        "ls",
        usage="[options] URL...",
        description="List folders at a server. The name of a folder ends with a slash.",
        epilog="Names are escaped (\\n, \\xNN) where a terminal would obey them. With --json each\n"
        "line is an object: path, kind (file or folder), size, mtime_ns, mtime, mode, and\n"
        "problem where a folder could not be listed or, with null for all else, nothing\n"
        "is known of a name. An mtime alone that is null is before 1677 or after 2262.\n"
        "If a path is not UTF-8, its bytes stand in path_base64, and path has what can\n"
        "be shown of them. On standard error each line is an object, too, with an event:\n"
        "failed (message, exit_code), error (and a hint).\n\n"
        "examples:\n"
        "  secftp ls secftp://host/\n"
        "  secftp ls -l -R --key-file KEY secftp://host/backup\n"
        "  secftp ls -R --json secftp://host/backup | jq 'select(.size > 1e9).path'\n",
    )
    _add_urls(parser)
    parser.add_argument("-l", dest="long", action="store_true", help="with permissions, size and time")
    parser.add_argument("-R", dest="recursive", action="store_true", help="with all that is in the folders")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    add_connection(parser)
    return parser


def parse_ls(arguments: list[str]) -> ListOptions:
    """The options of `secftp ls`; raises `UsageError`."""
    values = ls_parser().parse(arguments)
    connection, urls = take_connection(values, values.pop("urls"))
    return ListOptions(connection, tuple(urls), **values)


def stat_parser() -> Parser:
    """The command line of `secftp stat`."""
    parser = Parser(
        "stat",
        usage="[options] URL...",
        description="Tell what stands under a name at a server.",
        epilog="--json prints the fields of ls --json.\n\n"
        "examples:\n"
        "  secftp stat secftp://host/notes.txt\n"
        "  secftp stat --json secftp://host/notes.txt | jq .size\n",
    )
    _add_urls(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    add_connection(parser)
    return parser


def parse_stat(arguments: list[str]) -> ListOptions:
    """The options of `secftp stat`; raises `UsageError`."""
    values = stat_parser().parse(arguments)
    connection, urls = take_connection(values, values.pop("urls"))
    return ListOptions(connection, tuple(urls), **values)


def rm_parser() -> Parser:
    """The command line of `secftp rm`."""
    parser = Parser(
        "rm",
        usage="[options] URL...",
        description="Remove files at a server; there is no way back.",
        epilog="examples:\n  secftp rm secftp://host/notes.txt\n  secftp rm -r secftp://host/backup/2019\n",
    )
    _add_urls(parser)
    parser.add_argument("-r", "--recursive", action="store_true", help="folders too, with all that is in them")
    parser.add_argument("-f", "--force", action="store_true", help="what is not there is no failure")
    add_connection(parser)
    return parser


def parse_rm(arguments: list[str]) -> RemoveOptions:
    """The options of `secftp rm`; raises `UsageError`."""
    values = rm_parser().parse(arguments)
    connection, urls = take_connection(values, values.pop("urls"))
    if any(not url.path for url in urls):
        raise UsageError("The folder that a server serves can't be removed.", hint="Name what is in it.")
    return RemoveOptions(connection, tuple(urls), **values)


def mv_parser() -> Parser:
    """The command line of `secftp mv`."""
    parser = Parser(
        "mv",
        usage="[options] URL... URL",
        description="Rename files and folders at a server, or move them into a folder there.",
        epilog="The last URL is used as mv does: into a folder that is there, else as that name.\n"
        "A file takes the place of a file; a folder never takes the place of anything.\n\n"
        "examples:\n"
        "  secftp mv secftp://host/notes.txt secftp://host/old.txt\n"
        "  secftp mv secftp://host/a secftp://host/b secftp://host/archive/\n",
    )
    _add_urls(parser, metavar="URL... URL")
    parser.add_argument("-n", "--no-clobber", action="store_true", help="refuse if the new name is taken")
    add_connection(parser)
    return parser


def parse_mv(arguments: list[str]) -> MoveOptions:
    """The options of `secftp mv`; raises `UsageError`."""
    values = mv_parser().parse(arguments)
    connection, (*sources, target) = take_connection(values, values.pop("urls"))
    if not sources:
        raise UsageError("Something is missing: where to move it.", hint="See secftp mv --help.")
    if any(not url.path for url in sources):
        raise UsageError("The folder that a server serves can't be moved.", hint="Name what is in it.")
    return MoveOptions(connection, tuple(sources), target, **values)


def mkdir_parser() -> Parser:
    """The command line of `secftp mkdir`."""
    parser = Parser(
        "mkdir",
        usage="[options] URL...",
        description="Make folders at a server.",
        epilog="examples:\n  secftp mkdir secftp://host/backup\n  secftp mkdir -p secftp://host/backup/2026/july\n",
    )
    _add_urls(parser)
    parser.add_argument(
        "-p", "--parents", action="store_true", help="make what is missing above; one that is there is fine"
    )
    add_connection(parser)
    return parser


def parse_mkdir(arguments: list[str]) -> MakeOptions:
    """The options of `secftp mkdir`; raises `UsageError`."""
    values = mkdir_parser().parse(arguments)
    connection, urls = take_connection(values, values.pop("urls"))
    return MakeOptions(connection, tuple(urls), **values)


def sum_parser() -> Parser:
    """The command line of `secftp sum`."""
    parser = Parser(
        "sum",
        usage="[options] URL...",
        description="Print checksums that the server computes, in the format of sha256sum.",
        epilog="For a folder these are those of all files in it. Names begin with the last part\n"
        "of the URL, so that sha256sum -c finds what secftp get has fetched.\n\n"
        "examples:\n"
        "  secftp sum secftp://host/data.tar\n"
        "  secftp sum secftp://host/backup/data | sha256sum -c\n",
    )
    _add_urls(parser)
    add_checksum(parser, SUM_DEFAULT)
    add_connection(parser)
    return parser


def parse_sum(arguments: list[str]) -> SumOptions:
    """The options of `secftp sum`; raises `UsageError`."""
    values = sum_parser().parse(arguments)
    connection, urls = take_connection(values, values.pop("urls"))
    one_of(CHECKSUMS, values["checksum"], "--checksum", "Leave it out if in doubt.")
    return SumOptions(connection, tuple(urls), **values)


def verify_parser() -> Parser:
    """The command line of `secftp verify`."""
    parser = Parser(
        "verify",
        usage="[options] LOCAL URL",
        description="Compare a file or a folder here with one at a server.",
        epilog="What differs is listed on standard output, a line each, and the exit code is 1.\n"
        "Contents are compared by checksums that each side computes by itself.\n\n"
        "examples:\n"
        "  secftp verify data.tar secftp://host/data.tar\n"
        "  secftp verify data secftp://host/backup/data && rm -r data\n",
    )
    parser.add_argument("local", metavar="LOCAL", help="a file or a folder of this machine's")
    parser.add_argument("url", metavar="URL", help=_URL_HELP)
    add_checksum(parser, CHECKSUMS[0])
    add_connection(parser)
    return parser


def parse_verify(arguments: list[str]) -> VerifyOptions:
    """The options of `secftp verify`; raises `UsageError`."""
    values = verify_parser().parse(arguments)
    connection, (url,) = take_connection(values, [values.pop("url")])
    local = local_name(values.pop("local"), "verify")
    one_of(CHECKSUMS, values["checksum"], "--checksum", "Leave it out if in doubt.")
    return VerifyOptions(connection, local, url, **values)


def completion_parser() -> Parser:
    """The command line of `secftp completion`."""
    parser = Parser(
        "completion",
        usage=f"{'|'.join(SHELLS)}",
        description="Print a script that lets a shell complete commands and options.",
        epilog="examples:\n"
        '  eval "$(secftp completion bash)"      (in ~/.bashrc)\n'
        '  eval "$(secftp completion zsh)"       (in ~/.zshrc, after compinit)\n'
        "  secftp completion fish > ~/.config/fish/completions/secftp.fish\n",
    )
    parser.add_argument("shell", metavar="SHELL", help=f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}")
    return parser


def parse_completion(arguments: list[str]) -> CompletionOptions:
    """The options of `secftp completion`; raises `UsageError`."""
    values = completion_parser().parse(arguments)
    return CompletionOptions(one_of(SHELLS, values["shell"], "The shell", "For example secftp completion bash."))


def _add_urls(parser: Parser, metavar: str = "URL") -> None:
    parser.add_argument("urls", nargs="+", metavar=metavar, help=_URL_HELP)
