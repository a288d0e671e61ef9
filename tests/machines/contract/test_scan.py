"""Runs `tests.storage.contract.test_scan` at servers of object stores."""

from tests.storage.contract.test_scan import *  # noqa: F403
