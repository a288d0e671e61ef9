"""Common parts of the verification tools: a copy of the checkout, cores built with other flags, recorded figures.

The tools are `tests.sanitize`, `tests.fuzz`, `tests.mutants`, `tests.faults` and `tests.soak`. Each is a program (`make
help` lists the targets) that works in build/prove/, prints what it tried and found, and exits with a status other than
0 if it found anything. Invariant: no tool changes files of the checkout or its built module.
"""

from __future__ import annotations

from tests.prove.figures import Figures
from tests.prove.tree import TOP, WORK, Tree

__all__ = ["TOP", "WORK", "Figures", "Tree"]
