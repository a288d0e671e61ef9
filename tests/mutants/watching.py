"""Mutants of `secftp sync --watch`: changes that are missed, deletions that are not meant, and endless work."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

WATCH = "secftp/sync/watch.py"
LOCAL = "secftp/sync/local_changes.py"
LOOP = "secftp/client/watching.py"
PARTS = "tests/sync/test_watch.py"
TOLD = "tests/sync/test_local_changes.py"
PASSES = "tests/client/test_watching.py"
MODEL = "tests/sync/test_model.py"

MUTANTS: list[Mutant] = [
    mutant("changes-without-bound", WATCH, "            if len(self._paths) > MOST_PATHS or () in self._paths:\n", "            if () in self._paths:\n", PARTS),
    mutant("part-without-its-directories", WATCH, "path in self._above or", "False or", PARTS),
    mutant("part-is-everything", WATCH, "        return self.is_whole or any(", "        return True or any(", PARTS),
    mutant("part-of-what-is-excluded", WATCH, "self._is_below(path)) and self._selection.wants_file(path)", "self._is_below(path))", PARTS),
    mutant("excluded-changes-make-passes", WATCH, "        found = [path for path in paths if self._counts(path)]\n", "        found = list(paths)\n", PARTS),
    mutant("quiet-is-awaited-for-ever", WATCH, "min(self._last + quiet, self._first + longest, until)", "min(self._last + quiet, until)", PARTS),
    mutant("pass-in-the-middle-of-changes", WATCH, "min(self._last + quiet, self._first + longest, until)", "now", PARTS),
    mutant("burst-of-changes-is-complete", LOCAL, "                if len(found) >= _BURST:\n", "                if False:\n", TOLD),
    mutant("watches-that-are-missing-unnoticed", LOCAL, "        return watched is None or watched > directories\n", "        return True\n", TOLD, PASSES),
    mutant("limits-of-watches-ignored", LOCAL, "ignore_permission_denied=False", "ignore_permission_denied=True", TOLD),
    mutant("ended-watch-is-no-problem", LOCAL, '                self.problem = self.problem or "the watch has ended"\n', "                pass\n", TOLD),
    mutant("garbled-name-taken-for-a-name", LOCAL, "if _LOST in part), len(path))", "if False), len(path))", TOLD),
    mutant("another-directory-taken-for-the-watched-one", LOCAL, "        return _identity(self._top) == self._identity\n", "        return True\n", TOLD, PASSES),
    mutant("listed-before-it-is-watched", LOCAL, "        while not self._ready.wait(1.0):  # a wait without an end could not be interrupted\n            pass\n", "", TOLD, PASSES),
    mutant("part-that-deletes-too-much-is-given-up", LOOP, "            self._pass(_WHOLE)  # in which they are less, of all files of the target\n", "", PASSES),
    mutant("refused-deletions-are-tried-again", LOOP, "            self._is_blocked = True\n", "", PASSES),
    mutant("refused-deletions-stop-everything", LOOP, "            return self._sync(changed, is_part=False, may_delete=False)\n", "            return 0, True\n", PASSES),
    mutant("no-full-pass-each-hour", LOOP, "            self._due = now + self._next_full(directories)\n", "            self._due = now + 2 * self._next_full(directories)\n", PASSES),
    mutant("failed-pass-is-never-repeated", LOOP, "        if not is_done:\n", "        if False:\n", PASSES),
    mutant("lost-connection-told-without-end", LOOP, "    if not attempt & (attempt - 1):\n", "    if True:\n", PASSES),
    mutant("change-during-a-pass-is-forgotten", LOOP, "            self._again_at = now + self._pause(self._agains)\n", "            pass\n", PASSES),
    # --- of syncs, which the model of two trees detects ---
    mutant("sync-removes-instead-of-the-trash", "secftp/sync/changes.py", "        if action.act is Act.DELETE and self._trash is not None:\n", "        if False:\n", MODEL),
    mutant("sync-compares-sizes-alone", "secftp/sync/plan.py", "        return entry.size == there.size and self._same_time(entry, there)\n", "        return entry.size == there.size\n", "tests/sync/test_times.py"),
]  # fmt: skip
