"""The programs of the peers: where they are, which versions, and how they get here.

What is missing is installed through apt where that is possible without asking anybody: as root, or where sudo needs no
password. install.sh does it, and keeps the services that come with the packages from running. Whatever stays missing
is no failure: the table goes without it, and one line says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from textwrap import shorten

from bench.peers.failure import reason

INSTALLER = Path(__file__).with_name("install.sh")
# Debian's name of the package that has a program.
PACKAGES = {
    "ssh": "openssh-client",
    "scp": "openssh-client",
    "sftp": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "rsync": "rsync",
    "nginx": "nginx",
    "curl": "curl",
    "openssl": "openssl",
    "iperf3": "iperf3",
}
VERSION_COLUMNS = 70
# How each tells its version; scp, sftp and sshd have that of ssh.
VERSIONS = {
    "ssh": ("-V",),
    "rsync": ("--version",),
    "nginx": ("-v",),
    "curl": ("--version",),
    "iperf3": ("--version",),
    "wormhole": ("--version",),
}


def find(program: str) -> str | None:
    """The absolute path of a program, of one for administrators too; None if it is not here."""
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    found = shutil.which(program, path=places)
    return os.path.abspath(found) if found else None


def missing(programs: tuple[str, ...]) -> list[str]:
    """Those of the programs that are not here."""
    return [program for program in programs if find(program) is None]


def needed_packages(programs: list[str]) -> list[str]:
    """The packages that have these programs, each once."""
    return list(dict.fromkeys(PACKAGES[program] for program in programs if program in PACKAGES))


def install_missing() -> None:
    """Install what the peers need and what is not here, if that is possible; else say in one line what to install."""
    packages = needed_packages(missing(tuple(PACKAGES)))
    if not packages:
        return
    wanted = " ".join(packages)
    rights = _rights()
    if rights is None or find("apt-get") is None:
        _say(f"missing, and not to be installed from here: {wanted} (Debian's names)")
        return
    _say(f"installing with apt-get, without starting any service: {wanted}")
    code, said = _run_to_its_end([*rights, "sh", str(INSTALLER), *packages])
    if code != 0:
        _say(f"apt-get failed: {reason(said)}")


def _run_to_its_end(command: list[str]) -> tuple[int, str]:
    """Exit code and output. Nothing ends it half-way: whoever breaks off here waits until it has tidied up."""
    with tempfile.TemporaryFile("w+", errors="backslashreplace") as output:
        # In a process group of its own Ctrl-C does not reach it.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, process_group=0
        )
        try:
            process.wait()
        finally:
            process.wait()
        output.seek(0)
        return process.returncode, output.read()


def version(program: str) -> str | None:
    """The first line that a program says about its version; None if it is not here or does not say."""
    path = find(program)
    if path is None:
        return None
    try:
        result = subprocess.run(
            [path, *VERSIONS[program]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return first_line(result.stdout)


def first_line(text: str) -> str | None:
    """The beginning of the first line that is not empty, with single blanks; None if there is none."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return next((shorten(line, VERSION_COLUMNS, placeholder="") for line in lines if line), None)


def _rights() -> list[str] | None:
    """What goes before a command that needs root's rights; None if they can't be had without asking."""
    if os.geteuid() == 0:
        return []
    sudo = find("sudo")
    if sudo is None:
        return None
    allowed = subprocess.run([sudo, "-n", "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return [sudo, "-n"] if allowed.returncode == 0 else None


def _say(text: str) -> None:
    print(f"peers: {text}", file=sys.stderr, flush=True)
