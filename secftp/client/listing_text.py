"""Lines of `ls` and `stat` as text: names as they are, in columns, or with all that is known of them.

Every name is escaped. On a terminal, one with spaces or with characters that a shell interprets is quoted, so that it
can be pasted into a command; one with escapes has the form $'...' of bash and zsh then.
"""

from __future__ import annotations

import re
import stat
import sys
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.protocol import Kind
from secftp.storage.attributes import is_clamped
from secftp.text import counted, escape_unencodable, path_text, show_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secftp.client.colours import Colours
    from secftp.errors import FileError
    from secftp.protocol import ErrorCode
    from secftp.storage import Path

_NANOSECONDS: Final = 10**9
_QUOTED: Final = re.compile(r"[\s!\"$&'()*;<>?\[\]^`|{}]|^[#~=]|^$")

_IN_DOUBLE_QUOTES: Final = frozenset('"$`!')  # what a shell interprets there


class Row(NamedTuple):
    """One name and its status; `size` in bytes.

    `code` says why a directory's contents are missing, possibly in a second row for the directory, or why nothing is
    known of the name; in both of these rows `kind` is None. `problem` is the exception, also if there is no code.
    """

    path: Path
    kind: Kind | None
    size: int
    mtime_ns: int
    mode: int
    code: ErrorCode | None = None
    problem: FileError | None = None


class Look(NamedTuple):
    """How names are printed. `columns`: the width of the terminal, None for one name a line.

    `long`: with permissions, size and time. `base`: of sizes in units (1024 or 1000), None for bytes. `quoted`: for a
    shell.
    """

    long: bool = False
    columns: int | None = None
    base: int | None = None
    quoted: bool = False
    colours: Colours | None = None

    def lines(self, rows: Sequence[Row], room: int = 1) -> Iterator[str]:
        """Yield the lines of the rows, with their ends. `room`: for a size, in characters."""
        if self.long:
            for row in rows:
                yield f"{permissions(row)} {self.size(row.size):>{room}} {when(row.mtime_ns)} {self.painted(row)}\n"
        elif self.columns is None:
            yield from (f"{self.painted(row)}\n" for row in rows)
        else:
            from secftp.client.columns import in_columns  # only where it is used: start-up is part of speed

            names = list(map(self.name, rows))
            shown = names if self.colours is None else list(map(self.painted, rows))
            yield from (f"{line}\n" for line in in_columns(names, shown, self.columns))

    def room(self, rows: Sequence[Row]) -> int:
        """Return how many characters the longest size of the rows takes."""
        return max((len(self.size(row.size)) for row in rows), default=1) if self.long else 1

    def size(self, size: int) -> str:
        """Return a size as it is printed."""
        if self.base is None:
            return str(size)
        from secftp.client.sizes import human_size  # likewise

        return human_size(size, self.base)

    def name(self, row: Row) -> str:
        """Return the name as it is printed; that of a directory ends with a slash."""
        return self.path(row.path) + _slash(row)

    def painted(self, row: Row) -> str:
        """Return it in its colour."""
        if self.colours is None:
            return self.name(row)
        last = row.path[-1] if row.path else b""
        return self.colours.paint(self.path(row.path), last, row.kind, row.mode) + _slash(row)

    def path(self, path: Path) -> str:
        """Return a path as it is printed."""
        encoding = getattr(sys.stdout, "encoding", None)
        return quoted_path(path, encoding) if self.quoted else escape_unencodable(show_path(path), encoding)


def quoted_path(path: Path, encoding: str | None = None) -> str:
    """Return a path escaped, and quoted for a shell if it has to be. `encoding`: of the terminal, None for UTF-8."""
    text, escaped = path_text(path), escape_unencodable(show_path(path), encoding)
    if escaped != text:
        return "$'" + escaped.replace("'", r"\'") + "'"
    if not _QUOTED.search(text):
        return text
    if "'" not in text:
        return f"'{text}'"
    return f'"{text}"' if not set(text) & _IN_DOUBLE_QUOTES else "$'" + text.replace("'", r"\'") + "'"


def _slash(row: Row) -> str:
    return "/" if row.kind is Kind.DIRECTORY and row.path else ""


def block(row: Row) -> str:
    """Return the status of a file or directory, a line for each field."""
    return (
        f"{show_path(row.path)}\n"
        f"  kind: {row.kind}\n"
        f"  size: {counted(row.size, 'byte')}\n"
        f"  modified: {when(row.mtime_ns, '%Y-%m-%d %H:%M:%S %z')}\n"
        f"  permissions: {permissions(row)} ({row.mode:04o})\n"
    )


def permissions(row: Row) -> str:
    """Return kind and permissions as ls does."""
    return stat.filemode((stat.S_IFDIR if row.kind is Kind.DIRECTORY else stat.S_IFREG) | row.mode)


def when(mtime_ns: int, form: str = "%Y-%m-%d %H:%M") -> str:
    """Return the local time, or the seconds since 1970 if the calendar has no such year."""
    if is_clamped(mtime_ns):
        return "after 2262" if mtime_ns > 0 else "before 1677"
    try:
        return time.strftime(form, time.localtime(mtime_ns // _NANOSECONDS))
    except (OverflowError, ValueError, OSError):
        return str(mtime_ns // _NANOSECONDS)
