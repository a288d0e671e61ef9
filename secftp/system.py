"""System calls that Python does not offer. The only user of ctypes.

ctypes is imported when it is needed, since that takes longer than a small transfer. Invariant: no call changes, for
however short a time, what another thread would create.
"""

from __future__ import annotations

import errno
import functools
import os
import resource
import sys

TYPE_CHECKING = False  # as of typing: a client forbids dumps and stretches its key before it imports that
if TYPE_CHECKING:
    from typing import Final

_LINUX_SET_DUMPABLE = 4  # PR_SET_DUMPABLE, linux/prctl.h
_LINUX_NOREPLACE = 1  # RENAME_NOREPLACE, linux/fs.h
_DARWIN_EXCL = 4  # RENAME_EXCL, sys/stdio.h
_DESCRIPTORS = "/proc/self/fdinfo"  # proc_pid_fdinfo(5)


class Mount:
    """A mount: the directory `root` of the file system `device` is seen at `point`."""

    __slots__ = ("device", "point", "root")

    def __init__(self, device: str, root: str, point: str) -> None:
        self.device: Final = device
        self.root: Final = root
        self.point: Final = point


def mounts() -> list[Mount]:
    """Return the mounts of this process (proc(5), /proc/self/mountinfo); empty where the system has no such table."""
    try:
        with open("/proc/self/mountinfo", "rb") as table:
            lines = table.read().splitlines()
    except OSError:
        return []
    return [Mount(*map(_plain, fields[2:5])) for line in lines if len(fields := line.split(b" ")) > 4]  # noqa: PLR2004


def _plain(field: bytes) -> str:
    """Decode a name of that table, in which blanks, newlines and backslashes are three octal digits."""
    import re

    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), field))


def known_congestion_controls() -> list[str]:
    """Return the congestion controls of TCP that the kernel has loaded; empty where the system has no such list."""
    return _words("/proc/sys/net/ipv4/tcp_available_congestion_control")


def allowed_congestion_controls() -> list[str]:
    """Return those of them that need no privilege; empty where the system has no such list."""
    return _words("/proc/sys/net/ipv4/tcp_allowed_congestion_control")


def _words(path: str) -> list[str]:
    try:
        with open(path, "rb") as file:
            return file.read().decode("ascii", "replace").split()
    except OSError:
        return []


@functools.cache
def process_umask() -> int:
    """Return the umask of the process as it was at the first call.

    POSIX can read it only by setting it, and a file that another thread makes meanwhile would get the wrong mode. Linux
    reports it in /proc (since 4.7). Elsewhere it is set for a moment, to the strictest value, so that such a file would
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
    """Return whether this process has a controlling terminal, whose end is a SIGHUP (POSIX.1-2017, XBD 11.1.10)."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def forbid_dumps() -> None:
    """Prevent core dumps of this process, and reading of its memory by other processes of its user.

    Sets RLIMIT_CORE to 0, also for its children; and on Linux PR_SET_DUMPABLE (prctl(2)), since that limit does not
    apply where core_pattern is a pipe to a program (core(5)), and since a debugger of the same user could read keys
    (ptrace(2)). The system resets the flag when the user of a process changes: call this again after that. Raises
    OSError where it is not allowed, and ImportError where Python has no ctypes.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    # The system reads each argument as an unsigned long, and other calls require the unused ones to be 0.
    prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)
    if prctl(_LINUX_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def watched_directories() -> int | None:
    """Return how many directories this process watches for changes; None where the system does not tell."""
    try:
        counts = [_watches_of(f"{_DESCRIPTORS}/{name}") for name in os.listdir(_DESCRIPTORS)]
    except OSError:
        return None
    return sum(counts) or None


def _watches_of(path: str) -> int:
    try:
        with open(path, "rb") as info:
            return sum(line.startswith(b"inotify wd:") for line in info)
    except OSError:
        return 0  # it has been closed


def rename_noreplace(old: bytes, new: bytes, *, directory: int, to: int | None = None) -> None:
    """Rename `old` in the open directory `directory` to `new` in `to` (by default the same), unless `new` exists.

    renameat2(RENAME_NOREPLACE) on Linux, renameatx_np(RENAME_EXCL) on macOS: atomic, so no other process can come
    between. Raises OSError: EEXIST if `new` exists, ENOSYS or EINVAL where the system or the file system does not
    support it.
    """
    import ctypes

    function, flag = ("renameatx_np", _DARWIN_EXCL) if sys.platform == "darwin" else ("renameat2", _LINUX_NOREPLACE)
    rename = getattr(ctypes.CDLL(None, use_errno=True), function, None)
    if rename is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    rename.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    if rename(directory, old, directory if to is None else to, new, flag) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
