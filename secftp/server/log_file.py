"""The file that a server logs into: appended to, made with a mode of its own, opened again when it was moved away.

What must never happen: that a link or a pipe somebody put there is written through, or that clients can get at it.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from secftp.errors import UsageError
from secftp.server.trusted import refuse_file
from secftp.text import escape

if TYPE_CHECKING:
    from typing import TextIO

MODE: Final = 0o640
# O_NONBLOCK: a pipe that nobody reads must not hold up the start.
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_log(path: str, root: str) -> TextIO:
    """The file, to be appended to; raises `UsageError` for what is no regular file or can be reached in `root`."""
    refuse_file(path, root, "log file", is_key=False)
    shown = escape(os.fsencode(path))
    try:
        descriptor = os.open(path, _FLAGS, MODE)
    except OSError as problem:
        reason = (problem.strerror or "").lower()
        raise UsageError(f"The log file {shown} can't be opened: {reason}.", hint="Links are not followed.") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(f"The log file {shown} is not a regular file.")
    return open(descriptor, "a", encoding="utf-8")
