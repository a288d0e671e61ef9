"""Mutants of `secftp share` and `receive`: what is reached, what is shown, and what ends them."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

SELECTION = "tests/storage/test_selection.py"
INBOX = "tests/storage/test_inbox.py"
TRACKING = "tests/sharing/test_tracking.py"
HANDOVER = "tests/sharing/test_handover.py"
SHARE = "tests/client/test_share.py"

MUTANTS: list[Mutant] = [
    mutant("beside-a-shared-file", "secftp/storage/selection.py", "            raise failure(NotADirectory, \"Not a directory\", path[:1])\n        return Operand(found.store, found.path + path[1:])\n", "            return Operand(found.store, path[1:])\n        return Operand(found.store, found.path + path[1:])\n", f"{SELECTION}::test_nothing_beside_the_operands_is_reached"),
    mutant("shared-directory-with-its-parent", "secftp/storage/selection.py", "            self._operands[shown] = Operand(LocalStore(real), ())\n", "            self._operands[shown] = Operand(LocalStore(os.path.dirname(real)), ())\n", f"{SELECTION}::test_nothing_beside_the_operands_is_reached"),
    mutant("two-of-one-name-shared", "secftp/storage/selection.py", "        if shown in self._operands:\n", "        if False:\n", f"{SELECTION}::test_two_of_one_name_are_refused_also_from_different_directories"),
    mutant("partials-beside-a-shared-file", "secftp/storage/selection.py", "        if partial:\n            raise not_found(path)\n        if not path", "        if not path", f"{SELECTION}::test_nothing_is_written_and_no_partial_is_told_of"),
    mutant("inbox-replaces", "secftp/storage/inbox.py", "        return _InboxSink(self._inner.create_sink(path, options._replace(overwrite=False)), self, path)\n", "        return _InboxSink(self._inner.create_sink(path, options), self, path)\n", f"{INBOX}::test_a_file_is_not_replaced_by_another_delivery"),
    mutant("inbox-replaces-small-files", "secftp/storage/inbox.py", "        return self._inner.write(path, data, options._replace(overwrite=False))\n", "        return self._inner.write(path, data, options)\n", f"{INBOX}::test_a_file_is_not_replaced_by_another_delivery"),
    mutant("inbox-replaces-by-parts", "secftp/storage/inbox.py", "        upload = self._inner.open_upload(path, tag, options._replace(overwrite=False), adopt=adopt)\n", "        upload = self._inner.open_upload(path, tag, options, adopt=adopt)\n", f"{INBOX}::test_a_file_is_not_replaced_by_another_delivery"),
    mutant("inbox-enters-what-was-there", "secftp/storage/inbox.py", "            self._require_made(path)\n\n    def _require_made", "            pass\n\n    def _require_made", f"{INBOX}::test_what_was_there_is_neither_replaced_nor_added_to"),
    mutant("inbox-enters-what-took-the-place", "secftp/storage/inbox.py", "        if made is None or self._inner.identity(path[:1]) != made:\n", "        if made is None:\n", f"{INBOX}::test_a_directory_that_took_the_place_of_a_new_one_is_not_entered"),
    mutant("inbox-adopts-a-directory", "secftp/storage/inbox.py", "                self._inner.make_directory(path[:1], mode=mode if len(path) == 1 else None)\n", "                self._inner.make_directory(path[:1], parents=True, mode=mode if len(path) == 1 else None)\n", f"{INBOX}::test_what_was_there_is_neither_replaced_nor_added_to"),
    mutant("inbox-takes-hidden-names", "secftp/storage/inbox.py", "        if path[0].startswith(_HIDDEN):\n", "        if False:\n", f"{INBOX}::test_hidden_names_are_refused_at_the_top_alone"),
    mutant("inbox-leaves-partials", "secftp/storage/inbox.py", "        for path in kept:\n", "        for path in set():\n", f"{INBOX}::test_a_partial_can_be_continued_and_is_gone_at_the_end"),
    mutant("inbox-continues-what-was-there", "secftp/storage/inbox.py", "        if path not in self._kept:\n", "        if False:\n", f"{INBOX}::test_a_partial_that_was_there_before_is_not_a_part_of_a_delivery"),
    Mutant("share-may-be-written-to", (("secftp/sharing/handover.py", "SHARED: Final = Rights(read=True, write=False,", "SHARED: Final = Rights(read=True, write=True,"), ("secftp/sharing/handover.py", "read_only=not takes, ", "read_only=False, ")), (f"{HANDOVER}::test_only_these_files_and_only_to_be_read",)),
    mutant("inbox-may-be-read", "secftp/sharing/handover.py", "INBOX: Final = Rights(read=False, ", "INBOX: Final = Rights(read=True, ", f"{HANDOVER}::test_what_is_refused_is_no_delivery_and_the_sender_sees_why"),
    mutant("share-without-encryption", "secftp/sharing/handover.py", "_SUITES: Final = frozenset(Suite) - {Suite.NONE}\n", "_SUITES: Final = frozenset(Suite)\n", f"{HANDOVER}::test_wrong_keys_and_sessions_without_encryption_are_refused"),
    mutant("other-readers-cut-at-the-end", "secftp/sharing/handover.py", "        self._server.drain()\n", "        self._server.stop()\n", f"{HANDOVER}::test_another_reader_finishes_and_no_new_one_is_let_in"),
    mutant("more-readers-after-the-end", "secftp/server/server.py", "        while not self._shared.stopping.is_set() and not self._draining.is_set():\n", "        while not self._shared.stopping.is_set():\n", f"{HANDOVER}::test_another_reader_finishes_and_no_new_one_is_let_in"),
    mutant("part-of-a-file-is-a-download", "secftp/sharing/tracking.py", "        return size == 0 or (len(found) == 1 and found[0].at == 0 and found[0].end >= size)\n", "        return size == 0 or bool(found)\n", f"{TRACKING}::test_a_part_of_the_files_is_no_download"),
    mutant("parts-of-two-versions-are-a-download", "secftp/sharing/tracking.py", "        if parts is None or parts.version != done.version:\n", "        if parts is None:\n", f"{TRACKING}::test_a_part_of_the_files_is_no_download"),
    mutant("some-of-the-files-are-a-download", "secftp/sharing/tracking.py", "                    if not self._has(client, entry.path, entry.info.size):\n                        return False\n", "                    self._has(client, entry.path, entry.info.size)\n", f"{HANDOVER}::test_nothing_else_ends_it"),
    mutant("cut-session-is-a-delivery", "secftp/sharing/tracking.py", "        if in_order and self._counts and not additional:\n", "        if self._counts and not additional:\n", f"{TRACKING}::test_a_session_that_is_cut_or_an_additional_one_ends_nothing"),
    mutant("additional-stream-is-a-delivery", "secftp/sharing/tracking.py", "        if in_order and self._counts and not additional:\n", "        if in_order and self._counts:\n", f"{TRACKING}::test_a_session_that_is_cut_or_an_additional_one_ends_nothing"),
    mutant("failure-at-the-client-is-a-delivery", "secftp/sharing/tracking.py", "        is_complete = not has_failed and self.is_complete(client)\n", "        is_complete = self.is_complete(client)\n", f"{TRACKING}::test_a_client_that_says_that_it_has_failed_is_believed"),
    mutant("client-does-not-say-that-it-has-failed", "secftp/session/session.py", "        self._channel.close(Bye(code=ErrorCode.CANCELLED) if self.has_failed else Bye())\n", "        self._channel.close(Bye())\n", f"{HANDOVER}::test_a_failure_at_the_client_is_none"),
    mutant("refused-file-is-a-delivery", "secftp/sharing/tracking.py", "            return client.files > 0 and not client.refused and not client.has_unknown_refusals\n", "            return client.files > 0\n", f"{TRACKING}::test_a_delivery_has_a_file_and_no_refusal"),
    mutant("clients-remembered-without-end", "secftp/sharing/tracking.py", "            if len(self._clients) > CLIENTS:\n", "            if False:\n", f"{TRACKING}::test_what_is_remembered_is_bounded"),
    mutant("new-key-without-a-terminal", "secftp/client/handover.py", "    if settings.key_file is None and (terminal.json or not os.isatty(STANDARD_ERROR)):\n", "    if settings.key_file is None and terminal.json:\n", f"{SHARE}::test_a_key_is_shown_on_a_terminal_alone"),
    mutant("new-key-in-json", "secftp/client/handover.py", "    if settings.key_file is None and (terminal.json or not os.isatty(STANDARD_ERROR)):\n", "    if settings.key_file is None and not os.isatty(STANDARD_ERROR):\n", f"{SHARE}::test_a_key_is_shown_on_a_terminal_alone"),
    mutant("new-key-on-standard-output", "secftp/client/handover.py", "            terminal.draw(f\"{self._words}\\n\")\n", "            terminal.print(self._words)\n", f"{SHARE}::test_a_key_is_shown_on_a_terminal_alone"),
    mutant("shared-key-file", "secftp/client/commands/share.py", "        refuse_shared(settings.key_file, options.files)\n", "        pass\n", f"{SHARE}::test_what_can_not_be_done_is_said_in_a_sentence"),
    mutant("five-words", "secftp/sharing/words.py", "WORDS: Final = 6\n", "WORDS: Final = 5\n", "tests/sharing/test_words.py::test_the_list_is_the_published_one_without_four_words"),
    mutant("words-of-a-short-list", "secftp/sharing/words.py", "    if len(words) < LEAST:\n", "    if not words:\n", "tests/sharing/test_words.py::test_a_damaged_list_makes_no_key"),
    mutant("inbox-where-modules-are", "secftp/server/path_checks.py", "                    if exposure.is_root(os.path.dirname(below)) and not os.path.lexists(below):\n", "                    if False:\n", f"{SHARE}::test_an_inbox_is_no_place_where_this_program_looks_for_modules"),
]  # fmt: skip
