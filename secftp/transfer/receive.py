"""Receiving a file's data: write to a sink, hash, compare the digest at its END. Both roles use it.

Invariant: a file counts as whole only when its END has come with the digest of what was written. Until then its sink
is not committed.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from secftp.channel import DataRun
from secftp.errors import ChecksumMismatch, ProtocolError
from secftp.messages import Abort, Cancel, End, remote_failure
from secftp.transfer.progress import Progress, unwatched

if TYPE_CHECKING:
    from secftp.channel import Channel, Received
    from secftp.messages import ErrorCode
    from secftp.storage import Digest, Path, Sink


class Aborted(Exception):
    """The peer ended the file early with an ABORT, for the reason in `code`."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code)
        self.code = code


class IncomingFile:
    """A file under way to this side. The sink is neither committed nor closed here."""

    __slots__ = ("_digest", "_sink", "_subject", "end", "size")

    def __init__(self, sink: Sink, digest: Digest, *, subject: Path | bytes) -> None:
        self.size = 0  # bytes written
        self.end: End | None = None  # once it has come, and the digest agrees
        self._sink = sink
        self._digest = digest
        self._subject = subject

    def take(self, received: Received) -> None:
        """Take the next part of the file.

        Raises `ChecksumMismatch` for a digest that differs, `Aborted` for an ABORT, `ProtocolError` for what is no part
        of a file, and what the sink raises. Nothing may be taken after that.
        """
        match received:
            case DataRun(buffers, size):
                self._sink.writev(buffers)
                digest = self._digest
                for buffer in buffers:
                    digest.update(buffer)
                self.size += size
            case End():
                if not hmac.compare_digest(received.digest, self._digest.digest()):
                    raise checksum_mismatch(self._subject)
                self.end = received
            case Abort():
                raise Aborted(received.code)
            case _:
                raise ProtocolError("Something else came in the middle of a file.")


def receive_file(
    channel: Channel, sink: Sink, digest: Digest, *, total: int | None, subject: Path, progress: Progress = unwatched
) -> End:
    """Receive a file to its END, which is returned. Raises what `IncomingFile.take` and the channel raise."""
    file = IncomingFile(sink, digest, subject=subject)
    while file.end is None:
        received = channel.receive()
        if isinstance(received, Cancel):
            continue  # it is about a read, and a read that came before this file is over
        file.take(received)
        if isinstance(received, DataRun):
            progress(file.size, total)
    return file.end


def discard_file(channel: Channel) -> None:
    """Throw away the rest of a file that was refused, up to its END or ABORT. The state machine bounds it."""
    while not isinstance(channel.receive(), End | Abort):
        pass


def checksum_mismatch(subject: Path | bytes) -> ChecksumMismatch:
    """Return the exception for a file that did not arrive as it was sent."""
    return remote_failure(
        ChecksumMismatch,
        subject,
        "the checksum of what arrived is not that of what was sent; nothing was kept.",
        hint="Try again; if it happens again, check the disks of both machines.",
    )
