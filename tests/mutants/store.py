"""Mutants of storage: listings, sources, sinks, changes, local paths."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

MUTANTS: list[Mutant] = [
    mutant("unfinished-files-listed", "secftp/storage/scan.py", "    if entry.name.startswith(RESERVED_TEXT):\n        return None\n", "", "tests/storage/test_scan.py::test_symlinks_special_files_and_unfinished_ones_are_not_told_of"),
    mutant("listing-as-deep-as-it-goes", "secftp/storage/scan.py", "        if len(path) >= MAX_COMPONENTS:\n", "        if False:\n", "tests/storage/test_scan.py::test_no_deeper_than_a_name_reaches_and_the_rest_is_told_of"),
    mutant("listing-of-names-too-long-for-the-wire", "secftp/storage/scan.py", "            if len(seen.name) > room:\n", "            if False:\n", "tests/storage/test_scan.py::test_paths_too_long_for_the_wire_are_not_told_of_but_that_there_are_such"),
    mutant("more-read-than-was-announced", "secftp/storage/source.py", "        return count if wanted is None else min(count, wanted)\n", "        return count\n", "tests/storage/test_source.py::test_what_is_appended_is_not_read_and_does_no_harm"),
    mutant("late-failure-of-a-write-not-seen", "secftp/storage/sink.py", "                os.close(os.dup(fd))\n", "", "tests/storage/test_close.py::test_what_was_written_and_not_taken_is_a_failure_and_not_there"),
    mutant("late-failure-of-a-pipe-not-seen", "secftp/storage/pipe.py", "                os.close(os.dup(self._fd))\n", "", "tests/storage/test_close.py::test_a_stream_that_reports_a_failure_late_is_not_complete"),
    mutant("part-of-a-batch-kept", "secftp/storage/sink.py", "                if not self._whole or self._ends_in_hole:\n                    os.ftruncate(self._fd, self._size)\n", "", "tests/storage/test_partial.py::test_an_interrupted_write_can_be_kept_up_to_the_last_whole_batch"),
    mutant("failed-batch-completed", "secftp/storage/sink.py", "        self._whole = False  # a part of the batch", "        self._whole = True  # a part of the batch", "tests/storage/test_partial.py::test_an_interrupted_write_can_be_kept_up_to_the_last_whole_batch"),
    mutant("resumed-beyond-what-is-kept", "secftp/storage/resumed_sink.py", "        if size < self._offset:\n", "        if False:\n", "tests/storage/test_partial.py::test_a_partial_shorter_than_the_offset_is_another"),
    mutant("outdated-partial-takes-the-name", "secftp/storage/sink.py", "        if self._is_outdated():\n            return\n", "", "tests/storage/test_partial.py::test_an_outdated_file_does_not_take_the_place_of_a_partial"),
    mutant("partial-outdated-while-it-is-left", "secftp/storage/sink.py", "        if self._is_outdated():\n            discard_partial(self._directory, self._name)\n        else:\n            self._sweep()\n", "        self._sweep()\n", "tests/storage/test_partial.py::test_what_another_writer_has_completed_meanwhile_is_not_kept_beside_it"),
    mutant("outdated-partial-left-that-was-looked-at", "secftp/storage/resumed_sink.py", "        if partial is not None and self._will_discard(partial):\n", "        if False:\n", "tests/storage/test_partial.py::test_what_is_only_looked_at_to_be_resumed_is_not_left_beside_the_file_either"),
    mutant("outdated-upload-left-that-was-looked-at", "secftp/storage/upload.py", "            self._will_discard(adopted)\n", "            pass\n", "tests/storage/test_upload.py::test_an_upload_that_was_only_begun_is_not_left_beside_the_file_either"),
    mutant("another-file-gets-the-name", "secftp/storage/sink.py", "            self._require_own(temporary)\n", "", "tests/storage/test_partial.py::test_a_partial_that_was_removed_or_replaced_is_not_given_the_name"),
    mutant("no-space-found-out-late", "secftp/storage/sink.py", '            raise failure(NoSpace, "No space left on device", self._subject)\n', "            pass\n", "tests/storage/test_sink.py::test_a_size_that_can_not_fit_is_refused_at_once_and_one_that_fits_reserves_nothing"),
    mutant("short-write-taken-for-whole", "secftp/storage/source.py", "        if not count or done >= total:\n            break\n", "        break\n", "tests/storage/test_sink.py::test_short_writes_are_carried_on_and_a_batch_is_one_call"),
    mutant("directory-into-itself", "secftp/storage/change.py", "    if is_directory and to[: len(path)] == path != to:\n", "    if False:\n", "tests/storage/test_change.py::test_a_directory_is_not_moved_into_itself"),
    mutant("directory-removed-with-its-files", "secftp/storage/change.py", "        if not all(is_unfinished(os.fsencode(entry.name)) for entry in first):\n", "        if False:\n", "tests/storage/test_change.py::test_beside_anything_else_unfinished_files_stay_too"),
    mutant("tree-left-through-a-link", "secftp/storage/tree.py", "OPEN_FLAGS if follow else OPEN_FLAGS | os.O_NOFOLLOW", "OPEN_FLAGS", "tests/storage/test_tree.py::test_swapping_a_directory_or_a_file_for_a_symlink_gets_nothing_out"),
    mutant("directory-of-a-tree-through-a-link", "secftp/storage/tree.py", "LIST_FLAGS if path and not self._follow else LIST_FLAGS & ~os.O_NOFOLLOW", "LIST_FLAGS & ~os.O_NOFOLLOW", "tests/storage/test_tree.py::test_a_directory_that_becomes_a_symlink_before_it_is_entered_is_not"),
    mutant("device-that-became-a-file", "secftp/storage/user.py", "    if not _is_stream(status):\n        raise not_regular(path)\n", "    return\n", "tests/storage/test_user.py::test_a_device_that_becomes_a_file_is_not_written_in_place"),
    mutant("link-to-nothing-made-a-file", "secftp/storage/user.py", '        raise failure(NotFound, "Dangling symlink", path, reason=Reason.DANGLING) from error\n', '        return os.path.realpath(path), os.stat(os.path.dirname(path) or ".")\n', "tests/storage/test_user.py::test_what_can_not_be_a_target"),
    mutant("users-file-overwritten-all-the-same", "secftp/storage/user.py", '            raise failure(AlreadyExists, "Already exists", path)\n', "            pass\n", "tests/storage/test_user.py::test_nothing_of_that_name_is_overwritten_if_so_wished"),
    mutant("guessable-unfinished-files", "secftp/storage/names.py", "    return _TEMPORARY_PREFIX + os.urandom(_RANDOM_BYTES).hex().encode()\n", "    return _TEMPORARY_PREFIX + bytes(_RANDOM_BYTES).hex().encode()\n", "tests/storage/test_names.py::test_temporary_names_are_reserved_random_and_recognised"),
]  # fmt: skip
