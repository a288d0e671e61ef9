"""The key that a server without a terminal makes for itself and uses again at its next start.

It lies in the user's state folder (XDG Base Directory Specification), in the form for people, so that whoever may read
the file can pass the key on. Many servers may start at once: the first file that stands wins, and all use that one.
It never lies beneath the folder that is served.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from secftp.errors import AlreadyExists, KeyFormatError
from secftp.keys.files import create_private, read_key_file, refuse_beneath
from secftp.keys.generate import generate_key
from secftp.text import show_local

if TYPE_CHECKING:
    from secftp.keys.files import StrPath
    from secftp.keys.key import Key

_FILE_NAME = "server.key"


class RememberedKey(NamedTuple):
    """The key, the file that holds it, and whether it was made just now."""

    key: Key
    path: str
    created: bool


def state_folder() -> str:
    """`$XDG_STATE_HOME/secftp`, or `~/.local/state/secftp` if that is not set to an absolute path (the XDG rule)."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    if not os.path.isabs(base):
        raise KeyFormatError(
            "This user has no home folder in which a key could be remembered.",
            hint="Set XDG_STATE_HOME to a folder, or give a key with --key-file or SECFTP_KEY.",
        )
    return os.path.join(base, "secftp")


def load_or_create(root: StrPath) -> RememberedKey:
    """The remembered key, made at the first call; `root` is the folder that is served.

    Raises KeyFormatError if the file would lie beneath `root`, can't be made, or is unsafe (see `read_key_file`).
    """
    folder = state_folder()
    path = os.path.join(folder, _FILE_NAME)
    refuse_beneath(path, root)
    if os.path.lexists(path):
        return RememberedKey(read_key_file(path), path, created=False)
    try:
        # A folder that is there keeps its mode: the file is private by its own.
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise KeyFormatError(
            f"The folder {show_local(folder)} can't be made: {(error.strerror or '').lower()}.",
            hint="Set XDG_STATE_HOME to a folder of yours, or give a key with --key-file or SECFTP_KEY.",
        ) from error
    try:
        create_private(path, generate_key().encode() + b"\n")
    except AlreadyExists:
        return RememberedKey(read_key_file(path), path, created=False)
    # Read back, so that this start uses what the next one will find.
    return RememberedKey(read_key_file(path), path, created=True)
