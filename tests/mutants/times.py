"""Mutants of what is newer, older or the same: files that must not be replaced, changes that must not be missed."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

UPDATE = "tests/transfer/test_update.py"
TIMES = "tests/sync/test_times.py"

MUTANTS: list[Mutant] = [
    mutant("update-replaces-what-is-newer", "secftp/transfer/engine.py", "NEWER if target.mtime_ns > source.mtime_ns and not options.force else", "NEWER if False else", UPDATE),
    mutant("newer-only-if-it-is-as-long", "secftp/transfer/engine.py", "NEWER if target.mtime_ns > source.mtime_ns", "NEWER if target.size == source.size and target.mtime_ns > source.mtime_ns", UPDATE),
    mutant("update-replaces-what-is-a-little-newer", "secftp/transfer/engine.py", "source.size == target.size and same_time(source.mtime_ns, target.mtime_ns):\n        return SAME", "same_time(source.mtime_ns, target.mtime_ns):\n        return SAME if source.size == target.size else ''", UPDATE),
    mutant("sync-replaces-what-is-a-little-newer", "secftp/sync/plan.py", "        elif there.mtime_ns > entry.mtime_ns and not", "        elif there.mtime_ns > entry.mtime_ns and not self._same_time(entry, there) and not", TIMES),
    mutant("sync-replaces-what-is-newer", "secftp/sync/plan.py", "        elif there.mtime_ns > entry.mtime_ns and not self._rules.force:\n", "        elif False:\n", TIMES),
    mutant("exact-times-compared-coarsely", "secftp/sync/times.py", "        if entry.mtime_ns % step and entry.kind is EntryKind.FILE:\n", "        if False:\n", TIMES),
    mutant("mount-point-as-evidence", "secftp/sync/times.py", " and entry.kind is EntryKind.FILE:", ":", TIMES),
    mutant("evidence-of-another-directory", "secftp/sync/plan.py", "            self._resolutions = resolutions\n", "            self._resolutions = min(self._resolutions, resolutions)\n", TIMES),
    mutant("resolution-of-the-other-side", "secftp/storage/attributes.py", "_truncates(one, other, of_one) or", "_truncates(one, other, of_other) or", TIMES),
    mutant("resumed-copy-spares-what-is-newer", "secftp/client/copying.py", '("resume", "update", "force") if name != "force" or not settings.copy.update]', '("resume", "update")]', "tests/client/test_cli_copy.py"),
]  # fmt: skip
