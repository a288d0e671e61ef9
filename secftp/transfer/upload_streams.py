"""Large files of a copy that are sent in parts, by the session of the copy and by additional streams.

The copy goes on with the next file when all parts of one are taken; so there are two at a time at most, one of which is
about to be complete.

A copy that continues over another session goes on with the same upload: what the server has confirmed is not sent
again. Another copy takes over what the server has kept, under a new id, after its digest has been compared.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from secftp.errors import ConnectionLost, FileChanged, FileError, Side, TransferTimeout
from secftp.intervals import Intervals
from secftp.protocol import Error, ErrorCode, Info, Ok, check_path
from secftp.session import new_token
from secftp.session.replies import SingleReply
from secftp.session.uploads import PartedFile
from secftp.storage import new_digest
from secftp.storage.digest import hash_part
from secftp.transfer.engine import CHANGED
from secftp.transfer.options import KEEP_BYTES
from secftp.transfer.ordered_digest import OrderedDigest
from secftp.transfer.upload_in_parts import REPORT_SECONDS, SentFile, ranges_of
from secftp.transfer.upload_parts import PartedUpload
from secftp.transfer.upload_sender import send_parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.protocol import Message
    from secftp.session import Session
    from secftp.storage import Source
    from secftp.transfer.engine import Transfer
    from secftp.transfer.local_tree import LocalEntry

_OPEN_FILES: Final = 1  # that may be unfinished while the next one is sent


class PartedFiles:
    """The files of one copy that are sent in parts, over one session and the additional streams."""

    def __init__(self, transfer: Transfer[LocalEntry], session: Session, token: bytes, *, can_resume: bool) -> None:
        self._transfer = transfer
        self._session = session
        self._token = token
        self._can_resume = can_resume
        self._open: list[SentFile] = []

    def send(self, entry: LocalEntry, source: Source, streams: int, opened: contextlib.ExitStack) -> None:
        """Send a file over so many streams, without waiting for the last replies; a failure of the file is counted.

        Takes the source over from `opened`.
        """
        transfer = self._transfer
        info = entry.info = source.info
        try:
            check_path(entry.remote)
            if streams > 1 and transfer.options.overwrite:
                transfer.streams.open(streams)  # while the file is looked at
            upload = self._continued(entry, source, streams) or self._begun(entry, source, streams)
        except FileError as problem:
            transfer.counters.failed(entry, problem if problem.side is Side.LOCAL else problem.locate(Side.REMOTE))
            return
        opened.pop_all()
        if transfer.options.preserve:
            entry.count_unpreserved(transfer.counters, info.mode, info.mtime_ns)
        tuner = transfer.streams.tuner_for(self._session, streams) if streams > 1 else None
        file = SentFile(transfer, entry, upload, streams, tuner)
        for earlier in self._open:
            earlier.tuner = None  # what is added works on the latest file
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

    def _count(self, file: SentFile) -> None:
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
                send_parts_of(upload, session)

        streams.run(work, 1 + len(streams.sessions()))
        while (unfinished := [file for file in self._open if file.is_under_way]) and streams.sessions():
            unfinished[0].upload.pause(REPORT_SECONDS)
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
            done = _confirmed(done, ranges_of(kept), earlier.file.total)
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
            done = ranges_of(kept)
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
            holes=source.hole_bytes,
            backup=transfer.options.backup_suffix,
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
