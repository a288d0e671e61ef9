"""Mutants of reloading, and of access to files owned by root."""

from __future__ import annotations

from tests.mutants.mutant import mutant

RELOAD = "tests/server/test_sighup.py"
KEYRING = "secftp/server/keyring.py"
RELOADER = "secftp/server/reload.py"
RUNNING = "secftp/server/run.py"

MUTANTS = [
    mutant("reload-makes-a-key", KEYRING, "            if self._loaded:\n", "            if self._given is not None:\n", RELOAD),
    mutant("rules-without-their-keys", KEYRING, "            self._options = before\n            raise\n", "            raise\n", RELOAD),
    mutant("reload-keeps-the-rules", RELOADER, "access = self._keyring.load(options)", "access = self._keyring.load()", RELOAD),
    mutant("reload-believes-another-root", RELOADER, "        if self._read_keys(effective):\n", "        if self._read_keys(options):\n", RELOAD),
    mutant("reload-trusts-in-another-root", RELOADER, "            check_operator_files(effective)\n", "            check_operator_files(options)\n", RELOAD),
    mutant("own-key-beside-named-ones", KEYRING, "        if options.keys is not None or options.anonymous or options.anonymous_write:\n", "        if self._own is None and (options.keys is not None or options.anonymous or options.anonymous_write):\n", RELOAD),
    mutant("own-key-for-good", KEYRING, "            self._own = self._make_own()\n", "            self._own = self._given = self._make_own()\n", RELOAD),
    mutant("named-keys-told-as-none", KEYRING, "for right in Right})", "for right in Rights._fields})", "tests/server/test_running.py::test_what_a_named_key_may_not_do_is_said_to_its_holder_and_not_to_others"),
    mutant("reload-claims-what-it-did-not", RELOADER, "        waiting = [name for name, in_effect in changed.items() if not in_effect]\n", "        waiting = []\n", RELOAD),
    mutant("serves-on-without-its-terminal", RUNNING, "terminal.on_hangup if terminal.is_ours else", "terminal.on_hangup if False else", RELOAD),
    mutant("nohup-is-no-excuse", RUNNING, "signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and has", "has", RELOAD),
]  # fmt: skip
