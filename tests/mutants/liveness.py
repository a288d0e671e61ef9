"""Mutants of session liveness: keepalive, full buffers, clients that have disconnected."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

CHANNEL = "tests/transport/test_channel.py"
PIPELINE = "tests/session/test_pipeline.py"
RACE = "tests/transport/test_race.py"
RESUME = "tests/server/test_requests_resume.py"
RUNNING = "tests/server/test_running.py"
SLOW = "tests/integration/test_stalls.py"
STOP = "tests/server/test_requests_stop.py"
STORAGE = "tests/storage/test_file_systems.py"

MUTANTS: list[Mutant] = [
    mutant("ping-pauses-for-a-bandwidth", "secftp/transport/bandwidth.py", "        count = super().try_send(view)\n        self.moved += count\n", "        count = self.try_send(view)\n", CHANNEL),
    mutant("ping-lost-where-it-does-not-fit", "secftp/transport/channel.py", "            self._unsent = self._unsent[sent:]\n", "            self._unsent = b\"\"\n", CHANNEL),
    mutant("ping-before-welcome", "secftp/transport/channel.py", "if self._filling and not self._has_sent:", "if self._filling and self._has_sent is None:", CHANNEL),
    mutant("ping-sealed-into-what-is-being-filled", "secftp/transport/channel.py", "outbox = Outbox(self._sealer, batch_frames=1) if self._filling else self._outbox", "outbox = self._outbox", CHANNEL),
    mutant("interrupted-send-leaves-a-gap", "secftp/transport/channel.py", "            self._unsent = bytes(wire)\n", "            self._unsent = b\"\"\n", CHANNEL),
    mutant("small-frames-without-a-bound", "secftp/transport/incoming.py", "_WAITING_MAX: Final = 4096", "_WAITING_MAX: Final = 1 << 30", CHANNEL),
    mutant("goes-on-after-the-peer-left", "secftp/transport/incoming.py", "        if self.ended and not self._has_bye and not self.is_full:\n            self._state.end_of_stream()\n", "", CHANNEL, STOP),
    mutant("bye-taken-for-a-loss", "secftp/transport/incoming.py", "        if self.ended and not self._has_bye and not", "        if self.ended and not", CHANNEL),
    mutant("file-sent-against-a-listing", "secftp/session/pipeline.py", "        while self._bulky:\n            self.step()\n", "", PIPELINE),
    mutant("requests-without-end-behind-a-file", "secftp/session/pipeline.py", "self._nbytes > _BEHIND_BULKY_BYTES", "self._nbytes < 0", PIPELINE),
    mutant("drop-box-guessed-at-for-ever", "secftp/server/requests/write.py", "            sink.writev([])\n", "            pass\n", RESUME),
    mutant("key-of-a-name-beneath-the-root", "secftp/server/keyring.py", "                self._refuse_beneath(entry.key_file)\n", "                pass\n", RUNNING),
    mutant("one-failure-ends-sighup", "secftp/server/reload.py", "            except Exception as problem:  # noqa: BLE001 - the thread", "            except SecftpError as problem:  # noqa: BLE001 - the thread", RUNNING),
    mutant("write-that-takes-nothing", "secftp/storage/small.py", "            if not count:\n                raise OSError(errno.EIO, os.strerror(errno.EIO))\n", "", STORAGE),
    mutant("time-beyond-the-wire", "secftp/storage/attributes.py", "    if -_LATEST <= mtime_ns <= _LATEST:\n", "    if True:\n", STORAGE),
    mutant("addresses-one-after-the-other", "secftp/transport/tcp_connect.py", "due = now + STAGGER_SECONDS if self._running else now", "due = self._deadline", RACE),
    mutant("losers-of-the-race-stay-open", "secftp/transport/tcp_connect.py", "        for sock, _ in self._running.values():\n            sock.close()\n", "        self._kept = [sock.detach() for sock, _ in self._running.values()]\n", RACE),
    mutant("address-that-fails-holds-up-the-next", "secftp/transport/tcp_connect.py", "            if len(self._failures) > failed:\n                due = now\n", "", RACE),
    mutant("name-server-without-an-end", "secftp/transport/tcp_connect.py", "        if not self._over.wait(seconds):\n", "        if not self._over.wait():\n", RACE),
    mutant("four-that-hang-hold-up-all", "secftp/api/pool.py", "return min(quick) + SLOW_SECONDS - now", "return min(quick) + 1e6 - now", SLOW),
    mutant("five-seconds-for-each-that-hangs", "secftp/server/server.py", "connection.thread.join(max(0.0, deadline - time.monotonic()))", "connection.thread.join(JOIN_SECONDS)", SLOW),
    mutant("slow-reader-waited-for-again", "secftp/server/log_output.py", "patient = not self.lost and time.monotonic() >= self._impatient_until", "patient = not self.lost", SLOW),
]  # fmt: skip
