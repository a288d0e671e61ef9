"""Runs `tests.storage.contract.test_source` at servers of object stores."""

from tests.storage.contract.test_source import *  # noqa: F403
