"""Mutants of the rules that keep a peer's files from being executed or trusted."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

PLACES = "tests/server/test_code_paths.py"
PLANTED = "tests/integration/test_planted_modules.py"
ATTACK = f"{PLANTED}::test_a_drop_box_key_is_not_enough_to_run_code"
CLIENT = f"{PLANTED}::test_the_client_runs_nothing_of_what_it_fetched"
EVERY_WAY = f"{PLANTED}::test_every_way_to_make_a_name_is_refused"
FREE = f"{PLANTED}::test_other_names_are_free"
LIBRARY = f"{PLANTED}::test_who_imports_secftp_keeps_sys_path"
NAMES = f"{PLANTED}::test_names_that_could_be_taken_for_ours"
PATHS = f"{PLACES}::test_every_entry_of_sys_path_counts"
TRUSTED = "tests/server/test_operator_files.py"
REACHED = f"{TRUSTED}::test_no_file_is_trusted_that_clients_can_reach"
STARTS = f"{PLANTED}::test_no_way_to_start_it_runs_what_lies_in_the_working_directory"

MUTANTS: list[Mutant] = [
    # --- sys.path ---
    mutant("working-directory-stays-on-the-path", "secftp/safe_path.py", "            _Start.module_directory = _absolute(entries.pop(0))\n        take_off()\n", "            _Start.module_directory = _absolute(entries.pop(0))\n", CLIENT),
    mutant("only-a-module-of-its-own-word", "secftp/safe_path.py", 'word.partition("m")[2] if word.startswith("-") else word', "word", CLIENT),
    mutant("relative-entry-stays-on-the-path", "secftp/safe_path.py", "    if not os.path.isabs(entry):\n        return True\n", "    if not os.path.isabs(entry):\n        return False\n", CLIENT),
    mutant("main-leaves-the-path", "secftp/client/__main__.py", "    if argv is None:\n        safe_path.take_off()\n", "", CLIENT),
    mutant("main-of-the-server-leaves-the-path", "secftp/server/__main__.py", "    if arguments is None:\n        safe_path.take_off()\n", "", STARTS),
    mutant("script-leaves-the-path", "secftp/safe_path.py", "    if _is_script():\n        take_off()\n    elif _is_program():", "    if _is_program():", CLIENT),
    mutant("a-library-changes-the-path", "secftp/safe_path.py", "    if arguments[:1] != [\"-m\"]:\n        return False\n", "", LIBRARY),
    mutant("any-module-changes-the-path", "secftp/safe_path.py", '    return name == "secftp" or name.startswith("secftp.")\n', "    return bool(name)\n", LIBRARY),
    mutant("a-future-statement-first", "secftp/safe_path.py", "import os\nimport sys\n", "from __future__ import annotations\n\nimport os\nimport sys\n", CLIENT),
    mutant("digests-looked-for-when-asked", "secftp/server/run.py", "    load_digests(*ALGORITHMS)\n", "", f"{PLANTED}::test_optional_modules_are_looked_for_at_the_start"),
    # --- names ---
    mutant("own-names-by-sink", "secftp/server/own_names.py", "        check(path)\n        return self._inner.create_sink(", "        return self._inner.create_sink(", EVERY_WAY),
    mutant("own-names-by-resumed-sink", "secftp/server/own_names.py", "        check(path)\n        return self._inner.resume_sink(", "        return self._inner.resume_sink(", f"{PLANTED}::test_the_store_refuses_each_call_that_makes_a_name"),
    mutant("own-names-by-upload", "secftp/server/own_names.py", "        check(path)\n        return self._inner.open_upload(", "        return self._inner.open_upload(", f"{PLANTED}::test_the_store_refuses_each_call_that_makes_a_name"),
    mutant("own-names-by-rename", "secftp/server/own_names.py", "        check(to)\n", "", EVERY_WAY),
    mutant("own-names-by-mkdir", "secftp/server/own_names.py", "        check(path)\n        return self._inner.make_directory(", "        return self._inner.make_directory(", EVERY_WAY),
    mutant("own-names-by-small-file", "secftp/server/own_names.py", "        check(path)\n        return self._inner.write(", "        return self._inner.write(", EVERY_WAY),
    mutant("own-names-unguarded", "secftp/server/run.py", "    return OwnNamesStore(seen)\n", "    return seen\n", ATTACK),
    mutant("own-names-below-a-quota", "secftp/server/run.py", "    return lambda store: _without_own_names(store, bounded(store, quota))\n", "    return lambda store: bounded(store, quota)\n", EVERY_WAY),
    mutant("own-names-of-secftp-alone", "secftp/server/own_names.py", "    return folded.startswith(PREFIX) or (", "    return folded.startswith(PREFIX) or module == PREFIX and (", ATTACK),
    mutant("own-names-by-one-spelling", "secftp/server/own_names.py", "        return text.lower()\n", "        return text\n", NAMES),
    mutant("own-names-not-folded", "secftp/server/own_names.py", 'unicodedata.normalize("NFKD", text).casefold()', "text", NAMES),
    mutant("own-names-with-ignored-characters", "secftp/server/own_names.py", ' if unicodedata.category(sign)[0] not in "CM" and sign not in _FILLERS)', ")", NAMES),
    mutant("own-names-at-the-top-alone", "secftp/server/own_names.py", "    if path and is_own(path[0]):", "    if len(path) == 1 and is_own(path[0]):", NAMES),
    # --- directories ---
    mutant("code-beneath-the-root", "secftp/server/path_checks.py", "            if exposure.includes(above):\n", "            if exposure.is_root(above):\n", f"{TRUSTED}::test_no_bind_mount_hides_code"),
    mutant("code-in-the-root", "secftp/server/path_checks.py", "        yield os.path.join(directory, _MARK)\n", "", PATHS),
    mutant("symlinks-beneath-the-root", "secftp/exposure.py", "return any(self.includes(directory) for directory in lookups(path))", "return self.includes(os.path.dirname(os.path.realpath(path)))", REACHED),
    mutant("dots-of-the-path-by-name", "secftp/safe_path.py", "        return os.path.join(os.getcwd(), entry)\n", "        return os.path.abspath(entry)\n", f"{PLACES}::test_dots_of_an_entry_are_followed_as_the_system_does"),
    mutant("path-at-the-start-forgotten", "secftp/safe_path.py", "    return tuple(dict.fromkeys((*_Start.entries, *now)))", "    return tuple(now)", f"{PLACES}::test_an_empty_entry_of_pythonpath_is_the_working_directory"),
    mutant("loaded-modules-beneath-the-root", "secftp/server/path_checks.py", "            yield file\n", "            yield sys.executable\n", f"{PLACES}::test_a_module_that_came_by_another_way_than_sys_path_counts"),
    mutant("user-site-beneath-the-root", "secftp/server/path_checks.py", "    return [site.getusersitepackages()] if site.ENABLE_USER_SITE else []", "    return []", f"{PLACES}::test_site_packages_of_the_user_s_that_are_not_there_yet_count"),
    mutant("libraries-beneath-the-root", "secftp/server/path_checks.py", "*_user_site(), *_search_lists()):", "*_user_site()):", f"{PLACES}::test_what_the_environment_loads_code_from_counts", f"{PLACES}::test_an_empty_entry_of_the_library_path_is_the_working_directory"),
    mutant("root-becomes-a-package", "secftp/server/path_checks.py", "    if is_module(module) and (is_top or _is_package(module, started)):\n", "    if False:\n", f"{PLACES}::test_a_root_that_would_become_a_module_of_the_next_start_is_refused"),
    mutant("root-within-a-package", "secftp/server/path_checks.py", "            if _is_package(module, entry) or (is_top and self._is_module(module, entry)):\n", "            if is_top and self._is_module(module, entry):\n", f"{PLACES}::test_a_root_in_an_entry_of_sys_path_is_no_package_and_has_no_module_s_name"),
    mutant("python-m-beneath-the-root", "secftp/server/path_checks.py", "    if exposure.reaches(started) or exposure.shows_again(started):\n", "    if exposure.shows_again(started):\n", f"{PLACES}::test_the_working_directory_of_python_m_beneath_the_root_is_refused"),
    mutant("one-directory-judged-for-all", "secftp/server/keyring.py", "        found = [self._code.refuse(one) for one in sorted(written)]  # all of them, also after a match\n", "        found = [self._code.refuse(one) for one in sorted(written)[:1]]\n", f"{PLACES}::test_the_directory_of_each_key_counts_that_may_write"),
    mutant("named-directories-not-judged", "secftp/server/keyring.py", "            if Right.WRITE in entry.rights and entry.url is None:\n", '            if "write" in entry.rights and not entry.folder:\n', f"{PLACES}::test_the_directory_of_each_key_counts_that_may_write", f"{PLACES}::test_keys_that_are_read_again_are_judged_again"),
    mutant("anonymous-writers-not-judged", "secftp/server/keyring.py", "writes_root = default is not None or options.anonymous_write", "writes_root = default is not None", f"{PLACES}::test_anonymous_clients_count_if_they_may_write"),
    mutant("server-of-a-program-not-judged", "secftp/api/server.py", "        if self._is_written:\n            CodePaths().refuse(self._root)\n", "", f"{PLACES}::test_a_server_in_a_program_is_refused_likewise"),
    # --- trusted files ---
    mutant("configuration-beneath-the-root", "secftp/server/parser.py", '"--config", metavar=FILE', '"--config", metavar="NAME"', REACHED),
    mutant("trusted-files-at-the-start", "secftp/server/path_checks.py", "        if (path := getattr(options, name)) is not None:\n", "        if (path := getattr(options, name)) is not None and name != \"config\":\n", REACHED),
    mutant("trusted-files-of-a-configuration", "secftp/server/path_checks.py", "    for name in file_options():\n", "    for name in file_options() if options.config is None else ():\n", f"{TRUSTED}::test_a_hard_link_is_the_file_itself", REACHED),
    mutant("trusted-symlink-in-the-middle", "secftp/exposure.py", "        below = os.path.join(place, name)\n        yield below\n", "        below = os.path.join(place, name)\n        if len(names) == 0:\n            yield below\n", REACHED),
    mutant("trusted-dots-by-name", "secftp/exposure.py", "    names = text.split(\"/\")[::-1]\n    symlinks = 0\n", "    names = os.path.normpath(text).split(\"/\")[::-1]\n    symlinks = 0\n", REACHED),
    mutant("trusted-hard-link", "secftp/exposure.py", "status.st_nlink > 1 and self._links_to(status)", "False", f"{TRUSTED}::test_a_hard_link_is_the_file_itself"),
    mutant("trusted-hard-link-at-the-top-alone", "secftp/exposure.py", "                        waiting.append(entry.path)\n", "                        pass\n", f"{TRUSTED}::test_a_hard_link_is_the_file_itself"),
    mutant("trusted-mount-beneath", "secftp/exposure.py", "        self._shown = [*self._mounted, self._place(real)]\n", "        self._shown = [self._place(real)]\n", f"{TRUSTED}::test_the_mount_table_as_it_is_read"),
    mutant("trusted-part-of-the-root-elsewhere", "secftp/exposure.py", "        self._shown = [*self._mounted, self._place(real)]\n", "        self._shown = self._mounted\n", f"{TRUSTED}::test_no_bind_mount_hides_a_file"),
    mutant("trusted-though-it-can-not-be-told", "secftp/exposure.py", "        if error.errno in _NO_SYMLINK:\n            return None\n        raise\n", "        return None\n", f"{TRUSTED}::test_what_can_not_be_told_is_refused"),
    mutant("trusted-descriptor", "secftp/server/keyring.py", "            check_descriptor(options.key_fd, options.directory)\n", "", f"{TRUSTED}::test_a_key_that_was_opened_by_a_name_in_the_root_is_refused"),
    mutant("trusted-after-the-start", "secftp/server/keyring.py", "            self._refuse_beneath(credential)\n", "", f"{TRUSTED}::test_the_systemd_credential_and_the_remembered_key_too"),
    mutant("trusted-once", "secftp/server/reload.py", "            check_operator_files(effective)\n", "", f"{TRUSTED}::test_a_configuration_that_clients_can_reach_by_now_decides_nothing"),
    mutant("trusted-code-once-more", "secftp/server/path_checks.py", "exposure.reaches(started) or exposure.shows_again(started)", "exposure.reaches(started)", f"{TRUSTED}::test_no_bind_mount_hides_code"),
]  # fmt: skip
