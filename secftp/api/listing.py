"""Operations that look at names at a server: status, checksums, listings. None changes anything, or reads a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, overload

from secftp.api.arguments import algorithm_for, directory_path, file_path, path_text
from secftp.api.entries import Listing, space_of, stat_of
from secftp.api.globbing import glob
from secftp.api.naming import names_files
from secftp.api.values import require_size
from secftp.api.walking import walk
from secftp.errors import NotADirectory, NotFound
from secftp.session.listings import MemoryBudget

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from secftp.api.arguments import RemotePath
    from secftp.api.entries import RemoteSpace, RemoteStat
    from secftp.api.pool import Pool
    from secftp.errors import FileError
    from secftp.storage import Path

    OnWalkError: TypeAlias = Callable[[FileError], object]


class ListingOperations:
    """The part of `Client` that looks at names."""

    def __init__(self, pool: Pool, base: Path) -> None:
        self._pool = pool
        self._base = base

    # --- status -------------------------------------------------------------------------------------------------------

    @names_files("path")
    def stat(self, path: RemotePath = "") -> RemoteStat:
        """Return the size, time and permissions of a file or directory, as `os.stat`.

        Args:
            path (str, bytes or os.PathLike, default ''): The file or directory; '' is the directory of the URL.

        Returns:
            RemoteStat: The kind, the size in bytes, the time of the last modification, and the permission bits.

        Raises:
            NotFound: It does not exist (a FileNotFoundError).
            NotADirectory: A part of the path is a file.
            Forbidden: The server does not allow it (a PermissionError).

        Example:
            >>> client.stat("backup").is_dir()
            True
        """
        wanted = directory_path(path, self._base)
        return stat_of(self._pool.stat(wanted))

    def exists(self, path: RemotePath) -> bool:
        """Return whether a file or directory exists, as `os.path.exists`.

        Args:
            path (str, bytes or os.PathLike): The file or directory.

        Returns:
            bool: Whether it exists.

        Raises:
            SecftpError: Any other failure than its absence: what is not known is not taken for absent.

        Example:
            >>> client.exists("backup"), client.exists("nothing")
            (True, False)
        """
        return self._status(path) is not None

    def is_file(self, path: RemotePath) -> bool:
        """Return whether the path is an existing file, as `pathlib.Path.is_file`.

        Args:
            path (str, bytes or os.PathLike): The path to examine.

        Returns:
            bool: Whether it is a file; False if it does not exist.

        Raises:
            SecftpError: Any other failure than its absence.

        Example:
            >>> client.is_file("backup/a.bin"), client.is_file("backup")
            (True, False)
        """
        found = self._status(path)
        return found is not None and found.is_file()

    def is_dir(self, path: RemotePath) -> bool:
        """Return whether the path is an existing directory, as `pathlib.Path.is_dir`.

        Args:
            path (str, bytes or os.PathLike): The path to examine.

        Returns:
            bool: Whether it is a directory; False if it does not exist.

        Raises:
            SecftpError: Any other failure than its absence.

        Example:
            >>> client.is_dir("backup"), client.is_dir("backup/a.bin")
            (True, False)
        """
        found = self._status(path)
        return found is not None and found.is_dir()

    @names_files("path")
    def space(self, path: RemotePath = "") -> RemoteSpace:
        """Return the size of the file system that a path is in, and how much of it is left, as `shutil.disk_usage`.

        `available` is what this key can still write: it is less than what is free where the operator keeps some space
        free. Other clients write to the same file system, so a file that fits now may not fit any more when it comes.

        Args:
            path (str, bytes or os.PathLike, default ''): A file or directory; '' is the directory of the URL.

        Returns:
            RemoteSpace: Sizes in bytes; None for what is not known.

        Raises:
            NotFound: The path does not exist.
            Forbidden: The key may neither read, nor list, nor write.
            FileError: The server does not tell, because it is an older version.

        Example:
            >>> space = client.space()
            >>> space.available > 1_000_000
            True
        """
        wanted = directory_path(path, self._base)
        return space_of(self._pool.ask(lambda connection: connection.session.space(wanted)))

    @names_files("path")
    def checksum(
        self, path: RemotePath, algorithm: str = "xxh128", *, offset: int = 0, length: int | None = None
    ) -> str:
        """Return the checksum of a file, computed by the server.

        Args:
            path (str, bytes or os.PathLike): The file.
            algorithm (str, default 'xxh128'): `xxh128`, `sha256`, `blake3` or `md5`.
            offset (int, default 0): Where the range begins, in bytes from the start of the file.
            length (int or None, default None): The size of the range in bytes; None for all up to the end. A range that
                extends beyond the end is cut.

        Returns:
            str: The checksum in hexadecimal digits.

        Raises:
            NotFound: The file does not exist.
            IsADirectory: The path is a directory.
            Forbidden: The server does not allow it.
            UsageError: The algorithm is unknown.

        Example:
            >>> client.checksum("backup/a.bin", "sha256") == hashlib.sha256(b"abcdef").hexdigest()
            True
        """
        wanted, kind = file_path(path, self._base), algorithm_for(algorithm)
        offset = require_size("offset", offset)
        length = None if length is None else require_size("length", length)
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
    @names_files("path")
    def scandir(
        self, path: str | bytes | os.PathLike[str] = "", *, recursive: bool = False
    ) -> Listing[str] | Listing[bytes]:
        """Return an iterator over the entries of a directory, in the server's order, as `os.scandir`.

        One that can't be listed has a `problem`, and is listed a second time if some of its entries were listed before.
        An entry that the server could not examine has a `problem`, too, and is neither a file nor a directory. Symlinks
        and special files are not served and not listed.

        Args:
            path (str, bytes or os.PathLike, default ''): The directory; '' is that of the URL.
            recursive (bool, default False): List the whole tree with one request. A directory comes before its entries.

        Returns:
            Listing: An iterator of `RemoteEntry`, and a context manager.

        Raises:
            NotFound: The directory does not exist.
            NotADirectory: The path, or a part of it, is a file.
            Forbidden: The server does not allow it.

        Example:
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
    @names_files("path")
    def listdir(self, path: str | bytes | os.PathLike[str] = "") -> list[str] | list[bytes]:
        """Return the names in a directory, in the server's order, as `os.listdir`.

        Args:
            path (str, bytes or os.PathLike, default ''): The directory; '' is that of the URL.

        Returns:
            list: The names, `bytes` if the path is `bytes` and else `str`.

        Raises:
            NotFound: The directory does not exist.
            NotADirectory: The path, or a part of it, is a file.
            Forbidden: The server does not allow it.

        Example:
            >>> sorted(client.listdir("backup"))
            ['a.bin', 'b.bin', 'old']
        """
        if isinstance(path, bytes):
            return [entry.name for entry in self._pool.waits.paced(self.scandir(path))]
        return [entry.name for entry in self._pool.waits.paced(self.scandir(path))]

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
        """Yield a triple for each directory of a tree, as `os.walk`.

        Each directory is one request; `scandir(recursive=True)` is one for the whole tree. More than 20,000 files of a
        directory are an immutable sequence that keeps the names compressed.

        Args:
            top (str, bytes or os.PathLike, default ''): The directory to begin at; '' is that of the URL.
            topdown (bool, default True): Yield a directory before its subdirectories; subdirectories that are removed
                from the list are not visited then.
            onerror (callable or None, default None): Called with the `FileError` of each directory that can't be
                listed, which is skipped, and of each entry that the server could not examine, which is among the files.

        Yields:
            tuple: The directory, the names of its subdirectories (a list), and the names of its files.

        Raises:
            TooLarge: The names need more than 36 MiB, whatever `onerror` is: with some 400,000 subdirectories of one
                directory, or two million files.

        Example:
            >>> for directory, subdirectories, files in client.walk("backup"):
            ...     print(directory, sorted(subdirectories), sorted(files))
            backup ['old'] ['a.bin', 'b.bin']
            backup/old [] []
        """
        given = path_text(top)
        if isinstance(given, bytes):
            return walk(self._pool, self._base, given, MemoryBudget(), topdown=topdown, onerror=onerror)
        return walk(self._pool, self._base, given, MemoryBudget(), topdown=topdown, onerror=onerror)

    @overload
    def glob(
        self, pattern: bytes, *, include_hidden: bool = False, onerror: OnWalkError | None = None
    ) -> Iterator[bytes]: ...
    @overload
    def glob(
        self, pattern: str | os.PathLike[str], *, include_hidden: bool = False, onerror: OnWalkError | None = None
    ) -> Iterator[str]: ...
    def glob(
        self,
        pattern: str | bytes | os.PathLike[str],
        *,
        include_hidden: bool = False,
        onerror: OnWalkError | None = None,
    ) -> Iterator[str] | Iterator[bytes]:
        """Return an iterator over the paths that match a pattern, by the rules of `glob.iglob`.

        `*` matches any characters of a name, `?` one character, `[a-z]` one of a range and `[!a-z]` one that is not in
        it. A part `**` matches any number of directories, also none; at the end of the pattern, everything below. A
        slash at the end restricts the matches to directories. Case is significant. `glob.escape` escapes a name.

        A pattern with `**` takes one request, which lists the tree below the part before the first wildcard. Any other
        takes one for each directory that it leads through, and those of a level share round trips.

        Args:
            pattern (str, bytes or os.PathLike): The pattern; a relative one starts at the directory of the URL.
            include_hidden (bool, default False): Have wildcards match names that begin with a dot; otherwise only a
                part that begins with a dot matches them.
            onerror (callable or None, default None): Called with the `FileError` of each directory that can't be
                listed and of each entry that the server could not examine, which are left out then. None raises it.

        Yields:
            str: A path, `bytes` if the pattern is `bytes`, in the server's order. It begins as the pattern does.

        Raises:
            NameRefused: A part of the pattern is `..`, or another name that no server accepts.
            Forbidden: A directory can't be listed.
            FileError: It is not known whether something matches, for another reason.
            TooLarge: The directories that wait for their turn need more than 36 MiB of memory.

        Example:
            >>> sorted(client.glob("backup/*.bin"))
            ['backup/a.bin', 'backup/b.bin']
            >>> sorted(client.glob("**/*.bin")) == sorted(client.glob("backup/*.bin"))
            True
        """
        given = path_text(pattern)
        if isinstance(given, bytes):
            return glob(self._pool, self._base, given, include_hidden=include_hidden, onerror=onerror)
        return glob(self._pool, self._base, given, include_hidden=include_hidden, onerror=onerror)

    # --- implementation -----------------------------------------------------------------------------------------------

    def _status(self, path: RemotePath) -> RemoteStat | None:
        try:
            return self.stat(path)
        except (NotFound, NotADirectory):
            return None
