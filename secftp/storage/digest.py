"""The checksums of a file's bytes, by the names the wire gives them; each library is loaded when it is asked for.

They tell damage apart from health. Forgery is the record layer's matter, so a fast checksum is the default.
"""

from __future__ import annotations

import contextlib
import importlib
import typing
from typing import Protocol

from secftp.errors import InstallationError, UsageError

if typing.TYPE_CHECKING:
    from collections.abc import Callable


class Digest(Protocol):
    """A checksum under way."""

    def update(self, data: bytes | bytearray | memoryview, /) -> object:
        """Take in more bytes."""
        ...

    def digest(self) -> bytes:
        """The checksum of all bytes so far: 16 for xxh128 and md5, 32 for the others."""
        ...


# The same over bytes that are there already, in one call; what is not here goes the general way.
_AT_ONCE: dict[str, tuple[str, str]] = {"xxh128": ("xxhash", "xxh3_128_digest")}

# Names of the wire: (module, function, its arguments, the package's extra that brings it).
_MAKERS: dict[str, tuple[str, str, dict[str, bool], str]] = {
    "xxh128": ("xxhash", "xxh3_128", {}, ""),  # canonical, that is big-endian, form
    "sha256": ("hashlib", "sha256", {}, ""),
    "blake3": ("blake3", "blake3", {}, "blake3"),
    "md5": ("hashlib", "md5", {"usedforsecurity": False}, ""),  # else a FIPS libcrypto refuses it
}

ALGORITHMS = tuple(_MAKERS)


def load_digests(*algorithms: str) -> None:
    """Load the libraries of these checksums, as far as they are installed, before there is a peer.

    So no peer decides when a module is looked for, nor can it have placed a file under the name of one by then.
    """
    for algorithm in algorithms:
        with contextlib.suppress(ImportError):
            importlib.import_module(_MAKERS[algorithm][0])


def new_digest(algorithm: str) -> Digest:
    """Begin a checksum: `xxh128` (XXH3-128), `sha256`, `blake3` (256 bits) or `md5`.

    Raises `UsageError` for any other name, `InstallationError` if the library for it is not installed.
    """
    if algorithm not in _MAKERS:
        raise UsageError(f"There is no checksum of that name; there are {', '.join(ALGORITHMS)}.")
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
    """The function from bytes to their checksum, for small files by the thousand; raises as `new_digest`."""
    new_digest(algorithm)  # now, and not in the middle of a batch
    if algorithm in _AT_ONCE:
        module, function = _AT_ONCE[algorithm]
        at_once: Callable[[bytes | bytearray | memoryview], bytes] = getattr(importlib.import_module(module), function)
        return at_once

    def digest(data: bytes | bytearray | memoryview) -> bytes:
        made = new_digest(algorithm)
        made.update(data)
        return made.digest()

    return digest
