"""Download of files and directories of a server to this machine.

Requests are made well ahead of what has come, so the server never waits for the next one: small files by the hundred in
one request, large ones one after the other. What comes is written as it comes; nothing of a file is in memory but what
is on its way.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from secftp.errors import AlreadyExists, FileError, IsADirectory
from secftp.protocol import Capability, ErrorCode, Kind, Read, ReadMany, Right, exception_for
from secftp.storage import LocalStore, new_digest
from secftp.storage.errors import failure
from secftp.storage.resumed_sink import ResumedFileSink
from secftp.transfer.destinations import OWNER, Destination, LocalDirectories, PathDestination, StoreDestination
from secftp.transfer.download_requests import (
    DownloadBatch,
    EarlyRead,
    ReadManyRequest,
    ReadRequest,
    write_options,
)
from secftp.transfer.engine import (
    CHANGED,
    EXISTS,
    MODE_DIFFERS,
    MODE_SET,
    SAME,
    Transfer,
    duplicate_name,
    hash_prefix,
    reason_to_keep,
)
from secftp.transfer.options import KEEP_BYTES
from secftp.transfer.progress import Places
from secftp.transfer.remote_tree import RemoteDirectory, RemoteFile, RemoteTree
from secftp.transfer.targets import (
    RemoteSource,
    ask_sources,
    create_target,
    download_target,
    require_right,
    stat_sources,
    target_missing,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from secftp.protocol import Info
    from secftp.session import Session
    from secftp.session.requested import Requested
    from secftp.storage import Digest, ResumedSink
    from secftp.transfer.download_parts import DownloadParts
    from secftp.transfer.filters import Filters
    from secftp.transfer.options import CopyOptions, RemoteLocation
    from secftp.transfer.progress import Counters, ProgressListener
    from secftp.transfer.targets import DownloadTarget

_FILES_UNDER_WAY: Final = 2048
_REQUESTS_UNDER_WAY: Final = 256
_OTHER_RESULTS: Final = "Choose another file for the results, outside of the target."
# What a server has to understand for files to be fetched in parts.
_FOR_PARTS: Final = (Capability.VERSIONS, Capability.RANGES, Capability.SUM)


class Download(Transfer[RemoteFile]):
    """A copy of `sources` at the server to `target`, a name of this machine.

    `is_exact`: the one source gets that name, even if it is a directory already.
    """

    is_exact = False

    _tree: RemoteTree  # from the first session on

    def __init__(
        self,
        sources: Sequence[RemoteLocation],
        target: str,
        options: CopyOptions | None = None,
        listener: ProgressListener | None = None,
    ) -> None:
        super().__init__(options, listener)
        self._sources = sources
        self._target_name = target
        self._target: DownloadTarget | None = None  # None before the first session
        self._asked: list[Requested[Info]] | None = None  # what the sources are
        self._early: EarlyRead | None = None  # the request for a file, before it is known to be one
        self._directories = LocalDirectories(self.options, self.counters)
        self._can_resume = False
        self._over: Session | None = None  # as long as `run` runs
        self._parts: DownloadParts | None = None  # in this session, from the first large file on
        self.batch: DownloadBatch = DownloadBatch()

    def use_sources(self, sources: Sequence[RemoteLocation]) -> None:
        """Copy these sources instead; to be called before `run`."""
        self._sources = sources

    def begin_early(self, session: Session) -> None:
        """Ask what the sources are, and for the only one that may be a file, before anything is known of either."""
        if self._target is None:
            self._asked = ask_sources(session, self._sources)
            self._early = self._read_early()
        else:
            self._early = None

    def _read_early(self) -> EarlyRead | None:
        """Request the source without waiting for what it is, unless something here decides whether it is wanted."""
        (path, is_directory), options = self._sources[0], self.options
        if len(self._sources) > 1 or is_directory or not path or not self.filters.wants_file(path[-1:]):
            return None
        if options.dry_run or options.update or options.resume or not options.overwrite:
            return None
        try:
            self.waits.call(self._decide, [RemoteSource(path, None)])
        except FileError:
            return None  # it is reported when the server has said what the source is
        may_be_parted = self.open_stream is not None and options.streams != 1
        return EarlyRead(self.pipeline, path, self.algorithm, b"" if may_be_parted else None)

    def _decide(self, sources: Sequence[RemoteSource]) -> DownloadTarget:
        return download_target(self._target_name, sources, is_exact=self.is_exact)

    def begin(self, session: Session) -> None:
        """Decide where the sources go, over the first session; open the target directory."""
        self._over = session
        self._can_resume = session.can(Capability.RESUME)
        begins, dry_run = self._target is None, self.options.dry_run
        target = self._target or self._plan(session)
        if target.is_directory and (target.existed or not dry_run):
            store = self.waits.call(LocalStore, target.name)
            self._directories.use(store, self.waits)
            if begins and target.existed and not dry_run:
                self.waits.call(store.sweep_leftovers)
        if self._early is None:
            self._tree.use_round_trip(session.round_trip)
        self._tree.request_again(session.pipeline)

    def _plan(self, session: Session) -> DownloadTarget:
        """Ask what the sources are, look at the target, and create it if it has to be a directory."""
        if self.options.dry_run and self._sources:
            require_right(session, Right.READ, self._sources[0].path)
        assert self._asked is not None  # `begin_early` has asked
        sources = stat_sources(session, self._sources, self._asked)
        if sources[0].info is None or sources[0].is_directory:
            self._early = None  # its reply is an ERROR
        target = self.waits.call(self._decide, sources)
        is_new = target.is_directory and not (target.existed or target.takes_names or target.is_exact)
        if is_new and self.options.shard is not None and sources[0].path:
            raise target_missing()
        if target.is_directory and not target.existed and not self.options.dry_run:
            mode = OWNER | (sources[0].info.mode if sources[0].info else 0)
            self.waits.call(create_target, target.name, None if target.takes_names else mode)
        self._target = target
        tops = _tops(sources, target, self.filters, self.counters)
        self._tree = RemoteTree(tops, self.filters, self.counters, self._directories.opened, self._directories.closed)
        return target

    def discover(self) -> RemoteFile | None:
        """Return the next file of the tree."""
        item = self._tree.next(self.pipeline, self._before_waiting)
        if item is not None:
            self.counters.found(item.size)
        return item

    def _before_waiting(self) -> None:
        """Give the server something to do; while it has, more is gathered."""
        if not self.pending_items:
            self.send_batch()

    def process(self, item: RemoteFile) -> None:
        """Request a file, or skip it; waits while too much is under way."""
        try:
            self._require_other_file(item)
            reason = self._reason_to_skip(item)
        except FileError as problem:
            self.fail(item, problem)
            return
        if reason:
            self.skip(item, reason)
        elif self.options.dry_run:
            self.complete(item, None)
        else:
            if self._early is not None:
                self._expect(item, self._early)
            elif item.size <= self.small_limit and item.local_name is None:
                self._gather(item)
            else:
                self._request(item)
            self._fetch_parts()
            while self.pending_items >= _FILES_UNDER_WAY or len(self.pending) >= _REQUESTS_UNDER_WAY:
                self.pipeline.step()

    def done(self, item: RemoteFile) -> None:
        """Complete the directory with its last file."""
        self._tree.done(item.directory)

    def settle(self) -> None:
        """Wait until all requests are answered, and all files complete."""
        if self._parts is not None:
            self._parts.finish()
            if not self.has_more():
                self.unanswered()  # what is still to come was cancelled, and need not be waited for
                return
        super().settle()

    def take_unfinished(self) -> list[RemoteFile]:
        """Give up the session and its streams; files that are fetched in parts come first."""
        self._close_streams()
        parted = [] if self._parts is None else self._parts.give_up()
        for item in parted:
            item.resume = True
        return [*parted, *super().take_unfinished()]

    def end(self) -> None:
        """Close the target directory."""
        self._over = None
        if self._parts is not None:
            self._parts.close()
            self._parts = None
        self._directories.close()

    # --- what is here already -----------------------------------------------------------------------------------------

    def _destination(self, item: RemoteFile) -> Destination | None:
        """Return where a file goes; None where there is no directory yet, in a dry run."""
        if item.local_name is not None:
            return PathDestination(item.local_name)
        store = self._directories.store
        return None if store is None else StoreDestination(store, item.local)

    def _reason_to_skip(self, item: RemoteFile) -> str:
        """Return why what is here already is left as it is; empty if it is not."""
        options = self.options
        # A name that the user gave may be a device, which is written to.
        looks = options.update or not options.overwrite or (options.dry_run and item.local_name is None)
        destination = self._destination(item) if looks else None
        there = self.waits.call(destination.stat) if destination is not None else None
        if there is None:
            return ""
        if there.kind is Kind.DIRECTORY:
            raise failure(IsADirectory, "Is a directory", item.local)
        if not options.overwrite:
            return EXISTS
        if not options.update:
            return ""
        reason = reason_to_keep(options, item, there)
        if reason == SAME and options.preserve and (there.mode ^ item.mode) & 0o777:
            return self._set_mode(item, destination)
        return reason

    def _require_other_file(self, item: RemoteFile) -> None:
        """Raise for a file that would replace the one that the results are written to."""
        if self.counters.results is None:
            return
        top, path = (item.local_name, ()) if item.local_name is not None else (self._target_name, item.local)
        if self.is_results(top, path):
            name = os.path.join(top, *map(os.fsdecode, path))
            raise failure(AlreadyExists, "The results are written to this file", name, hint=_OTHER_RESULTS)

    def _set_mode(self, item: RemoteFile, destination: Destination | None) -> str:
        """Set the permissions of a file that is the same otherwise; returns why it is skipped."""
        if self.options.dry_run or destination is None:
            return MODE_DIFFERS
        try:
            self.waits.call(destination.set_mode, item.mode)
        except FileError as problem:
            self.counters.listener.note(item.name, f"its permissions could not be set: {problem}")
            return SAME
        return MODE_SET

    # --- requests -----------------------------------------------------------------------------------------------------

    def _gather(self, item: RemoteFile) -> None:
        """Put a small file into the batch, after requesting that if it is full."""
        path = item.remote
        nbytes = sum(map(len, path)) + 3 * len(path) + 3
        if not self.batch.has_room(nbytes, item.size):
            self.send_batch()
        self.batch.add(item, path, nbytes)
        self.current = None
        self.counters.listener.started(item.name, item.size)

    def send_batch(self) -> None:
        """Request the small files that were gathered, and send what is queued."""
        batch = self.batch
        if batch.items:
            store = self._directories.store
            assert store is not None  # in a dry run nothing is requested
            request = ReadMany(
                id=self.pipeline.next_id(),
                paths=tuple(batch.paths),
                algorithm=self.algorithm,
                compress=self.pipeline.compress,
            )
            pending = ReadManyRequest(self, batch.items, store)
            self.batch = DownloadBatch()
            self.track(pending)
            self.pipeline.submit(request, pending)
        if self._parts is None or not self._parts.is_lost:
            self.pipeline.flush()

    def _expect(self, item: RemoteFile, early: EarlyRead) -> None:
        """Take what comes for a file that was requested already."""
        self._early = None
        destination = self._destination(item)
        assert destination is not None  # in a dry run nothing is requested
        parts = self._parts_for(item, item.size)
        kind: Callable[..., ReadRequest] = ReadRequest if parts is None else parts.first_read
        pending = kind(self, item, destination, new_digest(self.algorithm), early.cancel, 0, None)
        self.track(pending, item)
        early.taker = pending

    def _request(self, item: RemoteFile) -> None:
        digest, number, pipeline = new_digest(self.algorithm), self.pipeline.next_id(), self.pipeline
        destination = self._destination(item)
        assert destination is not None  # in a dry run nothing is requested
        resumed: ResumedSink | None = None
        try:
            offset, resumed = self._resume(item, destination, digest)
            request = Read(
                id=number,
                path=item.remote,
                offset=offset,
                prefix=digest.digest() if offset else None,
                algorithm=self.algorithm,
                compress=pipeline.compress,
                holes=True,
            )
        except FileError as problem:
            if resumed is not None:
                resumed.close()
            self.fail(item, problem)
            return
        cancel = partial(pipeline.cancel, number)
        kind: Callable[..., ReadRequest] = ReadRequest
        if (parts := self._parts_for(item, item.size - offset)) is not None:
            request = msgspec.structs.replace(request, version=b"")
            kind = parts.first_read
        pending = kind(self, item, destination, digest, cancel, offset, resumed)
        self.track(pending, item)
        pipeline.submit(request, pending)

    def _parts_for(self, item: RemoteFile, size: int) -> DownloadParts | None:
        """Return what fetches a file in parts, of which `size` bytes are to come; None if it is fetched whole."""
        session = self._over
        if session is None or not item.in_parts or not self.may_use_streams(size):
            return None
        if not all(map(session.can, _FOR_PARTS)) or (streams := self.streams.number_for(session, size)) == 1:
            return None
        self.streams.open(streams)  # while the server looks for the file
        if self._parts is None:
            from secftp.transfer.download_parts import DownloadParts

            self._parts = DownloadParts(self, session)
        return self._parts

    def _fetch_parts(self) -> None:
        """Go on with what is fetched in parts, as far as this thread is needed."""
        if self._parts is not None:
            self._parts.run()

    def _resume(self, item: RemoteFile, destination: Destination, digest: Digest) -> tuple[int, ResumedSink | None]:
        """Return how many bytes the partial file of an item holds, and the sink that continues it; hashes them."""
        is_wanted = self._can_resume and (self.options.resume if item.resume is None else item.resume)
        if not is_wanted or item.size < KEEP_BYTES:
            return 0, None
        try:
            kept = self.waits.call(destination.stat, partial=True)
            if kept is None or not kept.size:
                return 0, None
            if kept.size > item.size:
                self.counters.listener.note(item.name, CHANGED)
                return 0, None
            how = write_options(self.options, item, item.size - kept.size, item.mode, item.mtime_ns)
            sink = self.waits.call(destination.resume, kept.size, how)
        except FileError:
            return 0, None  # it is being written, or is gone; what is wrong with the name itself shows when it is made
        try:
            size = kept.size
            # What an earlier session of this copy has left is whole up to its end, whatever holes the file has.
            if item.resume is None and isinstance(sink, ResumedFileSink):
                size = self.waits.call(sink.stop_at_hole)
            if size:
                hash_prefix(sink, digest, size, self.waits)
                return size, sink
        except BaseException:
            sink.close()
            raise
        sink.close()
        return 0, None

    def refused(self, item: RemoteFile, code: ErrorCode, reason: str | None = None) -> None:
        """Count a failure, or request the file once more."""
        if self.ends_transfer(code, reason, (item,)):
            return
        if code is ErrorCode.TOO_LARGE and item.size <= self.small_limit:
            # It has grown; READ will say how large it is now.
            self.counters.resize(item, self.small_limit + 1)
            self.requeue(item)
        else:
            self.fail(item, exception_for(code, item.name, reason))


def _tops(
    sources: Sequence[RemoteSource], target: DownloadTarget, filters: Filters, counters: Counters
) -> Iterator[RemoteDirectory | RemoteFile]:
    """Yield the sources; one that can't be copied, or has the name of an earlier one, is counted as a failure."""
    taken = set()
    for path, info, problem in sources:
        name = path[-1] if path else b""
        is_directory = info is not None and info.kind is Kind.DIRECTORY
        if info is None:
            places = Places(path, None, (name,) if name and target.takes_names else ())
            counters.problem(name or b"/", problem or exception_for(ErrorCode.IO_ERROR, name), places)
        elif name in taken:
            counters.problem(name, duplicate_name(name))
        elif is_directory and (not name or filters.wants_directory((name,))):
            directory = RemoteDirectory(path, (name,) if name and target.takes_names else (), name)
            directory.mode, directory.mtime_ns = info.mode, info.mtime_ns
            directory.sets_attributes = bool(directory.local) or not target.existed or target.is_exact
            if name:
                taken.add(name)
            yield directory
        elif not is_directory and filters.wants_file((name,)):
            taken.add(name)
            local_name = None if target.is_directory else target.name
            parent = RemoteDirectory(path[:-1], (), b"")
            yield RemoteFile(parent, name, info.size, info.mtime_ns, info.mode, local_name)
