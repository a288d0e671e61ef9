"""Mutants of what a Python program reads: ranges, many files, file objects."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

RANGES = "secftp/api/ranges.py"
OF_RANGES = "tests/api/test_ranges.py"
PARTS = "secftp/api/file_parts.py"
RAW = "secftp/api/raw_reader.py"
AHEAD = "secftp/api/read_ahead.py"
POOL = "secftp/api/pool.py"
READER = "secftp/api/reader.py"
OF_READER = "tests/api/test_reader.py"
WRITER = "secftp/api/writer.py"
OF_TEXT = "tests/api/test_text_files.py"

MUTANTS: list[Mutant] = [
    # --- ranges and many files ---
    mutant("ranges-of-two-versions", RANGES, "        if version is not None and self._versions.setdefault(path, version) != version:\n", "        if False:\n", OF_RANGES),
    mutant("first-range-of-a-changed-file-is-kept", RANGES, "            if (problem := self._changed.get(reply.piece.path)) is not None:\n", "            if (problem := self._changed.get(())) is not None:\n", OF_RANGES),
    mutant("small-file-is-not-verified", RANGES, "data if hmac.compare_digest(self._digest_of(data), digest) else", "data if digest else", OF_RANGES),
    mutant("range-cut-out-elsewhere", RANGES, "        begin = wanted.offset - self.offset\n", "        begin = wanted.offset\n", OF_RANGES),
    mutant("merged-without-end", RANGES, "gap > min(MAX_GAP, wanted.length)", "gap > MAX_GAP", OF_RANGES),
    mutant("ranges-one-after-the-other", RANGES, "            self._submit(request, reply)\n            if self._stop", "            self._submit(request, reply)\n            self._pipeline.wait_for(reply)\n            if self._stop", OF_RANGES),
    mutant("failure-leaves-the-rest-coming", RANGES, "            if not reply.complete:\n                self._pipeline.cancel_later(number)\n", "            pass\n", OF_RANGES),
    # --- a file that is open for reading ---
    mutant("parts-of-two-versions", PARTS, "if version != self.version or file.mtime_ns", "if file.mtime_ns", f"{OF_READER}::test_parts_that_were_requested_before_the_version_was_known_are_of_one"),
    mutant("part-larger-than-asked-for", PARTS, " or file.size != length or not is_same_size", " or not is_same_size", f"{OF_READER}::test_a_server_that_sends_more_than_was_asked_for_is_not_believed"),
    mutant("read-after-a-lost-position", RAW, "        if self._is_position_lost:\n", "        if False:\n", f"{OF_READER}::test_after_a_line_that_failed_nothing_is_read_until_the_position_is_set"),
    mutant("failed-read-skips-bytes", READER, "            return super().read(size)\n        except BaseException:\n            self._return_to(position)\n            raise\n", "            return super().read(size)\n        except BaseException:\n            self._reader.seek(self._reader.tell())\n            raise\n", OF_READER),
    mutant("random-reads-read-ahead", RAW, "                ahead = 0 if self._position or self._has_fetched else FIRST_BYTES - wanted\n", "                ahead = FIRST_BYTES - wanted\n", f"{OF_READER}::test_random_reads_fetch_little_more_than_was_asked_for"),
    mutant("no-read-ahead", RAW, "            self._stream = ReadAhead.begin(self._pool, self._file)\n", "            pass\n", f"{OF_READER}::test_reads_in_order_reach_ahead_ever_more_and_the_line_never_idles"),
    mutant("tail-fetched-again-and-again", RAW, "self._window = self._tail = self._tail or self._ask", "self._window = self._ask", f"{OF_READER}::test_the_end_of_a_file_is_fetched_once"),
    mutant("read-ahead-without-a-limit", "secftp/api/read_ahead_limit.py", "            if len(self._open) >= READ_AHEADS:\n", "            if False:\n", f"{OF_READER}::test_files_that_rest_give_way_and_go_on_when_they_are_read"),
    mutant("read-ahead-in-use-is-ended", AHEAD, "or not self._lock.acquire(blocking=False):\n            return False\n", "or (not self._lock.acquire(blocking=False) and False):\n            return False\n", f"{OF_READER}::test_a_read_ahead_that_is_in_use_does_not_give_way"),
    mutant("forked-process-uses-the-parents-read-ahead", AHEAD, "if self._process != os.getpid() or not self._lock", "if not self._lock", f"{OF_READER}::test_a_forked_process_reads_on_as_its_parent_does"),
    mutant("finished-read-ahead-keeps-its-connection", RAW, "            if stream.is_idle:\n                self._end_stream(stream)\n", "            pass\n", f"{OF_READER}::test_at_the_end_nothing_is_held"),
    mutant("lost-read-ahead-ends-the-file", RAW, "        except ConnectionLost:\n            self._stream = None\n            stream.abandon()\n            return None\n", "", f"{OF_READER}::test_a_server_that_starts_again_is_read_on_from"),
    mutant("connection-used-while-answers-come", POOL, "        return connection if self._settle(connection) else", "        return connection if connection else", "tests/api/test_pool.py::test_answers_that_nobody_wants_are_awaited_before_a_connection_is_used_again"),
    mutant("interrupted-reader-tries-again", PARTS, "        if isinstance(reply.problem, Cancelled):", "        if False:", f"{OF_READER}::test_a_part_that_a_stopping_server_cuts_off_is_a_lost_connection"),
    # --- text files, and writers that were interrupted ---
    mutant("writer-with-a-gap-commits", WRITER, "            self._has_gap = True\n", "            pass\n", OF_TEXT),
    mutant("failed-block-of-text-commits", "secftp/api/text_files.py", "        if kind is not None:\n            self.abort()\n", "        if False:\n            self.abort()\n", OF_TEXT),
    mutant("utf-16-without-its-mark", "secftp/api/text_files.py", "    file.seekable = lambda: True", "    file.seekable = lambda: False", OF_TEXT),
]  # fmt: skip
