"""Operations on names at a server: status, listings, directories, renaming, removal. None reads or writes a file."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, TypeAlias, overload

from secftp.api.arguments import algorithm_for, directory_path, file_path, path_text
from secftp.api.entries import Listing, stat_of
from secftp.api.walking import walk
from secftp.errors import AlreadyExists, ConnectionLost, FileError, NotADirectory, NotEmpty, NotFound, Side
from secftp.protocol import Kind
from secftp.session import new_token
from secftp.session.listings import MemoryBudget
from secftp.session.operations import remove_tree

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from secftp.api.arguments import RemotePath
    from secftp.api.entries import RemoteStat
    from secftp.api.pool import Pool
    from secftp.session import Session
    from secftp.storage import Path

    OnWalkError: TypeAlias = Callable[[FileError], object]

_RMTREE_ATTEMPTS: Final = 3


class NameOperations:
    """The part of `Client` that handles names and attributes."""

    def __init__(self, pool: Pool, base: Path) -> None:
        self._pool = pool
        self._base = base

    # --- status -------------------------------------------------------------------------------------------------------

    def stat(self, path: RemotePath = "") -> RemoteStat:
        """Return the size, time and permissions of a file or directory, as `os.stat`.

        Raises `NotFound` (a FileNotFoundError), `NotADirectory` and `Forbidden`.

        >>> client.stat("backup").is_dir()
        True
        """
        wanted = directory_path(path, self._base)
        return stat_of(self._pool.ask(lambda connection: connection.session.stat(wanted)))

    def exists(self, path: RemotePath) -> bool:
        """Return whether a file or directory exists, as `os.path.exists`; raises any other failure than its absence."""
        return self._status(path) is not None

    def is_file(self, path: RemotePath) -> bool:
        """Return whether the path is a file; raises any other failure than its absence."""
        found = self._status(path)
        return found is not None and found.is_file()

    def is_dir(self, path: RemotePath) -> bool:
        """Return whether the path is a directory; raises any other failure than its absence."""
        found = self._status(path)
        return found is not None and found.is_dir()

    def checksum(
        self, path: RemotePath, algorithm: str = "xxh128", *, offset: int = 0, length: int | None = None
    ) -> str:
        """Return the checksum of a file, computed by the server, in hexadecimal digits.

        `algorithm`: `xxh128`, `sha256`, `blake3` or `md5`. `offset`, `length`: the range in bytes; by default the whole
        file. Raises `NotFound`, `IsADirectory`, `Forbidden`, and `UsageError` for another algorithm.

        >>> client.checksum("backup/a.bin", "sha256") == hashlib.sha256(client.read_bytes("backup/a.bin")).hexdigest()
        True
        """
        wanted, kind = file_path(path, self._base), algorithm_for(algorithm)
        found = self._pool.ask(
            lambda connection: connection.session.checksum(wanted, algorithm=kind, offset=offset, length=length),
            long=True,
        )
        return found.digest.hex()

    # --- listings -----------------------------------------------------------------------------------------------------

    @overload
    def scandir(self, path: bytes, *, recursive: bool = False) -> Listing[bytes]: ...
    @overload
    def scandir(self, path: str | os.PathLike[str] = "", *, recursive: bool = False) -> Listing[str]: ...
    def scandir(
        self, path: str | bytes | os.PathLike[str] = "", *, recursive: bool = False
    ) -> Listing[str] | Listing[bytes]:
        """Return an iterator over the entries of a directory, in the server's order, as `os.scandir`.

        `recursive`: list the whole tree with one request. A directory comes before its entries. One that can't be
        listed has a `problem`, and is listed a second time if some of its entries were listed before. An entry that the
        server could not examine has a `problem`, too, and is neither a file nor a directory. Symlinks and special files
        are not served and not listed.

        Raises `NotFound`, `NotADirectory` and `Forbidden` for the directory itself.

        >>> sorted(entry.name for entry in client.scandir("backup") if entry.is_file())
        ['a.bin', 'b.bin']
        """
        given = path_text(path)
        found = directory_path(given, self._base)
        if isinstance(given, bytes):
            return Listing(self._pool, found, given, recursive=recursive)
        return Listing(self._pool, found, given, recursive=recursive)

    @overload
    def listdir(self, path: bytes) -> list[bytes]: ...
    @overload
    def listdir(self, path: str | os.PathLike[str] = "") -> list[str]: ...
    def listdir(self, path: str | bytes | os.PathLike[str] = "") -> list[str] | list[bytes]:
        """Return the names in a directory, in the server's order, as `os.listdir`. Raises what `scandir` does.

        >>> sorted(client.listdir("backup"))
        ['a.bin', 'b.bin', 'old']
        """
        if isinstance(path, bytes):
            return [entry.name for entry in self.scandir(path)]
        return [entry.name for entry in self.scandir(path)]

    @overload
    def walk(
        self, top: bytes, *, topdown: bool = True, onerror: OnWalkError | None = None
    ) -> Iterator[tuple[bytes, list[bytes], Sequence[bytes]]]: ...
    @overload
    def walk(
        self, top: str | os.PathLike[str] = "", *, topdown: bool = True, onerror: OnWalkError | None = None
    ) -> Iterator[tuple[str, list[str], Sequence[str]]]: ...
    def walk(
        self, top: str | bytes | os.PathLike[str] = "", *, topdown: bool = True, onerror: OnWalkError | None = None
    ) -> Iterator[tuple[str, list[str], Sequence[str]]] | Iterator[tuple[bytes, list[bytes], Sequence[bytes]]]:
        """Yield a triple (directory, names of its subdirectories, names of its files) for each directory of a tree.

        As `os.walk`. `topdown`: yield a directory before its subdirectories; subdirectories that are removed from the
        list are not visited then. `onerror`: called with the `FileError` of each directory that can't be listed, which
        is skipped, and of each entry that the server could not examine, which is among the files. Each directory is one
        request; `scandir(recursive=True)` is one for the whole tree.

        More than 20,000 files of a directory are an immutable sequence that keeps the names compressed. Raises
        `TooLarge`, whatever `onerror` is, if the names need more than 36 MiB: with some 400,000 subdirectories of one
        directory, or two million files.

        >>> for directory, subdirectories, files in client.walk("backup"):
        ...     print(directory, sorted(subdirectories), sorted(files))
        backup ['old'] ['a.bin', 'b.bin']
        backup/old [] []
        """
        given = path_text(top)
        if isinstance(given, bytes):
            return walk(self._pool, self._base, given, MemoryBudget(), topdown=topdown, onerror=onerror)
        return walk(self._pool, self._base, given, MemoryBudget(), topdown=topdown, onerror=onerror)

    # --- changes ------------------------------------------------------------------------------------------------------

    def mkdir(
        self, path: RemotePath, *, parents: bool = False, exist_ok: bool = False, mode: int | None = None
    ) -> None:
        """Create a directory, as `pathlib.Path.mkdir`.

        `parents`: create missing parent directories, too. `exist_ok`: do nothing if the directory exists. `mode`: its
        permission bits, set exactly whatever the umask of the server is; the server's default if it is None.

        Raises `NotFound` if the parent directory is missing, `AlreadyExists` (a FileExistsError), `NotADirectory` if a
        parent is a file, `Forbidden` and `NoSpace`.
        """
        wanted = directory_path(path, self._base)
        if not wanted:
            if not exist_ok:
                raise AlreadyExists("The served directory always exists.", filename="/", side=Side.REMOTE)
            return
        token = new_token()

        def make(session: Session, _again: bool) -> None:  # noqa: FBT001 - as the pool calls it
            try:
                try:
                    session.make_directory(wanted, mode=mode, token=token)
                except NotFound:
                    if not parents or len(wanted) == 1:
                        raise
                    session.make_directory(wanted[:-1], parents=True)
                    session.make_directory(wanted, mode=mode, token=token)
            except AlreadyExists:
                if not exist_ok or session.stat(wanted).kind is not Kind.DIRECTORY:
                    raise

        self._pool.change(make)

    def rename(self, path: RemotePath, to: RemotePath) -> None:
        """Rename or move a file or directory; nothing is replaced.

        Raises `AlreadyExists`, `NotFound` for the source or the directory of the target, and `Forbidden`.

        >>> client.rename("backup/b.bin", "backup/c.bin")
        >>> client.exists("backup/b.bin")
        False
        """
        self._rename(path, to, overwrite=False)

    def replace(self, path: RemotePath, to: RemotePath) -> None:
        """Rename or move a file or directory; a file at the target is replaced atomically, as by `os.replace`.

        Raises `AlreadyExists` if the target is a directory or a directory would replace a file, `NotFound` and
        `Forbidden`.
        """
        self._rename(path, to, overwrite=True)

    def remove(self, path: RemotePath) -> None:
        """Remove a file. Raises `NotFound`, `IsADirectory` and `Forbidden`."""
        self._remove(path, Kind.FILE)

    unlink = remove

    def rmdir(self, path: RemotePath) -> None:
        """Remove an empty directory. Raises `NotFound`, `NotADirectory`, `NotEmpty` and `Forbidden`."""
        self._remove(path, Kind.DIRECTORY)

    def rmtree(self, path: RemotePath, *, missing_ok: bool = False) -> None:
        """Remove a directory and everything in it, as `shutil.rmtree`.

        `missing_ok`: do nothing if it does not exist. Raises `NotFound`, `NotADirectory` for a file, `NotEmpty` for a
        directory that holds symlinks or special files, which are not served and not removed, and otherwise the first
        failure, after which a part of the tree may be gone.
        """
        top = file_path(path, self._base)
        lost = False
        for left in reversed(range(_RMTREE_ATTEMPTS)):
            try:
                self._remove_tree(top)
                break
            except NotEmpty:
                if not left:  # another client added something, or a listing of the file system was incomplete
                    raise
            except ConnectionLost:
                if not left or self._pool.closed:
                    raise
                lost = True
            except NotFound:
                # After a lost answer it may be gone because this client removed it.
                if not missing_ok and not (lost and self._status(path) is None):
                    raise
                break

    def chmod(self, path: RemotePath, mode: int) -> bool:
        """Set the permission bits of a file or directory; setuid, setgid and sticky bits are never set.

        Returns False if the server's configuration allows fewer of the bits, and only those were set. Raises `NotFound`
        and `Forbidden`.
        """
        wanted = directory_path(path, self._base)
        return self._pool.change(lambda session, _again: session.set_attributes(wanted, mode=mode).mode)

    def utime(self, path: RemotePath, *, ns: int) -> bool:
        """Set the time of the last modification of a file or directory.

        `ns`: nanoseconds since the epoch. Returns False if the server's file system can't store this time and has the
        nearest that it can. Raises `NotFound` and `Forbidden`.
        """
        wanted = directory_path(path, self._base)
        return self._pool.change(lambda session, _again: session.set_attributes(wanted, mtime_ns=ns).time)

    # --- implementation -----------------------------------------------------------------------------------------------

    def _status(self, path: RemotePath) -> RemoteStat | None:
        try:
            return self.stat(path)
        except (NotFound, NotADirectory):
            return None

    def _rename(self, path: RemotePath, to: RemotePath, *, overwrite: bool) -> None:
        old, new, token = file_path(path, self._base), file_path(to, self._base), new_token()
        self._pool.change(lambda session, _again: session.rename(old, new, overwrite=overwrite, token=token))

    def _remove(self, path: RemotePath, kind: Kind) -> None:
        wanted, token = file_path(path, self._base), new_token()

        def remove(session: Session, again: bool) -> None:  # noqa: FBT001 - as the pool calls it
            try:
                session.remove(wanted, kind=kind, token=token)
            except NotFound:
                # It is gone, which was wanted: a server that was restarted meanwhile does not remember the token.
                if not again:
                    raise

        self._pool.change(remove)

    def _remove_tree(self, top: Path) -> None:
        """Remove a tree while it is listed; raises the first failure."""
        with (
            Listing(self._pool, top, b"/" + b"/".join(top), recursive=True) as listing,
            self._pool.session(long=True) as session,
        ):
            found = ((directory_path(entry.path), entry.stat().kind) for entry in listing)
            with contextlib.closing(remove_tree(session, top, found)) as problems:
                try:
                    problem = next(filter(None, problems), None)
                except FileError as failure:  # of the listing, which has a connection of its own
                    problem = failure
            if problem is not None:
                session.pipeline.settle()  # so that the connection can be used again
                raise problem
