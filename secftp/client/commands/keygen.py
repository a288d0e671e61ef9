"""`secftp keygen`: generate a key, on standard output or in a file."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from secftp.client.options import CommandParser

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal


class KeygenOptions(NamedTuple):
    """The key file; None for standard output."""

    file: str | None


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "keygen",
        usage="[options]",
        description="Print a new key that is easy to read aloud and type, or create a key file.",
        epilog="examples:\n  secftp keygen\n  secftp keygen --file ~/.secftp.key\n",
    )
    parser.add_argument(
        "--file", metavar="FILE", help="create FILE with a new key, readable only by you; never replaces a file"
    )
    return parser


def parse(arguments: list[str]) -> KeygenOptions:
    """Return the options; raises `UsageError`."""
    return KeygenOptions(**parser().parse(arguments))


def run(options: KeygenOptions, terminal: Terminal) -> None:
    """Generate the key. Raises `AlreadyExists` and `KeyFormatError` if the file can't be created."""
    from secftp import system

    with contextlib.suppress(OSError, ImportError):
        system.forbid_dumps()  # they would hold the key
    if options.file is None:
        from secftp.keys import generate_key

        terminal.print(generate_key())
        return
    from secftp.keys import write_key_file

    write_key_file(options.file)
    terminal.key_file_made(options.file)
