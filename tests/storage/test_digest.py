"""Checksums, against values from their specifications."""

from __future__ import annotations

import sys

import pytest

from secftp.errors import InstallationError, UsageError
from secftp.protocol import Algorithm
from secftp.storage import ALGORITHMS, new_digest

# of nothing, and of b"abc": FIPS 180-4, RFC 1321 A.5, the test vectors of BLAKE3 and of xxHash
KNOWN = {
    "md5": ("d41d8cd98f00b204e9800998ecf8427e", "900150983cd24fb0d6963f7d28e17f72"),
    "sha256": (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ),
    "blake3": (
        "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
        "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
    ),
    "xxh128": ("99aa06d3014798d86001c324468d497f", "06b05ab6733a618578af5f94892f3950"),
}


@pytest.mark.parametrize("algorithm", KNOWN)
def test_known_answers(algorithm):
    for content, expected in zip((b"", b"abc"), KNOWN[algorithm], strict=True):
        digest = new_digest(algorithm)
        for byte in content:
            digest.update(memoryview(bytes([byte])))
        assert digest.digest().hex() == expected


def test_the_names_are_those_of_the_wire():
    assert set(ALGORITHMS) == set(KNOWN) == {algorithm.value for algorithm in Algorithm}
    assert new_digest(Algorithm.SHA256).digest() == new_digest("sha256").digest()


@pytest.mark.parametrize("name", ["", "sha1", "XXH128", "os"])
def test_other_names_are_refused(name):
    with pytest.raises(UsageError, match="xxh128, sha256, blake3, md5"):
        new_digest(name)


def test_a_missing_library_is_named(monkeypatch):
    for module, algorithm, hint in [("blake3", "blake3", "secftp[blake3]"), ("xxhash", "xxh128", "xxhash")]:
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(InstallationError) as caught:
            new_digest(algorithm)
        assert hint in caught.value.hint
