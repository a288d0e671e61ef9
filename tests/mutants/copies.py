"""Mutants of copies within a server: rights, versions, limits, repetitions, trees."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

COPY = "tests/server/test_requests_copy.py"
RIGHTS = "tests/server/test_requests_rights.py"
TREES = "tests/transfer/test_remote_copy.py"
REASONS = "tests/protocol/test_reasons.py"

MUTANTS: list[Mutant] = [
    # --- at the server ---
    mutant("copy-without-the-right-to-read", "secftp/server/requests/copy.py", "context.require(Right.WRITE, Right.READ)", "context.require(Right.WRITE)", COPY, RIGHTS),
    mutant("copy-without-the-right-to-write", "secftp/server/requests/copy.py", "context.require(Right.WRITE, Right.READ)", "context.require(Right.READ)", RIGHTS),
    mutant("copy-replaces-without-the-right", "secftp/server/requests/copy.py", "_copy(context, request, overwrite=overwrite)", "_copy(context, request, overwrite=request.overwrite)", RIGHTS, REASONS),
    mutant("copy-onto-itself", "secftp/server/requests/copy.py", "    if is_same:\n", "    if request.path == request.to and False:\n", COPY, REASONS),
    mutant("copy-onto-another-name-of-itself", "secftp/server/requests/copy.py", "        is_same = context.store.identity(request.to) == context.store.identity(request.path)\n", "        is_same = context.store.identity(request.to) is not None and request.to == request.path\n", COPY),
    mutant("copy-is-not-cancelled", "secftp/server/requests/copy.py", "            context.check(request.id)\n            report(done, size)\n", "            context.check()\n            report(done, size)\n", COPY),
    mutant("copy-is-not-stopped", "secftp/storage/copy.py", "        done += count\n        check(done)\n", "        done += count\n", COPY),
    mutant("copy-of-a-changed-file", "secftp/storage/copy.py", "    source.check_unchanged()\n    return done\n", "    return done\n", COPY),
    mutant("copy-step-from-the-beginning", "secftp/storage/copy.py", "sink.append_from(source, done, min(", "sink.append_from(source, 0, min(", f"{COPY}::test_many_steps"),
    mutant("copy-starts-again-where-the-system-stops", "secftp/storage/copy.py", "            count = source.readv([piece[: end - done]], done)\n", "            count = source.readv([piece[: end - done]], 0)\n", f"{COPY}::test_where_the_system_stops_the_bytes_are_read"),
    mutant("copy-beyond-the-quota", "secftp/server/quota.py", "        before = self._size\n        self._grow(count)\n", "        before = self._size\n", COPY),
    mutant("copy-as-large-as-its-steps", "secftp/server/quota.py", "        self._size = before + done\n", "", f"{COPY}::test_what_grows_counts_as_it_is_copied"),
    mutant("copy-under-any-name", "secftp/server/own_names.py", "    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:\n        check(path)\n", "    def create_sink(self, path: Path, options: WriteOptions = DEFAULT_OPTIONS) -> Sink:\n", COPY),
    mutant("copy-is-made-twice", "secftp/server/requests/copy.py", "            context.copies.note(request.token, size)\n", "", COPY),
    mutant("copy-that-is-repeated-does-not-wait", "secftp/server/requests/idempotency.py", "            if not self._changed.wait_for(lambda: token not in self._running, CHECK_SECONDS):\n                return False\n", "", f"{COPY}::test_one_that_is_repeated_while_it_runs_waits_for_the_first"),
    mutant("copy-that-waits-is-not-cancelled", "secftp/server/requests/idempotency.py", "        while not self._enter(token):\n            check()\n", "        while not self._enter(token):\n            pass\n", f"{COPY}::test_one_that_is_repeated_while_it_runs_waits_for_the_first"),
    mutant("copy-that-failed-blocks-its-token", "secftp/server/requests/idempotency.py", "                self._running.discard(token)\n", "", COPY),
    mutant("copies-remembered-without-a-bound", "secftp/server/requests/idempotency.py", "            if len(self._sizes) >= MOST_TOKENS:\n", "            if len(self._sizes) < 0:\n", COPY),
    mutant("copy-confirmed-without-its-size", "secftp/protocol/state.py", "        if isinstance(reply, Ok) and entry.kind.struct is Copy and reply.size is None:\n", "        if False:\n", "tests/protocol/test_state.py"),
    # --- trees ---
    mutant("tree-copied-into-itself", "secftp/transfer/copy_plan.py", "    if to[: len(path)] == path:\n", "    if to == path:\n", TREES),
    mutant("directory-that-existed-gets-attributes", "secftp/transfer/copy_requests.py", "        if not isinstance(received, Error) or received.code is not ErrorCode.NOT_FOUND:\n            self.directory.sets_attributes = False\n", "        pass\n", TREES),
    mutant("directory-is-not-requested-again", "secftp/transfer/remote_copy.py", "        if self.made.get(directory, self._session) == self._session:\n", "        if directory in self.made:\n", TREES),
    mutant("attributes-are-lost-with-the-connection", "secftp/transfer/copy_requests.py", "        \"\"\"Set them over the next session.\"\"\"\n        self.transfer.closing.append(self.directory)\n", "        pass\n", TREES),
    mutant("repeated-copy-with-another-token", "secftp/transfer/remote_copy.py", "self._tokens.setdefault(item, new_token())", "new_token()", TREES),
    mutant("a-guess-that-was-refused-counts", "secftp/transfer/remote_copy.py", "        except FileError:\n            return False\n        self.counters.begun(item, 0)\n", "        except FileError:\n            return True\n        self.counters.begun(item, 0)\n", TREES),
]  # fmt: skip
