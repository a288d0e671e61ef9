"""Programs to compare with: location, version, and installation.

Missing programs are installed with apt where that is possible without a prompt: as root, or if sudo needs no password.
install.sh does this, and keeps the services of the packages from starting. A program that is still missing is skipped,
and reported in one line.
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
# Debian package of each program.
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
# What the comparison over an emulated line needs.
LINE_PACKAGES = {name: PACKAGES[name] for name in ("ssh", "scp", "ssh-keygen", "sshd", "rsync")}
LINE_PACKAGES |= {"lftp": "lftp", "rclone": "rclone"}
VERSION_COLUMNS = 70
# Option that prints the version; scp, sftp and sshd have that of ssh.
VERSIONS = {
    "ssh": ("-V",),
    "rsync": ("--version",),
    "nginx": ("-v",),
    "curl": ("--version",),
    "iperf3": ("--version",),
    "wormhole": ("--version",),
}


def find(program: str) -> str | None:
    """Return the absolute path of a program, searching sbin directories too; None if it is not installed."""
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    found = shutil.which(program, path=places)
    return os.path.abspath(found) if found else None


def missing(programs: tuple[str, ...]) -> list[str]:
    """Return the programs that are not installed."""
    return [program for program in programs if find(program) is None]


def needed_packages(programs: list[str]) -> list[str]:
    """Return the packages of these programs, without duplicates."""
    known = PACKAGES | LINE_PACKAGES
    return list(dict.fromkeys(known[program] for program in programs if program in known))


def install_missing(wanted_programs: dict[str, str] = PACKAGES) -> None:
    """Install missing programs, given with their packages, if possible; otherwise print what to install."""
    packages = needed_packages(missing(tuple(wanted_programs)))
    if not packages:
        return
    wanted = " ".join(packages)
    rights = _rights()
    if rights is None or find("apt-get") is None:
        _say(f"missing, and can't be installed automatically: {wanted} (Debian packages)")
        return
    _say(f"installing with apt-get, without starting any service: {wanted}")
    code, said = _run_uninterrupted([*rights, "sh", str(INSTALLER), *packages])
    if code != 0:
        _say(f"apt-get failed: {reason(said)}")


def _run_uninterrupted(command: list[str]) -> tuple[int, str]:
    """Return exit code and output. An interrupt takes effect only after the command has finished."""
    with tempfile.TemporaryFile("w+", errors="backslashreplace") as output:
        # In its own process group it does not receive Ctrl-C.
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
    """Return the first line of a program's version output; None if it is not installed or prints none."""
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
    """Return the first non-empty line, shortened and with single spaces; None if there is none."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return next((shorten(line, VERSION_COLUMNS, placeholder="") for line in lines if line), None)


def _rights() -> list[str] | None:
    """Return the command prefix for running as root; None if that requires a prompt."""
    if os.geteuid() == 0:
        return []
    sudo = find("sudo")
    if sudo is None:
        return None
    allowed = subprocess.run([sudo, "-n", "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return [sudo, "-n"] if allowed.returncode == 0 else None


def _say(text: str) -> None:
    print(f"peers: {text}", file=sys.stderr, flush=True)
