"""What is asked of a server and not here yet: a handler for each request, which puts what comes where it belongs.

What must never happen: that a file gets its name whose digest was not compared, or that the server's words for a name
lead anywhere but beneath the folder that the user chose.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Protocol

from secftp.errors import FileChanged, FileError, ProtocolError
from secftp.messages import Abort, Error, ErrorCode, File, Files, remote_failure
from secftp.session.replies import FileReply
from secftp.storage import PipeSink, WriteOptions
from secftp.storage.attributes import kept_attributes
from secftp.transfer import checksum_mismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secftp.channel import Received
    from secftp.copy.limit import RateLimit
    from secftp.copy.options import CopyOptions
    from secftp.copy.remote_tree import Item
    from secftp.copy.tally import Tally
    from secftp.messages import SmallFile
    from secftp.storage import Digest, ResumedSink, Sink, SmallFiles


_NOT_RESUMED = frozenset({ErrorCode.CHECKSUM, ErrorCode.UNSUPPORTED})
_WORTH_KEEPING = frozenset({ErrorCode.IO_ERROR, ErrorCode.CANCELLED, ErrorCode.LIMIT})


class Base(Protocol):
    """Where the flights start and land."""

    options: CopyOptions
    tally: Tally
    limit: RateLimit

    def landed(self, flight: Flight) -> None:
        """The answer is complete."""

    def done(self, item: Item) -> None:
        """Nothing more is to be done about a file, whatever became of it."""

    def failed(self, item: Item, problem: FileError) -> None:
        """A file can't be had, or not be put where it belongs; or it is there already."""

    def refused(self, item: Item, code: ErrorCode, reason: str | None = None) -> None:
        """The server does not send a file."""

    def again(self, item: Item) -> None:
        """Put a file back into the queue."""

    def digest_of(self, data: bytes, /) -> bytes:
        """The digest of a small file."""

    def small_files(self) -> SmallFiles:
        """The way to write small files, for one batch."""


class Flight(Protocol):
    """A request under way."""

    @property
    def count(self) -> int:
        """How many files were asked for."""
        ...

    @property
    def items(self) -> Sequence[Item]:
        """What has to be asked for again if no answer comes."""
        ...

    def break_off(self) -> None:
        """No more will come: let go of everything, and keep what can be gone on with."""
        ...

    def __call__(self, received: Received, /) -> bool:
        """Take a part of the answer."""
        ...


class BatchFlight:
    """READMANY."""

    __slots__ = ("_base", "_done", "_items", "_small")

    def __init__(self, base: Base, items: list[Item]) -> None:
        self._base = base
        self._items = items
        self._done = 0
        self._small: SmallFiles | None = None

    @property
    def count(self) -> int:
        """As `Flight.count`."""
        return len(self._items)

    @property
    def items(self) -> Sequence[Item]:
        """As `Flight.items`."""
        return self._items[self._done :]

    def break_off(self) -> None:
        """As `Flight.break_off`."""
        small, self._small = self._small, None
        if small is not None:
            small.close()

    def __call__(self, received: Received) -> bool:
        """As `Flight.__call__`."""
        if isinstance(received, Files):
            reasons = received.reasons
            for number, file in enumerate(received.files):
                self._take(file, reasons[number] if number < len(reasons) else None)
            self._base.limit.spend(sum(len(file.data) for file in received.files))
        elif isinstance(received, Error):
            while self._done < len(self._items):
                self._base.refused(self._next(), received.code, received.reason)
        else:
            raise ProtocolError("The answer does not fit the request.")
        if self._done < len(self._items):
            return False
        self.break_off()
        self._base.landed(self)
        return True

    def _next(self) -> Item:
        item = self._items[self._done]
        self._done += 1
        return item

    def _take(self, file: SmallFile, reason: str | None) -> None:
        base, item = self._base, self._items[self._done]
        if file.code is not None:
            self._done += 1
            base.refused(item, file.code, reason)
            return
        if self._small is None:
            self._small = base.small_files()
        options, data = base.options, file.data
        try:
            if not hmac.compare_digest(base.digest_of(data), file.digest):
                raise checksum_mismatch(item.name)
            if options.preserve:
                as_there = WriteOptions(options.overwrite, file.mode, file.mtime_ns)
                kept = self._small.write(item.local, memoryview(data), as_there)
                base.tally.copied(file.mode, file.mtime_ns, kept)
            else:
                self._small.write(item.local, memoryview(data), WriteOptions(options.overwrite))
        except FileError as problem:
            self._done += 1
            base.failed(item, problem)
            return
        self._done += 1
        size, name, tally = len(data), item.name, base.tally
        if size != item.size:
            tally.found_another_size(size - item.size)
            item.size = size
        tally.listener.moved(size)
        tally.finished(name, size, file.digest, moved=size)
        base.done(item)


class FileFlight:
    """READ. `make` gives the sink, when FILE says what comes; `resumed` is the sink if it is there before."""

    __slots__ = ("_base", "_digest", "_file", "_item", "_make", "_offset", "_reading", "_resumed", "_sink", "_size")

    def __init__(
        self,
        base: Base,
        item: Item,
        digest: Digest,
        make: Callable[[File], Sink],
        stop: Callable[[], None],
        *,
        offset: int = 0,
        resumed: ResumedSink | None = None,
    ) -> None:
        self._base = base
        self._item = item
        self._digest = digest
        self._make = make
        self._file: File | None = None
        self._offset = offset
        self._resumed = resumed
        self._sink: Sink | None = resumed
        self._size = item.size
        self._reading = FileReply(self._begin, digest, subject=item.name, stop=stop, progress=self._progress)

    @property
    def count(self) -> int:
        """As `Flight.count`."""
        return 1

    @property
    def items(self) -> Sequence[Item]:
        """As `Flight.items`."""
        return (self._item,)

    def break_off(self) -> None:
        """As `Flight.break_off`."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.keep()

    def __call__(self, received: Received) -> bool:
        """As `Flight.__call__`."""
        if isinstance(received, Error | Abort) and received.code is ErrorCode.STOPPING:
            self.break_off()
            self._base.refused(self._item, received.code)
            self._base.landed(self)
            return True
        if isinstance(received, Error) and self._resumed is not None and received.code in _NOT_RESUMED:
            self._start_again()
            return True
        if isinstance(received, Abort) and received.code in _WORTH_KEEPING:
            self.break_off()
        if not self._reading(received):
            return False
        if self._reading.end is not None:
            self._commit()
        else:
            self._give_up(self._reading.problem or checksum_mismatch(self._item.name))
        self._base.landed(self)
        return True

    def _begin(self, file: File) -> Sink:
        """FILE is here: what the partial held is verified by it, and the rest, or all of it, follows."""
        self._file = file
        item, tally = self._item, self._base.tally
        self._size = self._offset + file.size
        if self._size != item.size:
            tally.found_another_size(self._size - item.size)
            item.size = self._size
        if item.kept is None:
            item.kept = item.told = self._offset
            tally.listener.started(item.name, self._size)
            if self._offset:
                tally.listener.resumed(item.name, self._offset)
        else:
            self._tell(self._offset)
        if self._resumed is None:
            self._sink = self._make(file)
            return self._sink
        if file.mtime_ns != item.mtime_ns:
            raise remote_failure(FileChanged, item.name, "it was changed since it was listed.", hint="Try again.")
        return self._resumed

    def _progress(self, done: int, _total: int | None, /) -> None:
        before = self._item.told
        self._tell(self._offset + done)
        self._base.limit.spend(self._item.told - before)

    def _tell(self, place: int) -> None:
        item = self._item
        if place != item.told:
            self._base.tally.listener.moved(place - item.told)
            item.told = place

    def _start_again(self) -> None:
        """The server has other bytes than the partial."""
        base, item = self._base, self._item
        self._drop()
        self._tell(0)
        item.resume = False
        if item.kept is not None:
            item.kept = 0
        base.tally.listener.note(item.name, "what is here of it is not what the server has, so it starts again")
        base.again(item)
        base.landed(self)

    def _commit(self) -> None:
        item, sink, tally = self._item, self._sink, self._base.tally
        assert sink is not None
        try:
            info = sink.commit()
        except FileError as problem:
            self._give_up(problem)
            return
        self._drop()
        file = self._file
        if self._base.options.preserve and file is not None and not isinstance(sink, PipeSink):
            tally.copied(
                file.mode, file.mtime_ns, kept_attributes(WriteOptions(mode=file.mode, mtime_ns=file.mtime_ns), info)
            )
        digest = self._digest.digest()
        tally.finished(item.name, self._size, digest, moved=self._size - (item.kept or 0))
        self._base.done(item)

    def _give_up(self, problem: FileError) -> None:
        self._drop()
        self._tell(0)
        self._base.failed(self._item, problem)

    def _drop(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()
