"""Runs `tests.storage.contract.test_change` at servers of object stores."""

from tests.storage.contract.test_change import *  # noqa: F403
