"""What pyproject.toml can't express: the cffi hook, and the stable ABI tag of the wheel."""

from __future__ import annotations

import sysconfig

from setuptools import setup

# Free-threaded builds have no stable ABI; requesting its tag is an error there.
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

setup(
    cffi_modules=["build_ffi.py:ffibuilder"],
    options={} if FREE_THREADED else {"bdist_wheel": {"py_limited_api": "cp311"}},
)
