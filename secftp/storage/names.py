"""Names that a store accepts, and the reserved names of unfinished files.

Decided by the bytes of a name alone, before any file system call. The limits of a path are those of the protocol; a
store also refuses the prefix that secftp reserves. Invariants: no request can name an unfinished file, and the name of
an unfinished file never holds bytes that a peer chose. It is random, or a hash where it must be found again.
"""

from __future__ import annotations

import os
from typing import TypeAlias

from secftp.errors import NameRefused, Reason
from secftp.protocol.limits import check_name, check_path

Path: TypeAlias = tuple[bytes, ...]  # of a file or a directory
DirectoryPath: TypeAlias = Path  # the same, where () is the root of the store
RESERVED_PREFIX = b".secftp-"
RESERVED_TEXT = os.fsdecode(RESERVED_PREFIX)  # as os.scandir decodes it
_TEMPORARY_PREFIX = RESERVED_PREFIX + b"tmp-"
_PARTIAL_PREFIX = RESERVED_PREFIX + b"part-"
_MAP_PREFIX = RESERVED_PREFIX + b"map-"
_RANDOM_BYTES = _HASH_BYTES = 16
_HEX_DIGITS = b"0123456789abcdef"


def check(path: Path) -> None:
    """Raise `NameRefused` unless `path` is valid in the protocol (`messages.check_path`) and holds no reserved name."""
    check_path(path)
    for name in path:
        if name.startswith(RESERVED_PREFIX):
            raise _reserved()


def check_last(name: bytes) -> None:
    """Do the same for a path whose names before the last were checked, and which is not too long."""
    check_name(name)
    if name.startswith(RESERVED_PREFIX):
        raise _reserved()


def check_directory(path: Path) -> None:
    """Do the same for a directory that is only read, which may be the root: `()`."""
    if path:
        check(path)


def temporary_name() -> bytes:
    """Return a new name for an unfinished file: 44 bytes, with 128 random bits, so that it is free."""
    return _TEMPORARY_PREFIX + os.urandom(_RANDOM_BYTES).hex().encode()


def temporary_names(count: int) -> list[bytes]:
    """Return `count` of them, in a third of the time that as many calls take."""
    bits = os.urandom(_RANDOM_BYTES * count).hex().encode()
    size = 2 * _RANDOM_BYTES
    return [_TEMPORARY_PREFIX + bits[at : at + size] for at in range(0, len(bits), size)]


def is_temporary(name: bytes) -> bool:
    """Return whether `temporary_name` could have made `name`."""
    return name.startswith(_TEMPORARY_PREFIX) and _is_hex(name[len(_TEMPORARY_PREFIX) :], _RANDOM_BYTES)


def partial_name(name: bytes) -> bytes:
    """Return the name of the partial of `name`, in the same directory: a hash of it; 45 bytes."""
    import hashlib  # slower to import than a small file is to copy, and only large files have partials

    return _PARTIAL_PREFIX + hashlib.blake2b(name, digest_size=_HASH_BYTES).hexdigest().encode()


def is_partial(name: bytes) -> bool:
    """Return whether `partial_name` could have made `name`."""
    return name.startswith(_PARTIAL_PREFIX) and _is_hex(name[len(_PARTIAL_PREFIX) :], _HASH_BYTES)


def map_of(partial: bytes) -> bytes:
    """Return the name of the map of a partial, in the same directory, from the name of the partial."""
    return _MAP_PREFIX + partial.removeprefix(_PARTIAL_PREFIX)


def is_map(name: bytes) -> bool:
    """Return whether a name is that of the map of a partial."""
    return name.startswith(_MAP_PREFIX) and _is_hex(name[len(_MAP_PREFIX) :], _HASH_BYTES)


def partial_of(name: bytes) -> bytes:
    """Return the name of the partial that a map belongs to."""
    return _PARTIAL_PREFIX + name.removeprefix(_MAP_PREFIX)


def _reserved() -> NameRefused:
    return NameRefused("Names that begin with '.secftp-' are reserved.", reason=Reason.RESERVED_NAME)


def _is_hex(text: bytes, size: int) -> bool:
    """Return whether `text` is `size` bytes in lower-case hexadecimal digits."""
    return len(text) == 2 * size and not text.strip(_HEX_DIGITS)
