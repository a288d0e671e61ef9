"""Methods of fsspec's interface that read files. Those for many files or ranges request all of them at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from secftp.errors import FileError, IsADirectory, UsageError
from secftp.fsspec.connection import Connected
from secftp.fsspec.file import FsspecReader
from secftp.fsspec.trees import ask_status

if TYPE_CHECKING:
    from collections.abc import Sequence

# ruff: noqa: FBT001, FBT002 - the signatures are those of fsspec


class Reading(Connected):
    """The part of the file system that reads contents."""

    def cat_file(self, path: Any, start: int | None = None, end: int | None = None, **_options: Any) -> bytes:
        """Return the contents of a file, or the part between `start` and `end` as in a slice."""
        name = self._strip_protocol(path)
        if (start is not None and start < 0) or (end is not None and end < 0):
            start, end, _ = slice(start, end).indices(self.client.stat(name).size)
        offset = start or 0
        length = None if end is None else max(0, end - offset)
        return self.client.read_bytes(name, offset=offset, length=length)

    def cat(
        self, path: Any, recursive: bool = False, on_error: str = "raise", **options: Any
    ) -> bytes | dict[str, bytes | FileError]:
        """Return the contents of a file, or of many, by their paths: those of a list, of a pattern, or of a directory.

        All are requested at once. `on_error`: `raise`, `omit` or `return` what fails for one of them; what ends the
        connection is always raised. `start`, `end`: as in `cat_file`.
        """
        if on_error not in ("raise", "omit", "return"):
            raise UsageError("on_error must be 'raise', 'omit' or 'return'.")
        start, end = options.pop("start", None), options.pop("end", None)
        names = self.expand_path(path, recursive=recursive, **options)
        if isinstance(path, str | bytes | os.PathLike) and names == [self._strip_protocol(path)] and not recursive:
            return self.cat_file(names[0], start, end)
        is_quiet = on_error != "raise" or recursive
        if start is None and end is None:
            found = self.client.read_many(names, on_error="return" if is_quiet else "raise")
        else:
            found = self.cat_ranges(names, start, end, on_error="return" if is_quiet else "raise")
        contents = dict(zip(names, found, strict=True))
        if recursive:  # the paths are those of directories, too, which have none
            contents = {name: data for name, data in contents.items() if not isinstance(data, IsADirectory)}
        problem = next((data for data in contents.values() if isinstance(data, FileError)), None)
        if problem is not None and on_error == "raise":
            raise problem
        if on_error == "omit":
            contents = {name: data for name, data in contents.items() if not isinstance(data, FileError)}
        return contents

    def cat_ranges(
        self,
        paths: Sequence[Any],
        starts: int | Sequence[int | None] | None,
        ends: int | Sequence[int | None] | None,
        max_gap: int | None = None,  # noqa: ARG002 - ranges with a small gap between them are always merged
        on_error: str = "return",
        **_options: Any,
    ) -> list[bytes | FileError]:
        """Return ranges of files, all requested at once; `starts` and `ends` as in slices, one for all or a list.

        `on_error`: `return` what fails for a file in place of its bytes, or `raise` it; what ends the connection is
        always raised.
        """
        if on_error not in ("raise", "return"):
            raise UsageError("on_error must be 'raise' or 'return'.")
        if not isinstance(paths, list | tuple):
            raise TypeError("paths must be a list")
        names = [self._strip_protocol(path) for path in paths]
        begins, stops = _for_each(starts, len(names)), _for_each(ends, len(names))
        from_end = [place for place in range(len(names)) if (begins[place] or 0) < 0 or (stops[place] or 0) < 0]
        sizes: dict[int, int | FileError] = {}
        for place, status in zip(
            from_end, ask_status(self._pool, [self._path(names[p]) for p in from_end]), strict=True
        ):
            sizes[place] = status if isinstance(status, FileError) else status.size
        ranges = []
        for place, name in enumerate(names):
            begin, stop, size = begins[place] or 0, stops[place], sizes.get(place, 0)
            if place in sizes:  # of a file that is missing, the request for the range tells so
                begin, stop, _ = slice(begin, stop).indices(size if isinstance(size, int) else 0)
            ranges.append((name, begin, None if stop is None else max(0, stop - begin)))
        return self.client.read_ranges(ranges, on_error="raise" if on_error == "raise" else "return")

    def head(self, path: Any, size: int = 1024) -> bytes:
        """Return the first `size` bytes of a file."""
        return self.cat_file(path, 0, size)

    def tail(self, path: Any, size: int = 1024) -> bytes:
        """Return the last `size` bytes of a file."""
        return self.cat_file(path, -size) if size else b""

    def _open_reader(self, path: str, block_size: int | str | None = None, **options: Any) -> FsspecReader:
        return FsspecReader(self, self._strip_protocol(path), block_size, **options)


def _for_each(given: int | Sequence[int | None] | None, count: int) -> list[int | None]:
    if given is None or isinstance(given, int):
        return [given] * count
    if len(given) != count:
        raise ValueError("starts and ends must be as many as paths")
    return [None if number is None else int(number) for number in given]
