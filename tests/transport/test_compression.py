"""Frames of zstd: what decompresses to what was announced, and everything that does not."""

from __future__ import annotations

import builtins
import contextlib
import importlib.util
import random
import tracemalloc

import pytest
import zstandard

from secftp.errors import InstallationError, ProtocolError
from secftp.transport import compression
from secftp.transport.compression import Compressor, decompress

MIB = 2**20
TEXT = b"".join(b"line %d of a text that repeats itself, in part\n" % number for number in range(30_000))[:MIB]
NOISE = random.Random(4).randbytes(70_000)
MAGIC = b"\x28\xb5\x2f\xfd"


def refused(frame: bytes, clear_size: int) -> None:
    with pytest.raises(ProtocolError, match="Compressed data are malformed"):
        decompress(memoryview(frame), clear_size)


def run_of(count: int, *, says: int, descriptor: int = 0x60, window: bytes = b"", tail: bytes = b"") -> bytes:
    """A frame of `count` times the letter a, at least 256, that says it has another number of bytes."""
    head = MAGIC + bytes([descriptor]) + window + (says - 256).to_bytes(2, "little")
    return head + (count << 3 | 0b011).to_bytes(3, "little") + b"a" + tail


@pytest.mark.parametrize("level", [1, 3, 9, 19])
@pytest.mark.parametrize("data", [b"x", NOISE, TEXT, bytes(MIB), TEXT[:65_536]], ids=len)
def test_what_is_compressed_comes_back(level, data):
    compressor = Compressor(level)
    for _ in range(2):  # the second by what the first has left in memory
        frame = compressor.compress(memoryview(data))
        assert frame.startswith(MAGIC)
        assert decompress(memoryview(frame), len(data)) == data
        assert zstandard.ZstdDecompressor(max_window_size=MIB).decompress(frame) == data, "by another library"


@pytest.mark.parametrize("level", [1, 19])
@pytest.mark.parametrize("checksum", [False, True])
def test_frames_of_another_library_are_taken(level, checksum):
    frame = zstandard.ZstdCompressor(level=level, write_checksum=checksum).compress(TEXT)
    assert decompress(memoryview(frame), len(TEXT)) == TEXT
    if checksum:
        refused(frame[:-1] + bytes([frame[-1] ^ 1]), len(TEXT))
        refused(frame[:-4], len(TEXT))


def test_no_frame_depends_on_another():
    """The same bytes are the same frame, whatever was compressed before."""
    compressor = Compressor(3)
    first = compressor.compress(memoryview(TEXT[:5000]))
    compressor.compress(memoryview(TEXT))
    assert compressor.compress(memoryview(TEXT[:5000])) == first == Compressor(3).compress(memoryview(TEXT[:5000]))


def test_a_frame_says_how_much_it_is():
    assert decompress(memoryview(run_of(1000, says=1000)), 1000) == b"a" * 1000
    refused(run_of(1000, says=1000), 999)
    refused(run_of(1000, says=1000), 1001)
    refused(run_of(999, says=1000), 1000)
    refused(run_of(1001, says=1000), 1000)
    refused(run_of(1001, says=1000), 1001)
    refused(zstandard.ZstdCompressor(write_content_size=False).compress(TEXT[:5000]), 5000)


def test_there_is_one_frame_and_nothing_else():
    frame = Compressor(3).compress(memoryview(TEXT[:5000]))
    skipped = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"skip"
    for bad in (frame + b"\0", frame + frame, frame + skipped, skipped + frame, skipped, b"\0" + frame, b"", MAGIC):
        refused(bad, 5000)
        refused(bad, 4)
    refused(frame + frame, 10_000)


@pytest.mark.parametrize("data", [b"x", NOISE[:100], TEXT[:5000]], ids=len)
def test_every_cut_and_every_changed_bit(data):
    """A cut frame is refused; a changed one is refused or has the announced size, as its digest is compared later."""
    frame = Compressor(3).compress(memoryview(data))
    for end in range(len(frame)):
        refused(frame[:end], len(data))
    for place in range(len(frame)):
        for bit in range(8):
            changed = bytearray(frame)
            changed[place] ^= 1 << bit
            with contextlib.suppress(ProtocolError):
                assert len(decompress(memoryview(changed), len(data))) == len(data)


def test_a_window_is_bounded():
    """Whether the library would need one for this frame, or not."""
    for exponent, mantissa, good in [(0, 0, True), (10, 0, True), (10, 1, False), (11, 0, False), (31, 7, False)]:
        window = bytes([exponent << 3 | mantissa])
        frame = run_of(1000, says=1000, descriptor=0x40, window=window)
        if good:
            assert decompress(memoryview(frame), 1000) == b"a" * 1000
        else:
            refused(frame, 1000)


def test_a_dictionary_is_refused():
    dictionary = zstandard.ZstdCompressionDict(TEXT[:20_000], dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    assert decompress(memoryview(zstandard.ZstdCompressor(dict_data=dictionary).compress(NOISE)), len(NOISE)) == NOISE
    named = MAGIC + bytes([0x61, 7]) + run_of(1000, says=1000)[5:]  # by its id, although nothing of it is used
    refused(named, 1000)


def test_memory_is_bounded_whatever_a_frame_would_hold():
    """Half a GiB of zeros in a frame that says it is a megabyte, and as much that says so itself."""
    blocks = b"".join((131_072 << 3 | 0b010 | last).to_bytes(3, "little") + b"\0" for last in (0,) * 4095 + (1,))
    honest = MAGIC + bytes([0xA0]) + (2**29).to_bytes(4, "little") + blocks
    lying = MAGIC + bytes([0xA0]) + MIB.to_bytes(4, "little") + blocks
    tracemalloc.start()
    try:
        for frame in (honest, lying):
            refused(frame, MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


def test_without_the_library_it_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name in ("backports", "compression"):
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert not compression.is_installed()
    with pytest.raises(InstallationError) as caught:
        compression.require()
    assert caught.value.hint == "pip install 'secftp[zstd]'"


def test_the_extra_has_the_library():
    name = "compression.zstd" if importlib.util.find_spec("compression") else "backports.zstd"
    assert importlib.util.find_spec(name)
    assert compression.is_installed()
