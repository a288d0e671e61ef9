"""Command line of the server: option names, defaults, help, and the validation of values."""

from __future__ import annotations

import argparse
import functools
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from secftp._version import __version__
from secftp.command_line import StrictParser, add_option, closest, operand, shown_options
from secftp.errors import UsageError
from secftp.protocol.limits import MAX_STREAMS
from secftp.server.options import OBJECT_TIMES, ServerLimits
from secftp.server.proxies import parse_network
from secftp.text import parse_seconds, parse_size

if TYPE_CHECKING:
    from secftp.server.proxies import ProxyNetwork
    from secftp.server.shared.url import SharedUrl

FILE: Final = "FILE"
CIPHERS: Final = ("none", "aes128", "aes256")
PORT_MAX: Final = 65535
DIGITS_MAX: Final = 9
DEFAULTS: Final = ServerLimits()
GRACE_SECONDS: Final = 5.0
# Clients send a keepalive every 15 s; an idle timeout of less than two of them would end healthy sessions.
IDLE_MIN: Final = 30
SECONDS_MAX: Final = 86_400
MODES: Final = 0o777
_OCTAL: Final = re.compile(r"[0-7]{1,4}", re.ASCII)

SEE_HELP: Final = "See secftpd --help."
EPILOGUE: Final = """\
examples:
  secftpd 8888                        serve this directory with a new key
  secftpd 8888 --root /srv/files --key-file key
  secftpd 0 --root /srv/files --host 127.0.0.1 --read-only
  secftpd 8888 --root s3://bucket/prefix --key-file key
  secftpd --config /etc/secftp/server.toml --check-config
  python -P -m secftp.server 8888     the same without the installed command

sizes: 500, 20k (20,000), 20KiB (20,480), 1.5M, 1GiB, ...; rates are sizes per
second.

exit codes:
  0 stopped in order   1 failed   2 wrong usage or an unusable address
  4 a bad key or key file   6 no such directory   16 a broken installation
  an object store: 3 it can't be reached   6 no such bucket   7 it refuses
"""


class ServerParser(StrictParser):
    """Argument parser that raises `UsageError`, and repeats no argument, which may be a key."""

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError` instead of exiting."""
        subject, _, problem = message.partition(": ")
        if problem.startswith("ignored explicit argument"):
            sentence = f"{subject.removeprefix('argument ')} takes no value."
        elif problem.startswith("invalid choice"):
            sentence = f"{subject.removeprefix('argument ')}: there is no such choice."
        else:
            sentence = f"{message[:1].upper()}{message[1:]}."
        raise UsageError(sentence, hint=SEE_HELP)

    def parse(self, arguments: list[str]) -> dict[str, Any]:
        """Return the values as `StrictParser.parse`; `help` and `version` alone are what the options are."""
        return super().parse([f"--{arguments[0]}"] if arguments in (["help"], ["version"]) else arguments)

    def surplus(self, arguments: list[str]) -> NoReturn:
        """Raise `UsageError` for unknown options and excess arguments."""
        options = [argument for argument in arguments if argument.startswith("-")]
        if options:
            known = [flag for action in shown_options(self) for flag in action.option_strings]
            if similar := closest(options[0].partition("=")[0], known):
                raise UsageError("Unknown option.", hint=f"Did you mean {similar}? {SEE_HELP}")
            hint = f"A key that begins with a hyphen goes after all options and --. {SEE_HELP}"
            raise UsageError("Unknown option.", hint=hint)
        raise UsageError("Too many arguments.", hint=SEE_HELP)


def make_parser(*, only_given: bool = False) -> ServerParser:
    """Return the parser; with `only_given` its result lacks the options that were not given."""
    parser = ServerParser(
        prog="secftpd",
        description="Serve the files of a directory, encrypted, to clients that have the key.",
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "port",
        type=operand(_port),
        nargs="?",
        help="TCP port; 0 picks a free one and prints it (omit it with inherited sockets)",
    )
    parser.add_argument("key", nargs="?", help="the key (visible to other local users: prefer --key-file)")
    parser.add_argument("-V", "--version", action="version", version=f"secftp {__version__}")
    for add in (_authentication, _files, _sessions, _handshakes, _sharing, _logging, _operation):
        add(parser)
    if only_given:
        for action in parser._actions:  # noqa: SLF001 - argparse has no other way to find out what was given
            if action.option_strings:
                action.default = argparse.SUPPRESS
    return parser


@functools.cache
def file_options() -> tuple[str, ...]:
    """Return the destinations of the options that name a file: those with the metavar FILE."""
    return tuple(action.dest for action in make_parser()._actions if action.metavar == FILE)  # noqa: SLF001


def _authentication(parser: ServerParser) -> None:
    group = parser.add_argument_group("authentication")
    group.add_argument(
        "--key-file", metavar=FILE, help="read the key from a file (or set SECFTP_KEY_FILE, or SECFTP_KEY to the key)"
    )
    group.add_argument("--key-fd", type=_number, metavar="N", help="read the key from an open file descriptor")
    group.add_argument("--keys", metavar=FILE, help="named keys with directories and rights; reloaded on SIGHUP")
    add_option(group, "--anonymous", aliases=("--no-key",), action="store_true", help="let clients without a key read")
    group.add_argument("--anonymous-write", action="store_true", help="let clients without a key read and write")
    group.add_argument("--ciphers", type=_ciphers, default=CIPHERS, metavar="LIST", help="allow only aes128,aes256")


def _files(parser: ServerParser) -> None:
    group = parser.add_argument_group("served files")
    group.add_argument(
        "--root",
        default=".",
        metavar="DIR",
        help="directory to serve (default: the current one), or s3://BUCKET/PREFIX, gs://... or az://...",
    )
    group.add_argument("--read-only", action="store_true", help="refuse all writes")
    add_option(
        group, "--no-overwrite", aliases=("--no-clobber",), action="store_true", help="never replace or remove files"
    )
    group.add_argument(
        "--mode-mask", type=_mode, default=MODES, metavar="OCTAL", help="permissions that clients may set (777: all)"
    )
    group.add_argument("--max-file-size", type=_size, metavar="SIZE", help="refuse larger files (default: none)")
    group.add_argument("--min-free", type=_size, metavar="SIZE", help="refuse writes with less free disk space")
    group.add_argument("--min-free-files", type=_count, metavar="N", help="refuse writes with fewer free inodes")
    group.add_argument(
        "--object-times",
        choices=OBJECT_TIMES,
        default=OBJECT_TIMES[0],
        help="in an object store: each file's own time, with a request for each in a listing, or that of the store",
    )


def _sessions(parser: ServerParser) -> None:
    group = parser.add_argument_group("network and sessions")
    group.add_argument("--host", action="append", default=[], help="listen on this address only (may be repeated)")
    group.add_argument(
        "--proxy-from",
        action="append",
        default=[],
        type=_network,
        metavar="CIDR",
        help="require a PROXY header from these addresses, of a load balancer (may be repeated)",
    )
    group.add_argument(
        "--max-clients",
        type=_count,
        default=DEFAULTS.max_clients,
        metavar="N",
        help=f"concurrent sessions ({DEFAULTS.max_clients})",
    )
    for option, text in (
        ("max-clients-per-source", "per client address"),
        ("max-clients-per-key", "per key, if there are several"),
        ("max-anonymous", "without a key, if there are keys"),
    ):
        group.add_argument(
            f"--{option}", type=_count, metavar="N", help=f"{text} (default: as many as are free, at most half)"
        )
    group.add_argument(
        "--streams",
        type=_streams,
        default=DEFAULTS.streams,
        metavar="N",
        help=f"sessions of a client for one transfer, 1 to {MAX_STREAMS} ({DEFAULTS.streams})",
    )
    group.add_argument(
        "--idle", type=_idle, default=DEFAULTS.idle, metavar="SECONDS", help="idle timeout of a session (60)"
    )
    group.add_argument(
        "--congestion",
        metavar="NAME",
        help="congestion control of what clients read: reno, cubic, bbr (default: the system's)",
    )
    group.add_argument("--min-rate", type=_size, metavar="RATE", help="cut slower transfers (default: none)")
    add_option(
        group,
        "--limit-rate",
        aliases=("--bandwidth", "--limit", "--bwlimit"),
        type=_size,
        metavar="RATE",
        help="of all sessions together, in each direction (default: none)",
    )
    group.add_argument(
        "--no-compression", dest="compression", action="store_false", help="do not let clients compress files"
    )


def _handshakes(parser: ServerParser) -> None:
    group = parser.add_argument_group("limits before authentication")
    for option, kind, metavar, text in (
        ("handshake-seconds", _seconds, "SECONDS", "timeout of a handshake"),
        ("max-pending", _count, "N", "concurrent handshakes; beyond that, one is closed"),
        ("max-pending-per-source", _count, "N", "silent connections per address, likewise"),
        ("max-waiting", _count, "N", "clients with a delayed answer, likewise"),
        ("max-waiting-per-source", _count, "N", "of them per address, likewise"),
        ("free-guesses", _number, "N", "wrong keys per address without a delay"),
        ("guess-delay", _seconds, "SECONDS", "longest delay after wrong keys"),
        ("guess-rate", _count, "N", "wrong keys per second before all are delayed"),
    ):
        default = getattr(DEFAULTS, option.replace("-", "_"))
        group.add_argument(
            f"--{option}", type=kind, default=default, metavar=metavar, help=f"{text} ({default:g})"
        )  # fmt: skip


def _sharing(parser: ServerParser) -> None:
    group = parser.add_argument_group("several servers")
    group.add_argument(
        "--shared", type=_shared_url, metavar="URL", help="count wrong keys and sessions with others in this Redis"
    )
    group.add_argument(
        "--shared-password-file", metavar=FILE, help="read its password from a file (or set SECFTP_SHARED_PASSWORD)"
    )


def _logging(parser: ServerParser) -> None:
    group = parser.add_argument_group("logging and metrics")
    group.add_argument("--log-format", choices=("text", "json"), default="text", help="text (default) or json")
    group.add_argument("--log-file", metavar=FILE, help="append the log to a file; reopened on SIGHUP")
    group.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="lowest level that is logged"
    )
    group.add_argument("--metrics", type=_address, metavar="HOST:PORT", help="serve Prometheus metrics")


def _operation(parser: ServerParser) -> None:
    group = parser.add_argument_group("operation")
    group.add_argument("--config", metavar=FILE, help="read options from a TOML file, under the same names")
    group.add_argument("--check-config", action="store_true", help="check keys and configuration, and exit")
    group.add_argument("--user", metavar="NAME", help="switch to this user after binding the port (for root)")
    group.add_argument(
        "--grace",
        type=_seconds,
        default=GRACE_SECONDS,
        metavar="SECONDS",
        help="for running transfers at shutdown (5)",
    )


# --- values ---------------------------------------------------------------------------------------------------------


def _port(text: str) -> int:
    if not _is_number(text) or int(text) > PORT_MAX:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 (pick one) to {PORT_MAX}")
    return int(text)


def _number(text: str) -> int:
    if not _is_number(text):
        raise argparse.ArgumentTypeError("a number is required")
    return int(text)


def _count(text: str) -> int:
    if not _is_number(text) or int(text) == 0:
        raise argparse.ArgumentTypeError("a number above 0 is required")
    return int(text)


def _streams(text: str) -> int:
    if not _is_number(text) or not 1 <= int(text) <= MAX_STREAMS:
        raise argparse.ArgumentTypeError(f"a number from 1 to {MAX_STREAMS} is required")
    return int(text)


def _seconds(text: str) -> float:
    seconds = parse_seconds(text)
    if seconds is None or seconds > SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"a number of seconds above 0 and up to {SECONDS_MAX} is required")
    return seconds


def _idle(text: str) -> float:
    seconds = _seconds(text)
    if seconds < IDLE_MIN:
        raise argparse.ArgumentTypeError(f"at least {IDLE_MIN} seconds are needed: clients send a keepalive every 15")
    return seconds


def _mode(text: str) -> int:
    if not _OCTAL.fullmatch(text) or int(text, 8) > MODES:
        raise argparse.ArgumentTypeError("an octal number from 0 to 777 is required, such as 750")
    return int(text, 8)


def _network(text: str) -> ProxyNetwork:
    try:
        return parse_network(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            "an address or a network is required, such as 192.0.2.10 or 10.0.0.0/24 (bits behind the prefix are zero)"
        ) from None


def _shared_url(text: str) -> SharedUrl:
    from secftp.server.shared.url import parse_shared_url

    try:
        return parse_shared_url(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _size(text: str) -> int:
    size = parse_size(text)
    if size is None:
        raise argparse.ArgumentTypeError("a size above 0 is required, such as 500, 20k, 1.5M or 1GiB")
    return size


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX


def _ciphers(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not set(names) <= set(CIPHERS):
        raise argparse.ArgumentTypeError(f"the ciphers are {', '.join(CIPHERS)}, separated by commas")
    return names


def _address(text: str) -> tuple[str, int]:
    host, found, port = text.rpartition(":")
    if not found or not _is_number(port) or int(port) > PORT_MAX:
        raise argparse.ArgumentTypeError("an address is HOST:PORT, or :PORT for this machine only")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)
