"""Copies at a server: of a file, of a tree. No contents pass through this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.api.arguments import file_path
from secftp.api.naming import names_files
from secftp.api.tree import NameOperations
from secftp.errors import IsADirectory
from secftp.session import new_token

if TYPE_CHECKING:
    from secftp.api.arguments import RemotePath


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
