"""A whole tree removed: files as they are listed, each folder when the listing has left it, many under way at once.

The server serves requests in order, so a folder's removal may leave before those of its files are answered. What must
never happen: that anything is removed whose kind is not the one that was listed, or what is not served with it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from secftp.api.listing import Listing
from secftp.api.names import folder_path
from secftp.messages import Kind
from secftp.session.batch import removals
from secftp.session.operations import removal_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.api.pool import Pool
    from secftp.storage import Path


def remove_tree(pool: Pool, top: Path) -> None:
    """Remove a directory and everything in it, in one pass. Raises the first thing that goes wrong."""
    with (
        Listing(pool, top, b"/" + b"/".join(top), recursive=True) as listing,
        pool.session(long=True) as session,
        contextlib.closing(removals(session, top, removal_order(top, _found(listing)))) as problems,
    ):
        for problem in problems:
            if problem is not None:
                session.pipeline.settle()
                raise problem


def _found(listing: Listing[bytes]) -> Iterator[tuple[Path, Kind]]:
    for entry in listing:
        yield folder_path(entry.path), Kind(entry.stat().kind)
