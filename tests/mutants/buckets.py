"""Mutants of names, listings and changes in a bucket: what is left out, deleted unasked, or shown in a log."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

NAMES = "tests/storage/objects/test_names.py"
WALK = "tests/storage/objects/test_walk.py"
STORE = "tests/storage/objects/test_store.py"
BUCKET = "tests/storage/objects/test_bucket.py"
EACH = "tests/storage/objects/test_concurrency.py"
WRAPPERS = "tests/storage/test_wrappers.py"
AT_BUCKET = "secftp/storage/objects/bucket.py"
AT_CHANGES = "secftp/storage/objects/changes.py"
AT_COPIES = "secftp/storage/objects/copies.py"
AT_KEYS = "secftp/storage/objects/keys.py"
AT_LISTING = "secftp/storage/objects/listing.py"
AT_PROBE = "secftp/storage/objects/probe.py"
AT_URLS = "secftp/storage/objects/urls.py"
AT_WALK = "secftp/storage/objects/walk.py"
AT_WRAPPERS = "secftp/storage/wrappers.py"

MUTANTS: list[Mutant] = [
    # --- names ---
    mutant("keys-of-reserved-names", AT_KEYS, "        check(path)\n        return self._checked(path)\n", "        return self._checked(path)\n", NAMES),
    mutant("keys-below-unchecked", AT_KEYS, "        check_directory(path)\n        return f", "        return f", NAMES),
    mutant("keys-of-any-bytes", AT_KEYS, "        text = name.decode()\n", '        text = name.decode(errors="replace")\n', NAMES),
    mutant("keys-with-control-characters", AT_KEYS, 'sign < " " or sign == _DELETE', "False", NAMES),
    mutant("keys-without-room-for-a-marker", AT_KEYS, " - len(MARKER) - 1  # so", "  # so", NAMES),
    mutant("keys-that-forget-the-prefix-of-the-url", AT_KEYS, "        self._room = MAX_KEY - taken", "        self._room = MAX_KEY", NAMES),
    mutant("bucket-url-with-a-password", AT_URLS, '    if separator and (scheme.lower() not in _CONTAINER_AT_HOST or ":" in user):', "    if False:", NAMES),
    mutant("bucket-url-whose-dots-are-escaped", AT_URLS, "    names = unquote(rest).removesuffix", "    names = rest.removesuffix", NAMES),
    mutant("bucket-url-with-control-characters", AT_URLS, "    if not url.isprintable() or not unquote(rest).isprintable():", "    if False:", NAMES),
    mutant("bucket-url-in-reserved-names", AT_URLS, "    if any(name.startswith(RESERVED_TEXT) for name in names):", "    if False:", NAMES),
    mutant("bucket-url-with-a-query", AT_URLS, '    if "?" in rest or "#" in rest:', "    if False:", NAMES),
    # --- listings ---
    mutant("broken-listing-ends", AT_BUCKET, "            raise problem from error\n", "            if not is_listing:\n                raise problem from error\n", BUCKET),
    mutant("missing-bucket-is-empty", AT_BUCKET, "            if isinstance(error, kind) and not (is_listing and meaning is NotFound):", "            if isinstance(error, kind):", BUCKET),
    mutant("reserved-objects-listed", AT_WALK, "        if self._skipped or not name or is_reserved(name):", "        if self._skipped or not name:", WALK),
    mutant("reserved-directories-listed", AT_WALK, "            path = None if is_reserved(name) else self._path_of(name)\n", "            path = self._path_of(name)\n", WALK),
    mutant("directory-behind-a-file-left-out", AT_WALK, "            if path is not None:\n                yield Found(path, None, problem)\n", "            if path is not None and problem is None:\n                yield Found(path, None, problem)\n", WALK),
    mutant("directory-behind-a-file-not-noticed", AT_WALK, "        if key in self._files:\n            return failure(NotADirectory", "        if False:\n            return failure(NotADirectory", WALK),
    mutant("files-of-a-walk-remembered", AT_WALK, "            self._files.pop()\n", "            break\n", WALK),
    mutant("too-long-names-left-out", AT_WALK, "            raise self._top.problem\n", "            return\n", WALK),
    mutant("too-long-names-below-left-out", AT_WALK, "            if level.problem is not None:\n                yield", "            if False:\n                yield", WALK),
    mutant("too-deep-left-out", AT_WALK, "        if self._recursive and len(path) >= MAX_COMPONENTS:", "        if False:", WALK),
    mutant("what-can-not-be-listed-left-out", AT_WALK, "                    level.problem = failure(InputOutputError, UNSERVABLE, level.path)\n", "                    pass\n", WALK),
    mutant("listing-ends-at-a-key-that-is-no-path", AT_WALK, "            yield from self._level_by_level(self._prefix, begun)\n", "            return\n", WALK),
    mutant("last-page-is-the-whole-level", AT_WALK, "    yield from _whole_level(bucket, prefix, path, begun)\n", "", WALK),
    mutant("level-begun-anew-behind-too-much", AT_WALK, "            offset = prefix + name + _SEPARATOR + _LAST_SIGN\n", "            offset = prefix + name + _LAST_SIGN\n", WALK),
    mutant("empty-file-taken-for-a-directory", AT_WALK, "                self._bucket.info(Key(one.key, self._top.path))\n", "                raise NotFound\n", WALK),
    mutant("missing-directory-is-empty", AT_WALK, "        if not is_there:\n            self._raise_missing()\n", "", WALK),
    mutant("entries-that-can-not-be-asked-left-out", AT_LISTING, "            return ScanEntry(below, None if found.object else directory_info(None, self._times), problem)\n", "            return None\n", WALK),
    mutant("threads-of-a-store-without-a-bound", "secftp/storage/objects/concurrency.py", "            if has >= self.free:", "            if False:", EACH),
    mutant("threads-of-a-store-taken-by-the-first", "secftp/storage/objects/concurrency.py", "            if has >= self.free:", "            if not self.free:", EACH),
    mutant("threads-of-a-store-never-free-again", "secftp/storage/objects/concurrency.py", "            _budget.give_back()\n        else:", "            pass\n        else:", EACH),
    mutant("requests-that-keep-the-process", "secftp/storage/objects/concurrency.py", "name=self._name, daemon=True)", "name=self._name)", EACH),
    mutant("requests-of-a-listing-one-by-one", "secftp/storage/objects/concurrency.py", "            if len(waiting) == at_once:", "            if waiting:", EACH),
    mutant("requests-of-a-listing-without-a-bound", "secftp/storage/objects/concurrency.py", "            if len(waiting) == at_once:", "            if False:", EACH),
    # --- changes ---
    mutant("directory-of-a-bucket-removed-with-its-files", AT_CHANGES, '                raise failure(NotEmpty, "Directory not empty", path)\n', "                ours.append(Key(one.key, path))\n", STORE),
    mutant("missing-object-removed", AT_CHANGES, "    if not is_there:\n        raise not_found(path)\n", "", STORE),
    mutant("object-removed-as-a-directory", AT_CHANGES, "    if kind is Kind.DIRECTORY:\n", "    if False:\n", STORE),
    mutant("own-marker-taken-for-anothers", AT_CHANGES, ".upload == ours.upload:", ".upload is None:", STORE),
    mutant("own-copy-taken-for-anothers", AT_COPIES, ".upload == upload:\n", ".upload is None:\n", STORE),
    mutant("copy-taken-for-anothers", AT_COPIES, "            raise unconfirmed(to.path) from problem\n        raise\n", "            raise\n        raise\n", STORE),
    mutant("deletion-whose-answer-was-lost", AT_BUCKET, "            if only is None or self._is_there(key, only):\n                self._delete(key)\n", "            raise\n", BUCKET),
    mutant("directory-made-over-a-file", AT_CHANGES, "    if is_file:\n", "    if False:\n", STORE),
    mutant("renamed-and-another-version-deleted", AT_COPIES, "    if not found.is_version(source):\n", "    if False:\n", STORE),
    mutant("failed-copy-taken-for-made", AT_COPIES, "        if not _is_copy(bucket, to, source, problem):\n            raise\n", "        pass\n", STORE),
    mutant("copy-not-asked-for", AT_COPIES, "        if not _is_copy(bucket, to, source, problem):\n            raise\n", "        raise\n", STORE),
    mutant("another-file-taken-for-the-copy", AT_COPIES, "        return upload == copied\n", "        return True\n", STORE),
    mutant("copy-where-nothing-may-be-replaced", AT_COPIES, "        bucket.copy(key, to, create=way)\n", "        bucket.copy(key, to)\n", STORE),
    mutant("passed-on-where-nothing-may-be-replaced", AT_COPIES, "UPLOAD: upload}, create=True)", "UPLOAD: upload})", STORE),
    mutant("renamed-over-a-directory", AT_COPIES, "    except IsADirectory:\n        kind = IsADirectory if overwrite else AlreadyExists\n", "    except IsADirectory:\n        return\n        kind = IsADirectory if overwrite else AlreadyExists\n", STORE),
    mutant("renamed-below-a-file", AT_COPIES, "    if found is not None and not overwrite:\n", "    except FileError:\n        return\n    if found is not None and not overwrite:\n", "tests/storage/contract/test_change.py"),
    mutant("directory-made-below-a-file", AT_CHANGES, "        *(() if parents else Targets(bucket, keys).looks_above(path)),\n", "", "tests/storage/contract/test_change.py"),
    mutant("deletion-repeated-on-anothers-file", AT_BUCKET, "            if only is None or self._is_there(key, only):\n", "            if True:\n", STORE),
    mutant("source-of-a-copy-to-come-deleted", AT_COPIES, "    if bucket.copies_later:\n        wait_for_copy(", "    if False:\n        wait_for_copy(", STORE),
    mutant("copy-to-come-confirmed", "secftp/storage/objects/sink.py", "            if self._bucket.copies_later:\n", "            if False:\n", "tests/storage/objects/test_sink.py"),
    mutant("object-of-no-path-left-out", AT_LISTING, "                    raise failure(InputOutputError, UNSERVABLE, found.path) from None\n", "                    return None\n", WALK),
    mutant("object-of-no-path-taken-for-a-directory", AT_WALK, "            if one.size:  # else", "            if False:  # else", WALK),
    mutant("renamed-without-the-condition", AT_COPIES, "        if way is None and not overwrite:\n            raise no_condition(to.path)\n", "", STORE),
    mutant("copied-with-other-attributes", "secftp/storage/objects/store.py", "        if kept_attributes(options, info) != ALL_KEPT or ", "        if ", STORE),
    mutant("attributes-of-another-version", "secftp/storage/objects/store.py", "        if only is not None and path and only != self._identity_of(path, file):", "        if False:", STORE),
    # --- what a store can do ---
    mutant("ignored-conditions-trusted", AT_PROBE, "    bucket.put(key, content, {})\n    return False\n", "    bucket.put(key, content, {})\n    return True\n", BUCKET),
    mutant("copy-that-changes-it-trusted", AT_PROBE, "        if _content(bucket, key) == content:\n", "        if True:\n", BUCKET),
    mutant("objects-of-the-trial-left", AT_PROBE, "                bucket.delete(key)\n", "                pass\n", BUCKET),
    # --- what is told ---
    mutant("signatures-in-the-log", AT_BUCKET, '_QUERY.sub("", text', "str.strip(text", BUCKET),
    mutant("escapes-of-a-store-in-the-log", AT_BUCKET, "    return escape(line if code is None", "    return (line if code is None", BUCKET),
    mutant("small-files-past-a-wrapper", AT_WRAPPERS, '        if _is_changed(self, SmallFilesWrapper, "write"):\n', "        if False:\n", WRAPPERS),
    mutant("copies-past-a-wrapper", AT_WRAPPERS, '        if _is_changed(self, StoreWrapper, "create_sink") or _is_changed(self, StoreWrapper, "open_source"):\n', "        if False:\n", WRAPPERS),
]  # fmt: skip
