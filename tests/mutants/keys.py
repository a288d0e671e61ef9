"""Mutants of key selection: a missing key never makes a session anonymous, and every source gives the same key."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

CHOICE = "secftp/client/key.py"
CREDENTIALS = "secftp/api/arguments.py"
FILES = "secftp/keys/files.py"
TEXT = "secftp/keys/text.py"
AHEAD = "secftp/client/key_ahead.py"
KEY = "tests/keys/test_key.py"
KEY_AHEAD = "tests/client/test_key_ahead.py"
ANONYMOUS = "tests/client/test_anonymous.py"
GIVEN = "tests/keys/test_given.py"

MUTANTS: list[Mutant] = [
    mutant("none-without-a-key-is-anonymous", CHOICE, "    if not none_is_anonymous and not options.anonymous:\n", "    if not none_is_anonymous and options.anonymous is None:\n", ANONYMOUS),
    mutant("empty-variable-is-anonymous", CHOICE, "    if text is not None:\n        return _from_text", "    if text:\n        return _from_text", ANONYMOUS),
    mutant("empty-key-file-name-is-anonymous", CHOICE, "    if options.key_file is not None:\n", "    if options.key_file:\n", ANONYMOUS),
    mutant("unprotected-without-a-word", "secftp/client/positional.py", "    if obtain is None and not connection.anonymous:\n", "    if obtain is None and connection.anonymous is None:\n", ANONYMOUS),
    mutant("unprotected-and-quiet", "secftp/client/terminal.py", "        if not self.json:\n            self._write(\n", "        if not self.json and not self.quiet:\n            self._write(\n", ANONYMOUS),
    mutant("anonymous-by-any-word", "secftp/api/values.py", "    if not isinstance(value, bool):\n        raise UsageError(f\"{name} must be True or False, not {type(value).__name__}.\")\n    return value\n", "    return bool(value)\n", ANONYMOUS),
    mutant("anonymous-beside-a-key", CREDENTIALS, "    if given > 1:\n", "    if given > 2:\n", ANONYMOUS, "tests/api/test_errors.py"),
    mutant("empty-key-is-none-given", CREDENTIALS, "    given = (key is not None) + ", "    given = bool(key) + ", ANONYMOUS, "tests/api/test_errors.py"),
    mutant("blank-key", TEXT, "    if text and not _has_surrogate(text) and is_blank(text):\n", "    if text and not _has_surrogate(text) and text is None:\n", ANONYMOUS, GIVEN),
    mutant("key-guessed-and-not-compared", AHEAD, "    return begun[1] if begun is not None and begun[0].is_same(source) else None\n", "    return begun[1] if begun is not None else None\n", KEY_AHEAD),
    mutant("key-guessed-by-its-kind", AHEAD, "        return (self.file, self.text) == (other.file, other.text)\n", "        return (self.file is None) == (other.file is None)\n", KEY_AHEAD),
    mutant("guess-kept-in-memory", AHEAD, "    begun, _Begun.guess = _Begun.guess, None\n", "    begun = _Begun.guess\n", KEY_AHEAD),
    mutant("failure-of-a-guess-is-told", AHEAD, "    except Exception:  # noqa: BLE001 - what fails is done again, and reported, when the key is needed\n        return\n", "    finally:\n        pass\n", KEY_AHEAD),
    mutant("thread-swallows-the-failure", "secftp/keys/key.py", "                self._password = self._stretch()\n                self._material = b\"\"\n", "                try:\n                    self._password = self._stretch()\n                finally:\n                    self._material = b\"\"\n", f"{KEY}::test_what_fails_in_the_thread_is_raised_by_the_caller"),
    mutant("mark-in-the-key", TEXT, ".removeprefix(BYTE_ORDER_MARK).removesuffix", ".removesuffix", GIVEN),
    mutant("key-file-in-utf-16", FILES, "    if \"\\0\" in text:\n", "    if \"\\0\" in \"\":\n", GIVEN),
    mutant("connection-as-standard-input", FILES, "    if descriptor > _STANDARD_ERROR:\n", "    if descriptor >= 0:\n", GIVEN),
    mutant("key-s-input-reads-as-empty", FILES, "(os.O_RDONLY if descriptor else os.O_WRONLY) | os.O_CLOEXEC", "os.O_RDWR | os.O_CLOEXEC", GIVEN),
    mutant("key-by-the-locale", "secftp/text.py", "        return os.fsencode(text).decode(\"utf-8\", \"surrogateescape\")\n", "        return str(text)\n", "tests/client/test_output_locales.py::test_sums_are_bytes"),
    mutant("server-with-an-empty-variable", "secftp/server/keyring.py", "options.key_file is None and self._environment is not None:", "options.key_file is None and self._environment:", ANONYMOUS),
]  # fmt: skip
