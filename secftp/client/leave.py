"""The end of the program: without the cleanup of a Python process, which is a noticeable part of a small transfer.

When a command is over, its connections and files are closed and its output is flushed, so all that is left to Python
is to free what the system frees anyway. A low-level thread that is still stretching a key is not waited for, either.
"""

from __future__ import annotations

import atexit
import os
import sys


def leave(code: int) -> None:
    """End this process with an exit code; returns if Python still has something to do or to report at its end."""
    if _is_awaited():
        return
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):  # Python reports it in its own way
        return
    os._exit(code)


def _is_awaited() -> bool:
    """Return whether a function, a thread, a tool or a user waits for the end of Python."""
    return bool(
        atexit._ncallbacks()  # noqa: SLF001 - atexit has no public way to ask
        or _has_threads()
        or _is_observed()
        or sys.flags.inspect
        or sys.flags.dev_mode
    )


def _has_threads() -> bool:
    """Return whether another thread than this one has to end before the process."""
    threading = sys.modules.get("threading")
    return threading is not None and sum(not thread.daemon for thread in threading.enumerate()) > 1


def _is_observed() -> bool:
    """Return whether a debugger, a profiler or a coverage tool is at work; since Python 3.12 in sys.monitoring, too."""
    if sys.gettrace() is not None or sys.getprofile() is not None:
        return True
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and any(monitoring.get_tool(tool) is not None for tool in range(6))
