"""Downloads of large files over several streams, as the thread of the copy sees them.

The first request of a file is of the whole: see `first_read`. While parts are under way this thread waits for its own
session and for the other streams at once. It alone tells the listener, and commits files.

Invariant: a file gets its name when all of it has come and its digest is that of the file at the server.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import select
import time
from typing import TYPE_CHECKING, Any, Final

from secftp.errors import ConnectionLost, TransferTimeout
from secftp.storage.part_writer import PartWriter
from secftp.storage.sink import FileSink
from secftp.text import counted
from secftp.transfer.file_in_parts import FileInParts
from secftp.transfer.first_read import FirstRead
from secftp.transfer.part_streams import PartScheduler, PartStream
from secftp.transport.file_data import checksum_mismatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.protocol import File
    from secftp.session import Session
    from secftp.storage import Sink
    from secftp.transfer.engine import Transfer
    from secftp.transfer.remote_tree import RemoteFile
    from secftp.transfer.streams import StreamTuner

_LOSSES: Final = (ConnectionLost, TransferTimeout)
_CHECK_SECONDS: Final = 0.5  # between looks at the streams, even if nothing happens
_STEPS: Final = 4  # that are made on the session of the copy before the files are looked at


class DownloadParts:
    """The files of a download that are fetched in parts, over one session of the copy and its additional streams."""

    def __init__(self, transfer: Transfer[RemoteFile], session: Session) -> None:
        self.transfer = transfer
        self._session = session
        self._pipeline = session.pipeline
        self._scheduler = PartScheduler(self._wake, transfer.limit.spend)
        self._stream = PartStream(session.pipeline, self._scheduler, additional=False)
        self._reads: dict[FileInParts, FirstRead] = {}
        self._awaited, self._waking = os.pipe()
        os.set_blocking(self._awaited, False)
        os.set_blocking(self._waking, False)
        self._poller = select.poll()
        self._poller.register(self._awaited, select.POLLIN)
        self._poller.register(session.pipeline.channel.fileno(), select.POLLIN)
        self._poll_wake = select.poll()
        self._poll_wake.register(self._awaited, select.POLLIN)
        self._is_waiting = self._has_changed = self._has_more = False
        self._first: FirstRead | None = None  # the latest
        self._tuner: StreamTuner | None = None  # of the latest file
        self._lost: ConnectionLost | TransferTimeout | None = None
        self._last_received = time.monotonic()

    def close(self) -> None:
        """Release what this holds. The streams have ended."""
        os.close(self._awaited)
        os.close(self._waking)

    def first_read(self, *arguments: Any) -> FirstRead:
        """Return the first request of a file; arguments as of `ReadRequest`."""
        self._first = FirstRead(self.begin, *arguments)
        return self._first

    def begin(self, read: FirstRead, file: File, sink: Sink, offset: int) -> FileInParts | None:
        """Begin to fetch a file in parts, for which FILE has come; None if that is not possible."""
        transfer = self.transfer
        if file.version is None or file.total != offset + file.size or not isinstance(sink, FileSink):
            return None
        streams = transfer.streams.number_for(self._session, file.size)
        if streams == 1:
            return None
        parted = FileInParts(
            read.item.remote,
            read.item.name,
            file.version,
            file.total,
            transfer.algorithm,
            PartWriter(sink, file.total),
            streams=streams,
            offset=offset,
            on_change=self._scheduler.changed,
        )
        self._reads[parted] = read
        self._tuner = transfer.streams.tuner_for(self._session, streams)
        self._scheduler.add(parted)
        transfer.streams.run(self._scheduler.work, streams)
        return parted

    def run(self) -> None:
        """Fetch parts until the latest file has begun, and nothing is left to be taken of any."""
        self._check_files()
        self._run(lambda: self._is_undecided or any(not file.queue.is_taken for file in self._reads))
        if self._lost is not None:
            self.finish()

    def finish(self) -> None:
        """Fetch parts until all files are complete or have failed.

        If the session was lost, and other streams have done all that was left, that does not matter; else raises the
        loss.
        """
        self._run(lambda: self._is_undecided or bool(self._reads))
        if self._lost is not None and self.transfer.has_more():
            raise self._lost

    @property
    def is_lost(self) -> bool:
        """Whether the session of the copy was lost, and only the others go on."""
        return self._lost is not None

    @property
    def _is_undecided(self) -> bool:
        """Whether it is not known yet how the latest file is fetched."""
        return self._first is not None and not self._first.is_decided and self._lost is None

    def _run(self, goes_on: Callable[[], bool]) -> None:
        self._has_more = True
        self._last_received = time.monotonic()
        while goes_on():
            try:
                self._step()
            except _LOSSES as lost:
                self._lose(lost)
            self._check_files()

    def _lose(self, lost: ConnectionLost | TransferTimeout) -> None:
        """Go on over the other streams; raises the loss if there are none, or no file is in parts."""
        self._lost = lost
        self._stream.abandon()
        for read in self._reads.values():
            read.abort()
        if not self._reads or not self.transfer.streams.promising:
            raise lost

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        """Take in what has come on this session, after a wait for that or for a change on another stream."""
        self.transfer.streams.check()
        if self._lost is not None:
            if not self.transfer.streams.promising:
                raise self._lost
            self._wait(self._poll_wake)
            return
        if not any(read.occupies_stream for read in self._reads.values()):
            self._stream.feed()
        self._pipeline.flush()
        if not self._has_more:
            self._wait(self._poller)
        for _ in range(_STEPS):
            self._has_more = self._pipeline.step_at_once()
            if not self._has_more:
                break
        silence = time.monotonic() - self._last_received
        if self._pipeline.unanswered and silence > self._pipeline.channel.timeout:
            raise TransferTimeout(
                f"Timeout: nothing was received for {counted(round(silence), 'second')}.", hint="Try again."
            )

    def _wait(self, poller: select.poll) -> None:
        self._is_waiting = True
        ready = poller.poll(0 if self._has_changed else _CHECK_SECONDS * 1000)
        self._is_waiting = self._has_changed = False
        if any(descriptor == self._awaited for descriptor, _ in ready):
            with contextlib.suppress(BlockingIOError):
                os.read(self._awaited, 4096)
        if any(descriptor != self._awaited for descriptor, _ in ready):
            self._last_received = time.monotonic()

    def _wake(self) -> None:
        """End the wait, from any thread."""
        self._has_changed = True
        if self._is_waiting:
            self._is_waiting = False
            with contextlib.suppress(BlockingIOError):
                os.write(self._waking, b"!")

    # --- files --------------------------------------------------------------------------------------------------------

    def _check_files(self) -> None:
        """Tell the progress; end the files that are complete or have failed."""
        for file, read in tuple(self._reads.items()):
            if file.problem is not None:
                self._end(file)
                read.fail(file, file.problem)
                continue
            self.transfer.counters.reached(read.item, file.queue.transferred)
            if read is self._first:
                self._tune(file)
            if file.queue.complete:
                read.leave(file)  # others have all of it, though its own reply may still be coming, or hang
                file.hash_more()
                if file.is_hashed and file.expected is not None:
                    self._complete(file, read)

    def _tune(self, file: FileInParts) -> None:
        """Add streams to the latest file, if that pays."""
        more = 0 if self._tuner is None else self._tuner.more(file.queue.transferred, file.queue.total)
        for _ in range(more):
            self.transfer.streams.add()

    def _complete(self, file: FileInParts, read: FirstRead) -> None:
        self._end(file)
        if hmac.compare_digest(file.digest, file.expected or b""):
            read.commit(file)
        else:
            read.fail(file, checksum_mismatch(file.name))

    def _end(self, file: FileInParts) -> None:
        del self._reads[file]
        self._scheduler.remove(file)
        file.queue.stop()

    def give_up(self) -> list[RemoteFile]:
        """Keep what has come of the files, whose streams have ended; return them."""
        items = []
        self._stream.abandon()
        for file, read in tuple(self._reads.items()):
            self._end(file)
            read.abort()
            read.keep(file)
            items.append(read.item)
        return items
