"""The argument parser of the commands, and the options that several of them share.

Parsing examines the text, and whether a file has a name like `host:path`: no machine, no network, and no module of the
layers below, so that help and usage errors do not load the core. Named tuples and not dataclasses, since `secftp`
starts anew for each small file.

A key may be given on the command line, and if another argument is missing, it moves to that one's position. So no
message repeats an argument; messages name only options that exist.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from secftp.client.terminal import print_output
from secftp.command_line import StrictParser, add_option, closest, shown_options
from secftp.errors import UsageError
from secftp.text import from_locale, parse_seconds
from secftp.url import is_remote, is_url, parse_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.hosts.config import Config, Host, KeySource
    from secftp.url import Endpoint, Url

HELP_COLUMNS: Final = 80
URL_HELP: Final = "secftp://[name@]host[:port]/path, or host:path"
PROGRESS: Final = ("auto", "json", "none")
WHEN: Final = ("auto", "always", "never")  # of --color
# Of commands that make many requests; the copies have more events.
REQUEST_EVENTS: Final = """\
With --progress json each line on standard error is an object with an event:
progress (at most twice a second), failed, and at the end ended or error.
"""
CIPHERS: Final = ("none", "aes128", "aes256")
CHECKSUMS: Final = ("xxh128", "sha256", "blake3", "md5")
DEFAULT_CIPHER: Final = "aes256"
DEFAULT_TIMEOUT: Final = "60"
# A transfer that is shorter gets no hint about its line, and its connections are not asked about it.
SLOW_SECONDS: Final = 10.0
_DESCRIPTOR_DIGITS: Final = 7
_OUTPUTS: Final = (1, 2)  # descriptors
USE_DEFAULT: Final = "Leave it out to use the default."

# All options of all commands that take a value: the search for the command must not take a value for it.
VALUED: Final = frozenset(
    (
        "-i", "--input", "-o", "--output", "--checksum", "--file", "--key-file", "--name", "--timeout", "--cipher",
        "--include", "--exclude", "--limit-rate", "--limit", "--bwlimit", "--bandwidth", "--retries", "--progress",
        "--congestion", "--streams", "--compress-level", "--log", "--key-fd", "--key-command", "--connect-timeout",
        "--times", "--for", "--port", "--host", "--max-delete", "--trash-days", "--count", "--keyring", "--files-from",
        "--max-depth", "--backup-suffix", "--shard", "--results",
    )
)  # fmt: skip


class CommandParser(StrictParser):
    """The parser of one command; `usage` is its usage line without the program and the command.

    It has the options that every command has, and takes their values, which `commands.run` uses, out of the others;
    `keeps_progress`: except that of --progress. `short_help`: whether -h is --help.
    """

    def __init__(self, command: str, *, usage: str, description: str, epilog: str, short_help: bool = True) -> None:
        super().__init__(
            prog=f"secftp {command}",
            usage=f"secftp {command} {usage}",  # argparse would compute it anew for each intermixed parse
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=_formatter,
            add_help=short_help,
        )
        if not short_help:
            self.add_argument("--help", action="help", help="show this help message and exit")
        self.keeps_progress = False
        self.without_port = ""  # options without a value that have one elsewhere: a port
        reports = self.add_argument_group("reports")
        reports.add_argument(
            "--progress",
            metavar="KIND",
            default=PROGRESS[0],
            help="auto (the default; a bar on a terminal), json or none",
        )
        reports.add_argument("--log", metavar="FILE", help="append a line with the result to FILE, as for cron jobs")

    def parse(self, arguments: list[str]) -> dict[str, Any]:
        """Return the values by destination, without those of the options that every command has."""
        self._refuse_foreign(arguments)
        values = super().parse(arguments)
        progress = one_of(PROGRESS, values.pop("progress"), "--progress", USE_DEFAULT)
        values.pop("log")
        values.pop("usual", None)  # options that ask for what is done anyway
        return values | {"progress": progress} if self.keeps_progress else values

    def print_help(self, _file: object = None) -> None:
        """Print the help to standard output; a failure is reported like any other."""
        print_output(self.format_help())

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting. `message` may repeat an argument after its first colon, so that part is dropped."""
        subject, _, problem = message.partition(": ")
        if subject == "the following arguments are required":
            sentence = f"Required arguments are missing: {problem}."
        elif subject.startswith("argument "):
            option = subject.removeprefix("argument ")
            is_missing = problem.startswith("expected")
            sentence = f"{option} requires a value." if is_missing else f"{option} does not take a value."
        else:
            sentence = "The arguments are invalid."
        raise UsageError(sentence, hint=self._see_help())

    def surplus(self, arguments: list[str]) -> NoReturn:
        """Raise for unknown options and excess arguments; one may be a part of a key that contains a space."""
        options = [argument for argument in arguments if argument.startswith("-")]
        if not options:
            raise UsageError("Too many arguments.", hint=f"Quote arguments that contain spaces. {self._see_help()}")
        verb = self.prog.rpartition(" ")[2]
        from secftp.client.foreign import help_for

        unknown = self._unknown(options[0])
        hints = [help_for(verb, option) for option in unknown]
        if all(hints):  # else it may be a key, of which nothing is repeated
            raise UsageError(f"secftp {verb} has no option {unknown[0].partition('=')[0]}.", hint=hints[0])
        known = [flag for action in shown_options(self) for flag in action.option_strings]
        similar = closest(options[0].partition("=")[0], known)
        if similar:
            raise UsageError("Unknown option.", hint=f"Did you mean {similar}? {self._see_help()}")
        raise UsageError(
            "Unknown option.",
            hint=f"Put a name or a key that begins with a hyphen after all options and --. {self._see_help()}",
        )

    def _unknown(self, argument: str) -> list[str]:
        """Return the options of a group `-xyz` that do not exist, or the argument itself."""
        if argument.startswith("--"):
            return [argument]
        letters = (f"-{letter}" for letter in argument[1:])
        return [letter for letter in letters if letter not in self._option_string_actions] or [argument]

    def _refuse_foreign(self, arguments: list[str]) -> None:
        """Raise for options of others that argparse would take for something else: `-4`, and `-P 2222` as of scp."""
        words = arguments[: arguments.index("--")] if "--" in arguments else arguments
        for word, following in zip(words, [*words[1:], ""], strict=False):
            if word[:1] != "-" or word[:2] == "--":
                continue
            if len(word) == 2 and word[1].isdigit() and word not in self._option_string_actions:  # noqa: PLR2004
                self.surplus([word])
            bare = word.rstrip("0123456789")
            if bare[-1] in self.without_port and (bare != word or _is_number(following)):
                raise UsageError(
                    "The port of a server belongs in the URL.",
                    hint="For example secftp://host:2222/path; a file with a number as its name is written ./2222.",
                )

    def _see_help(self) -> str:
        return f"See {self.prog} --help."


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit()


def _formatter(prog: str) -> argparse.HelpFormatter:
    # argparse creates one for every argument that is added. Without a width each would ask for the terminal's, through
    # shutil and the compression libraries that it imports.
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=HELP_COLUMNS)


class ConnectionOptions(NamedTuple):
    """The server, how to talk to it, and where the key comes from.

    `key` is one that was given on the command line, as `key_file`, `key_fd` and `key_command`, at most one of them;
    `configured_key` is where the user's file of hosts says that the key is. `congestion` is the name of a congestion
    control. `connect_timeout`: in seconds, until there is a connection; None: `timeout`. `other_hosts`: the names in
    the file of hosts, if none of them was given; the server's may be one of them, mistyped.
    """

    endpoint: Endpoint
    cipher: str
    key_file: str | None
    anonymous: bool
    timeout: float
    key: str | None = None
    congestion: str | None = None
    key_fd: int | None = None
    key_command: tuple[str, ...] | None = None
    configured_key: KeySource | None = None
    connect_timeout: float | None = None
    other_hosts: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "<connection options>"  # without the key


def add_key_options(parser: CommandParser) -> None:
    """Add the options about the key, and how long to wait."""
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        help="read the key from FILE, which may be a pipe (default: from SECFTP_KEY, SECFTP_KEY_FILE, or the file of "
        "hosts; else prompt for it)",
    )
    parser.add_argument("--key-fd", metavar="N", help="read the key from the open descriptor N, for example a pipe")
    parser.add_argument(
        "--key-command", metavar="COMMAND", help="run COMMAND, which prints the key; quoted as in a shell, without one"
    )
    add_option(
        parser,
        "--anonymous",
        aliases=["--no-key"],
        action="store_true",
        help="use no key, for servers that allow anonymous clients",
    )
    parser.add_argument("--name", metavar="NAME", help="name of the key on the server, same as NAME@ before the host")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        help="give up when the server is silent for this long (default: 60)",
    )
    parser.add_argument(
        "--connect-timeout",
        metavar="SECONDS",
        help="give up when there is no connection after this long (default: as --timeout)",
    )


def add_connection_options(parser: CommandParser) -> None:
    """Add the options of every command that takes URLs."""
    parser.add_argument(
        "--cipher",
        metavar="CIPHER",
        help="aes256 (the default), aes128, or none (no encryption)",
    )
    add_key_options(parser)


def add_congestion_option(parser: CommandParser) -> None:
    """Add the choice of a congestion control."""
    parser.add_argument(
        "--congestion",
        metavar="NAME",
        help="congestion control of what is sent from here: reno, cubic, bbr; what is fetched is sent by the server, "
        "and its own option counts",
    )


def add_checksum_option(parser: CommandParser, default: str) -> None:
    """Add the choice of a digest."""
    others = ", ".join(kind for kind in CHECKSUMS if kind != default)
    parser.add_argument("--checksum", metavar="KIND", default=default, help=f"{default} (the default), {others}")


def add_no_overwrite_option(parser: CommandParser, text: str) -> None:
    """Add --no-overwrite."""
    add_option(parser, "-n", "--no-overwrite", aliases=["--no-clobber"], action="store_true", help=text)


def add_size_options(parser: CommandParser) -> None:
    """Add the choice of units for sizes: `base` is 1024, 1000 or None."""
    parser.add_argument(
        "-h", "--human-readable", dest="base", action="store_const", const=1024, help="sizes as 1.2K, 34M, 5G (of 1024)"
    )
    parser.add_argument("--si", dest="base", action="store_const", const=1000, help="the same with units of 1000")


def add_urls(parser: CommandParser, metavar: str = "URL") -> None:
    """Add the operands of a command that takes any number of URLs."""
    parser.add_argument("urls", nargs="+", metavar=metavar, help=URL_HELP)


def take_connection(values: dict[str, Any], texts: Sequence[str]) -> tuple[ConnectionOptions, tuple[Url, ...]]:
    """Return the connection to the server of the URLs, and the URLs; removes what it uses from `values`.

    What the user's file of hosts has for the server is put into `values` where an option was not given. Raises
    `UsageError` also for URLs of different servers and for an invalid file, `NameRefused` as `parse_url` does.
    """
    config = load_config()
    host = None
    if config is not None:
        from secftp.client.configured import resolve

        urls, host = resolve(config, texts, values["name"], anonymous=values["anonymous"])
    else:
        urls = tuple(map(_remote, texts))
    if len({url.endpoint for url in urls}) > 1:
        local = "" if all(map(is_url, texts)) else " A local file whose name has a colon is written ./NAME."
        raise UsageError("The URLs do not all name the same server and key.", hint=f"Use one command for each.{local}")
    return take_connection_to(urls[0].endpoint, values, config, host), urls


def take_connection_to(
    endpoint: Endpoint, values: dict[str, Any], config: Config | None, host: Host | None
) -> ConnectionOptions:
    """Return the connection to a server; removes what it uses from `values`, and puts in what the file of hosts has.

    `host` is the entry of the server. Raises `UsageError`.
    """
    configured_key = None
    if config is not None:
        from secftp.client.configured import fill

        configured_key = fill(values, config, host)
    key = values.pop("key", None)
    key_file, key_fd, key_command = values.pop("key_file"), values.pop("key_fd"), values.pop("key_command")
    anonymous, cipher = values.pop("anonymous"), values.pop("cipher")
    given = {
        "A key argument": key is not None,
        "--key-file": key_file is not None,
        "--key-fd": key_fd is not None,
        "--key-command": key_command is not None,
        "--anonymous": anonymous,
    }
    if sum(given.values()) > 1:
        raise _exclusive([option for option, is_given in given.items() if is_given])
    timeout, connect_timeout = values.pop("timeout"), values.pop("connect_timeout")
    return ConnectionOptions(
        named(endpoint, values.pop("name")),
        DEFAULT_CIPHER if cipher is None else one_of(CIPHERS, cipher, "--cipher", USE_DEFAULT),
        key_file,
        anonymous,
        seconds(DEFAULT_TIMEOUT if timeout is None else timeout),
        key,
        key_fd=None if key_fd is None else _descriptor(key_fd),
        key_command=None if key_command is None else split_command(key_command),
        configured_key=configured_key,
        connect_timeout=None if connect_timeout is None else seconds(connect_timeout, "--connect-timeout"),
        other_hosts=tuple(config.hosts) if config is not None and host is None else (),
    )


def load_config() -> Config | None:
    """Return the user's file of hosts; None if there is none. Raises `UsageError` if it can't be used."""
    from secftp.hosts import existing_config

    path = existing_config(os.environ)
    if path is None:
        return None
    from secftp.client.key_ahead import take_config

    config = take_config()
    if config is None or config.path != path:
        from secftp.hosts.config import read_config

        config = read_config(path)
    return config


def _exclusive(options: list[str]) -> UsageError:
    safest = " A key file is the safest: no other user of this machine can see the key."
    hint = safest.strip() if options[0] == "A key argument" else "Leave one of them out."
    return UsageError(f"{', '.join(options[:-1])} and {options[-1]} are mutually exclusive.", hint=hint)


def _descriptor(text: str) -> int:
    """Return the value of --key-fd. Raises `UsageError`."""
    if not (text.isascii() and text.isdigit() and len(text) <= _DESCRIPTOR_DIGITS):
        raise UsageError(
            "--key-fd must be the number of an open descriptor.", hint="For example --key-fd 3 3< FILE, in a shell."
        )
    if int(text) in _OUTPUTS:
        raise UsageError(
            "--key-fd can't be standard output or standard error.", hint="For example --key-fd 3 3< FILE, in a shell."
        )
    return int(text)


def split_command(text: str) -> tuple[str, ...]:
    """Return the words of --key-command, quoted as for a shell. Raises `UsageError`."""
    import shlex

    try:
        words = tuple(shlex.split(text))
    except ValueError:
        words = ()
    if not words:
        raise UsageError(
            "--key-command must be a program with its arguments, quoted as in a shell.",
            hint="For example --key-command 'pass show nas'. No shell runs it.",
        )
    return words


def _remote(text: str) -> Url:
    """Return what a word means that names a file at a server."""
    text = from_locale(text)
    if is_url(text):
        return parse_url(text)
    from secftp.hosts.words import parse_remote

    return parse_remote(text)


def parse_urls(parser: CommandParser, arguments: list[str]) -> dict[str, Any]:
    """Return the values of a command that takes URLs, with `connection` and `urls`; raises as `take_connection`."""
    values = parser.parse(arguments)
    connection, urls = take_connection(values, values.pop("urls"))
    return {"connection": connection, "urls": urls, **values}


def local_name(text: str, command: str) -> str:
    """Return the name of a local file. Raises `UsageError` for an empty name, for a URL, and for a word like one.

    A file whose name is like `host:path` may exist; then that is meant, as the position says.
    """
    within = "To copy within a server, use secftp cp. " if command == "put" else ""
    order = f"{within}See secftp {command} --help for the order."
    if is_url(text):
        raise UsageError("Expected a local file, not a URL.", hint=order)
    if is_remote(text) and not os.path.lexists(text):
        raise UsageError(
            "Expected a local file, not host:path.", hint=f"A file with such a name is written ./NAME. {order}"
        )
    if not text:
        raise UsageError("The name of the local file is empty.", hint="Use . for the current directory.")
    return text


def named(endpoint: Endpoint, name: str | None) -> Endpoint:
    """Return the endpoint with the key name of --name. Raises `UsageError` if it already has a different one."""
    if name is None:
        return endpoint
    name = from_locale(name)
    if endpoint.name and endpoint.name != name:
        raise UsageError("Two different key names were given.", hint="Use either --name or NAME@ before the host.")
    return endpoint._replace(name=name)


def one_of(known: tuple[str, ...], value: str, subject: str, hint: str) -> str:
    """Return `value` if it is one of the `known`. The error does not repeat it, as it may be a key."""
    if value not in known:
        raise UsageError(f"{subject} must be {', '.join(known[:-1])} or {known[-1]}.", hint=hint)
    return value


def checked_checksum(value: str) -> str:
    """Return the value of --checksum. Raises `UsageError`."""
    return one_of(CHECKSUMS, value, "--checksum", USE_DEFAULT)


def seconds(text: str, option: str = "--timeout") -> float:
    """Return the value of an option: more than 0, and what the system can wait. Raises `UsageError`."""
    number = parse_seconds(text)
    if number is None:
        raise UsageError(
            f"{option} must be a number of seconds greater than 0, at most 2000000.", hint=f"For example {option} 10."
        )
    return number
