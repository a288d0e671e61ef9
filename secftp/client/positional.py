"""What `read` and `write` share: server, cipher and key as positional arguments, as in the original system.

Whatever this machine can refuse is refused before the server is contacted: the name, the local file, the key.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secftp.client.options import (
    CHECKSUMS,
    CIPHERS,
    SLOW_SECONDS,
    CommandParser,
    add_checksum_option,
    add_congestion_option,
    add_key_options,
    add_no_overwrite_option,
    checked_checksum,
    load_config,
    one_of,
    take_connection_to,
)
from secftp.text import from_locale
from secftp.url import parse_endpoint

if TYPE_CHECKING:
    from secftp.client.connect import Connector
    from secftp.client.options import ConnectionOptions
    from secftp.client.terminal import Terminal
    from secftp.session import Session
    from secftp.storage import Path

STREAM: Final = "-"
_POSITIONALS: Final = "<filename> <host>:<port> <cipher> [key]"


class PositionalOptions(NamedTuple):
    """What `read` and `write` are to do. `local` is -o or -i: a name, `-`, or None if it was not given."""

    filename: str
    connection: ConnectionOptions
    local: str | None
    overwrite: bool
    quiet: bool
    checksum: str


def make_parser(
    command: str, *, description: str, examples: str, local: tuple[str, ...], overwrite: str
) -> CommandParser:
    """Return the parser of a command; `local` is the option for the local file, with its help."""
    parser = CommandParser(
        command, usage=f"[options] {_POSITIONALS}", description=description, epilog=f"examples:\n{examples}"
    )
    parser.add_argument("filename", help="the file's name below the directory that the server serves")
    parser.add_argument("endpoint", metavar="host:port", help="the server: a host name, an IPv4 address or [IPv6]")
    parser.add_argument("cipher", help="aes256, aes128, or none (authenticated, but not encrypted)")
    parser.add_argument("key", nargs="?", help="the key; other users of this machine can see it here")
    *flags, text = local
    parser.add_argument(*flags, dest="local", metavar="FILE", help=text)
    add_no_overwrite_option(parser, overwrite)
    add_congestion_option(parser)
    add_key_options(parser)
    add_checksum_option(parser, CHECKSUMS[0])
    return parser


def take_options(values: dict[str, Any]) -> PositionalOptions:
    """Return the options; raises `UsageError`."""
    # An invalid cipher is not repeated: it is the key if the cipher was forgotten.
    one_of(CIPHERS, values["cipher"], "The cipher", f"The order is {_POSITIONALS}.")
    checksum = checked_checksum(values["checksum"])
    config, host, place = load_config(), None, from_locale(values["endpoint"])
    if config is None:
        endpoint = parse_endpoint(place)
    else:
        from secftp.client.configured import resolve_endpoint

        endpoint, host = resolve_endpoint(config, place, values["name"], anonymous=values["anonymous"])
    connection = take_connection_to(endpoint, values, config, host)._replace(congestion=values["congestion"])
    return PositionalOptions(
        values["filename"], connection, values["local"], not values["no_overwrite"], values["quiet"], checksum
    )


def prepare(command: str, options: PositionalOptions, terminal: Terminal) -> tuple[Path, Connector]:
    """Return the path and the way to the server, after the messages about them.

    Raises `NameRefused`, and `UsageError` for a congestion control that the kernel refuses.
    """
    from secftp.client.connect import Connector, check_congestion
    from secftp.client.key import choose_key

    path, connection = wire_path(options.filename), options.connection
    check_congestion(connection)
    obtain = choose_key(connection, none_is_anonymous=True)
    terminal.quiet = options.quiet
    terminal.starting(command, connection.endpoint, options.filename, connection.cipher, keyed=obtain is not None)
    if obtain is None and not connection.anonymous:
        terminal.unprotected()
    if connection.key is not None:
        terminal.key_is_visible()
    return path, Connector(connection, obtain, terminal.waiting, checksum=options.checksum)


def line_hint_for(session: Session, began: float, nbytes: int, *, sends: bool) -> str:
    """Return a hint if losses of the line made a transfer slow that `began` at that time (monotonic clock), else empty.

    `sends`: it was from here. To be called before the session is closed.
    """
    seconds = time.monotonic() - began
    if seconds < SLOW_SECONDS:
        return ""
    from secftp.client.line import line_hint
    from secftp.system import allowed_congestion_controls

    bbr = "bbr" in allowed_congestion_controls()
    info = session.pipeline.channel.tcp_info()
    return line_hint(info, 1, seconds, nbytes, sends=sends, asked=None, bbr=bbr)


def wire_path(name: str) -> Path:
    """Return the path of a name; a leading slash stands for the served directory. Raises `NameRefused`."""
    from secftp.protocol import check_path

    path = tuple(os.fsencode(name).removeprefix(b"/").split(b"/"))
    check_path(path)
    return path


def is_terminal(options: PositionalOptions, descriptor: int) -> bool:
    """Return whether the local end is the terminal behind a standard stream."""
    return options.local in (None, STREAM) and os.isatty(descriptor)
