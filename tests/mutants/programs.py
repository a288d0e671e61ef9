"""Mutants of the Python interface: patterns, file names of errors, hints, what objects show of themselves."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

GLOB = "tests/api/test_glob.py"
FILTERS = "tests/transfer/test_filters.py"
SELECTED = "tests/transfer/test_selected.py"
OTHERS = "tests/client/test_other_kinds.py"
GLOBS = "tests/client/test_globs.py"
NAMES = "tests/api/test_error_names.py"

MUTANTS: list[Mutant] = [
    mutant("glob-takes-a-failure-for-nothing", "secftp/api/globbing.py", "        if isinstance(problem, NotFound | NotADirectory):\n", "        if isinstance(problem, FileError):\n", GLOB),
    mutant("glob-ends-where-a-listing-breaks-off", "secftp/api/globbing.py", "                yield from listing\n            except FileError as problem:\n                self._fail(problem)\n", "                yield from listing\n            except FileError:\n                return\n", GLOB),
    mutant("glob-leaves-out-large-directories", "secftp/api/globbing.py", "                yield from self._stream(seen.large, below)\n", "                pass\n", GLOB),
    mutant("glob-keeps-any-number-of-directories", "secftp/api/globbing.py", "            for place in below:\n                budget.take(_cost(place), 1)\n", "            for place in below:\n                budget.give(_cost(place), 1)\n", GLOB),
    mutant("glob-matches-hidden-names", "secftp/session/patterns.py", '        if not self._may_be_hidden and name.startswith("."):\n            return False\n', "", GLOB),
    mutant("glob-leads-upwards", "secftp/session/patterns.py", "            check_path((self.literal,))\n", "            pass\n", GLOB),
    mutant("word-of-a-command-without-a-match-is-a-name", "secftp/client/glob_search.py", "            if not matches and not missing_ok:\n                raise _no_match(search.text)\n", "            if not matches and not missing_ok:\n                found.append(url)\n", GLOBS),
    mutant("word-of-a-command-matches-though-it-exists", "secftp/client/glob_search.py", "            if exists or search is None:\n", "            if search is None:\n", GLOBS),
    mutant("word-of-a-command-matches-the-directory-itself", "secftp/client/glob_search.py", "below, matches, _ = pattern.next_states(states, _text(entry.path[-1]))", "below, matches, _ = (lambda f: (f[0], f[1] or f[2], f[2]))(pattern.next_states(states, _text(entry.path[-1])))", GLOBS),
    mutant("word-of-a-command-matches-hidden-names", "secftp/client/glob_search.py", "Pattern(text, include_hidden=False)", "Pattern(text, include_hidden=True)", GLOBS),
    mutant("word-of-a-command-matches-the-directory-above", "secftp/client/glob_search.py", "                        if len(entry.path) != 1:", "                        if not entry.path:", GLOBS),
    mutant("word-of-a-command-takes-a-failure-for-nothing", "secftp/client/glob_search.py", "    if problem is not None and not isinstance(problem, NotFound):\n", "    if problem is not None and isinstance(problem, NotFound):\n", GLOBS),
    mutant("pattern-at-any-depth-but-the-top", "secftp/transfer/filters.py", '        return b"(?:.*/)?", end + 1\n', '        return b".*/", end + 1\n', FILTERS),
    mutant("pattern-anchored-nowhere", "secftp/transfer/filters.py", "            matches |= self._path.match(joined)\n", "            matches |= self._path.match(joined) or self._path.match(path[-1])\n", FILTERS),
    mutant("pattern-in-another-source", "secftp/transfer/filters.py", "            if source in self._in_source:\n                matches |= self._in_source[source]", "            for source in self._in_source:\n                matches |= self._in_source[source]", FILTERS),
    mutant("included-though-it-is-excluded", "secftp/transfer/filters.py", "        return not self._excluded_files.match(path, source) and is_included\n", "        return not self._excluded_files.match(path, source) or (self.includes and is_included)\n", FILTERS),
    mutant("include-makes-empty-directories-here", "secftp/transfer/remote_tree.py", "        if not self._filters.includes and not self._is_open(directory):\n", "        if not self._is_open(directory):\n", SELECTED),
    mutant("include-makes-empty-directories-there", "secftp/transfer/local_tree.py", "            if filters.includes:\n", "            if filters.includes and path:\n", SELECTED),
    mutant("pattern-that-matched-is-told", "secftp/transfer/filters.py", "        # All are tried, since each pattern that matches has to be seen.\n        matches = self._name.match(path[-1])\n        if not self._path.empty:\n", "        matches = self._name.match(path[-1])\n        if not matches and not self._path.empty:\n", FILTERS),
    mutant("link-removed-as-whatever-it-is", "secftp/storage/change.py", "        if not is_other or is_link != (kind is Kind.SYMLINK):\n            raise not_found(path)\n", "        if not is_other:\n            raise not_found(path)\n", OTHERS),
    mutant("file-removed-as-a-link", "secftp/storage/change.py", "        if not is_other or is_link != (kind is Kind.SYMLINK):\n", "        if is_other and is_link != (kind is Kind.SYMLINK):\n", OTHERS),
    mutant("tree-of-a-link-removed", "secftp/storage/scan.py", "    kind = Kind.SYMLINK if stat.S_ISLNK(status.st_mode) else Kind.SPECIAL\n", "    kind = Kind.DIRECTORY if stat.S_ISLNK(status.st_mode) else Kind.SPECIAL\n", OTHERS),
    mutant("links-listed-unasked", "secftp/storage/scan.py", "is_directory=False) if others else None\n", "is_directory=False)\n", OTHERS),
    mutant("escaped-star-is-a-wildcard", "secftp/url.py", "lambda escapes: quote_pattern(_text(_decode(_bytes(escapes[0]))))", "lambda escapes: _text(_decode(_bytes(escapes[0])))", GLOBS),
    mutant("error-names-a-file-like-another", "secftp/api/naming.py", '    if top and not wire.startswith(f"{top}/"):\n        return None\n', "", NAMES),
    mutant("error-names-what-was-sent", "secftp/api/naming.py", "    if error.is_named or error.side is Side.LOCAL:\n", "    if error.is_named or error.side is not Side.LOCAL:\n", NAMES),
    mutant("hint-shown-twice", "secftp/errors.py", "            notes.remove(_note(self._hint))\n", "            pass\n", NAMES),
    mutant("key-shown-by-repr", "secftp/keys/key.py", '        return "<secftp.Key generated>" if self.generated else "<secftp.Key>"\n', '        return f"<secftp.Key {self._material!r}>"\n', "tests/api/test_repr.py::test_keys_are_never_shown"),
]  # fmt: skip
