"""Maps of the parts of a partial: which ranges have arrived, in a file beside it.

A partial that is written in parts has gaps. Its map has the name of the partial with another prefix, and is replaced
atomically: it is written under a temporary name, then renamed. Invariants: a map lists only what has been written and
verified; a map is removed before its partial is truncated, removed or replaced; a file that is no map, or that of
another partial, counts as none.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.intervals import Intervals
from secftp.protocol.limits import MAX_PARTS, MAX_SIZE
from secftp.storage.attributes import file_info
from secftp.storage.errors import close_quietly
from secftp.storage.names import map_of, partial_name
from secftp.storage.partial import create_temporary, is_ours, look_at_partial, remove_quietly

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secftp.storage.attributes import FileInfo
    from secftp.storage.names import Path

TAG_BYTES: Final = 16
_MAGIC: Final = b"secftp-map-1\n"
_HEAD: Final = struct.Struct(f">{len(_MAGIC)}s{TAG_BYTES}sQQI")  # magic, tag, inode, total, number of ranges
_RANGE: Final = struct.Struct(">QQ")
_CHECK_BYTES: Final = 16
_LONGEST: Final = _HEAD.size + MAX_PARTS * _RANGE.size + _CHECK_BYTES
_READ_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


class PartMap(NamedTuple):
    """The contents of a map. `tag` names the upload, `total` is the size of the whole file."""

    tag: bytes
    total: int
    ranges: Intervals


class KeptParts(NamedTuple):
    """What is kept of an interrupted file: its partial, whose size is that of its part at 0, and all of its parts.

    `tag` names the upload that it belongs to, and `total` is the size of the whole file; None if it has no map.
    """

    info: FileInfo
    tag: bytes | None
    total: int | None
    ranges: Intervals


def encode_map(parts: PartMap, inode: int) -> bytes:
    """Return the bytes of a map for the partial with this inode number; a checksum is at their end."""
    ranges = list(parts.ranges)
    text = _HEAD.pack(_MAGIC, parts.tag, inode, parts.total, len(ranges))
    text += b"".join(_RANGE.pack(at, end) for at, end in ranges)
    return text + _checksum(text)


def decode_map(text: bytes, inode: int) -> PartMap | None:
    """Return what `encode_map` was called with; None for any other bytes."""
    body, check = text[:-_CHECK_BYTES], text[-_CHECK_BYTES:]
    if len(body) < _HEAD.size or not hmac.compare_digest(_checksum(body), check):
        return None
    magic, tag, of_inode, total, count = _HEAD.unpack_from(body)
    if magic != _MAGIC or of_inode != inode or len(body) != _HEAD.size + count * _RANGE.size:
        return None
    ranges = list(_RANGE.iter_unpack(body[_HEAD.size :]))
    if not _in_order(ranges, total):
        return None
    return PartMap(tag, total, Intervals(ranges))


def read_map(directory: int, partial: bytes, status: os.stat_result) -> PartMap | None:
    """Return the map of the partial with this name and status; None if it has none."""
    try:
        fd = os.open(map_of(partial), _READ_FLAGS, dir_fd=directory)
    except OSError:
        return None
    try:
        found = os.fstat(fd)
        if not is_ours(found) or found.st_size > _LONGEST:
            return None
        parts = decode_map(os.read(fd, _LONGEST), status.st_ino)
    except OSError:
        return None
    finally:
        close_quietly(fd)
    # A partial that is shorter than its map was truncated by another program.
    return parts if parts is not None and all(end <= status.st_size for _, end in parts.ranges) else None


def kept_parts(directory: int, path: Path | str, target: bytes) -> KeptParts:
    """Return what is kept of the file `target`; `path` is what messages call it. Raises `NotFound`."""
    status = look_at_partial(directory, path, target)
    info = file_info(status)
    parts = read_map(directory, partial_name(target), status)
    if parts is None:
        return KeptParts(info, None, None, Intervals([(0, status.st_size)]))
    return KeptParts(info._replace(size=parts.ranges.prefix), parts.tag, parts.total, parts.ranges)


def write_map(directory: int, partial: bytes, parts: PartMap, inode: int) -> None:
    """Write or replace the map of a partial; raises OSError."""
    text = encode_map(parts, inode)
    fd, temporary = create_temporary(directory)
    try:
        _write_all(fd, text)
        os.rename(temporary, map_of(partial), src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        remove_quietly(temporary, directory)
        raise
    finally:
        close_quietly(fd)


def prefix_of(directory: int, partial: bytes, status: os.stat_result) -> int:
    """Return how many bytes from 0 on a partial has without a gap: all of them if it has no map."""
    parts = read_map(directory, partial, status)
    return status.st_size if parts is None else parts.ranges.prefix


def _write_all(fd: int, text: bytes) -> None:
    if os.write(fd, text) != len(text):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def _checksum(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=_CHECK_BYTES).digest()


def _in_order(ranges: Iterable[tuple[int, int]], total: int) -> bool:
    """Return whether the ranges are sorted, apart, not empty, and within the file."""
    before = -1
    for at, end in ranges:
        if not before < at < end:
            return False
        before = end
    return before <= total <= MAX_SIZE
