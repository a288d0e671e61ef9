"""The directory that `secftp receive` takes files into."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from secftp.errors import Forbidden, Side
from secftp.server.own_names import OwnNamesStore
from secftp.server.path_checks import CodePaths
from secftp.storage import LocalStore
from secftp.storage.inbox import InboxStore
from secftp.text import show_local

if TYPE_CHECKING:
    from secftp.storage import Store


def open_inbox(directory: str) -> Store:
    """Return the store; from the top of the directory, leftovers of killed programs are removed.

    Raises what `LocalStore` raises, `Forbidden` for a directory that can't be written to, and `UsageError` if this
    program would run what a client makes in it, see `CodePaths.refuse_new`.
    """
    local = LocalStore(directory)
    store: Store = InboxStore(local)
    try:
        _require_writable(directory)
        local.sweep_leftovers()
        return OwnNamesStore(store) if CodePaths().refuse_new(directory) else store
    except BaseException:
        store.close()
        raise


def _require_writable(directory: str) -> None:
    if not os.access(directory, os.W_OK):
        raise Forbidden(f"{show_local(directory)} can't be written to.", hint="Name another.", side=Side.LOCAL)
