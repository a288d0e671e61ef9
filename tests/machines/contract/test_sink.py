"""Runs `tests.storage.contract.test_sink` at servers of object stores."""

from tests.storage.contract.test_sink import *  # noqa: F403
