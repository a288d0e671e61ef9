"""`secftp read` and `secftp write`: one file, one way, one session.

Everything that can be refused here is refused before the server hears of it: the name, the near end, the key.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from secftp.client.connect import Connector
from secftp.client.ends import STREAM, open_input, open_output
from secftp.client.key import choose_key
from secftp.messages import Algorithm, check_path
from secftp.session import Unconfirmed, confirm
from secftp.storage import WriteOptions

if TYPE_CHECKING:
    from secftp.client.options import TransferOptions
    from secftp.client.terminal import Terminal
    from secftp.session import Transferred
    from secftp.storage import Path


def run_read(options: TransferOptions, terminal: Terminal) -> None:
    """Fetch a file. Raises what `Session.open`, `Session.read`, `open_output` and `choose_key` raise."""
    path, server = _prepare(options, terminal)
    with open_output(options.local, overwrite=not options.no_clobber) as sink, server.open() as session:
        terminal.receiving()
        # Text on a terminal is its own progress, and a bar would be written into it.
        with terminal.progress(wanted=not _is_terminal(options, 1)) as progress:
            received = session.read(path, sink, algorithm=Algorithm(options.checksum), progress=progress)
    terminal.confirmed(received.digest)


def run_write(options: TransferOptions, terminal: Terminal) -> None:
    """Send a file. Raises what `Session.open`, `Session.write`, `open_input` and `choose_key` raise."""
    path, server = _prepare(options, terminal)
    try:
        sent = _write(options, terminal, path, server)
    except Unconfirmed as lost:
        sent = confirm(server.run, path, lost)
    terminal.confirmed(sent.digest)


def _write(options: TransferOptions, terminal: Terminal, path: Path, server: Connector) -> Transferred:
    with open_input(options.local) as source, server.open() as session:
        terminal.sending()
        with terminal.progress(wanted=not _is_terminal(options, 0)) as progress:
            return session.write(
                path,
                source,
                WriteOptions(overwrite=not options.no_clobber),
                algorithm=Algorithm(options.checksum),
                progress=progress,
            )


def wire_path(name: str) -> Path:
    """The path on the wire of a name as it was typed; a slash at its beginning stands for the served folder itself.

    Raises `NameRefused` for a name that no server takes.
    """
    path = tuple(os.fsencode(name).removeprefix(b"/").split(b"/"))
    check_path(path)
    return path


def _prepare(options: TransferOptions, terminal: Terminal) -> tuple[Path, Connector]:
    """What is to be asked for and under which key, and all that is said about it."""
    path = wire_path(options.filename)
    obtain = choose_key(options)
    terminal.quiet = options.quiet
    terminal.starting(options, keyed=obtain is not None)
    if obtain is None and not options.no_key:
        terminal.unprotected()
    if options.key is not None:
        terminal.key_is_visible()
    return path, Connector(options, obtain, terminal.waiting)


def _is_terminal(options: TransferOptions, descriptor: int) -> bool:
    return options.local in (None, STREAM) and os.isatty(descriptor)
