"""Downloads that create missing directories on this machine: of one source, and of files with names of their own.

Invariant: a name that the server said is used below the target directory only, where the store refuses bad ones and
follows no symlink; a name that the caller chose is used as it is.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from secftp.errors import FileError, IsADirectory, NotADirectory
from secftp.storage.errors import failure, translated
from secftp.transfer.download import Download
from secftp.transfer.download_requests import EarlyRead
from secftp.transfer.options import RemoteLocation
from secftp.transfer.remote_tree import RemoteDirectory, RemoteFile, RemoteTree
from secftp.transfer.targets import DownloadTarget, RemoteSource, stat_sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secftp.protocol import Info
    from secftp.session import Session
    from secftp.storage import Path
    from secftp.transfer.options import CopyOptions
    from secftp.transfer.progress import ProgressListener


class OneDownload(Download):
    """A copy of one source by the rules of `cp`; missing directories above the target are created.

    `recursive`: copy a directory, else nothing is done for one. `contents`: what is in a directory is copied to the
    target, whether that exists or not.
    """

    def __init__(
        self,
        source: Path,
        target: str,
        options: CopyOptions | None = None,
        listener: ProgressListener | None = None,
        *,
        recursive: bool = False,
        contents: bool = False,
    ) -> None:
        super().__init__((RemoteLocation(source, contents),), target, options, listener)
        self._recursive = recursive
        self._contents = contents

    def _read_early(self) -> EarlyRead | None:
        return _read_early(self)

    def _plan(self, session: Session) -> DownloadTarget:
        assert self._asked is not None  # `begin_early` has asked
        (source,) = stat_sources(session, self._sources, self._asked)
        if source.info is None:  # before anything is said of the target
            self._early = None  # its reply is an ERROR
            raise source.problem or failure(NotADirectory, "Not a directory", source.path)
        if not source.is_directory or self._recursive:
            _make_above(self._target_name)
        if source.is_directory and not self._recursive:
            return self._use(_NOWHERE)
        if source.is_directory and self._contents:
            existed = _is_directory(self._target_name)
            _make_directory(self._target_name)
            target = DownloadTarget(self._target_name, is_directory=True, existed=existed, takes_names=False)
            return self._use(target, source)
        return super()._plan(session)

    def _use(self, target: DownloadTarget, source: RemoteSource | None = None) -> DownloadTarget:
        """Copy the contents of a directory to the target, or nothing."""
        tops = []
        if source is not None and source.info is not None:
            directory = RemoteDirectory(source.path, (), source.path[-1] if source.path else b"")
            directory.mode, directory.mtime_ns = source.info.mode, source.info.mtime_ns
            directory.sets_attributes = not target.existed
            tops.append(directory)
        self._early = None  # its reply is an ERROR
        self._target = target
        self._tree = RemoteTree(tops, self.filters, self.counters, self._directories.opened, self._directories.closed)
        return target


class DownloadPair(NamedTuple):
    """A path at the server and its name here. `info`: None if the server has to be asked.

    `local`: a name that the caller chose, or the components of a path below the target directory.
    """

    remote: Path
    local: str | Path
    info: Info | None = None


class PairsDownload(Download):
    """A copy of files to the names that `pairs` say, and a directory for each directory.

    `target`: the directory below which the paths are; empty if there are only names.
    """

    def __init__(
        self,
        pairs: Sequence[DownloadPair],
        target: str,
        options: CopyOptions | None = None,
        listener: ProgressListener | None = None,
    ) -> None:
        unknown = [RemoteLocation(pair.remote) for pair in pairs if pair.info is None]
        super().__init__(unknown, target, options, listener)
        self._pairs = pairs
        self._made: set[str | Path] = set()

    def begin_early(self, session: Session) -> None:
        """Ask what is not known of the sources, and for the only one."""
        if self._sources:
            super().begin_early(session)

    def _read_early(self) -> EarlyRead | None:
        return _read_early(self) if len(self._pairs) == 1 else None

    def _plan(self, session: Session) -> DownloadTarget:
        asked = iter(stat_sources(session, self._sources, self._asked or ()) if self._sources else ())
        sources = [next(asked) if pair.info is None else RemoteSource(pair.remote, pair.info) for pair in self._pairs]
        if not sources or sources[0].info is None or sources[0].is_directory:
            self._early = None  # its reply is an ERROR
        self._target = target = self._make_target()
        tops = self._tops(sources)
        self._tree = RemoteTree(tops, self.filters, self.counters, self._directories.opened, self._directories.closed)
        return target

    def _make_target(self) -> DownloadTarget:
        name = self._target_name
        if not name:
            return _NOWHERE
        existed = _is_directory(name)
        _make_directory(name)
        return DownloadTarget(name, is_directory=True, existed=existed, takes_names=False)

    def _tops(self, sources: Sequence[RemoteSource]) -> Iterator[RemoteDirectory | RemoteFile]:
        for pair, source in zip(self._pairs, sources, strict=True):
            try:
                if source.info is None:
                    raise source.problem or failure(NotADirectory, "Not a directory", pair.remote)
                if source.is_directory:
                    self._make(pair.local)
                else:
                    yield self._file(pair, source.info)
            except FileError as problem:
                self._refuse_early()
                below = pair.local if isinstance(pair.local, tuple) else pair.remote
                self.counters.problem(_name(pair.remote), problem, None, below)

    def _file(self, pair: DownloadPair, info: Info) -> RemoteFile:
        local, above, last = pair.local, pair.remote[:-1], pair.remote[-1]
        if isinstance(local, tuple) and local[-1] == last:
            self._make(local[:-1])
            directory = RemoteDirectory(above, local[:-1], _name(above), below=local[:-1])
            return RemoteFile(directory, last, info.size, info.mtime_ns, info.mode)
        name = os.path.join(self._target_name, *map(os.fsdecode, local)) if isinstance(local, tuple) else local
        if _is_directory(name):
            raise failure(IsADirectory, "Is a directory", name)
        self._make(os.path.dirname(name))
        directory = RemoteDirectory(above, (), _name(above))
        return RemoteFile(directory, last, info.size, info.mtime_ns, info.mode, name)

    def _refuse_early(self) -> None:
        """Cancel the request for the only file, which can't be created here."""
        early, self._early = self._early, None
        if early is not None:
            early.cancel()

    def _make(self, local: str | Path) -> None:
        """Create a directory, and those above it that are missing."""
        if not local or local in self._made:
            return
        if isinstance(local, str):
            _make_directory(local)
        else:
            assert self._directories.store is not None  # the target has been created
            self._directories.store.make_directory(local, parents=True)
        self._made.add(local)


_NOWHERE = DownloadTarget("", is_directory=False, existed=False, takes_names=False)


def _read_early(download: OneDownload | PairsDownload) -> EarlyRead | None:
    """Request the only source without waiting for what it is, unless something here decides whether it is wanted."""
    (path, is_directory), options = download._sources[0], download.options  # noqa: SLF001 - of a class of this module
    if is_directory or not path or options.dry_run or options.update or options.resume or not options.overwrite:
        return None
    may_be_parted = download.open_stream is not None and options.streams != 1
    return EarlyRead(download.pipeline, path, download.algorithm, b"" if may_be_parted else None)


def _make_above(name: str) -> None:
    above = os.path.dirname(name.rstrip("/"))
    if above:
        _make_directory(above)


def _make_directory(name: str) -> None:
    """Create a directory, and those above it that are missing."""
    with translated(name):
        os.makedirs(name, exist_ok=True)


def _is_directory(name: str) -> bool:
    return os.path.isdir(name)


def _name(path: Path) -> bytes:
    return b"/" + b"/".join(path)
