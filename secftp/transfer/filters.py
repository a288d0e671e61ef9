"""Include and exclude patterns, a small subset of those of rsync and gitignore.

A pattern without a slash is matched against a name, at any depth: `*.o`, `.git`. One with a slash before its end is
matched against a whole path, which begins in the source or with the name of the source: of a copy of `src`,
`/build`, `src/build` and `/src/build` mean what is in `src/build`. A leading slash has no other meaning, and is for
single names. A trailing slash restricts a pattern to directories: `cache/`.

`*` matches any bytes but a slash, `?` one byte but a slash, `[a-z]` one byte of a range, and `[!a-z]` one that is not
in it; a backslash quotes the next byte. `**/` matches any number of directories, also none, `/**` everything below, and
`**` beside anything else any bytes. Names are bytes: `?` matches a whole character of UTF-8 only if that is ASCII. A
dot at the beginning of a name is like any other byte.

A file or directory that matches an `exclude` pattern is skipped, a directory with everything in it. If there are
`include` patterns, a file must also match one of them, or be in a directory that matches one with a trailing slash;
other directories are entered all the same, and made if a file in them is copied. Exclude patterns go first. The
sources are subject to the patterns, too, as files and directories with their own names.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from secftp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from secftp.storage import Path
    from secftp.transfer.options import Shard

    Match = Callable[[bytes], object]

_SLASH = b"/"
_SPECIAL = frozenset(b"*?[\\")
_NAMED_CLASS = rb"\[:\w*:\]"
_STAR = b"[^/]*"
_ANY = b".*"


class Filters:
    """The patterns of one copy, and its shard. Raises `UsageError` for an invalid pattern.

    `name_sources`: whether a pattern may begin with the name of a source. `includes`: whether directories are made only
    for the files that are copied into them.
    """

    def __init__(
        self, include: Iterable[bytes] = (), exclude: Iterable[bytes] = (), shard: Shard | None = None
    ) -> None:
        included, excluded = list(include), list(exclude)
        self._all = [*map(_Pattern, excluded), *map(_Pattern, included)]
        excludes, includes = self._all[: len(excluded)], self._all[len(excluded) :]
        self._included_files = _Patterns(pattern for pattern in includes if not pattern.is_directory)
        self._included_directories = _Patterns(pattern for pattern in includes if pattern.is_directory)
        self._excluded_files = _Patterns(pattern for pattern in excludes if not pattern.is_directory)
        self._excluded_directories = _Patterns(excludes)
        self.includes = bool(included)
        self.name_sources = any(pattern.first for pattern in self._all)
        self._all_files = not included and self._excluded_files.empty and shard is None
        self._is_in_shard: Callable[[Path], bool] | None = None
        if shard is not None:
            from secftp.transfer.shards import membership  # only where it is used

            self._is_in_shard = membership(shard)

    @property
    def unmatched(self) -> list[bytes]:
        """The patterns that have matched nothing so far, as they were given."""
        return [pattern.given for pattern in self._all if not pattern.is_seen]

    def wants_file(self, path: Path, source: bytes = b"") -> bool:
        """Whether a file is copied.

        `path` is below its source, `source` the name of that; or `path` is the name of the file that is the source.
        """
        if self._all_files:
            return True
        if not self._matches(path, source):  # first, as patterns note what they match
            return False
        return self._is_in_shard is None or self._is_in_shard(path)

    def wants_directory(self, path: Path, source: bytes = b"") -> bool:
        """Whether a directory is entered; `path` and `source` as for a file."""
        return self._excluded_directories.empty or not self._excluded_directories.match(path, source)

    def _matches(self, path: Path, source: bytes) -> bool:
        is_included = not self.includes or self._is_included(path, source)
        return not self._excluded_files.match(path, source) and is_included

    def _is_included(self, path: Path, source: bytes) -> bool:
        if self._included_files.match(path, source):
            return True
        if self._included_directories.empty:
            return False
        if source and self._included_directories.match((source,), b""):
            return True
        return any(self._included_directories.match(path[:depth], source) for depth in range(1, len(path)))


class _Pattern:
    """One pattern. `is_seen`: whether it has matched. `first`: the first name of its path, empty with wildcards."""

    __slots__ = ("first", "given", "is_directory", "is_path", "is_seen", "regex")

    def __init__(self, given: bytes) -> None:
        bare = given.rstrip(_SLASH)
        if not bare:
            raise UsageError("A pattern is empty.", hint="For example *.o or cache/.")
        self.given = given
        self.is_directory = bare != given
        self.is_path = _SLASH in bare
        bare = bare.removeprefix(_SLASH)
        first, slash, _ = bare.partition(_SLASH)
        self.first = first if slash and not _SPECIAL.intersection(first) else b""
        self.regex = _regex(bare)
        self.is_seen = False


class _Patterns:
    """Patterns, one of which has to match."""

    def __init__(self, patterns: Iterable[_Pattern]) -> None:
        given = list(patterns)
        self.empty = not given
        self._name = _Alternatives(pattern for pattern in given if not pattern.is_path)
        self._path = _Alternatives(pattern for pattern in given if pattern.is_path)
        self._in_source = {
            name: _Alternatives(pattern for pattern in given if pattern.first == name)
            for name in {pattern.first for pattern in given if pattern.first}
        }

    def match(self, path: Path, source: bytes) -> bool:
        if self.empty:
            return False
        # All are tried, since each pattern that matches has to be seen.
        matches = self._name.match(path[-1])
        if not self._path.empty:
            joined = _SLASH.join(path)
            matches |= self._path.match(joined)
            if source in self._in_source:
                matches |= self._in_source[source].match(b"%b/%b" % (source, joined))
        return matches


class _Alternatives:
    """The regular expressions of patterns as one; notes which patterns match."""

    def __init__(self, patterns: Iterable[_Pattern]) -> None:
        self._unseen = list(patterns)
        self.empty = not self._unseen
        self._fullmatch = _alternatives([pattern.regex for pattern in self._unseen])

    def match(self, text: bytes) -> bool:
        if self._fullmatch is None or not self._fullmatch(text):
            return False
        if self._unseen:
            for pattern in self._unseen:
                pattern.is_seen = pattern.is_seen or re.fullmatch(pattern.regex, text, re.DOTALL) is not None
            self._unseen = [pattern for pattern in self._unseen if not pattern.is_seen]
        return True


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
    return b"".join(_without_retries(parts))


def _without_retries(parts: list[bytes]) -> Iterator[bytes]:
    """Yield the parts with each star and what follows it as an atomic group, if another star follows in the same name.

    The first place where that matches is as good as any other, as the next star matches everything in between. To try
    all places for each star takes hours for a long name, which a server can choose.
    """
    stars = [place for place, part in enumerate(parts) if part in (_STAR, _ANY)]
    ends = {place: end for place, end in pairwise(stars) if parts[place] == _STAR and _SLASH not in parts[place:end]}
    group_end = None
    for place, part in enumerate(parts):
        if place == group_end:
            yield b")"
        group_end = ends.get(place, group_end)
        yield b"(?>[^/]*?" if place in ends else part


def _part(pattern: bytes, position: int) -> tuple[bytes, int]:
    """Return the expression for the part at `position`, and where the next part begins."""
    character = pattern[position : position + 1]
    if character == b"*":
        return _stars(pattern, position)
    if character == b"?":
        return b"[^/]", position + 1
    if character == b"[":
        return _character_class(pattern, position)
    if character == b"\\" and position + 1 < len(pattern):
        return re.escape(pattern[position + 1 : position + 2]), position + 2
    return re.escape(character), position + 1


def _stars(pattern: bytes, position: int) -> tuple[bytes, int]:
    """Return the expression for one star or more."""
    end = position + 1
    while pattern[end : end + 1] == b"*":
        end += 1
    if end - position == 1:
        return _STAR, end
    if pattern[end : end + 1] == _SLASH and pattern[:position][-1:] in (b"", _SLASH):
        return b"(?:.*/)?", end + 1
    return _ANY, end


def _character_class(pattern: bytes, position: int) -> tuple[bytes, int]:
    """Return the expression for `[...]`; a bracket that is never closed stands for itself."""
    begin = position + 1
    negated = pattern[begin : begin + 1] in (b"!", b"^")
    begin += negated
    end = pattern.find(b"]", begin + 1)  # one right at the beginning is a member
    if end < 0:
        return re.escape(b"["), position + 1
    if re.search(_NAMED_CLASS, pattern[begin : end + 1]):
        raise UsageError("Named classes of characters are not supported.", hint="For example [0-9] for [[:digit:]].")
    members = re.sub(rb"([\\\]\[^&~|])", rb"\\\1", pattern[begin:end])
    expression = b"[^/%b]" % members if negated else b"(?!/)[%b]" % members
    try:
        re.compile(expression)
    except re.error:
        raise UsageError("A pattern contains an invalid range.", hint="For example [a-z]*.") from None
    return expression, end + 1
