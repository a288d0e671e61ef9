"""The contenders: for each program, the command that moves one file one way, and what has to run for it.

`write` goes to a server, `read` comes from one; `copy` and `stream` are the machine's own limits. A command is what a
person would type, with the program's own defaults. rsync decides by itself that a file which is not there yet is sent
whole, so --whole-file would change nothing.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.peers.failure import BenchError
from bench.peers.servers import path_of
from bench.peers.settings import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.peers.folders import Folders
    from bench.peers.servers import Secftp, Ssh, Tls

SECFTP_CIPHERS = ("none", "aes128", "aes256")
SCP_CIPHERS = {
    "aes128-gcm": ("-c", "aes128-gcm@openssh.com"),
    "aes256-gcm": ("-c", "aes256-gcm@openssh.com"),
    "chacha20": ("-c", "chacha20-poly1305@openssh.com"),
    "aes128-cbc": ("-c", "aes128-cbc", "-o", "MACs=hmac-sha2-256-etm@openssh.com"),
}
# What sftp and rsync run through: the fastest of scp's.
SSH_CIPHER = SCP_CIPHERS["aes128-gcm"]
TLS_SUITES = {"aes128-gcm": "TLS_AES_128_GCM_SHA256", "aes256-gcm": "TLS_AES_256_GCM_SHA384"}
# Less is gone before iperf3 has looked at its clock.
STREAM_FROM = 1 << 20
WORMHOLE_CODE = "4-loopback-benchmark"


@dataclass(frozen=True)
class Contender:
    """One program, one way, one file of `size` bytes. `target` is where it ends up, None if nowhere.

    `own_seconds` takes the seconds from what the program says in place of the whole process's.
    """

    name: str
    way: str
    size: int
    command: tuple[str, ...]
    source: Path
    target: Path | None
    own_seconds: Callable[[str], float] | None = None


def program_name(cipher: str) -> str:
    """How secftp with this cipher is called in tables."""
    return f"secftp {cipher}"


def secftp(sending: Secftp, receiving: Secftp, source: Path, folders: Folders) -> Iterator[Contender]:
    """Our client with each cipher, by file and through pipes: reads from `sending`, writes to `receiving`."""
    name, target, size = source.name, folders.target / source.name, source.stat().st_size
    for cipher in SECFTP_CIPHERS:

        def client(verb: str, place: str, cipher: str = cipher) -> list[str]:
            return [
                sys.executable,
                "-P",
                "-m",
                "secftp.client",
                verb,
                name,
                place,
                cipher,
                "--key-file",
                str(sending.key),
            ]

        write, read = client("write", receiving.place), client("read", sending.place)
        yield Contender(program_name(cipher), "write", size, (*write, "-i", str(source)), source, target)
        yield Contender(program_name(cipher), "read", size, (*read, "-o", str(target)), source, target)
        piped = f"{program_name(cipher)}, pipe"
        yield Contender(piped, "write", size, shell('cat "$0" | "$@"', source, *write), source, target)
        yield Contender(piped, "read", size, shell('"$@" | cat > "$0"', target, *read), source, target)


def scp(ssh: Ssh, source: Path, folders: Folders) -> Iterator[Contender]:
    """scp with each of its ciphers, through the sftp protocol where it is new enough."""
    target, size = folders.target / source.name, source.stat().st_size
    for cipher, options in SCP_CIPHERS.items():
        base = (path_of("scp"), "-q", "-F", str(ssh.config), *options)
        yield Contender(f"scp {cipher}", "write", size, (*base, str(source), f"peer:{target}"), source, target)
        yield Contender(f"scp {cipher}", "read", size, (*base, f"peer:{source}", str(target)), source, target)


def sftp(ssh: Ssh, source: Path, folders: Folders) -> Iterator[Contender]:
    """Sftp with a batch file, which is its way without a person."""
    target, size = folders.target / source.name, source.stat().st_size
    for way, verb in (("write", "put"), ("read", "get")):
        batch = folders.own / f"{way}-{source.name}.batch"
        batch.write_text(f'{verb} "{source}" "{target}"\n')
        command = (path_of("sftp"), "-q", "-F", str(ssh.config), *SSH_CIPHER, "-b", str(batch), "peer")
        yield Contender("sftp aes128-gcm", way, size, command, source, target)


def rsync_over_ssh(ssh: Ssh, source: Path, folders: Folders) -> Iterator[Contender]:
    """Rsync -a through ssh."""
    target, size = folders.target / source.name, source.stat().st_size
    remote_shell = f'{path_of("ssh")} -F "{ssh.config}" {" ".join(SSH_CIPHER)}'
    base = (path_of("rsync"), "-a", f"--rsync-path={path_of('rsync')}", "-e", remote_shell)
    name = "rsync over ssh aes128-gcm"
    yield Contender(name, "write", size, (*base, str(source), f"peer:{target}"), source, target)
    yield Contender(name, "read", size, (*base, f"peer:{source}", str(target)), source, target)


def rsync_daemon(port: int, source: Path, folders: Folders) -> Iterator[Contender]:
    """Rsync -a to and from its daemon, in clear."""
    target, size = folders.target / source.name, source.stat().st_size
    base, place = (path_of("rsync"), "-a"), f"rsync://{LOOPBACK}:{port}"
    name = "rsync daemon, clear"
    yield Contender(name, "write", size, (*base, str(source), f"{place}/target/{source.name}"), source, target)
    yield Contender(name, "read", size, (*base, f"{place}/source/{source.name}", str(target)), source, target)


def curl(tls: Tls, source: Path, folders: Folders) -> Iterator[Contender]:
    """Curl from nginx with TLS 1.3, the certificate checked."""
    target, size = folders.target / source.name, source.stat().st_size
    for cipher, suite in TLS_SUITES.items():
        options = ("-sS", "--fail", "--tlsv1.3", "--tls13-ciphers", suite, "--cacert", str(tls.certificate))
        url = f"https://{LOOPBACK}:{tls.port}/{source.name}"
        # -q: without the settings of whoever runs this.
        command = (path_of("curl"), "-q", *options, "--noproxy", "*", "-o", str(target), url)
        yield Contender(f"curl+nginx TLS 1.3 {cipher}", "read", size, command, source, target)


def wormhole(port: int, source: Path, folders: Folders) -> Iterator[Contender]:
    """magic-wormhole from one process of this machine to another; both together are timed."""
    target, size = folders.target / source.name, source.stat().st_size
    base = [path_of("wormhole"), "--relay-url", f"ws://{LOOPBACK}:{port}/v1", "--transit-helper", ""]
    script = (
        '"$0" "$1" "$2" "$3" "$4" send --hide-progress --no-qr --code "$5" "$6" & '
        '"$0" "$1" "$2" "$3" "$4" receive --hide-progress --accept-file -o "$7" "$5" && wait $!'
    )
    command = shell(script, *base, WORMHOLE_CODE, source, target)
    yield Contender("magic-wormhole", "write", size, command, source, target)


def cp(source: Path, folders: Folders) -> Iterator[Contender]:
    """The limit of moving a file at all."""
    target = folders.target / source.name
    yield Contender("cp", "copy", source.stat().st_size, (path_of("cp"), str(source), str(target)), source, target)


def iperf3(port: int, source: Path) -> Iterator[Contender]:
    """The limit of one TCP stream; the receiver's own rate counts, without the start and the end of its processes."""
    size = source.stat().st_size
    if size < STREAM_FROM:
        return
    place = ("--client", LOOPBACK, "--port", str(port))
    command = (path_of("iperf3"), *place, "--bytes", str(size), "--json")
    yield Contender("iperf3, one stream", "stream", size, command, source, None, lambda said: size / parse_iperf3(said))


def parse_iperf3(said: str) -> float:
    """The receiver's rate in bytes a second, from iperf3's JSON; raises `BenchError` if it has none."""
    try:
        report = json.loads(said)
        if "error" in report:
            raise BenchError(f"iperf3: {report['error']}")
        rate = float(report["end"]["sum_received"]["bits_per_second"]) / 8
    except (ValueError, KeyError, TypeError):
        raise BenchError("iperf3 did not report what it received") from None
    if not rate > 0:
        raise BenchError("iperf3 received nothing")
    return rate


def shell(script: str, *arguments: str | Path) -> tuple[str, ...]:
    """A script for sh and its arguments from $0 on."""
    return ("/bin/sh", "-c", script, *map(str, arguments))
