"""Mutants of shards, of results file by file, and of questions that are put to a remote store at once."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

SHARDS = "tests/transfer/test_shards.py"
RESULTS = "tests/transfer/test_results.py"
APPENDED = "tests/storage/test_appended.py"
COMMANDS = "tests/client/test_cli_shards.py"

LINES = "secftp/storage/appended.py"
QUESTIONS = "tests/server/test_questions_ahead.py"
AHEAD = "secftp/server/requests/ahead.py"
COMPARISON = "secftp/client/comparison.py"

MUTANTS: list[Mutant] = [
    # --- shards ---
    mutant("shard-of-the-last-name", "secftp/transfer/shards.py", '(b"/".join(path))', "(path[-1])", SHARDS),
    mutant("shard-by-a-hash-of-this-process", "secftp/transfer/shards.py", 'int(xxhash.xxh3_64_intdigest(b"/".join(path)))', 'hash(b"/".join(path))', SHARDS),
    mutant("shard-that-has-every-file", "secftp/transfer/filters.py", "        return self._is_in_shard is None or self._is_in_shard(path)\n", "        return True\n", SHARDS),
    mutant("shard-without-patterns-forgotten", "secftp/transfer/filters.py", "self._excluded_files.empty and shard is None\n", "self._excluded_files.empty\n", SHARDS),
    mutant("shard-0", "secftp/transfer/options.py", "    if not 1 <= number <= of <= MAX_SHARDS:\n", "    if not 0 <= number <= of <= MAX_SHARDS:\n", SHARDS),
    mutant("shard-enters-what-the-first-made-of-a-put", "secftp/transfer/upload.py", "            if root.name and root.target == target and", "            if not root.name and root.target == target and", SHARDS),
    mutant("shard-enters-what-the-first-made-of-a-get", "secftp/transfer/download.py", "        if is_new and self.options.shard is not None and sources[0].path:\n", "        if is_new and self.options.shard is None and sources[0].path:\n", SHARDS),
    mutant("target-of-another-shard-fails", "secftp/transfer/targets.py", "        if not os.path.isdir(name):  # another copy", "        if os.path.isdir(name):  # another copy", SHARDS),
    mutant("verify-of-all-shards", COMPARISON, "        return self.is_in_shard is None or self.is_in_shard(path)\n", "        return True\n", COMMANDS),
    mutant("verify-leaves-out-directories-of-other-shards", COMPARISON, "            if _DIRECTORY in (mine, other) or (self", "            if (self", COMMANDS),
    # --- results ---
    mutant("results-sent", "secftp/transfer/upload.py", "        elif kind is EntryKind.FILE and self.is_results(entry.root.source, entry.path):\n", "        elif kind is EntryKind.FILE and False:\n", RESULTS),
    mutant("results-sent-first", "secftp/transfer/upload_first.py", " or transfer.is_results(source):\n", ":\n", RESULTS),
    mutant("results-replaced", "secftp/transfer/download.py", "            self._require_other_file(item)\n", "", RESULTS),
    mutant("results-of-the-same-name", LINES, "            return os.path.samestat(os.stat(os.path.join(os.fsencode(top), *path)), self._status)\n", "            return os.path.exists(os.path.join(os.fsencode(top), *path))\n", RESULTS),
    mutant("results-compared", COMPARISON, "and not is_results):\n", "):\n", COMMANDS),
    mutant("unchanged-told-as-skipped", "secftp/transfer/engine.py", "unchanged=reason in _UNCHANGED)", "unchanged=False)", RESULTS),
    mutant("skipped-told-as-unchanged", "secftp/transfer/engine.py", "unchanged=reason in _UNCHANGED)", "unchanged=True)", RESULTS),
    mutant("failure-without-a-result", "secftp/transfer/progress.py", "            self.results.failed(item.below, detailed(error), item.known_size, item.began)\n", "            pass\n", RESULTS),
    mutant("failed-directory-without-a-result", "secftp/transfer/progress.py", "            self.results.failed((name,) if below is None else below, detailed(error))\n", "            pass\n", RESULTS),
    mutant("dry-run-told-as-copied", "secftp/transfer/engine.py", 'copied = "would_copy" if', 'copied = "copied" if', RESULTS),
    mutant("part-of-a-line-stays", LINES, "            self._take_back(written)\n", "", APPENDED),
    mutant("line-of-another-taken-back", LINES, "            if os.fstat(self._fd).st_size == end:\n", "            if True:\n", APPENDED),
    mutant("line-appended-to-half-a-line", LINES, '                os.write(self._fd, b"\\n")\n', "                pass\n", APPENDED),
    mutant("lines-after-a-missing-one", LINES, "        if self._failure is not None:\n            raise self._failure\n", "", APPENDED),
    mutant("results-others-may-read", LINES, "_MODE: Final = 0o600", "_MODE: Final = 0o644", APPENDED),
    mutant("verify-without-a-full-disk", COMPARISON, "                    self.results.write(path or (last_name(self._local.name),), \"verified\", size, digest, began)\n", "                    pass\n", COMMANDS),
    # --- questions ---
    mutant("request-behind-questions-lost", AHEAD, "                self.other = message\n", "                return\n", QUESTIONS),
    mutant("questions-one-after-the-other", AHEAD, "len(self.waiting) < self._context.store.at_once and", "not self.waiting and", QUESTIONS),
    mutant("file-of-a-question-stays-open", AHEAD, "                found.source.close()\n", "                pass\n", QUESTIONS),
    mutant("files-of-a-lost-client-stay-open", AHEAD, "        for found in self._opened:\n", "        for found in ():\n", QUESTIONS),
    mutant("file-opened-for-a-client-that-may-not-read", AHEAD, "            if not context.rights.read:\n", "            if False:\n", QUESTIONS),
]  # fmt: skip
