"""The near end of a transfer: the file, pipe or terminal of whoever started it, as a source or a sink.

It is told apart from the far end by what its failures mean: they are this machine's and get its exit code. A sink that
is a terminal takes text only; what could move its cursor or do worse must never get there unasked.
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
_SHOW_ANYWAY: Final = "Write it to a file with -o FILE or pass it on through a pipe; -o - shows it all the same."

# Everything that a terminal obeys rather than shows: C0 without tab and the ends of lines, DEL, C1, and C1 as single
# bytes (what `surrogateescape` makes of them) for terminals that take them so.
_CONTROL: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\udc80-\udc9f]")


def open_output(name: str | None, *, overwrite: bool, hint: str = _SHOW_ANYWAY) -> Sink:
    """Where a file that is read goes: standard output for None and `-`, which also lets a terminal take anything.

    `hint` tells what else can be done with a file that a terminal does not get.
    Raises `UsageError` when there is no standard output, and what `create_local_sink` raises.
    """
    if name is not None and name != STREAM:
        with at_home():
            return _LocalSink(create_local_sink(name, WriteOptions(overwrite)))
    if sys.__stdout__ is None:
        raise UsageError("Standard output is closed.", hint=hint)
    guard = _refuse_controls(hint) if name is None and os.isatty(STANDARD_OUTPUT) else None
    return _LocalSink(PipeSink(STANDARD_OUTPUT), guard)


def open_input(name: str | None, *, hint: str = "Name a file with -i FILE.") -> Source:
    """Where a file that is written comes from: standard input for None and `-`, for None no terminal.

    `hint` tells where else it can come from.
    Raises `UsageError` for that and when there is no standard input, and what `open_local_source` raises.
    """
    if name is not None and name != STREAM:
        with at_home():
            return _LocalSource(open_local_source(name))
    if sys.__stdin__ is None:
        raise UsageError("Standard input is closed.", hint=hint)
    if name is None and os.isatty(STANDARD_INPUT):
        raise UsageError(
            "Standard input is a terminal, and the file to send was not named.",
            hint="Name it with -i FILE, or pipe something in; -i - takes what is typed.",
        )
    with at_home():
        return _LocalSource(PipeSource(STANDARD_INPUT))


class at_home:  # noqa: N801 - it is used like a function
    """In its block, a file's failure is one of this machine's."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, FileError):
            error.locate(Side.LOCAL)


class _LocalSink(SinkWrapper[Sink]):
    """A sink at this end; `guard` sees everything before it is written."""

    __slots__ = ("_guard",)

    def __init__(self, sink: Sink, guard: Callable[[Sequence[memoryview]], None] | None = None) -> None:
        super().__init__(sink)
        self._guard = guard

    def writev(self, buffers: Sequence[memoryview]) -> None:
        if self._guard is not None:
            self._guard(buffers)
        with at_home():
            self._inner.writev(buffers)

    def commit(self) -> FileInfo:
        with at_home():
            return self._inner.commit()


class _LocalSource(SourceWrapper):
    """A source at this end."""

    __slots__ = ()

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        with at_home():
            return self._inner.readv(buffers, offset)

    def check_unchanged(self) -> None:
        with at_home():
            self._inner.check_unchanged()


def _refuse_controls(hint: str) -> Callable[[Sequence[memoryview]], None]:
    """A guard that raises `UsageError` for bytes that a terminal would obey; it knows text across batches."""
    from codecs import getincrementaldecoder

    decoder = getincrementaldecoder("utf-8")("surrogateescape")

    def guard(buffers: Sequence[memoryview]) -> None:
        if any(_CONTROL.search(decoder.decode(bytes(buffer))) for buffer in buffers):
            raise UsageError("The file is not plain text, and standard output is a terminal.", hint=hint)

    return guard
