"""Buckets in memory, and fixtures of them. A test that uses obstore within its process imports this module.

obstore's threads and their descriptors stay from its first request on: that is made here, before any test.
"""

from __future__ import annotations

import pytest
from obstore.store import MemoryStore

from secftp.storage.objects.bucket import Bucket
from secftp.storage.objects.keys import Key
from secftp.storage.objects.store import ObjectStore

_FIRST = Bucket(MemoryStore())
_FIRST.put_parts(Key("first", ()), [b"x"], {}, part_size=1, at_once=1)
list(_FIRST.list("", ()))


@pytest.fixture
def bucket():
    return Bucket(MemoryStore())


@pytest.fixture
def objects(bucket):
    return ObjectStore(bucket)


@pytest.fixture
def put(bucket):
    """Writes an object: its key, bytes, and metadata by their names without the prefix."""

    def write(key, data=b"x", **metadata):
        bucket.put(Key(key, (key.encode(),)), data, {f"secftp{name}": value for name, value in metadata.items()})

    return write


@pytest.fixture
def keys_of(bucket):
    """Returns all keys."""
    return lambda: [one.key for page in bucket.list("", ()) for one in page.objects]
