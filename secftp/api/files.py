"""Operations on the contents of files at a server: read or write a whole file, open one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, overload

from secftp.api.arguments import file_path, path_list, path_text, write_options
from secftp.api.copies import CopyOperations
from secftp.api.memory import MemorySink, MemorySource
from secftp.api.naming import name_error, named_as, names_files, place
from secftp.api.ranges import SHORT_BYTES, Range, read_many, read_ranges
from secftp.api.reader import RemoteReader
from secftp.api.text_files import TextWriter, text_reader, text_writer
from secftp.api.values import require_callable, require_size, require_text
from secftp.api.writer import RemoteWriter
from secftp.errors import FileError, UsageError
from secftp.session import Unconfirmed
from secftp.session.retry import has_arrived
from secftp.transport.file_data import unwatched

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterable

    from _typeshed import ReadableBuffer

    from secftp.api.arguments import RemotePath
    from secftp.api.pool import PooledConnection
    from secftp.storage import Path
    from secftp.transport.file_data import Progress

    OnBytes: TypeAlias = Callable[[int, int | None], object]
    OnFileError: TypeAlias = Literal["raise", "return"]


class FileOperations(CopyOperations):
    """The part of `Client` that handles the contents of files."""

    @names_files("path")
    def read_bytes(
        self, path: RemotePath, *, offset: int = 0, length: int | None = None, on_progress: OnBytes | None = None
    ) -> bytes:
        """Return the contents of a file, verified, as `pathlib.Path.read_bytes`.

        Args:
            path (str, bytes or os.PathLike): The file.
            offset (int, default 0): Where to begin, in bytes from the start of the file.
            length (int or None, default None): How many bytes to read; None for all up to the end. A range that extends
                beyond the end is cut.
            on_progress (callable or None, default None): Called with the number of bytes received so far, and the
                number to receive.

        Returns:
            bytes: The contents.

        Raises:
            NotFound: The file does not exist.
            IsADirectory: The path is that of a directory.
            Forbidden: The key or the file's permissions do not allow reading.
            ChecksumMismatch: The data differ from those that the server read.

        Example:
            >>> client.read_bytes("backup/a.bin", offset=1, length=3)
            b'bcd'
        """
        wanted = file_path(path, self._base)
        offset, length = _checked_range(offset, length)
        report = _progress(on_progress)

        def read(connection: PooledConnection) -> bytes:
            sink = MemorySink()

            def moved(done: int, total: int | None, /) -> None:
                if not done:
                    sink.reserve(total or 0)
                    if (total or 0) > SHORT_BYTES:
                        self._pool.prolong(connection)
                report(done, total)

            connection.session.read(wanted, sink, offset=offset, length=length, progress=moved)
            return sink.data()

        if offset == 0 and length is None and on_progress is None:
            small = self._pool.read_small(wanted)
            if small is not None:
                return small
        return self._pool.ask(read)

    @overload
    def read_ranges(
        self, ranges: Iterable[tuple[RemotePath, int, int | None]], *, on_error: Literal["raise"] = "raise"
    ) -> list[bytes]: ...
    @overload
    def read_ranges(
        self, ranges: Iterable[tuple[RemotePath, int, int | None]], *, on_error: OnFileError
    ) -> list[bytes | FileError]: ...
    def read_ranges(
        self, ranges: Iterable[tuple[RemotePath, int, int | None]], *, on_error: OnFileError = "raise"
    ) -> list[bytes] | list[bytes | FileError]:
        """Return the bytes of many ranges of files, verified, in the order of the ranges.

        All requests are sent at once, so that a hundred ranges take two round trips. Ranges of one file that touch, or
        have a small gap between them, are fetched together. All ranges of a file are of one version of it. Everything
        that is asked for is in memory at the end.

        Args:
            ranges (iterable of tuple): For each range a path, an offset in bytes, and a length in bytes, None for the
                rest of the file. A range that extends beyond the end of the file is cut.
            on_error (str, default 'raise'): `"raise"` for the first failure of a file to be raised; `"return"` for
                it to be in the list, in place of the bytes, and for the other ranges to be read all the same.

        Returns:
            list of bytes: The bytes of each range; with `on_error="return"` a `FileError` where there are none.

        Raises:
            NotFound: A file does not exist.
            IsADirectory: A path is that of a directory.
            Forbidden: The key or the file's permissions do not allow reading.
            FileChanged: A file was changed or replaced while its ranges were read.
            ChecksumMismatch: The data differ from those that the server read.
            UsageError: An offset or a length is negative.
            ConnectionLost: The connection to the server was lost.

        Example:
            >>> client.read_ranges([("backup/a.bin", 0, 2), ("backup/a.bin", 4, None)])
            [b'ab', b'ef']
        """
        asked = [(path, *_checked_range(offset, length)) for path, offset, length in ranges]
        given = [path for path, _, _ in asked]
        with named_as(place(path, self._base) for path in given):
            wanted, places, results = self._located(given, on_error)
            found = read_ranges(
                self._pool,
                [Range(path, *asked[place][1:]) for path, place in zip(wanted, places, strict=True)],
                stop=on_error == "raise",
            )
            return _put_in_place(found, places, results, given, self._base)

    @overload
    def read_many(self, paths: Iterable[RemotePath], *, on_error: Literal["raise"] = "raise") -> list[bytes]: ...
    @overload
    def read_many(self, paths: Iterable[RemotePath], *, on_error: OnFileError) -> list[bytes | FileError]: ...
    def read_many(
        self, paths: Iterable[RemotePath], *, on_error: OnFileError = "raise"
    ) -> list[bytes] | list[bytes | FileError]:
        """Return the contents of many files, verified, in the order of the paths.

        All requests are sent at once: thousands of small files take one or two round trips. Everything is in memory at
        the end.

        Args:
            paths (iterable of str, bytes or os.PathLike): The files.
            on_error (str, default 'raise'): `"raise"` for the first failure of a file to be raised; `"return"` for
                it to be in the list, in place of the bytes, and for the other files to be read all the same.

        Returns:
            list of bytes: The contents of each file; with `on_error="return"` a `FileError` where there are none.

        Raises:
            NotFound: A file does not exist.
            IsADirectory: A path is that of a directory.
            Forbidden: The key or the file's permissions do not allow reading.
            ChecksumMismatch: The data differ from those that the server read.
            ConnectionLost: The connection to the server was lost.

        Example:
            >>> client.read_many(["backup/a.bin", "backup/a.bin"])
            [b'abcdef', b'abcdef']
        """
        given = path_list(paths)  # a path alone is no iterable of its letters
        with named_as(place(path, self._base) for path in given):
            wanted, places, results = self._located(given, on_error)
            found = read_many(self._pool, wanted, stop=on_error == "raise")
            return _put_in_place(found, places, results, given, self._base)

    def _located(
        self, paths: list[RemotePath], on_error: OnFileError
    ) -> tuple[list[Path], list[int], list[bytes | FileError]]:
        """Return the components of those paths that can name a file, their places in the list, and the list.

        That holds the failures of the other paths. Raises the first one unless `on_error` is `"return"`.
        """
        if on_error not in ("raise", "return"):
            raise UsageError("on_error must be 'raise' or 'return'.")
        wanted, places, results = [], [], list[bytes | FileError]()
        for number, path in enumerate(self._pool.waits.paced(paths)):
            results.append(b"")
            try:
                wanted.append(file_path(path, self._base))
            except FileError as problem:
                if on_error == "raise":
                    raise name_error(problem, [place(path, self._base)]) from None
                results[number] = problem
            else:
                places.append(number)
        return wanted, places, results

    @names_files("path")
    def write_bytes(
        self,
        path: RemotePath,
        data: ReadableBuffer,
        *,
        overwrite: bool = True,
        permissions: int | None = None,
        on_progress: OnBytes | None = None,
    ) -> int:
        """Write a whole file, as `pathlib.Path.write_bytes`; it is stored verified or not at all.

        Args:
            path (str, bytes or os.PathLike): The file. Its directory has to exist.
            data (bytes-like object): The contents.
            overwrite (bool, default True): Replace an existing file.
            permissions (int or None, default None): The permission bits of the file, as far as the server's
                configuration allows them; None for those of the file that is replaced, and else the server's default.
            on_progress (callable or None, default None): Called with the number of bytes sent so far, and the number to
                send.

        Returns:
            int: The size in bytes.

        Raises:
            NotFound: The directory does not exist.
            AlreadyExists: The file exists, and `overwrite` is false or the key may not overwrite.
            IsADirectory: The path is that of a directory.
            Forbidden: The server does not allow it.
            NoSpace: The server's disk, or a quota, is full.

        Example:
            >>> client.write_bytes("backup/a.bin", b"abcdef")
            6
        """
        wanted = file_path(path, self._base)
        view, options = memoryview(data).cast("B"), write_options(overwrite, permissions)
        report = _progress(on_progress)

        sent: Unconfirmed | None = None

        def write(connection: PooledConnection) -> int:
            nonlocal sent
            source = MemorySource(view)
            session = connection.session
            if sent is not None and has_arrived(session, wanted, sent):
                return sent.sent.size
            try:
                return session.write(wanted, source, options, progress=report).size
            except Unconfirmed as lost:
                sent = lost
                raise

        try:
            if overwrite:
                return self._pool.ask(write, long=len(view) > SHORT_BYTES)
            # A second request could be refused because of the file that the first one wrote.
            with self._pool.connection(long=len(view) > SHORT_BYTES) as connection:
                return write(connection)
        except Unconfirmed as lost:
            return self._pool.confirm(wanted, lost).size

    def read_text(self, path: RemotePath, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the decoded contents of a file, as `pathlib.Path.read_text`; line ends are not translated.

        Args:
            path (str, bytes or os.PathLike): The file.
            encoding (str, default 'utf-8'): The encoding of the text.
            errors (str, default 'strict'): What to do with bytes that can't be decoded, as for `bytes.decode`.

        Returns:
            str: The text.

        Raises:
            NotFound: The file does not exist.
            IsADirectory: The path is that of a directory.
            Forbidden: The key or the file's permissions do not allow reading.
            ChecksumMismatch: The data differ from those that the server read.
            UnicodeDecodeError: The contents are not in this encoding.

        Example:
            >>> client.read_text("backup/a.bin")
            'abcdef'
        """
        return self.read_bytes(path).decode(encoding, errors)

    def write_text(self, path: RemotePath, text: str, encoding: str = "utf-8", errors: str = "strict") -> int:
        """Write a text as a whole file, as `pathlib.Path.write_text`; line ends are not translated.

        Args:
            path (str, bytes or os.PathLike): The file. Its directory has to exist.
            text (str): The text.
            encoding (str, default 'utf-8'): The encoding of the text.
            errors (str, default 'strict'): What to do with characters that can't be encoded, as for `str.encode`.

        Returns:
            int: The size in bytes.

        Raises:
            NotFound: The directory does not exist.
            IsADirectory: The path is that of a directory.
            AlreadyExists: The file exists, and the key may not overwrite.
            Forbidden: The server does not allow it.
            NoSpace: The server's disk, or a quota, is full.
            UnicodeEncodeError: The text can't be encoded.

        Example:
            >>> client.write_text("backup/notes.txt", "Milk")
            4
        """
        return self.write_bytes(path, text.encode(encoding, errors))

    @overload
    def open(self, path: RemotePath, mode: Literal["rb"] = "rb") -> RemoteReader: ...
    @overload
    def open(self, path: RemotePath, mode: Literal["wb", "xb"], *, permissions: int | None = None) -> RemoteWriter: ...
    @overload
    def open(
        self,
        path: RemotePath,
        mode: Literal["r", "rt"],
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> io.TextIOWrapper: ...
    @overload
    def open(
        self,
        path: RemotePath,
        mode: Literal["w", "wt", "x", "xt"],
        *,
        permissions: int | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> TextWriter: ...
    @names_files("path")
    def open(
        self,
        path: RemotePath,
        mode: str = "rb",
        *,
        permissions: int | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> RemoteReader | RemoteWriter | io.TextIOWrapper:
        r"""Open a file and return a file object, as the built-in `open`, except that binary mode is the default.

        A file that is written appears under its name when it is closed without an error: whole, and verified by the
        server. It does not appear if a `with` block ends with an exception, or if it is never closed.

        Args:
            path (str, bytes or os.PathLike): The file.
            mode (str, default 'rb'): `"rb"` to read, `"wb"` to write, `"xb"` to write a new file; `"r"`, `"w"` and
                `"x"`, or `"rt"`, `"wt"` and `"xt"`, for text.
            permissions (int or None, default None): The permission bits of the new file, as far as the server's
                configuration allows them; None for those of the file that is replaced.
            encoding (str or None, default None): The encoding of text; None for UTF-8, whatever the locale is.
            errors (str or None, default None): How errors of the encoding are handled, as in the built-in `open`; None
                for `"strict"`.
            newline (str or None, default None): How line ends are translated, as in the built-in `open`; None for
                each to be read as a newline, and for newlines to be written as those of this system.

        Returns:
            RemoteReader, RemoteWriter or io.TextIOWrapper: A seekable `RemoteReader`, or a sequential `RemoteWriter`;
                for text an `io.TextIOWrapper` around it.

        Raises:
            NotFound: The file, or the directory of a new one, does not exist.
            IsADirectory: It is a directory.
            AlreadyExists: It exists, and the mode is `"xb"` or `"x"`, or the key may not overwrite.
            Forbidden: The server does not allow it.
            UsageError: There is no such mode, or one of binary files is given an encoding.

        Example:
            >>> with client.open("backup/a.bin") as file:
            ...     file.seek(-2, 2)
            ...     file.read()
            4
            b'ef'
            >>> with client.open("backup/names.txt", "w") as file:
            ...     print("one line", file=file)
            >>> with client.open("backup/names.txt", "r") as file:
            ...     file.readlines()
            ['one line\n']
        """
        wanted = file_path(path, self._base)
        kind, is_text = kind_of(mode)
        if not is_text:
            require_no_encoding(encoding, errors, newline)
        if kind == "r":
            reader = RemoteReader(self._pool, wanted, path_text(path))
            return text_reader(reader, mode, encoding, errors, newline) if is_text else reader
        writer = RemoteWriter(self._pool, wanted, path_text(path), write_options(kind == "w", permissions))
        return text_writer(writer, mode, encoding, errors, newline) if is_text else writer


def require_no_encoding(*given: str | None) -> None:
    """Raise `UsageError` if an encoding, errors or newline was given."""
    if any(each is not None for each in given):
        raise UsageError("A file in binary mode has no encoding, errors or newline.", hint="Leave out the b.")


def kind_of(mode: str) -> tuple[str, bool]:
    """Return `r`, `w` or `x`, and whether it is a text mode."""
    require_text("mode", mode)
    kinds, others = set(mode) & set("rwx"), set(mode) - set("rwx")
    if len(kinds) != 1 or len(set(mode)) != len(mode) or others not in ({"b"}, {"t"}, set()):
        raise UsageError(
            "The mode must be 'r', 'w' or 'x', and 'b' for a binary file.",
            hint="A file can't be appended to or changed in place: write the whole file.",
        )
    return kinds.pop(), "b" not in others


def _checked_range(offset: int, length: int | None) -> tuple[int, int | None]:
    return require_size("offset", offset), None if length is None else require_size("length", length)


def _put_in_place(
    found: list[bytes | FileError],
    places: list[int],
    results: list[bytes | FileError],
    given: list[RemotePath],
    base: Path,
) -> list[bytes | FileError]:
    for number, result in zip(places, found, strict=True):
        results[number] = result
    for path, result in zip(given, results, strict=True):
        if isinstance(result, FileError):
            name_error(result, [place(path, base)])
    return results


def _progress(on_progress: OnBytes | None) -> Progress:
    """Return a callback of the program, which may return anything, as one of the transfer."""
    require_callable("on_progress", on_progress)
    if on_progress is None:
        return unwatched

    def report(done: int, total: int | None, /) -> None:
        on_progress(done, total)

    return report
