"""From a channel to a file: open in place, hash, write. Both roles use it.

The file is whole only when its END has come and its digest agrees; until then nothing may show it to anybody.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from secftp.channel import DataRun
from secftp.errors import ChecksumMismatch, ProtocolError
from secftp.messages import Abort, Cancel, End
from secftp.transfer.progress import Progress, unwatched

if TYPE_CHECKING:
    from secftp.channel import Channel
    from secftp.messages import ErrorCode
    from secftp.storage import Digest, Sink


class Aborted(Exception):
    """The peer gave the file up, for the reason that `code` tells."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code)
        self.code = code


def receive_file(
    channel: Channel, sink: Sink, digest: Digest, *, total: int | None, subject: str, progress: Progress = unwatched
) -> End:
    """Write what comes into the sink until END, which is returned once its digest agrees with ours.

    Raises `ChecksumMismatch` when it does not, `Aborted` when an ABORT comes instead, and what the sink and the channel
    raise. The sink is neither committed nor closed here.
    """
    done = 0
    while True:
        received = channel.receive()
        match received:
            case DataRun(buffers, size):
                sink.writev(buffers)
                for buffer in buffers:
                    digest.update(buffer)
                done += size
                progress(done, total)
            case End():
                if not hmac.compare_digest(received.digest, digest.digest()):
                    raise ChecksumMismatch(
                        f"{subject}: the checksum of what arrived is not that of what was sent; nothing was kept.",
                        hint="Try again; if it happens again, check the disks of both machines.",
                    )
                return received
            case Abort():
                raise Aborted(received.code)
            case Cancel():
                pass  # it is about a read, and a read that came before this file is over
            case _:
                raise ProtocolError("Something else came in the middle of a file.")


def discard_file(channel: Channel) -> None:
    """Throw away what is left of a file that was refused, up to its END or ABORT. The state machine bounds it."""
    while not isinstance(channel.receive(), End | Abort):
        pass
