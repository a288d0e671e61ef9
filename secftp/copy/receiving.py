"""Files asked for over one session: small ones by the hundred in one request, large ones one behind the other.

Requests are made some way ahead of what has come, so that the server never waits for the next; what comes is written as
it comes, and nothing of a file but what is on its way is ever in memory.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from secftp.copy.get_flights import BatchFlight, FileFlight, Flight
from secftp.copy.options import KEEP_BYTES
from secftp.copy.places import InStore, Place
from secftp.copy.prefix import hash_prefix
from secftp.errors import AlreadyExists, ConnectionLost, FileError, SecftpError
from secftp.messages import Algorithm, Capability, ErrorCode, File, Read, ReadMany, exception_for
from secftp.messages.limits import MAX_BULK, MAX_SMALL
from secftp.storage import WriteOptions, new_digest
from secftp.storage.digest import digester

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.copy.limit import RateLimit
    from secftp.copy.options import CopyOptions
    from secftp.copy.remote_tree import Item
    from secftp.copy.tally import Tally
    from secftp.session import Session
    from secftp.storage import Digest, Path, ResumedSink, Sink, SmallFiles, Store

_BATCH_FILES: Final = 256
_BATCH_BYTES: Final = 8 * MAX_BULK  # of the files
_REQUEST_BYTES: Final = MAX_BULK - 64
_FILES_UNDER_WAY: Final = 2048
_REQUESTS_UNDER_WAY: Final = 256


class Receiving:
    """What is asked for over one session, for as long as that lasts; `again` collects files that are to come once more.

    `done` is called for each file about which nothing more is to be done.
    """

    def __init__(
        self,
        session: Session,
        store: Store | None,
        options: CopyOptions,
        tally: Tally,
        limit: RateLimit,
        done: Callable[[Item], None],
    ) -> None:
        self.options = options
        self.algorithm = Algorithm(options.checksum)
        self.tally = tally
        self.limit = limit
        self.done = done
        self.current: Item | None = None
        self._store = store
        self._pipeline = session.pipeline
        self._fatal: SecftpError | None = None
        self._repeated: deque[Item] = deque()
        self._flights: deque[Flight] = deque()
        self._under_way = 0
        self._batch: list[Item] = []
        self._paths: list[Path] = []
        self._batch_bytes = 0
        self._request_bytes = 0
        self._small_limit = MAX_SMALL if session.can(Capability.MANY) else -1
        self._can_resume = session.can(Capability.RESUME)
        self.digest_of = digester(self.algorithm)

    # --- asking -------------------------------------------------------------------------------------------------------

    def take(self, item: Item) -> None:
        """Ask for a file; waits while too much is under way."""
        if item.size <= self._small_limit and item.place is None:
            self._add(item)
        else:
            self._ask(item)
        self.current = None
        while self._under_way >= _FILES_UNDER_WAY or len(self._flights) >= _REQUESTS_UNDER_WAY:
            self._pipeline.step()

    def place_of(self, item: Item) -> Place | None:
        """Where a file belongs; None where there is no folder yet, in a dry run."""
        if item.place is not None:
            return item.place
        return None if self._store is None else InStore(self._store, item.local)

    def _add(self, item: Item) -> None:
        path = item.remote
        cost = sum(map(len, path)) + 3 * len(path) + 3
        if (
            self._request_bytes + cost > _REQUEST_BYTES
            or len(self._batch) == _BATCH_FILES
            or self._batch_bytes + item.size > _BATCH_BYTES
        ):
            self.send_batch()
        self._batch.append(item)
        self.current = None
        self._paths.append(path)
        self._request_bytes += cost
        self._batch_bytes += item.size
        self.tally.listener.started(item.name, item.size)

    def send_batch(self) -> None:
        """Ask for the small files that were gathered, and send what is queued."""
        if self._batch:
            request = ReadMany(id=self._pipeline.next_id(), paths=tuple(self._paths), algorithm=self.algorithm)
            flight = BatchFlight(self, self._batch)
            self._batch, self._paths = [], []
            self._batch_bytes = self._request_bytes = 0
            self._flights.append(flight)
            self._under_way += flight.count
            self._pipeline.submit(request, flight)
        self._pipeline.flush()

    def before_waiting(self) -> None:
        """See to it that the server has something to do; while it has, more is gathered."""
        if not self._under_way:
            self.send_batch()

    def _ask(self, item: Item) -> None:
        digest = new_digest(self.algorithm)
        number = self._pipeline.next_id()
        resumed: ResumedSink | None = None
        try:
            offset, resumed = self._resume(item, digest)
            request = Read(
                id=number,
                path=item.remote,
                offset=offset,
                prefix=digest.digest() if offset else None,
                algorithm=self.algorithm,
            )
        except FileError as problem:
            if resumed is not None:
                resumed.close()
            self.failed(item, problem)
            return

        def make(file: File) -> Sink:
            place = self.place_of(item)
            assert place is not None  # in a dry run nothing is asked for
            return place.create(self._write_options(item, file.size, file.mode, file.mtime_ns))

        flight = FileFlight(
            self, item, digest, make, lambda: self._pipeline.cancel(number), offset=offset, resumed=resumed
        )
        self._flights.append(flight)
        self._under_way += 1
        self.current = None
        self._pipeline.submit(request, flight)

    def _resume(self, item: Item, digest: Digest) -> tuple[int, ResumedSink | None]:
        """The partial of a file, hashed; how many bytes that are, and the sink that goes on with it."""
        place = self.place_of(item)
        is_wanted = self._can_resume and (self.options.resume if item.resume is None else item.resume)
        if place is None or not is_wanted or item.size < KEEP_BYTES:
            return 0, None
        try:
            kept = place.look(partial=True)
            if kept is None or not kept.size:
                return 0, None
            if kept.size > item.size:
                self.tally.listener.note(item.name, "it has changed since it was broken off, so it starts again")
                return 0, None
            sink = place.resume(kept.size, self._write_options(item, item.size - kept.size, item.mode, item.mtime_ns))
        except FileError:
            return 0, None  # it has a writer, or is no more; what is wrong with the place itself shows when it is made
        try:
            hash_prefix(sink, digest, kept.size)
        except BaseException:
            sink.close()
            raise
        return kept.size, sink

    def _write_options(self, item: Item, size: int, mode: int, mtime_ns: int) -> WriteOptions:
        preserve = self.options.preserve
        return WriteOptions(
            overwrite=self.options.overwrite,
            mode=mode if preserve else None,
            mtime_ns=mtime_ns if preserve else None,
            size=size,
            keep=item.size >= KEEP_BYTES,
        )

    # --- what became of it --------------------------------------------------------------------------------------------

    def landed(self, flight: Flight) -> None:
        """As `Base.landed`."""
        assert self._flights[0] is flight
        self._flights.popleft()
        self._under_way -= flight.count

    def failed(self, item: Item, problem: FileError) -> None:
        """As `Base.failed`."""
        planned = item.size
        if isinstance(problem, AlreadyExists) and not self.options.overwrite:
            self.tally.skipped(item.name, "it exists already", planned=planned)
        else:
            self.tally.failed(item.name, problem, planned=planned)
        self.done(item)

    def refused(self, item: Item, code: ErrorCode, reason: str | None = None) -> None:
        """As `Base.refused`."""
        if code is ErrorCode.STOPPING:
            self._fatal = ConnectionLost("The server is stopping.", hint="Try again later.")
            self.again(item)
        elif code is ErrorCode.TOO_LARGE and item.size <= self._small_limit:
            # It has grown; how large it is now will be told.
            self.tally.found_another_size(self._small_limit + 1 - item.size)
            item.size = self._small_limit + 1
            self.again(item)
        else:
            self.failed(item, exception_for(code, item.name, reason))

    def again(self, item: Item) -> None:
        """As `Base.again`."""
        self._repeated.append(item)

    def small_files(self) -> SmallFiles:
        """As `Base.small_files`."""
        assert self._store is not None  # in a dry run nothing comes
        return self._store.small_files()

    # --- the end ------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise what ends the whole, if an answer said so."""
        if self._fatal is not None:
            raise self._fatal

    def settle(self) -> None:
        """Wait until all that was asked for is here."""
        self.send_batch()
        self._pipeline.settle()
        self.check()

    def break_off(self) -> list[Item]:
        """Let go of everything; what has to be asked for over another session, in order."""
        items: list[Item] = []
        for flight in self._flights:
            items += flight.items
            flight.break_off()
        items += self._batch
        if self.current is not None:
            items.append(self.current)
        for item in items:
            item.resume = True
        return [*items, *self.repeated()]

    def repeated(self) -> list[Item]:
        """What was put back into the queue since this was last asked for."""
        items = list(self._repeated)
        self._repeated.clear()
        return items
