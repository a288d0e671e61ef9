"""Mutants of PROXY headers: who may send one, what it says, and what counts for whom."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

HEADER = "tests/protocol/test_proxy_header.py"
PROXIES = "tests/server/test_proxies.py"

MUTANTS: list[Mutant] = [
    # --- who may send one ---
    mutant("anyone-names-an-address", "secftp/server/proxies.py", "        return any(address in network for network in self._networks)\n", "        return True\n", PROXIES),
    mutant("anyone-names-an-address-where-none-is-listed", "secftp/server/admission.py", "IncomingProxyHeader(stream) if self._proxies.has(peer.host) else None", "IncomingProxyHeader(stream)", PROXIES),
    mutant("a-proxy-need-not-name-its-client", "secftp/protocol/proxy_header.py", "    raise ProtocolError(\"The PROXY header is missing.\")\n", "    return ProxyHeader(0, None)\n", HEADER, PROXIES),
    mutant("a-client-names-itself-behind-its-proxy", "secftp/server/pending.py", "        self.header = None\n", "        self.header = None if not found.rest.startswith(b\"PROXY\") else self.header\n", PROXIES),
    # --- what counts for whom ---
    mutant("limits-count-for-the-proxy", "secftp/server/pending.py", "        self._source = source_address(self.peer.host)\n        self.incoming", "        self.incoming", PROXIES),
    mutant("the-log-has-the-proxy", "secftp/server/pending.py", "            self.log = self.log.of(self.peer)\n", "            self.log.quiet = False\n", PROXIES),
    mutant("what-names-no-client-yet-counts-for-the-proxy", "secftp/server/pending.py", "source_address(peer.host).apart()", "source_address(peer.host)", PROXIES),
    mutant("without-a-header-no-deadline", "secftp/server/admission.py", "        self._deadlines.set(pending, pending.deadline)\n", "        if pending.header is None:\n            self._deadlines.set(pending, pending.deadline)\n", PROXIES),
    mutant("without-a-header-no-bound", "secftp/server/admission.py", "        if len(self._watched) >= self._limits.max_pending:\n", "        if pending.header is None and len(self._watched) >= self._limits.max_pending:\n", PROXIES),
    # --- what it says ---
    mutant("a-local-connection-has-an-address", "secftp/protocol/proxy_header.py", "_V2_ADDRESSES.get(kind) if command == _V2_PROXY else None", "_V2_ADDRESSES.get(kind)", HEADER),
    mutant("a-header-of-any-size", "secftp/protocol/proxy_header.py", "    if size > MAX_PROXY_HEADER:\n", "    if size > 2**17:\n", HEADER),
    mutant("a-line-without-end", "secftp/protocol/proxy_header.py", "        if len(received) >= _V1_MAX:\n", "        if len(received) > MAX_PROXY_HEADER:\n", HEADER),
    mutant("addresses-beyond-the-header", "secftp/protocol/proxy_header.py", "    if addresses is not None and length < addresses.size:\n        raise _malformed()\n    if len(received) < size:\n", "    if len(received) < max(size, _V2_FIXED.size + (addresses.size if addresses else 0)):\n", HEADER),
    mutant("any-kind-of-command", "secftp/protocol/proxy_header.py", "    if command not in (_V2_LOCAL, _V2_PROXY):\n", "    if command >> 4 != 2:\n", HEADER),
    mutant("any-kind-of-address", "secftp/protocol/proxy_header.py", "    if command == _V2_PROXY and kind not in _V2_KINDS:", "    if False and kind not in _V2_KINDS:", HEADER),
    mutant("a-mapped-address-is-another-source", "secftp/protocol/proxy_header.py", "    return str(mapped or address)\n", "    return str(address)\n", HEADER),
    mutant("ports-in-any-notation", "secftp/protocol/proxy_header.py", "rb\"0|[1-9][0-9]{0,4}\"", "rb\"[0-9]{1,5}\"", HEADER),
    mutant("addresses-with-zones", "secftp/protocol/proxy_header.py", "rb\"[0-9A-Fa-f:.]{2,45}\"", "rb\".{2,45}\"", HEADER),
    mutant("what-follows-the-header-is-lost", "secftp/server/pending.py", "IncomingHandshake(self._stream, found.rest)", "IncomingHandshake(self._stream)", PROXIES),
    # --- the log ---
    mutant("a-health-check-in-the-log", "secftp/server/admission.py", "            log.quiet = True\n", "            self._log_arrival(pending)\n", PROXIES),
    mutant("a-proxy-that-speaks-is-not-in-the-log", "secftp/server/admission.py", "        if pending.log.quiet:  # the proxy has named no client\n            self._log_arrival(pending)\n", "", PROXIES),
    mutant("a-proxy-that-speaks-nonsense-is-not-in-the-log", "secftp/server/admission.py", "        if pending.log.quiet:  # a proxy that has named no client\n            self._log_arrival(pending)\n", "", PROXIES),
    mutant("each-refused-header-in-the-log", "secftp/server/admission.py", "            pending.log.limit(\"proxy_header\", f\"A connection from a listed proxy is refused: {problem}\")\n", "            pending.log.quiet = False\n            pending.log.line(f\"A connection from a listed proxy is refused: {problem}\")\n", PROXIES),
]  # fmt: skip
