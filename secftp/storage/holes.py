"""Holes: runs of zeros that a file has and the disk does not.

Where a file's are is known from the system (lseek with SEEK_DATA and SEEK_HOLE), or found by looking at its data. They
are what a sender need not send, and a receiver need not write.

Invariant: what is called a hole reads as zeros; what is not known counts as data.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from secftp.protocol import are_zeros, zeros
from secftp.storage.attributes import LEAST_HOLE, Extent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What is looked at together, at multiples of it: where a file that is written in frames can have its holes.
BLOCK: Final = 1 << 16
_SHORT_HOLES: Final = 64  # that are passed by in one search
_ZERO_BLOCK: Final = bytes(BLOCK)


def extent_at(fd: int, offset: int, end: int) -> Extent:
    """Return what begins at `offset` in an open file: a hole or data, up to `end` at most.

    Holes between data count as data if they are short. A file system that does not tell has none.
    """
    position = offset
    try:
        for _ in range(_SHORT_HOLES):
            hole = os.lseek(fd, position, os.SEEK_HOLE)
            if hole >= end:
                return Extent(False, end)
            position = _next_data(fd, hole, end)
            if position - hole >= LEAST_HOLE:
                return Extent(True, position) if hole == offset else Extent(False, hole)
            if position >= end:
                return Extent(False, end)
    except (OSError, AttributeError):  # a system without SEEK_HOLE
        return Extent(False, end)
    return Extent(False, position)


def data_in(fd: int, at: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges between `at` and `end` of an open file that may hold anything but a hole."""
    position = at
    while position < end:
        try:
            begin = _next_data(fd, position, end)
            position = end if begin == end else min(os.lseek(fd, begin, os.SEEK_HOLE), end)
        except (OSError, AttributeError):
            begin, position = position, end
        if begin < position:
            yield begin, position


def _next_data(fd: int, offset: int, end: int) -> int:
    """Return where data begin at or behind `offset`, at most `end`; raises OSError."""
    try:
        return min(os.lseek(fd, offset, os.SEEK_DATA), end)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole up to the end of the file
            return end
        raise


def split_zeros(buffers: Sequence[memoryview], offset: int) -> Iterator[list[memoryview]]:
    """Yield the same bytes, which belong at `offset`, in runs: whole blocks of zeros (see `zeros`), and all others."""
    run: list[memoryview] = []
    skipped = 0
    for piece in _blocks(buffers, offset):
        if len(piece) == BLOCK and is_zero(piece):
            if run:
                yield run
                run = []
            skipped += BLOCK
        else:
            if skipped:
                yield zeros(skipped)
                skipped = 0
            run.append(piece)
    if skipped:
        yield zeros(skipped)
    if run:
        yield run


def _blocks(buffers: Sequence[memoryview], offset: int) -> Iterator[memoryview]:
    """Yield the buffers cut at the multiples of `BLOCK` in the file."""
    for buffer in buffers:
        start = 0
        while start < len(buffer):
            size = min(BLOCK - offset % BLOCK, len(buffer) - start)
            yield buffer[start : start + size]
            start += size
            offset += size


def is_zero(block: memoryview) -> bool:
    """Return whether a block of at most `BLOCK` bytes has nothing but zeros."""
    if are_zeros([block]):
        return True
    size = len(block)
    if block[0] or block[size // 2] or block[size - 1]:
        return False
    return bytes(block) == (_ZERO_BLOCK if size == BLOCK else _ZERO_BLOCK[:size])
