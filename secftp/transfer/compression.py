"""Compression of a copy, over one session after another; loaded by a copy that is to be compressed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.session import Session
    from secftp.transfer.progress import Summary
    from secftp.transport import DataCount


@contextlib.contextmanager
def compressed(session: Session, level: int, summary: Summary, data: DataCount) -> Iterator[None]:
    """Compress the files that a session transfers in the block, if its server supports that.

    `level`: 1 to 19. Notes in `summary` whether it does, once that is known, and adds to `data` what was transferred.
    """
    pipeline = session.pipeline
    before = pipeline.channel.data
    pipeline.channel.take_saved()
    pipeline.compress = level
    try:
        yield
    finally:
        pipeline.compress = None  # the session may be used for other requests
        summary.compression = pipeline.channel.may_compress
        moved = pipeline.channel.data.since(before)
        data.add(moved.nbytes, moved.saved, moved.holes)
