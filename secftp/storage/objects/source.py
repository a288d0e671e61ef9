"""Objects as sources: read by ranges, ahead of the reader where it is known or seen to read in order.

Who says with `expect` what will be read gets that range ahead, several blocks at once, and nothing beyond it is
requested. Any other read gets what it asks for, and more only if the next one goes on where it ended: twice as much
each time. So a reader that jumps pays for no byte that it does not want, and one that reads in order does not wait for
each request.

Invariants: all bytes come from one version, which each request names (If-Match): another one is `FileChanged`. At most
five blocks are in memory, and none after `close`.
"""

# ruff: noqa: D102 - methods without a docstring are those of the interfaces in `store`

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from secftp.storage.errors import changed
from secftp.storage.objects.concurrency import each
from secftp.storage.objects.digests import find_digest
from secftp.storage.store import Source

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from secftp.protocol import Algorithm
    from secftp.storage.attributes import FileInfo
    from secftp.storage.objects.bucket import Bucket, ObjectInfo
    from secftp.storage.objects.keys import Key

AT_ONCE: Final = 4  # blocks that are requested at once
LARGEST_BLOCK: Final = 8 << 20  # bytes
_FIRST_BLOCK: Final = 1 << 20  # a reader waits for all of it; those behind it are larger and on their way meanwhile
_LARGEST_WINDOW: Final = AT_ONCE * LARGEST_BLOCK  # bytes that are read ahead because the reader seems to go on
_STAMP_BYTES: Final = 8


class ObjectSource(Source):
    """One version of an object. `found`: what the store said of it; `info`: what is told of it. Opens nothing."""

    __slots__ = ("_at", "_block", "_blocks", "_bucket", "_end", "_found", "_key", "_window", "info")

    def __init__(self, bucket: Bucket, key: Key, found: ObjectInfo, info: FileInfo) -> None:
        self.info: FileInfo = info
        self._bucket = bucket
        self._key = key
        self._found = found
        self._at = 0  # where `_block` begins, behind what was read
        self._end = 0  # of what is read ahead
        self._block = memoryview(b"")
        self._blocks: Generator[memoryview, None, None] | None = None  # those behind it
        self._window = 0  # bytes of the last range that was not announced

    @property
    def wait_descriptor(self) -> None:
        """None: no peer process writes it."""
        return

    @property
    def stamp(self) -> tuple[int, ...] | None:
        """Size, time, and the ETag as a number; None if the store has no ETags."""
        etag = self._found.etag
        if etag is None:
            return None
        number = int.from_bytes(hashlib.blake2b(etag.encode(), digest_size=_STAMP_BYTES).digest())
        return self._found.size, self._found.modified_ns, number

    @property
    def is_stamp_shared(self) -> bool:
        """True: it is the store's, so that servers of one bucket agree on it."""
        return True

    def stored_digest(self, algorithm: Algorithm) -> bytes | None:
        return find_digest(self._bucket, self._found, algorithm, self._key.path)

    def expect(self, offset: int, length: int) -> None:
        """Request the range ahead of the reader."""
        self._request(offset, min(offset + length, self._found.size))
        self._window = 0

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        done = 0
        for buffer in buffers:
            while buffer:
                count = self._read(buffer, offset + done, sum(map(len, buffers)) - done)
                if not count:
                    return done
                buffer = buffer[count:]  # noqa: PLW2901 - the rest of it
                done += count
        return done

    def _read(self, buffer: memoryview, offset: int, wanted: int) -> int:
        """Read into the buffer what the next block has for it. `wanted`: bytes, with the buffers behind this one."""
        if offset >= self._found.size:
            return 0
        if offset != self._at or offset >= self._end:
            self._request_unannounced(offset, wanted)
        if not self._block:
            self._block = self._next_block()
        count = min(len(buffer), len(self._block))
        buffer[:count] = self._block[:count]
        self._block = self._block[count:]
        self._at += count
        return count

    def _next_block(self) -> memoryview:
        assert self._blocks is not None
        return next(self._blocks)

    def _request_unannounced(self, offset: int, wanted: int) -> None:
        """Request what is wanted, or a larger window if the reader goes on where it was."""
        goes_on = offset == self._at and self._window
        self._window = min(2 * self._window, _LARGEST_WINDOW) if goes_on else 0
        self._window = max(self._window, wanted)
        self._request(offset, min(offset + self._window, self._found.size))

    def _request(self, offset: int, end: int) -> None:
        """Request a range in blocks, in place of what was requested before."""
        self.close()
        self._at, self._end = offset, end
        if offset < end:
            self._blocks = each(self._fetch, blocks_of(offset, end), AT_ONCE)

    def _fetch(self, part: tuple[int, int]) -> memoryview:
        start, end = part
        data = self._bucket.get(self._key, start, end, etag=self._found.etag)
        if len(data) != end - start:  # of a store without ETags: it is another version
            raise changed(self._key.path)
        return data

    def check_unchanged(self) -> None:
        """Nothing to check: each request was for this version."""

    def close(self) -> None:
        """End the requests that are under way; idempotent."""
        blocks, self._blocks = self._blocks, None
        self._block = memoryview(b"")
        self._end = self._at
        if blocks is not None:
            blocks.close()


def blocks_of(offset: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a range into blocks that get larger."""
    size = _FIRST_BLOCK
    while offset < end:
        until = min(end, offset + size)
        yield offset, until
        offset = until
        size = min(2 * size, LARGEST_BLOCK)
