"""Files that are written to an object store: one conditional put for a small one, parts for a large one.

The bytes are collected up to one part. A file that ends within it is one request, with everything that is known of it.
A larger one is sent in parts while it arrives, which the store shows only once they are put together. If it may not
replace another file, it is put together under a reserved name, and copied to its own on the condition that there is
none: no store has such a condition for parts.

Invariants: a file has its name only by `commit`, which returns only once the store has confirmed it. A request that
fails while it may have been carried out is no failure before the store was asked: what is there is ours if it has the
id of this upload. What is not committed leaves nothing.
"""

# ruff: noqa: D102 - methods without a docstring are those of the interfaces in `store`

from __future__ import annotations

import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Final

from secftp.errors import AlreadyExists, FileError, InputOutputError, NotFound, Reason, TooLarge, UsageError
from secftp.protocol import Kind
from secftp.storage.attributes import FileInfo, WriteOptions
from secftp.storage.errors import failure
from secftp.storage.objects.bucket import MULTIPART
from secftp.storage.objects.concurrency import each
from secftp.storage.objects.copies import no_condition, unconfirmed, wait_for_copy
from secftp.storage.objects.digests import keep_digest
from secftp.storage.objects.info import FILE_MODE
from secftp.storage.objects.keys import reserved
from secftp.storage.objects.metadata import Metadata, decode
from secftp.storage.objects.parts import MAX_PARTS, Parts, PartUpload, parts_for, too_many_parts
from secftp.storage.objects.source import AT_ONCE, blocks_of
from secftp.storage.store import Sink
from secftp.text import show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from secftp.protocol import Algorithm
    from secftp.storage.objects.bucket import Bucket, ConditionalWrites
    from secftp.storage.objects.keys import Key

TEMPORARY: Final = "tmp"  # the kind of the reserved names of files that wait for their own
_ID_BYTES: Final = 16


class ObjectSink(Sink):
    """A file of `bucket` that gets its name, `key`, with `commit`.

    `mode`: the permissions to note. `writes`: what the store can do on a
    condition. `own_times`: whether files have the times that were requested.
    """

    __slots__ = (
        "_bucket", "_count", "_digest", "_id", "_is_open", "_key", "_mode", "_options", "_own_times", "_part", "_parts",
        "_size", "_subject", "_upload", "_writes",
    )  # fmt: skip

    def __init__(
        self,
        bucket: Bucket,
        key: Key,
        options: WriteOptions,
        *,
        mode: int,
        writes: ConditionalWrites,
        own_times: bool = True,
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._subject = key.path
        self._options = options
        self._mode = mode
        self._writes = writes
        self._own_times = own_times
        self._id = secrets.token_hex(_ID_BYTES)
        self._digest: tuple[Algorithm, bytes] | None = options.digest
        self._size = 0
        self._part = bytearray()  # the one that is being filled
        self._count = 0  # of parts that were handed over
        self._upload: PartUpload[str | None] | None = None
        self._is_open = True
        self._parts: Parts = parts_for(options.size, key.path)
        self._refuse_early()

    def _refuse_early(self) -> None:
        """Raise what is known before any byte is sent."""
        if self._options.overwrite:
            return
        if not self._writes.put:
            raise no_condition(self._subject)
        if self._options.size is not None and self._options.size > self._parts.size:
            self._require_copy(self._options.size)

    def _require_copy(self, size: int) -> None:
        """Raise if a file of so many bytes can't be copied on the condition that there is none of its name."""
        if self._writes.copy is None:
            raise no_condition(self._subject)
        largest = self._bucket.max_copy
        if largest is not None and size > largest:
            raise failure(
                TooLarge,
                "Too large for the object store to write it without replacing",
                self._subject,
                reason=Reason.COPY_LIMIT,
            )

    def writev(self, buffers: Sequence[memoryview]) -> None:
        """Collect a part, and hand it over when more follows; waits while the store is slower than the peer."""
        self._require_open()
        try:
            for buffer in buffers:
                self._append(buffer)
        except BaseException:
            self.abort()
            raise

    def _append(self, buffer: memoryview) -> None:
        size = self._parts.size
        while buffer:
            room = size - len(self._part)
            if not room:
                self._hand_over()
                continue
            piece = buffer[:room]
            self._part += piece
            self._size += len(piece)
            buffer = buffer[len(piece) :]

    def _hand_over(self) -> None:
        """Have the store take the part; the upload is begun with the first one."""
        if self._upload is None:
            self._upload = self._begin()
        self._count += 1
        if self._count >= MAX_PARTS:
            raise too_many_parts(self._subject)
        if not self._options.overwrite:
            self._require_copy(self._size)
        part, self._part = self._part, bytearray()
        self._upload.add(memoryview(part))

    def _begin(self) -> PartUpload[str | None]:
        """Begin an upload in parts."""
        if not self._options.overwrite:
            self._require_copy(self._size)
        bucket, key, parts, metadata = self._bucket, self._upload_key, self._parts, self._metadata(self._options.size)

        def put(each: Iterator[memoryview]) -> str | None:
            return bucket.put_parts(key, each, metadata, part_size=parts.size, at_once=parts.at_once)

        return PartUpload(put, self._subject)

    @property
    def _upload_key(self) -> Key:
        """Where the parts are put together."""
        return self._key if self._options.overwrite else reserved(TEMPORARY, self._id, self._subject)

    def _metadata(self, size: int | None, digest: tuple[Algorithm, bytes] | None = None) -> dict[str, str]:
        return Metadata(self._options.mtime_ns, self._mode, digest, size, self._id, time.time_ns()).encoded()

    def note_digest(self, algorithm: Algorithm, digest: bytes) -> None:
        self._digest = algorithm, digest

    def commit(self) -> FileInfo:
        """Give the file its name. Returns when the store has confirmed it, or was asked for it."""
        self._require_open()
        try:
            if self._upload is None:
                return self._put_whole()
            return self._complete(self._upload)
        finally:
            self.close()

    def _put_whole(self) -> FileInfo:
        metadata = self._metadata(self._size, self._digest)
        data, create = memoryview(self._part), not self._options.overwrite
        self._confirmed(self._key, lambda: self._bucket.put(self._key, data, metadata, create=create))
        return self._info(has_metadata=True)

    def _complete(self, upload: PartUpload[str | None]) -> FileInfo:
        """Put the parts together, and copy the file to its name if it may not replace another one."""
        part, self._part = self._part, bytearray()
        upload.add(memoryview(part))
        if self._options.overwrite:
            self._confirmed(self._key, upload.finish)
            has_metadata = True
        else:
            is_being_copied = False
            try:
                self._confirmed(self._upload_key, upload.finish)
                self._copy_to_name()
            except FileError as problem:
                is_being_copied = self._bucket.copies_later and problem.reason is Reason.UNCONFIRMED
                raise
            finally:
                if not is_being_copied:  # else the copy would fail
                    with contextlib.suppress(FileError):  # else a lifecycle rule removes it, see operators.md
                        self._bucket.delete(self._upload_key)
            has_metadata = self._writes.copy != MULTIPART
        if has_metadata and self._digest is not None:
            keep_digest(self._bucket, self._id, self._size, self._digest, self._subject)
        return self._info(has_metadata=has_metadata)

    def _copy_to_name(self) -> None:
        """Copy the whole file to its name if there is none; a lost answer is asked for."""
        try:
            self._bucket.copy(self._upload_key, self._key, create=self._writes.copy)
            if self._bucket.copies_later:
                wait_for_copy(self._bucket, self._key, self._size)
        except FileError as problem:
            if self._writes.copy != MULTIPART:
                if not self._is_there(self._key, problem):
                    raise
            elif not self._is_copied(problem):
                raise
            elif isinstance(problem, AlreadyExists):
                # The own copy, made by a request that was repeated, or another writer's of the same bytes.
                raise unconfirmed(self._subject) from problem

    def _is_copied(self, problem: FileError) -> bool:
        """Return whether a copy without metadata, by which it could be told, is under the name: it has the bytes.

        It was made after its source, by the clock of the store. Raises if the store can't be asked.
        """
        try:
            source, found = self._bucket.info(self._upload_key), self._bucket.info(self._key)
            if found.size != source.size or found.modified_ns < source.modified_ns:
                return False

            def is_same(part: tuple[int, int]) -> bool:
                copied = self._bucket.get(self._key, *part, etag=found.etag)
                return copied == self._bucket.get(self._upload_key, *part, etag=source.etag)

            with contextlib.closing(each(is_same, blocks_of(0, self._size), AT_ONCE)) as results:
                return all(results)
        except NotFound:
            return False
        except FileError:
            self._require_answer(problem)
            return False

    def _confirmed(self, key: Key, request: Callable[[], object]) -> None:
        """Make a request that gives `key` the bytes of this sink; if it fails, ask whether it was carried out.

        An answer may be lost, and a client library repeats a request whose answer is lost: so an object that exists
        already may be the own one.
        """
        try:
            request()
        except FileError as problem:
            if not self._is_there(key, problem):
                raise

    def _is_there(self, key: Key, problem: FileError) -> bool:
        """Return whether the store has what this sink has written; raises if it can't be asked about a lost answer."""
        try:
            found = self._bucket.info(key)
        except NotFound:
            return False
        except FileError:
            self._require_answer(problem)
            return False
        return decode(found.metadata or {}).upload == self._id and found.size == self._size

    def _require_answer(self, problem: FileError) -> None:
        """Raise, where the store can't be asked, if `problem` does not tell whether the request was carried out."""
        if isinstance(problem, (InputOutputError, NotFound)):
            raise unconfirmed(self._subject) from problem

    def _info(self, *, has_metadata: bool) -> FileInfo:
        """Return what the store shows of the file from now on."""
        mtime_ns = self._options.mtime_ns
        if mtime_ns is None or not has_metadata or not self._own_times:
            mtime_ns = time.time_ns()
        return FileInfo(Kind.FILE, self._size, mtime_ns, self._mode if has_metadata else FILE_MODE)

    def abort(self) -> None:
        self.close()

    def close(self) -> None:
        """Abort it, and wait until the store has dropped its parts."""
        self._is_open = False
        self._part = bytearray()
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.abort()

    def _require_open(self) -> None:
        if not self._is_open:
            raise UsageError(f"The sink is closed: {show_path(self._subject)}")
