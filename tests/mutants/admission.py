"""Mutants of what decides who gets in, and when: keys of the moment, delays after wrong keys, places, queues."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

RELOAD = "tests/test_server_reload.py"

MUTANTS: list[Mutant] = [
    # --- a proof counts against the keys of now ---
    mutant("stores-closed-before-the-keys-are-new", "secftp/server/reload.py", "        server.admit_by(access)\n        self._keyring.retire(server.stores_in_use())\n", "        self._keyring.retire(server.stores_in_use())\n        server.admit_by(access)\n", RELOAD),
    mutant("store-closed-under-a-new-session", "secftp/server/server.py", "        with self._swapping:  # a store", "        if True:  # a store", RELOAD),
    mutant("proof-under-the-keys-of-then", "secftp/server/server.py", "            grant = self._shared.access.confirm(visitor.hello, visitor.grant)\n", "            grant = visitor.grant\n", RELOAD),
    mutant("proof-of-another-key-of-that-name", "secftp/server/access.py", " or not now.password.is_same(challenged.password):", ":", RELOAD),
    mutant("rights-of-the-moment-of-the-hello", "secftp/server/access.py", "            return None\n        return now\n", "            return None\n        return challenged\n", RELOAD),
    mutant("revoked-proof-refunded", "secftp/server/door.py", "            self._leave(visitor, \"revoked\")\n        elif ", "            self._leave(visitor, \"revoked\")\n        if ", RELOAD),
    mutant("passwords-compared-by-half", "csrc/password.c", "other->secret, SECFTP_SECRET_BYTES) == 0;", "other->secret, SECFTP_SECRET_BYTES / 2) == 0;", RELOAD),
]  # fmt: skip
