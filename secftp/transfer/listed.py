"""Copies of the files that a list names, below one directory, to the same paths below another.

Directories above a file are created where they are missing. A directory that is named itself is created, and what is in
it is not copied: a list, as `find` makes it, names that as well. What is missing is a failure; the rest is copied.

As in a copy of the whole directory, no symlink below it is followed unless that is wanted: neither one that the list
names nor one in the middle of a name. So who may write into it can't have other files of this machine sent.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from secftp.errors import NotADirectory
from secftp.storage.errors import failure, translated
from secftp.storage.tree import EntryKind, LocalTree
from secftp.transfer.download_pairs import DownloadPair, PairsDownload
from secftp.transfer.local_tree import LocalEntry, SourceRoot
from secftp.transfer.targets import DownloadTarget
from secftp.transfer.upload_pairs import PairsUpload, ParentEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secftp.session import Session
    from secftp.storage import Path
    from secftp.transfer.options import CopyOptions
    from secftp.transfer.progress import ProgressListener


class ListedUpload(PairsUpload):
    """A copy of `names` below the local directory `source` to the same paths below `target` at the server."""

    def __init__(
        self,
        source: str,
        names: Sequence[Path],
        target: Path,
        options: CopyOptions | None = None,
        listener: ProgressListener | None = None,
    ) -> None:
        super().__init__((), options, listener, make_parents=True)
        self._source = source
        self._names = names
        self._below = target

    def _plan(self, session: Session) -> Iterator[LocalEntry]:  # noqa: ARG002 - nothing is asked
        if not os.path.isdir(self._source):
            with translated(self._source):
                os.stat(self._source)
            raise failure(NotADirectory, "Not a directory", self._source)
        return self.waits.iterate(self._walk())

    def _walk(self) -> Iterator[LocalEntry]:
        made: set[Path] = {()}
        follow = self.options.follow_symlinks
        root = SourceRoot(self._source, self._below, b"")
        root.files = LocalTree(self._source, follow=follow)
        # One of its own to look at names, ahead of the other, which keeps open what is read.
        with contextlib.closing(LocalTree(self._source, follow=follow)) as tree:
            for name in dict.fromkeys(self._names):
                if not self.filters.wants_file(name):
                    continue
                kind, _, info, problem = tree.look(name)
                entry = LocalEntry(kind, root, name, info, problem)
                above = entry.remote[:-1]
                if kind in (EntryKind.FILE, EntryKind.DIRECTORY) and above not in made:
                    yield ParentEntry(above)
                    made.update(above[:depth] for depth in range(1, len(above) + 1))
                if kind is EntryKind.DIRECTORY:
                    made.add(entry.remote)
                yield entry

    def process(self, entry: LocalEntry) -> None:
        """Send a file, or request a directory; in a dry run, nothing."""
        if not (self.options.dry_run and entry.kind is EntryKind.DIRECTORY):
            super().process(entry)


class ListedDownload(PairsDownload):
    """A copy of `names` below the directory `source` at the server to the same paths below `target`, a local name."""

    def __init__(
        self,
        source: Path,
        names: Sequence[Path],
        target: str,
        options: CopyOptions | None = None,
        listener: ProgressListener | None = None,
    ) -> None:
        pairs = [DownloadPair((*source, *name), name) for name in dict.fromkeys(names)]
        super().__init__(pairs, target, options, listener)
        self._pairs = [pair for pair in pairs if isinstance(pair.local, tuple) and self.filters.wants_file(pair.local)]
        self._sources = [source for source, pair in zip(self._sources, pairs, strict=True) if pair in self._pairs]

    def _make_target(self) -> DownloadTarget:
        if not self.options.dry_run or os.path.isdir(self._target_name):
            return super()._make_target()
        return DownloadTarget(self._target_name, is_directory=True, existed=False, takes_names=False)

    def _make(self, local: str | Path) -> None:
        if not self.options.dry_run:
            super()._make(local)
