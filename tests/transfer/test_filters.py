"""Include and exclude patterns."""

from __future__ import annotations

import pytest

from secftp.errors import UsageError
from secftp.transfer.filters import Filters


def split(path):
    return tuple(path.split(b"/"))


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        (b"*.o", [b"a.o", b"x/y/a.o", b".o"], [b"a.oo", b"a.o/x", b"ao"]),
        (b"a?c", [b"abc", b"x/a-c"], [b"ac", b"abbc"]),
        (b"[a-c]x", [b"ax", b"cx"], [b"dx", b"x"]),
        (b"[!a-c]x", [b"dx"], [b"ax"]),
        (b"[^a-c]x", [b"dx"], [b"ax"]),
        (b"[]x]", [b"]", b"x"], [b"[", b"[]x]"]),
        (b"[", [b"["], [b"x"]),
        (b"[a&&b]", [b"a", b"&"], [b"c"]),
        (b"/top", [b"top"], [b"x/top"]),
        (b"x/y", [b"x/y"], [b"z/x/y", b"x/y/z"]),
        (b"x/*.c", [b"x/a.c"], [b"x/y/a.c", b"a.c"]),
        (b"x/**.c", [b"x/a.c", b"x/y/a.c"], [b"a.c"]),
        (b"**/z", [b"x/z", b"x/y/z"], [b"z"]),
        (rb"\*", [b"*"], [b"a"]),
        (b"a\nb", [b"a\nb"], [b"a", b"a b"]),
        (b"*", [b"a\nb", b"\xff", b"x/y"], []),
        (b"\xff*", [b"\xffx"], [b"x"]),
        (b"a.b", [b"a.b"], [b"axb"]),
    ],
)
def test_an_excluded_pattern_matches_what_it_says(pattern, matching, others):
    globs = Filters(exclude=[pattern])
    assert [path for path in matching if globs.wants_file(split(path))] == []
    assert [path for path in others if not globs.wants_file(split(path))] == []
    included = Filters(include=[pattern])
    assert [path for path in matching if not included.wants_file(split(path))] == []
    assert [path for path in others if included.wants_file(split(path))] == []


def test_excluded_directories_are_not_entered_and_included_patterns_say_nothing_about_directories():
    globs = Filters(include=[b"*.c"], exclude=[b"build", b"/docs/old", b"cache/"])
    assert not globs.wants_directory((b"build",))
    assert not globs.wants_directory((b"x", b"build"))
    assert not globs.wants_directory((b"docs", b"old"))
    assert not globs.wants_directory((b"cache",))
    assert globs.wants_directory((b"x",))
    assert globs.wants_directory((b"x", b"docs", b"old"))


def test_a_slash_at_the_end_means_directories_only():
    globs = Filters(exclude=[b"cache/"])
    assert globs.wants_file((b"cache",))
    assert not globs.wants_directory((b"x", b"cache"))


def test_exclude_wins_over_include():
    globs = Filters(include=[b"*.c"], exclude=[b"x.c"])
    assert globs.wants_file((b"y.c",))
    assert not globs.wants_file((b"x.c",))
    assert not globs.wants_file((b"y.h",))


def test_without_patterns_everything_is_wanted():
    assert Filters().wants_file((b"x",))
    assert Filters().wants_directory((b"x",))


@pytest.mark.parametrize("pattern", [b"", b"/", b"//", b"[z-a]"])
def test_an_invalid_pattern_is_refused(pattern):
    with pytest.raises(UsageError):
        Filters(exclude=[pattern])
