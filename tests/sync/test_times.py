"""Times of two sides with resolutions of their own: what counts as the same, and which is newer."""

from __future__ import annotations

import random

import pytest

from secftp.storage.attributes import COARSEST, RESOLUTIONS, same_time
from secftp.sync.plan import Act, Reason, make
from secftp.sync.times import resolution_of
from secftp.sync.tree import Entry, EntryKind, Tree

S = 1_000_000_000
MANY = 64
EXACT = 7 * S + 123_456_789


def tree(*times, directory=()):
    """A tree with a file for each time, in order."""
    top = [((directory[0],), Entry(EntryKind.DIRECTORY))] if directory else []
    files = [((*directory, b"%d" % number), Entry(EntryKind.FILE, 4, time)) for number, time in enumerate(times)]
    return Tree.of([*top, *files])


def acts(source, target):
    return [(action.act, action.reason) for action in make(source, target).actions]


@pytest.mark.parametrize("step", RESOLUTIONS)
@pytest.mark.parametrize("way", ["source", "target"])
def test_a_side_that_truncates_has_the_times_of_the_other(step, way):
    """Whatever the direction, and before the epoch, too."""
    draw = random.Random(step)
    exact = [draw.randrange(-(10**18), 2 * 10**18) for _ in range(MANY)]
    sides = [tree(*exact), tree(*(time - time % step for time in exact))]
    assert acts(*(reversed(sides) if way == "source" else sides)) == []


@pytest.mark.parametrize("step", RESOLUTIONS)
def test_a_difference_of_more_than_the_resolution_is_one(step):
    kept = [(10**9 + 7 * number) * COARSEST + step for number in range(MANY)]
    assert acts(tree(*(time + 2 * step for time in kept)), tree(*kept)) == [(Act.REPLACE, None)] * MANY
    assert acts(tree(*kept), tree(*(time + 2 * step for time in kept))) == [(Act.SKIP, Reason.NEWER)] * MANY


def test_a_time_that_no_coarse_file_system_keeps_proves_that_its_neighbours_are_exact():
    """Without it the first file could be a copy on a file system with whole seconds."""
    half = 5 * S + 500_000_000
    assert acts(tree(half), tree(5 * S)) == []
    assert acts(tree(half, EXACT), tree(5 * S, EXACT)) == [(Act.REPLACE, None)]
    assert acts(tree(half, EXACT), tree(5 * S, 7 * S)) == [], "the resolution of the source proves nothing"
    assert acts(tree(5 * S, EXACT), tree(half, EXACT)) == [(Act.SKIP, Reason.NEWER)]


def test_files_of_other_sizes_are_no_copies_so_the_later_one_is_newer():
    """Although a file system with even seconds would truncate the one time to the other."""
    source, target = (
        Tree.of({(b"f",): Entry(EntryKind.FILE, size, time)}) for size, time in ((3, 4 * S), (4, 5 * S + 300_000_000))
    )
    assert acts(source, target) == [(Act.SKIP, Reason.NEWER)]
    assert acts(target, source) == [(Act.REPLACE, None)]


def test_a_directory_proves_nothing_of_another_one():
    here, there = dict(tree(EXACT).items()), dict(tree(EXACT).items())
    here |= dict(tree(5 * S + 500_000_000, directory=(b"d",)).items())
    there |= dict(tree(5 * S, directory=(b"d",)).items())
    assert acts(Tree.of(here), Tree.of(there)) == []
    here[b"0",], there[b"0",] = Entry(EntryKind.FILE, 4, 3 * S), Entry(EntryKind.FILE, 4, 2 * S)
    assert acts(Tree.of(here), Tree.of(there)) == [], "nor does one that was compared before"


def test_seconds_are_told_from_even_seconds():
    assert acts(tree(5 * S + 900_000_000, 7 * S), tree(4 * S, 7 * S)) == [(Act.REPLACE, None)]
    assert acts(tree(5 * S + 900_000_000, 7 * S), tree(5 * S, 7 * S)) == []


def test_only_files_are_evidence():
    """A directory may be a mount point, and its time is not that of a copy."""
    entries = [Entry(EntryKind.DIRECTORY, 0, EXACT), Entry(EntryKind.FILE, 1, 4 * S), Entry(EntryKind.OTHER)]
    assert resolution_of(entries) == COARSEST
    assert resolution_of([]) == COARSEST


def test_evidence_makes_the_comparison_only_stricter():
    draw = random.Random(13)
    for _ in range(2000):
        one = draw.randrange(10**10) * draw.choice(RESOLUTIONS)
        other = one + draw.choice((-1, 1)) * draw.randrange(1, 4) * draw.choice(RESOLUTIONS) // draw.choice((1, 2, 3))
        verdicts = [same_time(one, other, step, step) for step in RESOLUTIONS]
        assert verdicts == sorted(verdicts)
