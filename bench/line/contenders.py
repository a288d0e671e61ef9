"""What runs over the line: for each job the commands of secftp and its peers, as a user would type them.

Every peer has its fastest cipher; lftp and rclone use several connections where that is their way.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.line.emulator import CLIENT, SERVER
from bench.peers import servers
from bench.peers.commands import SSH_CIPHER
from bench.peers.failure import BenchError
from bench.peers.packages import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bench.line.emulator import Line
    from bench.peers.directories import Directories

KIB, MIB = 1 << 10, 1 << 20
SMALL, LARGE = "1 KiB", "64 MiB"
SIZES = {SMALL: KIB, LARGE: 64 * MIB}
TREE = "2,000 files"
TREE_FILES, TREE_DIRECTORIES, TREE_BYTES = 2000, 20, KIB
SECFTP = "secftp"
CONNECTIONS = 8  # of lftp's pget and rclone's streams


@dataclass(frozen=True)
class Job:
    """One thing that a program does: `name` is the row, `program` the column; `target` is removed before each run."""

    name: str
    program: str
    command: tuple[str, ...]
    source: Path
    target: Path | None


def name_of(file: str) -> str:
    """The name of a source on disk."""
    return file.replace(" ", "").replace(",", "")


def make_sources(directory: Path) -> None:
    """The files and the tree that are moved: random bytes, which nothing makes smaller."""
    for file, size in SIZES.items():
        (directory / name_of(file)).write_bytes(os.urandom(size))
    for number in range(TREE_DIRECTORIES):
        below = directory / name_of(TREE) / f"{number:02}"
        below.mkdir(parents=True)
        for file in range(number, TREE_FILES, TREE_DIRECTORIES):
            (below / f"{file:04}").write_bytes(os.urandom(TREE_BYTES))


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


def _files(places: Directories) -> Iterator[tuple[str, Path, Path]]:
    for file in (*SIZES, TREE):
        yield file, places.source / name_of(file), places.target / name_of(file)


def _secftp(stack: contextlib.ExitStack, line: Line, places: Directories, options: Sequence[str]) -> Iterator[Job]:
    key = places.own / "key"
    subprocess.run(
        [sys.executable, "-P", "-m", "secftp.client", "keygen", "--file", str(key)], check=True, capture_output=True
    )
    ends = {"address": SERVER, "inside": line.inside(SERVER)}
    sending, receiving = (
        stack.enter_context(servers.secftp(root, key, places.own / f"{name}.log", **ends))
        for name, root in (("sending", places.source), ("receiving", places.target))
    )
    client = (*line.inside(CLIENT), sys.executable, "-P", "-m", "secftp.client")
    common = ("-q", "--key-file", str(key))
    for file, source, target in _files(places):
        name = source.name
        put = (*client, "put", *common, *options, str(source), f"secftp://{receiving.place}/{name}")
        get = (*client, "get", *common, *options, f"secftp://{sending.place}/{name}", str(target))
        yield Job(f"put {file}", SECFTP, put, source, target)
        yield Job(f"get {file}", SECFTP, get, source, target)
    tree = places.source / name_of(TREE)
    verify = (*client, "verify", *common, str(tree), f"secftp://{sending.place}/{tree.name}")
    yield Job(f"verify {TREE}", SECFTP, verify, tree, None)


def _scp(line: Line, places: Directories, ssh: servers.Ssh) -> Iterator[Job]:
    base = (*line.inside(CLIENT), servers.path_of("scp"), "-q", "-r", "-F", str(ssh.config), *SSH_CIPHER)
    for file, source, target in _files(places):
        if file == TREE:
            continue  # several round trips a file: minutes
        yield Job(f"put {file}", "scp", (*base, str(source), f"peer:{target}"), source, target)
        yield Job(f"get {file}", "scp", (*base, f"peer:{source}", str(target)), source, target)


def _rsync(line: Line, places: Directories, ssh: servers.Ssh) -> Iterator[Job]:
    shell = f'{servers.path_of("ssh")} -F "{ssh.config}" {" ".join(SSH_CIPHER)}'
    rsync = servers.path_of("rsync")
    base = (*line.inside(CLIENT), rsync, "-a", f"--rsync-path={rsync}", "-e", shell)
    for file, source, target in _files(places):
        slash = "/" if file == TREE else ""
        yield Job(f"put {file}", "rsync", (*base, f"{source}{slash}", f"peer:{target}"), source, target)
        yield Job(f"get {file}", "rsync", (*base, f"peer:{source}{slash}", str(target)), source, target)


def _lftp(line: Line, places: Directories, ssh: servers.Ssh) -> Iterator[Job]:
    """Its `pget` reads one file over several connections; it has nothing like it for writing."""
    connect = f"{servers.path_of('ssh')} -a -x -F {ssh.config} {' '.join(SSH_CIPHER)}"
    base = (*line.inside(CLIENT), servers.path_of("lftp"), "--norc", "-c")
    for file, source, target in _files(places):
        if file != TREE:
            script = (
                f'set sftp:connect-program "{connect}"; open sftp://peer; '
                f'pget -n {CONNECTIONS} "{source}" -o "{target}"'
            )
            yield Job(f"get {file}", "lftp pget", (*base, script), source, target)


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
    for file, source, target in _files(places):
        if file == TREE:
            continue  # as scp
        streams = ("--multi-thread-streams", str(CONNECTIONS), "--multi-thread-cutoff", "16M")
        yield Job(f"put {file}", "rclone", (*base, "copyto", *streams, str(source), f"peer:{target}"), source, target)
        yield Job(f"get {file}", "rclone", (*base, "copyto", *streams, f"peer:{source}", str(target)), source, target)


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
