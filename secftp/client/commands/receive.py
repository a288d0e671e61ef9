"""`secftp receive`: a server that takes files into a directory, and ends after one delivery."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from secftp.client.handover_options import EVENTS, HandoverSettings, add_handover_options, take_handover_settings
from secftp.client.options import CommandParser, local_name
from secftp.text import show_local

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal


class ReceiveOptions(NamedTuple):
    """Where files go."""

    directory: str
    settings: HandoverSettings


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "receive",
        usage="[options] [DIR]",
        description="Let another person put files and directories into DIR (default: the current\n"
        "directory). Prints what that person types, and a key of six words. Ends after\n"
        "one complete delivery.",
        epilog="examples:\n"
        "  secftp receive\n"
        "  secftp receive --times 2 inbox\n"
        "  secftp receive --for 10m ~/Downloads\n"
        "\nOnly new names are made: what is in DIR is neither replaced nor changed, nor can\n"
        "it be read, and hidden names are refused. A delivery is complete when a client\n"
        "has ended without an error after at least one file. The exit code is 0 then,\n"
        "and 5 if --for is over before.\n"
        f"\n{EVENTS}",
    )
    parser.add_argument("directory", nargs="?", default=os.curdir, metavar="DIR", help="where the files go")
    add_handover_options(parser, "complete deliveries")
    return parser


def parse(arguments: list[str]) -> ReceiveOptions:
    """Return the options; raises `UsageError`."""
    values = parser().parse(arguments)
    directory = local_name(values.pop("directory"), "receive")
    return ReceiveOptions(directory, take_handover_settings(values))


def run(options: ReceiveOptions, terminal: Terminal) -> None:
    """Take files until a delivery is complete.

    Raises `TransferTimeout` if the time is over before, and what `open_inbox` and the choice of the key raise.
    """
    from secftp.client.handover import HandoverView, require_terminal
    from secftp.sharing.handover import hand_over
    from secftp.sharing.inbox import open_inbox
    from secftp.sharing.words import choose_key

    settings = options.settings
    require_terminal(settings, terminal)
    key, words = choose_key(settings.key_file)
    view = HandoverView(terminal, settings, takes=True, words=words)
    store = open_inbox(options.directory)
    what = f"Receiving into {show_local(os.path.realpath(options.directory))}."
    hand_over(store, key, settings, view, what, takes=True, totals=None)
