"""The server's command line as argparse knows it: names, defaults, help, and what counts as a number of something."""

from __future__ import annotations

import argparse
import functools
import re
from typing import Final, NoReturn

from secftp._version import __version__
from secftp.command_line import StrictParser, operand
from secftp.errors import UsageError
from secftp.server.limits import ServerLimits
from secftp.text import parse_seconds, parse_size

FILE: Final = "FILE"
CIPHERS: Final = ("none", "aes128", "aes256")
PORT_MAX: Final = 65535
DIGITS_MAX: Final = 9
DEFAULTS: Final = ServerLimits()
GRACE_SECONDS: Final = 5.0
# Signs of life come every 15 s; a server that waits for less than two would cut clients that are well.
IDLE_MIN: Final = 30
SECONDS_MAX: Final = 86_400
MODES: Final = 0o777
_OCTAL: Final = re.compile(r"[0-7]{1,4}", re.ASCII)

SEE_HELP: Final = "See: python -m secftp.server --help"
EPILOGUE: Final = """\
examples:
  secftpd 8888                                   serve this directory, make a key
  secftpd 8888 --root /srv/files --key-file key  with the key in a file
  secftpd 0 --root /srv/files --host 127.0.0.1 --read-only
  secftpd --config /etc/secftp/server.toml --check-config
  python -P -m secftp.server 8888                the same without the installed command

sizes: 500, 20k (20,000), 20KiB (20,480), 1.5M, 1GiB, ...; rates are sizes a second.

exit codes:
  0 stopped in order   1 failed   2 wrong usage or an address that can't be used
  4 a bad key or key file   6 no such folder   16 a broken installation
"""


class ServerParser(StrictParser):
    """A parser whose mistakes are our errors, so that they look like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        subject, _, problem = message.partition(": ")
        if problem.startswith("ignored explicit argument"):
            sentence = f"{subject.removeprefix('argument ')} takes no value."
        elif problem.startswith("invalid choice"):
            sentence = f"{subject.removeprefix('argument ')} does not know this value."
        else:
            sentence = f"{message[:1].upper()}{message[1:]}."
        raise UsageError(sentence, hint=SEE_HELP)

    def surplus(self, arguments: list[str]) -> NoReturn:
        """Raise for arguments that are not wanted; a key may be among them."""
        if any(argument.startswith("-") for argument in arguments):
            hint = f"A key that begins with a hyphen goes after all options and --. {SEE_HELP}"
            raise UsageError("Unknown option.", hint=hint)
        raise UsageError("Too many arguments.", hint=SEE_HELP)


def make_parser(*, only_given: bool = False) -> ServerParser:
    """The parser; with `only_given` options that were not given are missing from what it finds."""
    parser = ServerParser(
        prog="secftpd",
        description="Serve the files of a folder to clients that know its key, encrypted.",
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "port",
        type=operand(_port),
        nargs="?",
        help="the TCP port; 0 picks a free one and shows it (not for inherited sockets)",
    )
    parser.add_argument("key", nargs="?", help="the key (other users of this machine can see it: better --key-file)")
    parser.add_argument("--version", action="version", version=f"secftp {__version__}")
    for add in (_who, _what, _network, _handshakes, _log, _operation):
        add(parser)
    if only_given:
        for action in parser._actions:  # noqa: SLF001 - argparse has no other way to find out what was given
            if action.option_strings:
                action.default = argparse.SUPPRESS
    return parser


@functools.cache
def file_options() -> tuple[str, ...]:
    """The options that name a file, by their names in what is parsed: those whose value is shown as FILE."""
    return tuple(action.dest for action in make_parser()._actions if action.metavar == FILE)  # noqa: SLF001


def _who(parser: ServerParser) -> None:
    group = parser.add_argument_group("who gets in")
    group.add_argument("--key-file", metavar=FILE, help="read the key from a file (or set SECFTP_KEY)")
    group.add_argument("--key-fd", type=_number, metavar="N", help="read the key from this open descriptor")
    group.add_argument("--keys", metavar=FILE, help="named keys with folders and rights; SIGHUP reads them again")
    group.add_argument("--anonymous", action="store_true", help="let clients without a key read")
    group.add_argument("--anonymous-write", action="store_true", help="let clients without a key read and write")
    group.add_argument(
        "--ciphers", type=_ciphers, default=CIPHERS, metavar="LIST", help="allow these only: aes128,aes256"
    )


def _what(parser: ServerParser) -> None:
    group = parser.add_argument_group("what is served")
    group.add_argument("--root", default=".", metavar="DIR", help="the folder to serve (default: this one)")
    group.add_argument("--read-only", action="store_true", help="nobody may write")
    group.add_argument("--no-overwrite", action="store_true", help="files that are there stay as they are")
    group.add_argument(
        "--mode-mask", type=_mode, default=MODES, metavar="OCTAL", help="permissions that clients may set (777: all)"
    )
    group.add_argument("--max-file-size", type=_size, metavar="SIZE", help="take no larger files (default: any)")
    group.add_argument("--min-free", type=_size, metavar="SIZE", help="write only while so much of the disk stays free")
    group.add_argument("--min-free-files", type=_count, metavar="N", help="the same for files (inodes)")


def _network(parser: ServerParser) -> None:
    group = parser.add_argument_group("network and sessions")
    group.add_argument("--host", action="append", default=[], help="listen on this address only (may be repeated)")
    group.add_argument(
        "--max-clients",
        type=_count,
        default=DEFAULTS.max_clients,
        metavar="N",
        help=f"sessions at once ({DEFAULTS.max_clients})",
    )
    for option, text in (
        ("max-clients-per-source", "of one address"),
        ("max-clients-per-key", "under one key of several"),
        ("max-anonymous", "of clients without a key, where there are keys"),
    ):
        group.add_argument(
            f"--{option}", type=_count, metavar="N", help=f"{text} (as many as there are places left: half at most)"
        )
    group.add_argument(
        "--idle", type=_idle, default=DEFAULTS.idle, metavar="SECONDS", help="end a session silent for so long (60)"
    )
    group.add_argument("--min-rate", type=_size, metavar="RATE", help="cut transfers slower than this (default: none)")
    group.add_argument("--bandwidth", type=_size, metavar="RATE", help="of all sessions, each direction (default: any)")


def _handshakes(parser: ServerParser) -> None:
    group = parser.add_argument_group("before a client has proved a key")
    for option, kind, metavar, text in (
        ("handshake-seconds", _seconds, "SECONDS", "for a handshake in all"),
        ("max-pending", _count, "N", "handshakes at once; then one of them goes"),
        ("max-pending-per-source", _count, "N", "silent connections of one address; then one of them goes"),
        ("max-waiting", _count, "N", "that may wait for their answer; then one of them goes"),
        ("max-waiting-per-source", _count, "N", "of one address that may wait; then one of them goes"),
        ("free-guesses", _number, "N", "wrong keys of an address before answers are delayed"),
        ("guess-delay", _seconds, "SECONDS", "the longest delay"),
        ("guess-rate", _count, "N", "wrong keys a second from everywhere before all are delayed"),
    ):
        default = getattr(DEFAULTS, option.replace("-", "_"))
        group.add_argument(
            f"--{option}", type=kind, default=default, metavar=metavar, help=f"{text} ({default:g})"
        )  # fmt: skip


def _log(parser: ServerParser) -> None:
    group = parser.add_argument_group("what it tells")
    group.add_argument("--log-format", choices=("text", "json"), default="text", help="text (default), or json")
    group.add_argument("--log-file", metavar=FILE, help="write the log there; SIGHUP opens it again")
    group.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="the least that is told"
    )
    group.add_argument("--metrics", type=_address, metavar="HOST:PORT", help="serve Prometheus metrics there")


def _operation(parser: ServerParser) -> None:
    group = parser.add_argument_group("operation")
    group.add_argument("--config", metavar=FILE, help="options from a TOML file, under the same names")
    group.add_argument("--check-config", action="store_true", help="say whether all is in order, and serve nothing")
    group.add_argument("--user", metavar="NAME", help="become this user once the port is bound (for root)")
    group.add_argument(
        "--grace",
        type=_seconds,
        default=GRACE_SECONDS,
        metavar="SECONDS",
        help="for transfers under way at the end (5)",
    )


# --- numbers --------------------------------------------------------------------------------------------------------


def _port(text: str) -> int:
    if not _is_number(text) or int(text) > PORT_MAX:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 (pick one) to {PORT_MAX}")
    return int(text)


def _number(text: str) -> int:
    if not _is_number(text):
        raise argparse.ArgumentTypeError("a number is wanted")
    return int(text)


def _count(text: str) -> int:
    if not _is_number(text) or int(text) == 0:
        raise argparse.ArgumentTypeError("a number above 0 is wanted")
    return int(text)


def _seconds(text: str) -> float:
    seconds = parse_seconds(text)
    if seconds is None or seconds > SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"a number of seconds above 0 and up to {SECONDS_MAX} is wanted")
    return seconds


def _idle(text: str) -> float:
    seconds = _seconds(text)
    if seconds < IDLE_MIN:
        raise argparse.ArgumentTypeError(f"{IDLE_MIN} seconds are the least: clients give a sign of life every 15")
    return seconds


def _mode(text: str) -> int:
    if not _OCTAL.fullmatch(text) or int(text, 8) > MODES:
        raise argparse.ArgumentTypeError("an octal number from 0 to 777 is wanted, such as 750")
    return int(text, 8)


def _size(text: str) -> int:
    size = parse_size(text)
    if size is None:
        raise argparse.ArgumentTypeError("a size above 0 is wanted, such as 500, 20k, 1.5M or 1GiB")
    return size


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX


def _ciphers(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not set(names) <= set(CIPHERS):
        raise argparse.ArgumentTypeError(f"ciphers are {', '.join(CIPHERS)}, joined by commas")
    return names


def _address(text: str) -> tuple[str, int]:
    host, found, port = text.rpartition(":")
    if not found or not _is_number(port) or int(port) > PORT_MAX:
        raise argparse.ArgumentTypeError("an address is HOST:PORT, or :PORT for this machine alone")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)
