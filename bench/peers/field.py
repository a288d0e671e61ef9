"""Who takes part: starts the server of each program that is here, and collects the contenders of all of them.

A program that is not here, or whose server does not start, is left out with a reason; only secftp may not be.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, NamedTuple

from bench.peers import commands, native, packages, servers
from bench.peers.failure import BenchError
from bench.peers.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack
    from pathlib import Path

    from bench.peers.commands import Contender
    from bench.peers.directories import Directories
    from bench.peers.process import Server

    LeaveOut = Callable[[str, str], None]

KEYGEN_SECONDS = 30.0
FLOOR_SOURCE = native.SOURCES / "floor.c"


class Field(NamedTuple):
    """All that is ready to run; `contenders` makes them for one source file."""

    contenders: Callable[[Path], list[Contender]]
    secftp_servers: list[Server]

    def server_peak(self) -> int | None:
        """The most memory that a server of ours has had so far, in bytes; None where the system does not tell."""
        peaks = [peak for server in self.secftp_servers if (peak := server.peak()) is not None]
        return max(peaks) if peaks else None


@contextlib.contextmanager
def field(directories: Directories, leave_out: LeaveOut) -> Iterator[Field]:
    """The field, all servers running, for the length of a `with`."""
    makers: list[Callable[[Path], Iterator[Contender]]] = []
    with contextlib.ExitStack() as stack:
        sending, receiving = secftp_servers(stack, directories)
        makers.append(lambda source: commands.secftp(sending, receiving, source, directories))
        makers.append(lambda source: commands.secftp_streams(sending, receiving, source, directories))
        for name, start in _PEERS.items():
            try:
                makers += start(stack, directories)
            except BenchError as failure:
                leave_out(name, str(failure))
        leave_out("croc", "not covered: it looks for the other side on every network of the machine")
        yield Field(
            lambda source: [contender for maker in makers for contender in maker(source)],
            [sending.server, receiving.server],
        )


def secftp_servers(stack: ExitStack, directories: Directories) -> tuple[servers.Secftp, servers.Secftp]:
    """A server of ours for the source directory and one for the target directory, with one new key."""
    key = directories.own / "secftp.key"
    keygen = [sys.executable, "-P", "-m", "secftp.client", "keygen", "--file", str(key)]
    run(keygen, directories.own / "keygen.log", limit_seconds=KEYGEN_SECONDS)
    return (
        stack.enter_context(servers.secftp(directories.source, key, directories.own / "secftp-source.log")),
        stack.enter_context(servers.secftp(directories.target, key, directories.own / "secftp-target.log")),
    )


def _ssh(stack: ExitStack, directories: Directories) -> list[Callable[[Path], Iterator[Contender]]]:
    servers.require("scp", "sftp")
    ssh = stack.enter_context(servers.sshd(directories))
    makers: list[Callable[[Path], Iterator[Contender]]] = [
        lambda source: commands.scp(ssh, source, directories),
        lambda source: commands.sftp(ssh, source, directories),
        lambda source: commands.ssh_cat(ssh, source, directories),
    ]
    if packages.find("rsync"):
        makers.append(lambda source: commands.rsync_over_ssh(ssh, source, directories))
    return makers


def _rsync(stack: ExitStack, directories: Directories) -> list[Callable[[Path], Iterator[Contender]]]:
    port = stack.enter_context(servers.rsync_daemon(directories))
    return [lambda source: commands.rsync_daemon(port, source, directories)]


def _nginx(stack: ExitStack, directories: Directories) -> list[Callable[[Path], Iterator[Contender]]]:
    servers.require("curl")
    tls = stack.enter_context(servers.nginx(directories))
    return [lambda source: commands.curl(tls, source, directories)]


def _wormhole(stack: ExitStack, directories: Directories) -> list[Callable[[Path], Iterator[Contender]]]:
    servers.require("wormhole", "twist")
    port = stack.enter_context(servers.mailbox(directories))
    return [lambda source: commands.wormhole(port, source, directories)]


def _iperf3(stack: ExitStack, directories: Directories) -> list[Callable[[Path], Iterator[Contender]]]:
    port = stack.enter_context(servers.iperf3(directories))
    return [lambda source: commands.iperf3(port, source)]


def _cp(_stack: ExitStack, directories: Directories) -> list[Callable[[Path], Iterator[Contender]]]:
    return [lambda source: commands.cp(source, directories)]


def _floor(_stack: ExitStack, directories: Directories) -> list[Callable[[Path], Iterator[Contender]]]:
    program = native.build(FLOOR_SOURCE)
    return [lambda source: commands.floor(program, source, directories)]


_PEERS: dict[str, Callable[[ExitStack, Directories], list[Callable[[Path], Iterator[Contender]]]]] = {
    "scp, sftp, rsync over ssh": _ssh,
    "rsync daemon": _rsync,
    "curl+nginx": _nginx,
    "magic-wormhole": _wormhole,
    "iperf3": _iperf3,
    "cp": _cp,
    "the floor": _floor,
}
