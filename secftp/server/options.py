"""The server's command line: arguments in, checked options out.

A key may stand on it, and whoever leaves out another argument moves the key to that one's place. So no message repeats
what was typed.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Final, NoReturn

from secftp._version import __version__
from secftp.errors import UsageError

CIPHERS: Final = ("none", "aes128", "aes256")
PORT_MAX: Final = 65535
DIGITS_MAX: Final = 9

EPILOGUE: Final = """\
examples:
  python -m secftp.server 8888                      serve this folder, make a key
  python -m secftp.server 8888 --key-file key.txt   with the key in a file
  python -m secftp.server 0 --root /srv/files --host 127.0.0.1 --read-only

exit codes:
  0 stopped in order   1 failed   2 wrong usage or an address that can't be used
  4 a bad key or key file   6 no such folder   16 a broken installation
"""


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """What the command line says, checked as far as that needs no look at the machine."""

    port: int
    key: str | None
    key_file: str | None
    root: str
    hosts: list[str]
    ciphers: tuple[str, ...]
    read_only: bool
    no_overwrite: bool
    max_clients: int
    anonymous: bool
    anonymous_write: bool


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are our errors, so that they look like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        subject, _, problem = message.partition(": ")
        if subject == "unrecognized arguments":
            sentence = "There are too many arguments, or an option that does not exist."
        elif problem.startswith("ignored explicit argument"):
            sentence = f"{subject.removeprefix('argument ')} takes no value."
        else:
            sentence = f"{message[:1].upper()}{message[1:]}."
        raise UsageError(sentence, hint="See: python -m secftp.server --help")


def _port(text: str) -> int:
    if not _is_number(text) or int(text) > PORT_MAX:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 (pick one) to {PORT_MAX}")
    return int(text)


def _count(text: str) -> int:
    if not _is_number(text) or int(text) == 0:
        raise argparse.ArgumentTypeError("a number above 0 is wanted")
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX


def _ciphers(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not set(names) <= set(CIPHERS):
        raise argparse.ArgumentTypeError(f"ciphers are {', '.join(CIPHERS)}, joined by commas")
    return names


def _parser() -> Parser:
    parser = Parser(
        prog="secftpd",
        description="Serve the files of a folder to clients that know its key, encrypted.",
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("port", type=_port, help="the TCP port; 0 picks a free one and shows it")
    parser.add_argument("key", nargs="?", help="the key (other users of this machine can see it: better --key-file)")
    parser.add_argument("--version", action="version", version=f"secftp {__version__}")
    keys = parser.add_argument_group("who gets in")
    keys.add_argument("--key-file", metavar="FILE", help="read the key from a file (or set SECFTP_KEY)")
    keys.add_argument("--anonymous", action="store_true", help="let clients without a key read")
    keys.add_argument("--anonymous-write", action="store_true", help="let clients without a key read and write")
    keys.add_argument(
        "--ciphers", type=_ciphers, default=CIPHERS, metavar="LIST", help="allow these only: aes128,aes256"
    )
    rights = parser.add_argument_group("what is served")
    rights.add_argument("--root", default=".", metavar="DIR", help="the folder to serve (default: this one)")
    rights.add_argument("--read-only", action="store_true", help="nobody may write")
    rights.add_argument("--no-overwrite", action="store_true", help="files that are there stay as they are")
    network = parser.add_argument_group("network")
    network.add_argument("--host", action="append", default=[], help="listen on this address only (may be repeated)")
    network.add_argument("--max-clients", type=_count, default=256, metavar="N", help="sessions at once (default: 256)")
    return parser


def parse(arguments: list[str]) -> ServerOptions:
    """Options from the arguments; raises `UsageError`. Prints and exits for --help and --version alone."""
    values = vars(_parser().parse_intermixed_args(arguments))
    values["hosts"] = values.pop("host")
    options = ServerOptions(**values)
    if options.key is not None and options.key_file is not None:
        raise UsageError("A key and a key file were both given.", hint="Give one of them.")
    return options
