"""Preflight of an upload: what the server has of a file already, asked well ahead of sending it.

The requests are under way while earlier files are sent, so no file waits for a round trip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.errors import FileError, Reason
from secftp.protocol import Capability, Error, ErrorCode, Info, Kind, Right, Stat, exception_for
from secftp.session.replies import SingleReply
from secftp.storage.tree import EntryKind
from secftp.transfer.engine import EXISTS, MODE_DIFFERS, SAME, reason_to_keep
from secftp.transfer.options import KEEP_BYTES

if TYPE_CHECKING:
    from secftp.protocol import Message
    from secftp.session import Session
    from secftp.session.pipeline import Pipeline
    from secftp.transfer.engine import Transfer
    from secftp.transfer.local_tree import LocalEntry, LocalFiles
    from secftp.transfer.options import CopyOptions

# Why STAT is refused although the session may write there.
_MAY_NOT_LOOK: Final = frozenset({None, Reason.MAY_NOT_LIST, Reason.MAY_NOT_READ})


class Preflight:
    """The questions to one session's server, and what follows from the replies, once they are here.

    `needed`: whether the options need any.
    """

    def __init__(self, session: Session, options: CopyOptions) -> None:
        can_look = options.dry_run and session.can(Capability.STAT)
        self._options = options
        self._waits = waits = session.pipeline.waits
        self._about_files = options.update or can_look
        self._about_directories = can_look or (not options.overwrite and not options.dry_run)
        self._about_partials = not options.dry_run and session.can(Capability.RESUME)
        self._about_parts = self._about_partials and waits.may_block and session.can(Capability.UPLOADS)
        self._may_overwrite = session.may(Right.OVERWRITE)
        self.needed = self._about_files or self._about_directories or (self._about_partials and options.resume)

    def ask(self, entry: LocalEntry, pipeline: Pipeline) -> None:
        """Request what has to be known before the entry is processed: replies for its `there` and `partial`."""
        entry.there = entry.partial = None
        if entry.kind is EntryKind.DIRECTORY and self._about_directories and not entry.session:
            entry.there = _stat(entry, pipeline)
        if entry.kind is not EntryKind.FILE:
            return
        if self._about_files and not entry.may_have_arrived:
            entry.there = _stat(entry, pipeline)
        is_large = entry.info is not None and (entry.info.size or 0) >= KEEP_BYTES
        is_resumed = self._options.resume if entry.resume is None else entry.resume
        if self._about_partials and is_large and is_resumed:
            entry.partial = _stat(entry, pipeline, partial=True, parts=self._about_parts)

    # --- verdicts -----------------------------------------------------------------------------------------------------

    def reason_to_skip(self, entry: LocalEntry, files: LocalFiles) -> str:
        """Return why a file, one of `files`, is left as it is at the server; empty if it is not."""
        there, info = _reply(entry.there), entry.info
        if not isinstance(there, Info):
            return ""
        if not self._options.overwrite:
            return EXISTS
        if not self._options.update or info is None or there.kind is not Kind.FILE:
            return ""
        reason = reason_to_keep(self._options, info, there)
        if reason == SAME and not info.size and not self._waits.call(_is_empty, files, entry):
            return ""
        return reason

    def has_other_mode(self, entry: LocalEntry) -> bool:
        """Whether a file that is the same at the server has other permissions than it should get."""
        there, info = _reply(entry.there), entry.info
        if not self._options.preserve or info is None or not isinstance(there, Info):
            return False
        return bool((there.mode ^ info.mode) & 0o777)

    def existed(self, directory: LocalEntry) -> bool:
        """Whether a directory is there already and is to be left as it is.

        That is decided once: over a later session it may be there because an earlier one created it.
        """
        if directory.session:
            return directory.existed
        there = _reply(directory.there)
        return self._about_directories and isinstance(there, Info) and there.kind is Kind.DIRECTORY

    # --- a dry run ----------------------------------------------------------------------------------------------------

    def rehearse_directory(self, transfer: Transfer[LocalEntry], entry: LocalEntry) -> bool:
        """Whether a directory could be created, as far as can be seen; a failure is counted."""
        problem = self._obstacle(entry)
        if problem is not None:
            transfer.counters.failed(entry, problem)
        return problem is None

    def rehearse_file(self, transfer: Transfer[LocalEntry], entry: LocalEntry, files: LocalFiles) -> None:
        """Count what would become of a file, as far as can be seen."""
        problem = self._obstacle(entry)
        if problem is None:
            try:
                self._waits.call(files.open_source, entry.path).close()
            except FileError as unreadable:
                problem = unreadable
        reason = self.reason_to_skip(entry, files) if problem is None else ""
        if problem is None and not reason and not self._may_overwrite and isinstance(_reply(entry.there), Info):
            problem = exception_for(ErrorCode.EXISTS, entry.name, Reason.MAY_NOT_OVERWRITE)
        if problem is not None:
            transfer.counters.failed(entry, problem)
        elif reason:
            transfer.skip(entry, MODE_DIFFERS if reason == SAME and self.has_other_mode(entry) else reason)
        else:
            if entry.size is None and entry.info is not None:
                transfer.counters.resize(entry, entry.info.size or 0)
            transfer.complete(entry, None)

    def _obstacle(self, entry: LocalEntry) -> FileError | None:
        """Return what would keep a file or a directory from being created, as far as the server tells."""
        there, is_file = _reply(entry.there), entry.kind is EntryKind.FILE
        if isinstance(there, Info) and is_file == (there.kind is Kind.DIRECTORY):
            code, reason = (ErrorCode.IS_DIRECTORY, None) if is_file else (ErrorCode.EXISTS, Reason.FILE)
            return exception_for(code, entry.name, reason)
        if isinstance(there, Error) and there.code is not ErrorCode.NOT_FOUND and there.reason not in _MAY_NOT_LOOK:
            return exception_for(there.code, entry.name, there.reason)
        return None


def _stat(entry: LocalEntry, pipeline: Pipeline, *, partial: bool = False, parts: bool = False) -> SingleReply | None:
    answer = SingleReply()
    try:
        request = Stat(id=pipeline.next_id(), path=entry.remote, partial=partial, parts=parts)
    except FileError:
        return None  # a bad name, which sending it will report
    pipeline.submit(request, answer)
    return answer


def _reply(answer: SingleReply | None) -> Message | None:
    return None if answer is None else answer.message


def _is_empty(files: LocalFiles, entry: LocalEntry) -> bool:
    """Whether a file with a size of 0 is empty (files of /proc are not); an unreadable one fails when it is sent."""
    try:
        with files.open_source(entry.path) as source:
            return source.info.size == 0
    except FileError:
        return False
