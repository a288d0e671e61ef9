"""Large files of a copy that are sent in parts, by the session of the copy and by additional streams.

The thread of the copy sends parts like the others, and it alone reports. It goes on with the next file when all parts
of one are taken; so there are two at a time at most, one of which is about to be complete. Additional streams begin
once the server has answered what was requested before the file: until then the file's directory may be missing.

A copy that continues over another session goes on with the same upload: what the server has confirmed is not sent
again. Another copy takes over what the server has kept, under a new id, after its digest has been compared.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from secftp.errors import ConnectionLost, FileChanged, FileError, Side, TransferTimeout
from secftp.intervals import Intervals
from secftp.protocol import Error, ErrorCode, Info, Ok, Stat, check_path
from secftp.session import new_token
from secftp.session.replies import SingleReply
from secftp.session.uploads import PartedFile
from secftp.storage import new_digest
from secftp.storage.digest import hash_part
from secftp.transfer.engine import CHANGED
from secftp.transfer.options import KEEP_BYTES
from secftp.transfer.ordered_digest import OrderedDigest
from secftp.transfer.upload_parts import PartedUpload, PartSender
from secftp.transfer.upload_requests import NOT_RESUMED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.protocol import Message
    from secftp.session import Session
    from secftp.storage import Source
    from secftp.transfer.engine import Transfer
    from secftp.transfer.local_tree import LocalEntry

_OPEN_FILES: Final = 1  # that may be unfinished while the next one is sent
_MOST_MISSES: Final = 3  # how often a server may lack parts that it has confirmed
_REPORT_SECONDS: Final = 0.25  # between reports while only other streams send
# Error replies to a part that are about parts and not about the file: it is sent whole.
_NOT_IN_PARTS: Final = frozenset({ErrorCode.LIMIT, ErrorCode.UNSUPPORTED})


class PartedFiles:
    """The files of one copy that are sent in parts, over one session and the additional streams."""

    def __init__(self, transfer: Transfer[LocalEntry], token: bytes, *, can_resume: bool) -> None:
        self._transfer = transfer
        self._token = token
        self._can_resume = can_resume
        self._open: list[_SentFile] = []

    def send(self, entry: LocalEntry, source: Source, streams: int, opened: contextlib.ExitStack) -> None:
        """Send a file over so many streams, without waiting for the last replies; a failure of the file is counted.

        Takes the source over from `opened`.
        """
        transfer = self._transfer
        info = entry.info = source.info
        try:
            check_path(entry.remote)
            upload = self._continued(entry, source, streams) or self._begun(entry, source, streams)
        except FileError as problem:
            transfer.counters.failed(entry, problem if problem.side is Side.LOCAL else problem.locate(Side.REMOTE))
            return
        opened.pop_all()
        if transfer.options.preserve:
            entry.count_unpreserved(transfer.counters, info.mode, info.mtime_ns)
        file = _SentFile(transfer, entry, upload, streams)
        self._open.append(file)
        transfer.current = None
        transfer.counters.begun(entry, upload.queue.transferred)
        with self._survivable():
            file.send()
        while len(self._open) > _OPEN_FILES:
            self._finish_first()

    def finish(self) -> None:
        """Wait until the files that were sent are complete or have failed."""
        while self._open:
            self._finish_first()

    def _finish_first(self) -> None:
        with self._survivable():
            self._open[0].finish()
        self._count(self._open[0])

    def _count(self, file: _SentFile) -> None:
        self._open.remove(file)
        file.close()
        file.count()

    @contextlib.contextmanager
    def _survivable(self) -> Iterator[None]:
        """If the session of the copy is lost in this block, let the additional streams complete the files first."""
        try:
            yield
        except (ConnectionLost, TransferTimeout):
            self._leave_to_others()
            for file in [file for file in self._open if file.upload.over]:
                self._count(file)
            raise

    def _leave_to_others(self) -> None:
        """Wait until the additional streams, as long as there are any, have sent what is missing."""
        streams, uploads = self._transfer.streams, [file.upload for file in self._open]
        for file in self._open:
            file.leave()

        def work(session: Session) -> None:
            for upload in uploads:
                upload.work(session)

        streams.run(work, 1 + len(streams.sessions()))
        while (unfinished := [file for file in self._open if file.is_under_way]) and streams.sessions():
            unfinished[0].upload.pause(_REPORT_SECONDS)
            for file in unfinished:
                file.report()

    def give_up(self) -> list[LocalEntry]:
        """Give up the session; return the files that are not complete, which another one continues."""
        files, self._open = self._open, []
        for file in files:
            file.close()
            file.entry.upload = file.upload
            file.entry.may_have_arrived = file.upload.was_sent
        return [file.entry for file in files]

    # --- what the server has already ----------------------------------------------------------------------------------

    def has_completed(self, entry: LocalEntry, source: Source) -> bool:
        """Whether the server has completed the upload of a file whose last answer was lost; then it counts."""
        upload, transfer = entry.upload, self._transfer
        if upload is None or not upload.was_sent or not _is_same(upload, source):
            return False
        file, whole, answer = upload.file, upload.whole.result, SingleReply()
        request = file.part(transfer.pipeline.next_id(), file.total, 0)
        with contextlib.suppress(FileError):  # a source that has changed is sent anew
            transfer.pipeline.send_file(
                request, source, new_digest(file.algorithm), answer, progress=_ignored, whole=lambda: whole
            )
        reply = transfer.await_reply(answer)
        if isinstance(reply, Ok) and reply.complete:
            transfer.counters.reached(entry, file.total)
            transfer.counters.changed(times=reply.time_changed, modes=reply.mode_changed)
            transfer.complete(entry, whole)
            return True
        if isinstance(reply, Error):
            entry.upload = None  # it has failed, and a new one has to begin
        return False

    def _continued(self, entry: LocalEntry, source: Source, streams: int) -> PartedUpload | None:
        """Return the upload of an earlier session, without the parts that the server has; None if there is none."""
        earlier, entry.upload = entry.upload, None
        if earlier is None or not _is_same(earlier, source):
            return None
        done, kept = earlier.queue.done, self._kept(entry)
        if isinstance(kept, Info):
            done = _confirmed(done, _ranges(kept), earlier.file.total)
        elif isinstance(kept, Error) and kept.code is ErrorCode.NOT_FOUND:
            done = Intervals()
        return PartedUpload(
            earlier.file, source, earlier.whole, self._transfer.limit, streams=streams, done=done, prefix=earlier.prefix
        )

    def _begun(self, entry: LocalEntry, source: Source, streams: int) -> PartedUpload:
        """Return a new upload, which takes over what the server has kept of an earlier one, if it is to be resumed."""
        transfer, info = self._transfer, source.info
        assert info.size is not None
        kept, done, prefix = self._kept(entry), Intervals(), None
        whole = OrderedDigest(new_digest(transfer.algorithm), info.size)
        if isinstance(kept, Info):
            done = _ranges(kept)
            if done.end > info.size:
                transfer.counters.listener.note(entry.name, CHANGED)
                done = Intervals()
            elif done:
                prefix, whole = self._hash_kept(source, done, info.size)
        preserve = transfer.options.preserve
        file = PartedFile(
            path=entry.remote,
            upload=new_token(),
            total=info.size,
            algorithm=transfer.algorithm,
            overwrite=transfer.options.overwrite,
            mode=info.mode if preserve else None,
            mtime_ns=info.mtime_ns if preserve else None,
            keep=self._can_resume and info.size >= KEEP_BYTES,
            token=self._token,
        )
        return PartedUpload(file, source, whole, transfer.limit, streams=streams, done=done, prefix=prefix)

    def _kept(self, entry: LocalEntry) -> Message | None:
        """Return what the server says about the partial file, None if it was not asked."""
        answer, entry.partial = entry.partial, None
        return None if answer is None else self._transfer.await_reply(answer)

    def _hash_kept(self, source: Source, done: Intervals, size: int) -> tuple[bytes, OrderedDigest]:
        """Return the digest of the bytes in `done`, and that of the whole file as far as it is known by that."""
        algorithm = self._transfer.algorithm
        digest, whole = new_digest(algorithm), OrderedDigest(new_digest(algorithm), size)
        for part in done:
            if hash_part(source.readv, digest, part.at, part.size) < part.size:
                raise FileChanged("The file was truncated while it was being read.", hint="Try again.", side=Side.LOCAL)
            if not part.at:
                whole = OrderedDigest(digest.copy(), size, part.end)
        return digest.digest(), whole


class _SentFile:
    """A file that is being sent in parts, for the thread of the copy."""

    def __init__(self, transfer: Transfer[LocalEntry], entry: LocalEntry, upload: PartedUpload, streams: int) -> None:
        self.entry = entry
        self.upload = upload
        self._transfer = transfer
        self._streams = streams
        self._misses = 0
        self._has_started = streams <= 1
        self._takes_over = upload.prefix is not None
        # Whether an empty part goes ahead: streams wait until the server has compared the digest of what it has kept,
        # and until it is known that the file is not there where it would not be replaced.
        self._asks_first = self._takes_over or not upload.file.overwrite
        self._sender = PartSender(upload, transfer.pipeline, upload.source, on_progress=self.report)

    def send(self) -> None:
        """Send parts over the session of the copy until none is left; does not wait for the last replies."""
        if self._asks_first and not self.upload.queue.is_taken:
            self._sender.send_empty()
        self._start_streams()
        self._sender.send_parts()

    def finish(self) -> None:
        """Wait until the file is complete or has failed; send what other streams have given back."""
        upload, sender = self.upload, self._sender
        while not upload.over:
            self.report()
            self._transfer.check_streams()
            if not upload.queue.is_taken:
                sender.send_parts()
            elif sender.unconfirmed:
                sender.settle(sender.unconfirmed - 1)
            elif upload.queue.complete:
                sender.complete()
                if upload.is_incomplete and not self._ask_what_is_missing():
                    return
            else:
                upload.wait(_REPORT_SECONDS)
        sender.settle()

    def _ask_what_is_missing(self) -> bool:
        """Have the parts sent again that the server lacks although it confirmed them; False if that is in vain.

        A server may take in an old copy of a part from a connection that is lost, and discard what had arrived.
        """
        transfer, upload, answer = self._transfer, self.upload, SingleReply()
        self._misses += 1
        if self._misses > _MOST_MISSES:
            return False
        stat = Stat(id=transfer.pipeline.next_id(), path=self.entry.remote, partial=True, parts=True)
        transfer.pipeline.submit(stat, answer)
        kept = transfer.await_reply(answer)
        if not isinstance(kept, Info) or kept.total != upload.file.total:
            return False
        upload.miss(_ranges(kept))
        return True

    @property
    def is_under_way(self) -> bool:
        """Whether other streams may still complete it."""
        return not (self.upload.over or self.upload.is_incomplete)

    def leave(self) -> None:
        """Leave the file to the additional streams: the session of the copy is lost."""
        self._sender.give_up()
        self._has_started = self.upload.is_left = True

    def close(self) -> None:
        """Send nothing more; the source is closed when the last stream has left."""
        self._sender.give_up()
        self.upload.close()

    def count(self) -> None:
        """Count the file as complete, as failed, or have it sent once more."""
        entry, upload, transfer = self.entry, self.upload, self._transfer
        counters, answer, problem = transfer.counters, upload.answer, upload.problem
        if answer is not None:
            counters.reached(entry, upload.file.total)
            counters.changed(times=answer.time_changed, modes=answer.mode_changed)
            transfer.complete(entry, upload.whole.result)
        elif problem is not None:
            counters.reached(entry, 0)
            counters.failed(entry, problem)
        elif upload.refusal is not None:
            self._count_refusal(upload.refusal)
        else:
            entry.is_whole = True
            transfer.start_again(entry, "the server has not kept all parts of it, so it starts again")

    def _count_refusal(self, refusal: Error) -> None:
        entry, transfer, code = self.entry, self._transfer, refusal.code
        if transfer.ends_transfer(code, refusal.reason, (entry,)):
            entry.upload = self.upload
        elif self._takes_over and self.upload.prefix is not None and code in NOT_RESUMED:
            transfer.start_again(entry, "the server's partial file can't be resumed, so it starts again")
        elif code in _NOT_IN_PARTS:
            entry.is_whole = True
            transfer.counters.reached(entry, 0)
            transfer.requeue(entry)
        else:
            transfer.counters.reached(entry, 0)
            transfer.refused(entry, code, refusal.reason)

    def report(self) -> None:
        """Report progress; let other streams begin as soon as the server is ready for them."""
        self._transfer.counters.reached(self.entry, self.upload.queue.transferred)
        self._start_streams()

    def _start_streams(self) -> None:
        is_ready = self._transfer.pipeline.unanswered <= self._sender.unconfirmed
        if self._asks_first:
            is_ready = is_ready and self.upload.was_answered
        if not self._has_started and is_ready:
            self._has_started = True
            self._transfer.streams.run(self.upload.work, self._streams)


def _ranges(kept: Info) -> Intervals:
    """Return what the server has kept of a file; without a list of parts, it is the beginning."""
    return Intervals([(part.at, part.at + part.size) for part in kept.parts] or [(0, kept.size)])


def _confirmed(done: Intervals, kept: Intervals, total: int) -> Intervals:
    """Return what need not be sent again: of what was confirmed (`done`), what the server has kept.

    If it has all of that, what it has beyond it are parts whose answers were lost. Should they not be ours, the server
    will not complete the file.
    """
    missing = kept.gaps(total)
    if kept.end <= total and all(kept.covers(*part) for part in done):
        return kept
    for gap in missing:
        done.remove(*gap)
    return done


def _is_same(upload: PartedUpload, source: Source) -> bool:
    """Whether a source is the version of the file of which an upload has sent parts."""
    return upload.stamp is not None and upload.stamp == source.stamp


def _ignored(_done: int, _total: int | None, /) -> None:
    """Ignore progress."""
