"""`secftp keygen`: a key for people on standard output, or one in a file."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from secftp import system

if TYPE_CHECKING:
    from secftp.client.options import KeygenOptions
    from secftp.client.terminal import Terminal


def run_keygen(chosen: KeygenOptions, terminal: Terminal) -> None:
    """Raises `AlreadyExists` and `KeyFormatError` for a file that can't be made."""
    with contextlib.suppress(OSError, ImportError):
        system.forbid_dumps()  # they would hold the key
    if chosen.file is None:
        from secftp.keys import generate_key

        terminal.print(generate_key())
        return
    from secftp.keys import write_key_file

    write_key_file(chosen.file)
    terminal.key_file_made(chosen.file)
