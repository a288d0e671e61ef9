"""What runs over the line: for each job the commands of secftp and its peers, as a user would type them.

Every peer has its fastest cipher; lftp and rclone use several connections where that is their way.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.line.emulator import CLIENT, SERVER
from bench.peers import servers
from bench.peers.commands import SSH_CIPHER
from bench.peers.failure import BenchError
from bench.peers.packages import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.line.emulator import Line
    from bench.peers.directories import Directories

KIB, MIB = 1 << 10, 1 << 20
SMALL, LARGE = "1 KiB", "64 MiB"
SIZES = {SMALL: KIB, LARGE: 64 * MIB}
TREE = "2,000 files"
TREE_FILES, TREE_DIRECTORIES, TREE_BYTES = 2000, 20, KIB
TEXT = "64 MiB of text"
TEXT_BYTES = 64 * MIB
CONNECTIONS = 8  # of lftp's pget and rclone's streams
SECFTP, ONE_STREAM, COMPRESSED, WITH_BBR = "secftp", "secftp, 1 stream", "secftp -z", "secftp, bbr"
# What each variant needs of the command line, and its further options.
VARIANTS = {
    ONE_STREAM: ("--streams", ("--streams", "1")),
    COMPRESSED: ("--compress", ("--compress",)),
    WITH_BBR: ("--congestion", ("--congestion", "bbr")),
}


@dataclass(frozen=True)
class Job:
    """One thing that a program does: moves `file` one way, or verifies it; `target` is removed before each run."""

    way: str
    file: str
    program: str
    command: tuple[str, ...]
    source: Path
    target: Path | None

    @property
    def name(self) -> str:
        """The row of tables."""
        return f"{self.way} {self.file}"


def name_of(file: str) -> str:
    """The name of a source on disk."""
    return file.replace(" ", "").replace(",", "")


def make_sources(directory: Path) -> None:
    """The files and the tree that are moved: random bytes, which nothing makes smaller, and text."""
    for file, size in SIZES.items():
        (directory / name_of(file)).write_bytes(os.urandom(size))
    (directory / name_of(TEXT)).write_bytes(text(TEXT_BYTES))
    for number in range(TREE_DIRECTORIES):
        below = directory / name_of(TREE) / f"{number:02}"
        below.mkdir(parents=True)
        for file in range(number, TREE_FILES, TREE_DIRECTORIES):
            (below / f"{file:04}").write_bytes(os.urandom(TREE_BYTES))


def text(size: int) -> bytes:
    """Python's own library as text, again from the start when it ends, far from where a compressor looks back to."""
    found = bytearray()
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if len(found) >= size:
            break
        found += path.read_bytes()
    return bytes(found * -(-size // len(found)))[:size]


@contextlib.contextmanager
def jobs(
    line: Line, places: Directories, options: Sequence[str], leave_out: Callable[[str, str], None]
) -> Iterator[list[Job]]:
    """All jobs of all programs that are here, with their servers at the line's other end."""
    with contextlib.ExitStack() as stack:
        found = list(_secftp(stack, line, places, options))
        try:
            ssh = stack.enter_context(servers.sshd(places, address=SERVER, inside=line.inside(SERVER)))
        except BenchError as failure:
            leave_out("scp, rsync, lftp, rclone", str(failure))
        else:
            for program, make in (("scp", _scp), ("rsync", _rsync), ("lftp", _lftp), ("rclone", _rclone)):
                if find(program) is None:
                    leave_out(program, "not installed")
                else:
                    found += make(line, places, ssh)
        yield found


def _files(places: Directories, *files: str) -> Iterator[tuple[str, Path, Path]]:
    for file in files:
        yield file, places.source / name_of(file), places.target / name_of(file)


def _secftp(stack: contextlib.ExitStack, line: Line, places: Directories, options: Sequence[str]) -> Iterator[Job]:
    key = places.own / "key"
    program = (sys.executable, "-P", "-m", "secftp.client")
    subprocess.run([*program, "keygen", "--file", str(key)], check=True, capture_output=True)
    said = subprocess.run([*program, "put", "--help"], check=True, capture_output=True, text=True).stdout
    variants = {SECFTP: ()} | {name: more for name, (needed, more) in VARIANTS.items() if needed in said}
    ends = {"address": SERVER, "inside": line.inside(SERVER)}
    bbr = ("--congestion", "bbr") if WITH_BBR in variants else ()
    sending, receiving, sending_with_bbr = (
        stack.enter_context(servers.secftp(root, key, places.own / f"{name}.log", *more, **ends))
        for name, root, more in (
            ("sending", places.source, ()),
            ("receiving", places.target, ()),
            ("sending-with-bbr", places.source, bbr),
        )
    )
    client = (*line.inside(CLIENT), *program)
    common = ("-q", "--key-file", str(key))
    for variant, more in variants.items():
        for file, source, target in _files(places, *SIZES, TREE, TEXT):
            words = (*common, *options, *more)
            put = (*client, "put", *words, str(source), f"secftp://{receiving.place}/{source.name}")
            place = sending_with_bbr.place if variant == WITH_BBR else sending.place  # that of the sender counts
            get = (*client, "get", *words, f"secftp://{place}/{source.name}", str(target))
            yield Job("put", file, variant, put, source, target)
            yield Job("get", file, variant, get, source, target)
    tree = places.source / name_of(TREE)
    verify = (*client, "verify", *common, str(tree), f"secftp://{sending.place}/{tree.name}")
    yield Job("verify", TREE, SECFTP, verify, tree, None)


def _scp(line: Line, places: Directories, ssh: servers.Ssh) -> Iterator[Job]:
    """Without the tree: several round trips a file, which takes many minutes."""
    base = (*line.inside(CLIENT), servers.path_of("scp"), "-q", "-F", str(ssh.config), *SSH_CIPHER)
    for file, source, target in _files(places, *SIZES, TEXT):
        for name, command in _twice("scp", file, base, "-C"):
            yield Job("put", file, name, (*command, str(source), f"peer:{target}"), source, target)
            yield Job("get", file, name, (*command, f"peer:{source}", str(target)), source, target)


def _rsync(line: Line, places: Directories, ssh: servers.Ssh) -> Iterator[Job]:
    shell = f'{servers.path_of("ssh")} -F "{ssh.config}" {" ".join(SSH_CIPHER)}'
    rsync = servers.path_of("rsync")
    base = (*line.inside(CLIENT), rsync, "-a", f"--rsync-path={rsync}", "-e", shell)
    for file, source, target in _files(places, *SIZES, TREE, TEXT):
        slash = "/" if file == TREE else ""
        for name, command in _twice("rsync", file, base, "-z"):
            put, get = (f"{source}{slash}", f"peer:{target}"), (f"peer:{source}{slash}", str(target))
            yield Job("put", file, name, (*command, *put), source, target)
            yield Job("get", file, name, (*command, *get), source, target)


def _twice(program: str, file: str, base: tuple[str, ...], option: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The program as it is and, for text, with its option for compression."""
    yield program, base
    if file == TEXT:
        yield f"{program} {option}", (*base, option)


def _lftp(line: Line, places: Directories, ssh: servers.Ssh) -> Iterator[Job]:
    """Its `pget` reads one file over several connections; it has nothing like it for writing."""
    connect = f"{servers.path_of('ssh')} -a -x -F {ssh.config} {' '.join(SSH_CIPHER)}"
    base = (*line.inside(CLIENT), servers.path_of("lftp"), "--norc", "-c")
    for file, source, target in _files(places, *SIZES):
        script = (
            f'set sftp:connect-program "{connect}"; open sftp://peer; pget -n {CONNECTIONS} "{source}" -o "{target}"'
        )
        yield Job("get", file, "lftp pget", (*base, script), source, target)


def _rclone(line: Line, places: Directories, ssh: servers.Ssh) -> Iterator[Job]:
    # It has an ssh of its own, so it gets what ssh_config says by other names.
    known = dict(entry.split(None, 1) for entry in ssh.config.read_text().splitlines() if " " in entry.strip())
    config = places.own / "rclone.conf"
    config.write_text(
        f"[peer]\ntype = sftp\nhost = {known['HostName']}\nport = {known['Port']}\nuser = {known['User']}\n"
        f"key_file = {_unquoted(known['IdentityFile'])}\nknown_hosts_file = {_unquoted(known['UserKnownHostsFile'])}\n"
        "shell_type = unix\n"
    )
    base = (*line.inside(CLIENT), servers.path_of("rclone"), "--config", str(config), "-q")
    copy = (*base, "copyto", "--multi-thread-streams", str(CONNECTIONS), "--multi-thread-cutoff", "16M")
    for file, source, target in _files(places, *SIZES):
        yield Job("put", file, "rclone", (*copy, str(source), f"peer:{target}"), source, target)
        yield Job("get", file, "rclone", (*copy, f"peer:{source}", str(target)), source, target)


def _unquoted(text: str) -> str:
    return text.strip('"')


def clear(target: Path | None) -> None:
    """Remove what a run has left."""
    if target is not None and target.is_dir():
        shutil.rmtree(target)
    elif target is not None:
        target.unlink(missing_ok=True)


def require_same(job: Job) -> None:
    """Raise `BenchError` if what arrived is not what was sent."""
    if job.target is not None and _contents(job.source) != _contents(job.target):
        raise BenchError("what arrived is not what was sent")


def _contents(top: Path) -> dict[str, bytes]:
    files = [top] if top.is_file() else [path for path in top.rglob("*") if path.is_file()]
    return {str(path.relative_to(top)): path.read_bytes() for path in files}
