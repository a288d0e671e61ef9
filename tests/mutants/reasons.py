"""Mutants of error reports: disclosed reasons, and the side of a failure."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

REASONS = "tests/protocol/test_reasons.py"
SIDES = "tests/test_errors.py"
MAP = "secftp/protocol/errors.py"

MUTANTS: list[Mutant] = [
    mutant("symlink-told-by-its-reason", MAP, "return reason if reason is not None and (code, reason) in _REASONS else None", "return reason", REASONS),
    mutant("peers-reason-taken-with-any-code", MAP, "return known if known is not None and (code, known) in _REASONS else None", "return known", REASONS),
    mutant("right-not-told", "secftp/server/requests/context.py", "return MISSING_RIGHT[right] if self.rights.keyed else None", "return None", REASONS),
    mutant("key-spoken-of-without-a-key", "secftp/server/requests/context.py", "return MISSING_RIGHT[right] if self.rights.keyed else None", "return MISSING_RIGHT[right]", REASONS),
    mutant("reasons-beyond-the-message", "secftp/server/requests/batch.py", "        if room < 0:\n            break\n", "", REASONS),
    mutant("every-failure-is-local", "secftp/errors.py", "            if side is Side.LOCAL:\n", "            if side is not None:\n", SIDES),
]  # fmt: skip
