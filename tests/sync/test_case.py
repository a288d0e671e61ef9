"""Targets that do not distinguish upper and lower case: how they are found."""

from __future__ import annotations

import pytest

from secftp.errors import NotFound
from secftp.sync.case import folds
from secftp.sync.tree import Entry, EntryKind, Tree

FILE = Entry(EntryKind.FILE)


class Target:
    """A target that finds names in any case if it `folds`; it counts the questions."""

    def __init__(self, tree, *, folds):
        self.names = {path: None for path, _ in tree.items()}
        self.lower = {tuple(name.lower() for name in path) for path in self.names}
        self.folds = folds
        self.asked = 0

    def stat(self, path):
        self.asked += 1
        self.found = path in self.names or (self.folds and tuple(name.lower() for name in path) in self.lower)
        return self

    def result(self):
        if not self.found:
            raise NotFound("No such file.")


def tree(*names):
    return Tree.of({(name.encode(),): FILE for name in names})


@pytest.mark.parametrize("is_folding", [False, True])
@pytest.mark.parametrize(
    ("source", "target"),
    [(("a", "A"), ("b",)), (("a",), ("A",)), (("readme", "x"), ("README", "x", "1"))],
)
def test_a_target_is_asked_where_that_matters(source, target, is_folding):
    there = tree(*target)
    where = Target(there, folds=is_folding)
    assert folds(tree(*source), there, where) is is_folding
    assert where.asked == 1


@pytest.mark.parametrize(
    ("source", "target"),
    [(("a", "b"), ("a", "c")), (("a", "A"), ()), (("a", "A"), ("1", "2")), (("a", "A"), ("a", "A"))],
)
def test_a_target_is_not_asked_where_it_does_not_matter(source, target):
    there = tree(*target)
    where = Target(there, folds=True)
    assert folds(tree(*source), there, where) is False
    assert where.asked == 0
