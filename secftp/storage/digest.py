"""Checksums of files, by their names in the protocol; each library is imported when it is first used.

They detect accidental damage. Forgery is prevented by the MACs of the record layer, so the default is a fast checksum.
"""

from __future__ import annotations

import contextlib
import importlib
import typing
from typing import Final, Protocol

from secftp.errors import InstallationError, UsageError

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Digest(Protocol):
    """A checksum under way, with the interface of hashlib."""

    def update(self, data: bytes | bytearray | memoryview, /) -> object:
        """Add bytes."""
        ...

    def digest(self) -> bytes:
        """Return the checksum of all bytes so far: 16 for xxh128 and md5, 32 for the others."""
        ...

    def copy(self) -> Digest:
        """Return another checksum, of the same bytes so far."""
        ...


# Functions that compute one of them in a single call; the others are computed by `new_digest`.
_AT_ONCE: dict[str, tuple[str, str]] = {"xxh128": ("xxhash", "xxh3_128_digest")}

# By name: module, function, its arguments, and the extra of the package that installs it.
_MAKERS: dict[str, tuple[str, str, dict[str, bool], str]] = {
    "xxh128": ("xxhash", "xxh3_128", {}, ""),  # the canonical form, which is big-endian
    "sha256": ("hashlib", "sha256", {}, ""),
    "blake3": ("blake3", "blake3", {}, "blake3"),
    "md5": ("hashlib", "md5", {"usedforsecurity": False}, ""),  # else a FIPS libcrypto refuses it
}

ALGORITHMS = tuple(_MAKERS)

_CHUNK_BYTES: Final = 2**20


def load_digests(*algorithms: str) -> None:
    """Import the libraries of these checksums, as far as they are installed, before there is a peer.

    So no peer determines when a module is searched for, nor can it have written a file with the name of one by then.
    """
    for algorithm in algorithms:
        with contextlib.suppress(ImportError):
            importlib.import_module(_MAKERS[algorithm][0])


def new_digest(algorithm: str) -> Digest:
    """Begin a checksum: `xxh128` (XXH3-128), `sha256`, `blake3` (256 bits) or `md5`.

    Raises `UsageError` for any other name, `InstallationError` if its library is not installed.
    """
    if algorithm not in _MAKERS:
        raise UsageError(f"Unknown checksum; the known ones are {', '.join(ALGORITHMS)}.")
    module, function, arguments, extra = _MAKERS[algorithm]
    try:
        make: Callable[..., Digest] = getattr(importlib.import_module(module), function)
    except ImportError as error:
        package = f"secftp[{extra}]" if extra else module
        raise InstallationError(
            f"The checksum {algorithm} needs a library that is not installed.", hint=f"pip install '{package}'"
        ) from error
    return make(**arguments)


def digester(algorithm: str) -> Callable[[bytes | bytearray | memoryview], bytes]:
    """Return the function from bytes to their checksum, the fast path for small files; raises as `new_digest`."""
    new_digest(algorithm)  # raise now, not in the middle of a batch
    if algorithm in _AT_ONCE:
        module, function = _AT_ONCE[algorithm]
        at_once: Callable[[bytes | bytearray | memoryview], bytes] = getattr(importlib.import_module(module), function)
        return at_once

    def digest(data: bytes | bytearray | memoryview) -> bytes:
        made = new_digest(algorithm)
        made.update(data)
        return made.digest()

    return digest


def hash_part(
    readv: Callable[[Sequence[memoryview], int], int],
    digest: Digest,
    offset: int,
    length: int,
    *,
    check: Callable[[int], None] | None = None,
) -> int:
    """Hash up to `length` bytes from `offset`; return their number. `check(done)` is called before each chunk."""
    done = 0
    buffer = memoryview(bytearray(min(length, _CHUNK_BYTES)))
    while done < length:
        if check is not None:
            check(done)
        count = readv([buffer[: length - done]], offset + done)
        if count == 0:
            break
        digest.update(buffer[:count])
        done += count
    return done
