"""A bucket in memory that counts requests, and in which any of them can fail: before or after it was carried out."""

from __future__ import annotations

import threading

from obstore.store import MemoryStore

from secftp.errors import InputOutputError
from secftp.storage.attributes import PERMISSIONS
from secftp.storage.errors import failure
from secftp.storage.objects.bucket import NATIVE, Bucket, ConditionalWrites
from secftp.storage.objects.files import Files
from secftp.storage.objects.info import Times
from secftp.storage.objects.keys import Keys
from secftp.storage.objects.probe import Conditions


def lost(key):
    """What a request raises whose answer does not arrive."""
    return failure(InputOutputError, "The object store reported an error", key.path)


class FaultyBucket(Bucket):
    """`faults`: by method, a function of the key and of the request as a function, in place of the request."""

    def __init__(self, store=None, copying=None):
        super().__init__(store or MemoryStore(), copying=copying)
        self.faults = {}
        self.requests = []
        self.running = self.most = 0
        self._lock = threading.Lock()

    def count(self, method):
        return sum(one == method for one, _ in self.requests)

    def _request(self, method, key, act):
        with self._lock:
            self.requests.append((method, getattr(key, "text", key)))
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            fault = self.faults.get(method)
            return act() if fault is None else fault(key, act)
        finally:
            with self._lock:
                self.running -= 1

    def info(self, key):
        return self._request("info", key, lambda: Bucket.info(self, key))

    def get(self, key, start, end, *, etag=None):
        return self._request("get", key, lambda: Bucket.get(self, key, start, end, etag=etag))

    def get_whole(self, key, limit):
        return self._request("get_whole", key, lambda: Bucket.get_whole(self, key, limit))

    def put(self, key, data, metadata, *, create=False):
        return self._request("put", key, lambda: Bucket.put(self, key, data, metadata, create=create))

    def put_parts(self, key, parts, metadata, **options):
        fault = self.faults.get("part")

        def each():
            for number, part in enumerate(parts, 1):
                if fault is not None:
                    fault(key, number)
                yield part

        return self._request("put_parts", key, lambda: Bucket.put_parts(self, key, each(), metadata, **options))

    def copy(self, key, to, *, create=None):
        return self._request("copy", to, lambda: Bucket.copy(self, key, to, create=create))

    def delete(self, key, *, only=None):
        return self._request("delete", key, lambda: Bucket.delete(self, key, only=only))

    def list(self, prefix, path, *, offset=None):
        pages = self._request("list", prefix, lambda: Bucket.list(self, prefix, path, offset=offset))
        yield from pages

    def listing(self):
        """The keys of all objects."""
        return sorted(one.key for page in Bucket.list(self, "", ()) for one in page.objects)

    def content(self, text):
        return bytes(self._library.get(self._store, text).bytes())

    def metadata(self, text):
        return dict(self._library.get(self._store, text, options={"head": True}).attributes)

    def write(self, text, data, metadata=None):
        """Write as another program does."""
        self._library.put(self._store, text, data, attributes=metadata or {})

    def erase(self, text):
        self._library.delete(self._store, text)


def files_of(bucket, prefix=(), times=Times.OWN, mask=PERMISSIONS):
    """The files of a bucket, for which nothing has to be tried first."""
    conditions = Conditions(bucket)
    conditions._found = getattr(bucket, "can", ConditionalWrites(True, NATIVE))
    return Files(bucket, Keys(prefix, bucket.prefix_bytes), times, mask, conditions)
