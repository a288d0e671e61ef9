"""Who takes part: starts the server of each program that is here, and collects the contenders of all of them.

A program that is not here, or whose server does not start, is left out with a reason; only secftp may not be.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, NamedTuple

from bench.peers import commands, packages, servers
from bench.peers.failure import BenchError
from bench.peers.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack
    from pathlib import Path

    from bench.peers.commands import Contender
    from bench.peers.folders import Folders
    from bench.peers.process import Server

    LeaveOut = Callable[[str, str], None]

KEYGEN_SECONDS = 30.0


class Field(NamedTuple):
    """All that is ready to run; `contenders` makes them for one source file."""

    contenders: Callable[[Path], list[Contender]]
    secftp_servers: list[Server]

    def server_peak(self) -> int | None:
        """The most memory that a server of ours has had so far, in bytes; None where the system does not tell."""
        peaks = [peak for server in self.secftp_servers if (peak := server.peak()) is not None]
        return max(peaks) if peaks else None


@contextlib.contextmanager
def field(folders: Folders, leave_out: LeaveOut) -> Iterator[Field]:
    """The field, all servers running, for the length of a `with`."""
    makers: list[Callable[[Path], Iterator[Contender]]] = []
    with contextlib.ExitStack() as stack:
        sending, receiving = secftp_servers(stack, folders)
        makers.append(lambda source: commands.secftp(sending, receiving, source, folders))
        for name, start in _PEERS.items():
            try:
                makers += start(stack, folders)
            except BenchError as failure:
                leave_out(name, str(failure))
        leave_out("croc", "not covered: it looks for the other side on every network of the machine")
        yield Field(
            lambda source: [contender for maker in makers for contender in maker(source)],
            [sending.server, receiving.server],
        )


def secftp_servers(stack: ExitStack, folders: Folders) -> tuple[servers.Secftp, servers.Secftp]:
    """A server of ours for the source folder and one for the target folder, with one new key."""
    key = folders.own / "secftp.key"
    keygen = [sys.executable, "-P", "-m", "secftp.client", "keygen", "--file", str(key)]
    run(keygen, folders.own / "keygen.log", limit_seconds=KEYGEN_SECONDS)
    return (
        stack.enter_context(servers.secftp(folders.source, key, folders.own / "secftp-source.log")),
        stack.enter_context(servers.secftp(folders.target, key, folders.own / "secftp-target.log")),
    )


def _ssh(stack: ExitStack, folders: Folders) -> list[Callable[[Path], Iterator[Contender]]]:
    servers.require("scp", "sftp")
    ssh = stack.enter_context(servers.sshd(folders))
    makers: list[Callable[[Path], Iterator[Contender]]] = [
        lambda source: commands.scp(ssh, source, folders),
        lambda source: commands.sftp(ssh, source, folders),
    ]
    if packages.find("rsync"):
        makers.append(lambda source: commands.rsync_over_ssh(ssh, source, folders))
    return makers


def _rsync(stack: ExitStack, folders: Folders) -> list[Callable[[Path], Iterator[Contender]]]:
    port = stack.enter_context(servers.rsync_daemon(folders))
    return [lambda source: commands.rsync_daemon(port, source, folders)]


def _nginx(stack: ExitStack, folders: Folders) -> list[Callable[[Path], Iterator[Contender]]]:
    servers.require("curl")
    tls = stack.enter_context(servers.nginx(folders))
    return [lambda source: commands.curl(tls, source, folders)]


def _wormhole(stack: ExitStack, folders: Folders) -> list[Callable[[Path], Iterator[Contender]]]:
    servers.require("wormhole", "twist")
    port = stack.enter_context(servers.mailbox(folders))
    return [lambda source: commands.wormhole(port, source, folders)]


def _iperf3(stack: ExitStack, folders: Folders) -> list[Callable[[Path], Iterator[Contender]]]:
    port = stack.enter_context(servers.iperf3(folders))
    return [lambda source: commands.iperf3(port, source)]


def _cp(_stack: ExitStack, folders: Folders) -> list[Callable[[Path], Iterator[Contender]]]:
    return [lambda source: commands.cp(source, folders)]


_PEERS: dict[str, Callable[[ExitStack, Folders], list[Callable[[Path], Iterator[Contender]]]]] = {
    "scp, sftp, rsync over ssh": _ssh,
    "rsync daemon": _rsync,
    "curl+nginx": _nginx,
    "magic-wormhole": _wormhole,
    "iperf3": _iperf3,
    "cp": _cp,
}
