"""What the tests of object stores share."""

from __future__ import annotations

import obstore
import pytest
from obstore.store import MemoryStore


@pytest.fixture(scope="session", autouse=True)
def obstore_runs():
    """The threads and descriptors of obstore, which are made at its first request and stay."""
    store = MemoryStore()
    obstore.put(store, "x", iter([b"x"]), use_multipart=True)
    list(obstore.list(store))
