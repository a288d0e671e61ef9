"""Frames of zstd as ZDATA holds them, by the other library: the product never imports this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zstandard

from tests.model.messages import insist

if TYPE_CHECKING:
    from tests.model.messages import Message

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


def decompress_files(message: Message, *, wanted: bool) -> list[dict[str, Any]]:
    """The small files in a message, with their contents in place of frames."""
    files = [dict(file) for file in message.files]
    insist(wanted or not message.clear_sizes, "compressed files only where they are wanted")
    for file, size in zip(files, message.clear_sizes, strict=False):
        if size is not None:
            file["data"] = decompress(file["data"], size)
    return files
