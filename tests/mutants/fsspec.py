"""Mutants of the file system for fsspec: what is not known, what must be whole, what waits, and keys in what is kept."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

_METHODS = "tests/fsspec/test_methods.py"
_NAMES = "tests/fsspec/test_names.py"
_LOOKING = "tests/fsspec/test_looking.py"
_COPIES = "tests/fsspec/test_copies.py"
_TRANSACTIONS = "tests/fsspec/test_transactions.py"
_READING = "tests/fsspec/test_reading.py"
_CHANGING = "tests/fsspec/test_changing.py"
_FS = "tests/fsspec/test_fs.py"

MUTANTS: list[Mutant] = [
    # --- what is not known is not nothing ---
    mutant("no-server-is-an-empty-tree", "secftp/fsspec/looking.py", "        except NotFound:\n            found = {}\n", "        except OSError:\n            found = {}\n", f"{_METHODS}::test_a_server_that_does_not_answer_is_no_answer[find]"),
    mutant("no-server-is-an-empty-walk", "secftp/fsspec/looking.py", "        except FileError as problem:\n            if budget.exceeded:\n                raise\n            teller(on_error)(problem)\n            return\n", "        except OSError:\n            return\n", f"{_METHODS}::test_a_server_that_does_not_answer_is_no_answer[walk]"),
    mutant("unlisted-level-is-empty", "secftp/fsspec/trees.py", "        elif not isinstance(entries, _MISSING):\n            raise entries\n", "", "tests/fsspec/test_unseen.py"),
    mutant("too-large-is-left-out", "secftp/fsspec/looking.py", "            if budget.exceeded:\n                raise\n            teller", "            teller", f"{_LOOKING}::test_a_result_does_not_fill_the_memory"),
    mutant("result-without-a-bound", "secftp/fsspec/trees.py", "            budget.take(_ENTRY_BYTES + 2 * len(entry.path), 1)\n", "", f"{_LOOKING}::test_a_result_does_not_fill_the_memory"),
    mutant("walk-of-what-was-pruned", "secftp/fsspec/trees.py", "            for last in tuple(directories):\n", "            for last in [last for last, entry in inside.items() if entry.is_dir()]:\n", f"{_LOOKING}::test_a_walk_enters_what_its_caller_leaves_and_adds"),
    # --- keys ---
    mutant("key-in-tokens", "secftp/fsspec/keys.py", "            given = {**given, \"key\": hold_key(given[\"key\"])}\n", "            pass\n", f"{_NAMES}::test_a_key_is_in_nothing_that_is_kept", f"{_NAMES}::test_equal_options_are_one_instance_and_different_keys_never"),
    mutant("handle-is-a-digest-of-the-key", "secftp/fsspec/keys.py", "HeldKey(secrets.token_hex(_HANDLE_BYTES), key_for(key))", "HeldKey(hashlib.md5(str(key).encode()).hexdigest(), key_for(key))", f"{_NAMES}::test_a_key_is_in_nothing_that_is_kept", f"{_NAMES}::test_a_token_can_not_be_guessed_from_the_key"),
    mutant("two-keys-are-one", "secftp/fsspec/keys.py", "        return b\"object %d\" % id(key)", "        return b\"object\"", f"{_NAMES}::test_equal_options_are_one_instance_and_different_keys_never"),
    mutant("key-in-json", "secftp/fsspec/connection.py", "for name, value in self.storage_options.items() if name != \"key\"}", "for name, value in self.storage_options.items()}", f"{_NAMES}::test_json_has_no_key"),
    mutant("lock-of-the-parent-kept", "secftp/fsspec/connection.py", "            self._make_locks()  # a thread of the parent may have held them during the fork\n", "            pass\n", f"{_NAMES}::test_a_forked_process_opens_its_own_connections"),
    mutant("key-in-pickles-of-paths", "secftp/fsspec/universal_path.py", "            options[\"key\"] = hold_key(options[\"key\"])  # which", "            pass  # which", "tests/fsspec/test_universal_path.py::test_a_key_is_in_no_pickle"),
    # --- versions, and what caches keep ---
    mutant("failed-fetch-stays-marked", "secftp/fsspec/file.py", "            present.difference_update(missing)\n", "", f"{_READING}::test_a_cache_on_disk_keeps_nothing_that_was_not_fetched"),
    mutant("pickle-of-another-version", "secftp/fsspec/file.py", "    file._reader._file.version = version[2]", "    version[2]", f"{_READING}::test_a_pickle_is_of_one_version_also_if_size_and_time_are_kept"),
    # --- transactions ---
    mutant("pipe-past-the-transaction", "secftp/fsspec/writing.py", "        if not self._intrans:\n            write_value", "        if True:\n            write_value", f"{_TRANSACTIONS}::test_nothing_is_left_of_what_failed"),
    mutant("values-past-the-transaction", "secftp/fsspec/writing.py", "        if len(values) > 1 and not self._intrans and", "        if len(values) > 1 and", f"{_TRANSACTIONS}::test_nothing_is_left_of_what_failed"),
    mutant("put-past-the-transaction", "secftp/fsspec/copying.py", "        if self._intrans:\n            for pair in pairs:", "        if not pairs:\n            for pair in pairs:", f"{_TRANSACTIONS}::test_it_appears_at_the_end"),
    mutant("copy-past-the-transaction", "secftp/fsspec/server_copies.py", "        if self._intrans:\n            self._defer(", "        if not pairs:\n            self._defer(", f"{_TRANSACTIONS}::test_it_appears_at_the_end"),
    mutant("failed-block-committed", "secftp/fsspec/deferred.py", "    def __exit__(self, kind: type[BaseException] | None, *_more: object) -> None:\n        if kind is not None:\n            self.discard()\n", "    def __exit__(self, kind: type[BaseException] | None, *_more: object) -> None:\n", f"{_TRANSACTIONS}::test_a_block_that_failed_is_not_committed"),
    mutant("unclosed-file-committed", "secftp/fsspec/deferred.py", "        if not self.closed:\n            self.discard()\n", "        if self._given_up:\n            self.discard()\n", f"{_TRANSACTIONS}::test_a_file_that_was_not_closed_is_not_committed"),
    mutant("unclosed-value-committed", "secftp/fsspec/deferred.py", "        return self.closed and self._overwrite and", "        return self._overwrite and", f"{_TRANSACTIONS}::test_a_file_that_was_not_closed_is_not_committed_with_others"),
    mutant("forgotten-file-committed", "secftp/fsspec/deferred.py", "        self._give_up(\"was never closed\", ResourceWarning)\n", "        pass\n", f"{_TRANSACTIONS}::test_a_file_that_was_forgotten_is_not_committed"),
    mutant("closed-by-an-exception-and-committed", "secftp/fsspec/deferred.py", "        if not self.closed and sys.exc_info()[1] not in {None, self._opened_during}:\n", "        if self.closed and self._opened_during:\n", f"{_TRANSACTIONS}::test_what_is_closed_because_of_an_exception_is_not_committed"),
    mutant("rest-kept-open", "secftp/fsspec/deferred.py", "                    file.discard()\n            if self.fs", "                    pass\n            if self.fs", f"{_TRANSACTIONS}::test_the_first_failure_ends_it"),
    mutant("transaction-within-another", "secftp/fsspec/deferred.py", "        if self.fs._intrans:", "        if not self.fs:", f"{_TRANSACTIONS}::test_one_at_a_time"),
    mutant("directories-of-a-spill-kept", "secftp/fsspec/deferred.py", "                self.client.rmdir(directory)\n", "                pass\n", f"{_TRANSACTIONS}::test_nothing_is_left_of_what_failed"),
    mutant("source-of-a-transaction-mixed", "secftp/fsspec/copying.py", "            source.check_unchanged()\n", "", f"{_TRANSACTIONS}::test_a_file_of_here_that_changes_is_an_error"),
    # --- copies ---
    mutant("existing-file-taken-for-new", "secftp/fsspec/progress.py", "        if self._must_be_new and reason == EXISTS:\n", "        if self._must_be_new and not reason:\n", f"{_COPIES}::test_a_file_that_must_be_new"),
    mutant("early-file-not-cancelled", "secftp/transfer/download_pairs.py", "            early.cancel()\n", "            pass\n", f"{_COPIES}::test_a_file_that_can_not_be_created_is_not_fetched"),
    mutant("parent-refused-and-file-blamed", "secftp/transfer/upload_pairs.py", "            self.counters.failed(entry, self._refusals[entry.remote[:-1]])\n", "            super().refused(entry, code, reason)\n", f"{_COPIES}::test_why_a_directory_could_not_be_created_matters_only_where_it_is_missing"),
    mutant("parent-refused-and-file-failed", "secftp/transfer/upload_pairs.py", "            self._refusals[entry.remote] = failure_of(entry, code, reason)\n", "            self.counters.failed(entry, failure_of(entry, code, reason))\n", f"{_COPIES}::test_why_a_directory_could_not_be_created_matters_only_where_it_is_missing"),
    mutant("target-below-a-file-object", "secftp/fsspec/rules.py", "    if not paths.is_in(name, top) or", "    if", f"{_COPIES}::test_a_name_from_a_server_stays_below_the_target"),
    mutant("missing-source-ignored", "secftp/fsspec/server_copies.py", "    if on_error != \"ignore\":\n", "    if not on_error:\n", f"{_CHANGING}::test_copies_that_fail"),
    mutant("missing-target-ignored", "secftp/fsspec/server_copies.py", "if not isinstance(problem, NotFound) or problem.of_target]", "if not isinstance(problem, NotFound)]", f"{_CHANGING}::test_a_missing_directory_is_not_a_source_that_is_gone"),
    mutant("move-with-a-depth", "secftp/fsspec/changing.py", "        if maxdepth is not None:\n            refuse(", "        if maxdepth == 0:\n            refuse(", f"{_METHODS}::test_what_is_refused_says_why"),
    # --- names, options, connections ---
    mutant("url-of-another-server", "secftp/fsspec/paths.py", "    if of is not None:\n        _require_server(server, of)\n", "    if of is not None:\n", f"{_FS}::test_a_url_of_another_server_is_refused"),
    mutant("path-of-a-url-forgets-the-server", "secftp/fsspec/paths.py", "    found = PathOfUrl(stripped)\n    found.server = server\n    return found\n", "    return stripped\n", f"{_FS}::test_a_url_of_another_server_is_refused"),
    mutant("url-of-another-key", "secftp/fsspec/paths.py", " or url.name not in (\"\", of.name)", "", f"{_FS}::test_a_url_of_another_server_is_refused"),
    mutant("any-text-is-true", "secftp/fsspec/paths.py", "        return _TRUTHS[value.strip().lower()]\n", "        return bool(value)\n", f"{_FS}::test_options_may_be_texts_as_in_a_configuration"),
    mutant("escapes-stay-in-urls", "secftp/fsspec/paths.py", "_AMBIGUOUS.sub(lambda found: quote(found[0], safe=\"\"), path[1:])", "path[1:]", f"{_FS}::test_names"),
    mutant("connections-outlive-the-program", "secftp/fsspec/connection.py", "                    _connected[id(self)] = self\n", "", f"{_FS}::test_a_file_system_that_is_not_closed_warns_of_nothing"),
]  # fmt: skip
