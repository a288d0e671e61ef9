"""What a copy tells whoever watches it, while it runs and at its end. How that is shown is the listener's business.

Names are bytes as they are in the file system or at the server, components joined by slashes and beginning with the
name of the source that was asked for: hostile until `secftp.text.escape` has seen them. A listener must return at once,
since the copy waits for it; what it raises ends the copy.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from secftp.errors import FileError

_Digest: TypeAlias = bytes  # a field of that name hides the type


@dataclasses.dataclass(slots=True)
class Summary:
    """What has been done: `files` and `bytes` are complete, verified, and stand under their final names.

    `bytes` counts what was moved now, not what a partial held already. `skipped` and `failed` count files (and folders
    that could not be made or listed). `digest` is of the one file that was copied, None if there were more or none.

    What could not be kept of what was copied: `left_out` counts links, special files and reserved names, `special_bits`
    files and directories with setuid, setgid or sticky bits, `times` those whose modification time is the nearest one
    that could be kept, and `modes` those that have not got the permissions that were sent.
    """

    files: int = 0
    bytes: int = 0
    skipped: int = 0
    failed: int = 0
    seconds: float = 0.0
    digest: _Digest | None = None
    left_out: int = 0
    special_bits: int = 0
    times: int = 0
    modes: int = 0


class ProgressListener(Protocol):
    """The calls come from the thread that copies, in the order of events; many files can be under way at once."""

    def planned(self, files: int, nbytes: int, /) -> None:
        """So much is to be copied. Called when that is known, and again with less for what is skipped or fails."""

    def started(self, name: bytes, size: int, /) -> None:
        """The file is under way now."""

    def moved(self, nbytes: int, /) -> None:
        """So many bytes more are through; negative when a file is started again."""

    def resumed(self, name: bytes, nbytes: int, /) -> None:
        """So many bytes of this file were there already, verified; `moved` does not tell of them."""

    def finished(self, name: bytes, size: int, digest: bytes | None, /) -> None:
        """The file is complete under its final name; in a dry run it would be, and there is no digest."""

    def skipped(self, name: bytes, reason: str, /) -> None:
        """The file is left as it is, because the options say so; the reason is a clause, as `it exists already`."""

    def note(self, name: bytes, text: str, /) -> None:
        """Something about this name that is no failure: a clause, as `a link, left out`."""

    def failed(self, name: bytes, error: FileError, /) -> None:
        """The file, or folder, could not be copied; the rest goes on."""

    def ended(self, summary: Summary, /) -> None:
        """The copy is over, in order or by an exception that follows (a lost connection, Ctrl-C)."""


class NullListener:
    """A listener that looks away; also a base for one that wants to see a few things only."""

    def planned(self, files: int, nbytes: int, /) -> None:
        """Ignored."""

    def started(self, name: bytes, size: int, /) -> None:
        """Ignored."""

    def moved(self, nbytes: int, /) -> None:
        """Ignored."""

    def resumed(self, name: bytes, nbytes: int, /) -> None:
        """Ignored."""

    def finished(self, name: bytes, size: int, digest: bytes | None, /) -> None:
        """Ignored."""

    def skipped(self, name: bytes, reason: str, /) -> None:
        """Ignored."""

    def note(self, name: bytes, text: str, /) -> None:
        """Ignored."""

    def failed(self, name: bytes, error: FileError, /) -> None:
        """Ignored; the summary counts it."""

    def ended(self, summary: Summary, /) -> None:
        """Ignored."""
