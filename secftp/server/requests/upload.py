"""One upload in parts: what is being received, what has arrived, and how it ends.

Several sessions use it at once, each in its own thread. Invariants: a range counts as arrived only when the digest of
its part was verified, and is not written from then on; the file gets its name once, with the digest of the whole;
nothing is written after the end.
"""

from __future__ import annotations

import hmac
import threading
from typing import TYPE_CHECKING, NamedTuple

from secftp.errors import ChecksumMismatch, FileError
from secftp.intervals import Intervals
from secftp.protocol import ErrorCode
from secftp.protocol.limits import MAX_PARTS
from secftp.server.requests.prefix_digest import WAIT_SECONDS, PrefixDigest
from secftp.server.requests.refusals import RequestInterrupted, RequestRefused, error_fields
from secftp.storage.attributes import ALL_KEPT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secftp.errors import Reason
    from secftp.storage import Digest
    from secftp.storage.attributes import Kept
    from secftp.storage.store import UploadSink


class Failure(NamedTuple):
    """Why an upload, or a part of one, failed."""

    code: ErrorCode
    reason: Reason | None = None

    def refusal(self) -> RequestRefused:
        """Return the exception for a request about it."""
        return RequestRefused(self.code, self.reason)


class Ending(NamedTuple):
    """How the upload with this tag ended: completed, with a digest and what was kept of the attributes, or failed."""

    tag: bytes
    failure: Failure | None = None
    whole: bytes = b""
    kept: Kept = ALL_KEPT

    def check(self, whole: bytes | None) -> None:
        """Raise `RequestRefused` if it failed, `ChecksumMismatch` if it was completed with another digest."""
        if self.failure is not None:
            raise self.failure.refusal()
        if whole is not None and not hmac.compare_digest(whole, self.whole):
            raise ChecksumMismatch("The upload was completed with another digest.")


class Completion(NamedTuple):
    """An upload that was completed, by this session or by another."""

    ending: Ending
    is_own: bool


class Part:
    """A part that is being received; a writer for `receive_file`. What has arrived before is not written again."""

    def __init__(self, upload: Upload, at: int, size: int) -> None:
        self.at = at
        self.end = at + size
        self._upload = upload
        self._received = at
        self._lock = threading.Lock()  # held while bytes are written
        self._skipped = Intervals()  # ranges that have arrived
        self._refused: Failure | None = None

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """Write the next bytes; raises `RequestRefused` if the upload is over. Any error ends the upload."""
        at = self._received
        self._received += sum(map(len, buffers))
        try:
            with self._lock:
                self.check()
                if not self._skipped:
                    self._upload.sink.writev_at(buffers, at)
                    return
                missing = Intervals([(at, self._received)])
                for arrived in self._skipped:
                    missing.remove(*arrived)
                for first, last in missing:
                    self._upload.sink.writev_at(cut(buffers, first - at, last - at), first)
        except RequestRefused:
            raise
        except FileError as problem:
            self._upload.fail(problem)
            raise

    def skip(self, at: int, end: int) -> None:
        """Leave a range out that has arrived; returns when nothing is being written there. For any thread."""
        with self._lock:
            self._skipped.add(at, end)

    def refuse(self, failure: Failure) -> None:
        """Have nothing more written; returns when nothing is being written. For any thread."""
        with self._lock:
            self._refused = failure

    def check(self) -> None:
        """Raise `RequestRefused` if the part was refused."""
        if self._refused is not None:
            raise self._refused.refusal()


class Upload:
    """An upload; `tag` tells which, and which options it has. It is used after `start` has been called.

    `on_end` is called once, with how it ended, unless it is left incomplete.
    """

    def __init__(self, tag: bytes, on_end: Callable[[Upload, Ending], None]) -> None:
        self.tag = tag
        self.sink: UploadSink
        self.ending: Ending | None = None
        self._total = 0
        self._whole: bytes | None = None
        self._on_end = on_end
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)  # `_completing` has become false
        self._completing = False
        self._parts: set[Part] = set()  # being received
        self._digest: PrefixDigest

    def start(self, sink: UploadSink, total: int, digest: Digest) -> None:
        """Take over the file, which gets `total` bytes."""
        self.sink = sink
        self._total = total
        self._digest = PrefixDigest(sink.readv, digest, self._lock, lambda: sink.ranges.prefix)

    # --- parts ------------------------------------------------------------------------------------------------------

    def begin_part(self, at: int, size: int, check: Callable[[], None]) -> Part | Ending:
        """Begin a part; returns the ending instead if the upload was completed meanwhile.

        Raises `RequestRefused` if it failed, or would have too many separate ranges.
        """
        part = Part(self, at, size)
        with self._lock:
            self._wait_settled(check)
            if self.ending is not None:
                self.ending.check(None)
                return self.ending
            self._require_few_ranges(part)
            for first, last in self.sink.ranges:
                if first < part.end and at < last:
                    part.skip(first, last)
            self._parts.add(part)
            return part

    def _require_few_ranges(self, part: Part) -> None:
        if len(self.sink.ranges) >= MAX_PARTS:
            ranges = Intervals(self.sink.ranges)
            ranges.add(part.at, part.end)
            if len(ranges) > MAX_PARTS:
                raise RequestRefused(ErrorCode.LIMIT)

    def abandon(self, part: Part) -> None:
        """End a part that has not arrived; without effect for any other."""
        with self._lock:
            self._parts.discard(part)

    def arrived(self, part: Part, whole: bytes | None, check: Callable[[], None]) -> None:
        """Note that a part was verified, and the digest of the whole file if it came with it.

        Raises what `Part.check` and `Ending.check` raise, and `RequestRefused` for a different digest of the whole.
        """
        with self._lock:
            self._wait_settled(check)
            if self.ending is not None:
                self.ending.check(whole)
                return
            part.check()
            if whole is None or self._whole in (None, whole):
                self._parts.discard(part)
                self._require_few_ranges(part)
                for other in self._parts:
                    if other.at < part.end and part.at < other.end:
                        other.skip(part.at, part.end)
                self.sink.add(part.at, part.end)
                self._whole = self._whole or whole
                return
        problem = RequestRefused(ErrorCode.CHANGED)
        self.fail(problem)
        raise problem

    # --- the digest of the whole ------------------------------------------------------------------------------------

    def hash_ahead(self, check: Callable[[int], None]) -> None:
        """Hash what has arrived from the beginning on. An error of the file makes the upload fail."""
        try:
            self._digest.advance(check)
        except RequestInterrupted:
            raise
        except FileError as problem:
            self.fail(problem)

    def _wait_settled(self, check: Callable[[], None]) -> None:
        """Wait while another session completes the upload. Call it with the lock."""
        while self._completing:
            self._settled.wait(WAIT_SECONDS)
            check()

    # --- the end ----------------------------------------------------------------------------------------------------

    def complete(
        self, commit: Callable[[bytes], Kept], check: Callable[[], None], progress: Callable[[int], None]
    ) -> Completion | None:
        """Complete the file with `commit` if all of it has arrived; return None if parts are missing.

        Of several sessions one does so; the others wait for it. Raises `ChecksumMismatch`, and what `commit` raises.
        """
        with self._lock:
            self._wait_settled(check)
            if self.ending is not None:
                self.ending.check(None)
                return Completion(self.ending, is_own=False)
            if self._whole is None or not self.sink.ranges.covers(0, self._total):
                return None
            self._completing = True
            whole = self._whole
        try:
            if not hmac.compare_digest(self._digest.finish(progress), whole):
                raise ChecksumMismatch("The whole file has another digest.")
            ending = Ending(self.tag, None, whole, commit(whole))
        except RequestInterrupted:
            raise
        except FileError as problem:
            self._fail(problem, is_completing=True)
            raise
        else:
            with self._lock:
                self.ending = ending
            self._on_end(self, ending)
            return Completion(ending, is_own=True)
        finally:
            with self._lock:
                self._completing = False
                self._settled.notify_all()

    def fail(self, problem: FileError) -> None:
        """Discard everything, and have all parts refused with the code of this error. Idempotent, for any thread."""
        self._fail(problem)

    def _fail(self, problem: FileError, *, is_completing: bool = False) -> None:
        """As `fail`; `is_completing`: by the session that completes the upload, for which any other waits."""
        ending = Ending(self.tag, Failure(*error_fields(problem)))
        with self._lock:
            while self._completing and not is_completing:
                self._settled.wait()
            if self.ending is not None:
                return
            self.ending = ending
            parts, self._parts = self._parts, set()
        assert ending.failure is not None
        for part in parts:
            part.refuse(ending.failure)
        self._digest.stop()
        self.sink.close()
        self._on_end(self, ending)

    def leave(self) -> None:
        """End it without a result: no session uses it any more. What has arrived is kept if that was requested."""
        self.sink.keep()
        self.sink.close()


def cut(buffers: Sequence[memoryview], start: int, end: int) -> list[memoryview]:
    """Return the bytes from `start` to `end` of consecutive buffers."""
    found = []
    at = 0
    for buffer in buffers:
        part = buffer[max(0, start - at) : max(0, end - at)]
        if len(part):
            found.append(part)
        at += len(buffer)
    return found
