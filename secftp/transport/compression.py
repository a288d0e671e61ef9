"""Compression of file data: frames of zstd, each of which is decompressed by itself.

The library is that of Python 3.14, for older versions its backport (the extra `zstd` of this package). It is imported
when it is first used: only by transfers that are compressed, and by servers, before they have clients.

Invariant: the peer's frame never decides how much memory is used; it has to have the size that was announced and
accepted before, exactly.

Source: RFC 8878; docs/PROTOCOL.md, section 9, ZDATA.
"""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Final

from secftp.errors import InstallationError, ProtocolError
from secftp.protocol.limits import MAX_CLEAR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

DEFAULT_LEVEL: Final = 3  # the library's own: faster than any line on which compression pays
# A server compresses at no higher level, whatever a client asks for: those beyond take ten times the processor time.
SERVER_LEVEL: Final = 9
_LEAST_BYTES: Final = 512  # of a small file: compressing a smaller one takes longer than it saves
_MAGIC: Final = b"\x28\xb5\x2f\xfd"  # of a frame; those to be skipped have another
_SINGLE_SEGMENT: Final = 0x20  # a flag of a frame: its window is its content
_WINDOW_LOG: Final = MAX_CLEAR.bit_length() - 1


def require() -> None:
    """Import the library. Raises `InstallationError` if it is not installed."""
    try:
        _library()
    except ImportError:
        raise InstallationError(
            "Compression needs a library that is not installed.", hint="pip install 'secftp[zstd]'"
        ) from None


def is_installed() -> bool:
    """Whether the library is installed; imports it."""
    try:
        _library()
    except ImportError:
        return False
    return True


def shrinks(clear_size: int, frame_size: int) -> bool:
    """Whether so many bytes are compressed by an eighth at least, which is worth decompressing them."""
    return frame_size <= clear_size - clear_size // 8


class Compressor:
    """Compresses at one level, 1 to 19, each frame by itself. Reuses its memory; for one thread."""

    __slots__ = ("_compressor", "_mode")

    def __init__(self, level: int) -> None:
        library = _library()
        self._compressor = library.ZstdCompressor(level=level)
        self._mode = library.ZstdCompressor.FLUSH_FRAME

    def compress(self, clear: memoryview) -> bytes:
        """Return one whole frame that contains its content size."""
        frame: bytes = self._compressor.compress(clear, self._mode)
        return frame


class SmallFileCompressor:
    """Compresses small files, each by itself, where that makes them smaller by an eighth."""

    __slots__ = ("_compressor",)

    def __init__(self, level: int) -> None:
        self._compressor = Compressor(level)

    def compress(self, data: bytes) -> tuple[bytes, int | None]:
        """Return a frame and the size of `data`; or the data, and None, if they are to be sent as they are."""
        size = len(data)
        if size < _LEAST_BYTES:
            return data, None
        frame = self._compressor.compress(memoryview(data))
        return (frame, size) if shrinks(size, len(frame)) else (data, None)


def decompress_small(files: Iterable[bytes], clear_sizes: Iterable[int | None], *, wanted: bool) -> Iterator[bytes]:
    """Yield the contents of small files: of each that has a size in `clear_sizes`, those of its frame.

    Raises `ProtocolError` as `decompress`, and for compressed files that are not `wanted`.
    """
    if not wanted:
        raise ProtocolError("Compressed files are not allowed here.")
    for data, clear_size in itertools.zip_longest(files, clear_sizes):
        yield data if clear_size is None else decompress(memoryview(data), clear_size)


def decompress(frame: memoryview, clear_size: int) -> bytes:
    """Return the `clear_size` bytes, at most 2^20, of a frame. Raises `ProtocolError` if it is not one with just these.

    A window of more than 2^20 bytes, a dictionary, and anything before or behind the frame are refused, too.
    """
    library = _library()
    try:
        head = library.get_frame_info(frame)
        if bytes(frame[: len(_MAGIC)]) != _MAGIC or head.decompressed_size != clear_size or head.dictionary_id:
            raise _malformed()
        if _window_size(frame) > MAX_CLEAR:
            raise _malformed()
        decompressor = library.ZstdDecompressor(options={library.DecompressionParameter.window_log_max: _WINDOW_LOG})
        clear: bytes = decompressor.decompress(frame, clear_size + 1)  # one more, so that its end is looked for
    except library.ZstdError:
        raise _malformed() from None
    if len(clear) != clear_size or not decompressor.eof or decompressor.unused_data:
        raise _malformed()
    return clear


def _window_size(frame: memoryview) -> int:
    """Return the window of a frame whose header was parsed: the library does not always look at it.

    Source: RFC 8878, section 3.1.1.1.2.
    """
    descriptor, window = frame[len(_MAGIC)], frame[len(_MAGIC) + 1]
    if descriptor & _SINGLE_SEGMENT:
        return 0
    base = 1 << (10 + (window >> 3))
    return base + (base >> 3) * (window & 7)


def _malformed() -> ProtocolError:
    return ProtocolError("Compressed data are malformed.")


def _library() -> ModuleType:
    """Return the library; raises ImportError. A module that is loaded already costs a look at a table."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
