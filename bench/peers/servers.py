"""Servers to compare with, each on a free loopback port with its own configuration, keys and logs.

The system's configuration is not read, and its running services are not used or disturbed. All are context managers:
leaving one stops its server. A server that is not installed or does not start is a `BenchError`.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.peers import settings
from bench.peers.failure import BenchError, reason
from bench.peers.packages import find, missing
from bench.peers.process import Server, serving
from bench.peers.settings import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.peers.directories import Directories

LISTENING = re.compile(r"^!! \S+ Listening @ (\S+) on port (\d+)", re.MULTILINE)
# A free port can be taken by another process before the server starts.
ATTEMPTS = 3
# sshd as root requires this empty directory; the service of the package creates it at boot.
PRIVILEGE_SEPARATION = Path("/run/sshd")


class Secftp(NamedTuple):
    """A secftp server: `place` is its HOST:PORT."""

    server: Server
    place: str
    key: Path


class Ssh(NamedTuple):
    """An sshd; `config` is the ssh configuration that has it as host `peer`."""

    server: Server
    config: Path


class Tls(NamedTuple):
    """An nginx that serves the source directory; `certificate` is its trust anchor."""

    server: Server
    port: int
    certificate: Path


def require(*programs: str) -> None:
    """Raise `BenchError` if one of the programs is not installed."""
    absent = missing(programs)
    if absent:
        raise BenchError(f"{' and '.join(absent)} not installed")


def path_of(program: str) -> str:
    """Return the path of a program; raises `BenchError` if it is not installed."""
    require(program)
    return find(program) or program


WATCHED = """
import sys
from secftp import system
system.forbid_dumps = lambda: None
from secftp.server.__main__ import main
sys.exit(main())
"""


@contextlib.contextmanager
def secftp(
    root: Path | str, key: Path, log: Path, *more: str, address: str = LOOPBACK, inside: Sequence[str] = ()
) -> Iterator[Secftp]:
    """Run a secftp server for a directory; `more` are further command-line options.

    Its memory and descriptors can be inspected by this process, which secftpd itself does not allow.
    """
    where = ["0", "--host", address, "--root", str(root), "--key-file", str(key)]
    command = [*inside, sys.executable, "-P", "-c", WATCHED, *where, *more]
    with serving(command, log, lambda said: bool(LISTENING.search(said))) as server:
        found = LISTENING.search(server.log())
        assert found is not None
        yield Secftp(server, f"{found[1]}:{found[2]}", key)


@contextlib.contextmanager
def sshd(directories: Directories, *, address: str = LOOPBACK, inside: Sequence[str] = ()) -> Iterator[Ssh]:
    """Run an sshd that accepts the current user with a key generated for this purpose."""
    require("ssh", "sshd", "ssh-keygen")
    host_key, user_key = directories.own / "host_key", directories.own / "user_key"
    for key in (host_key, user_key):
        _run(path_of("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key))
    config = directories.own / "ssh_config"

    def command(port: int) -> list[str]:
        known_hosts = directories.own / "known_hosts"
        known_hosts.write_text(f"[{address}]:{port} {host_key.with_suffix('.pub').read_text()}")
        config.write_text(settings.ssh(port, user_key, known_hosts, address))
        file = directories.own / "sshd_config"
        file.write_text(settings.sshd(port, host_key, user_key, address))
        # sshd re-executes itself for each connection, so it requires its absolute path.
        return [*inside, path_of("sshd"), "-D", "-e", "-f", str(file)]

    with (
        _privilege_separation_directory(),
        _on_a_free_port(command, directories.own / "sshd.log", "Server listening on ") as (server, _),
    ):
        yield Ssh(server, config)


@contextlib.contextmanager
def rsync_daemon(directories: Directories) -> Iterator[int]:
    """Run an rsync daemon with the modules `source` and `target`, without authentication; yields its port."""

    def command(port: int) -> list[str]:
        file = directories.own / "rsyncd.conf"
        file.write_text(settings.rsyncd(directories))
        where = [f"--address={LOOPBACK}", f"--port={port}", f"--config={file}"]
        return [path_of("rsync"), "--daemon", "--no-detach", *where]

    with _on_a_free_port(command, directories.own / "rsyncd.log") as (_, port):
        yield port


@contextlib.contextmanager
def nginx(directories: Directories) -> Iterator[Tls]:
    """Run an nginx with TLS 1.3 only and its own certificate."""
    require("nginx", "openssl")
    certificate, key = directories.own / "certificate.pem", directories.own / "certificate.key"
    _run(
        *(path_of("openssl"), "req", "-x509", "-noenc", "-days", "2", "-subj", "/CN=localhost"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-addext", f"subjectAltName=IP:{LOOPBACK}"),
        *("-keyout", str(key), "-out", str(certificate)),
    )

    def command(port: int) -> list[str]:
        file = directories.own / "nginx.conf"
        file.write_text(settings.nginx(port, directories, certificate, key))
        return [path_of("nginx"), "-e", "stderr", "-p", str(directories.own), "-c", str(file)]

    with _on_a_free_port(command, directories.own / "nginx.log") as (server, port):
        yield Tls(server, port, certificate)


@contextlib.contextmanager
def iperf3(directories: Directories) -> Iterator[int]:
    """Run an iperf3 server; yields its port."""

    def command(port: int) -> list[str]:
        return [path_of("iperf3"), "--server", "--bind", LOOPBACK, "--port", str(port), "--forceflush"]

    with _on_a_free_port(command, directories.own / "iperf3.log", "Server listening on ") as (_, port):
        yield port


@contextlib.contextmanager
def mailbox(directories: Directories) -> Iterator[int]:
    """Run a mailbox server for magic-wormhole; yields its port."""

    def command(port: int) -> list[str]:
        database = directories.own / f"mailbox-{port}.sqlite"
        endpoint = f"tcp:{port}:interface={LOOPBACK}"
        return [path_of("twist"), "wormhole-mailbox", f"--port={endpoint}", f"--channel-db={database}"]

    with _on_a_free_port(command, directories.own / "mailbox.log") as (_, port):
        yield port


@contextlib.contextmanager
def _on_a_free_port(
    command: Callable[[int], list[str]], log: Path, ready: str | None = None
) -> Iterator[tuple[Server, int]]:
    """Run a server on a free port; it is ready when it prints `ready` or, without that, accepts a connection."""
    with contextlib.ExitStack() as stack:
        for attempt in range(1, ATTEMPTS + 1):
            port = free_port()

            def is_ready(said: str, port: int = port) -> bool:
                return ready in said if ready else _accepts(port)

            try:
                server = stack.enter_context(serving(command(port), log, is_ready))
            except BenchError:
                if attempt == ATTEMPTS:
                    raise
            else:
                break
        yield server, port


def free_port() -> int:
    """Return a free TCP port."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        return int(listener.getsockname()[1])


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def _run(*command: str) -> None:
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="backslashreplace", check=False
    )
    if result.returncode != 0:
        raise BenchError(f"{Path(command[0]).name} failed: {reason(result.stderr)}")


@contextlib.contextmanager
def _privilege_separation_directory() -> Iterator[None]:
    if os.geteuid() != 0 or PRIVILEGE_SEPARATION.exists():
        yield
        return
    PRIVILEGE_SEPARATION.mkdir(mode=0o755)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            PRIVILEGE_SEPARATION.rmdir()
