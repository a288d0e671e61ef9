"""Upload of one small file as the first request of a session, before WELCOME has come.

It goes where it goes if the target is what it looks like: a directory with a trailing slash, else the name of a file.
The server refuses a WRITE wherever that is wrong, and after a refusal nothing has happened: the copy then begins as
every other does, by asking what the target is, unless the refusal is about something else. So no file waits for the
round trips of questions whose answers are nearly always the same.
"""

from __future__ import annotations

import hmac
import os
import stat
import time
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError
from secftp.protocol import Error, ErrorCode, Kind, Ok, Write
from secftp.session import unexpected_reply
from secftp.session.replies import SingleReply
from secftp.storage import FileInfo, new_digest
from secftp.storage.source import Snapshot
from secftp.storage.tree import EntryKind, SmallContent
from secftp.transfer.local_tree import LocalEntry, SourceRoot
from secftp.transfer.targets import last_name
from secftp.transfer.upload_requests import wrong_confirmation
from secftp.transport.file_data import unwatched

if TYPE_CHECKING:
    from secftp.transfer.engine import Transfer
    from secftp.transfer.options import RemoteLocation

# Largest size of such a file: so much may be sent in vain, once, where the target is not what it looks like.
MOST_BYTES: Final = 64 << 10
# Error replies that have nothing to do with what the target is.
_FINAL: Final = frozenset({ErrorCode.BAD_NAME, ErrorCode.NO_SPACE, ErrorCode.TOO_LARGE, ErrorCode.IO_ERROR})


def first_file(transfer: Transfer[LocalEntry], source: str, target: RemoteLocation) -> LocalEntry | None:
    """Return the entry of a source that can be sent before anything is asked, with its path at the server.

    None for whatever is not simply a small file: it takes the usual way, which also says what is wrong with it.
    """
    options = transfer.options
    if options.dry_run or options.update or options.resume or transfer.limit.rate is not None:
        return None  # these ask what is there; a limit paces what is sent
    if options.backup is not None:
        return None  # a server that keeps none would replace the file
    try:
        status = transfer.waits.call(os.stat, source)
        name = last_name(source)
    except (OSError, ValueError):  # a `FileError` is an OSError
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES or not name:
        return None
    if not transfer.filters.wants_file((name,)) or transfer.is_results(source):
        return None
    path = (*target.path, name) if target.trailing_slash or not target.path else target.path
    entry = LocalEntry(EntryKind.FILE, SourceRoot(source, path, name), ())
    entry.began = time.monotonic()
    return entry


def send_first(transfer: Transfer[LocalEntry], entry: LocalEntry, token: bytes) -> bool:
    """Send a small file and wait for the reply. Returns whether that settled it; nothing is counted if not."""
    options, reply, digest = transfer.options, SingleReply(), new_digest(transfer.algorithm)
    try:
        content = transfer.waits.call(entry.root.files.open, (), MOST_BYTES)
        if not isinstance(content, SmallContent):
            content.close()
            return False
        mode, mtime_ns, data = content
        request = Write(
            id=transfer.pipeline.next_id(),
            path=entry.remote,
            size=len(data),
            algorithm=transfer.algorithm,
            overwrite=options.overwrite,
            mode=mode if options.preserve else None,
            mtime_ns=mtime_ns if options.preserve else None,
            token=token,
        )
    except FileError:
        return False
    with Snapshot(FileInfo(Kind.FILE, len(data), mtime_ns, mode), data) as source:
        transfer.pipeline.send_file(request, source, digest, reply, progress=unwatched)
    answer = transfer.await_reply(reply)
    if isinstance(answer, Error):
        if answer.code not in _FINAL:
            return False
        _announce(transfer, entry, content)
        transfer.refused(entry, answer.code, answer.reason)
        return True
    if not isinstance(answer, Ok):
        raise unexpected_reply()
    _announce(transfer, entry, content)
    _confirm(transfer, entry, answer, digest.digest())
    return True


def _announce(transfer: Transfer[LocalEntry], entry: LocalEntry, content: SmallContent) -> None:
    """Tell the listener the plan, and that the file begins."""
    counters = transfer.counters
    if transfer.options.preserve:
        entry.count_unpreserved(counters, content.mode, content.mtime_ns)
    counters.resize(entry, len(content.data))
    counters.all_found()
    counters.begun(entry, 0)


def _confirm(transfer: Transfer[LocalEntry], entry: LocalEntry, answer: Ok, digest: bytes) -> None:
    """Count a file that the server has confirmed."""
    counters = transfer.counters
    if answer.digest is not None and not hmac.compare_digest(answer.digest, digest):
        counters.failed(entry, wrong_confirmation(entry))
        return
    counters.reached(entry, entry.size or 0)
    counters.changed(times=answer.time_changed, modes=answer.mode_changed)
    transfer.complete(entry, digest)
