"""Include and exclude patterns, a small subset of those of rsync.

A pattern without a slash is matched against a name, at any depth: `*.o`, `.git`. One with a slash before its end is
matched against the whole path below the source: `/build`, `docs/*.html`; a leading slash makes no difference. A
trailing slash restricts it to directories: `cache/`.

`*` matches any bytes but a slash, `**` any bytes, `?` one byte but a slash, `[a-z]` one byte of a range, and `[!a-z]`
one that is not in it; a backslash quotes the next byte. Names are bytes: `?` matches a whole character of UTF-8 only
if that is ASCII.

A file or directory that matches an `exclude` pattern is skipped, a directory with everything in it. If there are
`include` patterns for files, a file must also match one of them; directories are entered all the same. The sources are
subject to the patterns without a slash, like any other name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from secftp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from secftp.storage import Path

    Match = Callable[[bytes], object]

_SLASH = b"/"


class Filters:
    """The patterns of one copy. Raises `UsageError` for an invalid pattern."""

    def __init__(self, include: Iterable[bytes] = (), exclude: Iterable[bytes] = ()) -> None:
        included, excluded = list(include), list(exclude)
        files = [pattern for pattern in excluded if not pattern.endswith(_SLASH)]
        self._included = _Patterns(pattern for pattern in included if not pattern.endswith(_SLASH))
        self._excluded_files = _Patterns(files)
        self._excluded_directories = _Patterns(excluded)
        self._all_files = not included and not files

    def wants_file(self, path: Path) -> bool:
        """Whether a file is copied; `path` is below its source, or the name of the file that is the source."""
        if self._all_files:
            return True
        if self._excluded_files.match(path):
            return False
        return self._included.empty or self._included.match(path)

    def wants_directory(self, path: Path) -> bool:
        """Whether a directory is entered; `path` as for a file."""
        return self._excluded_directories.empty or not self._excluded_directories.match(path)


class _Patterns:
    """Patterns, one of which has to match."""

    def __init__(self, patterns: Iterable[bytes]) -> None:
        names: list[bytes] = []
        paths: list[bytes] = []
        for pattern in patterns:
            bare = pattern.rstrip(_SLASH)
            if not bare:
                raise UsageError("A pattern is empty.", hint="For example *.o or cache/.")
            (paths if _SLASH in bare else names).append(_regex(bare.removeprefix(_SLASH)))
        self.empty = not names and not paths
        self._name = _alternatives(names)
        self._path = _alternatives(paths)

    def match(self, path: Path) -> bool:
        if self._name is not None and self._name(path[-1]):
            return True
        return self._path is not None and bool(self._path(_SLASH.join(path)))


def _alternatives(regexes: list[bytes]) -> Match | None:
    if not regexes:
        return None
    return re.compile(b"|".join(b"(?:%b)" % regex for regex in regexes), re.DOTALL).fullmatch


def _regex(pattern: bytes) -> bytes:
    """Return the regular expression of a pattern."""
    parts, position = [], 0
    while position < len(pattern):
        part, position = _part(pattern, position)
        parts.append(part)
    return b"".join(parts)


def _part(pattern: bytes, position: int) -> tuple[bytes, int]:
    """Return the expression for the part at `position`, and where the next part begins."""
    character = pattern[position : position + 1]
    if character == b"*":
        end = position + 1
        while pattern[end : end + 1] == b"*":
            end += 1
        return (b".*" if end - position > 1 else b"[^/]*"), end
    if character == b"?":
        return b"[^/]", position + 1
    if character == b"[":
        return _character_class(pattern, position)
    if character == b"\\" and position + 1 < len(pattern):
        return re.escape(pattern[position + 1 : position + 2]), position + 2
    return re.escape(character), position + 1


def _character_class(pattern: bytes, position: int) -> tuple[bytes, int]:
    """Return the expression for `[...]`; a bracket that is never closed stands for itself."""
    begin = position + 1
    negated = pattern[begin : begin + 1] in (b"!", b"^")
    begin += negated
    end = pattern.find(b"]", begin + 1)  # one right at the beginning is a member
    if end < 0:
        return re.escape(b"["), position + 1
    members = re.sub(rb"([\\\]\[^&~|])", rb"\\\1", pattern[begin:end])
    expression = b"[^/%b]" % members if negated else b"(?!/)[%b]" % members
    try:
        re.compile(expression)
    except re.error:
        raise UsageError("A pattern contains an invalid range.", hint="For example [a-z]*.") from None
    return expression, end + 1
