"""What a copy has done: the summary, and the calls to whoever watches, so that both always say the same.

A file is counted once: as complete, as skipped, or as failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.copy.watch import NullListener, Summary
from secftp.errors import AlreadyExists
from secftp.storage.attributes import ALL_KEPT, Kept, is_clamped
from secftp.storage.errors import detailed
from secftp.text import path_text, show_path

_PERMISSIONS: Final = 0o777
# Why a file is left as it is with `update`.
SAME: Final = "it has the same size and time"
MODE_DIFFERS: Final = "it has the same size and time, and other permissions"
MODE_SET: Final = "it has the same size and time; its permissions were set"

if TYPE_CHECKING:
    from secftp.copy.watch import ProgressListener
    from secftp.errors import FileError


class Tally:
    """Counts into `summary` and tells `listener`."""

    def __init__(self, summary: Summary, listener: ProgressListener) -> None:
        self.summary = summary
        self.listener = listener
        # To know the sizes beforehand takes time, which is not spent if nobody wants to be told.
        self.wants_plan = getattr(type(listener), "planned", None) is not NullListener.planned
        self._files = 0
        self._bytes = 0
        self._is_planned = False

    # --- how much there is --------------------------------------------------------------------------------------------

    def found(self, size: int) -> None:
        """One file more that is to be copied."""
        self._files += 1
        self._bytes += size

    def found_another_size(self, more: int) -> None:
        """A file that was found turns out to be larger, or smaller, by so many bytes."""
        self._bytes += more
        if self._is_planned:
            self.listener.planned(self._files, self._bytes)

    def all_found(self) -> None:
        """No more will come."""
        if not self._is_planned:
            self._is_planned = True
            self.listener.planned(self._files, self._bytes)

    def left_out(self, size: int) -> None:
        """A file is not copied because of something else that was told of."""
        self._less(size)

    def _less(self, size: int) -> None:
        self._files -= 1
        self._bytes -= size
        if self._is_planned:
            self.listener.planned(self._files, self._bytes)

    # --- what is not kept ---------------------------------------------------------------------------------------------

    def not_copied(self, name: bytes, text: str) -> None:
        """What is no file and no directory, or has a name that secftp keeps for itself."""
        self.summary.left_out += 1
        self.listener.note(name, text)

    def copied(self, mode: int, mtime_ns: int, kept: Kept = ALL_KEPT) -> None:
        """A file or directory has been copied that has this mode and time where it comes from."""
        self.summary.special_bits += bool(mode & ~_PERMISSIONS)
        self.summary.times += not kept.time or is_clamped(mtime_ns)
        self.summary.modes += not kept.mode

    def changed(self, *, times: int, modes: int) -> None:
        """The server could not keep the times, or the permissions, of so many."""
        self.summary.times += times
        self.summary.modes += modes

    # --- what became of it --------------------------------------------------------------------------------------------

    def finished(self, name: bytes, size: int, digest: bytes | None, *, moved: int) -> None:
        """A file of `size` bytes stands under its final name; `moved` of them came now."""
        summary = self.summary
        summary.files += 1
        summary.bytes += moved
        summary.digest = digest if summary.files == 1 else None
        self.listener.finished(name, size, digest)

    def skipped(self, name: bytes, reason: str, *, planned: int | None) -> None:
        """A file is left as it is. `planned`: its size if it had been found, None if it never was."""
        self.summary.skipped += 1
        self.listener.skipped(name, reason)
        if planned is not None:
            self._less(planned)

    def failed(self, name: bytes, error: FileError, *, planned: int | None = None) -> None:
        """A file, or a folder, could not be copied; `planned` as before."""
        self.summary.failed += 1
        self.listener.failed(name, detailed(error))
        if planned is not None:
            self._less(planned)


def twice(name: bytes) -> AlreadyExists:
    """A second file of this name among the sources would replace the first."""
    return AlreadyExists(
        f"{show_path(name)}: another source has the same name, and was copied there.",
        hint="Give each a target of its own.",
        filename=path_text(name),
    )
