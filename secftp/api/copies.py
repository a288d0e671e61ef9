"""Copies at a server: of a file, of a tree. No contents pass through this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.api.arguments import file_path
from secftp.api.copying import CallbackListener, run
from secftp.api.naming import names_files, place
from secftp.api.tree import NameOperations
from secftp.errors import IsADirectory
from secftp.session import new_token
from secftp.transfer import CopyOptions

if TYPE_CHECKING:
    from secftp.api.arguments import RemotePath
    from secftp.api.copying import OnError, OnProgress, OnSkip
    from secftp.transfer import Summary


class CopyOperations(NameOperations):
    """The part of `Client` that copies at the server."""

    @names_files("source", "target")
    def copy(self, source: RemotePath, target: RemotePath, *, overwrite: bool = True) -> int:
        """Copy a file at the server, with its permissions and modification time, as `shutil.copy2`.

        The server copies by itself: nothing is transferred, and a file system that can share blocks between files does
        so. The copy appears under its name when it is whole, or not at all. The key needs the rights to read and to
        write, and to overwrite where a file is replaced.

        Args:
            source (str, bytes or os.PathLike): The file to copy.
            target (str, bytes or os.PathLike): The name of the copy. Its directory must exist; that of an existing
                directory is refused, it is not copied into it.
            overwrite (bool, default True): Whether a file of that name is replaced.

        Returns:
            int: The size of the copy in bytes.

        Raises:
            NotFound: The source or the directory of the target does not exist.
            IsADirectory: The source or the target is a directory; `copytree` copies those.
            AlreadyExists: The target exists, and `overwrite` is false or the key may not overwrite.
            FileChanged: The source was written to meanwhile.
            NoSpace: The disk of the server, or a quota, is full.
            TooLarge: The file is larger than the server accepts.
            Forbidden: The server does not allow it, or both names are of the same file.
            FileError: The server can't copy, because it is an older version.

        Example:
            >>> client.copy("backup/a.bin", "backup/copy.bin")
            6
            >>> client.read_bytes("backup/copy.bin")
            b'abcdef'
        """
        old, new, token = file_path(source, self._base), file_path(target, self._base), new_token()
        try:
            return self._pool.change(
                lambda session, _again: session.copy(old, new, overwrite=overwrite, token=token), long=True
            )
        except IsADirectory as problem:
            if not problem.of_target:
                problem.hint = problem.hint or "Use copytree for a directory."
            raise

    @names_files("source", "target")
    def copytree(
        self,
        source: RemotePath,
        target: RemotePath,
        *,
        overwrite: bool = True,
        on_progress: OnProgress | None = None,
        on_error: OnError | None = None,
        on_skip: OnSkip | None = None,
        retries: int = 0,
    ) -> Summary:
        """Copy a directory and everything in it at the server, as `shutil.copytree`.

        Files are copied as by `copy`, many requests at once. Directories get the permissions and times of the originals
        when they are complete. The copy continues when a file fails.

        Args:
            source (str, bytes or os.PathLike): The directory to copy.
            target (str, bytes or os.PathLike): The name of the copy. If that is a directory, the files are added to it.
            overwrite (bool, default True): Whether files that exist are replaced; otherwise they are skipped.
            on_progress (callable or None, default None): Called with a `CopyProgress` after each file.
            on_error (callable or None, default None): Called with a name and a `FileError` for each file that fails.
            on_skip (callable or None, default None): Called with a name and a reason for each file that is skipped.
            retries (int, default 0): How many times to connect again after a lost connection.

        Returns:
            Summary: What was copied.

        Raises:
            NotFound: The source or the directory of the target does not exist.
            NotADirectory: The source is a file; `copy` copies those.
            CopyIncomplete: Files failed, and there is no `on_error`.
            Forbidden: The server does not allow it, or the target is within the source.
            FileError: The server can't copy, because it is an older version.
            ConnectionLost: The connection was lost, and all retries failed.

        Example:
            >>> client.copytree("backup", "backup-2").failed
            0
            >>> sorted(client.listdir("backup-2")) == sorted(client.listdir("backup"))
            True
        """
        from secftp.transfer.copy_plan import CopyPairs
        from secftp.transfer.remote_copy import RemoteCopy

        pair = file_path(source, self._base), file_path(target, self._base)
        places = [place(path, self._base) for path in (source, target)]
        listener = CallbackListener(on_progress, on_error, on_skip, places)
        copy = RemoteCopy(CopyPairs([pair], trees=True), CopyOptions(overwrite=overwrite), listener)
        return run(self._pool, copy, listener, retries)
