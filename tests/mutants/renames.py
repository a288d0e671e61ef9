"""Mutants of renames at the target of a sync: another file under the name, the same file twice, work for nothing."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

RENAMES = "secftp/sync/renames.py"
TESTS = "tests/sync/test_renames.py"

MUTANTS: list[Mutant] = [
    mutant("renamed-whatever-it-contains", RENAMES, "found.setdefault((action.entry.size, digest), [])", "found.setdefault((action.entry.size, b''), [])", TESTS),
    mutant("renamed-without-a-digest", RENAMES, "        if digest is not None:\n", "        if action.path in paths:\n", TESTS),
    mutant("renamed-twice", RENAMES, "        new, deleted = ([action for action in each if id(action) not in taken] for each in (new, deleted))\n", "        new = [action for action in new if id(action) not in taken]\n", TESTS),
    mutant("renamed-and-copied", RENAMES, "{(Act.COPY, action.path) for action in renamed} |", "", TESTS),
    mutant("renamed-and-deleted", RENAMES, " | {(Act.DELETE, action.origin) for action in renamed}", "", TESTS),
    mutant("all-files-digested-for-renames", RENAMES, "        [action.path for action in plan.of(act) if action.entry.size in sizes] for act", "        [action.path for action in plan.of(act)] for act", TESTS),
    mutant("renamed-with-its-old-attributes", RENAMES, "    if sets_attributes:\n", "    if False:\n", TESTS),
]  # fmt: skip
