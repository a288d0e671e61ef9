"""Mutants of object stores: confirmations before the store's, versions that mix, files that are replaced unasked."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

SINK = "tests/storage/objects/test_sink.py"
SOURCE = "tests/storage/objects/test_source.py"
SMALL = "tests/storage/objects/test_small.py"
SESSION = "tests/storage/objects/test_session.py"
TREE = "tests/storage/objects/test_tree_session.py"
LISTINGS = "tests/storage/objects/test_listings_together.py"
AT_LISTINGS = "secftp/server/requests/listings_ahead.py"
AT_WRITES = "secftp/server/requests/writes_ahead.py"
AT_NAMES = "secftp/server/requests/names_ahead.py"
AT_SINK = "secftp/storage/objects/sink.py"
AT_SOURCE = "secftp/storage/objects/source.py"
AT_BUCKET = "secftp/storage/objects/bucket.py"
AT_PARTS = "secftp/storage/objects/parts.py"

MUTANTS: list[Mutant] = [
    # --- what is confirmed ---
    mutant("confirmed-before-the-store", AT_SINK, "            self._confirmed(self._key, upload.finish)\n", "            self._upload = upload\n", SINK),
    mutant("failed-request-taken-for-done", AT_SINK, "            if not self._is_there(key, problem):\n                raise\n", "            self._is_there(key, problem)\n", SINK),
    mutant("answer-of-a-store-not-asked-for", AT_SINK, "            if not self._is_there(key, problem):\n                raise\n", "            raise\n", SINK),
    mutant("anothers-object-taken-for-ours", AT_SINK, "decode(found.metadata or {}).upload == self._id and found.size == self._size", "found.size == self._size", SINK),
    mutant("unknown-taken-for-not-there", AT_SINK, "            self._require_answer(problem)\n            return False\n        return decode", "            return False\n        return decode", SINK),
    mutant("copy-of-other-bytes-taken-for-ours", AT_SINK, "                return all(results)\n", "                return bool([*results])\n", SINK),
    mutant("copy-of-another-writer-confirmed", AT_SINK, "            elif isinstance(problem, AlreadyExists):\n", "            elif False:\n", SINK),
    mutant("digest-agreed-after-the-commit", "secftp/server/requests/write.py", "        sink.note_digest(request.algorithm, end.digest)\n        info = sink.commit()\n", "        info = sink.commit()\n        sink.note_digest(request.algorithm, end.digest)\n", SESSION),
    # --- what is replaced ---
    mutant("create-turned-into-overwrite", AT_SINK, "not self._options.overwrite\n        self._confirmed", "False\n        self._confirmed", SINK),
    mutant("parts-that-may-not-replace-at-the-name", AT_SINK, "return self._key if self._options.overwrite else reserved", "return self._key if True else reserved", SINK),
    mutant("copy-without-its-condition", AT_SINK, "create=self._writes.copy)", "create=None)", SINK),
    mutant("bucket-puts-without-the-condition", AT_BUCKET, 'mode = "create" if create else "overwrite"', 'mode = "overwrite"', SINK),
    mutant("conditions-not-required", AT_SINK, "        if not self._writes.put:\n            raise no_condition(self._subject)\n", "", SINK),
    mutant("directory-replaced-by-an-object", "secftp/storage/objects/targets.py", "        if self._bucket.has_below(self._keys.below(path), path):\n", "        if False:\n", SINK),
    mutant("files-of-a-path-out-of-order", "secftp/storage/objects/files.py", "                file.before.result()\n", "                pass\n", SMALL),
    mutant("batches-answered-out-of-order", AT_WRITES, "            self._problem = problem\n", "            self._problem = problem\n            self._batch.refuse(problem)\n", SESSION),
    mutant("message-behind-writes-lost", AT_WRITES, "                self.other = message\n", "                return\n", SESSION),
    mutant("message-behind-batches-lost", "secftp/server/requests/batches_ahead.py", "        self.other = message\n        return None\n", "        return None\n", SESSION),
    # --- trees that are written at once ---
    mutant("file-before-its-directory", AT_WRITES, "change.number < batch.number and not change.is_done and change.is_about(path)", "False", TREE),
    mutant("file-behind-a-change-that-is-not-begun", AT_WRITES, "                if change.outcome is None:\n                    return False\n", "                if change.outcome is None:\n                    return True\n", TREE),
    mutant("change-before-those-it-depends-on", AT_WRITES, "before = [one for one in self.waiting if one.is_about(place)]", "before: list[_Change | _Batch] = []", TREE),
    mutant("change-before-the-changes-it-depends-on", AT_WRITES, "        for one in earlier:\n            one.wait()\n", "", TREE),
    mutant("change-before-the-files-it-depends-on", AT_WRITES, "else one.is_done for one in self.before", "else True for one in self.before", TREE),
    mutant("files-above-a-directory-not-waited-for", AT_WRITES, "        if any(path[:depth] in self._paths for depth in range(1, len(path) + 1)):\n            return True\n", "", TREE),
    mutant("files-beneath-a-directory-not-waited-for", AT_WRITES, "return any(directory[: len(path)] == path for directory in self._directories)", "return False", TREE),
    mutant("parents-of-a-directory-not-waited-for", AT_NAMES, "return path if path[:-1] in self._made else path[:1]", "return path", TREE),
    mutant("new-names-not-known", AT_NAMES, "if path in self._with_files or self._made.get(path, number) < number:", "if False:", TREE),
    mutant("new-files-above-not-known", AT_NAMES, "return any(path[:depth] in self._files for depth in range(1, len(path)))", "return False", TREE),
    mutant("change-ahead-without-the-right-to-overwrite", AT_WRITES, "may_change = context.rights.write and context.rights.overwrite", "may_change = context.rights.write", TREE),
    mutant("change-ahead-without-the-right-to-write", AT_WRITES, "may_change = context.rights.write and context.rights.overwrite", "may_change = context.rights.overwrite", TREE),
    mutant("directory-made-again", AT_WRITES, "message.token is not None or not message.parents", "not message.parents", TREE),
    mutant("changes-left-under-way", AT_WRITES, "        self._threads.close()\n", "", TREE),
    mutant("failed-listing-taken-for-short", AT_LISTINGS, "            raise self._problem\n", "            return\n", LISTINGS),
    mutant("listing-ends-where-it-was-read-ahead", AT_LISTINGS, "            yield from self._scanned\n", "            return\n", LISTINGS),
    mutant("cancelled-listing-is-sent", AT_LISTINGS, "_refuse_cancelled if is_cancelled else begun.answer", "begun.answer", LISTINGS),
    mutant("listing-ahead-without-the-right", AT_LISTINGS, " and context.rights.list\n", "\n", LISTINGS),
    mutant("listing-closed-while-it-is-read", AT_LISTINGS, "        begun.reading.give_up()  # it may run still, if it was refused or cancelled\n", "", LISTINGS),
    mutant("listings-left-under-way", AT_LISTINGS, "        self._threads.close()\n", "", LISTINGS),
    # --- what is left ---
    mutant("parts-not-given-up", AT_PARTS, "            self._is_given_up = True\n", "            self._is_last = True\n", SINK),
    mutant("reserved-object-left", AT_SINK, "                    self._bucket.delete(self._upload_key)\n", "                    pass\n", SINK),
    mutant("parts-without-a-bound", AT_PARTS, "            self._changed.wait_for(lambda: self._part is None or self._is_over)\n", "", SINK),
    # --- versions, and what is known of them ---
    mutant("read-without-if-match", AT_SOURCE, "etag=self._found.etag)", "etag=None)", SOURCE),
    mutant("short-answer-taken", AT_SOURCE, "        if len(data) != end - start:", "        if False:", SOURCE),
    mutant("digest-of-another-size", "secftp/storage/objects/digests.py", " or known.size != found.size", "", SOURCE),
    mutant("digest-of-what-was-stored-later", "secftp/storage/objects/digests.py", " <= modified_ns <= ended + CLOCKS_NS", " <= modified_ns", SOURCE),
    mutant("digest-of-what-was-stored-before", "secftp/storage/objects/digests.py", "began - CLOCKS_NS <= modified_ns <= ended", "modified_ns <= ended", SOURCE),
    mutant("digest-by-another-algorithm", "secftp/storage/objects/digests.py", "known.digest[0] is not algorithm or ", "", SOURCE),
    mutant("sum-of-a-part-answered-with-that-of-the-whole", "secftp/server/requests/read.py", " if size == source.info.size else None", "", SESSION),
]  # fmt: skip
