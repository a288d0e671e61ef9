"""`secftp write`: upload standard input as one file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from secftp.client.positional import (
    PositionalOptions,
    is_terminal,
    line_hint_for,
    make_parser,
    prepare,
    take_options,
)

if TYPE_CHECKING:
    from secftp.client.connect import Connector
    from secftp.client.options import CommandParser
    from secftp.client.terminal import Terminal
    from secftp.session import Transferred
    from secftp.storage import Path


def parser() -> CommandParser:
    """Return the parser of the command line."""
    return make_parser(
        "write",
        description="Upload standard input as a file, which appears complete or not at all.",
        examples="  secftp write notes.txt host:8888 aes128 < notes.txt\n"
        "  pg_dump shop | secftp write backup/shop.sql host:8888 aes256 --key-file KEY\n"
        "  secftp write photo.jpg '[2001:db8::7]:8888' aes128 -i photo.jpg\n",
        local=("-i", "--input", "read FILE instead of standard input"),
        overwrite="fail if the file exists on the server",
    )


def parse(arguments: list[str]) -> PositionalOptions:
    """Return the options; raises `UsageError`."""
    return take_options(parser().parse(arguments))


def run(options: PositionalOptions, terminal: Terminal) -> None:
    """Upload. Raises what `Session.open`, `Session.write`, `open_input` and `choose_key` raise."""
    from secftp.session import Unconfirmed

    path, server = prepare("write", options, terminal)
    hint = ""
    try:
        sent, hint = _write(options, terminal, path, server)
    except Unconfirmed as lost:
        from secftp.session.retry import confirm

        sent = confirm(server.run, path, lost)
    terminal.confirmed(options.checksum, sent.digest, sent.size)
    terminal.hint(hint)


def _write(options: PositionalOptions, terminal: Terminal, path: Path, server: Connector) -> tuple[Transferred, str]:
    """Return what was sent, and a hint if the line made it slow."""
    from secftp.client.local_io import open_input
    from secftp.protocol import Algorithm
    from secftp.storage import WriteOptions

    with open_input(options.local) as source, server.open() as session:
        terminal.sending()
        with terminal.progress(wanted=not is_terminal(options, 0)) as progress:
            began = time.monotonic()
            sent = session.write(
                path,
                source,
                WriteOptions(overwrite=options.overwrite),
                algorithm=Algorithm(options.checksum),
                progress=progress,
            )
        return sent, line_hint_for(session, began, sent.size, sends=True)
