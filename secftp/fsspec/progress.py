"""fsspec's callbacks, fed by the engine.

The callback of `put` and `get` counts files; its branches, and the callback of `put_file` and `get_file`, count the
bytes of one file. The engine has many files under way at once, so a branch begins with its file and ends with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fsspec.callbacks import NoOpCallback

from secftp.api.copying import CallbackListener
from secftp.errors import AlreadyExists
from secftp.protocol import remote_failure
from secftp.protocol.limits import MAX_SMALL
from secftp.transfer.engine import EXISTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from fsspec.callbacks import Callback

    from secftp.errors import FileError

    Names = Callable[[bytes], tuple[str, str]]


class _File:
    """A file that is under way. `counted`: the bytes that its callback has been told."""

    __slots__ = ("callback", "counted", "size")

    def __init__(self, callback: Callback, size: int) -> None:
        self.callback: Final = callback
        self.size: Final = size
        self.counted = 0

    def count(self, nbytes: int) -> None:
        """Tell the callback about so many more bytes."""
        if nbytes:
            self.counted += nbytes
            self.callback.relative_update(nbytes)


class FsspecListener(CallbackListener):
    """A listener that feeds a callback of fsspec.

    `names` returns the source and the target of a name, for the branches; None if the callback is that of one file.
    `files`: how many there are; None if the plan of the copy tells. `must_be_new`: a file that exists has failed.
    """

    def __init__(
        self, callback: Callback | None, names: Names | None, *, files: int | None = None, must_be_new: bool = False
    ) -> None:
        super().__init__(None, None, None)
        self._callback = None if isinstance(callback, NoOpCallback) else callback
        self._files_known = files is not None
        if self._callback is not None and names is not None and files is not None:
            self._callback.set_size(files)
        self._names = names
        self._must_be_new = must_be_new
        self._open: dict[bytes, _File] = {}

    def planned(self, files: int, nbytes: int, /) -> None:
        """Set the size of the callback that counts files."""
        super().planned(files, nbytes)
        if self._callback is not None and self._names is not None and not self._files_known:
            self._callback.set_size(files)

    def started(self, name: bytes, size: int, /) -> None:
        """Begin a branch."""
        if self._callback is None:
            return
        callback = self._callback if self._names is None else self._callback.branched(*self._names(name))
        callback.set_size(size)
        self._open[name] = _File(callback, size)

    def moved(self, nbytes: int, /) -> None:
        """Count bytes for the large file that is sent or received; small ones are counted when they are complete."""
        super().moved(nbytes)
        for file in self._open.values():
            if file.size > MAX_SMALL and 0 <= file.counted + nbytes <= file.size:
                file.count(nbytes)
                return

    def finished(self, name: bytes, size: int, digest: bytes | None, /) -> None:
        """End a branch."""
        super().finished(name, size, digest)
        file = self._open.pop(name, None)
        if file is not None and self._callback is not None:
            file.count(size - file.counted)
            self._close(file)
            if self._names is not None:
                self._callback.relative_update(1)

    def skipped(self, name: bytes, reason: str, /) -> None:
        """End a branch; the file has failed if it must be new."""
        if self._must_be_new and reason == EXISTS:
            self.failed(name, remote_failure(AlreadyExists, name, "it exists already."))
        else:
            self._drop(name)

    def failed(self, name: bytes, error: FileError, /) -> None:
        """Keep a failure, and end a branch."""
        super().failed(name, error)
        self._drop(name)

    def _drop(self, name: bytes) -> None:
        file = self._open.pop(name, None)
        if file is not None:
            self._close(file)

    def _close(self, file: _File) -> None:
        if self._names is not None:
            file.callback.close()


def feed_file(callback: Any, size: int | None) -> None:
    """Tell the callback of one file its size."""
    if callback is not None and not isinstance(callback, NoOpCallback):
        callback.set_size(size)
