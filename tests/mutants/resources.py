"""Mutants of resource limits: memory, descriptors, threads, CPU time, disk and log."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

BUCKET = "tests/test_token_bucket.py"
BANDWIDTH = "tests/server/test_limit_rate.py"
DISKS = "tests/server/test_quota_disks.py"
CHANNEL = "tests/transport/test_channel.py"
WORK = "tests/storage/test_work.py"
DESCENT = "tests/storage/test_tree_walk.py"
LOG = "tests/server/test_log_bounds.py"
LISTINGS = "tests/client/test_listing_bounds.py"
METRICS = "tests/server/test_metrics_hostile.py"

MUTANTS = [
    # --- the metrics port ---
    mutant("metrics-without-a-bound", "secftp/transport/page.py", "if len(self._connections) >= CONNECTIONS_MAX:", "if len(self._connections) < 0:", METRICS),
    mutant("metrics-without-a-deadline", "secftp/transport/page.py", "if one.deadline <= now]:", "if one.deadline <= 0]:", METRICS),
    mutant("metrics-head-without-a-bound", "secftp/transport/page.py", "elif len(self._head) > HEAD_MAX:", "elif len(self._head) < 0:", METRICS),
    mutant("metrics-linger-without-a-bound", "secftp/transport/page.py", "return self._lingered > LINGER_MAX", "return False", METRICS),
    mutant("metrics-keep-a-connection", "secftp/transport/page.py", "        self._lingered = 0\n        self.stream.finish_sending()\n", "        self._head.clear()\n", METRICS),
    mutant("metrics-made-at-each-request", "secftp/server/metrics.py", "if self._last is None or self._budget.take(1, time.monotonic()):", "if self._last is None or self._budget:", METRICS),
    # --- the log ---
    mutant("log-of-a-session-without-a-bound", "secftp/server/log.py", "        if all(budget.take(nbytes) for budget in self._budgets):\n", "        if nbytes:\n", LOG),
    mutant("new-session-new-room", "secftp/server/log.py", "self._budgets = ByteBudget(SESSION_BYTES), self._log.sources.share(self._host, self.key)", "self._budgets = (ByteBudget(SESSION_BYTES),)", LOG),
    mutant("log-left-out-without-a-word", "secftp/server/log.py", "        if not count:\n            return\n        if self._log.json:", "        if count >= 0:\n            return\n        if self._log.json:", LOG),
    mutant("moved-file-without-a-line", "secftp/server/log.py", "            if isinstance(text, FileLine):\n", "            if isinstance(text, bytes):\n", LOG),
    mutant("parts-of-files-always-told", "secftp/server/requests/read.py", "return request.offset + size == (source.info.size or 0) and", "return True or", LOG),
    mutant("line-without-a-bound", "secftp/server/log_format.py", "    while len(text) > LONGEST_LINE:\n", "    while len(text) < 0:\n", LOG),
    mutant("text-line-without-a-bound", "secftp/server/log.py", "fit(printable(text), LONGEST_LINE - len(stamp) - 1)", "printable(text)", LOG),
    # --- listings ---
    mutant("descriptors-for-each-level", "secftp/storage/scan.py", "        if len(self._levels) > OPEN_LEVELS:\n", "        if not self._levels:\n", DESCENT),
    mutant("names-for-each-level", "secftp/storage/scan.py", "return self._above + self._levels[-1].queued >= self._most", "return self._levels[-1].queued >= self._most", DESCENT),
    mutant("directories-read-whole", "secftp/storage/scan.py", "            if end is None and self._is_full():\n", "            if end is None and self._fd < 0:\n", DESCENT, "tests/storage/test_scan.py"),
    mutant("next-part-before-its-time", "secftp/storage/scan.py", "if self._offset is None or self.queued:", "if self._offset is None:", DESCENT),
    mutant("an-entry-between-two-parts-lost", "secftp/storage/scan.py", "                self._offset = end  # this", "                self._offset = os.lseek(self._fd, 0, os.SEEK_CUR)  # this", DESCENT, "tests/storage/test_scan.py"),
    mutant("another-directory-taken-for-it", "secftp/storage/scan.py", "if not os.path.samestat(os.fstat(self._fd), self.status):", "if self._fd < 0:", DESCENT),
    # --- listings at the client ---
    mutant("listings-kept-without-a-bound", "secftp/session/listings.py", "if self.nbytes + nbytes > self._most or", "if", f"{LISTINGS}::test_what_is_kept_is_counted_and_bounded"),
    mutant("entries-kept-without-a-bound", "secftp/session/listings.py", " or self.entries + entries > self._most_entries:", ":", f"{LISTINGS}::test_entries_are_bounded_however_little_they_take"),
    mutant("names-never-packed", "secftp/session/listings.py", "        if count >= _TIGHT and (", "        if count < 0 and (", f"{LISTINGS}::test_a_large_directory_is_no_trouble[rm]"),
    mutant("sorted-names-never-packed", "secftp/session/listings.py", "        if len(self._part) >= RUN_ENTRIES or self._nbytes >= _RUN_BYTES:\n", "        if self._nbytes < 0:\n", f"{LISTINGS}::test_a_large_directory_is_no_trouble[sum]"),
    mutant("files-of-a-walk-never-packed", "secftp/api/walking.py", "        if len(self._files) >= (BLOCK if len(self._packed) else LISTED):\n", "        if not self._room:\n", f"{LISTINGS}::test_a_large_directory_is_no_trouble[walk]"),
    mutant("files-of-a-walk-not-counted", "secftp/api/walking.py", "            self._take(self._packed.pack([encode_path(name) for name in names]))\n", "            self._packed.pack([encode_path(name) for name in names])\n", f"{LISTINGS}::test_the_files_of_a_walk_are_counted_when_they_are_packed"),
    mutant("a-cancelled-listing-goes-on", "secftp/session/replies.py", "if self._unwanted > UNWANTED_PARTS:", "if self._unwanted < 0:", f"{LISTINGS}::test_a_listing_that_goes_on_when_it_was_cancelled_ends_the_session"),
    mutant("too-much-to-walk-passed-over", "secftp/api/walking.py", "            raise  # the directory itself can be listed\n", "            return\n", f"{LISTINGS}::test_a_listing_without_end_is_refused[walk-folder]"),
    mutant("a-get-keeps-all-entries", "secftp/transfer/remote_tree.py", "self._entries.append(entry, entry_cost(entry))", "self._entries.append(entry, 0)", f"{LISTINGS}::test_a_get_keeps_little_of_each_directory"),
    # --- what a request may make the server read ---
    mutant("each-partial-reads-its-directory", "secftp/storage/sweep.py", "return looked_at > SMALL_ENTRIES\n", "return False\n", WORK),
    mutant("large-directories-swept-each-time", "secftp/storage/sweep.py", "if looked_at > SMALL_ENTRIES and self._is_due(directory):", "if looked_at > SMALL_ENTRIES:", WORK),
    mutant("swept-directories-remembered-without-a-bound", "secftp/storage/sweep.py", "if place in self._swept or len(self._swept) >= LARGE_MAX:", "if place in self._swept:", WORK),
    mutant("removal-reads-a-directory-for-nothing", "secftp/storage/change.py", "first = itertools.islice(entries, _LOOKED_AT)", "first = itertools.islice(entries, None)", WORK),
    mutant("cancels-read-again-at-each-look", "secftp/transport/incoming.py", "        if request in self._cancelled:\n", "        [decode(*frame, self._direction) for frame in self._frames if frame.type == _CANCEL]\n        if request in self._cancelled:\n", CHANNEL),
    mutant("cancels-kept-for-good", "secftp/transport/incoming.py", "            self._cancels.popleft()\n            return\n", "            return\n", CHANNEL),
    # --- what is left of a disk ---
    mutant("room-of-the-root-alone", "secftp/storage/directories.py", "            for number in range(1, depth + 1):\n", "            for number in range(0):\n", DISKS),
    mutant("room-of-small-files-not-looked-at", "secftp/server/quota.py", "        self._bounded.check_space(path, len(data), lambda: self._inner.free_space(path))\n", "", DISKS),
    mutant("directories-on-the-way-count-for-one", "secftp/server/quota.py", "files=self._missing(path) if parents else 1)", "files=1)", DISKS),
    mutant("room-not-looked-at-while-a-file-grows", "secftp/server/quota.py", "            if not is_hole:\n                self._quota.check_growth(self._device, self._inner.free_space, count)\n", "", DISKS),
    mutant("each-session-has-the-room-to-itself", "secftp/server/quota.py", "                self._ahead[device] = left\n", "                self._ahead[device] = left + size\n", DISKS),
    mutant("little-room-looked-at-seldom", "secftp/server/quota.py", "min(LOOK_BYTES, space.nbytes - size - self._min_free)", "LOOK_BYTES", DISKS),
    # --- token bucket ---
    mutant("bucket-without-a-capacity", "secftp/token_bucket.py", "min(self._tokens + (now - self._updated) * self._rate, self._capacity)", "self._tokens + (now - self._updated) * self._rate", BUCKET),
    mutant("bucket-refilled-by-a-clock-that-steps-back", "secftp/token_bucket.py", "        if now > self._updated:\n", "        if now != self._updated:\n", BUCKET),
    mutant("bucket-gives-what-it-lacks", "secftp/token_bucket.py", "        if self.available(now) < count:\n            return False\n", "", BUCKET),
    # --- bandwidth and least rate ---
    mutant("messages-have-no-least-rate", "secftp/transport/channel.py", "return is_file or self._blocked", "return is_file", "tests/server/test_admission.py"),
    mutant("pieces-of-messages-have-no-least-rate", "secftp/server/connection.py", "(channel.moving or (channel.has_part and not self.is_busy))", "channel.moving", "tests/server/test_admission.py"),
    mutant("small-pieces-are-free", "secftp/transport/bandwidth.py", "if bucket is None or not count:", "if bucket is None or count <= 256:", BANDWIDTH),
    mutant("handshakes-are-free", "secftp/transport/bandwidth.py", "            bucket.note(count)\n            return\n", "            return\n", BANDWIDTH),
    mutant("keepalives-are-free", "secftp/transport/bandwidth.py", "            self._bandwidth.sending.note(count)\n", "            pass\n", BANDWIDTH),
    mutant("handshakes-hold-up-without-end", "secftp/transport/bandwidth.py", ", max_debt=self._debt_max)", ")", BANDWIDTH),
]  # fmt: skip

__all__ = ["MUTANTS", "Mutant"]
