"""Files in an object store: S3, Google Cloud Storage, Azure Blob Storage, or what speaks the protocol of one.

`ObjectStore` is a `Store`, so a server serves a bucket as it serves a directory. `bucket` is the only importer of
obstore, an optional library, which is loaded when a store is opened. Invariants: an object appears whole or not at all,
as the store promises; it is confirmed only after the store has confirmed it; no message shows a key, a URL or a
credential of the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.storage.objects.urls import is_object_url

if TYPE_CHECKING:
    from secftp.storage.objects.store import ObjectStore

__all__ = ["is_object_url", "open_objects"]


def open_objects(url: str, *, times: str = "own", mode_mask: int = 0o777) -> ObjectStore:
    """Open a bucket, or what is below a prefix in it. Nothing is asked of the store yet.

    Args:
        url: As `is_object_url` recognises it: `s3://bucket/prefix`. Credentials, endpoint and region are those that
            the environment has for the store's own tools.
        times: "own": the time of a file is the one that it was written with, for which a listing asks about every
            object. "stored": it is when the object was stored, and nothing is asked.
        mode_mask: The permissions that requests may set.

    Raises:
        InstallationError: obstore is missing.
        UsageError: The URL has user information, a query or no bucket, or what the environment has is incomplete.
    """
    from secftp.storage.objects.bucket import open_bucket
    from secftp.storage.objects.info import Times
    from secftp.storage.objects.store import ObjectStore

    return ObjectStore(open_bucket(url), times=Times(times), mode_mask=mode_mask)
