"""Operations that change names at a server: directories, renaming, removal, attributes. None reads or writes a file."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from secftp.api.arguments import directory_path, file_path, path_text
from secftp.api.listing import ListingOperations
from secftp.api.naming import names_files
from secftp.api.values import MAX_SIZE, require_int, require_permissions
from secftp.errors import AlreadyExists, ConnectionLost, FileError, NotEmpty, NotFound, Side
from secftp.protocol import Kind
from secftp.session import new_token
from secftp.session.operations import remove_tree

if TYPE_CHECKING:
    from secftp.api.arguments import RemotePath
    from secftp.session import Session
    from secftp.storage import Path

_RMTREE_ATTEMPTS: Final = 3


class NameOperations(ListingOperations):
    """The part of `Client` that handles names and attributes."""

    # --- changes ------------------------------------------------------------------------------------------------------

    @names_files("path")
    def mkdir(
        self, path: RemotePath, *, parents: bool = False, exist_ok: bool = False, mode: int | None = None
    ) -> None:
        """Create a directory, as `pathlib.Path.mkdir`.

        Args:
            path (str, bytes or os.PathLike): The directory to create.
            parents (bool, default False): Create missing parent directories, too.
            exist_ok (bool, default False): Do nothing if the directory exists.
            mode (int or None, default None): Its permission bits, set exactly whatever the umask of the server is; None
                for the server's default.

        Raises:
            NotFound: The parent directory does not exist.
            NotADirectory: A parent is a file.
            AlreadyExists: There is a file or directory of that name (a FileExistsError).
            Forbidden: The server does not allow it.
            NoSpace: The server's disk is full.

        Example:
            >>> client.mkdir("backup/new/deep", parents=True)
            >>> client.listdir("backup/new")
            ['deep']
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

    @names_files("path", "to")
    def rename(self, path: RemotePath, to: RemotePath) -> None:
        """Rename or move a file or directory; nothing is replaced.

        Args:
            path (str, bytes or os.PathLike): The file or directory.
            to (str, bytes or os.PathLike): The new path, with the name.

        Raises:
            NotFound: The source, or the directory of the target, does not exist.
            AlreadyExists: The target exists.
            Forbidden: The server does not allow it.

        Example:
            >>> client.rename("backup/b.bin", "backup/c.bin")
            >>> client.exists("backup/b.bin")
            False
        """
        self._rename(path, to, overwrite=False)

    @names_files("path", "to")
    def replace(self, path: RemotePath, to: RemotePath) -> None:
        """Rename or move a file or directory; a file at the target is replaced atomically, as by `os.replace`.

        Args:
            path (str, bytes or os.PathLike): The file or directory.
            to (str, bytes or os.PathLike): The new path, with the name.

        Raises:
            NotFound: The source, or the directory of the target, does not exist.
            AlreadyExists: The target is a directory, or a directory would replace a file.
            Forbidden: The server does not allow it.

        Example:
            >>> client.replace("backup/b.bin", "backup/a.bin")
            >>> client.read_bytes("backup/a.bin")
            b'b'
        """
        self._rename(path, to, overwrite=True)

    @names_files("path")
    def remove(self, path: RemotePath) -> None:
        """Remove a file, as `os.remove`. `unlink` is another name of this method.

        Args:
            path (str, bytes or os.PathLike): The file.

        Raises:
            NotFound: The file does not exist.
            IsADirectory: The path is a directory.
            Forbidden: The server does not allow it.

        Example:
            >>> client.remove("backup/a.bin")
        """
        self._remove(path, Kind.FILE)

    unlink = remove

    @names_files("path")
    def rmdir(self, path: RemotePath) -> None:
        """Remove an empty directory, as `os.rmdir`.

        Args:
            path (str, bytes or os.PathLike): The directory.

        Raises:
            NotFound: The directory does not exist.
            NotADirectory: The path is a file.
            NotEmpty: The directory is not empty.
            Forbidden: The server does not allow it.

        Example:
            >>> client.rmdir("backup/old")
        """
        self._remove(path, Kind.DIRECTORY)

    @names_files("path")
    def rmtree(self, path: RemotePath, *, missing_ok: bool = False) -> None:
        """Remove a directory and everything in it, as `shutil.rmtree`.

        Args:
            path (str, bytes or os.PathLike): The directory.
            missing_ok (bool, default False): Do nothing if it does not exist.

        Raises:
            NotFound: The directory does not exist.
            NotADirectory: The path is a file.
            NotEmpty: A directory holds symlinks or special files, which are not served and not removed.
            FileError: The first failure, after which a part of the tree may be gone.

        Example:
            >>> client.rmtree("backup")
            >>> client.exists("backup")
            False
        """
        top = file_path(path, self._base)
        lost = False
        for left in reversed(range(_RMTREE_ATTEMPTS)):
            try:
                self._remove_tree(top, path_text(path))
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

    @names_files("path")
    def chmod(self, path: RemotePath, mode: int) -> bool:
        """Set the permission bits of a file or directory; setuid, setgid and sticky bits are never set.

        Args:
            path (str, bytes or os.PathLike): The file or directory.
            mode (int): The permission bits, for example `0o644`.

        Returns:
            bool: False if the server's configuration allows fewer of the bits, and only those were set.

        Raises:
            NotFound: It does not exist.
            Forbidden: The server does not allow it.

        Example:
            >>> client.chmod("backup/a.bin", 0o600)
            True
            >>> oct(client.stat("backup/a.bin").mode)
            '0o600'
        """
        wanted, bits = directory_path(path, self._base), require_permissions("mode", mode)
        return self._pool.change(lambda session, _again: session.set_attributes(wanted, mode=bits).mode)

    @names_files("path")
    def utime(self, path: RemotePath, *, ns: int) -> bool:
        """Set the time of the last modification of a file or directory.

        Args:
            path (str, bytes or os.PathLike): The file or directory.
            ns (int): The time in nanoseconds since the epoch.

        Returns:
            bool: False if the server's file system can't store this time, and has the nearest that it can.

        Raises:
            NotFound: It does not exist.
            Forbidden: The server does not allow it.

        Example:
            >>> client.utime("backup/a.bin", ns=1_700_000_000_000_000_000)
            True
            >>> client.stat("backup/a.bin").mtime
            1700000000.0
        """
        wanted = directory_path(path, self._base)
        time = require_int("ns", ns, -MAX_SIZE - 1, MAX_SIZE, shown="of nanoseconds since 1970")
        return self._pool.change(lambda session, _again: session.set_attributes(wanted, mtime_ns=time).time)

    # --- implementation -----------------------------------------------------------------------------------------------

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

    def _remove_tree(self, top: Path, given: str | bytes) -> None:
        """Remove a tree while it is listed; raises the first failure."""
        with (
            self.scandir(given, recursive=True) as listing,
            self._pool.session(long=True) as session,
        ):
            found = ((directory_path(entry.path, self._base), entry.stat().kind) for entry in listing)
            with contextlib.closing(remove_tree(session, top, found)) as problems:
                try:
                    problem = next(filter(None, problems), None)
                except FileError as failure:  # of the listing, which has a connection of its own
                    problem = failure
            if problem is not None:
                session.pipeline.settle()  # so that the connection can be used again
                raise problem
