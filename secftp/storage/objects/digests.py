"""Digests of files in an object store, kept when these were written, so that they need not be read for them.

A file that is written with one request has its digest in its metadata. That of a file in parts is not known yet when
its metadata are set: it is in the metadata of an empty object, whose name is the id of the upload, which is in the
metadata of the file. So it is found for a copy of the file, too, and never for other bytes, since a program that
writes the object anew writes other metadata. Where anything is missing or does not fit, there is no digest, and the
file has to be read.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from secftp.errors import FileError
from secftp.storage.objects.changes import DIGESTS
from secftp.storage.objects.keys import reserved
from secftp.storage.objects.metadata import Metadata, decode

if TYPE_CHECKING:
    from secftp.protocol import Algorithm
    from secftp.storage.names import Path
    from secftp.storage.objects.bucket import Bucket, ObjectInfo


def keep_digest(bucket: Bucket, upload: str, size: int, digest: tuple[Algorithm, bytes], subject: Path) -> None:
    """Write the digest of a file in parts. Without it the file is whole all the same, so a failure is none."""
    with contextlib.suppress(FileError):
        bucket.put(reserved(DIGESTS, upload, subject), b"", Metadata(digest=digest, size=size).encoded())


def find_digest(bucket: Bucket, found: ObjectInfo, algorithm: Algorithm, subject: Path) -> bytes | None:
    """Return the digest of an object's bytes by `algorithm`; None if there is none, or it is about another size.

    `found`: the object, with its metadata.
    """
    known = decode(found.metadata or {})
    if known.digest is None and known.upload is not None:
        try:
            known = decode(bucket.info(reserved(DIGESTS, known.upload, subject)).metadata or {})
        except FileError:
            return None
    if known.digest is None or known.digest[0] is not algorithm or known.size != found.size:
        return None
    return known.digest[1]
