"""A multipart upload under way: the thread in which the store takes parts, and the hand-over of each part to it.

The store pulls parts out of an iterator, several at once. Another thread fills them, and waits until a
part has been taken before it fills the next one. So there are at most `at_once` parts in flight, one that waits for
its turn in the iterator, and one that is being filled: `at_once + 2` in memory.

Invariants: an upload that is not finished is aborted in the store, which then shows nothing and keeps nothing of it
(unless the process is killed, or the store can't be reached: a lifecycle rule is for those); no thread outlives it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from secftp.errors import InputOutputError, TooLarge
from secftp.storage.errors import failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from secftp.storage.names import Path

_Result = TypeVar("_Result")

PART_BYTES: Final = 8 << 20  # of a part, unless the file would have too many of them
LARGEST_PART: Final = 128 << 20  # bytes; a session holds three of these
MAX_PARTS: Final = 10_000  # of S3 and GCS; Azure has more
IN_FLIGHT: Final = 32 << 20  # bytes that are sent at once, in at most four parts and at least one
_UNKNOWN_PART: Final = 16 << 20  # bytes of a part of a file whose size is not known
_UNIT: Final = 1 << 20


class Parts(NamedTuple):
    """How a file is cut: bytes of each part but the last, and how many are sent at once.

    A session holds `size * (at_once + 2)` bytes: 48 MiB up to a size of 78 GiB, 64 MiB up to 156 GiB or where the size
    is not known, then two to three times what is a ten-thousandth of the file.
    """

    size: int
    at_once: int

    @property
    def largest_file(self) -> int:
        """The bytes that can be written in such parts."""
        return self.size * MAX_PARTS


def parts_for(total: int | None, subject: Path) -> Parts:
    """Return how a file of `total` bytes (None: not known) is cut; raises `TooLarge` for one that can't be."""
    if total is None:
        size = _UNKNOWN_PART
    else:
        least = -(-total // MAX_PARTS)
        size = max(PART_BYTES, -(-least // _UNIT) * _UNIT)
    if size > LARGEST_PART:
        raise too_many_parts(subject)
    return Parts(size, max(1, IN_FLIGHT // size))


def too_many_parts(subject: Path) -> TooLarge:
    """Return the exception for a file that has more bytes than can be written in parts."""
    return failure(TooLarge, "Too large to be written to an object store in parts", subject)


class _GivenUp(Exception):
    """Raised out of the iterator to have the store abort the upload."""


class PartUpload(Generic[_Result]):
    """An upload that `put` carries out in a thread, with the parts that it pulls out of an iterator.

    `put` has to abort the upload in the store if the iterator raises, and to let that exception pass. `subject`: the
    file, for messages. For one thread.
    """

    def __init__(self, put: Callable[[Iterator[memoryview]], _Result], subject: Path) -> None:
        self._put = put
        self._changed = threading.Condition()
        self._part: memoryview | None = None  # handed over, and not taken yet
        self._is_last = self._is_given_up = self._is_over = False
        self._result: _Result | None = None
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="secftp-upload", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise failure(InputOutputError, "No thread could be started to write", subject) from error

    def add(self, part: memoryview) -> None:
        """Hand over the next part, which must not be changed from now on; returns when it was taken.

        Raises what the upload has raised, which is over then.
        """
        with self._changed:
            self._part = part
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._part is None or self._is_over)
            if self._is_over:
                self._part = None
        if self._is_over:
            self._raise()

    def finish(self) -> _Result:
        """Have the upload completed; return what `put` has returned, or raise what it has raised."""
        with self._changed:
            self._is_last = True
            self._changed.notify_all()
        self._thread.join()
        if self._problem is not None:
            self._raise()
        return self._result  # type: ignore[return-value]  # which may be None

    def abort(self) -> None:
        """Have the upload aborted unless it is over; returns when that was done, or has failed. Idempotent."""
        with self._changed:
            self._is_given_up = True
            self._changed.notify_all()
        self._thread.join()
        self._problem = None  # whose traceback may hold parts

    def _raise(self) -> None:
        problem, self._problem = self._problem, None
        raise problem or _GivenUp

    def _run(self) -> None:
        try:
            self._result = self._put(_Handover(self))
        except BaseException as problem:  # noqa: BLE001 - raised where the upload is waited for
            self._problem = problem
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify_all()

    def take(self) -> memoryview | None:
        """Wait for the next part and take it; None behind the last one. For the thread of the upload."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_given_up or self._is_last or self._part is not None)
            if self._is_given_up:
                raise _GivenUp
            part, self._part = self._part, None
            self._changed.notify_all()
            return part


class _Handover:
    """The parts of an upload, as an iterator that keeps none of them."""

    def __init__(self, upload: PartUpload[_Result]) -> None:
        self._take = upload.take

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> memoryview:
        part = self._take()
        if part is None:
            raise StopIteration
        return part
