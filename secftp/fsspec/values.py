"""Values that become files, alone or many together, without a round trip for each; and directories made for them.

Invariant: a directory is created only if the file that belongs into it was refused for the lack of it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from secftp.api.arguments import directory_path
from secftp.api.copying import CallbackListener, CopyIncomplete, run
from secftp.api.memory import MemorySource
from secftp.api.naming import name_error
from secftp.errors import FileError, NotFound
from secftp.fsspec import paths
from secftp.storage.tree import LocalFile, SmallContent
from secftp.transfer import CopyOptions
from secftp.transfer.upload_pairs import PairsUpload, UploadPair

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secftp.api.client import Client
    from secftp.api.writer import RemoteWriter
    from secftp.storage import Path, Source

_MODE: Final = 0o666


class MemoryFile(LocalFile):
    """A value with the interface of a file on this machine."""

    def __init__(self, value: Any) -> None:
        super().__init__("")
        self._view = memoryview(value).cast("B")

    def open(self, _path: Path, limit: int) -> SmallContent | Source:  # type: ignore[override]  # no descriptor
        """Return the value, as a source if it is larger than `limit`."""
        if len(self._view) > limit:
            return MemorySource(self._view)
        return SmallContent(_MODE, time.time_ns(), bytes(self._view))

    def open_source(self, _path: Path) -> Source:  # type: ignore[override]  # no descriptor
        """Return the value as a source."""
        return MemorySource(self._view)


def write_values(client: Client, values: Mapping[str, Any], *, parents: bool) -> None:
    """Write a file for each path; with `parents` create missing directories above them.

    Raises the first failure, after the other files have been written.
    """
    pairs = [UploadPair(directory_path(name), MemoryFile(value)) for name, value in values.items()]
    listener = CallbackListener(None, None, None)
    copy = PairsUpload(pairs, CopyOptions(preserve=False, streams=1), listener, make_parents=parents)
    try:
        run(client._pool, copy, listener, 0)  # noqa: SLF001 - of this package
    except CopyIncomplete as problem:
        raise name_error(one_failure(problem), ()) from None
    except FileError as problem:
        raise name_error(problem, ()) from None


def one_failure(problem: CopyIncomplete) -> FileError:
    """Return the first failure of a copy if the others are of the same kind, as fsspec's callers expect it."""
    (_, first), *others = problem.failures
    if any(type(failure) is not type(first) for _, failure in others):
        return problem
    if others:
        first.add_note(f"{problem.summary.failed - 1} more failed like this one; {problem.summary.files} were copied.")
    return first


# --- writing with missing directories ---------------------------------------------------------------------------------


def open_writer(client: Client, name: str, *, overwrite: bool, parents: bool) -> RemoteWriter:
    """Open a file to write; with `parents` create missing directories above it."""
    try:
        return client.open(name, "wb" if overwrite else "xb")
    except NotFound:
        if not parents:
            raise
    client.mkdir(paths.parent_of(name), parents=True, exist_ok=True)
    return client.open(name, "wb" if overwrite else "xb")


def write_value(client: Client, name: str, value: Any, *, overwrite: bool, parents: bool) -> None:
    """Write a whole file; with `parents` create missing directories above it."""
    try:
        client.write_bytes(name, value, overwrite=overwrite)
    except NotFound:
        if not parents:
            raise
        client.mkdir(paths.parent_of(name), parents=True, exist_ok=True)
        client.write_bytes(name, value, overwrite=overwrite)


def missing_directories(client: Client, name: str) -> list[str]:
    """Return which of a directory and those above it are missing, the innermost first."""
    missing = []
    while name != "/" and not client.exists(name):
        missing.append(name)
        name = paths.parent_of(name)
    return missing
