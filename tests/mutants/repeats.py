"""Mutants of idempotency: repeated changes, directories made writable temporarily, leftovers in the way."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

ANSWERS = "tests/transfer/test_lost_answers.py"
CHANGES = "tests/api/test_lost_answers.py"
KILLED = "tests/transfer/test_leftovers.py"
SMALL_BATCHES = "tests/storage/test_small_batches.py"
LEFTOVERS = "tests/storage/test_leftovers.py"
WRITTEN = "tests/transfer/test_write_only_lost_answers.py"
READONLY = "tests/transfer/test_readonly_directories.py"

MUTANTS: list[Mutant] = [
    # --- directories made writable ---
    mutant("other-users-directory-opened", "secftp/storage/directories.py", "if mode & OWNER == OWNER or status.st_uid != os.geteuid():", "if mode & OWNER == OWNER:", READONLY),
    mutant("other-users-directory-restored", "secftp/storage/directories.py", "== mode | OWNER and status.st_uid == os.geteuid():", "== mode | OWNER:", READONLY),
    mutant("permissions-set-meanwhile-undone", "secftp/storage/directories.py", "if stat.S_IMODE(status.st_mode) == mode | OWNER and status", "if status", READONLY),
    mutant("opened-without-the-right", "secftp/server/requests/change.py", "    if request.fill and context.rights.overwrite:\n", "    if request.fill:\n", READONLY),
    mutant("opened-for-every-removal", "secftp/server/requests/change.py", "if not request.tree or len(request.path)", "if len(request.path)", READONLY),
    mutant("session-leaves-directories-open", "secftp/server/session.py", "            self._context.writable.close()\n", "            pass\n", READONLY),
    mutant("opened-directories-without-a-bound", "secftp/server/requests/session_files.py", "        if len(self._modes) >= MOST_WRITABLE:\n", "        if len(self._modes) < 0:\n", READONLY),
    mutant("get-leaves-directories-open", "secftp/transfer/destinations.py", "                self._waits.call(store.restore_mode, directory.local, mode)\n", "                pass\n", READONLY),
    # --- what is kept of a name ---
    mutant("kept-file-of-another-name-dropped", "secftp/storage/partial.py", "        return remove_if_abandoned(partial_name(target), directory)\n", "        return any([remove_if_abandoned(os.fsencode(name), directory) for name in os.listdir(f\"/proc/self/fd/{directory}\") if is_partial(os.fsencode(name))])\n", LEFTOVERS),
    mutant("file-dropped-that-is-written", "secftp/storage/partial.py", "        # The lock is on the file, which its writer may have renamed meanwhile: so the name is checked afterwards.\n        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n", "", LEFTOVERS, "tests/storage/test_sweep.py"),
    # Either of the two is enough to leave it: it is not opened, and its name is not the opened file's.
    Mutant("link-dropped-as-an-unfinished-file", (("secftp/storage/partial.py", "_LOCK_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW |", "_LOCK_FLAGS = os.O_RDONLY | os.O_NONBLOCK |"), ("secftp/storage/partial.py", "os.path.samestat(os.fstat(fd), os.stat(name, dir_fd=directory, follow_symlinks=False))", "os.path.samestat(os.fstat(fd), os.stat(name, dir_fd=directory))")), (LEFTOVERS,)),
    mutant("kept-file-fills-the-disk", "secftp/storage/sink.py", "and lacking > 0 and not self._replaces_older(lacking):", "and lacking > 0:", LEFTOVERS),
    mutant("kept-file-not-looked-for", "secftp/storage/small.py", "        if not self._writes:\n", "        if self._at is None:\n", SMALL_BATCHES),
    mutant("kept-file-looked-for-in-the-first-directory-alone", "secftp/storage/small.py", "        directory, self._directory, self._at = self._directory, -1, None\n        self._writes = False\n", "        directory, self._directory, self._at = self._directory, -1, None\n", SMALL_BATCHES),
    mutant("kept-file-survives-in-a-crowded-directory", "secftp/storage/partial.py", "    if len(names) > _FEW_ENTRIES:\n        return None\n", "", SMALL_BATCHES),
    mutant("kept-file-survives-where-nothing-is-listed", "secftp/storage/small.py", "                if self._partials is None or self._partials:\n", "                if self._partials:\n", SMALL_BATCHES),
    mutant("kept-file-survives-a-small-one", "secftp/storage/small.py", "                if self._partials is None or self._partials:\n                    self._discard_older(path[-1], directory)\n", "", LEFTOVERS),
    # --- what was sent before, and may be there ---
    mutant("refused-file-counts-without-a-comparison", "secftp/transfer/upload_requests.py", 'if isinstance(reply, Ok) and hmac.compare_digest(reply.digest or b"", entry.digest):', "if isinstance(reply, Ok):", ANSWERS),
    mutant("large-file-counts-without-a-comparison", "secftp/transfer/upload_large.py", 'if not isinstance(found, Ok) or not hmac.compare_digest(found.digest or b"", digest.digest()):', "if not isinstance(found, Ok):", ANSWERS),
    mutant("files-counted-that-were-never-sent", "secftp/transfer/upload_requests.py", "self._to_compare is not None and entry.may_have_arrived and", "self._to_compare is not None and", ANSWERS),
    mutant("batch-of-a-lost-session-is-kept", "secftp/transfer/engine.py", "        self.batch = type(self.batch)()\n", "", "tests/transfer/test_resume.py"),
    mutant("older-try-does-not-make-room-under-a-quota", "secftp/server/quota.py", "            if not self._inner.discard_partial(path):\n                raise\n", "            raise\n", "tests/server/test_quota.py"),
    # --- what killed processes left ---
    mutant("get-sweeps-in-a-dry-run", "secftp/transfer/download.py", "if begins and target.existed and not dry_run:", "if begins and target.existed:", KILLED),
    mutant("unfinished-key-of-another-user-removed", "secftp/keys/create.py", "if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():", "if not stat.S_ISREG(status.st_mode):", KILLED),
    mutant("unfinished-key-removed-under-its-maker", "secftp/keys/create.py", "        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n        if os.path", "        if os.path", KILLED),
    mutant("any-hidden-key-removed", "secftp/keys/create.py", '(re.escape(_PREFIX) + "[0-9a-f]{32}").fullmatch', "(re.escape(_PREFIX)).match", KILLED),
    mutant("key-made-without-a-lock", "secftp/keys/create.py", "        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n    except", "        pass\n    except", KILLED),
    mutant("key-made-under-a-sweep", "secftp/keys/create.py", "    except BlockingIOError:\n        return False\n", "    except BlockingIOError:\n        pass\n", "tests/keys/test_files.py"),
    # --- changes that are asked for again ---
    mutant("token-gives-a-right", "secftp/server/requests/change.py", "    context.require(Right.DELETE)\n    with _once(context, request):\n        if context.completed.contains(request.token):\n", "    context.completed.note(request.token)\n    if not context.completed.contains(request.token):\n        context.require(Right.DELETE)\n    with _once(context, request):\n        if context.completed.contains(request.token):\n", CHANGES),
    mutant("removed-twice-under-one-token", "secftp/server/requests/change.py", "    context.require(Right.DELETE)\n    with _once(context, request):\n        if context.completed.contains(request.token):\n", "    context.require(Right.DELETE)\n    with _once(context, request):\n        if context.completed.contains(None):\n", CHANGES),
    mutant("change-repeated-while-it-runs", "secftp/server/requests/change.py", "    return context.completed.only_one(request.token, lambda: context.check(request.id))\n", "    return context.completed.only_one(None, lambda: context.check(request.id))\n", "tests/server/test_requests_change.py"),
    mutant("tokens-without-a-bound", "secftp/server/requests/idempotency.py", "            if len(self._tokens) >= MOST_TOKENS:\n", "            if len(self._tokens) < 0:\n", CHANGES),
    mutant("no-token-is-a-token", "secftp/server/requests/idempotency.py", "        if token is None:\n            return\n        with self._changed:\n            if len(self._tokens)", "        with self._changed:\n            if len(self._tokens)", CHANGES),
    mutant("token-of-another-key-confirms", "secftp/server/requests/idempotency.py", "self._owner.hex().encode(), *path", "*path", WRITTEN),
    mutant("another-file-under-the-name-is-confirmed", "secftp/server/requests/idempotency.py", "{algorithm} {identity} {info.size} {info.mtime_ns}", "{algorithm} {info.size} {info.mtime_ns}", WRITTEN),
    mutant("other-bytes-are-confirmed", "secftp/server/requests/read.py", "    if confirmed is None or not hmac.compare_digest(confirmed, found):\n", "    if confirmed is None:\n", WRITTEN),
    mutant("digest-told-of-what-was-changed", "secftp/server/requests/read.py", "    if not own:\n        context.require(Right.READ)\n", "", WRITTEN),
    mutant("sum-of-anything-without-the-right", "secftp/server/requests/read.py", "    if confirmed is None:\n        context.require(Right.READ)\n", "", WRITTEN),
    mutant("arrivals-without-a-bound", "secftp/server/requests/idempotency.py", "            if len(self._files) >= MOST_CONFIRMED:\n", "            if len(self._files) < 0:\n", WRITTEN),
    mutant("any-file-confirms-what-was-sent", "secftp/session/retry.py", "    return hmac.compare_digest(found.digest, lost.sent.digest)\n", "    return bool(found.digest)\n", CHANGES, ANSWERS),
    mutant("empty-file-confirms-what-was-sent", "secftp/session/retry.py", "    if not is_own and not lost.sent.size:\n        return False\n", "", CHANGES),
]  # fmt: skip
