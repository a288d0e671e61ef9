"""What can be done with names at a server: look, list, make, move, remove. Nothing here touches a file's bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, overload

from secftp.api.listing import Listing, stat_of
from secftp.api.names import file_path, folder_path, spelled
from secftp.api.removal import remove_tree
from secftp.api.walking import walk
from secftp.errors import AlreadyExists, ConnectionLost, FileError, NotADirectory, NotEmpty, NotFound, Side, UsageError
from secftp.messages import Algorithm, Kind
from secftp.session import new_token
from secftp.session.held import Room

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from secftp.api.entries import RemoteStat
    from secftp.api.names import RemotePath
    from secftp.api.pool import Pool
    from secftp.session import Session
    from secftp.storage import Path

_PASSES: Final = 3

_OnError: TypeAlias = "Callable[[FileError], object] | None"


class RemoteTree:
    """The names that a server serves. `Remote`, which is one, adds what is in the files."""

    def __init__(self, pool: Pool, base: Path) -> None:
        self._pool = pool
        self._base = base

    # --- looking ------------------------------------------------------------------------------------------------------

    def stat(self, path: RemotePath = "") -> RemoteStat:
        """What is known of a file or folder without reading it; raises `NotFound` (a FileNotFoundError).

        >>> remote.stat("backup").is_dir()
        True
        """
        wanted = folder_path(path, self._base)
        return stat_of(self._pool.ask(lambda connection: connection.session.stat(wanted)))

    def exists(self, path: RemotePath) -> bool:
        """Whether there is a file or folder of that name. Any other trouble than its absence is raised."""
        return self._look(path) is not None

    def is_file(self, path: RemotePath) -> bool:
        """Whether there is a file of that name."""
        found = self._look(path)
        return found is not None and found.is_file()

    def is_dir(self, path: RemotePath) -> bool:
        """Whether there is a folder of that name."""
        found = self._look(path)
        return found is not None and found.is_dir()

    def checksum(
        self, path: RemotePath, algorithm: str = "xxh128", *, offset: int = 0, length: int | None = None
    ) -> str:
        """The digest of a file, computed by the server, in hexadecimal digits.

        `algorithm` is xxh128, sha256, blake3 or md5. With `offset` and `length` (bytes) of a part of it.

        >>> remote.checksum("backup/a.bin", "sha256") == hashlib.sha256(remote.read_bytes("backup/a.bin")).hexdigest()
        True
        """
        wanted, kind = file_path(path, self._base), algorithm_for(algorithm)
        found = self._pool.ask(
            lambda connection: connection.session.checksum(wanted, algorithm=kind, offset=offset, length=length),
            long=True,
        )
        return found.digest.hex()

    # --- listing ------------------------------------------------------------------------------------------------------

    @overload
    def scandir(self, path: bytes, *, recursive: bool = False) -> Listing[bytes]: ...
    @overload
    def scandir(self, path: str | os.PathLike[str] = "", *, recursive: bool = False) -> Listing[str]: ...
    def scandir(
        self, path: str | bytes | os.PathLike[str] = "", *, recursive: bool = False
    ) -> Listing[str] | Listing[bytes]:
        """The entries of a folder, in the server's order; with `recursive` of all folders in it, too.

        Links and special files are not served, hence not listed. A folder's entry comes before those in it; one that
        can't be looked into has a `problem`, and may come a second time for that. So has an entry that the server could
        not look at, which is neither a file nor a folder then. `recursive` asks once for a whole
        tree, which `walk` does not.

        >>> sorted(entry.name for entry in remote.scandir("backup") if entry.is_file())
        ['a.bin', 'b.bin']
        """
        given = spelled(path)
        found = folder_path(given, self._base)
        if isinstance(given, bytes):
            return Listing(self._pool, found, given, recursive=recursive)
        return Listing(self._pool, found, given, recursive=recursive)

    @overload
    def listdir(self, path: bytes) -> list[bytes]: ...
    @overload
    def listdir(self, path: str | os.PathLike[str] = "") -> list[str]: ...
    def listdir(self, path: str | bytes | os.PathLike[str] = "") -> list[str] | list[bytes]:
        """The names in a folder, in the server's order.

        >>> sorted(remote.listdir("backup"))
        ['a.bin', 'b.bin', 'old']
        """
        if isinstance(path, bytes):
            return [entry.name for entry in self.scandir(path)]
        return [entry.name for entry in self.scandir(path)]

    @overload
    def walk(
        self, top: bytes, *, topdown: bool = True, on_error: _OnError = None
    ) -> Iterator[tuple[bytes, list[bytes], Sequence[bytes]]]: ...
    @overload
    def walk(
        self, top: str | os.PathLike[str] = "", *, topdown: bool = True, on_error: _OnError = None
    ) -> Iterator[tuple[str, list[str], Sequence[str]]]: ...
    def walk(
        self, top: str | bytes | os.PathLike[str] = "", *, topdown: bool = True, on_error: _OnError = None
    ) -> Iterator[tuple[str, list[str], Sequence[str]]] | Iterator[tuple[bytes, list[bytes], Sequence[bytes]]]:
        """A triple (folder, names of folders in it, names of files in it) for `top` and every folder beneath it.

        As `os.walk`: top down, the list of folders may be changed to leave some out. A folder that can't be listed is
        passed over, after `on_error` was told; what the server could not look at is told to it, too, and stands among
        the files. Each folder is one request; `scandir(recursive=True)` is one for all.

        More than 20,000 files of one folder come as a sequence that can't be changed, and keeps them packed. Raises
        `TooLarge` for more names than 36 MiB hold so, whatever `on_error` is: some 400,000 folders in one folder, or
        two million files.

        >>> for folder, folders, files in remote.walk("backup"):
        ...     print(folder, sorted(folders), sorted(files))
        backup ['old'] ['a.bin', 'b.bin']
        backup/old [] []
        """
        given = spelled(top)
        if isinstance(given, bytes):
            return walk(self._pool, self._base, given, Room(), topdown=topdown, on_error=on_error)
        return walk(self._pool, self._base, given, Room(), topdown=topdown, on_error=on_error)

    # --- changing -----------------------------------------------------------------------------------------------------

    def mkdir(
        self, path: RemotePath, *, parents: bool = False, exist_ok: bool = False, mode: int | None = None
    ) -> None:
        """Make a folder, and with `parents` those above it that are missing; as `pathlib.Path.mkdir`.

        `mode`: its permission bits, applied exactly. Raises `NotFound` if the folder around it is missing,
        `AlreadyExists` (a FileExistsError) if the name is taken, unless by a folder and `exist_ok`.
        """
        wanted = folder_path(path, self._base)
        if not wanted:
            if not exist_ok:
                raise AlreadyExists("The served folder itself is always there.", filename="/", side=Side.REMOTE)
            return
        token = new_token()

        def make(session: Session, _again: bool) -> None:  # noqa: FBT001 - as the pool calls it
            try:
                try:
                    session.make_folder(wanted, mode=mode, token=token)
                except NotFound:
                    if not parents or len(wanted) == 1:
                        raise
                    session.make_folder(wanted[:-1], parents=True)
                    session.make_folder(wanted, mode=mode, token=token)
            except AlreadyExists:
                if not exist_ok or session.stat(wanted).kind is not Kind.DIRECTORY:
                    raise

        self._pool.change(make)

    def rename(self, path: RemotePath, to: RemotePath) -> None:
        """Give a file or folder another name, in another folder if that is said; `AlreadyExists` if it is taken.

        >>> remote.rename("backup/b.bin", "backup/c.bin")
        >>> remote.exists("backup/b.bin")
        False
        """
        self._rename(path, to, overwrite=False)

    def replace(self, path: RemotePath, to: RemotePath) -> None:
        """As `rename`, but a file that has the name already is replaced, in one step."""
        self._rename(path, to, overwrite=True)

    def remove(self, path: RemotePath) -> None:
        """Remove a file. Raises `NotFound`, `IsADirectory` and, where nothing may be removed, `Forbidden`."""
        self._remove(path, Kind.FILE)

    unlink = remove

    def rmdir(self, path: RemotePath) -> None:
        """Remove a folder that is empty. Raises `NotFound`, `NotADirectory`, `NotEmpty`."""
        self._remove(path, Kind.DIRECTORY)

    def rmtree(self, path: RemotePath, *, missing_ok: bool = False) -> None:
        """Remove a folder and everything in it. Raises `NotADirectory` for a file, and the first thing that goes wrong.

        Links and special files, which are not served, are not removed: a folder that holds some stays (`NotEmpty`).
        """
        top = file_path(path, self._base)
        lost = False
        for left in reversed(range(_PASSES)):
            try:
                remove_tree(self._pool, top)
                break
            except NotEmpty:
                if not left:  # somebody else put something there, or a file system's listing was incomplete
                    raise
            except ConnectionLost:
                if not left or self._pool.closed:
                    raise
                lost = True
            except NotFound:
                # After a lost answer it may be gone because of us.
                if not missing_ok and not (lost and self._look(path) is None):
                    raise
                break

    def chmod(self, path: RemotePath, mode: int) -> bool:
        """Set the permission bits of a file or folder, exactly; setuid, setgid and sticky bits are never set.

        False if the server's operator allows less than these, and that is what it has got.
        """
        wanted = folder_path(path, self._base)
        return self._pool.change(lambda session, _again: session.set_attributes(wanted, mode=mode).mode)

    def utime(self, path: RemotePath, mtime_ns: int) -> bool:
        """Set when a file or folder was last changed, in nanoseconds since 1970.

        False if the server's file system does not have this time, and has the nearest that it can.
        """
        wanted = folder_path(path, self._base)
        return self._pool.change(lambda session, _again: session.set_attributes(wanted, mtime_ns=mtime_ns).time)

    # --- how ----------------------------------------------------------------------------------------------------------

    def _look(self, path: RemotePath) -> RemoteStat | None:
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
                # It is gone, which was wanted: a server that was started anew meanwhile does not remember the token.
                if not again:
                    raise

        self._pool.change(remove)


def algorithm_for(name: str) -> Algorithm:
    """The digest of that name; raises `UsageError` for any other."""
    try:
        return Algorithm(name)
    except ValueError:
        raise UsageError(f"A checksum is one of {', '.join(Algorithm)}.") from None
