"""`secftp get URL -` and `secftp put - URL`: one file, through a pipe.

What went into a pipe can't be taken back. So when a connection is lost, `get` goes on behind the bytes that are out, if
the server still has the very same before them; what `put` has read can't be read again, so it tries anew only as long
as nothing has been read.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from secftp.client.connect import Connector
from secftp.client.copy_files import watch
from secftp.client.ends import STANDARD_INPUT, STREAM, open_input, open_output
from secftp.client.terminal import STANDARD_OUTPUT
from secftp.copy import Summary
from secftp.copy.limit import RateLimit
from secftp.errors import ChecksumMismatch, FileChanged, IsADirectory
from secftp.messages import Algorithm, remote_failure
from secftp.session import Unconfirmed, confirm
from secftp.session.retry import Retries
from secftp.storage import Sink, WriteOptions, new_digest
from secftp.storage.wrappers import SinkWrapper, SourceWrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secftp.client.copy_files import Watching
    from secftp.client.copy_options import GetOptions, PutOptions
    from secftp.client.terminal import Terminal
    from secftp.session import Session, Transferred
    from secftp.storage import Digest, Source
    from secftp.url import Path, Url

_NO_TERMINAL: Final = "Name a file instead of -, or pass it on through a pipe; through | cat it is shown all the same."


def get_stream(options: GetOptions, terminal: Terminal) -> None:
    """Fetch to standard output. Raises as `Session.open`, `Session.read`, `open_output` and `choose_key`."""
    url = options.sources[0]
    if url.trailing_slash:
        raise remote_failure(IsADirectory, url.path, "a folder can't go to standard output.")
    # Text on a terminal is its own progress, and a bar would be written into it.
    watching = watch(_without_bar(options, STANDARD_OUTPUT), terminal, "Fetched")
    with open_output(None, overwrite=True, hint=_NO_TERMINAL) as near:
        algorithm = Algorithm(options.how.checksum)
        sink = _Delivered(near, watching, RateLimit(options.how.rate), algorithm if options.retries else None)

        def work(session: Session) -> Transferred:
            return _read_on(session, url.path, sink, algorithm, watching)

        connector = Connector.choose(options.connection, terminal.waiting)
        retries = Retries(options.retries, progress=lambda: sink.done, on_retry=watching.retrying)
        _conclude(url, watching, lambda: retries.run(lambda: connector.run(work)))


def put_stream(options: PutOptions, terminal: Terminal) -> None:
    """Send standard input. Raises as `Session.open`, `Session.write`, `open_input` and `choose_key`."""
    url = options.target
    watching = watch(_without_bar(options, STANDARD_INPUT), terminal, "Sent")
    with open_input(STREAM, hint="Name a file instead of -.") as near:
        source = _Taken(near, watching, RateLimit(options.how.rate))

        def work(session: Session) -> Transferred:
            if near.info.size is not None:
                watching.planned(1, near.info.size)
            watching.started(url.path[-1], near.info.size or 0)
            try:
                return session.write(
                    url.path,
                    source,
                    WriteOptions(overwrite=options.how.overwrite),
                    algorithm=Algorithm(options.how.checksum),
                )
            except Unconfirmed:
                source.is_sent = True  # of an empty one no byte tells
                raise

        connector = Connector.choose(options.connection, terminal.waiting)
        retries = Retries(
            options.retries,
            progress=lambda: source.done,
            on_retry=watching.retrying,
            possible=source.is_untouched,
        )

        def copy() -> Transferred:
            try:
                return retries.run(lambda: connector.run(work))
            except Unconfirmed as lost:
                again = Retries(options.retries, progress=lambda: 0, on_retry=watching.retrying)
                return confirm(lambda ask: again.run(lambda: connector.run(ask)), url.path, lost)

        _conclude(url, watching, copy)


def _without_bar(options: GetOptions | PutOptions, descriptor: int) -> GetOptions | PutOptions:
    if options.progress == "auto" and os.isatty(descriptor):
        return options._replace(progress="none")
    return options


def _conclude(url: Url, watching: Watching, copy: Callable[[], Transferred]) -> None:
    try:
        moved = copy()
    except BaseException:
        watching.give_up()
        raise
    watching.finished(url.path[-1], watching.moved_bytes, moved.digest)
    seconds = time.monotonic() - watching.began
    watching.ended(Summary(files=1, bytes=watching.moved_bytes, seconds=seconds, digest=moved.digest))
    watching.conclude()


def _read_on(session: Session, path: Path, sink: _Delivered, algorithm: Algorithm, watching: Watching) -> Transferred:
    """Fetch the file, or the rest of it; raises `FileChanged` if it is another one by now."""
    begin = sink.done

    def told(done: int, total: int | None, /) -> None:
        if done == 0 and total is not None:
            watching.planned(1, begin + total)
            watching.started(path[-1], begin + total)
            if begin:
                watching.name_done = begin

    try:
        return session.read(path, sink, offset=begin, prefix=sink.go_on(), algorithm=algorithm, progress=told)
    except ChecksumMismatch:
        if not begin:
            raise
        raise remote_failure(
            FileChanged,
            path,
            "it is another file than it was before the connection was lost.",
            hint="What is out already is of the older one. Begin again.",
        ) from None


class _Delivered(SinkWrapper[Sink]):
    """Standard output, and what is out: how many bytes, and with an `algorithm` their digest."""

    __slots__ = ("_digest", "_hashing", "_limit", "_watching", "done")

    def __init__(self, sink: Sink, watching: Watching, limit: RateLimit, algorithm: Algorithm | None) -> None:
        super().__init__(sink)
        self.done = 0
        self._watching = watching
        self._limit = limit
        self._digest = None if algorithm is None else new_digest(algorithm)
        self._hashing = self._digest is not None

    def go_on(self) -> Digest | None:
        """The digest of what is out, if anything is, for a session that takes in all that follows."""
        if not self.done:
            return None
        self._hashing = False
        return self._digest

    def writev(self, buffers: Sequence[memoryview]) -> None:
        self._inner.writev(buffers)
        size = sum(map(len, buffers))
        if self._hashing and self._digest is not None:
            for buffer in buffers:
                self._digest.update(buffer)
        self.done += size
        self._watching.moved(size)
        self._limit.spend(size)


class _Taken(SourceWrapper):
    """Standard input, how many bytes of it have been read, and whether it has been sent to its end."""

    __slots__ = ("_limit", "_watching", "done", "is_sent")

    def __init__(self, source: Source, watching: Watching, limit: RateLimit) -> None:
        super().__init__(source)
        self.done = 0
        self.is_sent = False
        self._watching = watching
        self._limit = limit

    def is_untouched(self) -> bool:
        """Whether all of it can still be sent."""
        return not self.done and not self.is_sent

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        count = self._inner.readv(buffers, offset)
        self.done += count
        self._watching.moved(count)
        self._limit.spend(count)
        return count
