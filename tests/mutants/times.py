"""Mutants of what is newer, older or the same: files that must not be replaced, changes that must not be missed."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

TIMES = "tests/transfer/test_times.py"

MUTANTS: list[Mutant] = [
    mutant("update-replaces-what-is-newer", "secftp/transfer/engine.py", '            return "" if self.options.force else NEWER\n', '            return ""\n', TIMES),
    mutant("exact-times-compared-coarsely", "secftp/transfer/times.py", "        if mtime_ns % step:\n", "        if False:\n", TIMES),
    mutant("evidence-of-times-forgotten", "secftp/transfer/times.py", "self._resolutions.pop(directory, COARSEST)", "COARSEST", TIMES),
    mutant("evidence-of-times-without-bound", "secftp/transfer/times.py", "        if len(self._resolutions) >= self._most:\n", "        if False:\n", TIMES),
    mutant("resolution-of-the-other-side", "secftp/storage/attributes.py", "_truncates(one, other, of_one) or", "_truncates(one, other, of_other) or", TIMES),
    mutant("resumed-copy-spares-what-is-newer", "secftp/client/copying.py", '("resume", "update", "force") if name != "force" or not settings.copy.update]', '("resume", "update")]', "tests/client/test_cli_copy.py"),
]  # fmt: skip
