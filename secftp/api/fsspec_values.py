"""Many values that become files, sent together: no round trip for each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from secftp.api.arguments import directory_path
from secftp.api.copying import CallbackListener, CopyIncomplete, run
from secftp.api.memory import MemorySource
from secftp.api.naming import name_error
from secftp.errors import FileError
from secftp.storage.tree import LocalFile, SmallContent
from secftp.transfer import CopyOptions
from secftp.transfer.upload_pairs import PairsUpload, UploadPair

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secftp.api.client import Client
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
