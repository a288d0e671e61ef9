"""Mutants of uploads in parts: who joins, what counts as arrived, how they end; and of additional streams."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

_UPLOADS = "tests/server/test_requests_uploads.py"
_STORAGE = "tests/storage/test_upload.py"
_STREAMS = "tests/server/test_additional_streams.py"

MUTANTS: list[Mutant] = [
    # --- who joins ---
    mutant("upload-of-another-key-joined", "secftp/server/requests/uploads.py", "        key = _digest(self._owner, request.upload, *self._root)\n", "        key = _digest(request.upload, *self._root)\n", f"{_UPLOADS}::test_under_another_key_it_is_another_upload"),
    mutant("upload-in-another-directory-joined", "secftp/server/requests/uploads.py", "request.upload, *self._root)", "request.upload)", f"{_UPLOADS}::test_in_another_directory_of_the_same_key_it_is_another_upload"),
    mutant("upload-of-any-client-continued", "secftp/server/requests/uploads.py", "        return _digest(\n            self._owner,\n", "        return _digest(\n", f"{_UPLOADS}::test_a_kept_upload_of_another_key_is_not_continued"),
    mutant("parts-of-two-files-mixed", "secftp/server/requests/uploads.py", "                    _require(entry.upload.tag == tag)\n", "                    pass\n", f"{_UPLOADS}::test_every_part_has_the_same_fields"),
    mutant("answer-of-another-file-repeated", "secftp/server/requests/uploads.py", "                    _require(found.tag == tag)\n", "", f"{_UPLOADS}::test_every_part_has_the_same_fields"),
    mutant("part-without-the-right-to-write", "secftp/server/requests/parts.py", "        context.require(Right.WRITE)\n", "", f"{_UPLOADS}::test_a_client_without_the_right_to_write_sends_no_part"),
    mutant("upload-replaces-what-it-must-not", "secftp/server/requests/parts.py", "    overwrite = request.overwrite and context.rights.overwrite\n", "    overwrite = request.overwrite\n", f"{_UPLOADS}::test_what_comes_into_being_meanwhile_is_not_replaced_without_the_right"),
    mutant("adopted-without-its-bytes", "secftp/server/requests/parts.py", "    if not hmac.compare_digest(digest.digest(), prefix):\n", "    if len(prefix) < 8:\n", f"{_UPLOADS}::test_other_bytes_are_not_taken_over"),
    mutant("bytes-of-a-kept-upload-guessed", "secftp/server/requests/parts.py", "        if not context.rights.read:\n", "        if False:\n", f"{_UPLOADS}::test_other_bytes_are_not_taken_over"),
    mutant("question-begins-an-upload", "secftp/server/requests/parts.py", "start if begins else None", "start", f"{_UPLOADS}::test_a_question_about_nothing_leaves_nothing"),
    # --- two servers of one directory ---
    mutant("upload-begun-at-two-servers", "secftp/storage/upload.py", "                if self._is_own(kept.tag, kept.total):\n", "                if False:\n", f"{_STORAGE}::test_an_upload_that_another_store_is_receiving_is_not_begun_a_second_time"),
    mutant("any-writer-taken-for-the-upload", "secftp/storage/upload.py", "                if self._is_own(kept.tag, kept.total):\n", "                if True:\n", f"{_STORAGE}::test_another_upload_of_that_name_is_begun_beside_it"),
    mutant("stream-stays-at-the-wrong-server", "secftp/server/requests/parts.py", "                context.end_stream()\n", "                pass\n", f"{_UPLOADS}::test_an_additional_stream_at_another_server_leaves"),
    mutant("copy-does-not-wait-for-the-other-server", "secftp/server/requests/parts.py", "_RELEASE_SECONDS: Final = 2.0\n", "_RELEASE_SECONDS: Final = -1.0\n", f"{_UPLOADS}::test_a_copy_that_goes_on_at_another_server_waits_until_the_first_has_noticed"),
    # --- what counts as arrived ---
    mutant("arrived-bytes-written-again", "secftp/server/requests/upload.py", "                    part.skip(first, last)\n", "                    pass\n", f"{_UPLOADS}::test_bytes_that_have_arrived_are_not_written_again"),
    mutant("bytes-written-after-they-arrived", "secftp/server/requests/upload.py", "                        other.skip(part.at, part.end)\n", "                        pass\n", f"{_UPLOADS}::test_two_parts_in_the_same_place_at_once"),
    mutant("part-arrives-when-it-begins", "secftp/server/requests/upload.py", "            self._parts.add(part)\n            return part\n", "            self._parts.add(part)\n            self.sink.add(part.at, part.end)\n            return part\n", f"{_UPLOADS}::test_a_part_that_is_broken_off_has_not_arrived_and_what_had_arrived_stays"),
    mutant("ranges-without-a-bound", "secftp/server/requests/upload.py", "            self._require_few_ranges(part)\n            for", "            for", f"{_UPLOADS}::test_too_many_ranges_are_refused_before_their_bytes"),
    mutant("ranges-without-a-bound-in-the-end", "secftp/server/requests/upload.py", "                self._require_few_ranges(part)\n                for", "                for", f"{_UPLOADS}::test_ranges_that_become_too_many_while_they_are_sent"),
    mutant("upload-of-a-changed-file-goes-on", "secftp/server/requests/parts.py", "        if given_up.code in NOT_KEPT:\n", "        if False:\n", f"{_UPLOADS}::test_a_source_that_changed_ends_the_upload"),
    # --- how it ends ---
    mutant("digest-of-the-whole-not-compared", "secftp/server/requests/upload.py", "            if not hmac.compare_digest(self._digest.finish(progress), whole):\n", "            if not self._digest.finish(progress):\n", f"{_UPLOADS}::test_the_digest_of_the_whole_is_compared"),
    mutant("two-digests-of-the-whole", "secftp/server/requests/upload.py", "            if whole is None or self._whole in (None, whole):\n", "            if True:\n", f"{_UPLOADS}::test_two_digests_of_the_whole_are_two_files"),
    mutant("completed-with-parts-missing", "secftp/server/requests/upload.py", "            if self._whole is None or not self.sink.ranges.covers(0, self._total):\n", "            if self._whole is None:\n", f"{_UPLOADS}::test_the_digest_of_the_whole_may_come_first"),
    mutant("completed-twice", "secftp/server/requests/upload.py", "            self._completing = True\n", "", f"{_UPLOADS}::test_two_sessions_complete_it_at_once_and_one_of_them_commits"),
    mutant("repetition-with-another-digest", "secftp/server/requests/upload.py", "        if whole is not None and not hmac.compare_digest(whole, self.whole):\n", "        if False:\n", f"{_UPLOADS}::test_every_part_may_come_again_at_any_time"),
    mutant("failure-of-one-part-only", "secftp/server/requests/upload.py", "        except FileError as problem:\n            self._upload.fail(problem)\n            raise\n\n    def skip", "        except FileError:\n            raise\n\n    def skip", f"{_UPLOADS}::test_a_full_disk_ends_the_upload_and_frees_its_bytes"),
    mutant("endings-without-a-bound", "secftp/server/requests/uploads.py", "            if len(self._ended) >= MOST_ENDED:\n                del self._ended[next(iter(self._ended))]\n", "", f"{_UPLOADS}::test_the_number_of_remembered_endings_is_bounded"),
    mutant("upload-never-left", "secftp/server/session.py", "            self._context.uploads.close()\n", "", f"{_UPLOADS}::test_another_upload_takes_over_what_is_kept"),
    mutant("upload-left-by-the-first", "secftp/server/requests/uploads.py", "            if entry.sessions:\n                return\n", "", f"{_UPLOADS}::test_a_part_under_way_goes_on_when_another_session_leaves"),
    mutant("upload-counted-with-each-answer", "secftp/server/requests/parts.py", "    if received.ending is None or not received.is_own:\n", "    if received.ending is None:\n", f"{_UPLOADS}::test_the_log_tells_parts_and_files_apart"),
    # --- the partial and its map ---
    mutant("map-of-another-file", "secftp/storage/upload_map.py", "magic != _MAGIC or of_inode != inode or", "magic != _MAGIC or", f"{_STORAGE}::test_what_is_no_map_of_this_partial_counts_as_none"),
    mutant("damaged-map", "secftp/storage/upload_map.py", " or not hmac.compare_digest(_checksum(body), check):", ":", f"{_STORAGE}::test_what_is_no_map_of_this_partial_counts_as_none"),
    mutant("map-beyond-its-partial", "secftp/storage/upload_map.py", "    return parts if parts is not None and all(end <= status.st_size for _, end in parts.ranges) else None\n", "    return parts\n", f"{_STORAGE}::test_what_is_no_map_of_this_partial_counts_as_none"),
    mutant("map-through-a-symlink", "secftp/storage/upload_map.py", "_READ_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW", "_READ_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK", f"{_STORAGE}::test_what_is_no_map_of_this_partial_counts_as_none"),
    mutant("map-with-any-ranges", "secftp/storage/upload_map.py", "    if not _in_order(ranges, total):\n", "    if False:\n", f"{_STORAGE}::test_ranges_that_no_upload_has_are_no_map"),
    mutant("map-survives-its-partial", "secftp/storage/partial.py", "            remove_map(directory, name)\n", "", f"{_STORAGE}::test_the_map_is_removed_with_the_partial"),
    mutant("map-survives-a-plain-resumption", "secftp/storage/resumed_sink.py", "                    remove_map(self._directory, self._temporary)\n", "", f"{_STORAGE}::test_a_partial_with_a_map_is_cut_before_it_is_resumed_without"),
    mutant("gap-taken-for-data", "secftp/storage/upload_map.py", "    return status.st_size if parts is None else parts.ranges.prefix\n", "    return status.st_size\n", f"{_STORAGE}::test_a_client_that_knows_no_parts_resumes_the_first_one"),
    mutant("gap-told-as-data", "secftp/storage/upload_map.py", "info._replace(size=parts.ranges.prefix)", "info", f"{_STORAGE}::test_what_is_kept_is_told_and_continued_by_the_same_upload"),
    mutant("upload-without-a-map", "secftp/storage/upload.py", "        self._ranges.add(at, end)\n        with contextlib.suppress(OSError):\n            self._record()\n", "        self._ranges.add(at, end)\n", f"{_STORAGE}::test_the_map_has_what_was_verified_and_nothing_else"),
    mutant("partial-of-any-upload-continued", "secftp/storage/upload.py", "        return self._options.keep and (tag, total) == (self._tag, self._total)\n", "        return self._options.keep\n", f"{_STORAGE}::test_another_upload_begins_anew"),
    mutant("adopted-before-it-is-verified", "secftp/storage/upload.py", "        if self._adopt:\n            self._open_kept()\n", "        if self._adopt:\n            self._open_kept()\n            self.take_over()\n", f"{_STORAGE}::test_another_upload_adopts_what_is_kept"),
    mutant("adopted-file-too-long", "secftp/storage/upload.py", "                    os.ftruncate(self._fd, self._total)  # what", "                    pass  # what", f"{_STORAGE}::test_what_lies_behind_the_last_part_is_cut_off"),
    mutant("kept-beside-another-writer", "secftp/storage/upload.py", "self._ranges and temporary is not None and is_partial(temporary):", "self._ranges and temporary is not None:", f"{_STORAGE}::test_without_a_map_nothing_is_kept_even_if_the_name_of_the_partial_is_free_by_then"),
    mutant("kept-for-a-name-that-is-another-files", "secftp/storage/sink.py", "        return self._before != (status.st_dev, status.st_ino) or not stat.S_ISREG(status.st_mode)\n", "        return False\n", f"{_STORAGE}::test_what_another_writer_has_completed_meanwhile_is_not_kept_beside_it"),
    # --- additional streams ---
    mutant("streams-end-one-another", "secftp/server/additional.py", "        if lender is not None:\n            self._slots.remove(connection.claim)\n", "        if lender is not None and False:\n            self._slots.remove(connection.claim)\n", f"{_STREAMS}::test_a_stream_does_not_take_the_place_of_another"),
    mutant("stream-ended-in-vain", "secftp/server/additional.py", "                if self._slots.limit_for(claim, proved=proved) is None:\n", "                if True:\n", f"{_STREAMS}::test_places_of_another_key_are_not_given"),
    mutant("lent-place-never-returned", "secftp/server/additional.py", "        self._slots.remove(connection.claim)\n        if lender is not None:\n            self._return_slot(lender)\n", "        self._slots.remove(connection.claim)\n", f"{_STREAMS}::test_a_session_that_leaves_without_a_request_gives_the_place_back"),
    mutant("undecided-sessions-without-a-bound", "secftp/server/additional.py", "        if len(self._lenders) >= UNDECIDED_MAX:\n", "        if False:\n", f"{_STREAMS}::test_the_number_of_undecided_sessions_is_bounded"),
    mutant("all-sessions-for-one-transfer", "secftp/server/session_limits.py", "min(bounds) // 2))", "min(bounds)))", f"{_STREAMS}::test_at_most_half_of_the_sessions_of_a_key"),
]  # fmt: skip
