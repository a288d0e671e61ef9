"""Mutants of the checks on names, rights, guesses and replies, in storage, server, session and transfers."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

ACCESS = "tests/server/test_access.py"
CHANNEL = "tests/transport/test_channel.py"
CHANGE = "tests/storage/test_change.py"
ESCAPES = "tests/storage/test_escapes.py"
HOSTILE = "tests/server/test_hostile.py"
COPY_HOSTILE = "tests/transfer/test_hostile.py"
WRITTEN = "tests/server/test_requests_created.py"
KEPT = "tests/transfer/test_attributes.py"
UNSEEN = "tests/transfer/test_unreadable_entries.py"
UNSIZED = "tests/storage/test_unknown_size.py"
MODES = "tests/storage/test_permissions.py"
MANY = "tests/server/test_requests_batch.py"
NAMES = "tests/storage/test_names.py"
PARTIAL = "tests/storage/test_partial.py"
RESUME = "tests/server/test_requests_resume.py"
RIGHTS = "tests/server/test_requests_rights.py"
SINK = "tests/storage/test_sink.py"
SMALL = "tests/storage/test_small.py"
SMALL_BATCHES = "tests/storage/test_small_batches.py"
SOURCE = "tests/storage/test_source.py"
SWEEP = "tests/storage/test_sweep.py"
CALLS = "tests/session/test_calls.py"
ADVERSARIAL = "tests/session/test_adversarial.py"
TRUNCATION = "tests/transport/test_truncation.py"
SESSION = "tests/server/test_session.py"
FAULTS = "tests/server/test_faults.py"

MUTANTS = [
    # --- names and directories ---
    mutant("directory-through-a-symlink", "secftp/storage/directories.py", "BELOW_FLAGS = DIRECTORY_FLAGS | os.O_NOFOLLOW", "BELOW_FLAGS = DIRECTORY_FLAGS", ESCAPES),
    mutant("file-through-a-link", "secftp/storage/source.py", "OPEN_FLAGS | os.O_NOFOLLOW, dir_fd=directory", "OPEN_FLAGS, dir_fd=directory", ESCAPES, SOURCE),
    mutant("small-file-through-a-link", "secftp/storage/small.py", "_READ_FLAGS = OPEN_FLAGS | os.O_NOFOLLOW", "_READ_FLAGS = OPEN_FLAGS", SMALL, ESCAPES),
    mutant("link-told-by-stat", "secftp/storage/directories.py", "        status = os.stat(path[-1], dir_fd=directory, follow_symlinks=False)\n    if stat.S_ISREG", "        status = os.stat(path[-1], dir_fd=directory)\n    if stat.S_ISREG", ESCAPES, CHANGE),
    mutant("listing-enters-links", "secftp/storage/directories.py", "LIST_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC", "LIST_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC", ESCAPES, "tests/storage/test_scan.py", SWEEP, CHANGE),
    mutant("attributes-through-a-link", "secftp/storage/change.py", "_ANY_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW |", "_ANY_FLAGS = os.O_RDONLY | os.O_NONBLOCK |", CHANGE, ESCAPES),
    mutant("device-as-a-source", "secftp/storage/source.py", "                require_regular(status, subject)\n", "", SOURCE, ESCAPES),
    mutant("blocked-by-a-fifo", "secftp/storage/source.py", "OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY", "OPEN_FLAGS = os.O_RDONLY | os.O_NOCTTY", SOURCE),
    mutant("reserved-names-served", "secftp/storage/names.py", "        if name.startswith(RESERVED_PREFIX):\n", "        if name == RESERVED_PREFIX:\n", NAMES),
    mutant("unchecked-small-write", "secftp/storage/small.py", "        check(path)\n        self.close()\n", "        self.close()\n", SMALL, ESCAPES, MANY),
    mutant("unchecked-new-name", "secftp/storage/local.py", "            check(to)\n", "            pass\n", CHANGE, ESCAPES, NAMES),
    # --- files that appear ---
    mutant("setuid-from-a-peer", "secftp/storage/attributes.py", "    return requested & PERMISSIONS & mask\n", "    return requested & (mask | 0o7000)\n", SINK, SMALL, MODES),
    mutant("setuid-of-what-is-replaced", "secftp/storage/attributes.py", "return stat.S_IMODE(replaced.st_mode) & PERMISSIONS", "return stat.S_IMODE(replaced.st_mode)", SINK, SMALL),
    mutant("sticky-directory-from-a-peer", "secftp/storage/attributes.py", "allowed = PERMISSIONS & (mask | OWNER)", "allowed = 0o7000 | mask | _OWNER", MODES, CHANGE),
    mutant("mode-mask-ignored-for-files", "secftp/storage/attributes.py", "    return requested & PERMISSIONS & mask\n", "    return requested & PERMISSIONS\n", MODES),
    mutant("mode-mask-ignored-for-directories", "secftp/storage/attributes.py", "allowed = PERMISSIONS & (mask | OWNER)", "allowed = PERMISSIONS", MODES),
    mutant("mode-mask-ignored-for-new-files", "secftp/storage/attributes.py", "return _NEW_FILE & ~system.process_umask() & mask", "return _NEW_FILE & ~system.process_umask()", MODES),
    mutant("mode-mask-ignored-by-attributes", "secftp/storage/change.py", "else granted_mode(mode, mask)\n", "else granted_mode(mode, PERMISSIONS)\n", MODES),
    mutant("mode-mask-ignored-for-small-files", "secftp/storage/local.py", "LocalSmallFiles(self, self._root, self._mode_mask, self._crowded)", "LocalSmallFiles(self, self._root)", MODES),
    mutant("mode-mask-ignored-beneath", "secftp/storage/local.py", '(*path, b"."))), mode_mask=self._mode_mask)', '(*path, b"."))))', MODES),
    mutant("mode-mask-not-passed-on", "secftp/server/roots.py", "try_locks=writes, mode_mask=options.mode_mask", "try_locks=writes", "tests/server/test_running.py::test_the_mask_bounds_the_permissions_that_clients_set"),
    mutant("mode-mask-of-a-number", "secftp/server/config.py", 'if action.dest == "mode_mask" and not isinstance(value, str):', 'if name == "mode-mask" and isinstance(value, bool):', "tests/server/test_running.py::test_a_configuration_that_can_not_be_right_is_one_sentence"),
    mutant("umask-ignored", "secftp/storage/attributes.py", "return _NEW_FILE & ~system.process_umask() & mask", "return _NEW_FILE & mask", SINK, SMALL),
    mutant("small-file-readable-before-it-is-whole", "secftp/storage/small.py", "CREATE_FLAGS, PRIVATE, dir_fd", "CREATE_FLAGS, mode, dir_fd", SMALL),
    mutant("directory-wider-than-it-will-be", "secftp/storage/attributes.py", "os.mkdir(name, mode | OWNER, dir_fd=directory)", "os.mkdir(name, PERMISSIONS, dir_fd=directory)", MODES),
    mutant("unfinished-file-readable", "secftp/storage/partial.py", "PRIVATE = 0o600", "PRIVATE = 0o644", SINK, PARTIAL),
    mutant("unfinished-file-taken-over", "secftp/storage/partial.py", "CREATE_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW", "CREATE_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW", SINK, PARTIAL, ESCAPES),
    mutant("no-clobber-clobbers", "secftp/storage/sink.py", "            if self._options.overwrite:\n                os.rename(", "            if self._options.overwrite or self._temporary:\n                os.rename(", SINK),
    mutant("second-small-name-unchecked", "secftp/storage/small.py", "            check_last(path[-1])\n", "", SMALL_BATCHES),
    mutant("second-small-name-may-be-reserved", "secftp/storage/names.py", "    check_name(name)\n    if name.startswith(RESERVED_PREFIX):\n        raise _reserved()\n", "    check_name(name)\n", SMALL_BATCHES),
    mutant("second-small-name-of-any-length", "secftp/storage/small.py", " and len(path[-1]) <= self._room:", ":", SMALL_BATCHES),
    mutant("second-small-name-of-one-byte-too-many", "secftp/storage/small.py", "- sum(map(len, self._at)) - len(path)", "- sum(map(len, self._at)) - len(path) + 1", SMALL_BATCHES),
    mutant("small-no-clobber-clobbers", "secftp/storage/small.py", "            if options.overwrite:\n", "            if mode >= 0:\n", SMALL),
    mutant("unfinished-file-left", "secftp/storage/sink.py", "            remove_quietly(temporary, directory)\n", "            pass\n", SINK),
    mutant("link-replaced", "secftp/storage/sink.py", "        require_regular(status, self._subject)\n        return status", "        return status", SINK, ESCAPES),
    mutant("writer-without-a-lock", "secftp/storage/partial.py", "    try:\n        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n    except BlockingIOError:\n        return False\n", "    try:\n        pass\n    except BlockingIOError:\n        return False\n", SINK, SWEEP),
    mutant("sweep-takes-what-is-written", "secftp/storage/partial.py", "        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n        ours = ", "        ours = ", SWEEP),
    mutant("sweep-takes-other-users-files", "secftp/storage/partial.py", "return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()", "return stat.S_ISREG(status.st_mode)", SWEEP, PARTIAL),
    mutant("sweep-takes-fresh-partials", "secftp/storage/sweep.py", "return not is_partial(name) or time.time_ns()", "return not is_partial(name) or is_partial(name) or time.time_ns()", SWEEP, PARTIAL, RESUME, "tests/transfer/test_resume.py"),
    mutant("rename-replaces-a-directory", "secftp/storage/change.py", "if taken is not None and (is_directory or not overwrite):", "if taken is not None and not overwrite:", CHANGE),
    mutant("changed-source-sent", "secftp/storage/source.py", "    if status.st_size < size or (", "    if status.st_size < 0 and (", SOURCE, FAULTS),
    # --- a file is verified, or it is not there ---
    mutant("digest-not-compared-by-the-server", "secftp/transport/file_data.py", "if not hmac.compare_digest(received.digest, self._digest.digest()):", "if len(received.digest) < 8:", SESSION, FAULTS, HOSTILE),
    mutant("digest-of-many-not-compared", "secftp/server/requests/batch.py", "if not hmac.compare_digest(digest_of(data), file.digest):", "if len(file.digest) < 8:", MANY),
    mutant("digest-not-compared-by-the-client", "secftp/transport/file_data.py", "if not hmac.compare_digest(received.digest, self._digest.digest()):", "if len(received.digest) < 8:", CALLS, "tests/session/test_pipeline.py", COPY_HOSTILE, "tests/client/test_cli_hostile.py", "tests/client/test_cli_failures.py", FAULTS),
    mutant("digest-of-many-not-compared-by-the-client", "secftp/transfer/download_requests.py", "if not hmac.compare_digest(self.transfer.digest_of(data), file.digest):", "if not file.digest:", COPY_HOSTILE),
    mutant("resumed-over-other-bytes", "secftp/server/requests/context.py", "return count == length and hmac.compare_digest(digest.digest(), prefix)", "return count == length", RESUME),
    mutant("read-on-from-other-bytes", "secftp/server/requests/read.py", "        raise ChecksumMismatch(\"The client has other bytes at the beginning of the file.\")\n", "        pass\n", RESUME),
    mutant("bad-bytes-kept", "secftp/server/requests/write.py", "if wanted and given_up.code not in NOT_KEPT:", "if wanted:", RESUME),
    # --- what is kept, and what is not said ---
    mutant("setuid-by-update", "secftp/storage/user.py", "os.chmod(fd if target is None else target, mode & PERMISSIONS)", "os.chmod(fd if target is None else target, mode)", KEPT),
    mutant("update-leaves-permissions", "secftp/transfer/preflight.py", "return bool((there.mode ^ info.mode) & 0o777)", "return False", KEPT),
    mutant("special-bits-go-unsaid", "secftp/transfer/progress.py", "self.summary.special_bits += bool(mode & ~_PERMISSIONS)", "self.summary.special_bits += 0", KEPT),
    mutant("times-beyond-go-unsaid", "secftp/transfer/progress.py", "not kept.time or is_clamped(mtime_ns)", "not kept.time", KEPT),
    mutant("bounded-permissions-go-unsaid", "secftp/storage/change.py", "return Kept(is_time, granted == mode & PERMISSIONS)", "return Kept(is_time)", KEPT),
    mutant("bounded-permissions-of-small-files-go-unsaid", "secftp/storage/small.py", "set_mode(fd, mode) and (asked is None or mode == asked & PERMISSIONS)", "set_mode(fd, mode)", KEPT),
    mutant("bounded-permissions-of-files-go-unsaid", "secftp/storage/attributes.py", "asked.mode is None or not (asked.mode ^ found.mode) & PERMISSIONS", "True", KEPT),
    mutant("clamped-times-go-unsaid", "secftp/storage/attributes.py", "return requested is None or abs(requested - found) < COARSEST", "return True", KEPT),
    # --- unknown is not nothing ---
    mutant("unseen-is-left-out", "secftp/storage/scan.py", "        return _Seen(name, None, is_directory=False, problem=problem)\n", "        return None\n", UNSEEN),
    mutant("unseen-without-a-reason", "secftp/storage/scan.py", "yield ScanEntry((*below, seen.name), seen.info, seen.problem)", "yield ScanEntry((*below, seen.name), seen.info)", UNSEEN),
    mutant("unseen-without-a-code-is-fine", "secftp/protocol/errors.py", "    if listed.code is None and listed.kind is not None:\n", "    if listed.code is None:\n", UNSEEN),
    mutant("unseen-is-missing-there", "secftp/client/comparison.py", "if _UNKNOWN in (mine, other):", "if mine == _UNKNOWN:", UNSEEN + "::test_verify_does_not_call_missing_what_one_side_can_not_look_at"),
    mutant("unseen-is-an-empty-file", "secftp/api/entries.py", "None if listed.kind is None else stat_of(listed)", "stat_of(listed)", UNSEEN),
    mutant("room-unknown-is-none", "secftp/storage/directories.py", "if status.f_blocks else None\n", "\n", "tests/server/test_quota.py::test_blocks_and_files_of_which_there_are_none_in_all_are_not_told"),
    mutant("broken-listing-is-not-fetched", "secftp/transfer/remote_tree.py", "exception_for(received.code, directory.name, received.reason), directory.entries())", "exception_for(received.code, directory.name, received.reason))", UNSEEN),
    mutant("fsspec-leaves-out-without-a-word", "secftp/fsspec/trees.py", "    if not isinstance(problem, NotFound):\n        raise problem\n", "    return\n", "tests/fsspec/test_unseen.py"),
    mutant("program-takes-a-part-for-the-whole", "secftp/api/entries.py", "            if problem is not None:\n                raise problem\n", "", UNSEEN),
    mutant("listing-loses-what-came-before", "secftp/server/requests/listing.py", "            if entries:\n", "            if not entries:\n", UNSEEN),
    mutant("unsized-is-empty", "secftp/storage/source.py", "return size or os.fstat(fd).st_size or None", "return size", UNSIZED),
    mutant("unsized-is-a-page", "secftp/storage/source.py", "return None if size and os.fstat(fd).st_size == size else size", "return size", UNSIZED),
    mutant("small-unsized-is-empty", "secftp/storage/source.py", "if not data or len(data) < size:", "if len(data) < size:", UNSIZED),
    mutant("unsized-without-a-bound", "secftp/storage/source.py", "            if len(data) > MAX_UNSIZED:\n", "            if len(data) < 0:\n", UNSIZED),
    mutant("verify-trusts-a-size-of-nothing", "secftp/client/comparison.py", "        return other > _PAGE and self._is_empty(path)\n", "        return True\n", UNSIZED),
    mutant("update-trusts-a-size-of-nothing", "secftp/transfer/preflight.py", "        if reason == SAME and not info.size and not self._waits.call(_is_empty, files, entry):\n", "        if False:\n", UNSIZED),
    # --- who may do what ---
    mutant("anonymous-without-leave", "secftp/server/access.py", "return self._anonymous or Status.MODE", "return self._anonymous or self._grants[\"\"]", ACCESS, SESSION),
    mutant("cipher-that-is-not-allowed", "secftp/server/access.py", "if hello.suite not in self._suites:", "if hello.suite < 0:", ACCESS, SESSION),
    mutant("unknown-name-is-the-default-key", "secftp/server/access.py", "self._grants.get(hello.name, self._unknown_name)", "self._grants.get(hello.name, self._grants.get(\"\", self._unknown_name))", SESSION, HOSTILE),
    mutant("read-only-writes", "secftp/server/access.py", "write = rights.write and not self._read_only", "write = rights.write", ACCESS, RIGHTS, SESSION),
    mutant("read-only-deletes", "secftp/server/access.py", "delete = rights.delete and not self._read_only and self._overwrite", "delete = rights.delete", ACCESS, RIGHTS),
    mutant("write-without-the-right", "secftp/server/requests/write.py", "    context.require(Right.WRITE)\n", "", RIGHTS),
    mutant("many-without-the-right", "secftp/server/requests/batch.py", "        self._context.require(Right.WRITE)\n", "", RIGHTS, MANY),
    mutant("read-without-the-right", "secftp/server/requests/read.py", "    context.log.line(f\"Client requesting filename: {name_of(request.path)}\")\n    context.require(Right.READ)\n", "    context.log.line(f\"Client requesting filename: {name_of(request.path)}\")\n", RIGHTS),
    Mutant("sum-without-the-right", (("secftp/server/requests/read.py", "    if confirmed is None:\n        context.require(Right.READ)\n", ""), ("secftp/server/requests/read.py", "    if not own:\n        context.require(Right.READ)\n", "")), (RIGHTS,)),
    mutant("list-without-the-right", "secftp/server/requests/listing.py", "    context.require(Right.LIST)\n    context.check(request.id)\n", "    context.check(request.id)\n", RIGHTS),
    mutant("attributes-without-the-right", "secftp/server/requests/change.py", "        context.require(Right.OVERWRITE)\n", "        context.require(Right.WRITE)\n", RIGHTS, WRITTEN),
    mutant("attributes-told-to-who-may-not-look", "secftp/server/requests/change.py", "    if not may_look or not context.store.has", "    if not context.store.has", WRITTEN),
    mutant("attributes-of-what-was-there", "secftp/storage/change.py", "                raise\n            return False\n", "                raise\n            return True\n", WRITTEN, MODES),
    mutant("attributes-of-what-took-the-name", "secftp/storage/change.py", "if only is not None and only != _identity(fd):", "if only == (0, 0):", WRITTEN),
    mutant("made-without-having-been", "secftp/server/requests/batch.py", "        self._results.append(result)\n", "        self._results.append(result)\n        self._context.note_created(file.path)\n", WRITTEN),
    mutant("written-without-a-bound", "secftp/server/requests/session_files.py", "    if len(names) >= most:\n", "    if len(names) < 0:\n", WRITTEN),
    mutant("remove-without-the-right", "secftp/server/requests/change.py", "    context.require(Right.DELETE)\n", "", RIGHTS),
    mutant("rename-overwrites-without-the-right", "secftp/server/requests/change.py", "with context.replacing(wanted=request.overwrite) as overwrite:", "overwrite = request.overwrite\n        with context.replacing(wanted=True):", RIGHTS, "tests/server/test_requests_change.py"),
    # --- the channel ---
    mutant("end-of-stream-is-an-end", "secftp/transport/incoming.py", "        self._state.end_of_stream()\n        return Bye()\n", "        return Bye()\n", CHANNEL, TRUNCATION),
]  # fmt: skip

__all__ = ["MUTANTS", "Mutant"]
