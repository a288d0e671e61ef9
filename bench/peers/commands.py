"""Contenders: for each program, the command that transfers a file in one direction.

`write` sends to a server, `read` receives from one; `copy` and `stream` are the limits of the machine. Commands use the
defaults of the program. rsync sends a file that does not exist at the target as a whole, so --whole-file would change
nothing.
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

    from bench.peers.directories import Directories
    from bench.peers.process import Server
    from bench.peers.servers import Secftp, Ssh, Tls

SECFTP_CIPHERS = ("none", "aes128", "aes256")
SCP_CIPHERS = {
    "aes128-gcm": ("-c", "aes128-gcm@openssh.com"),
    "aes256-gcm": ("-c", "aes256-gcm@openssh.com"),
    "chacha20": ("-c", "chacha20-poly1305@openssh.com"),
    "aes128-cbc": ("-c", "aes128-cbc", "-o", "MACs=hmac-sha2-256-etm@openssh.com"),
}
# For sftp and rsync: the fastest of scp's ciphers.
SSH_CIPHER = SCP_CIPHERS["aes128-gcm"]
TLS_SUITES = {"aes128-gcm": "TLS_AES_128_GCM_SHA256", "aes256-gcm": "TLS_AES_256_GCM_SHA384"}
# Smaller amounts are below the resolution of iperf3, and are one part of a file.
STREAM_FROM = 1 << 20
SSH_CAT = "ssh host cat, pipe"
FLOOR = "the floor"
CP = "cp"
STREAMS = (1, 2, 4, 8)
WORMHOLE_CODE = "4-loopback-benchmark"


@dataclass(frozen=True)
class Contender:
    """A program transferring a file of `size` bytes in one direction. `target` is the resulting file, or None.

    `own_seconds` extracts the seconds from the output of the program, instead of timing the whole process. `server` is
    the one whose CPU time counts, too.
    """

    name: str
    way: str
    size: int
    command: tuple[str, ...]
    source: Path
    target: Path | None
    own_seconds: Callable[[str], float] | None = None
    server: Server | None = None


def program_name(cipher: str) -> str:
    """Return the name of secftp with this cipher in tables."""
    return f"secftp {cipher}"


def streams_name(count: int) -> str:
    """Return the name of secftp with this number of parallel streams in tables."""
    return f"{program_name('aes128')}, {count} stream{'s' if count > 1 else ''}"


def secftp(sending: Secftp, receiving: Secftp, source: Path, directories: Directories) -> Iterator[Contender]:
    """Yield secftp with each cipher, with files and with pipes: reads from `sending`, writes to `receiving`."""
    name, target, size = source.name, directories.target / source.name, source.stat().st_size
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
        yield Contender(
            program_name(cipher), "write", size, (*write, "-i", str(source)), source, target, None, receiving.server
        )
        yield Contender(
            program_name(cipher), "read", size, (*read, "-o", str(target)), source, target, None, sending.server
        )
        piped = f"{program_name(cipher)}, pipe"
        yield Contender(
            piped, "write", size, shell('cat "$0" | "$@"', source, *write), source, target, None, receiving.server
        )
        yield Contender(
            piped, "read", size, shell('"$@" | cat > "$0"', target, *read), source, target, None, sending.server
        )


def secftp_streams(sending: Secftp, receiving: Secftp, source: Path, directories: Directories) -> Iterator[Contender]:
    """Yield secftp with parallel streams for one file, which put and get have."""
    name, size = source.name, source.stat().st_size
    if size < STREAM_FROM:
        return
    target = directories.target / name
    for count in STREAMS:
        base = (sys.executable, "-P", "-m", "secftp.client")
        words = ("-q", "--streams", str(count), "--cipher", "aes128", "--key-file", str(sending.key))
        put = (*base, "put", *words, str(source), f"secftp://{receiving.place}/{name}")
        get = (*base, "get", *words, f"secftp://{sending.place}/{name}", str(target))
        yield Contender(streams_name(count), "write", size, put, source, target, None, receiving.server)
        yield Contender(streams_name(count), "read", size, get, source, target, None, sending.server)


def scp(ssh: Ssh, source: Path, directories: Directories) -> Iterator[Contender]:
    """Yield scp with each of its ciphers; recent versions use the sftp protocol."""
    target, size = directories.target / source.name, source.stat().st_size
    for cipher, options in SCP_CIPHERS.items():
        base = (path_of("scp"), "-q", "-F", str(ssh.config), *options)
        yield Contender(
            f"scp {cipher}", "write", size, (*base, str(source), f"peer:{target}"), source, target, None, ssh.server
        )
        yield Contender(
            f"scp {cipher}", "read", size, (*base, f"peer:{source}", str(target)), source, target, None, ssh.server
        )


def sftp(ssh: Ssh, source: Path, directories: Directories) -> Iterator[Contender]:
    """Yield sftp with a batch file."""
    target, size = directories.target / source.name, source.stat().st_size
    for way, verb in (("write", "put"), ("read", "get")):
        batch = directories.own / f"{way}-{source.name}.batch"
        batch.write_text(f'{verb} "{source}" "{target}"\n')
        command = (path_of("sftp"), "-q", "-F", str(ssh.config), *SSH_CIPHER, "-b", str(batch), "peer")
        yield Contender("sftp aes128-gcm", way, size, command, source, target, None, ssh.server)


def ssh_cat(ssh: Ssh, source: Path, directories: Directories) -> Iterator[Contender]:
    """Yield ssh with cat at both ends: what scp's users take for pipes, as scp has none."""
    target, size = directories.target / source.name, source.stat().st_size
    base = (path_of("ssh"), "-F", str(ssh.config), *SSH_CIPHER, "peer")
    write = shell('cat "$0" | "$@"', source, *base, f"cat > '{target}'")
    read = shell('"$@" | cat > "$0"', target, *base, f"cat '{source}'")
    yield Contender(SSH_CAT, "write", size, write, source, target, None, ssh.server)
    yield Contender(SSH_CAT, "read", size, read, source, target, None, ssh.server)


def rsync_over_ssh(ssh: Ssh, source: Path, directories: Directories) -> Iterator[Contender]:
    """Yield rsync -a over ssh."""
    target, size = directories.target / source.name, source.stat().st_size
    remote_shell = f'{path_of("ssh")} -F "{ssh.config}" {" ".join(SSH_CIPHER)}'
    base = (path_of("rsync"), "-a", f"--rsync-path={path_of('rsync')}", "-e", remote_shell)
    name = "rsync over ssh aes128-gcm"
    yield Contender(name, "write", size, (*base, str(source), f"peer:{target}"), source, target, None, ssh.server)
    yield Contender(name, "read", size, (*base, f"peer:{source}", str(target)), source, target, None, ssh.server)


def rsync_daemon(port: int, source: Path, directories: Directories) -> Iterator[Contender]:
    """Yield rsync -a with its daemon, unencrypted."""
    target, size = directories.target / source.name, source.stat().st_size
    base, place = (path_of("rsync"), "-a"), f"rsync://{LOOPBACK}:{port}"
    name = "rsync daemon, clear"
    yield Contender(name, "write", size, (*base, str(source), f"{place}/target/{source.name}"), source, target)
    yield Contender(name, "read", size, (*base, f"{place}/source/{source.name}", str(target)), source, target)


def curl(tls: Tls, source: Path, directories: Directories) -> Iterator[Contender]:
    """Yield curl from nginx with TLS 1.3, verifying the certificate."""
    target, size = directories.target / source.name, source.stat().st_size
    for cipher, suite in TLS_SUITES.items():
        options = ("-sS", "--fail", "--tlsv1.3", "--tls13-ciphers", suite, "--cacert", str(tls.certificate))
        url = f"https://{LOOPBACK}:{tls.port}/{source.name}"
        # -q: ignore the configuration of the user.
        command = (path_of("curl"), "-q", *options, "--noproxy", "*", "-o", str(target), url)
        yield Contender(f"curl+nginx TLS 1.3 {cipher}", "read", size, command, source, target)


def wormhole(port: int, source: Path, directories: Directories) -> Iterator[Contender]:
    """Yield magic-wormhole between two local processes, which are timed together."""
    target, size = directories.target / source.name, source.stat().st_size
    base = [path_of("wormhole"), "--relay-url", f"ws://{LOOPBACK}:{port}/v1", "--transit-helper", ""]
    script = (
        '"$0" "$1" "$2" "$3" "$4" send --hide-progress --no-qr --code "$5" "$6" & '
        '"$0" "$1" "$2" "$3" "$4" receive --hide-progress --accept-file -o "$7" "$5" && wait $!'
    )
    command = shell(script, *base, WORMHOLE_CODE, source, target)
    yield Contender("magic-wormhole", "write", size, command, source, target)


def cp(source: Path, directories: Directories) -> Iterator[Contender]:
    """Yield cp, the limit for copying a file."""
    target = directories.target / source.name
    yield Contender(CP, "copy", source.stat().st_size, (path_of("cp"), str(source), str(target)), source, target)


def floor(program: str, source: Path, directories: Directories) -> Iterator[Contender]:
    """Yield the system calls of a transfer over loopback without anything else (native/floor.c)."""
    target = directories.target / source.name
    command = (program, str(source), str(target))
    yield Contender(FLOOR, "write", source.stat().st_size, command, source, target)


def iperf3(port: int, source: Path) -> Iterator[Contender]:
    """Yield iperf3, the limit of one TCP stream; by the rate it reports, without starting and ending processes."""
    size = source.stat().st_size
    if size < STREAM_FROM:
        return
    place = ("--client", LOOPBACK, "--port", str(port))
    command = (path_of("iperf3"), *place, "--bytes", str(size), "--json")
    yield Contender("iperf3, one stream", "stream", size, command, source, None, lambda said: size / parse_iperf3(said))


def parse_iperf3(said: str) -> float:
    """Return the receiver's rate in bytes per second from iperf3's JSON; raises `BenchError` if there is none."""
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
    """Return the command for a sh script and its arguments, $0 first."""
    return ("/bin/sh", "-c", script, *map(str, arguments))
