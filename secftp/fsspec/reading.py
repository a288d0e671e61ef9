"""Methods of fsspec's interface that read files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secftp.fsspec.connection import Connected

if TYPE_CHECKING:
    from secftp.api.reader import RemoteReader


class Reading(Connected):
    """The part of the file system that reads contents."""

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_options: Any) -> bytes:
        """Return the contents of a file, or the part between `start` and `end` as in a slice."""
        name = self._strip_protocol(path)
        if (start is not None and start < 0) or (end is not None and end < 0):
            start, end, _ = slice(start, end).indices(self.client.stat(name).size)
        offset = start or 0
        length = None if end is None else max(0, end - offset)
        return self.client.read_bytes(name, offset=offset, length=length)

    def head(self, path: str, size: int = 1024) -> bytes:
        """Return the first `size` bytes of a file."""
        return self.cat_file(path, 0, size)

    def tail(self, path: str, size: int = 1024) -> bytes:
        """Return the last `size` bytes of a file."""
        return self.cat_file(path, -size) if size else b""

    def _open_reader(self, path: str, **_options: Any) -> RemoteReader:
        return self.client.open(path)
