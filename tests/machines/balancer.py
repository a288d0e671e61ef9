"""HAProxy as a process, in front of servers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess

from tests.machines.processes import program
from tests.support.serving import DEADLINE, HOST, until

_SETTINGS = """\
global
    log stdout format raw local0
    stats socket {directory}/admin.sock mode 600 level admin expose-fd listeners
    hard-stop-after {hard_stop}
defaults
    mode tcp
    log global
    option tcplog
    timeout connect 2s
    timeout client {timeout}
    timeout server {timeout}
    # A connection that a server refuses goes to another one.
    retries 3
    option redispatch 1
frontend secftp
    bind fd@{descriptor}
    default_backend servers
backend servers
    balance {balance}
{backend}
{servers}
"""


class HAProxy:
    """HAProxy in master-worker mode, listening on a free port; it can be reloaded with other servers.

    Args:
        servers: ports of secftpd on this machine, or words `address:port`.
        server: options of each server, "check inter 200ms send-proxy-v2" for example.
        balance: the algorithm.
        timeout: of connections that are silent.
        hard_stop: how long connections outlive a reload.
        backend: further lines of the section.
    """

    def __init__(
        self,
        processes,
        directory,
        servers,
        *,
        server="check inter 200ms fall 1 rise 1",
        balance="roundrobin",
        timeout="1m",
        hard_stop="1m",
        backend=(),
    ):
        self._directory = directory
        self._options = {
            "balance": balance,
            "hard_stop": hard_stop,
            "timeout": timeout,
            "backend": "\n".join(f"    {line}" for line in backend),
        }
        self._server = server
        self.file = directory / "haproxy.cfg"
        self.socket = directory / "admin.sock"
        # The port is ours before HAProxy starts, and stays so across reloads: no other process can take it.
        with socket.create_server((HOST, 0)) as listener:
            self.port = listener.getsockname()[1]
            descriptor = listener.fileno()
            os.set_inheritable(descriptor, True)
            self._options["descriptor"] = descriptor
            self.write(servers)
            self.check()
            self.process = processes.start(
                "haproxy", program("haproxy"), "-W", "-f", self.file, pass_fds=[descriptor], cwd=directory
            )
        self._loaded = 0
        self._wait()

    def write(self, servers):
        """Write the configuration for other servers; `reload` makes it count."""
        addresses = [server if isinstance(server, str) else f"{HOST}:{server}" for server in servers]
        lines = [f"    server s{number} {address} {self._server}" for number, address in enumerate(addresses, 1)]
        self.file.write_text(_SETTINGS.format(directory=self._directory, servers="\n".join(lines), **self._options))

    def check(self):
        """Let HAProxy check its configuration."""
        command = [program("haproxy"), "-c", "-f", self.file]
        checked = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
            pass_fds=[self._options["descriptor"]],
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr + self.file.read_text()

    def reload(self, servers=None):
        """Replace the worker by one with the new configuration; connections stay at the old one until they end."""
        if servers is not None:
            self.write(servers)
        self.process.signal(signal.SIGUSR2)
        self._wait()

    def _wait(self):
        self._loaded += 1
        self.process.wait_for("Loading success", self._loaded)

    def command(self, text):
        """The answer of the running worker to a command of its administration socket."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(DEADLINE)
            connection.connect(os.fspath(self.socket))
            connection.sendall(text.encode() + b"\n")
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        return answer.decode()

    def _statistics(self):
        lines = self.command("show stat").lstrip("# ").splitlines()
        names = lines[0].split(",")
        rows = [dict(zip(names, line.split(","), strict=False)) for line in lines[1:] if line]
        return {row["svname"]: row for row in rows}

    def _of_servers(self, field):
        return {name: row[field] for name, row in self._statistics().items() if name not in ("FRONTEND", "BACKEND")}

    def states(self):
        """The state of each server: UP, DOWN."""
        return self._of_servers("status")

    def connections(self):
        """How many clients are connected; of the running worker."""
        return int(self._statistics()["FRONTEND"]["scur"])

    def received(self):
        """The bytes that have come from clients; of the running worker."""
        return int(self._statistics()["FRONTEND"]["bin"])

    def wait_until_up(self, *names):
        """Wait until these servers, or all, pass their checks."""
        until(
            lambda: all(state.startswith("UP") for name, state in self.states().items() if not names or name in names),
            f"the servers are up: {self.states()}",
        )
