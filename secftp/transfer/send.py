"""From a file to a channel: read into the frames' payload slots, hash, seal in place, send. Both roles use it."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from secftp.errors import FileChanged, Side
from secftp.messages import End
from secftp.transfer.progress import Progress, unwatched

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.channel import Channel
    from secftp.storage import Digest, Source

# More than any batch: a source of unknown length is asked for whatever there is room for.
_UNBOUNDED = 1 << 62


class SendInterrupted(Exception):
    """The peer had something to say before the file was through; it waits in the channel."""


def send_file(
    channel: Channel,
    source: Source,
    digest: Digest,
    *,
    offset: int = 0,
    length: int | None,
    interrupted: Callable[[], bool],
    progress: Progress = unwatched,
) -> End:
    """Queue `length` bytes of the source from `offset` on, or all of it when that is None; then END, which is returned.

    What is queued last leaves with the caller's `flush`. Raises `FileChanged` when the source turns out to be another
    than it was, `SendInterrupted` when `interrupted()` says so, and what the source and the channel raise. Then the
    file is open on the wire still, and the caller owes the peer an ABORT.
    """
    done = 0

    def fill(slots: list[memoryview]) -> int:
        count = source.readv(slots, offset + done)
        _hash(digest, slots, count)
        return count

    while length is None or done < length:
        _wait_for(source, channel, interrupted)
        if interrupted():
            raise SendInterrupted
        count = channel.send_data(fill, _UNBOUNDED if length is None else length - done)
        if count == 0:
            if length is not None:
                raise FileChanged(
                    "The file became shorter while it was being sent.", hint="Try again.", side=Side.LOCAL
                )
            break
        done += count
        progress(done, length)
    source.check_unchanged()
    end = End(size=done, digest=digest.digest())
    channel.send(end)
    return end


def _hash(digest: Digest, slots: list[memoryview], count: int) -> None:
    for slot in slots:
        if count <= 0:
            return
        digest.update(slot if count >= len(slot) else slot[:count])
        count -= len(slot)


def _wait_for(source: Source, channel: Channel, interrupted: Callable[[], bool]) -> None:
    """Wait for a pipe's bytes or the peer's word, for as long as it takes: what is queued leaves before the wait."""
    descriptor = source.wait_descriptor
    if descriptor is None:
        return
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    if poller.poll(0):
        return
    channel.flush()
    poller.register(channel.fileno(), select.POLLIN)
    while not any(ready == descriptor for ready, _ in poller.poll()):
        if interrupted():
            return
