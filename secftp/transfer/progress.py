"""Progress of a copy: its counters, and the listener that is told of every event.

Names are bytes as in the file system or at the server: components joined by slashes, beginning with the name of the
source that the user gave. They are hostile until `secftp.text.escape` has seen them.

Invariant: each file is counted once, as complete, skipped or failed, and the listener is told the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from secftp.protocol import Kind
from secftp.storage.attributes import ALL_KEPT, Kept, is_clamped
from secftp.storage.errors import detailed

if TYPE_CHECKING:
    from secftp.errors import FileError
    from secftp.storage import Path
    from secftp.transfer.results import Results

_Digest: TypeAlias = bytes  # a field of that name hides the type
_PERMISSIONS: Final = 0o777
# Here and not with the listings of a server: an upload, which reports them too, needs none of those.
LEFT_OUT: Final = {Kind.SYMLINK: "a symlink, left out", Kind.SPECIAL: "not a regular file, left out"}


class Summary(msgspec.Struct, repr_omit_defaults=True):
    """What a copy has done. All files that it counts are complete, verified, and stand under their final names.

    Attributes:
        files (int): The files that were copied.
        bytes (int): The bytes that were transferred, without what a partial file held already.
        skipped (int): The files that were skipped.
        failed (int): The files that failed, and the directories that could not be created or listed.
        seconds (float): How long it took.
        digest (bytes or None): The digest of the file, if exactly one was copied.
        left_out (int): The symlinks, special files and reserved names, which are not copied.
        special_bits (int): The files and directories with setuid, setgid or sticky bits, which are not preserved.
        times (int): Those whose modification time is only the nearest possible.
        modes (int): Those with other permissions than were sent.
        compression (bool): Whether files could be compressed; False, too, if that was asked for and the server does not
            support it.
        saved_bytes (int): How many fewer than `bytes` were sent because of compression.
        unmatched (tuple of str): The patterns of `include` and `exclude` that matched nothing, if nothing failed.
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
    compression: bool = False
    saved_bytes: int = 0
    unmatched: tuple[str, ...] = ()


class Places(NamedTuple):
    """Where a file or directory of a copy is: its path at the server, and on this machine.

    `local`: a path that the user gave, None for the target of a download; `below`: the rest of the path, below that.
    """

    remote: Path
    local: str | None
    below: Path


class ProgressListener:
    """Receives the events of a copy, in order, on the thread that copies; many files can be in progress at once.

    The copy waits for each call, so it must return at once. An exception that it raises ends the copy. This class
    ignores all events; subclasses define what they need.
    """

    def planned(self, files: int, nbytes: int, /) -> None:
        """So much is to be copied. Called when that is known, and again with less for what is skipped or fails."""

    def started(self, name: bytes, size: int, /) -> None:
        """The transfer of a file begins."""

    def moved(self, nbytes: int, /) -> None:
        """So many more bytes have been transferred; negative when a file starts again."""

    def resumed(self, name: bytes, nbytes: int, /) -> None:
        """So many bytes of this file were there already, verified; `moved` does not count them."""

    def finished(self, name: bytes, size: int, digest: bytes | None, /) -> None:
        """The file is complete under its final name; in a dry run it would be, and there is no digest."""

    def skipped(self, name: bytes, reason: str, /) -> None:
        """The file is left as it is because of the options; the reason is a clause, such as `it already exists`."""

    def note(self, name: bytes, text: str, /) -> None:
        """Something about this name that is no failure: a clause, such as `a symlink, left out`."""

    def located(self, error: FileError, places: Places, /) -> None:
        """Where that is of which `failed` tells next; not called if only its name is known."""

    def failed(self, name: bytes, error: FileError, /) -> None:
        """The file or directory could not be copied; the copy continues."""

    def ended(self, summary: Summary, /) -> None:
        """The copy is over, in order or by an exception that follows (a lost connection, Ctrl-C)."""


class TransferItem:
    """A file or directory to be copied, and its progress.

    `size`: what the plan counts it with, None if it is not in the plan. `resumed_from`: how many bytes its partial file
    held when its transfer began, None before that. `reported`: the position that the listener has been told. `resume`:
    whether to look for a partial file, None for what the options say. `began`: when it was taken up, by the monotonic
    clock, if results are written.
    """

    __slots__ = ("began", "reported", "resume", "resumed_from", "size")

    def __init__(self, size: int | None = None) -> None:
        self.size = size
        self.resume: bool | None = None
        self.resumed_from: int | None = None
        self.reported = 0
        self.began: float | None = None

    @property
    def name(self) -> bytes:
        """Its name for the listener."""
        raise NotImplementedError

    @property
    def remote(self) -> Path:
        """Its path at the server."""
        raise NotImplementedError

    @property
    def places(self) -> Places:
        """Its paths at the server and on this machine."""
        raise NotImplementedError

    @property
    def below(self) -> Path:
        """Its path in its source; of a file that is the source, its name. Its shard follows from it."""
        raise NotImplementedError

    @property
    def known_size(self) -> int | None:
        """Its size as far as it is known."""
        return self.size


class Counters:
    """Counts into `summary`, tells `listener`, and writes `results` if there are any."""

    results: Results | None = None

    def __init__(self, summary: Summary, listener: ProgressListener) -> None:
        self.summary = summary
        self.listener = listener
        # Looking at all sizes beforehand takes time: only for a listener that wants to know the plan.
        self.wants_plan = getattr(type(listener), "planned", None) is not ProgressListener.planned
        self._files = 0
        self._bytes = 0
        self._is_planned = False

    # --- the plan -----------------------------------------------------------------------------------------------------

    def found(self, size: int) -> None:
        """Add one file to the plan."""
        self._files += 1
        self._bytes += size

    def all_found(self) -> None:
        """Tell the listener the plan: there are no more files. Idempotent."""
        if not self._is_planned:
            self._is_planned = True
            self.listener.planned(self._files, self._bytes)

    def resize(self, item: TransferItem, size: int) -> None:
        """Count a file with the size that it turns out to have."""
        if item.size is None:
            self.found(size)
        elif item.size != size:
            self._change_plan(0, size - item.size)
        item.size = size

    def drop(self, item: TransferItem) -> None:
        """Take a file out of the plan: it is not copied because of a failure that was reported already."""
        if item.size is not None:
            self._change_plan(-1, -item.size)

    def _change_plan(self, files: int, nbytes: int) -> None:
        self._files += files
        self._bytes += nbytes
        if self._is_planned:
            self.listener.planned(self._files, self._bytes)

    # --- one file -----------------------------------------------------------------------------------------------------

    def begun(self, item: TransferItem, offset: int) -> None:
        """The transfer of a file begins, or begins again, behind `offset` bytes that are there already."""
        if item.resumed_from is not None:
            self.reached(item, offset)
            return
        item.resumed_from = item.reported = offset
        self.listener.started(item.name, item.size or 0)
        if offset:
            self.listener.resumed(item.name, offset)

    def reached(self, item: TransferItem, position: int) -> None:
        """A file has been transferred up to this position."""
        if position != item.reported:
            self.listener.moved(position - item.reported)
            item.reported = position

    def finished(self, item: TransferItem, digest: bytes | None) -> None:
        """A file stands under its final name."""
        summary, size = self.summary, item.size or 0
        summary.files += 1
        summary.bytes += size - (item.resumed_from or 0)
        summary.digest = digest if summary.files == 1 else None
        if self.results is not None:
            self.results.write(item.below, self.results.copied, size, digest, item.began)
        self.listener.finished(item.name, size, digest)

    def skipped(self, item: TransferItem, reason: str, *, unchanged: bool = False) -> None:
        """A file is left as it is, because of the options. `unchanged`: since the target is the same."""
        self.summary.skipped += 1
        if self.results is not None:
            result = "unchanged" if unchanged else "skipped"
            self.results.write(item.below, result, item.known_size, None, item.began, reason=reason)
        self.listener.skipped(item.name, reason)
        self.drop(item)

    def failed(self, item: TransferItem, error: FileError) -> None:
        """A file or a directory could not be copied."""
        if self.results is not None:
            self.results.failed(item.below, detailed(error), item.known_size, item.began)
        self._tell_problem(item.name, error, item.places)
        self.drop(item)

    def problem(self, name: bytes, error: FileError, places: Places | None = None, below: Path | None = None) -> None:
        """Something could not be copied that is not in the plan. `below`: its path in its source, else its name."""
        if self.results is not None:
            self.results.failed((name,) if below is None else below, detailed(error))
        self._tell_problem(name, error, places)

    def _tell_problem(self, name: bytes, error: FileError, places: Places | None) -> None:
        self.summary.failed += 1
        problem = detailed(error)
        if places is not None:
            self.listener.located(problem, places)
        self.listener.failed(name, problem)

    # --- what is not preserved ----------------------------------------------------------------------------------------

    def left_out(self, name: bytes, text: str, below: Path) -> None:
        """Something is neither a file nor a directory, or has a name that is reserved."""
        self.summary.left_out += 1
        if self.results is not None:
            self.results.write(below, "left_out", reason=text)
        self.listener.note(name, text)

    def copied(self, mode: int, mtime_ns: int, kept: Kept = ALL_KEPT) -> None:
        """A file or directory was copied whose original has this mode and time; `kept` of them are the copy's."""
        self.summary.special_bits += bool(mode & ~_PERMISSIONS)
        self.summary.times += not kept.time or is_clamped(mtime_ns)
        self.summary.modes += not kept.mode

    def changed(self, *, times: int, modes: int) -> None:
        """The server could not preserve the times, or the permissions, of so many."""
        self.summary.times += times
        self.summary.modes += modes
