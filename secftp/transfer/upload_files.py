"""Choice of how each file that is too large for a batch is sent, over one session: whole, in parts, or not again.

It is sent in parts where that pays: over several streams, or if a session before has begun so, or if the server has
kept parts that only an upload in parts can complete.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from secftp.protocol import Capability, ErrorCode, Info
from secftp.transfer.upload_large import has_arrived, send_large

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.session import Session
    from secftp.storage import Source
    from secftp.transfer.engine import Transfer
    from secftp.transfer.local_tree import LocalEntry
    from secftp.transfer.upload_streams import PartedFiles


def open_streams_early(transfer: Transfer[LocalEntry], session: Session, sources: Sequence[str]) -> None:
    """Open the additional streams if the first source is a large file, while the server looks at the target.

    Not where the server may turn out to have the file: then nothing is sent.
    """
    options = transfer.options
    if options.dry_run or options.update or options.resume or not options.overwrite or options.include:
        return
    if options.exclude or not sources or not session.can(Capability.UPLOADS):
        return
    try:
        status = transfer.waits.call(os.stat, sources[0])
    except (OSError, ValueError):
        return  # the walk says what is wrong with it
    if stat.S_ISREG(status.st_mode) and transfer.may_use_streams(status.st_size):
        streams = transfer.streams.number_for(session, status.st_size)
        if streams > 1:
            transfer.streams.open(streams)


class LargeFiles:
    """The large files of one copy over one session. `token`: that of the copy's requests."""

    def __init__(self, transfer: Transfer[LocalEntry], session: Session, token: bytes) -> None:
        self.can_compare = session.can(Capability.STAT) and session.can(Capability.SUM)
        self._transfer = transfer
        self._session = session
        self._token = token
        self._can_resume = session.can(Capability.RESUME)
        self._can_upload = transfer.waits.may_block and session.can(Capability.UPLOADS)
        self._parted: PartedFiles | None = None  # from the first one on

    def send(self, entry: LocalEntry, source: Source) -> None:
        """Send a file unless it has arrived already, and close the source when that is over. Does not wait for that."""
        with contextlib.ExitStack() as opened:
            opened.enter_context(source)
            if self._transfer.options.sparse:
                from secftp.storage.zeros import ZerosAsHoles  # only where it is wanted

                source = ZerosAsHoles(source)
            streams = self._streams_for(entry, source.info.size)
            if streams and self._in_parts().has_completed(entry, source):
                return
            may_be_there = entry.may_have_arrived and self.can_compare
            if may_be_there and has_arrived(self._transfer, entry, source, self._token):
                return
            if entry.is_refused:
                self._transfer.refused(entry, ErrorCode.EXISTS)
                return
            if streams:
                self._in_parts().send(entry, source, streams, opened)
            else:
                send_large(self._transfer, entry, source, token=self._token, can_resume=self._can_resume)

    def finish(self) -> None:
        """Wait until the files that are sent in parts are complete, or have failed."""
        if self._parted is not None:
            self._parted.finish()

    def give_up(self) -> list[LocalEntry]:
        """Give up the session; return the files that are sent in parts and not complete."""
        return self._parted.give_up() if self._parted is not None else []

    def _streams_for(self, entry: LocalEntry, size: int | None) -> int:
        """Return how many streams a file is to be sent over in parts, 0 if it is sent whole."""
        transfer = self._transfer
        if not self._can_upload or entry.is_whole or size is None:
            return 0
        streams = transfer.streams.number_for(self._session, size) if transfer.may_use_streams(size) else 1
        return streams if streams > 1 or entry.upload is not None or self._has_gaps(entry) else 0

    def _has_gaps(self, entry: LocalEntry) -> bool:
        """Whether the server has kept parts of a file that only an upload in parts can resume."""
        kept = None if entry.partial is None else self._transfer.await_reply(entry.partial)
        return isinstance(kept, Info) and any(part.at for part in kept.parts)

    def _in_parts(self) -> PartedFiles:
        """Return the files that are sent in parts; imported for the first one."""
        if self._parted is None:
            from secftp.transfer.upload_streams import PartedFiles

            self._parted = PartedFiles(self._transfer, self._session, self._token, can_resume=self._can_resume)
        return self._parted
