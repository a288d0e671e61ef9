"""Configuration files of the servers to compare with, as strings.

Settings that affect performance favour the server: sshd without PAM and with the internal sftp server, nginx with
sendfile and without an access log. All paths are quoted, since they may contain spaces.
"""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.peers.directories import Directories

LOOPBACK = "127.0.0.1"
# The default of OpenSSH no longer includes CBC.
SSH_CIPHERS = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-cbc"
SHADOW = Path("/etc/shadow")


def sshd(port: int, host_key: Path, user_key: Path, address: str = LOOPBACK) -> str:
    """Return sshd_config(5) that accepts only the current user, with one key."""
    user = _user()
    return f"""\
Port {port}
ListenAddress {address}
HostKey "{host_key}"
AuthorizedKeysFile "{user_key}.pub"
AllowUsers {user}
PidFile none
# The parent is a temporary directory in a world-writable one.
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM {"yes" if _is_locked(user) else "no"}
PrintMotd no
PrintLastLog no
Ciphers {SSH_CIPHERS}
Subsystem sftp internal-sftp
"""


def ssh(port: int, user_key: Path, known_hosts: Path, address: str = LOOPBACK) -> str:
    """Return ssh_config(5) for the host `peer`."""
    return f"""\
Host peer
  HostName {address}
  Port {port}
  User {_user()}
  IdentityFile "{user_key}"
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile "{known_hosts}"
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
  BatchMode yes
  Compression no
  ControlMaster no
"""


def rsyncd(directories: Directories) -> str:
    """Return rsyncd.conf(5) with the modules `source` and `target`."""
    # As root it would otherwise switch to the user nobody, who has no access to the directories.
    user = f"uid = {os.geteuid()}\ngid = {os.getegid()}\n" if os.geteuid() == 0 else ""
    return f"""\
{user}use chroot = no
pid file =
[source]
path = {directories.source}
read only = yes
[target]
path = {directories.target}
read only = no
"""


def nginx(port: int, directories: Directories, certificate: Path, key: Path) -> str:
    """Return nginx.conf: TLS 1.3 only, the source directory, one worker, no files outside the given directories."""
    user = f"user {_user()} {grp.getgrgid(os.getegid()).gr_name};" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f'  {kind}_temp_path "{directories.own}/nginx-{kind}";'
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""\
{user}
daemon off;
worker_processes 1;
error_log stderr;
pid "{directories.own}/nginx.pid";
events {{ worker_connections 64; }}
http {{
{temporary}
  access_log off;
  sendfile on;
  tcp_nopush on;
  server {{
    listen {LOOPBACK}:{port} ssl;
    ssl_protocols TLSv1.3;
    ssl_certificate "{certificate}";
    ssl_certificate_key "{key}";
    root "{directories.source}";
  }}
}}
"""


def _user() -> str:
    """Return the user name, or the user id if it has no name, as in many containers."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _is_locked(user: str) -> bool:
    """Return whether the account is locked, so that sshd requires PAM: password with `!` (sshd(8), AUTHENTICATION)."""
    try:
        lines = SHADOW.read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith(f"{user}:!") for line in lines)
