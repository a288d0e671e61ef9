"""Local directories that were there already and that their owner may not write to, while a tree is copied into them.

They get back what they had when the copy is through with them, when it fails, and when it is interrupted; a copy that
goes on over another connection makes them writable once more.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from secftp.errors import FileError

if TYPE_CHECKING:
    from secftp.copy.remote_tree import Folder
    from secftp.storage import Store


class Writable:
    """The directories that are writable for now, and the permissions that they had; the innermost come last."""

    def __init__(self) -> None:
        self._modes: dict[Folder, int] = {}

    def begin(self, store: Store, folder: Folder) -> None:
        """Make a directory writable if it is not. Raises `FileError`."""
        mode = store.make_writable(folder.local)
        if mode is not None:
            self._modes[folder] = mode

    def end(self, store: Store, folder: Folder, *, restored: bool) -> None:
        """Everything in it has come; with `restored` it gets its permissions back, else it has got others."""
        mode = self._modes.pop(folder, None)
        if mode is not None and restored:
            store.restore_mode(folder.local, mode)

    def suspend(self, store: Store) -> None:
        """The copy is over, in order or not: restore what is left."""
        for folder, mode in reversed(self._modes.items()):
            with contextlib.suppress(FileError):
                store.restore_mode(folder.local, mode)

    def go_on(self, store: Store) -> None:
        """The copy goes on where it was."""
        for folder in self._modes:
            with contextlib.suppress(FileError):  # what can't be written into is told of file by file
                store.make_writable(folder.local)
