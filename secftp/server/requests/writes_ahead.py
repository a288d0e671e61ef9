"""Changes of a tree that are carried out at once by a store in a network: small files, and their directories.

A client that copies a tree makes each directory, sends its files, and sets the directory's attributes, and waits for no
answer. Each of them takes a store several requests of 50 ms and more. So what has come already is carried out together,
as far as it is about different places, and answered in the order of the requests.

Invariants: a request is carried out after those before it that are about the same path, one above it or one beneath it;
any other message ends the run, and is served after it; a failure affects no other request; what a run remembers of
names is as old as `_SECONDS` at most; the requests without an answer are bounded.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from secftp.errors import FileError
from secftp.protocol import MakeDirectory, SetAttributes, WriteMany
from secftp.server.requests.batch import WrittenBatch
from secftp.server.requests.capabilities import refuse_lacking
from secftp.server.requests.change import answer_make_directory, answer_set_attributes
from secftp.server.requests.names_ahead import Names, is_related
from secftp.server.requests.serve import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secftp.server.requests.context import Outcome, RequestContext
    from secftp.storage import Path, SmallFiles, Store, WriteOptions
    from secftp.storage.attributes import Kept
    from secftp.storage.names import DirectoryPath
    from secftp.storage.objects.concurrency import Call, Threads
    from secftp.transport import Received

_Directory: TypeAlias = MakeDirectory | SetAttributes
_File: TypeAlias = "tuple[Path, memoryview, WriteOptions]"

_FLUSH_SECONDS: Final = 0.01  # as of all answers
_SECONDS: Final = 5.0
_DIRECTORIES_AT_ONCE: Final = 16  # each is looked for with four requests at once


def is_write(context: RequestContext, message: Received) -> bool:
    """Whether a request can be carried out together with those behind it.

    Of directories what the copy of a tree consists of, from a client that may overwrite: what others may do depends on
    what this session has made before.
    """
    if context.store.at_once == 1:
        return False
    if isinstance(message, WriteMany):
        return True
    may_change = context.rights.write and context.rights.overwrite
    if not may_change or not isinstance(message, MakeDirectory | SetAttributes):
        return False
    if isinstance(message, MakeDirectory) and (message.token is not None or not message.parents):
        return False
    try:
        refuse_lacking(message, context.lacks)
    except FileError:
        return False
    return True


def serve_writes(context: RequestContext, first: Received, stopping: Callable[[], bool]) -> Received | None:
    """Serve a request and those that come behind it meanwhile; return the message that ended the run, if any."""
    with contextlib.closing(_Run(context, stopping)) as run:
        run.admit(first)
        while run.waiting:
            with context.store.small_files() as small:
                run.write(small)
    return run.other


class _Change:
    """A directory that is made or gets attributes. `place`: what that concerns, with all beneath it.

    `before`: the earlier requests that it has to wait for. `outcome`: None until it is begun.
    """

    def __init__(self, request: _Directory, number: int, place: DirectoryPath, before: list[_Change | _Batch]) -> None:
        self.request = request
        self.number = number
        self.place = place
        self.before = before
        self.outcome: Call[Any] | None = None

    def is_about(self, path: DirectoryPath) -> bool:
        """Whether the path is the place, above or beneath it."""
        return is_related(self.place, path)

    @property
    def is_done(self) -> bool:
        """Whether it can be answered."""
        return self.outcome is not None and self.outcome.is_done

    @property
    def may_begin(self) -> bool:
        """Whether all that it waits for is done, or is a change that was begun."""
        return all(one.outcome is not None if isinstance(one, _Change) else one.is_done for one in self.before)

    def begin(self, context: RequestContext, threads: Threads) -> None:
        """Carry it out in a thread, behind the changes that it waits for."""
        earlier = [one.outcome for one in self.before if isinstance(one, _Change) and one.outcome is not None]
        self.before.clear()
        self.outcome = threads.submit(lambda store: self._carry_out(store, earlier), context.store)

    def _carry_out(self, store: Store, earlier: list[Call[Any]]) -> Any:
        for one in earlier:
            one.wait()
        request = self.request
        if isinstance(request, MakeDirectory):
            return store.make_directory(request.path, parents=request.parents, mode=request.mode)
        return store.set_attributes(request.path, mode=request.mode, mtime_ns=request.mtime_ns)

    def answer(self, context: RequestContext, request: Any) -> Outcome:
        """Answer it as its handler does, with what has become of it."""
        assert self.outcome is not None
        if isinstance(request, MakeDirectory):
            return answer_make_directory(context, request, self.outcome.result)
        outcome = self.outcome
        return answer_set_attributes(context, request, lambda _: outcome.result())


class _Batch:
    """A batch of files. `files`: those that the store has not been given."""

    def __init__(self, context: RequestContext, request: WriteMany, number: int) -> None:
        self.number = number
        self._batch = WrittenBatch(context, request)
        self._paths = frozenset(file.path for file in request.files)
        self._directories = frozenset(path[:-1] for path in self._paths)
        self._problem: FileError | None = None
        self._is_given = False
        self._outstanding = 0
        self.files = self._verified()

    def _verified(self) -> Iterator[_File]:
        try:
            self._batch.begin()
        except FileError as problem:
            self._problem = problem
        else:
            for file in self._batch.verified():
                self._outstanding += 1
                yield file
        self._is_given = True

    def is_about(self, path: DirectoryPath) -> bool:
        """Whether a file of it has this path, or one above or beneath it."""
        if any(path[:depth] in self._paths for depth in range(1, len(path) + 1)):
            return True
        return any(directory[: len(path)] == path for directory in self._directories)

    @property
    def is_done(self) -> bool:
        """Whether it can be answered."""
        return self._is_given and not self._outstanding

    def note(self, outcome: Kept | FileError) -> None:
        """Note what has become of the next file."""
        self._outstanding -= 1
        self._batch.note(outcome)

    def answer(self) -> None:
        """Answer it when it is done, and log it."""
        if self._problem is not None:
            self._batch.refuse(self._problem)
        else:
            self._batch.finish()
            self._batch.write_log()

    def write_log(self) -> None:
        """Log what was done of it without an answer."""
        self._batch.write_log()


class _Run:
    """The requests of one run. `waiting`: those without an answer. `other`: the message behind them that is none."""

    def __init__(self, context: RequestContext, stopping: Callable[[], bool]) -> None:
        from secftp.storage.objects.concurrency import Threads  # only where a store is remote

        self._context = context
        self._stopping = stopping
        self._until = time.monotonic() + _SECONDS
        self._threads = Threads(_DIRECTORIES_AT_ONCE, "secftp-directories")
        self._count = 0
        self._changes: list[_Change] = []  # those of `waiting`
        self._batches: deque[_Batch] = deque()  # with files that the store has not been given
        self._given: deque[_Batch] = deque()  # that of each file which the store has been given
        self._held: _File | None = None  # the next file, which waits for those before it
        self._names = Names()
        self._has_changed_names = False
        self.waiting: deque[_Change | _Batch] = deque()
        self.other: Received | None = None

    def admit(self, message: Received) -> None:
        """Take a request into the run."""
        self._count += 1
        if isinstance(message, WriteMany):
            batch = _Batch(self._context, message, self._count)
            self._batches.append(batch)
            self.waiting.append(batch)
            return
        assert isinstance(message, MakeDirectory | SetAttributes)
        place: DirectoryPath = message.path
        if isinstance(message, MakeDirectory):
            place = self._names.place_of(message.path)
            self._names.note_directory(message.path, self._count)
        before = [one for one in self.waiting if one.is_about(place)]
        change = _Change(message, self._count, place, before)
        self._changes.append(change)
        self.waiting.append(change)
        self._begin_changes()

    def _take_more(self) -> None:
        """Take the requests that have come, up to the first one that is served by itself."""
        while self.other is None and len(self.waiting) < self._context.store.at_once and not self._stopping():
            if time.monotonic() > self._until:
                return
            message = self._context.channel.receive_at_once()
            if message is None:
                return
            if is_write(self._context, message):
                self.admit(message)
            else:
                self.other = message

    def _begin_changes(self) -> None:
        for change in self._changes:
            if change.outcome is None and change.may_begin:
                change.begin(self._context, self._threads)

    def write(self, small: SmallFiles) -> None:
        """Carry out what has come, until nothing is left or a file needs what `small` may not know."""
        self._has_changed_names = False
        self._names.forget(before=self.waiting[0].number)
        while self.waiting and not self._has_changed_names:
            with contextlib.closing(small.write_each(self._files())) as outcomes:
                for outcome in outcomes:
                    self._note(outcome)
            self._settle()
            self._take_more()

    def _files(self) -> Iterator[_File]:
        """Yield the files of the batches, up to one that has to wait until those before it are done."""
        while (file := self._next_file()) is not None:
            batch, path = self._batches[0], file[0]
            if not self._may_write(batch, path):
                self._held = file
                return
            self._names.note_file(path)
            self._given.append(batch)
            yield file

    def _next_file(self) -> _File | None:
        file, self._held = self._held, None
        while file is None:
            self._take_more()
            if not self._batches:
                return None
            file = next(self._batches[0].files, None)
            if file is None:
                self._batches.popleft()
                self._begin_changes()
        return file

    def _may_write(self, batch: _Batch, path: Path) -> bool:
        """Wait for what the session has to do first about this path; return False if that has not been begun."""
        for change in self._changes:
            if change.number < batch.number and not change.is_done and change.is_about(path):
                if change.outcome is None:
                    return False
                self._wait_for(change.outcome)
        self._has_changed_names = self._names.has_changed(path, batch.number)
        return not self._has_changed_names

    def _wait_for(self, outcome: Call[Any]) -> None:
        self._answer()
        self._context.channel.flush()
        outcome.wait()

    def _note(self, outcome: Kept | FileError) -> None:
        """Note what has become of the oldest file, and answer the requests that are done."""
        batch = self._given.popleft()
        batch.note(outcome)
        if batch.is_done:
            self._begin_changes()
        self._answer()
        if time.monotonic() - self._context.channel.last_sent > _FLUSH_SECONDS:
            self._context.channel.flush()

    def _settle(self) -> None:
        """Answer the oldest requests, up to one with a file that the store has not been given."""
        self._begin_changes()
        self._answer()
        while self.waiting and isinstance(oldest := self.waiting[0], _Change):
            assert oldest.outcome is not None
            self._wait_for(oldest.outcome)
            self._answer()

    def _answer(self) -> None:
        """Answer the oldest requests as far as they are done."""
        while self.waiting and self.waiting[0].is_done:
            oldest = self.waiting[0]
            if isinstance(oldest, _Change):
                self._changes.remove(oldest)
                self.waiting.popleft()
                serve(self._context, oldest.request, oldest.answer)
            else:
                oldest.answer()
                self.waiting.popleft()

    def close(self) -> None:
        """End what runs, and log what was done of batches that were not answered."""
        self._threads.close()
        for one in self.waiting:
            if isinstance(one, _Batch):
                one.write_log()
