"""Hosts of the user: names for servers, each with its URL, its key and its options, in a file of the user.

    [hosts.nas]
    url = "secftp://nas.example/backup"
    key-file = "nas.key"         # beside this file; or key-command = ["pass", "show", "nas"], or keyring = "nas"

Words of a command line name a server by a URL or, as those of scp, by a host before a colon (`secftp.hosts.words`). The
file (`secftp.hosts.config`) is read only if it exists, and is refused if another user may have written it
(`secftp.hosts.trusted`), since it can name commands that are run (`secftp.hosts.key_command`).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # as of typing: a client looks for the file before it imports that
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

VARIABLE: Final = "SECFTP_CONFIG"


def config_path(environment: Mapping[str, str]) -> str | None:
    """Return the path of the user's file; None if the user has no home directory.

    SECFTP_CONFIG, else `secftp/config.toml` in XDG_CONFIG_HOME if that is an absolute path, else in `~/.config`.
    Source: XDG Base Directory Specification.
    """
    if chosen := environment.get(VARIABLE):
        return chosen
    base = environment.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".config")
    return os.path.join(base, "secftp", "config.toml") if os.path.isabs(base) else None


def existing_config(environment: Mapping[str, str]) -> str | None:
    """Return the path of the user's file if there is one, or if SECFTP_CONFIG names one, there or not."""
    path = config_path(environment)
    return path if path is not None and (environment.get(VARIABLE) or os.path.lexists(path)) else None
