"""Uploads in parts of a server: which are under way, how the latest ones ended, and which session belongs to which.

An upload is found by its id, under the same key and in the same directory; to all other clients it does not exist. It
ends when it is complete, when it fails, or when the last session that belongs to it has left. Invariants: an upload has
one file, and as many uploads are under way as there are sessions, at most; the number of remembered endings is bounded.
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Final

from secftp.protocol import ErrorCode
from secftp.server.requests.prefix_digest import WAIT_SECONDS
from secftp.server.requests.refusals import RequestRefused
from secftp.server.requests.upload import Ending, Upload

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.protocol import Write
    from secftp.storage import Store
    from secftp.storage.attributes import Identity

MOST_ENDED: Final = 4096
_KEY_BYTES: Final = 16


class _Entry:
    """An upload that is under way, and the sessions that belong to it."""

    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        self.sessions: set[SessionUploads] = set()
        self.started = threading.Event()
        self.failed = False  # its beginning
        self.leaving = False  # the last session has left


class Uploads:
    """The uploads of all sessions of a server. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._entries: dict[bytes, _Entry] = {}
        self._ended: dict[bytes, Ending] = {}  # the oldest first

    def join(
        self,
        session: SessionUploads,
        key: bytes,
        tag: bytes,
        start: Callable[[Upload], None] | None,
        check: Callable[[], None],
    ) -> Upload | Ending | None:
        """Make a session belong to an upload, which is begun with `start` if there is none with this key.

        Returns the ending of an upload that is over, and None if there is no upload and `start` is None. Raises
        `RequestRefused` if the upload has another tag, and what `start` and `check` raise.
        """
        while True:
            with self._lock:
                found = self._ended.get(key)
                if found is not None:
                    _require(found.tag == tag)
                    return found
                entry = self._entries.get(key)
                is_first = entry is None
                if entry is None:
                    if start is None:
                        return None
                    entry = self._entries[key] = _Entry(Upload(tag, lambda _, ending: self._end(key, ending)))
                elif entry.leaving:
                    self._changed.wait(WAIT_SECONDS)
                    entry = None
                else:
                    _require(entry.upload.tag == tag)
                if entry is not None:
                    entry.sessions.add(session)
            if entry is None:
                check()
            elif is_first:
                assert start is not None
                self._start(key, entry, start)
                return entry.upload
            elif self._wait_started(session, key, entry, check):
                return entry.upload

    def _start(self, key: bytes, entry: _Entry, start: Callable[[Upload], None]) -> None:
        try:
            start(entry.upload)
        except BaseException:
            with self._lock:
                entry.failed = True
                del self._entries[key]
            raise
        finally:
            entry.started.set()

    def _wait_started(self, session: SessionUploads, key: bytes, entry: _Entry, check: Callable[[], None]) -> bool:
        """Wait until another session has begun the upload; return whether it succeeded."""
        try:
            while not entry.started.wait(WAIT_SECONDS):
                check()
        except BaseException:
            self.leave(session, key)
            raise
        return not entry.failed

    def leave(self, session: SessionUploads, key: bytes) -> None:
        """End that a session belongs to an upload. With the last session the upload ends."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or session not in entry.sessions:
                return
            entry.sessions.remove(session)
            if entry.sessions:
                return
            entry.leaving = True
        try:
            entry.upload.leave()
        finally:
            with self._lock:
                self._entries.pop(key, None)
                self._changed.notify_all()

    def _end(self, key: bytes, ending: Ending) -> None:
        with self._lock:
            self._entries.pop(key, None)
            if len(self._ended) >= MOST_ENDED:
                del self._ended[next(iter(self._ended))]
            self._ended[key] = ending


class SessionUploads:
    """The upload that one session belongs to. `owner`: the key, or all anonymous clients."""

    def __init__(self, uploads: Uploads, store: Store, owner: str) -> None:
        self._uploads = uploads
        self._store = store
        self._owner = owner
        self._root: Identity | None = None
        self._current: bytes | None = None  # the key of the upload

    def join(
        self, request: Write, tag: bytes, start: Callable[[Upload], None] | None, check: Callable[[], None]
    ) -> Upload | Ending | None:
        """Join the upload of a request, and leave any other. As `Uploads.join`."""
        self._root = self._root or self._store.identity_of_root()
        key = _digest(self._owner, request.upload, *self._root)
        if self._current not in (None, key):
            self.close()
        found = self._uploads.join(self, key, tag, start, check)
        if isinstance(found, Upload):
            self._current = key
        return found

    def tag_of(self, request: Write) -> bytes:
        """Return a digest of the id and of all fields that every part of an upload has in common."""
        return _digest(
            self._owner,
            request.upload,
            request.path,
            request.total,
            request.algorithm.value,
            request.overwrite,
            request.mode,
            request.mtime_ns,
            request.keep,
            *(() if request.backup is None else (request.backup,)),
        )

    def close(self) -> None:
        """Leave the upload; idempotent."""
        current, self._current = self._current, None
        if current is not None:
            self._uploads.leave(self, current)


def _digest(*values: object) -> bytes:
    return hashlib.blake2b(repr(values).encode(), digest_size=_KEY_BYTES).digest()


def _require(agrees: bool) -> None:  # noqa: FBT001 - a condition
    if not agrees:
        raise RequestRefused(ErrorCode.CHANGED)
