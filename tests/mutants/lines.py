"""Mutants of what a long or lossy line needs: congestion control, the kernel's own buffer sizes, TCP_INFO."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

CONGESTION = "tests/transport/test_congestion.py"
STREAMS = f"{CONGESTION}::test_each_stream_of_a_copy_has_it_and_is_counted"
INFO = "tests/transport/test_tcp_info.py"
TOTALS = "tests/transport/test_tcp_totals.py"
LINE = "tests/client/test_line.py"

MUTANTS: list[Mutant] = [
    mutant("size-of-a-send-buffer-set", "secftp/transport/stream.py", "            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)\n", "            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)\n            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)\n", CONGESTION),
    mutant("size-of-a-receive-buffer-set-by-number", "secftp/transport/tcp_connect.py", "            sock.setblocking(False)\n", "            sock.setblocking(False)\n            sock.setsockopt(1, 8, 1 << 20)\n", CONGESTION),
    mutant("size-of-a-listeners-buffer-set", "secftp/transport/listener.py", "            sock.listen(BACKLOG)\n", "            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)\n            sock.listen(BACKLOG)\n", CONGESTION),
    mutant("congestion-set-after-connecting", "secftp/transport/tcp_connect.py", "        if self._congestion is not None:\n", "        if self._congestion is not None and not sock.connect_ex(address.place):\n", f"{CONGESTION}::test_a_clients_choice_is_set_before_it_connects"),
    mutant("congestion-not-set-by-a-client", "secftp/transport/connect.py", "connect_first(addresses, deadline, congestion, wanted, ", "connect_first(addresses, deadline, None, wanted, ", CONGESTION),
    mutant("congestion-not-set-by-a-pool", "secftp/api/pool.py", "                congestion=self._congestion,\n", "", CONGESTION),
    mutant("congestion-not-set-by-a-server", "secftp/server/__main__.py", "            listener.set_congestion(options.congestion)\n", "            pass\n", CONGESTION),
    mutant("congestion-set-unasked", "secftp/server/__main__.py", "        if options.congestion is not None:\n            listener.set_congestion(options.congestion)\n", '        listener.set_congestion(options.congestion or "reno")\n', CONGESTION),
    mutant("congestion-not-tried-first-by-a-copy", "secftp/client/copying.py", "    check_congestion(settings.connection)\n", "", CONGESTION),
    mutant("congestion-not-tried-first-by-a-pipe", "secftp/client/positional.py", "    check_congestion(connection)\n", "", CONGESTION),
    mutant("congestion-not-tried-before-listening", "secftp/server/__main__.py", "        require_congestion(options.congestion)\n", "        pass\n", f"{CONGESTION}::test_a_server_tries_the_name_before_it_listens"),
    mutant("congestion-names-cut-by-the-kernel", "secftp/transport/congestion.py", "    if not _NAME.fullmatch(name):\n", "    if not name:\n", CONGESTION),
    mutant("unknown-retransmits-taken-for-none", "secftp/transport/tcp_info.py", "    if offset + struct.calcsize(kind) > len(data):\n        return None\n", "    data = data.ljust(512, b\"\\0\")\n", INFO),
    mutant("unmeasured-round-trip-taken-for-none", "secftp/transport/tcp_info.py", "None if microseconds in (None, 0, _UNKNOWN) else", "None if microseconds is None else", INFO),
    mutant("lost-with-the-connection", "secftp/transport/channel.py", "                on_close(self)\n", "                pass\n", TOTALS),
    mutant("connections-told-of-twice", "secftp/transport/channel.py", "                on_close, self.on_close = self.on_close, None\n", "                on_close = self.on_close\n", TOTALS),
    mutant("unknown-counts-left-out-of-a-sum", "secftp/transport/tcp_totals.py", "    return None if first is None or second is None else first + second\n", "    return (first or 0) + (second or 0)\n", TOTALS),
    mutant("streams-counted-as-connections", "secftp/transport/tcp_totals.py", "            self._open.discard(channel)\n            if", "            if", TOTALS),
    mutant("hint-after-a-short-copy", "secftp/client/line.py", "    if seconds < SLOW_SECONDS or", "    if", LINE),
    mutant("hint-over-a-full-line", "secftp/client/line.py", "    if now is not None and now > QUEUED * info.round_trip:\n", "    if now is None:\n", LINE),
    mutant("hint-after-losses-that-cost-nothing", "secftp/client/line.py", "LOSS_BOUND[0] <= share * window**2 <= LOSS_BOUND[1]", "LOSS_BOUND[0] <= share * window**2", LINE),
    mutant("hint-after-a-slow-pipe", "secftp/client/line.py", "LOSS_BOUND[0] <= share * window**2 <= LOSS_BOUND[1]", "share * window**2 <= LOSS_BOUND[1]", LINE),
    mutant("hint-to-use-what-is-in-use", "secftp/client/line.py", 'elif bbr and info.congestion != "bbr":', "elif bbr:", LINE),
    mutant("hint-to-use-what-is-forbidden", "secftp/client/line.py", 'elif bbr and info.congestion != "bbr":', 'elif info.congestion != "bbr":', LINE),
    mutant("hint-about-a-limit-that-was-asked-for", "secftp/client/copying.py", "done.seconds >= SLOW_SECONDS and settings.copy.limit_rate is None", "done.seconds >= SLOW_SECONDS", LINE),
    mutant("hint-for-a-program", "secftp/client/copying.py", "if connections is None or settings.quiet or terminal.json:", "if connections is None:", LINE),
    mutant("streams-without-the-congestion-control", "secftp/client/connect.py", "        return self._open(self._credentials, None, is_wanted)\n", "        return Session.open(*self._options.endpoint[:2], self._credentials, timeout=self._options.timeout)\n", STREAMS),
    mutant("streams-not-counted", "secftp/client/connect.py", "            self.totals.watch(session.pipeline.channel)\n", "            self.totals.streams = 1\n", STREAMS),
    mutant("log-of-a-connection-that-is-closed", "secftp/server/connection.py", "        finally:\n            self._info = channel.tcp_info()\n", "        finally:\n            channel.close()\n            self._info = channel.tcp_info()\n", CONGESTION),
    mutant("log-of-streams-like-others", "secftp/server/connection.py", "        self._additional = additional\n", "", "tests/server/test_additional_streams.py"),
    mutant("congestion-not-passed-on-by-fsspec", "secftp/fsspec/connection.py", '            "congestion": congestion,\n', '            "congestion": None,\n', CONGESTION),
    mutant("hints-loaded-for-a-quick-pipe", "secftp/client/positional.py", "    if seconds < SLOW_SECONDS:\n        return \"\"\n", "", LINE),
    mutant("hint-of-a-pipe-lost", "secftp/client/commands/write.py", "    terminal.hint(hint)\n", "", LINE),
]  # fmt: skip
