"""`secftp read`: download one file to standard output."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from secftp.client.positional import (
    STREAM,
    PositionalOptions,
    is_terminal,
    line_hint_for,
    make_parser,
    prepare,
    take_options,
)
from secftp.errors import UsageError

if TYPE_CHECKING:
    from secftp.client.options import CommandParser
    from secftp.client.terminal import Terminal


def parser() -> CommandParser:
    """Return the parser of the command line."""
    return make_parser(
        "read",
        description="Download a file to standard output.",
        examples="  secftp read notes.txt host:8888 aes128\n"
        "  secftp read backup/data.tar host:8888 aes256 --key-file KEY | tar x\n"
        "  secftp read photo.jpg '[2001:db8::7]:8888' none --anonymous -o photo.jpg\n",
        local=("-o", "--output", "write to FILE, which appears complete and verified or not at all"),
        overwrite="fail if FILE exists",
    )


def parse(arguments: list[str]) -> PositionalOptions:
    """Return the options; raises `UsageError`."""
    options = take_options(parser().parse(arguments))
    if not options.overwrite and options.local in (None, STREAM):
        raise UsageError("--no-overwrite requires an output file.", hint="Name it with -o FILE.")
    return options


def run(options: PositionalOptions, terminal: Terminal) -> None:
    """Download. Raises what `Session.open`, `Session.read`, `open_output` and `choose_key` raise."""
    from secftp.client.local_io import open_output
    from secftp.protocol import Algorithm

    path, server = prepare("read", options, terminal)
    with open_output(options.local, overwrite=options.overwrite) as sink, server.open() as session:
        terminal.receiving()
        began = time.monotonic()
        # Text on a terminal is its own progress, and a bar would be written into it.
        with terminal.progress(wanted=not is_terminal(options, 1)) as progress:
            received = session.read(path, sink, algorithm=Algorithm(options.checksum), progress=progress)
        hint = line_hint_for(session, began, received.size, sends=False)
    terminal.confirmed(options.checksum, received.digest, received.size)
    terminal.hint(hint)
