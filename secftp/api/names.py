"""Names of the far end as Python programs give them, on their way to the names of the wire, and back.

A name may be `str`, `bytes` or any `pathlib` path; what comes back is of the kind that went in, bytes for bytes and
`str` for everything else, as in `os.scandir`. Names are bytes at a server, read as UTF-8 whatever the locale is here:
one that is no UTF-8 becomes a `str` with surrogate escapes (PEP 383), and such a `str` finds its file again. Like a
shell's, a name that begins with a slash starts at the folder that is served, any other at the folder of the URL. What
must never happen: that `..` gets through, or that a name comes to mean a file of this machine.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, AnyStr, TypeAlias

from secftp.errors import IsADirectory, NameRefused, Side
from secftp.messages import check_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secftp.storage import Path

RemotePath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"
LocalPath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"


def spelled(path: RemotePath) -> str | bytes:
    """The name as `str` or `bytes`, with slashes whatever the flavour of a `pathlib` path.

    Raises TypeError for what is no path.
    """
    as_posix = getattr(path, "as_posix", None)
    return str(as_posix()) if as_posix is not None else os.fspath(path)


def encoded(path: RemotePath) -> bytes:
    """The name's bytes, slashes included; raises `NameRefused` for a `str` that stands for no bytes."""
    try:
        name = spelled(path)
        return name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise NameRefused("A name holds a character that can't be encoded.", side=Side.REMOTE) from None


def folder_path(path: RemotePath, base: Path = ()) -> Path:
    """The path on the wire, `()` for the served folder itself; empty parts and `.` mean nothing, as everywhere.

    Raises `NameRefused` for what no server takes.
    """
    name = encoded(path)
    start = () if name.startswith(b"/") else base
    found = (*start, *(part for part in name.split(b"/") if part not in (b"", b".")))
    if found:
        check_path(found)
    return found


def file_path(path: RemotePath, base: Path = ()) -> Path:
    """As `folder_path`, for what must be a file or has to be made: the served folder itself is `IsADirectory`."""
    found = folder_path(path, base)
    if not found:
        raise IsADirectory(
            "The served folder itself is meant, and not a file in it.",
            hint="Give the name of a file.",
            filename="/",
            side=Side.REMOTE,
        )
    return found


def means_folder(path: RemotePath) -> bool:
    """Whether the name says by its letters that it is a folder's: it ends in a slash or a dot, or is empty."""
    return encoded(path).rpartition(b"/")[2] in (b"", b".")


def joined(parent: AnyStr, name: bytes) -> AnyStr:
    """A name beneath `parent`, of the kind that `parent` is."""
    if isinstance(parent, bytes):
        return parent + (b"" if not parent or parent.endswith(b"/") else b"/") + name
    return parent + ("" if not parent or parent.endswith("/") else "/") + name.decode("utf-8", "surrogateescape")


def local_name(path: LocalPath) -> str:
    """The name of a file of this machine, bytes as surrogate escapes, and its trailing slash kept."""
    return os.fsdecode(path)


def paths(given: LocalPath | Iterable[LocalPath]) -> list[LocalPath]:
    """One path or several, as a list."""
    return [given] if isinstance(given, str | bytes | os.PathLike) else list(given)
