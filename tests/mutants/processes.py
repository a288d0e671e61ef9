"""Mutants of what belongs to a process: what a fork copies, what a signal reaches, what a start gives up."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

FORKS = "tests/test_forks.py"
OBJECTS = "tests/test_core_objects.py"

MUTANTS: list[Mutant] = [
    # --- forks ---
    mutant("hello-finished-after-a-fork", "csrc/client.c", "exchange_usable(client->used, client->owner)", "exchange_usable(client->used, getpid())", OBJECTS),
    mutant("challenge-finished-after-a-fork", "csrc/server.c", "exchange_usable(server->used, server->owner)", "exchange_usable(server->used, getpid())", OBJECTS),
    mutant("received-from-in-a-fork", "secftp/channel/stream.py", '        """Receive what is there, without waiting; None when nothing is, 0 at the end."""\n        self.require_here()\n', '        """Receive what is there, without waiting; None when nothing is, 0 at the end."""\n', FORKS),
    mutant("sent-from-a-fork", "secftp/channel/stream.py", '        """Send what fits, without waiting."""\n        self.require_here()\n', '        """Send what fits, without waiting."""\n', FORKS),
    mutant("shut-down-by-a-fork", "secftp/channel/stream.py", "        if self.belongs_here():\n            with contextlib.suppress(OSError):\n                self._sock.shutdown(directions)\n", "        with contextlib.suppress(OSError):\n            self._sock.shutdown(directions)\n", FORKS),
    mutant("pool-gets-a-parents-connection", "secftp/api/pool.py", "        if not connection.belongs_here:  # a listing", "        if False:  # a listing", FORKS),
    mutant("pool-goes-on-in-a-fork", "secftp/api/pool.py", "        if self._process != os.getpid():\n            self._begin_anew()\n        stale", "        stale", FORKS),
]  # fmt: skip
