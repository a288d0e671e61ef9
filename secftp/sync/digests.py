"""Comparison of files by their contents: the server computes its digests while this machine computes its own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError
from secftp.session.operations import checksums
from secftp.storage import new_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secftp.protocol import Algorithm
    from secftp.session import Session
    from secftp.storage import Digest, Path, Source
    from secftp.sync.listing import Listener
    from secftp.sync.tree import Entry

_BUFFER_BYTES: Final = 1 << 20


class Digests:
    """The digests of files that both sides have with the same size.

    `open_local` opens a file of this machine, `remote` is the directory at the server. What is known is kept when the
    connection is lost. A file that can't be read is told, and nothing is known of it.
    """

    def __init__(self, open_local: Callable[[Path], Source], remote: Path, algorithm: Algorithm) -> None:
        self._open = open_local
        self._remote = remote
        self._algorithm = algorithm
        self._same: dict[Path, bool | None] = {}
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))

    def same(self, path: Path, source: Entry, target: Entry) -> bool | None:
        """Return whether two files have the same contents; None if that is not known."""
        return self._same.get(path) if source.size == target.size else False

    def compare(self, session: Session, paths: Sequence[Path], listener: Listener) -> None:
        """Compare the files of these paths."""
        files = ((path, (*self._remote, *path)) for path in paths if self._same.get(path) is None)
        with contextlib.closing(checksums(session, files, self._algorithm)) as found:
            for path, there in found:
                try:
                    if isinstance(there, FileError):
                        raise there
                    self._same[path] = self._digest(path) == there
                except FileError as problem:
                    self._same[path] = None
                    listener.unlisted(path, problem)

    def _digest(self, path: Path) -> bytes:
        digest: Digest = new_digest(self._algorithm)
        position = 0
        with self._open(path) as source:
            while read := source.readv([self._buffer], position):
                digest.update(self._buffer[:read])
                position += read
            source.check_unchanged()
        return digest.digest()


def collect(candidates: list[Path]) -> Callable[[Path, Entry, Entry], bool]:
    """Return a `same` for a plan that is made only to know which files have to be compared: they go to `candidates`."""

    def same(path: Path, source: Entry, target: Entry) -> bool:
        if source.size != target.size:
            return False
        candidates.append(path)
        return True

    return same
