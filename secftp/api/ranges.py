"""A part of one version of a file, in one round trip: asked for, and checked before any of it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from secftp.errors import FileChanged, ProtocolError
from secftp.messages import Algorithm, Capability, Read, remote_failure
from secftp.session import FileReply
from secftp.storage import new_digest
from secftp.transfer import unwatched

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.messages import File
    from secftp.session import Session
    from secftp.storage import Path, Sink

_SinkT = TypeVar("_SinkT", bound="Sink")


class Part(NamedTuple):
    """Which bytes of which version: `version` is the file's modification time in nanoseconds."""

    path: Path
    offset: int
    length: int
    version: int


def read_part(session: Session, part: Part, make_sink: Callable[[], _SinkT]) -> _SinkT:
    """The sink, filled and verified.

    Raises `FileChanged` if the file is no longer what it was or has no such part, and what the session raises.
    """
    session.require(Capability.RANGES, part.path)
    pipeline = session.pipeline
    number = pipeline.next_id()
    sink = make_sink()

    def opened(file: File) -> Sink:
        if file.size != part.length or file.mtime_ns != part.version:
            raise remote_failure(
                FileChanged,
                part.path,
                "it was changed since it was opened.",
                hint="Open it again to read it as it is.",
            )
        return sink

    reading = FileReply(
        opened,
        new_digest(Algorithm.XXH128),
        subject=part.path,
        stop=lambda: pipeline.cancel(number),
        progress=unwatched,
    )
    pipeline.submit(Read(id=number, path=part.path, offset=part.offset, length=part.length), reading)
    while not reading.complete:
        pipeline.step()
    if reading.end is None:
        pipeline.settle()  # the rest of what is not wanted
        raise reading.problem or ProtocolError("The answer does not fit the request.")
    return sink
