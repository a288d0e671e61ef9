"""Vectored calls carried to their end: the kernel may do less than it was asked to, and takes so many buffers a call.

A batch that the kernel takes whole costs one call and no copy of anything.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

IOV_MAX = os.sysconf("SC_IOV_MAX")


class _Step(Protocol):
    def __call__(self, buffers: Sequence[memoryview], done: int, /) -> int: ...


def transfer_all(step: _Step, buffers: Sequence[memoryview], limit: int | None = None) -> int:
    """Call `step(rest of buffers, bytes done so far)` until all is done, it did nothing, or `limit` is reached.

    Returns the bytes done, which can exceed `limit`. The buffers are flat views of bytes; `step` gets one that is not
    empty first, and at most IOV_MAX of them.
    """
    sizes = [buffer.nbytes for buffer in buffers]
    if 0 in sizes:
        return transfer_all(step, [buffer for buffer in buffers if buffer.nbytes], limit)
    total = sum(sizes)
    if limit is not None and limit < total:
        total = limit
    first = skipped = done = 0  # all before buffers[first][skipped] is done
    while done < total:
        window = buffers[first : first + IOV_MAX]
        if skipped:
            window = [window[0][skipped:], *window[1:]]
        count = step(window, done)
        done += count
        if not count or done >= total:
            break
        skipped += count
        while skipped >= sizes[first]:
            skipped -= sizes[first]
            first += 1
    return done
