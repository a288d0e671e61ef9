"""What a copy is told before it begins: where to, and how."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from secftp.messages import Algorithm

if TYPE_CHECKING:
    from secftp.storage import Path

# Files of this size and more are kept as a marked partial when they are broken off, so that they can be resumed.
KEEP_BYTES = 2**20


class Remote(NamedTuple):
    """A place at the server. `path` is `()` for the served folder; `trailing_slash` says that it is to be a folder."""

    path: Path
    trailing_slash: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class CopyOptions:
    """How files are copied.

    `preserve`: keep permissions and modification times, of files and folders. `follow`: copy what links lead to; else
    they are left out with a note (a server never follows links, so this is for `put` alone).

    `include`, `exclude`: globs, see `secftp.copy.globs`. `dry_run`: report what would be done, and change nothing.

    `overwrite` false: what is there already is skipped. `update`: what has the same size and modification time is
    skipped. `resume`: go on with a marked partial, once its beginning has been verified by digest.

    `rate`: bytes of files a second, None for as fast as it goes. `algorithm`: of the digests.
    """

    preserve: bool = True
    follow: bool = False
    include: tuple[bytes, ...] = ()
    exclude: tuple[bytes, ...] = ()
    dry_run: bool = False
    overwrite: bool = True
    update: bool = False
    resume: bool = False
    rate: int | None = None
    algorithm: Algorithm = Algorithm.XXH128
