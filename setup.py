"""Only what pyproject.toml can't say: the cffi hook, and the tag of a wheel that serves every later Python."""

from __future__ import annotations

import sysconfig

from setuptools import setup

# The stable ABI does not exist in free-threaded builds; asking for its tag there is an error.
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

setup(
    cffi_modules=["build_ffi.py:ffibuilder"],
    options={} if FREE_THREADED else {"bdist_wheel": {"py_limited_api": "cp311"}},
)
