"""Upload of files and directories of this machine to a server.

No request waits for the reply to an earlier one: a server carries them out in order. So a directory is requested before
the files in it, its permissions and time are set after the last of them (see `upload_directories`), and all of that is
under way at once. Small files are packed into one request until that is full.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError, NotFound, Reason, Side
from secftp.protocol import Capability, ErrorCode, NewFile, Right, WriteMany, clause_for
from secftp.protocol.limits import MAX_BULK
from secftp.session import new_token
from secftp.storage.tree import EntryKind, SmallContent
from secftp.transfer import local_tree
from secftp.transfer.engine import EXISTS, OWN_FILE, SAME
from secftp.transfer.preflight import Preflight
from secftp.transfer.targets import require_right, target_missing, upload_roots
from secftp.transfer.upload_directories import DirectoryUpload
from secftp.transfer.upload_files import LargeFiles, open_streams_early
from secftp.transfer.upload_first import first_file, send_first
from secftp.transfer.upload_large import compare_refused
from secftp.transfer.upload_requests import UploadBatch, WriteManyRequest, failure_of, message_bytes, set_mode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secftp.session import Session
    from secftp.storage.source import FileSource
    from secftp.transfer.local_tree import LocalEntry, LocalFiles, SourceRoot
    from secftp.transfer.options import CopyOptions, RemoteLocation
    from secftp.transfer.progress import ProgressListener
    from secftp.transfer.read_ahead import SmallFilesAhead
    from secftp.transfer.upload_requests import Refusals
    from secftp.transport.compression import SmallFileCompressor

_COPIED: Final = (EntryKind.FILE, EntryKind.DIRECTORY, EntryKind.LEFT)
_ASKED_AHEAD: Final = 960  # entries that the preflight asks about before they are sent
# What is not confirmed is remembered: else empty files would be by the hundred thousand.
_REQUESTS_UNDER_WAY: Final = 128
_FLUSH_BYTES: Final = 4 * MAX_BULK


class Upload(DirectoryUpload):
    """A copy of `sources`, names of this machine, to `target` at the server.

    `make_parents`: create the directories above the target if they are missing. `is_exact`: the one source gets the
    name of the target, even if that is a directory already.
    """

    is_exact = False
    fatal_codes = frozenset({ErrorCode.READ_ONLY})
    make_parents = False
    _preflight: Preflight

    def __init__(
        self,
        sources: Sequence[str],
        target: RemoteLocation,
        options: CopyOptions | None = None,
        listener: ProgressListener | None = None,
    ) -> None:
        super().__init__(options, listener)
        self._sources = sources
        self._target = target
        self.batch: UploadBatch = UploadBatch()
        self._token = new_token()
        self._entries: Iterator[LocalEntry] | None = None  # None before the first session
        self._may_have_arrived = False  # whether the first file was sent over a session that was lost
        self._open: LocalFiles | None = None
        self._unflushed_bytes = 0
        self._to_compare: Refusals = []
        self._packer: SmallFileCompressor | None = None  # of this session
        self._files_ahead: SmallFilesAhead | None = None  # in this session, where that pays

    def begin_early(self, session: Session) -> None:  # noqa: ARG002 - the pipeline is that of the session
        """Send the source at once if it is one small file, over the first session."""
        if self._entries is not None or self._may_have_arrived or len(self._sources) != 1:
            return
        if self.is_exact and (self._target.trailing_slash or not self._target.path):
            return
        entry = first_file(self, self._sources[0], self._target)
        if entry is None:
            return
        self._may_have_arrived = True
        is_settled = send_first(self, entry, self._token)
        self._may_have_arrived = False
        if is_settled:
            self._entries = iter(())

    def begin(self, session: Session) -> None:
        """Decide where the sources go, over the first session; ask about what is still to be sent."""
        if self._entries is None:
            self._entries = self._plan(session)
        if self.options.backup is not None:
            session.require(Capability.BACKUP, self._target.path)
        self._session += 1
        self._packer = self._new_packer(session)
        self._large = LargeFiles(self, session, self._token)
        self._preflight = Preflight(session, self.options)
        self._files_ahead = None if self.waits.may_block else self._read_ahead()
        if not self.counters.wants_plan:
            self.ahead = _ASKED_AHEAD if self._preflight.needed else 1
        for entry in self._queue:
            self._preflight.ask(entry, self.pipeline)

    def _new_packer(self, session: Session) -> SmallFileCompressor | None:
        """Return what compresses small files, if that is wanted and the server supports it."""
        if self.pipeline.compress is None or not session.can(Capability.ZSTD):
            return None
        from secftp.transport.compression import SmallFileCompressor

        return SmallFileCompressor(self.pipeline.compress)

    def _plan(self, session: Session) -> Iterator[LocalEntry]:
        options = self.options
        if options.dry_run:
            require_right(session, Right.WRITE, self._target.path)
        open_streams_early(self, session, self._sources)
        roots, is_missing = self._roots(session)
        if is_missing and not options.dry_run:
            session.make_directory(self._target.path, parents=True)
        with_info = self.counters.wants_plan or options.update or options.resume or options.dry_run
        entries = local_tree.walk(roots, self.filters, follow_symlinks=options.follow_symlinks, with_info=with_info)
        return self.waits.iterate(entries)

    def _roots(self, session: Session) -> tuple[list[SourceRoot], bool]:
        try:
            return self._roots_below(session)
        except NotFound as problem:
            if not self.make_parents or problem.reason is not Reason.NO_PARENT:
                raise
        session.make_directory(self._target.path[:-1], parents=True)
        return self._roots_below(session)

    def _roots_below(self, session: Session) -> tuple[list[SourceRoot], bool]:
        roots, is_missing = upload_roots(session, self._sources, self._target, is_exact=self.is_exact)
        if self.options.shard is not None and not self.is_exact and session.can(Capability.STAT):
            (root, *_), target = roots, self._target.path
            if root.name and root.target == target and self.waits.call(os.path.isdir, root.source):
                raise target_missing()
        return roots, is_missing

    def discover(self) -> LocalEntry | None:
        """Return the next entry of the walk through the sources."""
        assert self._entries is not None
        entry = next(self._entries, None)
        if entry is not None:
            entry.may_have_arrived = self._may_have_arrived
            if entry.kind is EntryKind.FILE and entry.info is not None and self.counters.wants_plan:
                self.counters.resize(entry, entry.info.size or 0)
            if self._preflight.needed:
                self._preflight.ask(entry, self.pipeline)
        return entry

    def process(self, entry: LocalEntry) -> None:
        """Send a file, or request what has to be done about a directory."""
        if entry.there is not None:
            self.await_reply(entry.there)
        kind = entry.kind
        if kind not in _COPIED:
            local_tree.count_uncopied(entry, self.counters, follow_symlinks=self.options.follow_symlinks)
        elif kind is not EntryKind.FILE and not (entry.path or entry.root.copies_top):
            return
        elif kind is EntryKind.FILE and self.is_results(entry.root.source, entry.path):
            self.counters.left_out(entry.name, OWN_FILE, entry.below)
            self.counters.drop(entry)
        elif self.options.dry_run:
            self._rehearse(entry)
        elif kind is EntryKind.FILE:
            if entry.there is None or not self._is_skipped(entry):
                self._send_file(entry)
        elif kind is EntryKind.DIRECTORY:
            entry.existed = self._preflight.existed(entry)
            self._make_directory(entry)
        elif self.options.preserve:
            self._close_directory(entry)

    def _rehearse(self, entry: LocalEntry) -> None:
        """Count what would become of a file or directory."""
        if self._is_lost(entry):
            self.counters.drop(entry)
        elif entry.kind is EntryKind.FILE:
            self._preflight.rehearse_file(self, entry, self._files_of(entry))
        elif entry.kind is EntryKind.DIRECTORY and not self._preflight.rehearse_directory(self, entry):
            self._failed_directories.add(entry.remote)

    # --- files --------------------------------------------------------------------------------------------------------

    def _is_skipped(self, entry: LocalEntry) -> bool:
        """Whether the options leave a file as it is at the server; its permissions may have to be set."""
        reason = self._preflight.reason_to_skip(entry, self._files_of(entry))
        if reason == SAME and self._preflight.has_other_mode(entry):
            set_mode(self, entry)
        elif reason:
            self.skip(entry, reason)
        return bool(reason)

    def _send_file(self, entry: LocalEntry) -> None:
        if self._is_lost(entry):
            self.counters.drop(entry)
            return
        if entry.directory is not None and entry.directory.session != self._session:
            self._require_directory(entry.directory)
        try:
            content = self._open_file(entry)
        except FileError as problem:
            self.counters.failed(entry, problem)
            return
        if isinstance(content, SmallContent):
            self._gather(entry, content)
            return
        self.counters.resize(entry, content.info.size or 0)
        assert self._large is not None
        self._large.send(entry, content)

    def _read_ahead(self) -> SmallFilesAhead:
        from secftp.transfer.read_ahead import SmallFilesAhead  # only where it is used

        return SmallFilesAhead(self.waits, self._queue)

    def _open_file(self, entry: LocalEntry) -> SmallContent | FileSource:
        files = self._files_of(entry)
        if self._files_ahead is None:
            return self.waits.call(files.open, entry.path, self.small_limit)
        return self._files_ahead.open(files, entry, self.small_limit)

    def _files_of(self, entry: LocalEntry) -> LocalFiles:
        """Return the files of an entry's source; those of one source at a time are held open."""
        files = entry.root.files
        if files is not self._open:
            if self._open is not None:
                self._open.close()
            self._open = files
        return files

    def _gather(self, entry: LocalEntry, content: SmallContent) -> None:
        """Put a small file into the batch, after sending that if it is full."""
        mode, mtime_ns, data = content
        preserve = self.options.preserve
        if preserve:
            entry.count_unpreserved(self.counters, mode, mtime_ns)
        size, path, clear_size = len(data), entry.remote, None
        self.counters.resize(entry, size)
        entry.digest = self.digest_of(data)
        if self._packer is not None:
            data, clear_size = self.waits.call(self._packer.compress, data)
            self.pipeline.channel.count_data(size, size - len(data))
            self.pipeline.channel.take_saved()  # the rate limit counts what is sent
        nbytes = message_bytes(path, len(data))
        if not self.batch.has_room(nbytes):
            self.send_batch()
        try:
            new_file = NewFile(path, data, entry.digest, mode if preserve else None, mtime_ns if preserve else None)
        except FileError as problem:
            self.counters.failed(entry, problem.locate(Side.REMOTE))
            return
        self.batch.add(entry, new_file, nbytes, clear_size)
        self.current = None
        self.counters.listener.started(entry.name, size)

    def send_batch(self) -> None:
        """Send the small files that were gathered, then what had to wait for them."""
        self._requested_directories = 0
        batch = self.batch
        if batch.items:
            request = WriteMany(
                id=self.pipeline.next_id(),
                files=tuple(batch.new_files),
                algorithm=self.algorithm,
                overwrite=self.options.overwrite,
                token=self._token,
                clear_sizes=batch.clear_sizes,
                backup=self.options.backup_suffix,
            )
            can_compare = self._large is not None and self._large.can_compare
            pending = WriteManyRequest(self, batch.items, self._to_compare if can_compare else None)
            self.batch = UploadBatch()
            self._unflushed_bytes += batch.nbytes
            self.track(pending)
            self.pipeline.submit(request, pending)
            if self._unflushed_bytes >= _FLUSH_BYTES or self.limit.rate:
                self._unflushed_bytes = 0
                self.pipeline.flush()
                self.pipeline.poll()
            while len(self.pending) > _REQUESTS_UNDER_WAY:
                self.pipeline.step()
            self.limit.spend(sum(len(file.data) for file in batch.new_files))
        while self._closing:
            self._set_attributes(self._closing.popleft())

    # --- outcomes -----------------------------------------------------------------------------------------------------

    def refused(self, entry: LocalEntry, code: ErrorCode, reason: str | None = None) -> None:
        """Count a failure, unless it follows from one that was reported already."""
        is_lost = self._is_lost(entry)
        if entry.kind is EntryKind.DIRECTORY:
            self._failed_directories.add(entry.remote)
        if is_lost:
            self.counters.drop(entry)
        elif entry.kind is EntryKind.LEFT:  # the directory is there, so nothing has failed
            note = f"its permissions and time could not be set: {clause_for(code, reason)}"
            self.counters.listener.note(entry.name, note)
        elif code is ErrorCode.EXISTS and entry.kind is EntryKind.FILE and not self.options.overwrite:
            self.skip(entry, EXISTS)
        else:
            self.counters.failed(entry, failure_of(entry, code, reason))

    def settled(self) -> None:
        """Compare files that were refused and may have arrived."""
        if self._large is not None:
            self._large.finish()
        if self._to_compare:
            compare_refused(self, self._to_compare, self._token)

    def unanswered(self) -> list[LocalEntry]:
        """Return the entries without a reply, which may have arrived."""
        entries = [*super().unanswered(), *(entry for entry, _, _ in self._to_compare)]
        self._to_compare.clear()
        for entry in entries:
            entry.may_have_arrived = True
        return [*entries, *(self._large.give_up() if self._large is not None else ())]

    def take_unfinished(self) -> list[LocalEntry]:
        """Give up the session; what was not flushed does not count any more."""
        self._unflushed_bytes = 0
        return super().take_unfinished()

    def is_complete(self) -> bool:
        """Whether nothing is left to do: additional streams may have completed the last file."""
        if self._entries is None or self._queue:
            return False
        if not self._all_discovered:
            entry = next(self._entries, None)
            if entry is not None:
                self._entries = itertools.chain((entry,), self._entries)
                return False
            self._all_discovered = True
            self.counters.all_found()
        return True

    def end(self) -> None:
        """Close the directories of the source."""
        self._large = self._files_ahead = None
        if self._open is not None:
            self._open.close()
            self._open = None
