"""Trees: what one side has, directory by directory, in little memory.

The entries of a directory that is complete are packed, some 30 bytes each with their names; those of one directory at a
time are unpacked. Invariant: a tree has a bounded number of entries, whatever a server lists.
"""

from __future__ import annotations

import enum
import zlib
from typing import TYPE_CHECKING, Final

import msgspec

from secftp.errors import TooLarge
from secftp.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from secftp.storage import Path

# In the top directory of a target: what syncs have deleted. It counts as excluded, on either side.
TRASH: Final = b".trash-secftp"
MAX_ENTRIES: Final = 3_000_000  # of one side
_COMPRESSED: Final = 1024  # bytes of a directory from which on compression saves more than it costs


class EntryKind(enum.IntEnum):
    """What a name is. OTHER is neither a file nor a directory, or unknown: it is not copied, replaced or removed.

    EXCLUDED has been excluded by a pattern; a directory with all that is in it.
    """

    FILE = 0
    DIRECTORY = 1
    OTHER = 2
    EXCLUDED = 3


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of a name. `size` in bytes; `mtime_ns` in nanoseconds since 1970; `mode`: permissions (0o777)."""

    kind: EntryKind
    size: int = 0
    mtime_ns: int = 0
    mode: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[bytes, Entry]).decode


class Tree:
    """The entries of one side by their paths relative to the top, which is `()` and no entry itself.

    `files` and `nbytes` count the files and their bytes. `problems` counts what could not be listed or examined; a tree
    with any is incomplete. `top`: the directory itself, None if that is not known.
    `with_reserved`: the directories that contain names reserved by secftp, such as what a killed writer has left.
    """

    def __init__(self) -> None:
        self.files = 0
        self.directories = 0
        self.nbytes = 0
        self.problems = 0
        self.top: Entry | None = None
        self.with_reserved: set[Path] = set()
        self._count = 0
        self._open: dict[Path, dict[bytes, Entry]] = {}
        self._packed: dict[Path, bytes] = {}

    @classmethod
    def of(cls, entries: Mapping[Path, Entry] | Iterable[tuple[Path, Entry]]) -> Tree:
        """Return the tree with these entries."""
        tree = cls()
        for path, entry in dict(entries).items():
            tree.add(path, entry)
        return tree

    def add(self, path: Path, entry: Entry) -> None:
        """Add an entry. Raises `TooLarge` if there are too many."""
        if self._count >= MAX_ENTRIES:
            raise TooLarge(
                f"There are more than {MAX_ENTRIES} files and directories.", hint="Sync its subdirectories one by one."
            )
        self._count += 1
        if entry.kind is EntryKind.FILE:
            self.files += 1
            self.nbytes += entry.size
        elif entry.kind is EntryKind.DIRECTORY:
            self.directories += 1
        self._open.setdefault(path[:-1], {})[path[-1]] = entry

    def pack(self, directory: Path) -> None:
        """Pack the entries of a directory to which nothing will be added."""
        entries = self._open.pop(directory, None)
        if entries:
            packed = _encode(entries)
            self._packed[directory] = zlib.compress(packed, 1) if len(packed) >= _COMPRESSED else packed

    def entries(self, directory: Path) -> Mapping[bytes, Entry]:
        """Return the entries directly in a directory, by their names; none if there is no such directory."""
        if (found := self._open.get(directory)) is not None:
            return found
        packed = self._packed.get(directory)
        if packed is None:
            return {}
        return _decode(zlib.decompress(packed) if packed[:1] == _ZLIB else packed)

    def get(self, path: Path) -> Entry | None:
        """Return an entry, None if there is none of this path."""
        return self.entries(path[:-1]).get(path[-1]) if path else None

    def items(self) -> Iterator[tuple[Path, Entry]]:
        """Yield all paths, each with its entry; a directory before what is in it."""
        waiting: list[Path] = [()]
        while waiting:
            directory = waiting.pop()
            for name, entry in sorted(self.entries(directory).items()):
                path = (*directory, name)
                yield path, entry
                if entry.kind is EntryKind.DIRECTORY:
                    waiting.append(path)

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<tree of {counted(self._count, 'entry', 'entries')}>"


_ZLIB: Final = zlib.compress(b"")[:1]  # no map of msgpack begins with this byte
