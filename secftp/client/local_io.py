"""The local end of a transfer: a file, a standard stream or a terminal, as a source or a sink.

Its failures are those of this machine and get its exit code. A terminal receives text only: control sequences must
never get there unless that was asked for.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Final

from secftp.client.terminal import STANDARD_OUTPUT
from secftp.errors import FileError, Side, UsageError
from secftp.storage import PipeSink, PipeSource, Sink, Source, WriteOptions, create_local_sink, open_local_source
from secftp.storage.wrappers import SinkWrapper, SourceWrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from secftp.storage import FileInfo

STANDARD_INPUT: Final = 0
STREAM: Final = "-"
_SHOW_ANYWAY: Final = "Write it to a file with -o FILE or use a pipe; -o - shows it all the same."

# Everything that a terminal interprets: C0 without tab and line ends, DEL, C1, and C1 as single bytes (surrogate
# escapes) for terminals that accept those.
_CONTROL: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\udc80-\udc9f]")


def open_output(name: str | None, *, overwrite: bool, hint: str = _SHOW_ANYWAY) -> Sink:
    """Return the sink for a download: standard output for None and `-`; with `-` even a terminal receives anything.

    `hint` is for a file that a terminal must not receive. Raises `UsageError` if there is no standard output, and what
    `create_local_sink` raises.
    """
    if name is not None and name != STREAM:
        with local_errors():
            return _LocalSink(create_local_sink(name, WriteOptions(overwrite)))
    if sys.__stdout__ is None:
        raise UsageError("Standard output is closed.", hint=hint)
    guard = _refuse_controls(hint) if name is None and os.isatty(STANDARD_OUTPUT) else None
    return _LocalSink(PipeSink(STANDARD_OUTPUT), guard)


def open_input(name: str | None, *, hint: str = "Name a file with -i FILE.") -> Source:
    """Return the source of an upload: standard input for None and `-`; for None it must not be a terminal.

    `hint` is for a closed standard input. Raises `UsageError` for both, and what `open_local_source` raises.
    """
    if name is not None and name != STREAM:
        with local_errors():
            return _LocalSource(open_local_source(name))
    if sys.__stdin__ is None:
        raise UsageError("Standard input is closed.", hint=hint)
    if name is None and os.isatty(STANDARD_INPUT):
        raise UsageError(
            "Standard input is a terminal, and no file to send was given.",
            hint="Name it with -i FILE, or use a pipe; -i - reads what is typed.",
        )
    with local_errors():
        return _LocalSource(PipeSource(STANDARD_INPUT))


class local_errors:  # noqa: N801 - it is used like a function
    """A context manager that marks a `FileError` as one of this machine's files."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, FileError):
            error.locate(Side.LOCAL)


class _LocalSink(SinkWrapper[Sink]):
    """A local sink; `guard` receives everything before it is written."""

    __slots__ = ("_guard",)

    def __init__(self, sink: Sink, guard: Callable[[Sequence[memoryview]], None] | None = None) -> None:
        super().__init__(sink)
        self._guard = guard

    def writev(self, buffers: Sequence[memoryview]) -> None:
        if self._guard is not None:
            self._guard(buffers)
        with local_errors():
            self._inner.writev(buffers)

    def commit(self) -> FileInfo:
        with local_errors():
            return self._inner.commit()


class _LocalSource(SourceWrapper):
    """A local source."""

    __slots__ = ()

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        with local_errors():
            return self._inner.readv(buffers, offset)

    def check_unchanged(self) -> None:
        with local_errors():
            self._inner.check_unchanged()


def _refuse_controls(hint: str) -> Callable[[Sequence[memoryview]], None]:
    """Return a guard that raises `UsageError` for control characters; it decodes text across batches."""
    from codecs import getincrementaldecoder

    decoder = getincrementaldecoder("utf-8")("surrogateescape")

    def guard(buffers: Sequence[memoryview]) -> None:
        if any(_CONTROL.search(decoder.decode(bytes(buffer))) for buffer in buffers):
            raise UsageError("The file is not plain text, and standard output is a terminal.", hint=hint)

    return guard
