"""The copy engine: the common base of uploads and downloads.

A transfer discovers its items (files, directories) only a little ahead of those that it processes, and has many
requests under way at once; small files share a request, their batch. What a lost connection left unanswered is queued
again, in order, before everything else, so `run` with another session continues where the last one ended.
"""

from __future__ import annotations

import abc
import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar

from secftp.errors import AlreadyExists, ConnectionLost, FileChanged, FileError, SecftpError, Side, TransferTimeout
from secftp.protocol import Algorithm, Capability, ErrorCode, exception_for
from secftp.protocol.limits import MAX_SMALL
from secftp.storage.attributes import same_time
from secftp.storage.digest import digester, hash_part
from secftp.text import path_text, show_path
from secftp.transfer.filters import Filters
from secftp.transfer.options import CopyOptions
from secftp.transfer.progress import Counters, ProgressListener, Summary, TransferItem
from secftp.transfer.rate_limit import RateLimit
from secftp.transport import DataCount
from secftp.waits import DIRECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from secftp.protocol import Info, Message
    from secftp.session import Session
    from secftp.session.pipeline import Pipeline
    from secftp.session.replies import SingleReply
    from secftp.storage import Digest, FileInfo, Path, ResumedSink, Source
    from secftp.transfer.remote_tree import RemoteFile
    from secftp.transfer.streams import OpenStream, StreamPool
    from secftp.transport import Received
    from secftp.waits import Waits

# Files that may be queued before the first is processed, if the listener wants to know the plan.
PLANNED_AHEAD: Final = 65536
# Of a file that is less, the parts would be too small to be worth several streams.
STREAMS_BYTES: Final = 2 * 2**20
# Clauses for the listener: why a file is left as it is, or transferred from its beginning.
EXISTS: Final = "it already exists"
SAME: Final = "it has the same size and time"
MODE_DIFFERS: Final = "it has the same size and time, and other permissions"
MODE_SET: Final = "it has the same size and time; its permissions were set"
NEWER: Final = "the target is newer"
OWN_FILE: Final = "the results file, left out"
CHANGED: Final = "it has changed since its transfer was interrupted, so it starts again"

_UNCHANGED: Final = frozenset({SAME, MODE_DIFFERS, MODE_SET})
_HASHED_BYTES: Final = 8 * 2**20  # of a file, at once
_LOSSES: Final = (ConnectionLost, TransferTimeout)

Item = TypeVar("Item", bound=TransferItem)


class Batch(Generic[Item]):
    """Small files gathered for one request, with each one's part of it, which the subclasses hold.

    `nbytes`: the size of the parts. Replaced as a whole, so items and parts always agree.
    """

    __slots__ = ("items", "nbytes")

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.nbytes = 0


class PendingRequest(Generic[Item]):
    """A request without its complete reply, and the items that it is about. The session calls it with the reply."""

    __slots__ = ("items", "transfer")

    def __init__(self, transfer: Transfer[Item], items: Sequence[Item]) -> None:
        self.transfer = transfer
        self.items = items

    def __call__(self, received: Received) -> bool:
        """Take a part of the reply; returns whether it was the last."""
        if not self.on_reply(received):
            return False
        self.transfer.untrack(self)
        return True

    def on_reply(self, received: Received) -> bool:
        """Deal with a part of the reply; returns whether it was the last."""
        raise NotImplementedError

    @property
    def unfinished(self) -> Sequence[Item]:
        """The items to request again if no more of the reply comes."""
        return self.items

    def abort(self) -> None:
        """Release what is held open: no more of the reply will come."""


class Transfer(abc.ABC, Generic[Item]):
    """A copy in one direction. After `run` raised `ConnectionLost`, `run` with another session continues it.

    `current` is the item being processed, until something else keeps it for the next session. `fatal_codes` are errors
    that concern more than one file, beside STOPPING. `open_stream` opens additional sessions, None if there are none.
    `waits`: for local files; from `run` on, those of the session.
    """

    fatal_codes: ClassVar[frozenset[ErrorCode]] = frozenset()
    batch: Batch[Item]
    pipeline: Pipeline  # as long as `run` runs
    open_stream: OpenStream | None = None
    waits: Waits = DIRECT
    _streams: StreamPool | None = None
    digest_of: Callable[[bytes | memoryview], bytes]

    def __init__(self, options: CopyOptions | None, listener: ProgressListener | None) -> None:
        self.summary = Summary()
        self.options = options or CopyOptions()
        self.algorithm = Algorithm(self.options.checksum)
        self.counters = Counters(self.summary, listener or ProgressListener())
        self.filters = Filters(self.options.include, self.options.exclude, self.options.shard)
        self.limit = RateLimit(self.options.limit_rate)
        self.data = DataCount()  # that was transferred compressed, or could have been
        self.current: Item | None = None
        self.ahead = PLANNED_AHEAD if self.counters.wants_plan else 1
        self.small_limit = -1  # largest size of a file that goes into a batch
        self.pending_items = 0
        self.pending: deque[PendingRequest[Item]] = deque()
        self._queue: deque[Item] = deque()
        self._requeued: list[Item] = []
        self._all_discovered = False
        self._fatal: SecftpError | None = None

    def run(self, session: Session) -> Summary:
        """Copy what is not copied yet.

        A failure of one file or directory goes to the listener and is counted. Raises what concerns the whole:
        `FileError` for a target that can't be used, and what the session raises if the connection fails. After an
        exception the session can only be closed: nothing handles the replies that are still to come.
        """
        began = time.monotonic()
        self.pipeline = session.pipeline
        self.waits = session.pipeline.waits
        self.limit.sleep = self.waits.sleep
        try:
            self.digest_of = digester(self.algorithm)
            with session.pipeline.keepalive(), self._compressed(session), self._recorded():
                self.begin_early(session)
                self.small_limit = MAX_SMALL if session.can(Capability.MANY) else -1
                self.begin(session)
                self._run_queue()
            if self._streams is not None:
                self._streams.finish()
                self._streams.check()
            if not self.summary.failed:
                self.summary.unmatched = tuple(map(path_text, self.filters.unmatched))
        except BaseException as problem:
            self._queue.extendleft(reversed(self.take_unfinished()))
            if not isinstance(problem, _LOSSES) or not self.is_complete():
                raise
            session.interrupt()
        finally:
            self._close_streams()
            del self.pipeline
            self.end()
            session.has_failed = session.has_failed or bool(self.summary.failed)
            self.summary.seconds += time.monotonic() - began
            self.summary.saved_bytes = self.data.saved_of(self.summary.bytes)
            self.counters.listener.ended(self.summary)
        return self.summary

    def is_complete(self) -> bool:
        """Whether nothing is left to do, so that the loss of the session does not matter; asked after one."""
        return False

    @property
    def streams(self) -> StreamPool:
        """The additional streams of this run; imported for the first large file."""
        if self._streams is None:
            from secftp.transfer.streams import StreamPool

            self._streams = StreamPool(self.open_stream, self.options.streams)
            self._streams.compress = self.pipeline.compress
        return self._streams

    def may_use_streams(self, size: int | None) -> bool:
        """Whether there can be additional streams for a file of this size."""
        return size is not None and size >= STREAMS_BYTES and self.open_stream is not None and self.options.streams != 1

    def check_streams(self) -> None:
        """Raise a defect that has ended an additional stream."""
        if self._streams is not None:
            self._streams.check()

    def _close_streams(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams.close()
            self.data.add(streams.data.nbytes, streams.data.saved)

    def _compressed(self, session: Session) -> contextlib.AbstractContextManager[None]:
        """Return a context manager that compresses the files that a session transfers, if that is wanted."""
        if self.options.level is None:
            return contextlib.nullcontext()
        from secftp.transfer.compression import compressed

        return compressed(session, self.options.level, self.summary, self.data)

    @contextlib.contextmanager
    def _recorded(self) -> Iterator[None]:
        """A block in which the results of the files are written, if that is wanted."""
        if self.options.results is None:
            yield
            return
        from secftp.transfer.results import Results

        copied = "would_copy" if self.options.dry_run else "copied"
        results = self.waits.call(Results, self.options.results, self.algorithm, copied)
        self.counters.results = results
        try:
            yield
        finally:
            self.counters.results = None
            results.close()

    def is_results(self, top: str, path: Path = ()) -> bool:
        """Whether the file with this path below a local name is the one that the results are written to."""
        results = self.counters.results
        if results is None or not results.lines.has_name(top, path):
            return False
        return self.waits.call(results.lines.is_at, top, path)

    def _run_queue(self) -> None:
        while True:
            while (item := self._next()) is not None:
                self.current = item
                if self.counters.results is not None:
                    item.began = time.monotonic()
                self.process(item)
                self.current = None
                self._check()
                self.waits.pace()
            self.send_batch()
            self.settle()
            self.settled()
            self._check()
            self._queue.extend(self._requeued)
            self._requeued.clear()
            if not self._queue:
                return

    def _next(self) -> Item | None:
        queue = self._queue
        while len(queue) < self.ahead and not self._all_discovered:
            item = self.discover()
            if item is None:
                self._all_discovered = True
                self.counters.all_found()
            else:
                queue.append(item)
                self.waits.pace()
        return queue.popleft() if queue else None

    def _check(self) -> None:
        if self._fatal is not None:
            raise self._fatal

    # --- the direction's part -----------------------------------------------------------------------------------------

    def begin_early(self, session: Session) -> None:
        """Make requests that may precede WELCOME, which has not come yet over a new connection."""

    @abc.abstractmethod
    def begin(self, session: Session) -> None:
        """Prepare to copy over a session; over the first, decide what goes where."""

    @abc.abstractmethod
    def discover(self) -> Item | None:
        """Return the next item of the sources, None after the last."""

    @abc.abstractmethod
    def process(self, item: Item) -> None:
        """Request what has to be done about an item, or skip it."""

    @abc.abstractmethod
    def send_batch(self) -> None:
        """Send the request for the files that were gathered."""

    @abc.abstractmethod
    def refused(self, item: Item, code: ErrorCode, reason: str | None = None) -> None:
        """Handle the refusal of an item by the server."""

    def done(self, item: Item) -> None:
        """Nothing more will be done about an item: it is complete, skipped or has failed."""

    def settle(self) -> None:
        """Wait until all requests are answered."""
        self.pipeline.settle()

    def has_more(self) -> bool:
        """Whether a file that was discovered is neither complete nor has failed."""
        is_waited_for = any(request.unfinished for request in self.pending) or self.current is not None
        return bool(self._queue or self._requeued or is_waited_for or self.batch.items)

    def settled(self) -> None:
        """All requests have been answered; more may be made now."""

    def end(self) -> None:
        """Release what the copy has open; the session is over."""

    # --- requests under way -------------------------------------------------------------------------------------------

    def track(self, request: PendingRequest[Item], item: Item | None = None) -> None:
        """Register a request that is about to be submitted; `item` is the one that it is about, unless many."""
        self.pending.append(request)
        self.pending_items += len(request.items)
        if item is self.current:
            self.current = None

    def untrack(self, request: PendingRequest[Item]) -> None:
        """Forget a request, whose reply is complete; replies come in order."""
        assert self.pending[0] is request
        self.pending.popleft()
        self.pending_items -= len(request.items)

    def await_reply(self, answer: SingleReply) -> Message | None:
        """Wait for a reply of one message, and return it."""
        self.pipeline.wait_for(answer)
        return answer.message

    def unanswered(self) -> list[Item]:
        """Return the items of requests without a complete reply, which are given up."""
        items: list[Item] = []
        for request in self.pending:
            items += request.unfinished
            request.abort()
            del request.transfer  # the session holds the request: it must not keep alive what has files open
        self.pending.clear()
        self.pending_items = 0
        return items

    def take_unfinished(self) -> list[Item]:
        """Give up the session; returns what has to be done over another one, in order."""
        begun = [*self.unanswered(), *self.batch.items]
        if self.current is not None:
            begun.append(self.current)
        for item in begun:
            item.resume = True
        items = [*self._requeued, *begun]
        self._requeued.clear()
        self.batch = type(self.batch)()
        self.current = self._fatal = None
        return items

    # --- outcomes -----------------------------------------------------------------------------------------------------

    def complete(self, item: Item, digest: bytes | None) -> None:
        """Count a file that stands under its final name."""
        self.counters.finished(item, digest)
        self.done(item)

    def skip(self, item: Item, reason: str) -> None:
        """Leave a file as it is."""
        self.counters.skipped(item, reason, unchanged=reason in _UNCHANGED)
        self.done(item)

    def fail(self, item: Item, problem: FileError) -> None:
        """Count a failure; with `overwrite` off, a file that exists is skipped."""
        if isinstance(problem, AlreadyExists) and not self.options.overwrite:
            self.counters.skipped(item, EXISTS)
        else:
            self.counters.failed(item, problem)
        self.done(item)

    def requeue(self, item: Item) -> None:
        """Process an item once more, over this session or the next."""
        self._requeued.append(item)

    def start_again(self, item: Item, note: str) -> None:
        """Transfer a file from its beginning, because its partial file can't be continued."""
        self.counters.reached(item, 0)
        item.resume = False
        if item.resumed_from is not None:
            item.resumed_from = 0
        self.counters.listener.note(item.name, note)
        self.requeue(item)

    def ends_transfer(self, code: ErrorCode, reason: str | None, items: Sequence[Item]) -> bool:
        """Whether an error reply concerns more than one file; then `run` raises it, and may continue with `items`."""
        if code is ErrorCode.STOPPING:
            self._fatal = ConnectionLost("The server is stopping.", hint="Try again later.")
            self._requeued.extend(items)
        elif code in self.fatal_codes:
            self._fatal = exception_for(code, items[0].remote, reason)
        else:
            return False
        return True


def hash_prefix(readable: Source | ResumedSink, digest: Digest, size: int, waits: Waits) -> None:
    """Update a digest with the first `size` bytes; raises `FileChanged` if there are fewer."""
    done = 0
    while done < size:
        part = min(_HASHED_BYTES, size - done)
        if waits.call(hash_part, readable.readv, digest, done, part) < part:
            raise FileChanged("The file was truncated while it was being read.", hint="Try again.", side=Side.LOCAL)
        done += part


def reason_to_keep(options: CopyOptions, source: FileInfo | RemoteFile, target: FileInfo | Info) -> str:
    """Return why an update leaves a file alone that is there; empty if it does not."""
    if source.size == target.size and same_time(source.mtime_ns, target.mtime_ns):
        return SAME
    return NEWER if target.mtime_ns > source.mtime_ns and not options.force else ""


def duplicate_name(name: bytes) -> AlreadyExists:
    """Return the failure of a source whose name another source has: it would replace that."""
    return AlreadyExists(
        f"{show_path(name)}: another source with the same name was copied there.",
        hint="Copy them to different targets.",
        filename=path_text(name),
    )
