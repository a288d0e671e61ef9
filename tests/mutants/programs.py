"""Mutants of the Python interface: patterns, file names of errors, hints, what objects show of themselves."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

GLOB = "tests/api/test_glob.py"
NAMES = "tests/api/test_error_names.py"

MUTANTS: list[Mutant] = [
    mutant("glob-takes-a-failure-for-nothing", "secftp/api/globbing.py", "        if isinstance(problem, NotFound | NotADirectory):\n", "        if isinstance(problem, FileError):\n", GLOB),
    mutant("glob-ends-where-a-listing-breaks-off", "secftp/api/globbing.py", "                yield from listing\n            except FileError as problem:\n                self._fail(problem)\n", "                yield from listing\n            except FileError:\n                return\n", GLOB),
    mutant("glob-leaves-out-large-directories", "secftp/api/globbing.py", "                yield from self._stream(seen.large, below)\n", "                pass\n", GLOB),
    mutant("glob-keeps-any-number-of-directories", "secftp/api/globbing.py", "            for place in below:\n                budget.take(_cost(place), 1)\n", "            for place in below:\n                budget.give(_cost(place), 1)\n", GLOB),
    mutant("glob-matches-hidden-names", "secftp/api/patterns.py", '        if not self._may_be_hidden and name.startswith("."):\n            return False\n', "", GLOB),
    mutant("glob-leads-upwards", "secftp/api/patterns.py", "            check_path((self.literal,))\n", "            pass\n", GLOB),
    mutant("error-names-a-file-like-another", "secftp/api/naming.py", '    if top and not wire.startswith(f"{top}/"):\n        return None\n', "", NAMES),
    mutant("error-names-what-was-sent", "secftp/api/naming.py", "    if error.is_named or error.side is Side.LOCAL:\n", "    if error.is_named or error.side is not Side.LOCAL:\n", NAMES),
    mutant("hint-shown-twice", "secftp/errors.py", "            notes.remove(_note(self._hint))\n", "            pass\n", NAMES),
    mutant("key-shown-by-repr", "secftp/keys/key.py", '        return "<secftp.Key generated>" if self.generated else "<secftp.Key>"\n', '        return f"<secftp.Key {self._material!r}>"\n', "tests/api/test_repr.py::test_keys_are_never_shown"),
]  # fmt: skip
