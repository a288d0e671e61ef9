"""Methods of fsspec's interface that open files, and that write their contents.

Invariants: a file appears whole, when its writer is closed without an error, and within a transaction when that ends; a
file that exists is replaced or left as it is, never appended to or changed in place.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from fsspec.compression import compr
from fsspec.core import get_compression

from secftp.api.naming import name_error
from secftp.api.writer import require_writable
from secftp.errors import FileError, NotFound, UsageError
from secftp.fsspec.connection import refuse
from secftp.fsspec.deferred import AllOrNothing, Compressed, DeferredCall, DeferredFile
from secftp.fsspec.looking import Looking
from secftp.fsspec.reading import Reading
from secftp.fsspec.values import open_writer, write_value, write_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secftp.fsspec.deferred import Deferred

# ruff: noqa: FBT001, FBT002 - the signatures are those of fsspec

_MODES: Final = ("rb", "wb", "xb")


class Writing(Looking, Reading):
    """The part of the file system that opens files and writes them."""

    transaction_type = AllOrNothing

    def open(self, path: Any, mode: str = "rb", *args: Any, compression: str | None = None, **options: Any) -> Any:
        """Open a file as fsspec does: to read (`rb`, `rt`) or to write a new one (`wb`, `wt`, `xb`, `xt`).

        Missing directories above a file that is written are created, unless the file system has `auto_mkdir=False`. A
        file that is compressed appears when it is closed, like any other. Raises `Unsupported` for modes that append to
        a file or change it in place: a server only ever stores whole files.
        """
        binary = mode.replace("t", "").replace("b", "") + "b"
        if binary not in _MODES:
            _refuse_mode(binary)
        kind = get_compression(path, compression)
        if kind is None or "r" in mode or "b" not in mode:
            return super().open(path, mode, *args, compression=kind, **options)
        return Compressed(super().open(path, mode, *args, **options), compr[kind])

    def _open(self, path: str, mode: str = "rb", *, autocommit: bool = True, **options: Any) -> Any:
        if mode == "rb":
            return self._open_reader(path, **options)
        if mode not in _MODES:
            _refuse_mode(mode)
        if autocommit:
            return open_writer(self.client, path, overwrite=mode == "wb", parents=self.auto_mkdir)
        self._require_writable(path, overwrite=mode == "wb")
        return self._deferred(path, overwrite=mode == "wb")

    # --- whole files --------------------------------------------------------------------------------------------------

    def pipe_file(self, path: Any, value: Any, mode: str = "overwrite", **_options: Any) -> None:
        """Write a whole file; with `mode="create"` only a new one. Missing directories as in `open`."""
        name, overwrite = self._strip_protocol(path), mode != "create"
        if not self._intrans:
            write_value(self.client, name, value, overwrite=overwrite, parents=self.auto_mkdir)
            return
        with self._deferred(name, overwrite=overwrite) as file:
            file.write(value)
        self._defer(file)

    def pipe(self, path: str | Mapping[str, Any], value: Any = None, **options: Any) -> None:
        """Write a whole file, or several, together: a dictionary of paths and contents."""
        values = {self._strip_protocol(name): each for name, each in path.items()} if isinstance(path, dict) else {}
        if len(values) > 1 and not self._intrans and options.get("mode", "overwrite") != "create":
            write_values(self.client, values, parents=self.auto_mkdir)
            return
        for name, each in values.items() if isinstance(path, dict) else ((path, value),):
            self.pipe_file(name, each, **options)

    def touch(self, path: Any, truncate: bool = True, **_options: Any) -> None:
        """Create an empty file; with `truncate=False` only set the time of one that exists."""
        name = self._strip_protocol(path)
        if truncate or not self.client.exists(name):
            self.pipe_file(name, b"")
        elif self._intrans:
            self._defer(DeferredCall(lambda: self.client.utime(name, ns=time.time_ns())))
        else:
            self.client.utime(name, ns=time.time_ns())

    # --- transactions -------------------------------------------------------------------------------------------------

    def _deferred(self, name: str, *, overwrite: bool) -> DeferredFile:
        """Return a file for the transaction."""
        return DeferredFile(self.client, name, overwrite=overwrite, parents=self.auto_mkdir)

    def _require_writable(self, name: str, *, overwrite: bool) -> None:
        """Raise early what the end of a transaction would raise, as far as can be seen."""
        path = self._path(name)
        try:
            self._pool.ask(lambda used: require_writable(used.session, path, overwrite=overwrite))
        except FileError as problem:
            if not (self.auto_mkdir and isinstance(problem, NotFound)):
                raise name_error(problem, ()) from None

    def _defer(self, change: Deferred) -> None:
        self.transaction.files.append(change)


def _refuse_mode(mode: str) -> None:
    if set(mode) <= set("arwx+bt"):
        refuse(
            "The mode must be 'rb', 'wb' or 'xb', or one of them with 't'.",
            hint="A file can't be appended to or changed in place: write the whole file.",
        )
    raise UsageError("The mode must be 'rb', 'wb' or 'xb', or one of them with 't'.")
