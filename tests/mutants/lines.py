"""Mutants of what a long or lossy line needs: congestion control, the kernel's own buffer sizes, TCP_INFO."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

CONGESTION = "tests/transport/test_congestion.py"
INFO = "tests/transport/test_tcp_info.py"

MUTANTS: list[Mutant] = [
    mutant("size-of-a-send-buffer-set", "secftp/transport/stream.py", "            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)\n", "            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)\n            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)\n", CONGESTION),
    mutant("size-of-a-receive-buffer-set-by-number", "secftp/transport/tcp_connect.py", "            sock.setblocking(False)\n", "            sock.setblocking(False)\n            sock.setsockopt(1, 8, 1 << 20)\n", CONGESTION),
    mutant("size-of-a-listeners-buffer-set", "secftp/transport/listener.py", "            sock.listen(BACKLOG)\n", "            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)\n            sock.listen(BACKLOG)\n", CONGESTION),
    mutant("congestion-set-after-connecting", "secftp/transport/tcp_connect.py", "        if self._congestion is not None:\n", "        if self._congestion is not None and not sock.connect_ex(address.place):\n", f"{CONGESTION}::test_a_clients_choice_is_set_before_it_connects"),
    mutant("congestion-not-set-by-a-client", "secftp/transport/connect.py", "connect_first(addresses, deadline, congestion)", "connect_first(addresses, deadline)", CONGESTION),
    mutant("congestion-not-set-by-a-pool", "secftp/api/pool.py", "timeout=self._timeout, congestion=self._congestion)", "timeout=self._timeout)", CONGESTION),
    mutant("congestion-not-set-by-a-server", "secftp/server/__main__.py", "            listener.set_congestion(options.congestion)\n", "            pass\n", CONGESTION),
    mutant("congestion-set-unasked", "secftp/server/__main__.py", "        if options.congestion is not None:\n            listener.set_congestion(options.congestion)\n", '        listener.set_congestion(options.congestion or "reno")\n', CONGESTION),
    mutant("congestion-not-tried-first-by-a-copy", "secftp/client/copying.py", "    check_congestion(settings.connection)\n", "", CONGESTION),
    mutant("congestion-not-tried-first-by-a-pipe", "secftp/client/positional.py", "    check_congestion(connection)\n", "", CONGESTION),
    mutant("congestion-not-tried-before-listening", "secftp/server/__main__.py", "        require_congestion(options.congestion)\n", "        pass\n", f"{CONGESTION}::test_a_server_tries_the_name_before_it_listens"),
    mutant("congestion-names-cut-by-the-kernel", "secftp/transport/congestion.py", "    if not _NAME.fullmatch(name):\n", "    if not name:\n", CONGESTION),
    mutant("unknown-retransmits-taken-for-none", "secftp/transport/tcp_info.py", "    if offset + struct.calcsize(kind) > len(data):\n        return None\n", "    data = data.ljust(512, b\"\\0\")\n", INFO),
    mutant("unmeasured-round-trip-taken-for-none", "secftp/transport/tcp_info.py", "    if microseconds in (None, 0, _UNKNOWN):\n", "    if microseconds is None:\n", INFO),
]  # fmt: skip
