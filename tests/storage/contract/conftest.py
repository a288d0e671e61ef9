"""The stores that the tests of the interface run over, in this process."""

from __future__ import annotations

import pytest

from tests.support.stores import local_backing, memory_backing, start_obstore


@pytest.fixture(scope="session", autouse=True)
def _obstore():
    """What obstore opens once is no leak of the first test."""
    start_obstore()


@pytest.fixture(params=["local", "memory"])
def backing(request, tmp_path):
    """A store, and what is behind it."""
    opened = local_backing(tmp_path) if request.param == "local" else memory_backing()
    with opened as backing:
        yield backing


@pytest.fixture
def store(backing):
    """The store itself."""
    return backing.store
