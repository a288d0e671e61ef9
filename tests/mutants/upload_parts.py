"""Mutants of a client's uploads in parts: what is confirmed, given back, continued, and which stream may begin when."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

TESTS = "tests/transfer/test_upload_parts.py"
SENDER = "secftp/transfer/upload_sender.py"
FILE = "secftp/transfer/upload_in_parts.py"
STREAMS = "secftp/transfer/upload_streams.py"
DIGEST = "secftp/transfer/ordered_digest.py"

MUTANTS: list[Mutant] = [
    mutant("part-of-a-lost-stream-lost", SENDER, "            if not reply.complete:\n                reply.give_back()\n", "            pass\n", f"{TESTS}::test_a_lost_stream_gives_its_part_back"),
    mutant("part-confirmed-by-another-digest", SENDER, "        elif received.digest is not None and not hmac.compare_digest(received.digest, self.digest.digest()):\n", "        elif received.digest is None:\n", f"{TESTS}::test_a_false_confirmation_is_a_failure"),
    mutant("file-complete-when-its-parts-are", FILE, "        if answer is not None:\n            counters.reached", "        if answer is None and not upload.failed:\n            transfer.complete(entry, upload.whole.result)\n        elif answer is not None:\n            counters.reached", f"{TESTS}::test_a_server_that_never_completes_gets_the_file_whole"),
    mutant("parts-before-their-directory", FILE, "is_ready = self._transfer.pipeline.unanswered <= self._sender.unconfirmed", "is_ready = True", f"{TESTS}::test_streams_wait_until_the_directory_of_the_file_is_there"),
    mutant("part-for-a-server-without-uploads", SENDER, "    if not session.can(Capability.UPLOADS):\n        return\n", "", f"{TESTS}::test_a_stream_of_a_server_without_uploads_is_not_used"),
    mutant("upload-of-another-version-continued", STREAMS, "    return upload.stamp is not None and upload.stamp == source.stamp\n", "    return True\n", f"{TESTS}::test_a_source_that_changed_between_two_sessions_is_a_new_upload"),
    mutant("kept-parts-believed-unseen", STREAMS, "                prefix, whole = self._hash_kept(source, done, info.size)\n", "                pass\n", f"{TESTS}::test_another_copy_sends_what_is_missing"),
    mutant("lost-answer-not-asked-for", STREAMS, "        if upload is None or not upload.was_sent or not _is_same(upload, source):\n            return False\n", "        if upload is None or True:\n            return False\n", f"{TESTS}::test_a_lost_last_answer_is_asked_for_again"),
    mutant("confirmed-parts-sent-again", STREAMS, "streams=streams, done=done, prefix=earlier.prefix\n", "streams=streams, prefix=earlier.prefix\n", f"{TESTS}::test_a_server_that_was_restarted_in_the_middle"),
    mutant("parts-that-the-server-lost-left-out", STREAMS, "            done = Intervals()\n        return PartedUpload(", "            pass\n        return PartedUpload(", f"{TESTS}::test_a_server_that_was_restarted_in_the_middle"),
    mutant("directory-closed-before-its-files", "secftp/transfer/upload_directories.py", "            self._large.finish()\n        self._closing.append(entry)\n", "            pass\n        self._closing.append(entry)\n", f"{TESTS}::test_a_directory_is_closed_after_its_files_are_complete"),
    mutant("digest-of-a-file-that-is-too-short", DIGEST, "            if count == 0:\n                raise FileChanged(", "            if count == 0:\n                self.position = self.total\n                break\n                raise FileChanged(", "tests/transfer/test_ordered_digest.py::test_a_file_that_is_too_short_has_no_digest"),
    mutant("digest-reads-ahead-of-the-parts", DIGEST, "            if limit > self._limit:\n                self._limit = limit\n", "            if limit > self._limit:\n                self._limit = self.total\n", "tests/transfer/test_ordered_digest.py::test_no_more_is_read_than_is_allowed"),
    mutant("file-replaced-although-forbidden", "secftp/session/uploads.py", "            overwrite=self.overwrite,\n", "", f"{TESTS}::test_a_file_that_appears_meanwhile_is_not_replaced"),
    mutant("additional-stream-not-named", SENDER, "PartSender(upload, session.pipeline, source, is_additional=True)", "PartSender(upload, session.pipeline, source)", f"{TESTS}::test_all_streams_send_parts_of_the_file"),
    mutant("stream-that-gives-way-fails-the-file", SENDER, "_GIVEN_WAY if self._is_additional else _ABORTED)", "_ABORTED)", f"{TESTS}::test_a_stream_that_has_to_give_way_gives_its_part_back"),
    mutant("limit-of-the-copy-ignored", SENDER, "_GIVEN_WAY if self._is_additional else _ABORTED)", "_GIVEN_WAY)", f"{TESTS}::test_a_server_that_takes_no_upload_now_gets_the_file_whole"),
    mutant("what-a-server-lacks-not-asked-for", FILE, "                if upload.is_incomplete and not self._ask_what_is_missing():\n", "                if upload.is_incomplete:\n", f"{TESTS}::test_parts_that_a_server_lost_again_are_sent_again"),
    mutant("file-not-left-to-other-streams", STREAMS, "            self._leave_to_others()\n", "", f"{TESTS}::test_the_additional_streams_complete_a_file_whose_session_is_lost"),
    mutant("loss-counts-although-all-is-done", "secftp/transfer/engine.py", "            if not isinstance(problem, _LOSSES) or not self.is_complete():\n", "            if True:\n", f"{TESTS}::test_the_additional_streams_complete_a_file_whose_session_is_lost"),
    mutant("what-is-left-forgotten-after-a-loss", "secftp/transfer/upload.py", "        if self._entries is None or self._queue:\n            return False\n        if not self._all_discovered:\n", "        if self._entries is None:\n            return False\n        if False:\n", f"{TESTS}::test_what_is_left_after_a_loss_is_done_over_the_next_session"),
    mutant("streams-opened-for-what-is-not-replaced", FILE, "        self._asks_first = self._takes_over or not upload.file.overwrite\n", "        self._asks_first = self._takes_over\n", f"{TESTS}::test_no_stream_is_opened_for_a_file_that_is_not_replaced"),
    mutant("wrong-digest-of-what-is-kept", STREAMS, "                whole = OrderedDigest(digest.copy(), size, part.end)\n", "                whole = OrderedDigest(digest, size, part.end)\n", f"{TESTS}::test_one_stream_sends_what_is_missing_between_parts"),
    mutant("defect-of-a-stream-unseen", "secftp/transfer/engine.py", "                self._streams.finish()\n                self._streams.check()\n", "                self._streams.finish()\n", f"{TESTS}::test_a_defect_of_a_stream_ends_the_copy"),
    mutant("hung-stream-waited-for", FILE, "            self.upload.queue.give_back_held()\n", "            pass\n", f"{TESTS}::test_a_stream_that_hangs_is_not_waited_for"),
    mutant("parts-sent-back-for-ever", SENDER, " or not upload.may_repeat():\n", ":\n", f"{TESTS}::test_a_server_that_sends_every_part_back_ends_the_file"),
    mutant("no-stream-added-to-an-upload", FILE, "                self._transfer.streams.add()\n", "                pass\n", f"{TESTS}::test_streams_are_added_to_a_file_while_that_pays"),
    mutant("streams-not-opened-early", "secftp/transfer/upload_files.py", "            transfer.streams.open(streams)\n", "            pass\n", f"{TESTS}::test_streams_are_opened_while_the_server_looks_at_the_target"),
    mutant("streams-opened-early-for-what-may-be-there", "secftp/transfer/upload_files.py", "    if options.dry_run or options.update or options.resume or not options.overwrite or options.include:\n        return\n", "", f"{TESTS}::test_streams_are_opened_while_the_server_looks_at_the_target"),
    mutant("as-few-streams-however-far", "secftp/transfer/streams.py", "wanted = round(max(few, many) if round_trip > _FAR else few)", "wanted = round(few)", "tests/transfer/test_streams.py"),
    mutant("refused-takeover-forgotten", "secftp/transfer/upload_parts.py", "        if not self.failed:  # a part behind one that was refused may be taken all the same\n            self.prefix = None\n", "        self.prefix = None\n", f"{TESTS}::test_a_file_starts_again_if_only_the_first_part_was_refused"),
]  # fmt: skip
