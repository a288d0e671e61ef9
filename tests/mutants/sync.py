"""Mutants of syncs: files that must not be deleted or replaced, on either side."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

PLAN = "tests/sync/test_plan.py"
COMMAND = "tests/sync/test_command.py"
SAFETY = "tests/sync/test_safety.py"
LOST = "tests/sync/test_lost_connections.py"

MUTANTS: list[Mutant] = [
    # What is refused before anything is changed.
    mutant("empty-source-empties-the-target", "secftp/sync/guards.py", "    if not plan.source_files and not is_part:\n", "    if False:\n", COMMAND),
    mutant("directories-count-as-a-source", "secftp/sync/tree.py", "        if entry.kind is EntryKind.FILE:\n            self.files += 1\n", "        if entry.kind is not EntryKind.OTHER:\n            self.files += 1\n", COMMAND),
    mutant("too-many-deletions-are-made", "secftp/sync/guards.py", "        if deletions <= MOST_DELETIONS or deletions * 100 <= MOST_PERCENT * files:\n", "        if True:\n", COMMAND),
    mutant("a-hundred-deletions-are-enough", "secftp/sync/guards.py", "deletions <= MOST_DELETIONS or deletions", "deletions < MOST_DELETIONS or deletions", COMMAND),
    mutant("a-share-that-is-reached-is-refused", "secftp/sync/guards.py", "deletions * 100 <= MOST_PERCENT * files", "deletions * 100 < MOST_PERCENT * files", COMMAND),
    mutant("max-delete-is-one-too-many", "secftp/sync/guards.py", " else deletions <= self.number", " else deletions <= self.number + 1", COMMAND),
    mutant("max-delete-in-percent-is-a-number", "secftp/sync/guards.py", "deletions * 100 <= self.number * target_files if self.is_percent else deletions", "deletions", COMMAND),
    mutant("guards-are-left-out", "secftp/sync/run.py", "        self._check(session, plan, found)\n", "", COMMAND),
    mutant("delete-without-the-right", "secftp/sync/run.py", " and not session.may(Right.DELETE):", " and False:", SAFETY),
    # After failures.
    mutant("deletes-after-a-listing-error", "secftp/sync/run.py", "            delete=options.delete and not found.problems,\n", "            delete=options.delete,\n", SAFETY),
    mutant("deletes-after-a-failed-copy", "secftp/sync/run.py", "        self._may_delete = not self._outcome.errors\n", "        self._may_delete = True\n", SAFETY),
    mutant("renames-after-a-failed-copy", "secftp/sync/run.py", "            yield partial(self._change, changes, deletes=True)\n", "            yield partial(self._change, changes, deletes=False)\n", SAFETY),
    mutant("unknown-contents-are-the-same", "secftp/sync/plan.py", "        if is_same is None:\n", "        if False:\n", COMMAND),
    mutant("unlisted-local-directory-is-empty", "secftp/sync/progress.py", "        self._problems.append((path, error))\n", "        self._left_out.setdefault(str(error), (path, 0))\n", SAFETY),
    # What has changed since the plan.
    mutant("deletes-what-has-changed", "secftp/sync/changes.py", "        if action.there is not None and _is_same(found, action.there):\n            return None\n", "        if action.there is not None:\n            return None\n", SAFETY),
    mutant("deletes-another-size", "secftp/sync/changes.py", " and found.size == known.size", "", SAFETY),
    mutant("deletes-another-time", "secftp/sync/changes.py", " and found.mtime_ns == known.mtime_ns", "", SAFETY),
    mutant("looks-at-the-new-name-of-a-rename", "secftp/sync/changes.py", "target.stat(action.origin or action.path)", "target.stat(action.path)", COMMAND, LOST),
    mutant("upload-replaces-what-has-changed", "secftp/sync/upload.py", "(there.size, there.mtime_ns) == (known.size, known.mtime_ns):", "True:", SAFETY),
    mutant("upload-replaces-what-has-appeared", "secftp/sync/run.py", "overwrite=overwrite, update=False", "overwrite=True, update=False", SAFETY),
    mutant("upload-sends-what-has-changed", "secftp/sync/upload.py", "        if mtime_ns == known.mtime_ns and (size == known.size or not known.size):\n", "        if True:\n", SAFETY),
    mutant("download-replaces-what-has-changed", "secftp/sync/download.py", "        if known is None or (found.size, found.mtime_ns) != (known.size, known.mtime_ns):\n", "        if False:\n", SAFETY),
    mutant("download-keeps-what-has-changed", "secftp/sync/download.py", "        if (size, mtime_ns) != (self.known.size, self.known.mtime_ns):\n", "        if False:\n", SAFETY),
    mutant("small-download-keeps-what-has-changed", "secftp/transfer/download_requests.py", "            item.check(len(data), file.mtime_ns)\n", "", SAFETY),
    mutant("large-download-keeps-what-has-changed", "secftp/transfer/download_requests.py", "        item.check(self._offset + file.size, file.mtime_ns)\n", "", SAFETY),
    # What stays.
    mutant("deletes-without-delete", "secftp/sync/plan.py", "            if self._rules.delete:\n", "            if True:\n", PLAN),
    mutant("deletes-what-is-excluded", "secftp/sync/listing.py", "        elif path[-1] == TRASH or not self._selection.wants_file(path):\n            self._tree.add(path, _EXCLUDED)\n", "        elif False:\n            pass\n", SAFETY),
    mutant("deletes-what-is-excluded-at-the-server", "secftp/sync/listing.py", "found.kind is Kind.FILE and selection.wants_file(path):", "found.kind is Kind.FILE:", SAFETY),
    mutant("enters-what-is-excluded", "secftp/sync/listing.py", " and self._selection.wants_directory(path):\n            return True\n", ":\n            return True\n", SAFETY),
    mutant("removes-directories-around-what-is-excluded", "secftp/sync/plan.py", "        if is_gone:\n", "        if True:\n", PLAN),
    mutant("deletes-below-a-file", "secftp/sync/plan.py", "        elif there.kind is not entry.kind:\n            self._skip(path, entry, Reason.KIND, there)\n", "        elif there.kind is not entry.kind:\n            self._delete(twin, there)\n", PLAN),
    mutant("deletes-what-is-a-symlink-at-the-source", "secftp/sync/listing.py", "            self._tree.add(path, _OTHER)\n            if kind is WalkKind.RESERVED:\n", "            if kind is WalkKind.RESERVED:\n", SAFETY),
    mutant("another-case-is-deleted", "secftp/sync/plan.py", "folded if folds else bytes", "bytes", PLAN),
    mutant("leftovers-here-stay", "secftp/sync/directions.py", "            self._store.sweep_leftovers(directory)\n", "            pass\n", SAFETY),
    # The trash.
    mutant("trash-is-synced-from-here", "secftp/sync/listing.py", "        if path[-1:] != (TRASH,) and self._selection", "        if self._selection", SAFETY),
    mutant("trash-is-synced-from-the-server", "secftp/sync/listing.py", "        if path[-1] == TRASH:\n", "        if False:\n", SAFETY),
    mutant("trash-of-the-same-second-is-shared", "secftp/sync/trash.py", "self._token, may_exist=False)", "self._token)", SAFETY),
    mutant("trash-of-any-name-is-emptied", "secftp/sync/trash.py", "        match = _NAME.fullmatch(name)\n", "        match = re.match(rb'(\\d{8}T\\d{6}Z)', name)\n", SAFETY),
    mutant("trash-of-a-slow-clock-is-emptied", "secftp/sync/trash.py", " or mtime_ns / 1e9 >= oldest:", ":", SAFETY),
    mutant("trash-is-emptied-at-once", "secftp/sync/trash.py", "        if now - then > age:\n", "        if now > then:\n", SAFETY),
    mutant("trash-is-readable-by-all", "secftp/sync/trash.py", "_PRIVATE: Final = 0o700 ", "_PRIVATE: Final = 0o755 ", SAFETY),
    mutant("trash-below-is-synced", "secftp/sync/listing.py", "        if path[-1] == TRASH:\n", "        if path == (TRASH,):\n", SAFETY),
    mutant("symlinks-at-the-server-are-nothing", "secftp/sync/listing.py", "ListingsAhead(session.pipeline, others=True)", "ListingsAhead(session.pipeline)", SAFETY),
    mutant("symlinks-at-the-top-are-nothing", "secftp/sync/listing.py", "session.begin_list(top, others=True)", "session.begin_list(top)", SAFETY),
    mutant("deletes-after-a-failed-rename", "secftp/sync/run.py", "        yield self._decide_again\n", "", SAFETY),
    # Over another connection.
    mutant("lost-rename-counts-as-gone", "secftp/sync/changes.py", "            return None if action.path in self._tokens else GONE", "            return GONE", LOST),
    mutant("lost-attributes-count-as-changed", "secftp/sync/changes.py", "        return None if was_made else CHANGED\n", "        return CHANGED\n", LOST),
]  # fmt: skip
