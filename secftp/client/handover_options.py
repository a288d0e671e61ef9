"""The options that `secftp share` and `secftp receive` have in common."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from secftp.client.options import USE_DEFAULT, CommandParser
from secftp.errors import UsageError
from secftp.text import parse_duration
from secftp.url import PORT_MAX

MAX_TIMES: Final = 1_000_000
EVENTS: Final = """\
With --progress json each line on standard error is an object with an event:
  listening   command: what the other person types; addresses, port
  connected   peer: its address; it has the key
  wrong_key   peer
  file        peer, name, bytes: a file was transferred
  complete    peer, files, bytes: everything has arrived
  incomplete  peer, files, bytes: it has ended before that
  ended       complete: the number of complete deliveries; files, bytes, seconds
  error       message, hint, exit_code: the last line of a failure
"""


class HandoverSettings(NamedTuple):
    """What the two have in common. `seconds` None: no time limit; `port` 0: a free one; `hosts` empty: all addresses.

    `times`: complete deliveries before the end, 0 for any number.
    """

    times: int
    seconds: float | None
    hosts: list[str]
    port: int
    key_file: str | None
    draws: bool
    quiet: bool


def add_handover_options(parser: CommandParser, delivery: str) -> None:
    """Add the options; `delivery` is what ends the command, in the plural."""
    parser.add_argument("--times", metavar="N", default="1", help=f"end after N {delivery} (default: 1; 0: no limit)")
    parser.add_argument("--for", metavar="TIME", dest="duration", help="end after a time such as 90s, 10m, 2h or 1d")
    parser.add_argument("--port", metavar="N", default="0", help="listen on this TCP port (default: a free one)")
    parser.add_argument(
        "--host", metavar="ADDRESS", action="append", default=[], help="listen on this address only (may be repeated)"
    )
    parser.add_argument(
        "--key-file", metavar="FILE", help="use the key in FILE, which is not shown (default: six new words)"
    )
    parser.add_argument("--no-qr", dest="draws", action="store_false", help="show no QR code")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but what the other person types")


def take_handover_settings(values: dict[str, Any]) -> HandoverSettings:
    """Return the settings. Raises `UsageError`."""
    seconds = None
    if values["duration"] is not None:
        seconds = parse_duration(values["duration"])
        if seconds is None:
            raise UsageError("--for must be a time above 0.", hint="For example --for 90s, 10m, 2h or 1d.")
    return HandoverSettings(
        _number(values["times"], "--times", MAX_TIMES),
        seconds,
        values["host"],
        _number(values["port"], "--port", PORT_MAX),
        values["key_file"],
        values["draws"],
        values["quiet"],
    )


def _number(text: str, option: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and int(text) <= most):
        raise UsageError(f"{option} must be a number from 0 to {most}.", hint=USE_DEFAULT)
    return int(text)
