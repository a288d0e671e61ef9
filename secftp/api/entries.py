"""What a program gets to see of the things at a server: `RemoteStat` of one, `RemoteEntry` of one in a listing."""

from __future__ import annotations

import datetime as dt
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, AnyStr, Final, Generic

from secftp.errors import InputOutputError, Side
from secftp.messages import Kind

if TYPE_CHECKING:
    from secftp.errors import FileError

NANOSECONDS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RemoteStat:
    """What is known of a file or a folder without reading it.

    `size` in bytes, 0 for a folder; `mtime_ns` when its contents were last changed, in nanoseconds since 1970; `mode`
    its twelve permission bits. Links and special files are never served, so there are no other kinds.
    """

    kind: Kind
    size: int
    mtime_ns: int
    mode: int

    def is_file(self) -> bool:
        """Whether it is a file."""
        return self.kind is Kind.FILE

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.kind is Kind.DIRECTORY

    @property
    def mtime(self) -> float:
        """`mtime_ns` in seconds."""
        return self.mtime_ns / NANOSECONDS

    @property
    def modified(self) -> dt.datetime:
        """`mtime_ns` as a time with its zone, UTC, cut to microseconds. OverflowError beyond the years 1 to 9999."""
        epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        return epoch + dt.timedelta(microseconds=self.mtime_ns // 1000)

    # As `os.stat_result` has them, for code that expects one.

    @property
    def st_size(self) -> int:
        """The same as `size`."""
        return self.size

    @property
    def st_mtime(self) -> float:
        """The same as `mtime`."""
        return self.mtime

    @property
    def st_mtime_ns(self) -> int:
        """The same as `mtime_ns`."""
        return self.mtime_ns

    @property
    def st_mode(self) -> int:
        """`mode` together with the kind, for `stat.S_ISDIR`, `stat.filemode` and their like."""
        return self.mode | (stat.S_IFDIR if self.kind is Kind.DIRECTORY else stat.S_IFREG)


@dataclass(frozen=True, slots=True)
class RemoteEntry(Generic[AnyStr]):
    """One file or folder of a listing: what it was when it was listed, nothing is asked again.

    `path` is what to give to the methods of `Remote`: the listed folder's name as it was given, and this one's beneath
    it; `bytes` if that name was, else `str`. `problem` is set for a folder that the server could not look into, and for
    an entry that it could not look at. Of the latter nothing but the name is known: it is no file and no folder, `info`
    is None, and to ask for anything else raises the `problem`. It is no `os.PathLike`: no function of this machine's
    files takes it by mistake.
    """

    path: AnyStr
    info: RemoteStat | None = field(repr=False)
    problem: FileError | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> AnyStr:
        """The last part of its path."""
        slash: AnyStr = b"/" if isinstance(self.path, bytes) else "/"
        return self.path.rpartition(slash)[2]

    def stat(self) -> RemoteStat:
        """Size, times and permissions. Raises the `problem` if the server could not look at it."""
        if self.info is None:
            raise self.problem or InputOutputError("It could not be looked at.", side=Side.REMOTE)
        return self.info

    def is_file(self) -> bool:
        """Whether it is a file; False if that is not known."""
        return self.info is not None and self.info.is_file()

    def is_dir(self) -> bool:
        """Whether it is a folder; False if that is not known."""
        return self.info is not None and self.info.is_dir()

    @property
    def size(self) -> int:
        """In bytes; 0 for a folder."""
        return self.stat().size

    @property
    def mtime_ns(self) -> int:
        """When it was last changed, in nanoseconds since 1970."""
        return self.stat().mtime_ns

    @property
    def mode(self) -> int:
        """Its twelve permission bits."""
        return self.stat().mode
