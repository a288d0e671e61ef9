"""Include and exclude patterns."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secftp.errors import UsageError
from secftp.transfer.filters import Filters

pytestmark = pytest.mark.exhaustive


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
        (b"**/z", [b"z", b"x/z", b"x/y/z"], [b"xz", b"z/x"]),
        (b"x/**/z", [b"x/z", b"x/y/z", b"x/y/y/z"], [b"xz", b"x/yz", b"z", b"y/x/z"]),
        (b"**/**/z/**", [b"z/a", b"y/z/a/b"], [b"z", b"y/z"]),
        (b"x/***/z", [b"x/z", b"x/y/z"], [b"xz"]),
        (b"a**/z", [b"a/z", b"ab/c/z"], [b"az", b"z"]),
        (rb"\**/z", [b"*/z", b"*x/z"], [b"z", b"x/z"]),
        (rb"\*", [b"*"], [b"a"]),
        (b"a\nb", [b"a\nb"], [b"a", b"a b"]),
        (b"*", [b"a\nb", b"\xff", b"x/y"], []),
        (b"\xff*", [b"\xffx"], [b"x"]),
        (b"a.b", [b"a.b"], [b"axb"]),
        (b"*a*b", [b"ab", b"aab", b"xaxbxb"], [b"ba", b"aba"]),
        (b"x/*a*b/*c", [b"x/aab/cc"], [b"x/a/b/c", b"x/ab/c/d"]),
        (b"x/*a**b", [b"x/ab", b"x/aa/b", b"x/a/y/ab"], [b"x/y/ab", b"x/a"]),
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


@pytest.mark.parametrize("pattern", [b"", b"/", b"//", b"[z-a]", b"[[:alpha:]]*"])
def test_an_invalid_pattern_is_refused(pattern):
    with pytest.raises(UsageError):
        Filters(exclude=[pattern])


def test_a_pattern_may_begin_with_the_name_of_the_source():
    globs = Filters(exclude=[b"src/build", b"/src/a.c", b"src/**/*.o", b"*/x"])
    assert globs.name_sources
    assert not globs.wants_directory((b"build",), b"src")
    assert not globs.wants_directory((b"src", b"build"), b"other")
    assert globs.wants_directory((b"build",), b"other")
    assert not globs.wants_file((b"a.c",), b"src")
    assert not globs.wants_file((b"b", b"c", b"a.o"), b"src")
    assert globs.wants_file((b"b", b"a.o"), b"srcs")
    assert globs.wants_file((b"x",), b"src")  # wildcards stand for no source
    assert not Filters(exclude=[b"*/x"]).name_sources


def test_directories_that_are_included_with_all_their_files():
    globs = Filters(include=[b"docs/", b"*.c"], exclude=[b"*.tmp"])
    assert globs.includes
    assert globs.wants_file((b"x", b"docs", b"y", b"a"))
    assert globs.wants_file((b"a.c",))
    assert globs.wants_file((b"a",), b"docs")
    assert not globs.wants_file((b"docs",))
    assert not globs.wants_file((b"x", b"a"))
    assert not globs.wants_file((b"docs", b"a.tmp"))


def test_which_patterns_have_matched_nothing():
    globs = Filters(include=[b"*.c", b"a.*", b"*.h", b"old/"], exclude=[b"b.*", b"b.c", b"*.o", b"x/y"])
    assert globs.unmatched == [b"b.*", b"b.c", b"*.o", b"x/y", b"*.c", b"a.*", b"*.h", b"old/"]
    globs.wants_file((b"a.c",))
    assert globs.unmatched == [b"b.*", b"b.c", b"*.o", b"x/y", b"*.h", b"old/"]
    globs.wants_file((b"b.c",))  # both of its patterns count, also for a file that is excluded
    globs.wants_file((b"old", b"name"))
    globs.wants_directory((b"y",), b"x")
    assert globs.unmatched == [b"*.o", b"*.h"]
    globs = Filters(exclude=[b"x/b.c", b"*.c"])
    globs.wants_file((b"x", b"b.c"))
    assert globs.unmatched == []


@pytest.mark.parametrize("pattern", [b"*a*a*a*a*a*a*a*b", b"x/*a*?*[ab]*a*[!b]*a*b", b"**/*a*a*a*a*a*a*a*b/**"])
def test_a_long_name_does_not_take_for_ever(pattern):
    """As it would if all places were tried for each star; and a server chooses the names."""
    globs = Filters(exclude=[pattern])
    assert globs.wants_file((b"x", b"a" * 255))
    assert globs.wants_file((b"a" * 255,))


# --- an independent oracle: name by name, with the fnmatch of Python --------------------------------------------------


def names_match(patterns, names):
    if not patterns:
        return not names
    first, *rest = patterns
    if first == b"**":
        return bool(names) if not rest else any(names_match(rest, names[skip:]) for skip in range(len(names)))
    return bool(names) and fnmatch.fnmatchcase(names[0], first) and names_match(rest, names[1:])


def matches(pattern, path, source, *, is_directory):
    """Whether a pattern matches a file or a directory."""
    if pattern.endswith(b"/") and not is_directory:
        return False
    bare = pattern.rstrip(b"/")
    if b"/" not in bare:
        return fnmatch.fnmatchcase(path[-1], bare)
    names = bare.removeprefix(b"/").split(b"/")
    return names_match(names, path) or (names[0] == source and names_match(names, (source, *path)))


PARTS = st.sampled_from(
    [b"a", b"b", b"ab", b"*", b"?", b"a*", b"[ab]", b"[!a]", b"**", b"a?", b"*a*b", b"*b*", b"*[ab]*a?", b"*?b*[!a]*a"]
)
PATTERNS = st.builds(
    lambda lead, parts, tail: lead + b"/".join(parts) + tail,
    st.sampled_from([b"", b"/"]), st.lists(PARTS, min_size=1, max_size=3), st.sampled_from([b"", b"/"]),
)  # fmt: skip
PATHS = st.lists(
    st.sampled_from([b"a", b"b", b"ab", b"ba", b".a", b"\xff", b"aabab", b"abba", b"bbaab"]), min_size=1, max_size=4
).map(tuple)


@given(st.lists(PATTERNS, max_size=3), st.lists(PATTERNS, max_size=3), PATHS, st.sampled_from([b"", b"a", b"ab"]))
@settings(max_examples=2000, deadline=None)
def test_the_same_as_the_oracle(include, exclude, path, source):
    globs = Filters(include, exclude)
    excluded = any(matches(pattern, path, source, is_directory=False) for pattern in exclude)
    included = not include or any(matches(pattern, path, source, is_directory=False) for pattern in include)
    above = [(path[:depth], source) for depth in range(1, len(path))] + [((source,), b"")] * bool(source)
    included |= any(
        matches(pattern, *place, is_directory=True) for pattern in include if pattern.endswith(b"/") for place in above
    )
    assert globs.wants_file(path, source) == (included and not excluded)
    assert globs.wants_directory(path, source) == (
        not any(matches(pattern, path, source, is_directory=True) for pattern in exclude)
    )
