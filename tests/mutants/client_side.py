"""Mutants of the client: terminal output, retries, comparisons."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

MUTANTS: list[Mutant] = [
    mutant("terminal-obeys-the-server", "secftp/client/terminal.py", '    return "\\\\".join(map(escape, sentence.split("\\\\")))\n', "    return sentence\n", "tests/client/test_terminal.py::test_what_is_said_is_escaped_once"),
    mutant("words-of-a-mistake-shown", "secftp/client/terminal.py", "({type(problem).__name__} {_origin(problem)})", "({problem} {_origin(problem)})", "tests/client/test_terminal.py::test_a_mistake_of_ours_is_told_without_its_words"),
    mutant("file-obeyed-by-a-terminal", "secftp/client/local_io.py", "_refuse_controls(hint) if name is None and os.isatty(STANDARD_OUTPUT) else None", "None", "tests/client/test_cli_read_write.py::test_what_a_terminal_would_obey_does_not_go_to_it_unasked"),
    mutant("c1-obeyed-by-a-terminal", "secftp/client/local_io.py", "\\x7f-\\x9f\\udc80-\\udc9f]", "\\x7f]", "tests/client/test_local_io.py::test_a_terminal_is_sent_nothing_that_it_obeys"),
    mutant("key-shown-while-it-is-typed", "secftp/client/key.py", "    silent[3] &= ~termios.ECHO\n", "", "tests/client/test_key.py::test_the_prompt_reads_a_line_without_echo"),
    mutant("terminal-left-silent", "secftp/client/key.py", "        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)\n", "", "tests/client/test_key.py::test_the_prompt_reads_a_line_without_echo"),
    mutant("wrong-key-tried-again", "secftp/session/retry.py", "            except (ConnectionLost, ServerBusy, ServerUnreachable, TransferTimeout) as problem:\n", "            except SecftpError as problem:\n", "tests/session/test_retry.py::test_what_would_fail_again_is_not_tried_again"),
    mutant("tried-once-too-often", "secftp/session/retry.py", "                if retries > self._attempts or", "                if retries > self._attempts + 1 or", "tests/session/test_retry.py::test_as_often_as_was_asked_for"),
    mutant("all-clients-come-back-at-once", "secftp/session/retry.py", "        return longest * (0.5 + 0.5 * self._chance())\n", "        return longest\n", "tests/session/test_retry.py::test_pauses_differ"),
    mutant("what-was-never-asked-for-counts-as-asked", "secftp/session/retry.py", "            if not (asked and isinstance", "            if not (isinstance", "tests/session/test_retry.py::test_a_change_that_was_not_asked_for_is_not_taken_for_a_repeated_one"),
    mutant("removed-whatever-it-is-by-now", "secftp/session/operations.py", "path=path, kind=kind, tree=", "path=path, kind=None, tree=", "tests/session/test_operations.py"),
    mutant("different-contents-are-the-same", "secftp/client/comparison.py", "        if digest == there:\n", "        if True:\n", "tests/client/test_cli_sums.py::test_what_differs_is_listed"),
    mutant("verify-of-a-file-that-changes", "secftp/client/comparison.py", "            source.check_unchanged()\n", "", "tests/client/test_cli_sums.py::test_a_file_that_changes_while_it_is_compared_is_a_failure"),
    mutant("what-is-missing-here-goes-unsaid", "secftp/client/comparison.py", '                    self._print("missing here", path, other)\n', "                    pass\n", "tests/client/test_cli_sums.py::test_what_differs_is_listed"),
    mutant("listing-of-other-directories", "secftp/transfer/remote_tree.py", "            if len(entry.path) != 1:\n", "            if False:\n", "tests/transfer/test_hostile.py::test_an_entry_of_another_directory_ends_the_session"),
    mutant("listing-fills-the-memory", "secftp/session/listings.py", "        if count >= _TIGHT and (", "        if count < 0 and (", "tests/transfer/test_memory.py::test_a_directory_with_many_names_is_kept_packed"),
    mutant("written-behind-a-failed-write", "secftp/session/replies.py", "            self._file = None  # what is left of it is thrown away\n", "", "tests/session/test_replies.py::test_nothing_is_written_behind_a_write_that_failed"),
    mutant("pipe-goes-on-in-another-file", "secftp/client/streams.py", "prefix=sink.prefix(), ", "prefix=None, ", "tests/client/test_streams.py::test_standard_output_goes_on_in_the_same_file_alone"),
    mutant("pipe-sent-twice", "secftp/client/streams.py", "possible=source.is_untouched", "possible=lambda: True", "tests/client/test_streams.py::test_what_was_read_of_standard_input_is_not_sent_again_without_it"),
]  # fmt: skip
