"""Object stores over HTTP in this process, for tests of the interface and of faults."""

from __future__ import annotations

import contextlib
import os
from datetime import timedelta
from unittest import mock

from tests.machines.stores import environment_of
from tests.support.stores import ObjectBacking


@contextlib.contextmanager
def quick_retries():
    """Have retries wait for milliseconds."""
    import obstore.store

    real = obstore.store.from_url
    backoff = {"init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(milliseconds=4), "base": 2.0}

    def from_url(url, *, retry_config=None, **options):
        return real(url, retry_config={**(retry_config or {}), "backoff": backoff}, **options)

    with mock.patch.object(obstore.store, "from_url", from_url):
        yield


def opened(url, endpoint):
    """A store of secftp, with the environment that its server would have."""
    from secftp.storage.objects import open_objects

    with mock.patch.dict(os.environ, environment_of(endpoint)):
        return open_objects(url)


def raw(url, endpoint):
    """The store of obstore, to look behind it."""
    import obstore.store

    with mock.patch.dict(os.environ, environment_of(endpoint)):
        return obstore.store.from_url(url, client_options={"allow_http": True})


def http_backing(bucket, prefix):
    """A prefix of a bucket, see `tests.support.stores`."""
    with mock.patch.dict(os.environ, bucket.env):
        import obstore.store

        behind = obstore.store.from_url(f"{bucket.url}/{prefix}", client_options={"allow_http": True})

    def open_another():
        with mock.patch.dict(os.environ, bucket.env), quick_retries():
            from secftp.storage.objects import open_objects

            store = open_objects(f"{bucket.url}/{prefix}")
            store.probe()
            return store

    def unfinished():
        return [key for key, _ in bucket.uploads() if key.startswith(f"{prefix}/")]

    found = ObjectBacking(behind, open_another, unfinished)
    # At S3 the only conditional copy of these emulators is one by parts.
    keeps = bucket.url.startswith("gs://")
    found.traits = found.traits._replace(copies_metadata=keeps)
    found.page = bucket.page
    return found
