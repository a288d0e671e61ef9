"""From root to a user without its powers, once the port is bound. There is no way back."""

from __future__ import annotations

import contextlib
import os

from secftp import system
from secftp.errors import UsageError
from secftp.text import escape


def become(name: str) -> None:
    """Become this user, with its groups and its home folder and nothing of root's; raises `UsageError`."""
    import pwd

    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise UsageError(
            f"There is no user {escape(os.fsencode(name))}.", hint="Give the name of a user of this machine."
        ) from None
    if os.geteuid() != entry.pw_uid or os.getuid() != entry.pw_uid:
        try:
            os.initgroups(name, entry.pw_gid)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
        except OSError:
            raise UsageError("Only root can become another user.", hint="Leave out --user, or start as root.") from None
        with contextlib.suppress(OSError, ImportError):
            system.forbid_dumps()  # fs.suid_dumpable may have allowed them again
    os.environ["HOME"] = entry.pw_dir
    os.environ.pop("XDG_STATE_HOME", None)
