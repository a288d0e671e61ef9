"""The object stores over HTTP that the tests of the interface run over."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import pytest

from tests.machines.faulty import SerialStore
from tests.machines.object_backing import http_backing
from tests.machines.other_stores import GoogleBucket
from tests.machines.stores import environment_of

STORES = ["moto", "ministack", "google"]
# The store of each module; with --run-slow each runs over all of them.
_STORE_OF = {"test_sink": "ministack", "test_source": "moto", "test_scan": "moto", "test_change": "moto"}
_OTHER_STORE = "google"
_HERE = Path(__file__).parent
_numbers = itertools.count(1)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--run-slow"):
        return
    for item in items:
        if item.path.parent != _HERE:
            continue
        if item.callspec.params["shared_bucket"] != _STORE_OF.get(item.path.stem, _OTHER_STORE):
            item.add_marker(pytest.mark.skip(reason="over the other stores; runs with --run-slow"))


@pytest.fixture(scope="session", params=STORES)
def shared_bucket(request, moto):
    """A bucket for all tests, each of which has a prefix of its own."""
    if request.param == "google":
        yield GoogleBucket(moto.new_bucket().name, moto, request.getfixturevalue("google"))
    elif request.param == "ministack":
        yield request.getfixturevalue("ministack").new_bucket()
    else:
        with contextlib.closing(SerialStore(int(moto.url.rpartition(":")[2]))) as one_at_a_time:
            found = moto.new_bucket()
            found.env = environment_of(one_at_a_time.url)
            yield found


@pytest.fixture
def backing(shared_bucket):
    """An object store over HTTP, and what is behind it."""
    prefix = f"test-{next(_numbers)}"
    with contextlib.closing(http_backing(shared_bucket, prefix)) as found:
        yield found


@pytest.fixture
def store(backing):
    return backing.store
