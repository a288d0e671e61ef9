"""The command line: arguments in, checked options out, without a look at the machine, its files or its network.

Named tuples and not dataclasses, and strings and not the types of the floors below: `secftp` starts for each small
file anew, and every module that is not loaded here is time saved. A key's text is in here and in no `repr`.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from secftp.client.parser import Parser
from secftp.errors import UsageError
from secftp.places import Place, parse_place

CIPHERS: Final = ("none", "aes128", "aes256")
CHECKSUMS: Final = ("xxh128", "sha256", "blake3", "md5")
DEFAULT_TIMEOUT: Final = "60"

# Every verb's options with a value: whoever looks for the verb among the arguments must not take a value for it.
VALUED: Final = frozenset(
    ("-i", "--input", "-o", "--output", "--checksum", "--file", "--key-file", "--name", "--timeout")
)

_POSITIONALS: Final = "<filename> <host>:<port> <cipher> [key]"


class TransferOptions(NamedTuple):
    """What `read` and `write` are to do. `local` is -o or -i: a name, `-`, or None when it was not given."""

    verb: str
    filename: str
    place: Place
    cipher: str
    key: str | None
    key_file: str | None
    no_key: bool
    local: str | None
    no_clobber: bool
    quiet: bool
    timeout: float
    checksum: str

    def __repr__(self) -> str:
        return f"<options of secftp {self.verb}>"


class KeygenOptions(NamedTuple):
    """Where a new key goes; None for standard output."""

    file: str | None


def parse_read(arguments: list[str]) -> TransferOptions:
    """The options of `secftp read`; raises `UsageError`."""
    parser = _transfer_parser(
        "read",
        "Read a file of the server's to standard output.",
        "examples:\n"
        "  secftp read notes.txt host:8888 aes128\n"
        "  secftp read backup/data.tar host:8888 aes256 --key-file KEY | tar x\n"
        "  secftp read photo.jpg '[2001:db8::7]:8888' none --no-key -o photo.jpg\n",
        ("-o --output", "write to FILE, which appears whole and verified or not at all"),
        no_clobber="refuse if FILE is there already",
    )
    values = parser.parse(arguments)
    if values["no_clobber"] and values["output"] in (None, "-"):
        raise UsageError("--no-clobber is about a file, and none is named.", hint="Name it with -o FILE.")
    return _transfer_options("read", values, values.pop("output"))


def parse_write(arguments: list[str]) -> TransferOptions:
    """The options of `secftp write`; raises `UsageError`."""
    parser = _transfer_parser(
        "write",
        "Write standard input to a file of the server's; it appears whole or not at all.",
        "examples:\n"
        "  secftp write notes.txt host:8888 aes128 < notes.txt\n"
        "  pg_dump shop | secftp write backup/shop.sql host:8888 aes256 --key-file KEY\n"
        "  secftp write photo.jpg '[2001:db8::7]:8888' aes128 -i photo.jpg\n",
        ("-i --input", "read FILE instead of standard input"),
        no_clobber="refuse if the server has the file already",
    )
    values = parser.parse(arguments)
    return _transfer_options("write", values, values.pop("input"))


def parse_keygen(arguments: list[str]) -> KeygenOptions:
    """The options of `secftp keygen`; raises `UsageError`."""
    parser = Parser(
        "keygen",
        usage="[options]",
        description="Print a new key that is made to be read aloud and typed, or make a key file.",
        epilog="examples:\n  secftp keygen\n  secftp keygen --file ~/.secftp.key\n",
    )
    _add(parser, "--file", "FILE", "make FILE, readable by you alone, with a new key; never replaces one")
    return KeygenOptions(**parser.parse(arguments))


def _transfer_parser(verb: str, description: str, epilog: str, local: tuple[str, str], *, no_clobber: str) -> Parser:
    """The parser of read or write; `local` is the option for the file at this end, and its help."""
    parser = Parser(verb, usage=f"[options] {_POSITIONALS}", description=description, epilog=epilog)
    parser.add_argument("filename", help="the file's name beneath the folder that the server serves")
    parser.add_argument("place", metavar="host:port", help="the server: a name, an IPv4 address or [IPv6]")
    parser.add_argument("cipher", help="none, aes128 or aes256; none can be read on the way, but not changed")
    parser.add_argument("key", nargs="?", help="the key; other users of this machine can see it here")
    _add(parser, local[0], "FILE", local[1])
    parser.add_argument("-n", "--no-clobber", action="store_true", help=no_clobber)
    _add(parser, "--key-file", "FILE", "take the key from FILE (else SECFTP_KEY, else it is asked for)")
    parser.add_argument("--no-key", action="store_true", help="be anonymous, for servers that allow it")
    _add(parser, "--name", "NAME", "the key's name at the server, the same as NAME@host:port")
    parser.add_argument("-q", "--quiet", action="store_true", help="show nothing but errors")
    _add(parser, "--timeout", "SECONDS", "give up after this long without a sign of life (default: 60)")
    _add(parser, "--checksum", "KIND", "xxh128 (the default), sha256, blake3 or md5")
    parser.set_defaults(timeout=DEFAULT_TIMEOUT, checksum=CHECKSUMS[0])
    return parser


def _add(parser: Parser, names: str, metavar: str, text: str) -> None:
    """An option with a value; its name has to stand in VALUED as well."""
    parser.add_argument(*names.split(), metavar=metavar, help=text)


def _transfer_options(verb: str, values: dict[str, Any], local: str | None) -> TransferOptions:
    values["place"] = _named(parse_place(values["place"]), values.pop("name"))
    values["timeout"] = _seconds(values["timeout"])
    # What is no cipher is not repeated: it is the key, if it was the cipher that was forgotten.
    _one_of(CIPHERS, values["cipher"], "The cipher", f"The order is {_POSITIONALS}.")
    _one_of(CHECKSUMS, values["checksum"], "--checksum", "Leave it out if in doubt.")
    options = TransferOptions(verb=verb, local=local, **values)
    if sum((options.key is not None, options.key_file is not None, options.no_key)) > 1:
        raise UsageError(
            "Of [key], --key-file and --no-key only one can be meant.",
            hint="A key file is the safest: no other user of this machine sees it.",
        )
    return options


def _named(place: Place, name: str | None) -> Place:
    if name is None:
        return place
    if place.name and place.name != name:
        raise UsageError("Two names of keys were given.", hint="Use either --name or NAME@host:port.")
    return place._replace(name=name)


def _one_of(known: tuple[str, ...], value: str, subject: str, hint: str) -> None:
    if value not in known:
        raise UsageError(f"{subject} must be {', '.join(known[:-1])} or {known[-1]}.", hint=hint)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UsageError("--timeout must be a number of seconds above 0.", hint="For example --timeout 10.")
    return seconds
