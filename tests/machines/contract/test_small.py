"""Runs `tests.storage.contract.test_small` at servers of object stores."""

from tests.storage.contract.test_small import *  # noqa: F403
from tests.storage.contract.test_small import small  # noqa: F401 - a fixture
