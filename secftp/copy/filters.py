"""Which files of a tree are copied: `include` and `exclude` globs, a small part of what rsync knows.

A pattern without a slash is compared with a name, wherever it stands: `*.o`, `.git`. With a slash anywhere but at its
end it is compared with the whole path below the source that was named: `/build`, `docs/*.html`; whether it begins with
a slash makes no difference then. A slash at its end means folders only: `cache/`.

`*` is any run of bytes without a slash, `**` any run at all, `?` one byte that is no slash, `[a-z]` one of these and
`[!a-z]` one of all others, a backslash takes the next byte as it is. Names are bytes: `?` is not a whole letter of
UTF-8 unless that is ASCII.

What an `exclude` pattern matches is left out, a folder with all that is in it. Then, if there are any `include`
patterns for files, a file has to match one of them; folders are entered all the same. What was named as a source is
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
    """The patterns of one copy. Raises `UsageError` for a pattern that is none."""

    def __init__(self, include: Iterable[bytes] = (), exclude: Iterable[bytes] = ()) -> None:
        included, excluded = list(include), list(exclude)
        files = [pattern for pattern in excluded if not pattern.endswith(_SLASH)]
        self._included = _Patterns(pattern for pattern in included if not pattern.endswith(_SLASH))
        self._excluded_files = _Patterns(files)
        self._excluded_folders = _Patterns(excluded)
        self._all_files = not included and not files

    def wants_file(self, path: Path) -> bool:
        """Whether a file is copied; `path` is below its source, or the name of the file that is the source."""
        if self._all_files:
            return True
        if self._excluded_files.match(path):
            return False
        return self._included.empty or self._included.match(path)

    def wants_directory(self, path: Path) -> bool:
        """Whether a folder is entered; `path` as before."""
        return self._excluded_folders.empty or not self._excluded_folders.match(path)


class _Patterns:
    """Patterns of which one has to match."""

    def __init__(self, patterns: Iterable[bytes]) -> None:
        names: list[bytes] = []
        paths: list[bytes] = []
        for pattern in patterns:
            bare = pattern.rstrip(_SLASH)
            if not bare:
                raise UsageError("A pattern needs something to match.", hint="For example --exclude '*.o'.")
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
    """The regular expression of a glob."""
    found, place = [], 0
    while place < len(pattern):
        part, place = _part(pattern, place)
        found.append(part)
    return b"".join(found)


def _part(pattern: bytes, place: int) -> tuple[bytes, int]:
    """The expression for what stands at `place`, and where the next part begins."""
    sign = pattern[place : place + 1]
    if sign == b"*":
        end = place + 1
        while pattern[end : end + 1] == b"*":
            end += 1
        return (b".*" if end - place > 1 else b"[^/]*"), end
    if sign == b"?":
        return b"[^/]", place + 1
    if sign == b"[":
        return _one_of(pattern, place)
    if sign == b"\\" and place + 1 < len(pattern):
        return re.escape(pattern[place + 1 : place + 2]), place + 2
    return re.escape(sign), place + 1


def _one_of(pattern: bytes, place: int) -> tuple[bytes, int]:
    """`[...]`; a bracket that is never closed stands for itself."""
    begin = place + 1
    negated = pattern[begin : begin + 1] in (b"!", b"^")
    begin += negated
    end = pattern.find(b"]", begin + 1)  # one right at the beginning is one of the signs
    if end < 0:
        return re.escape(b"["), place + 1
    signs = re.sub(rb"([\\\]\[^&~|])", rb"\\\1", pattern[begin:end])
    expression = b"[^/%b]" % signs if negated else b"(?!/)[%b]" % signs
    try:
        re.compile(expression)
    except re.error:
        raise UsageError("A pattern holds a range that is none.", hint="For example --exclude '[a-z]*'.") from None
    return expression, end + 1
