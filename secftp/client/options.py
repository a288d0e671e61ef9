"""The command line: arguments in, checked options out, without a look at the machine, its files or its network.

Named tuples and not dataclasses, and strings and not the types of the floors below: `secftp` starts for each small
file anew, and every module that is not loaded here is time saved. A key's text is in here and in no `repr`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from secftp.client.common import CHECKSUMS, CIPHERS, add_checksum, add_key, add_option, named, one_of, seconds
from secftp.client.parser import Parser
from secftp.errors import UsageError
from secftp.text import typed
from secftp.url import Endpoint, parse_endpoint

_POSITIONALS: Final = "<filename> <host>:<port> <cipher> [key]"


class TransferOptions(NamedTuple):
    """What `read` and `write` are to do. `local` is -o or -i: a name, `-`, or None when it was not given."""

    verb: str
    filename: str
    endpoint: Endpoint
    cipher: str
    key: str | None
    key_file: str | None
    no_key: bool
    local: str | None
    no_clobber: bool
    quiet: bool
    timeout: float
    checksum: str

    @property
    def needs_key_for_none(self) -> bool:
        """False: `read` and `write` with none and without a key are anonymous, as in the original; they say so."""
        return False

    def __repr__(self) -> str:
        return f"<options of secftp {self.verb}>"


class KeygenOptions(NamedTuple):
    """Where a new key goes; None for standard output."""

    file: str | None


def read_parser() -> Parser:
    """The command line of `secftp read`."""
    return _transfer_parser(
        "read",
        "Read a file of the server's to standard output.",
        "examples:\n"
        "  secftp read notes.txt host:8888 aes128\n"
        "  secftp read backup/data.tar host:8888 aes256 --key-file KEY | tar x\n"
        "  secftp read photo.jpg '[2001:db8::7]:8888' none --no-key -o photo.jpg\n",
        ("-o --output", "write to FILE, which appears whole and verified or not at all"),
        no_clobber="refuse if FILE is there already",
    )


def parse_read(arguments: list[str]) -> TransferOptions:
    """The options of `secftp read`; raises `UsageError`."""
    values = read_parser().parse(arguments)
    if values["no_clobber"] and values["output"] in (None, "-"):
        raise UsageError("--no-clobber is about a file, and none is named.", hint="Name it with -o FILE.")
    return _transfer_options("read", values, values.pop("output"))


def write_parser() -> Parser:
    """The command line of `secftp write`."""
    return _transfer_parser(
        "write",
        "Write standard input to a file of the server's; it appears whole or not at all.",
        "examples:\n"
        "  secftp write notes.txt host:8888 aes128 < notes.txt\n"
        "  pg_dump shop | secftp write backup/shop.sql host:8888 aes256 --key-file KEY\n"
        "  secftp write photo.jpg '[2001:db8::7]:8888' aes128 -i photo.jpg\n",
        ("-i --input", "read FILE instead of standard input"),
        no_clobber="refuse if the server has the file already",
    )


def parse_write(arguments: list[str]) -> TransferOptions:
    """The options of `secftp write`; raises `UsageError`."""
    values = write_parser().parse(arguments)
    return _transfer_options("write", values, values.pop("input"))


def keygen_parser() -> Parser:
    """The command line of `secftp keygen`."""
    parser = Parser(
        "keygen",
        usage="[options]",
        description="Print a new key that is made to be read aloud and typed, or make a key file.",
        epilog="examples:\n  secftp keygen\n  secftp keygen --file ~/.secftp.key\n",
    )
    add_option(parser, "--file", "FILE", "make FILE, readable by you alone, with a new key; never replaces one")
    return parser


def parse_keygen(arguments: list[str]) -> KeygenOptions:
    """The options of `secftp keygen`; raises `UsageError`."""
    return KeygenOptions(**keygen_parser().parse(arguments))


def _transfer_parser(verb: str, description: str, epilog: str, local: tuple[str, str], *, no_clobber: str) -> Parser:
    """The parser of read or write; `local` is the option for the file at this end, and its help."""
    parser = Parser(verb, usage=f"[options] {_POSITIONALS}", description=description, epilog=epilog)
    parser.add_argument("filename", help="the file's name beneath the folder that the server serves")
    parser.add_argument("endpoint", metavar="host:port", help="the server: a name, an IPv4 address or [IPv6]")
    parser.add_argument("cipher", help="none, aes128 or aes256; none can be read on the way, but not changed")
    parser.add_argument("key", nargs="?", help="the key; other users of this machine can see it here")
    add_option(parser, local[0], "FILE", local[1])
    parser.add_argument("-n", "--no-clobber", action="store_true", help=no_clobber)
    add_key(parser)
    add_checksum(parser, CHECKSUMS[0])
    return parser


def _transfer_options(verb: str, values: dict[str, Any], local: str | None) -> TransferOptions:
    values["endpoint"] = named(parse_endpoint(typed(values["endpoint"])), values.pop("name"))
    values["timeout"] = seconds(values["timeout"])
    # What is no cipher is not repeated: it is the key, if it was the cipher that was forgotten.
    one_of(CIPHERS, values["cipher"], "The cipher", f"The order is {_POSITIONALS}.")
    one_of(CHECKSUMS, values["checksum"], "--checksum", "Leave it out if in doubt.")
    options = TransferOptions(verb=verb, local=local, **values)
    if sum((options.key is not None, options.key_file is not None, options.no_key)) > 1:
        raise UsageError(
            "Of [key], --key-file and --no-key only one can be meant.",
            hint="A key file is the safest: no other user of this machine sees it.",
        )
    return options
