"""The tests of `tests.storage.contract` at servers of object stores."""
