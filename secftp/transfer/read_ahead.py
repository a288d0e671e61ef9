"""Small files of an upload, read several at once where each read by itself costs a change of threads.

Invariant: what was read ahead is used for the entry that it was read for, in the session in which it was read, or not
at all; it is small, and no file stays open for it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError
from secftp.storage.tree import EntryKind, SmallContent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secftp.storage.source import FileSource
    from secftp.transfer.local_tree import LocalEntry, LocalFiles
    from secftp.waits import Waits

_FILES: Final = 64
_BYTES: Final = 256 << 10


class SmallFilesAhead:
    """Opens the files of one session's upload; `coming` are the entries that follow the one that is opened."""

    def __init__(self, waits: Waits, coming: Iterable[LocalEntry]) -> None:
        self._waits = waits
        self._coming = coming
        self._contents: dict[LocalEntry, SmallContent] = {}

    def open(self, files: LocalFiles, entry: LocalEntry, limit: int) -> SmallContent | FileSource:
        """Return the content of a file of at most `limit` bytes, else the file as a source; raises `FileError`."""
        content = self._contents.pop(entry, None)
        if content is not None:
            return content
        self._contents = {}  # of what was not wanted after all
        opened = self._waits.call(_Opened, files, entry, self._choose(entry, limit), limit)
        self._contents = opened.ahead
        return opened.content

    def _choose(self, entry: LocalEntry, limit: int) -> list[LocalEntry]:
        """Return the files that will be sent after an entry, unless one of them is large."""
        chosen: list[LocalEntry] = []
        nbytes = 0
        for each in itertools.chain((entry,), itertools.islice(self._coming, _FILES)):
            if each.kind is not EntryKind.FILE:
                continue
            size = limit if each.info is None or each.info.size is None else each.info.size
            nbytes += size
            if size > limit or nbytes > _BYTES or each.root is not entry.root:
                break
            if each is not entry and each.there is None:
                chosen.append(each)
        return chosen


class _Opened:
    """A file that was opened, and the contents of small ones that were read then, too. For the thread that reads."""

    def __init__(self, files: LocalFiles, entry: LocalEntry, others: list[LocalEntry], limit: int) -> None:
        self.content = files.open(entry.path, limit)
        self.ahead: dict[LocalEntry, SmallContent] = {}
        for other in others:
            try:
                content = files.open(other.path, limit)
            except FileError:
                continue  # its own turn will tell
            if isinstance(content, SmallContent):
                self.ahead[other] = content
            else:
                content.close()

    def close(self) -> None:
        """Close the file, which is not wanted any more."""
        if not isinstance(self.content, SmallContent):
            self.content.close()
