"""What the proving tools share: a copy of the checkout to work in, its core built their way, and figures to keep.

The tools are `tests.sanitize`, `tests.fuzz`, `tests.mutants`, `tests.faults` and `tests.soak`: each is a program of its
own (`make help` has the goals), works beneath build/prove/, prints what it tried and found, and ends with a status
other than 0 if anything was found. None of them ever changes the checkout's own files or its built module.
"""

from __future__ import annotations

from tests.prove.figures import Figures
from tests.prove.tree import TOP, WORK, Tree

__all__ = ["TOP", "WORK", "Figures", "Tree"]
