"""Methods of fsspec's interface that copy files between this machine and the server.

Invariants: a copy appears whole, verified, with its permissions and time, or not at all, and what was there before
stays until then; a source that changes meanwhile is an error.
"""

from __future__ import annotations

import os
import stat
from glob import has_magic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.utils import isfilelike

from secftp.api.copying import CopyIncomplete, UploadOptions, copy_options, run
from secftp.api.naming import name_error
from secftp.errors import FileError, NotFound, Side
from secftp.fsspec import paths
from secftp.fsspec.progress import FsspecListener, feed_file
from secftp.fsspec.rules import (
    Sources,
    below,
    expand_local,
    is_one,
    is_pattern,
    local_name,
    pairs_of,
    targets_of,
    upload_pair,
)
from secftp.fsspec.trees import ask_status
from secftp.fsspec.values import one_failure
from secftp.fsspec.writing import Writing
from secftp.protocol import Info, Kind
from secftp.storage.tree import LocalFile
from secftp.transfer import RemoteLocation, Upload
from secftp.transfer.download_pairs import DownloadPair, OneDownload, PairsDownload
from secftp.transfer.shards import membership
from secftp.transfer.upload_pairs import PairsUpload, UploadPair

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fsspec.callbacks import Callback

    from secftp.storage import Path
    from secftp.transfer import CopyOptions, Download

# ruff: noqa: FBT001, FBT002 - the signatures are those of fsspec

_READ_BYTES: Final = 1 << 20
_Pair = TypeVar("_Pair")
_OPTIONS: Final = frozenset(UploadOptions.__annotations__)


class Copying(Writing):
    """The part of the file system that copies to and from this machine.

    The keywords of `Client.put` and `Client.get` (`compress`, `streams`, `resume`, `retries`, ...) are options of all
    these methods; symlinks on this machine are followed. With `shard`, files of a list or of a pattern are in the shard
    that their paths at the server say, else those of a directory in that of their paths in it.
    """

    # --- to the server ------------------------------------------------------------------------------------------------

    def put_file(
        self, lpath: Any, rpath: Any, callback: Callback = DEFAULT_CALLBACK, mode: str = "overwrite", **options: Any
    ) -> None:
        """Copy a local file to a path; of a directory, only create it. `mode="create"`: the path must be new."""
        pair = upload_pair(local_name(lpath).rstrip("/"), self._strip_protocol(rpath))
        self._put_pairs([pair], callback, mode=mode, options=options, is_one_file=True)

    def put(
        self,
        lpath: Any,
        rpath: Any,
        recursive: bool = False,
        callback: Callback = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        mode: str = "overwrite",
        **options: Any,
    ) -> None:
        """Copy local files, and with `recursive` directories, by fsspec's rules.

        Into `rpath` if that is a directory or ends in a slash, else to this name; of a directory with a trailing slash
        the contents. Of two lists each source to its target. Missing directories are created, unless the file system
        has `auto_mkdir=False`. If files fail, the others are copied; raises the failure, `secftp.CopyIncomplete` if
        there are different ones.
        """
        if not is_one(lpath) and not is_one(rpath):
            sources = [local_name(each) for each in lpath]
            found = pairs_of(sources, map(self._strip_protocol, rpath))
        else:
            one = local_name(lpath) if is_one(lpath) else None
            is_tree = one is not None and maxdepth is None and (not has_magic(one) or os.path.lexists(one))
            if one is not None and is_tree and is_one(rpath) and not self._intrans and mode == "overwrite":
                self._put_one(one, rpath, recursive=recursive, callback=callback, options=options)
                return
            found = self._local_pairs(lpath, rpath, recursive=recursive, maxdepth=maxdepth)
        pairs = [upload_pair(source, target) for source, target in found]
        self._put_pairs(pairs, callback, mode=mode, options=options)

    def _local_pairs(self, lpath: Any, rpath: Any, *, recursive: bool, maxdepth: int | None) -> list[tuple[str, str]]:
        sources = expand_local(lpath, recursive=recursive, maxdepth=maxdepth)
        if not is_one(rpath):
            return pairs_of(sources.names, map(self._strip_protocol, rpath))
        target = self._strip_protocol(rpath)
        shown = target + "/" if paths.has_trailing_slash(rpath) and target != "/" else target
        return pairs_of(sources.names, targets_of(sources, shown, is_directory=lambda: self.isdir(target)))

    def _put_one(
        self, source: str, rpath: Any, *, recursive: bool, callback: Callback, options: dict[str, Any]
    ) -> None:
        if os.path.isdir(source):
            if not recursive:
                return
            source = source + "." if source.endswith("/") else source
        elif not os.path.lexists(source):
            raise NotFound("No such local file.", filename=source, side=Side.LOCAL)
        target = self._strip_protocol(rpath)
        above = os.path.dirname(source.rstrip("/"))

        def names(name: bytes) -> tuple[str, str]:
            return os.path.join(above, os.fsdecode(name)), paths.join(target, os.fsdecode(name))

        listener = FsspecListener(callback, names)
        location = RemoteLocation(self._path(rpath), paths.has_trailing_slash(rpath))
        copy = Upload((source,), location, _upload_options(options), listener)
        copy.make_parents = self.auto_mkdir
        self._run(copy, listener, options)

    def _put_pairs(
        self,
        pairs: Sequence[UploadPair],
        callback: Callback,
        *,
        mode: str,
        options: dict[str, Any],
        is_one_file: bool = False,
    ) -> None:
        pairs = _of_shard(pairs, options, lambda pair: None if pair.files is None else pair.target)
        if self._intrans:
            for pair in pairs:
                self._put_later(pair, overwrite=mode != "create")
        if self._intrans or not pairs:
            return
        sources = {pair.name: (pair.source, os.fsdecode(pair.name)) for pair in pairs}
        names = None if is_one_file else sources.__getitem__
        files = sum(pair.files is not None for pair in pairs)
        listener = FsspecListener(callback, names, files=files, must_be_new=mode == "create")
        given = {**options, "overwrite": False} if mode == "create" else options
        copy = PairsUpload(pairs, _upload_options(given), listener, make_parents=self.auto_mkdir)
        self._run(copy, listener, options)

    def _put_later(self, pair: UploadPair, *, overwrite: bool) -> None:
        """Read a local file now, as one version, for the end of the transaction."""
        name = os.fsdecode(pair.name)
        if pair.files is None:
            self.makedirs(name, exist_ok=True)
            return
        with LocalFile(pair.source).open_source(()) as source, self._deferred(name, overwrite=overwrite) as file:
            buffer, offset = memoryview(bytearray(_READ_BYTES)), 0
            while count := source.readv([buffer], offset):
                file.write(buffer[:count])
                offset += count
            source.check_unchanged()
        self._defer(file)

    # --- from the server ----------------------------------------------------------------------------------------------

    def get_file(
        self, rpath: Any, lpath: Any, callback: Callback = DEFAULT_CALLBACK, outfile: Any = None, **options: Any
    ) -> None:
        """Copy a file to a local path, or into a file object, which is filled as it comes; create a directory."""
        if outfile is None and isfilelike(lpath):
            outfile = lpath
        if outfile is not None:
            self._get_into(rpath, outfile, callback)
            return
        pair = DownloadPair(self._path(rpath), local_name(lpath).rstrip("/"))
        self._get_pairs([pair], "", callback, options=options, is_one_file=True)

    def get(
        self,
        rpath: Any,
        lpath: Any,
        recursive: bool = False,
        callback: Callback = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **options: Any,
    ) -> None:
        """Copy files, and with `recursive` directories, to this machine, by fsspec's rules; see `put`."""
        if not is_one(rpath) and not is_one(lpath):
            found = pairs_of([self._strip_protocol(each) for each in rpath], map(local_name, lpath))
            self._get_pairs([DownloadPair(self._path(old), new) for old, new in found], "", callback, options=options)
            return
        if is_one(rpath) and is_one(lpath) and maxdepth is None and not has_magic(self._strip_protocol(rpath)):
            self._get_one(rpath, local_name(lpath), recursive=recursive, callback=callback, options=options)
            return
        self._get_expanded(rpath, lpath, recursive=recursive, maxdepth=maxdepth, callback=callback, options=options)

    def _get_expanded(
        self,
        rpath: Any,
        lpath: Any,
        *,
        recursive: bool,
        maxdepth: int | None,
        callback: Callback,
        options: dict[str, Any],
    ) -> None:
        known = self._expand(rpath, recursive=recursive, maxdepth=maxdepth)
        one, slash = is_one(rpath), is_one(rpath) and paths.has_trailing_slash(rpath)
        infos = self._described(known)
        if one and (not recursive or maxdepth is not None):
            infos = {name: info for name, info in infos.items() if info is None or info.kind is not Kind.DIRECTORY}
        top = self._strip_protocol(rpath) if one else ""
        sources = Sources(sorted(infos), one, slash, one and is_pattern(top, known), top)
        if not is_one(lpath):
            names = pairs_of(sources.names, map(local_name, lpath))
            pairs = [DownloadPair(self._path(old), new, infos[old]) for old, new in names]
            self._get_pairs(pairs, "", callback, options=options)
            return
        target = local_name(lpath)
        targets = targets_of(sources, target, is_directory=lambda: os.path.isdir(target))
        pairs = [
            DownloadPair(self._path(old), below(target, new), infos[old])
            for old, new in zip(sources.names, targets, strict=True)
        ]
        root = target.rstrip("/") or "/"
        self._get_pairs(
            pairs, root if any(isinstance(pair.local, tuple) for pair in pairs) else "", callback, options=options
        )

    def _described(self, known: dict[str, dict[str, Any] | None]) -> dict[str, Info | None]:
        """Return what each path is; None if that can't be found out, which the copy reports."""
        infos = {name: _info_of(entry) for name, entry in known.items()}
        unknown = [name for name, info in infos.items() if info is None]
        for name, found in zip(unknown, ask_status(self._pool, [self._path(name) for name in unknown]), strict=True):
            if not isinstance(found, FileError):
                infos[name] = _info(found.kind, found.size, found.mtime_ns, found.mode)
        return infos

    def _get_one(
        self, rpath: Any, target: str, *, recursive: bool, callback: Callback, options: dict[str, Any]
    ) -> None:
        source = self._strip_protocol(rpath)
        above = paths.parent_of(source)

        def names(name: bytes) -> tuple[str, str]:
            return paths.join(above, os.fsdecode(name)), os.path.join(target, os.fsdecode(name))

        listener = FsspecListener(callback, names)
        copy = OneDownload(
            self._path(rpath),
            target,
            _copy_options(options),
            listener,
            recursive=recursive,
            contents=paths.has_trailing_slash(rpath),
        )
        self._run(copy, listener, options)

    def _get_pairs(
        self,
        pairs: Sequence[DownloadPair],
        target: str,
        callback: Callback,
        *,
        options: dict[str, Any],
        is_one_file: bool = False,
    ) -> None:
        pairs = _of_shard(pairs, options, lambda pair: pair.remote)
        if not pairs:
            return
        locals_of = {pair.remote: pair.local for pair in pairs}

        def names(name: bytes) -> tuple[str, str]:
            local = locals_of.get(tuple(part for part in name.split(b"/") if part), "")
            shown = local if isinstance(local, str) else os.path.join(target, os.fsdecode(b"/".join(local)))
            return os.fsdecode(name), shown

        listener = FsspecListener(callback, None if is_one_file else names)
        self._run(PairsDownload(pairs, target, _copy_options(options), listener), listener, options)

    def _get_into(self, rpath: Any, outfile: Any, callback: Callback) -> None:
        with self.open(rpath, "rb") as file:
            feed_file(callback, getattr(file, "size", None))
            while data := file.read(_READ_BYTES):
                outfile.write(data)
                callback.relative_update(len(data))

    # --- running ------------------------------------------------------------------------------------------------------

    def _run(self, copy: Upload | Download, listener: FsspecListener, options: dict[str, Any]) -> None:
        try:
            run(self._pool, copy, listener, options.get("retries", 0))
        except CopyIncomplete as problem:
            raise name_error(one_failure(problem), ()) from None
        except FileError as problem:
            raise name_error(problem, ()) from None


def _upload_options(given: dict[str, Any]) -> CopyOptions:
    return _copy_options({"follow_symlinks": True, **given})


def _copy_options(given: dict[str, Any]) -> CopyOptions:
    """Return the options of the engine among the keywords of a call; fsspec's callers give others, too."""
    known: Any = {name: value for name, value in given.items() if name in _OPTIONS}
    return copy_options(known, UploadOptions)


def _of_shard(pairs: Sequence[_Pair], options: dict[str, Any], path_of: Callable[[_Pair], Path | None]) -> list[_Pair]:
    """Return the pairs that are in the shard, if there is one, by their paths at the server; None is in every shard."""
    shard = _copy_options({"shard": options.get("shard")}).shard
    if shard is None:
        return list(pairs)
    is_in_shard = membership(shard)
    paths_of = ((pair, path_of(pair)) for pair in pairs)
    return [pair for pair, path in paths_of if path is None or is_in_shard(path)]


def _info_of(entry: dict[str, Any] | None) -> Info | None:
    """Return what an entry of a listing says, None if that is not enough."""
    if entry is None or entry["type"] == "other":
        return None
    kind = Kind.DIRECTORY if entry["type"] == "directory" else Kind.FILE
    return _info(kind, entry["size"], entry["mtime_ns"], stat.S_IMODE(entry["mode"]))


def _info(kind: Kind, size: int, mtime_ns: int, mode: int) -> Info:
    return Info(id=0, kind=kind, size=size, mtime_ns=mtime_ns, mode=mode)
