"""Definition of a mutant, and the marker for one that a tool other than pytest should detect."""

from __future__ import annotations

from typing import NamedTuple

# Judged by valgrind with every secret undefined, since no test can see time.
SECRETS = ("-m", "tests.sanitize", "secrets")


class Mutant(NamedTuple):
    """`edits` are (file, what stands there once, what stands there instead); `tests` are pytest's arguments."""

    name: str
    edits: tuple[tuple[str, str, str], ...]
    tests: tuple[str, ...]


def mutant(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    """A mutant of one edit."""
    return Mutant(name, ((file, old, new),), tests)
