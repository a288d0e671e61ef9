"""`secftp get URL -` and `secftp put - URL`: one file through a pipe.

What was written to a pipe can't be taken back. If the connection is lost, `get` continues after the bytes that were
written, provided that the file at the server still begins with them; `put` can't read its input again, so it retries
only as long as nothing has been read.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Final

from secftp.client.connect import Connector
from secftp.client.copying import count_connections, make_report, remark_on_line
from secftp.client.globs import expand_one
from secftp.client.local_io import STANDARD_INPUT, STREAM, open_input, open_output
from secftp.client.terminal import STANDARD_OUTPUT
from secftp.errors import ChecksumMismatch, FileChanged, IsADirectory
from secftp.protocol import Algorithm, remote_failure
from secftp.session import Unconfirmed
from secftp.session.retry import Retries, confirm
from secftp.storage import Sink, WriteOptions, new_digest
from secftp.storage.wrappers import SinkWrapper, SourceWrapper
from secftp.transfer import Summary
from secftp.transfer.rate_limit import RateLimit
from secftp.transport import DataCount

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from secftp.client.copy_options import CopySettings
    from secftp.client.copying import Report
    from secftp.client.terminal import Terminal
    from secftp.session import Session, Transferred
    from secftp.storage import Digest, Path, Source
    from secftp.url import Url

_NO_TERMINAL: Final = "Name a file instead of -, or use a pipe; | cat shows the file all the same."


def get_stream(url: Url, settings: CopySettings, terminal: Terminal) -> None:
    """Download to standard output. Raises as `Session.open`, `Session.read`, `open_output` and `choose_key`."""
    if url.trailing_slash:
        raise remote_failure(IsADirectory, url.path, "a directory can't be written to standard output.")
    # Text on a terminal is its own progress, and a bar would be written into it.
    report = make_report(_without_bar(settings, STANDARD_OUTPUT), terminal, "Fetched")
    with open_output(None, overwrite=True, hint=_NO_TERMINAL) as output:
        algorithm, summary, data = Algorithm(settings.copy.checksum), Summary(files=1), DataCount()
        sink = _CountingSink(
            output, report, RateLimit(settings.copy.limit_rate), algorithm if settings.retries else None
        )

        def work(session: Session) -> Transferred:
            nonlocal url
            url = expand_one(session, url)
            with _compressed(session, settings, summary, data):
                sink.sent_of = session.pipeline.channel.sent_of
                return _read_rest(session, url.path, sink, algorithm, report)

        connector = Connector.choose(settings.connection, terminal.waiting)
        count_connections(settings, connector, report)
        retries = Retries(settings.retries, progress=lambda: sink.done, on_retry=report.retrying)
        _conclude(lambda: url, report, summary, data, lambda: retries.run(lambda: connector.run(work)))
        remark_on_line(settings, report, terminal, sends=False)


def put_stream(url: Url, settings: CopySettings, terminal: Terminal) -> None:
    """Upload standard input. Raises as `Session.open`, `Session.write`, `open_input` and `choose_key`."""
    report = make_report(_without_bar(settings, STANDARD_INPUT), terminal, "Sent")
    with open_input(STREAM, hint="Name a file instead of -.") as standard_input:
        source = _CountingSource(standard_input, report, RateLimit(settings.copy.limit_rate))
        summary, data = Summary(files=1), DataCount()

        def work(session: Session) -> Transferred:
            size = standard_input.info.size
            if size is not None:
                report.planned(1, size)
            report.started(url.path[-1], size or 0)
            source.sent_of = session.pipeline.channel.sent_of
            try:
                with _compressed(session, settings, summary, data):
                    return session.write(
                        url.path,
                        source,
                        WriteOptions(settings.copy.overwrite, backup=settings.copy.backup_suffix),
                        algorithm=Algorithm(settings.copy.checksum),
                    )
            except Unconfirmed:
                source.is_sent = True  # an empty one has no byte that would show it
                raise

        connector = Connector.choose(settings.connection, terminal.waiting)
        count_connections(settings, connector, report)
        retries = Retries(
            settings.retries, progress=lambda: source.done, on_retry=report.retrying, possible=source.is_untouched
        )

        def copy() -> Transferred:
            try:
                return retries.run(lambda: connector.run(work))
            except Unconfirmed as lost:
                confirming = Retries(settings.retries, progress=lambda: 0, on_retry=report.retrying)
                return confirm(lambda ask: confirming.run(lambda: connector.run(ask)), url.path, lost)

        _conclude(lambda: url, report, summary, data, copy)
        remark_on_line(settings, report, terminal, sends=True)


def _without_bar(settings: CopySettings, descriptor: int) -> CopySettings:
    if settings.progress == "auto" and os.isatty(descriptor):
        return settings._replace(progress="none")
    return settings


def _compressed(
    session: Session, settings: CopySettings, summary: Summary, data: DataCount
) -> AbstractContextManager[None]:
    """Return a context manager that compresses the files that a session transfers, if that is wanted."""
    if settings.copy.level is None:
        return contextlib.nullcontext()
    from secftp.transfer.compression import compressed

    return compressed(session, settings.copy.level, summary, data)


def _conclude(
    url: Callable[[], Url], report: Report, summary: Summary, data: DataCount, copy: Callable[[], Transferred]
) -> None:
    """Run the copy and report its end; `url` returns its name at the server, known then if it was a pattern."""
    try:
        moved = copy()
    except BaseException:
        report.give_up()
        raise
    report.finished(url().path[-1], report.moved_bytes, moved.digest)
    summary.bytes, summary.digest = report.moved_bytes, moved.digest
    summary.seconds = time.monotonic() - report.began
    summary.saved_bytes = data.saved_of(summary.bytes)
    report.ended(summary)
    report.conclude()


def _read_rest(session: Session, path: Path, sink: _CountingSink, algorithm: Algorithm, report: Report) -> Transferred:
    """Download the file, or the rest of it; raises `FileChanged` if it is a different file by now."""
    begin = sink.done

    def progress(done: int, total: int | None, /) -> None:
        if done == 0 and total is not None:
            report.planned(1, begin + total)
            report.started(path[-1], begin + total)
            if begin:
                report.name_done = begin

    try:
        return session.read(path, sink, offset=begin, prefix=sink.prefix(), algorithm=algorithm, progress=progress)
    except ChecksumMismatch:
        if not begin:
            raise
        raise remote_failure(
            FileChanged,
            path,
            "the file has changed since the connection was lost.",
            hint="The output so far is of the old version. Start again.",
        ) from None


class _CountingSink(SinkWrapper[Sink]):
    """Standard output that counts what was written and, with an `algorithm`, computes its digest."""

    __slots__ = ("_digest", "_hashing", "_limit", "_report", "done", "sent_of")

    def __init__(self, sink: Sink, report: Report, limit: RateLimit, algorithm: Algorithm | None) -> None:
        super().__init__(sink)
        self.done = 0
        self.sent_of: Callable[[int], int] = int  # of the session
        self._report = report
        self._limit = limit
        self._digest = None if algorithm is None else new_digest(algorithm)
        self._hashing = self._digest is not None

    def prefix(self) -> Digest | None:
        """Return the digest of what was written, if anything was, for a session that adds all that follows."""
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
        self._report.moved(size)
        self._limit.spend(self.sent_of(size))


class _CountingSource(SourceWrapper):
    """Standard input that counts what was read; `is_sent`: it was sent to its end."""

    __slots__ = ("_limit", "_report", "done", "is_sent", "sent_of")

    def __init__(self, source: Source, report: Report, limit: RateLimit) -> None:
        super().__init__(source)
        self.done = 0
        self.sent_of: Callable[[int], int] = int  # of the session
        self.is_sent = False
        self._report = report
        self._limit = limit

    def is_untouched(self) -> bool:
        """Return whether all of it can still be sent."""
        return not self.done and not self.is_sent

    def readv(self, buffers: Sequence[memoryview], offset: int) -> int:
        count = self._inner.readv(buffers, offset)
        self.done += count
        self._report.moved(count)
        self._limit.spend(self.sent_of(count))
        return count
