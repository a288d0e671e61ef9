"""Mutants of what a Python program reads: ranges, many files, file objects."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

RANGES = "secftp/api/ranges.py"
OF_RANGES = "tests/api/test_ranges.py"

MUTANTS: list[Mutant] = [
    # --- ranges and many files ---
    mutant("ranges-of-two-versions", RANGES, "        if version is not None and self._versions.setdefault(path, version) != version:\n", "        if False:\n", OF_RANGES),
    mutant("first-range-of-a-changed-file-is-kept", RANGES, "            if (problem := self._changed.get(reply.piece.path)) is not None:\n", "            if (problem := self._changed.get(())) is not None:\n", OF_RANGES),
    mutant("small-file-is-not-verified", RANGES, "data if hmac.compare_digest(self._digest_of(data), digest) else", "data if digest else", OF_RANGES),
    mutant("range-cut-out-elsewhere", RANGES, "        begin = wanted.offset - self.offset\n", "        begin = wanted.offset\n", OF_RANGES),
    mutant("merged-without-end", RANGES, "gap > min(MAX_GAP, wanted.length)", "gap > MAX_GAP", OF_RANGES),
    mutant("ranges-one-after-the-other", RANGES, "            self._submit(request, reply)\n            if self._stop", "            self._submit(request, reply)\n            self._pipeline.wait_for(reply)\n            if self._stop", OF_RANGES),
    mutant("failure-leaves-the-rest-coming", RANGES, "            if not reply.complete:\n                self._pipeline.cancel_later(number)\n", "            pass\n", OF_RANGES),
]  # fmt: skip
