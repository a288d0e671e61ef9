"""Copies of files within this machine: from a source to a sink, in bounded steps.

The system copies where it can (copy_file_range): nothing passes through this process, and a file system that shares
blocks between files copies none. Everywhere else the bytes are read and written: between file systems, from files whose
size the system does not report, under an old kernel, and wherever it fails, since a read or a write tells which of both
files is at fault.

Holes of the source are holes of the copy.

Invariants: the caller gets a word between two steps, however large the file is; the sink gets the bytes of one version
of the source, or `FileChanged` is raised.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from secftp.protocol import zeros
from secftp.protocol.limits import MAX_HOLE
from secftp.storage.errors import changed, of_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.storage.names import Path
    from secftp.storage.store import Sink, Source

STEP_BYTES: Final = 16 << 20  # that the system copies at once: a fraction of a second, unless the disk is slow
_PIECE_BYTES: Final = 1 << 20  # that are read and written at once


def copy_bytes(source: Source, sink: Sink, subject: Path | str, *, check: Callable[[int], None]) -> int:
    """Append all of a source, whose size is known, to a sink; return the number of bytes. Commits nothing.

    `check(done)` is called after each step, and ends the copy by raising. Raises what source and sink raise; a failure
    of the sink is one `of_target`. `FileChanged`: the source became shorter, or was written to.
    """
    size = source.info.size
    assert size is not None  # see `source.with_size`
    done = 0
    by_system = True
    piece: memoryview | None = None
    end = 0 if source.is_sparse else size  # of the data that are copied
    while done < size:
        if done == end:
            is_hole, end = source.extent_at(done, size)
            if is_hole:
                end = min(end, done + MAX_HOLE)
                with of_target():
                    sink.writev(zeros(end - done))
                done = end
                check(done)
                continue
        count = 0
        if by_system:
            with of_target():
                count = sink.append_from(source, done, min(STEP_BYTES, end - done))
            by_system = count > 0
        if not by_system:
            if piece is None:
                piece = memoryview(bytearray(min(_PIECE_BYTES, size - done)))
            count = source.readv([piece[: end - done]], done)
            if not count:
                raise changed(subject)
            with of_target():
                sink.writev([piece[:count]])
        done += count
        check(done)
    source.check_unchanged()
    return done


def copy_range(source: int, target: int, offset: int, at: int, count: int) -> int:
    """Have the system copy up to `count` bytes between two open files; return their number, 0 if it can't.

    Any failure is a 0: it shows again, with what is at fault, when the bytes are read and written.
    """
    copy = getattr(os, "copy_file_range", None)  # Linux and FreeBSD
    if copy is None:
        return 0
    try:
        return int(copy(source, target, count, offset, at))
    except OSError:
        return 0
