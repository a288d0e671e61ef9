"""Frames of zstd as ZDATA holds them, by the other library: the product never imports this one."""

from __future__ import annotations

import zstandard

from tests.model.messages import insist

LARGEST = 2**20


def compress(data: bytes, level: int = 3) -> bytes:
    """One frame with its content size."""
    return zstandard.ZstdCompressor(level=level, write_content_size=True).compress(data)


def decompress(frame: bytes, clear_size: int) -> bytes:
    """The bytes in a frame, or Broken if that breaks a rule of ZDATA."""
    insist(frame[:4] == b"\x28\xb5\x2f\xfd", "a frame, and none to be skipped")
    try:
        head = zstandard.get_frame_parameters(frame)
        insist(head.content_size == clear_size, "its content size")
        insist(head.window_size <= LARGEST, "a window of at most 2^20")
        insist(head.dict_id == 0, "no dictionary")
        decompressor = zstandard.ZstdDecompressor(max_window_size=LARGEST).decompressobj(read_across_frames=False)
        data = decompressor.decompress(frame)
    except zstandard.ZstdError as error:
        insist(condition=False, rule=f"zstd: {error}")
        raise
    insist(decompressor.eof and not decompressor.unused_data, "one whole frame")
    insist(len(data) == clear_size, "as many bytes as it says")
    return data
