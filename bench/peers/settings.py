"""The configuration files of the peers' servers, as texts: nothing here touches the machine.

Where a setting matters for speed it is the faster one for the peer: sshd without PAM and with the sftp server built
in, nginx with sendfile and without a log of requests. Every path stands in quotes, for folders with blanks.
"""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.peers.folders import Folders

LOOPBACK = "127.0.0.1"
# OpenSSH's own default has no CBC any more.
SSH_CIPHERS = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-cbc"
SHADOW = Path("/etc/shadow")


def sshd(port: int, host_key: Path, user_key: Path) -> str:
    """sshd_config(5): the user who runs this and nobody else, by one key."""
    user = _user()
    return f"""\
Port {port}
ListenAddress {LOOPBACK}
HostKey "{host_key}"
AuthorizedKeysFile "{user_key}.pub"
AllowUsers {user}
PidFile none
# The folder above is a temporary one, beneath one that all may write.
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


def ssh(port: int, user_key: Path, known_hosts: Path) -> str:
    """ssh_config(5): the host `peer`."""
    return f"""\
Host peer
  HostName {LOOPBACK}
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


def rsyncd(folders: Folders) -> str:
    """rsyncd.conf(5): the modules `source` and `target`."""
    # As root it would otherwise become nobody, who may not look into our folders.
    user = f"uid = {os.geteuid()}\ngid = {os.getegid()}\n" if os.geteuid() == 0 else ""
    return f"""\
{user}use chroot = no
pid file =
[source]
path = {folders.source}
read only = yes
[target]
path = {folders.target}
read only = no
"""


def nginx(port: int, folders: Folders, certificate: Path, key: Path) -> str:
    """nginx.conf: TLS 1.3 alone, the source folder, one worker, no file outside our folders."""
    user = f"user {_user()} {grp.getgrgid(os.getegid()).gr_name};" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f'  {kind}_temp_path "{folders.own}/nginx-{kind}";'
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""\
{user}
daemon off;
worker_processes 1;
error_log stderr;
pid "{folders.own}/nginx.pid";
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
    root "{folders.source}";
  }}
}}
"""


def _user() -> str:
    """The name of this user; its number where the system knows no name, as in many containers."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _is_locked(user: str) -> bool:
    """Whether sshd leaves this account to PAM: a password that begins with `!` (sshd(8), AUTHENTICATION)."""
    try:
        lines = SHADOW.read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith(f"{user}:!") for line in lines)
