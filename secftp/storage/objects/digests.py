"""Digests of files in an object store, kept when these were written, so that they need not be read for them.

A file that is written with one request has its digest in its metadata. That of a file in parts is not known yet when
its metadata are set: it is in the metadata of an empty object, whose name is the id of the upload, which is in the
metadata of the file. So it is found for a copy of the file, too.

There are programs that write an object anew and keep its metadata, such as file systems over a bucket. So a digest
counts only for an object that the store has got when the file was written, give or take what clocks differ by. A copy
that was made later has to be read, as is every file of which anything is missing or does not fit.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError
from secftp.storage.objects.changes import DIGESTS
from secftp.storage.objects.keys import reserved
from secftp.storage.objects.metadata import Metadata, decode

if TYPE_CHECKING:
    from secftp.protocol import Algorithm
    from secftp.storage.names import Path
    from secftp.storage.objects.bucket import Bucket, ObjectInfo


CLOCKS_NS: Final = 120 * 10**9  # by which the clocks of a server and of its store may differ


def keep_digest(bucket: Bucket, upload: str, size: int, digest: tuple[Algorithm, bytes], subject: Path) -> None:
    """Write the digest of a file in parts. Without it the file is whole all the same, so a failure is none."""
    with contextlib.suppress(FileError):
        bucket.put(
            reserved(DIGESTS, upload, subject),
            b"",
            Metadata(digest=digest, size=size, stored_ns=time.time_ns()).encoded(),
        )


def find_digest(bucket: Bucket, found: ObjectInfo, algorithm: Algorithm, subject: Path) -> bytes | None:
    """Return the digest of an object's bytes by `algorithm`; None if there is none, or it is about another size.

    `found`: the object, with its metadata.
    """
    known = decode(found.metadata or {})
    began = known.stored_ns
    if known.digest is None and known.upload is not None:
        try:
            known = decode(bucket.info(reserved(DIGESTS, known.upload, subject)).metadata or {})
        except FileError:
            return None
    if known.digest is None or known.digest[0] is not algorithm or known.size != found.size:
        return None
    return known.digest[1] if _is_between(began, found.modified_ns, known.stored_ns) else None


def _is_between(began: int | None, modified_ns: int, ended: int | None) -> bool:
    """Return whether the store has got an object while it was written. Some stores say when its upload began."""
    return began is not None and ended is not None and began - CLOCKS_NS <= modified_ns <= ended + CLOCKS_NS
