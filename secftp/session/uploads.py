"""Parts of an upload: the requests that write ranges of one file, over any number of sessions.

A part is confirmed when its own bytes have arrived. The file appears once, when all of it has, and the digest of the
whole is the one that some part was sent with; the answer that completes it says so. Every part may be sent again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from secftp.protocol import Algorithm, Write
from secftp.protocol.limits import TOKEN_BYTES

if TYPE_CHECKING:
    from secftp.storage import Path

UPLOAD_ID_BYTES = TOKEN_BYTES


class PartedFile(NamedTuple):
    """What the parts of one upload have in common: `upload`, its random id; the file's `total` size; and its options.

    `token`: with it SUM finds the file after it is complete. `keep`: the server may keep an incomplete one. `holes`:
    about how many of its bytes are in holes. `backup`: what is replaced keeps its name with this suffix.
    """

    path: Path
    upload: bytes
    total: int
    algorithm: Algorithm = Algorithm.XXH128
    overwrite: bool = True
    mode: int | None = None
    mtime_ns: int | None = None
    keep: bool = False
    token: bytes | None = None
    holes: int = 0
    backup: bytes | None = None

    def part(self, number: int, at: int, size: int, *, prefix: bytes | None = None, additional: bool = False) -> Write:
        """Return the request, with the id `number`, for `size` bytes from `at` on; raises `NameRefused`.

        `prefix`: the digest of all bytes that the server has kept of the file, which the upload takes over.
        `additional`: the session is an additional stream.
        """
        return Write(
            id=number,
            path=self.path,
            size=size,
            algorithm=self.algorithm,
            overwrite=self.overwrite,
            mode=self.mode,
            mtime_ns=self.mtime_ns,
            prefix=prefix,
            keep=self.keep,
            token=self.token,
            upload=self.upload,
            at=at,
            total=self.total,
            additional=additional,
            holes=self.holes,
            backup=self.backup,
        )
