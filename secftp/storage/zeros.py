"""Sources whose zeros count as holes, although the file system has blocks for them.

Invariant: what is called a hole was read, and was zero.
"""

from __future__ import annotations

from typing import Final

from secftp.protocol import are_zeros
from secftp.protocol.limits import MAX_HOLE
from secftp.storage.attributes import Extent
from secftp.storage.holes import BLOCK, is_zero, split_zeros
from secftp.storage.wrappers import SourceWrapper

_SCANNED: Final = 1 << 20  # bytes that are read in one search


class ZerosAsHoles(SourceWrapper):
    """A source in which whole blocks of zeros count as holes, wherever the file has them. Its data are read twice."""

    __slots__ = ()

    @property
    def is_sparse(self) -> bool:
        """True unless the size is unknown."""
        return self._inner.info.size is not None

    def extent_at(self, offset: int, end: int) -> Extent:
        """Return what begins at `offset`, after a look at some of the data there."""
        known = self._inner.extent_at(offset, end)
        if known.is_hole:
            return known
        last = min(known.end, offset + _SCANNED)
        buffer = memoryview(bytearray(last - offset))
        count = self._inner.readv([buffer], offset)
        position, is_hole = offset, False
        for run in split_zeros([buffer[:count]], offset):
            is_hole = are_zeros(run)
            if position > offset:
                return Extent(False, position)
            position += sum(map(len, run))
            if is_hole:
                break
        if not is_hole:
            return Extent(False, last)
        return Extent(True, self._end_of_zeros(position, min(known.end, offset + MAX_HOLE)))

    def _end_of_zeros(self, position: int, end: int) -> int:
        """Return how far the blocks of zeros reach that end at `position`."""
        block = memoryview(bytearray(BLOCK))
        while position + BLOCK <= end and self._inner.readv([block], position) == BLOCK and is_zero(block):
            position += BLOCK
        return position
