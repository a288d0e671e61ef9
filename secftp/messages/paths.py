"""The rule for paths on the wire, by letter alone; no file system is asked.

A path is a sequence of names, each of them bytes. A name that could mean another place than one entry of one folder
must never pass. What the file system or the server's own rules make of a name is a question for `secftp.storage`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.errors import NameRefused, Reason
from secftp.messages.bounds import MAX_COMPONENT, MAX_COMPONENTS, MAX_PATH

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_path(path: Sequence[bytes]) -> None:
    """Raise `NameRefused` unless `path` is 1..64 names of 1..255 bytes, 4096 in all counting a separator for each.

    `.`, `..`, and any name that holds a slash or a NUL are refused. The sentence never repeats the name.
    """
    if not 1 <= len(path) <= MAX_COMPONENTS:
        raise NameRefused(f"A path has 1 to {MAX_COMPONENTS} components.", reason=Reason.TOO_DEEP)
    joined = b"/".join(path)
    if len(joined) + 1 > MAX_PATH:
        raise NameRefused(f"A path has at most {MAX_PATH} bytes, separators included.", reason=Reason.NAME_TOO_LONG)
    if joined.count(b"/") >= len(path) or b"\0" in joined:
        raise NameRefused("A name contains neither a slash nor a NUL byte.")
    if b"." in path or b".." in path:
        raise NameRefused("A path contains neither '.' nor '..'.")
    # The whole path is hardly ever as long as one name may be, and a listing has a million of them.
    if b"" in path or (len(joined) > MAX_COMPONENT and max(map(len, path)) > MAX_COMPONENT):
        raise NameRefused(f"A name has 1 to {MAX_COMPONENT} bytes.", reason=Reason.NAME_TOO_LONG)


def check_directory_path(path: Sequence[bytes]) -> None:
    """The same where `()` is good as well: the served folder itself."""
    if path:
        check_path(path)
