"""The digest of what is there already of a file that was broken off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from secftp.errors import FileChanged, Side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.storage import Digest

_PIECE: Final = 2**20


class _Readable(Protocol):
    def readv(self, buffers: Sequence[memoryview], offset: int) -> int: ...


def hash_prefix(readable: _Readable, digest: Digest, size: int) -> None:
    """Take the first `size` bytes into the digest; `FileChanged` if there are not so many."""
    piece = memoryview(bytearray(min(size, _PIECE)))
    done = 0
    while done < size:
        count = readable.readv([piece[: size - done]], done)
        if not count:
            raise FileChanged("The file became shorter while it was being read.", hint="Try again.", side=Side.LOCAL)
        digest.update(piece[:count])
        done += count
