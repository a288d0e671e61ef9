"""What the tests of object stores share."""

from __future__ import annotations

from tests.support.buckets import bucket, keys_of, objects, put

__all__ = ["bucket", "keys_of", "objects", "put"]
