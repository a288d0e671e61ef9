"""Which names a store uses at all, decided by their bytes alone, before a file system sees any of them.

The bounds of a path are the wire's; on top of them stands the one prefix that secftp keeps for itself. What must never
happen: that a request can name an unfinished file, or that an unfinished file's name holds what a peer sent: it is
random, or, where it must be found again for a name, a hash of that.
"""

from __future__ import annotations

import os
import re
from typing import TypeAlias

from secftp.errors import NameRefused, Reason
from secftp.messages.limits import check_path

Path: TypeAlias = tuple[bytes, ...]  # of a file or a folder
DirectoryPath: TypeAlias = Path  # the same, but () is the served folder itself
RESERVED_PREFIX = b".secftp-"
_TEMPORARY_PREFIX = RESERVED_PREFIX + b"tmp-"
_PARTIAL_PREFIX = RESERVED_PREFIX + b"part-"
_RANDOM_BYTES = _HASH_BYTES = 16
_is_partial = re.compile(re.escape(_PARTIAL_PREFIX) + rb"[0-9a-f]{32}").fullmatch
_is_temporary = re.compile(re.escape(_TEMPORARY_PREFIX) + rb"[0-9a-f]{32}").fullmatch


def check(path: Path) -> None:
    """Raise `NameRefused` unless `path` is one the wire allows (`messages.check_path`) without a reserved name."""
    check_path(path)
    for name in path:
        if name.startswith(RESERVED_PREFIX):
            raise NameRefused("Names that begin with '.secftp-' are reserved.", reason=Reason.RESERVED_NAME)


def check_directory(path: Path) -> None:
    """The same for a folder that is only looked at, which may be the root: `()`."""
    if path:
        check(path)


def temporary_name() -> bytes:
    """A new name for an unfinished file: 128 random bits, so nobody can take it first; 44 bytes."""
    return _TEMPORARY_PREFIX + os.urandom(_RANDOM_BYTES).hex().encode()


def temporary_names(count: int) -> list[bytes]:
    """`count` of them, for a third of the time."""
    bits = os.urandom(_RANDOM_BYTES * count).hex().encode()
    size = 2 * _RANDOM_BYTES
    return [_TEMPORARY_PREFIX + bits[at : at + size] for at in range(0, len(bits), size)]


def is_temporary(name: bytes) -> bool:
    """Whether `temporary_name` could have made `name`."""
    return _is_temporary(name) is not None


def partial_name(name: bytes) -> bytes:
    """The name of the unfinished file that is kept for `name`, in the same folder: a hash of it; 45 bytes."""
    import hashlib  # takes longer than a small transfer does, and only large ones are kept

    return _PARTIAL_PREFIX + hashlib.blake2b(name, digest_size=_HASH_BYTES).hexdigest().encode()


def is_partial(name: bytes) -> bool:
    """Whether `partial_name` could have made `name`."""
    return _is_partial(name) is not None
