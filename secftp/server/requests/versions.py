"""Versions of files: opaque bytes by which a client knows that parts of a file belong together.

A version is a keyed hash of what the file system says of the file: device, inode, size and times. The key is random and
that of the process, so a version discloses nothing, and means nothing to another process. A change within one tick of
the file system's clock that leaves the size as it was has the same version. What an object store says of an object is
the same at each server of it, and so are its versions: parts of a file may come from several of them. Servers that
share a secret have a key of it, and agree on the versions of files in a directory that all of them serve.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING, Final

from secftp.errors import FileChanged

if TYPE_CHECKING:
    from secftp.storage import Source

_KEY: Final = os.urandom(32)
_SHARED_KEY: Final = b"secftp version of an object"  # no secret: it separates these hashes from all others
_BYTES: Final = 16

_common_key: bytes | None = None  # of the servers that share a secret


def share_key(key: bytes) -> None:
    """Have this process agree on versions with all others that call this with the same secret of 32 bytes."""
    global _common_key  # noqa: PLW0603 - of the process, as `_KEY`
    _common_key = key


def version_of(source: Source) -> bytes | None:
    """Return the version of an open file; None for one whose versions can't be told apart."""
    stamp = source.stamp
    if stamp is None:
        return None
    key = _KEY
    if source.is_stamp_shared:
        key = _SHARED_KEY
    elif _common_key is not None:
        key, stamp = _common_key, stamp[1:]  # each machine has its own number for a device
    data = b"".join(number.to_bytes(16, signed=True) for number in stamp)
    return hashlib.blake2b(data, digest_size=_BYTES, key=key).digest()


def require_version(source: Source, asked: bytes | None) -> bytes | None:
    """Return the version of an open file, None unless one was asked for; raise `FileChanged` if it is another one.

    `asked`: None for no version, empty for any.
    """
    if asked is None:
        return None
    version = version_of(source)
    if asked and (version is None or not hmac.compare_digest(version, asked)):
        raise FileChanged("It is not the version that was asked for.")
    return version
