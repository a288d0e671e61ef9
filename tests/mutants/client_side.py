"""Mutants of the client: terminal output, retries, comparisons."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

LEAVE = "secftp/client/leave.py"
LEAVING = "tests/client/test_leave.py"
LOG = "tests/client/test_run_log.py"
COMPLETING = "tests/client/test_completion_remote.py"

MUTANTS: list[Mutant] = [
    mutant("own-file-that-came-late-is-skipped", "secftp/transfer/upload_requests.py", "    entry.is_refused = True\n    transfer.requeue(entry)\n    return True\n", "    return False\n", "tests/transfer/test_lost_answers.py::test_a_file_that_is_stored_late_by_the_server_before"),
    mutant("terminal-obeys-the-server", "secftp/client/terminal.py", '    return "\\\\".join(map(escape, sentence.split("\\\\")))\n', "    return sentence\n", "tests/client/test_terminal.py::test_what_is_said_is_escaped_once"),
    mutant("words-of-a-mistake-shown", "secftp/client/terminal.py", "({type(problem).__name__} {_origin(problem)})", "({problem} {_origin(problem)})", "tests/client/test_terminal.py::test_a_mistake_of_ours_is_told_without_its_words"),
    mutant("file-obeyed-by-a-terminal", "secftp/client/local_io.py", "_refuse_controls(hint) if name is None and os.isatty(STANDARD_OUTPUT) else None", "None", "tests/client/test_cli_read_write.py::test_what_a_terminal_would_obey_does_not_go_to_it_unasked"),
    mutant("c1-obeyed-by-a-terminal", "secftp/client/local_io.py", "\\x7f-\\x9f\\udc80-\\udc9f]", "\\x7f]", "tests/client/test_local_io.py::test_a_terminal_is_sent_nothing_that_it_obeys"),
    mutant("output-lost-at-a-quick-end", LEAVE, "                stream.flush()\n", "                pass\n", LEAVING),
    mutant("quick-end-forgets-what-was-registered", LEAVE, "        atexit._ncallbacks()  # noqa: SLF001 - atexit has no public way to ask\n        or _has_threads()\n", "        _has_threads()\n", LEAVING),
    mutant("quick-end-waits-for-no-thread", LEAVE, "        or _has_threads()\n", "", LEAVING),
    mutant("quick-end-of-what-is-profiled", LEAVE, "        or _is_observed()\n", "", LEAVING),
    mutant("failed-output-unsaid-at-a-quick-end", LEAVE, "    except (OSError, ValueError):  # Python reports it in its own way\n        return\n", "    except (OSError, ValueError):\n        pass\n", LEAVING),
    mutant("key-stretched-behind-the-imports", "secftp/client/key_ahead.py", "    key.stretch_ahead()\n", "    pass\n", "tests/client/test_key_ahead.py"),
    mutant("typing-extensions-hidden-for-good", "secftp/client/commands/__init__.py", '        del sys.modules["typing_extensions"]\n', "        pass\n", "tests/client/test_startup.py"),
    mutant("first-files-wait-for-all-listings", "secftp/transfer/remote_tree.py", "        return min(self._near_ahead or most, most)\n", "        return most\n", "tests/transfer/test_listings_ahead.py"),
    mutant("key-shown-while-it-is-typed", "secftp/client/key.py", "    silent[3] &= ~termios.ECHO\n", "", "tests/client/test_key.py::test_the_prompt_reads_a_line_without_echo"),
    mutant("terminal-left-silent", "secftp/client/key.py", "        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)\n", "", "tests/client/test_key.py::test_the_prompt_reads_a_line_without_echo"),
    mutant("wrong-key-tried-again", "secftp/session/retry.py", "            except (ConnectionLost, ServerBusy, ServerUnreachable, TransferTimeout) as problem:\n", "            except SecftpError as problem:\n", "tests/session/test_retry.py::test_what_would_fail_again_is_not_tried_again"),
    mutant("tried-once-too-often", "secftp/session/retry.py", "                if retries > self._attempts or", "                if retries > self._attempts + 1 or", "tests/session/test_retry.py::test_as_often_as_was_asked_for"),
    mutant("all-clients-come-back-at-once", "secftp/session/retry.py", "        return longest * (0.5 + 0.5 * self._chance())\n", "        return longest\n", "tests/session/test_retry.py::test_pauses_differ"),
    mutant("what-was-never-asked-for-counts-as-asked", "secftp/session/retry.py", "            if not (asked and isinstance", "            if not (isinstance", "tests/session/test_retry.py::test_a_change_that_was_not_asked_for_is_not_taken_for_a_repeated_one"),
    mutant("removed-whatever-it-is-by-now", "secftp/session/operations.py", "path=path, kind=kind, tree=", "path=path, kind=None, tree=", "tests/session/test_operations.py"),
    mutant("different-contents-are-the-same", "secftp/client/comparison.py", "            if digest == outcome:\n", "            if True:\n", "tests/client/test_cli_sums.py::test_what_differs_is_listed"),
    mutant("verify-of-a-file-that-changes", "secftp/client/local_digests.py", "            source.check_unchanged()\n", "", "tests/client/test_cli_sums.py::test_a_file_that_changes_while_it_is_compared_is_a_failure"),
    mutant("what-is-missing-here-goes-unsaid", "secftp/client/comparison.py", '                    self._print("missing here", path, other)\n', "                    pass\n", "tests/client/test_cli_sums.py::test_what_differs_is_listed"),
    mutant("listing-of-other-directories", "secftp/transfer/remote_tree.py", "            if len(entry.path) != 1:\n", "            if False:\n", "tests/transfer/test_hostile.py::test_an_entry_of_another_directory_ends_the_session"),
    mutant("listing-fills-the-memory", "secftp/session/listings.py", "        if count >= _TIGHT and (", "        if count < 0 and (", "tests/transfer/test_memory.py::test_a_directory_with_many_names_is_kept_packed"),
    mutant("written-behind-a-failed-write", "secftp/session/replies.py", "            self._file = None  # what is left of it is thrown away\n", "", "tests/session/test_replies.py::test_nothing_is_written_behind_a_write_that_failed"),
    mutant("pipe-goes-on-in-another-file", "secftp/client/streams.py", "prefix=sink.prefix(), ", "prefix=None, ", "tests/client/test_streams.py::test_standard_output_goes_on_in_the_same_file_alone"),
    mutant("pipe-sent-twice", "secftp/client/streams.py", "possible=source.is_untouched", "possible=lambda: True", "tests/client/test_streams.py::test_what_was_read_of_standard_input_is_not_sent_again_without_it"),
    mutant("field-before-welcome", "secftp/protocol/requests.py", "        return self.needs() in (None, self.TYPE.capability)\n", "        return True\n", "tests/session/test_calls.py::test_the_first_request_of_a_session_meets_a_server_that_lacks_it_and_closes"),
    mutant("first-file-is-done-though-refused", "secftp/transfer/upload_first.py", "        if answer.code not in _FINAL:\n            return False\n", "        if answer.code not in _FINAL:\n            return True\n", "tests/transfer/test_first_file.py"),
    mutant("first-file-is-done-whatever-was-confirmed", "secftp/transfer/upload_first.py", "if answer.digest is not None and not hmac.compare_digest(answer.digest, digest):", "if False:", "tests/transfer/test_first_file.py::test_a_confirmation_of_something_else_is_a_failure"),
    mutant("first-file-lost-counts-as-never-sent", "secftp/transfer/upload.py", "            entry.may_have_arrived = self._may_have_arrived\n", "", "tests/transfer/test_first_file.py::test_it_has_arrived_and_the_answer_was_lost"),
    Mutant("first-file-of-any-size", (("secftp/transfer/upload_first.py", "or status.st_size > MOST_BYTES or not name", "or not name"), ("secftp/transfer/upload_first.py", "entry.root.files.open, (), MOST_BYTES)", "entry.root.files.open, (), 1 << 40)")), ("tests/transfer/test_first_file.py::test_a_file_that_is_not_small_is_not_sent_in_vain",)),
    mutant("local-digests-out-of-order", "secftp/client/local_digests.py", "None if self._is_over else self._wanted.popleft()", "None if self._is_over else self._wanted.pop()", "tests/client/test_local_digests.py"),
    mutant("local-digest-of-another-file", "secftp/client/comparison.py", "                if not isinstance(outcome, FileError):\n                    raise\n", "                raise\n", "tests/client/test_local_digests.py"),
    mutant("listings-ahead-without-bound", "secftp/session/list_ahead.py", "        if self._nbytes > KEPT_BYTES:\n", "        if False:\n", "tests/session/test_operations.py::test_directories_are_listed_ahead_and_no_more_of_them_are_kept_than_there_is_room_for"),
    mutant("moved-beside-the-directory", "secftp/client/commands/mv.py", "to = (*target.path, url.path[-1]) if target.trailing_slash else target.path\n    try:", "to = target.path\n    try:", "tests/integration/test_round_trips.py", "tests/client/test_url_commands.py"),
    mutant("word-of-the-command-line-in-the-log", "secftp/client/commands/__init__.py", '"" if place is None or arguments[place] not in COMMANDS else arguments[place]', '"" if place is None else arguments[place]', f"{LOG}::test_a_key_is_never_in_it"),
    mutant("operands-in-the-log", "secftp/client/run_log.py", "            found = list(_positional(options))\n", "            found = list(_positional(options))\n            self._command += str(tuple(getattr(options, 'connection', ())))\n", f"{LOG}::test_a_key_is_never_in_it"),
    mutant("log-opened-behind-the-transfer", "secftp/client/run_log.py", "        os.close(self._open())\n", "", f"{LOG}::test_what_can_not_be_opened_is_told_before_anything_is_done"),
    mutant("log-written-over", "secftp/client/run_log.py", "os.O_WRONLY | os.O_APPEND | ", "os.O_WRONLY | ", LOG),
    mutant("run-log-obeyed-by-a-terminal", "secftp/client/terminal.py", "        self.failure = _guarded(sentence)\n", "        self.failure = sentence\n", f"{LOG}::test_what_a_terminal_would_obey_is_escaped"),
    mutant("completion-asks", "secftp/client/completion/remote.py", "    if not is_silent(connection):\n        return []\n", "", f"{COMPLETING}::test_nothing_that_asks_is_used"),
    mutant("completion-runs-a-key-command", "secftp/client/completion/remote.py", "        return file is not None and stat.S_ISREG(os.stat(file).st_mode)\n", "        return file is None or stat.S_ISREG(os.stat(file).st_mode)\n", f"{COMPLETING}::test_nothing_that_asks_is_used"),
    mutant("completion-unquoted", "secftp/client/completion/quoting.py", "0123456789_-./,+@%^:=", "0123456789_-./,+@%^:=$", f"{COMPLETING}::test_what_is_quoted_is_read_as_the_same_by_bash"),
    mutant("completion-kept-where-others-write", "secftp/client/completion/cache.py", "stat.S_ISDIR(status.st_mode) and not status.st_mode & _OF_OTHERS", "stat.S_ISDIR(status.st_mode)", f"{COMPLETING}::test_a_directory_that_others_may_write_is_not_used"),
]  # fmt: skip
