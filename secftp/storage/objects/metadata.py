"""Metadata that an object has beside its bytes: what a file system has for a file, and its digest.

The names are valid for S3, Google and Azure alike: letters only, in lower case. Objects that other programs have
written have none of it. Invariant: what can't be decoded counts as absent, by any program.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.protocol import Algorithm

if TYPE_CHECKING:
    from collections.abc import Mapping

TIME: Final = "secftpmtime"  # nanoseconds since 1970, decimal
MODE: Final = "secftpmode"  # permissions, octal
DIGEST: Final = "secftpdigest"  # algorithm:hexadecimal digits
SIZE: Final = "secftpsize"  # bytes, decimal: the rest is about an object of this size alone
UPLOAD: Final = "secftpupload"  # 32 hexadecimal digits: which upload has written it
STORED: Final = "secftpstored"  # nanoseconds since 1970, decimal: when it was written, by the clock of the server
_LATEST: Final = 2**63 - 1
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_OCTAL: Final = re.compile(r"[0-7]{1,4}", re.ASCII)
_UPLOAD: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_DIGEST: Final = re.compile(r"([a-z0-9]{1,10}):((?:[0-9a-f]{2}){16,32})", re.ASCII)


class Metadata(NamedTuple):
    """The metadata of an object; None for what it does not have."""

    mtime_ns: int | None = None
    mode: int | None = None
    digest: tuple[Algorithm, bytes] | None = None
    size: int | None = None
    upload: str | None = None
    stored_ns: int | None = None

    def encoded(self) -> dict[str, str]:
        """Return it as the store keeps it."""
        found = {
            TIME: None if self.mtime_ns is None else str(self.mtime_ns),
            MODE: None if self.mode is None else f"{self.mode:o}",
            DIGEST: None if self.digest is None else f"{self.digest[0]}:{self.digest[1].hex()}",
            SIZE: None if self.size is None else str(self.size),
            UPLOAD: self.upload,
            STORED: None if self.stored_ns is None else str(self.stored_ns),
        }
        return {name: value for name, value in found.items() if value is not None}


def decode(found: Mapping[str, str]) -> Metadata:
    """Return the metadata that an object has; the names of `found` are in lower case."""
    return Metadata(
        _number(found.get(TIME)),
        _mode(found.get(MODE)),
        _digest(found.get(DIGEST)),
        _number(found.get(SIZE)),
        text if (text := found.get(UPLOAD)) is not None and _UPLOAD.fullmatch(text) else None,
        _number(found.get(STORED)),
    )


def _number(text: str | None) -> int | None:
    if text is None or not _NUMBER.fullmatch(text):
        return None
    return number if -_LATEST <= (number := int(text)) <= _LATEST else None


def _mode(text: str | None) -> int | None:
    return int(text, 8) if text is not None and _OCTAL.fullmatch(text) else None


def _digest(text: str | None) -> tuple[Algorithm, bytes] | None:
    found = _DIGEST.fullmatch(text or "")
    if found is None:
        return None
    try:
        return Algorithm(found[1]), bytes.fromhex(found[2])
    except ValueError:  # an algorithm of a later version
        return None
