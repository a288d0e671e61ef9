"""Mutants of what a server serves: locks of a directory, capabilities of a store, refusals at the start."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, mutant

_LOCKS: Final = "tests/storage/test_locks.py"
_CAPABILITIES: Final = "tests/server/test_capabilities.py"
_ROOTS: Final = "tests/server/test_roots.py"
_REACHABLE: Final = "tests/storage/objects/test_reachable.py"

MUTANTS: list[Mutant] = [
    mutant("locks-that-fail-count-as-locks", "secftp/storage/locks.py", "    except OSError as error:\n        return error.errno not in _NO_LOCKS\n    with contextlib", "    except OSError:\n        return True\n    with contextlib", f"{_LOCKS}::test_where_they_do_not_nothing_is_left_either"),
    mutant("locks-of-all-count-as-locks", "secftp/storage/locks.py", "        else:\n            return False\n", "        else:\n            return True\n", f"{_LOCKS}::test_where_they_do_not_nothing_is_left_either"),
    mutant("swept-without-locks", "secftp/storage/local.py", "            if (not try_locks or self.try_locks()) and sweep:\n", "            if sweep:\n", f"{_LOCKS}::test_nothing_is_swept_where_a_writer_can_not_be_known"),
    mutant("resumed-without-locks", "secftp/storage/local.py", "        return _LOCKED if self._has_locks is False else frozenset()\n", "        return frozenset()\n", f"{_LOCKS}::test_a_store_lacks_what_rests_on_them_from_the_moment_that_it_was_tried", f"{_ROOTS}::test_where_locks_do_not_work_it_is_said_once_and_nothing_is_resumed"),
    mutant("lacking-announced", "secftp/server/session.py", "tuple(each for each in capabilities if each not in lacks)", "capabilities", f"{_CAPABILITIES}::test_welcome_names_what_the_store_of_the_key_has"),
    mutant("lacking-served", "secftp/server/requests/capabilities.py", "        if capability in lacks:\n", "        if False:\n", f"{_CAPABILITIES}::test_a_request_that_uses_what_is_lacking_is_unsupported_and_does_nothing"),
    mutant("lacking-served-in-a-batch", "secftp/server/requests/batch.py", "        refuse_lacking(self._request, self._context.lacks)\n", "", f"{_CAPABILITIES}::test_a_request_that_uses_what_is_lacking_is_unsupported_and_does_nothing"),
    mutant("lacking-field-served", "secftp/server/requests/capabilities.py", "        (Capability.BACKUP, lambda write: write.backup is not None),\n    ),\n    WriteMany", "    ),\n    WriteMany", f"{_CAPABILITIES}::test_each_capability_counts_by_itself_where_a_request_uses_several"),
    mutant("kept-where-nothing-is-resumed", "secftp/server/requests/context.py", "        return request.keep and Capability.RESUME not in self.lacks\n", "        return request.keep\n", f"{_CAPABILITIES}::test_a_file_is_not_kept_where_nothing_can_be_resumed_although_the_client_wants_it"),
    mutant("others-listed-though-lacking", "secftp/server/requests/listing.py", "request.others and Capability.OTHERS not in context.lacks", "request.others", f"{_CAPABILITIES}::test_a_listing_with_others_is_one_without_them"),
    mutant("replaced-by-a-store-without-conditions", "secftp/server/roots.py", "    if not replaces and not (writes.put and writes.copy):\n", "    if False:\n", f"{_ROOTS}::test_where_nothing_may_be_replaced_the_store_has_to_decide_that"),
    mutant("replaced-by-a-key-without-the-right", "secftp/server/keyring.py", "        replaces = not self._options.no_overwrite and all(Right.OVERWRITE in rights for rights in writers)\n", "        replaces = not self._options.no_overwrite\n", f"{_ROOTS}::test_where_nothing_may_be_replaced_the_store_has_to_decide_that"),
    mutant("store-not-tried-at-all", "secftp/server/keyring.py", "            self._prepare_root(entries, writes_root=writes_root)\n", "", f"{_ROOTS}::test_where_nothing_may_be_replaced_the_store_has_to_decide_that"),
    mutant("credentials-below-the-root", "secftp/server/keyring.py", "                check_file(credentials, directory, \"file of credentials\")\n", "                pass\n", f"{_ROOTS}::test_no_credentials_are_read_from_where_clients_can_reach_them"),
    mutant("url-with-a-password-shown", "secftp/server/roots.py", "{bucket.rpartition('@')[2]}", "{bucket}", f"{_ROOTS}::test_no_credential_of_a_url_is_shown"),
    mutant("url-joined-to-the-configuration", "secftp/server/config.py", "(action.dest == \"root\" and not is_object_url(text))", "action.dest == \"root\"", f"{_ROOTS}::test_a_url_in_a_configuration_is_not_joined_to_its_directory"),
    mutant("min-free-of-a-bucket", "secftp/server/roots.py", "            if getattr(options.limits, field) is not None:\n", "            if False:\n", f"{_ROOTS}::test_a_limit_that_is_about_a_disk_is_refused_for_a_bucket"),
    mutant("size-of-a-bucket-s-batch", "secftp/server/size_quota.py", "                    self._quota.check_size(len(file[1]))\n", "                    pass\n", f"{_ROOTS}::test_files_of_a_batch_that_are_too_large_fail_in_their_place"),
    mutant("results-of-a-batch-in-another-order", "secftp/server/size_quota.py", "                while (problem := refused.popleft()) is not None:\n                    yield problem\n                yield kept\n", "                yield kept\n                while (problem := refused.popleft()) is not None:\n                    yield problem\n", f"{_ROOTS}::test_files_of_a_batch_that_are_too_large_fail_in_their_place"),
    mutant("size-of-a-bucket-s-file", "secftp/server/size_quota.py", "        self._grow(sum(map(len, buffers)))\n", "", f"{_ROOTS}::test_no_file_of_a_bucket_is_larger_than_the_limit_in_any_way"),
    mutant("size-of-a-bucket-s-copy", "secftp/server/size_quota.py", "        self._quota.check_size(options.size)\n        return self._inner.copy", "        return self._inner.copy", f"{_ROOTS}::test_no_file_of_a_bucket_is_larger_than_the_limit_in_any_way"),
    mutant("signature-of-an-address-shown", "secftp/storage/objects/reachable.py", "_query.sub(r\"\\1\", told.partition", "str(told.partition", f"{_REACHABLE}::test_what_is_wrong_is_told_to_the_operator"),
    mutant("profile-of-aws-ignored", "secftp/storage/objects/credentials.py", "        if profile:\n            raise InstallationError", "        if False:\n            raise InstallationError", f"{_REACHABLE}::test_a_file_alone_requires_no_library_and_a_profile_does"),
]  # fmt: skip
