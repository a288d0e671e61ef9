"""A thread without root's capabilities, so that permissions apply even if the tests run as root."""

from __future__ import annotations

import contextlib
import ctypes
import os

_CAPSET_VERSION_3 = 0x20080522
_EXEMPT = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Data(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def _call(name, header, data):
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(ctypes.byref(header), ctypes.byref(data)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def bound_by_permissions():
    """In the block this thread, and every thread that it starts, may do to files what their permissions say."""
    header, data = _Header(_CAPSET_VERSION_3, 0), (_Data * 2)()
    _call("capget", header, data)
    before = data[0].effective
    data[0].effective = before & ~_EXEMPT
    _call("capset", header, data)
    try:
        yield
    finally:
        data[0].effective = before
        _call("capset", header, data)
