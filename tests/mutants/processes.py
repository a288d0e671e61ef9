"""Mutants of process state: forks, signals, what is given up at startup."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

FORKS = "tests/integration/test_forks.py"
DUMPS = "tests/integration/test_memory_dumps.py"
GIVEN_UP = "tests/integration/test_processes.py"
OBJECTS = "tests/crypto/test_objects.py"
SIGNALS = "tests/integration/test_signals.py"

MUTANTS: list[Mutant] = [
    # --- forks ---
    mutant("hello-finished-after-a-fork", "csrc/client.c", "exchange_usable(client->used, client->owner)", "exchange_usable(client->used, getpid())", OBJECTS),
    mutant("challenge-finished-after-a-fork", "csrc/server.c", "exchange_usable(server->used, server->owner)", "exchange_usable(server->used, getpid())", OBJECTS),
    mutant("received-from-in-a-fork", "secftp/transport/stream.py", '        """Receive what is there, without waiting. Returns how many bytes; None for nothing, 0 at the end."""\n        self.require_here()\n', '        """Receive what is there, without waiting. Returns how many bytes; None for nothing, 0 at the end."""\n', FORKS),
    mutant("sent-from-a-fork", "secftp/transport/stream.py", '        """Send what fits, without waiting. Returns how many bytes."""\n        self.require_here()\n', '        """Send what fits, without waiting. Returns how many bytes."""\n', FORKS),
    mutant("shut-down-by-a-fork", "secftp/transport/stream.py", "        if self.belongs_here():\n            with contextlib.suppress(OSError):\n                self._sock.shutdown(directions)\n", "        with contextlib.suppress(OSError):\n            self._sock.shutdown(directions)\n", FORKS),
    mutant("pool-gets-a-parents-connection", "secftp/api/pool.py", "        if not connection.belongs_here:  # a listing", "        if False:  # a listing", FORKS),
    mutant("pool-goes-on-in-a-fork", "secftp/api/pool.py", "        if self._process != os.getpid():\n            self._leave_to_parent()\n        stale", "        stale", FORKS),
    mutant("parents-connections-stay-open-in-a-fork", "secftp/api/pool.py", "        for connection in inherited:\n            connection.close(politely=False)\n", "", FORKS),
    mutant("idle-connections-of-a-parent-in-a-fork", "secftp/api/pool.py", "        self._idle: list[PooledConnection] = []\n", "        self._idle: list[PooledConnection] = getattr(self, \"_idle\", [])\n", FORKS),
    mutant("writer-goes-on-in-a-fork", "secftp/api/writer.py", "        if self._process != os.getpid():\n            raise UsageError(", "        if False:\n            raise UsageError(", "tests/api/test_writer.py"),
    mutant("server-stopped-by-a-fork", "secftp/api/server.py", "if running is None or self._process != os.getpid():", "if running is None:", "tests/api/test_server.py"),
    mutant("key-locked-for-ever-in-a-fork", "secftp/keys/key.py", "        if self._process != os.getpid():\n", "        if False:\n", f"{FORKS}::test_a_key_that_is_being_stretched_at_the_fork_can_be_used_in_the_child"),
    # --- what a start gives up ---
    mutant("groups-of-root-stay", "secftp/server/run.py", "            os.initgroups(name, entry.pw_gid)\n", "", GIVEN_UP),
    mutant("group-of-root-stays", "secftp/server/run.py", "            os.setgid(entry.pw_gid)\n", "", GIVEN_UP),
    mutant("user-before-its-groups", "secftp/server/run.py", "            os.initgroups(name, entry.pw_gid)\n            os.setgid(entry.pw_gid)\n            os.setuid(entry.pw_uid)\n", "            os.setuid(entry.pw_uid)\n            os.setgid(entry.pw_gid)\n            os.initgroups(name, entry.pw_gid)\n", GIVEN_UP),
    mutant("roots-powers-kept-by-a-failure", "secftp/server/run.py", '            raise UsageError("Only root can switch to another user.", hint="Omit --user, or start as root.") from None\n', "            return\n", GIVEN_UP),
    mutant("roots-state-directory", "secftp/server/run.py", '    os.environ.pop("XDG_STATE_HOME", None)\n', "", GIVEN_UP),
    mutant("server-dumps-core", "secftp/server/__main__.py", "        system.forbid_dumps()  # they would contain the keys\n", "        pass\n", DUMPS),
    mutant("server-may-be-made-to-dump-core", "secftp/system.py", "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))", "resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))", GIVEN_UP),
    mutant("client-dumps-core", "secftp/client/connect.py", "            system.forbid_dumps()  # they would hold the key\n", "            pass\n", DUMPS),
    mutant("process-stays-dumpable", "secftp/system.py", "prctl(_LINUX_SET_DUMPABLE, 0, 0, 0, 0)", "prctl(_LINUX_SET_DUMPABLE, 1, 0, 0, 0)", DUMPS),
    mutant("keygen-stays-dumpable", "secftp/client/commands/keygen.py", "        system.forbid_dumps()  # they would hold the key\n", "        pass\n", f"{DUMPS}::test_a_new_key_is_never_in_a_dump"),
    mutant("another-user-makes-it-dumpable", "secftp/server/run.py", "            system.forbid_dumps()  # fs.suid_dumpable may have allowed them again\n", "            pass\n", f"{DUMPS}::test_another_user_makes_it_dumpable_no_more"),
    Mutant("dumpable-until-the-key-is-there", (("secftp/client/key_ahead.py", "        system.forbid_dumps()\n        key = _obtain(source)\n", "        key = _obtain(source)\n        system.forbid_dumps()\n"),), (f"{DUMPS}::test_a_client_is_not_dumpable_before_it_has_a_key",)),
    mutant("libraries-change-the-process", "secftp/api/server.py", "        with self._lock:\n            if self._running is not None:\n", "        from secftp.system import forbid_dumps\n\n        forbid_dumps()\n        with self._lock:\n            if self._running is not None:\n", f"{DUMPS}::test_a_program_that_imports_secftp_stays_as_it_is"),
    # --- signals ---
    mutant("server-misses-a-signal", "secftp/server/run.py", "        listener.wake_on_signals()\n", "", SIGNALS),
    mutant("wakeup-descriptor-not-given-back", "secftp/transport/listener.py", "            signal.set_wakeup_fd(self._previous_wakeup, warn_on_full_buffer=False)\n", "", SIGNALS),
    mutant("wakeup-descriptor-lost-at-the-second-time", "secftp/transport/listener.py", "        if self._previous_wakeup is None:\n            self._previous_wakeup = previous\n", "        self._previous_wakeup = previous\n", SIGNALS),
    mutant("program-loses-its-wakeup-descriptor", "secftp/transport/listener.py", "        self._previous_wakeup: int | None = None", "        self._previous_wakeup: int | None = signal.set_wakeup_fd(self._wake_write)", SIGNALS),
    mutant("client-misses-a-signal", "secftp/client/signals.py", "        signal.set_wakeup_fd(self._arrived, warn_on_full_buffer=False)\n", "", SIGNALS),
    mutant("client-nudged-once", "secftp/client/signals.py", "            while poller.poll(0):\n                signal.pthread_kill(main, _NUDGE)\n", "            while poller.poll(0):\n", SIGNALS),
    mutant("client-nudged-without-end", "secftp/client/signals.py", "    def _handle(self, number: int, _frame: FrameType | None) -> NoReturn:\n        self._forget()\n", "    def _handle(self, number: int, _frame: FrameType | None) -> NoReturn:\n", SIGNALS),
    mutant("nohup-not-meant", "secftp/client/signals.py", "            if signal.getsignal(number) == usual:\n", "            if True:\n", SIGNALS),
]  # fmt: skip
