"""What the operating system offers and Python does not. The only user of ctypes.

ctypes is loaded only when it is called for, since it costs a start-up more than a small transfer does. What must never
happen here: that a call changes, for however short a time, what another thread would create.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import resource
import sys
from typing import NamedTuple

_LINUX_SET_DUMPABLE = 4  # PR_SET_DUMPABLE, linux/prctl.h
_LINUX_NOREPLACE = 1  # RENAME_NOREPLACE, linux/fs.h
_DARWIN_EXCL = 4  # RENAME_EXCL, sys/stdio.h


class Mount(NamedTuple):
    """A mount: the directory `root` of the file system `device` is seen at `point`."""

    device: str
    root: str
    point: str


def mounts() -> list[Mount]:
    """The mounts of this process (proc(5), /proc/self/mountinfo); empty where the system has no such table."""
    try:
        with open("/proc/self/mountinfo", "rb") as table:
            lines = table.read().splitlines()
    except OSError:
        return []
    return [Mount(*map(_plain, fields[2:5])) for line in lines if len(fields := line.split(b" ")) > 4]  # noqa: PLR2004


def _plain(field: bytes) -> str:
    """A name as it is: the table has blanks, newlines and backslashes as three octal digits."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), field))


@functools.cache
def process_umask() -> int:
    """The process's file mode creation mask, as it was when this was first called.

    POSIX can only read it by setting it, and a file made by another thread meanwhile would get the wrong mode. Linux
    tells it in /proc (since 4.7). Elsewhere it is set for a moment, to the strictest value, so that such a file would
    be too private rather than too open: call this once before threads start.
    """
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"Umask:"):
                    return int(line.split()[1], 8)
    except OSError:
        pass
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def has_controlling_terminal() -> bool:
    """Tell whether this process has a controlling terminal, whose end is a SIGHUP (POSIX.1-2017, XBD 11.1.10)."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def forbid_dumps() -> None:
    """Let the memory of this process be written to no core dump, and be read by no other process of its user.

    RLIMIT_CORE of 0 for what it starts, too; and on Linux PR_SET_DUMPABLE (prctl(2)), since that limit does not hold
    where core_pattern is a pipe to a program (core(5)), and since a debugger of the same user reads keys as well
    (ptrace(2)). The system sets the flag anew when the user of a process changes: call this again after that. Raises
    OSError where it is not allowed, and ImportError where Python has no ctypes.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    # The system reads each of them as an unsigned long, and those that it does not use have to be 0 in others' calls.
    prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)
    if prctl(_LINUX_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def rename_noreplace(old: bytes, new: bytes, *, folder: int, to: int | None = None) -> None:
    """Rename `old` in the folder held open as `folder` to `new` in the folder `to`, or the same, unless `new` exists.

    renameat2(RENAME_NOREPLACE) on Linux, renameatx_np(RENAME_EXCL) on macOS: one step, so nobody can come between.
    Raises OSError: EEXIST when `new` is taken, ENOSYS or EINVAL when the system or the file system can't do it.
    """
    import ctypes

    function, flag = ("renameatx_np", _DARWIN_EXCL) if sys.platform == "darwin" else ("renameat2", _LINUX_NOREPLACE)
    rename = getattr(ctypes.CDLL(None, use_errno=True), function, None)
    if rename is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    rename.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    if rename(folder, old, folder if to is None else to, new, flag) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
