"""A file's data between storage and a channel, in both directions and for both roles.

A sender reads into the payloads of frames, hashes them, and has them sealed in place and sent. A receiver writes to a
sink what was opened in place, hashes it, and compares the digest with the one in END. Neither makes a copy.

Invariant: a file counts as whole only when its END has come with the digest of what was written. Until then its sink
is not committed.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, Protocol

from secftp.errors import ChecksumMismatch, FileChanged, ProtocolError, Side
from secftp.protocol import Abort, Cancel, End, Hole, are_zeros, remote_failure, zeros
from secftp.protocol.limits import MAX_HOLE
from secftp.transport import DataRun
from secftp.transport.stream import lost
from secftp.waits import DIRECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.protocol import ErrorCode
    from secftp.storage import Digest, Path, Source
    from secftp.storage.store import Writer
    from secftp.transport import Channel, Received
    from secftp.transport.channel import Fill
    from secftp.waits import Waits

# Bytes of holes that are taken in for a peer that has left: what waits in a socket may stand for hours of hashing.
_MOST_LEFT_BEHIND: Final = 1 << 30
# More than any batch: a source of unknown length is asked for whatever there is room for.
_UNBOUNDED: Final = 1 << 62


class Progress(Protocol):
    """Called with the bytes done and the bytes in all (None if not known), about once for each batch of 1 MiB."""

    def __call__(self, done: int, total: int | None, /) -> None:
        """Take note. Must return at once, since the transfer waits for it."""
        ...


def unwatched(_done: int, _total: int | None, /) -> None:
    """Ignore the progress of a transfer."""


# --- sending ----------------------------------------------------------------------------------------------------------


class SendInterrupted(Exception):
    """The peer sent something before the file was at its end; that waits in the channel."""


def send_file(
    channel: Channel,
    source: Source,
    digest: Digest,
    *,
    offset: int = 0,
    length: int | None,
    interrupted: Callable[[], bool],
    progress: Progress = unwatched,
    whole: Callable[[], bytes | None] = lambda: None,
    compress: int | None = None,
    holes: bool = True,
    waits: Waits = DIRECT,
) -> End:
    """Send `length` bytes of a source from `offset` on, all of it if None; then END, which is returned.

    `whole` is called before END, for the digest of the whole file if what is sent is a part of it. `compress`: the
    level at which the data may be compressed, if the server supports that; None: not at all. `holes`: send the holes of
    the source as such, likewise. `waits`: for the source. What is queued last leaves with the caller's `flush`.

    Raises `FileChanged` if the source is not what it was, `SendInterrupted` when `interrupted()` returns true, and what
    the source and the channel raise. After an exception the file has no end yet: the caller has to send ABORT.
    """
    done = 0

    def read(slots: list[memoryview]) -> int:
        count = source.readv(slots, offset + done)
        _hash(digest, slots, count)
        return count

    def fill(slots: list[memoryview]) -> int:
        return waits.call(read, slots)

    send = channel.send_data
    if compress is not None and channel.may_compress:
        from secftp.transport.compressed_data import CompressedSender

        def sample(view: memoryview, ahead: int) -> int:
            return waits.call(source.readv, [view], offset + done + ahead)

        # What has no stamp comes through a pipe.
        send = CompressedSender(channel, compress, None if source.stamp is None else sample).send
    if holes and length is not None and source.is_sparse and channel.may_send_holes:
        send = _HoleSender(channel, source, digest, offset, length, send, waits).send
    while length is None or done < length:
        _wait_for(source, channel, interrupted)
        if interrupted():
            raise SendInterrupted
        count = send(fill, _UNBOUNDED if length is None else length - done)
        if count == 0:
            if length is not None:
                raise FileChanged("The file was truncated while it was being sent.", hint="Try again.", side=Side.LOCAL)
            break
        done += count
        progress(done, length)
    waits.call(source.check_unchanged)
    end = End(size=done, digest=digest.digest(), whole=whole())
    channel.send(end)
    return end


class _HoleSender:
    """Sends `length` bytes of a source from `offset` on: its data by `send`, its holes as such."""

    def __init__(
        self,
        channel: Channel,
        source: Source,
        digest: Digest,
        offset: int,
        length: int,
        send: Callable[[Fill, int], int],
        waits: Waits,
    ) -> None:
        self._channel = channel
        self._source = source
        self._digest = digest
        self._position = offset
        self._end = offset + length
        self._send = send
        self._waits = waits
        self._data_end = offset  # of what is known to be data

    def send(self, fill: Fill, limit: int) -> int:
        """Send up to `limit` bytes as `Channel.send_data` does. Returns how many, 0 at the end of the file."""
        if self._position == self._data_end:
            is_hole, end = self._waits.call(self._source.extent_at, self._position, self._end)
            if is_hole:
                self._data_end = min(end, self._position + MAX_HOLE)
                return self._advance(self._waits.call(self._send_hole, self._data_end - self._position))
            self._data_end = end
        return self._advance(self._send(fill, min(limit, self._data_end - self._position)))

    def _advance(self, count: int) -> int:
        self._position += count
        return count

    def _send_hole(self, size: int) -> int:
        _hash(self._digest, zeros(size), size)
        self._channel.send(Hole(size=size))
        self._channel.count_data(size, 0, size)
        return size


def _hash(digest: Digest, slots: list[memoryview], count: int) -> None:
    for slot in slots:
        if count <= 0:
            return
        digest.update(slot if count >= len(slot) else slot[:count])
        count -= len(slot)


def _wait_for(source: Source, channel: Channel, interrupted: Callable[[], bool]) -> None:
    """Wait for data in a pipe or from the peer, for as long as it takes. What is queued leaves before the wait."""
    if source.wait_descriptor is None or channel.wait_beside(source, at_once=True):
        return
    channel.flush()
    while not channel.wait_beside(source):
        if interrupted():
            return


# --- receiving --------------------------------------------------------------------------------------------------------


class Aborted(Exception):
    """The peer ended the file early with an ABORT, for the reason in `code`."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code)
        self.code = code


class IncomingFile:
    """A file under way to this side. The sink is neither committed nor closed here. `waits`: for the sink."""

    __slots__ = ("_digest", "_sink", "_subject", "_waits", "end", "size")

    def __init__(self, sink: Writer, digest: Digest, *, subject: Path | bytes, waits: Waits = DIRECT) -> None:
        self.size = 0  # bytes written
        self.end: End | None = None  # once it has come, and the digest agrees
        self._sink = sink
        self._digest = digest
        self._subject = subject
        self._waits = waits

    def take(self, received: Received) -> None:
        """Take the next part of the file.

        Raises `ChecksumMismatch` for a digest that differs, `Aborted` for an ABORT, `ProtocolError` for what is no part
        of a file, and what the sink raises. Nothing may be taken after that.
        """
        match received:
            case DataRun(buffers, size):
                self._waits.call(self._write, buffers)
                self.size += size
            case End():
                if not hmac.compare_digest(received.digest, self._digest.digest()):
                    raise checksum_mismatch(self._subject)
                self.end = received
            case Abort():
                raise Aborted(received.code)
            case _:
                raise ProtocolError("An unexpected message was received within a file.")

    def _write(self, buffers: list[memoryview]) -> None:
        self._sink.writev(buffers)
        digest = self._digest
        for buffer in buffers:
            digest.update(buffer)


def receive_file(
    channel: Channel, sink: Writer, digest: Digest, *, total: int | None, subject: Path, progress: Progress = unwatched
) -> End:
    """Receive a file to its END, which is returned. Raises what `IncomingFile.take` and the channel raise."""
    file = IncomingFile(sink, digest, subject=subject)
    left_behind = 0
    while file.end is None:
        received = channel.receive()
        if isinstance(received, Cancel):
            continue  # it is about a read, and a read that came before this file is over
        if isinstance(received, DataRun) and are_zeros(received.buffers) and channel.peer_has_left():
            left_behind += received.size
            if left_behind > _MOST_LEFT_BEHIND:
                raise lost()
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
        "checksum mismatch: the received data differ from the sent ones; nothing was kept.",
        hint="Try again; if it persists, check the disks of both machines.",
    )
