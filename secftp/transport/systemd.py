"""systemd: socket activation (sd_listen_fds(3)) and status notification (sd_notify(3))."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from typing import Final

from secftp.errors import UsageError
from secftp.transport.listener import BACKLOG, Listener

FIRST_DESCRIPTOR: Final = 3
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def inherited() -> Listener | None:
    """Return a listener on the sockets that this process was started with; None if there are none.

    Their variables are removed from the environment, so that no child process takes the sockets for its own. Raises
    `UsageError` for a descriptor that is no listening TCP socket.
    """
    pid, count, _ = (os.environ.pop(name, "") for name in _VARIABLES)
    if pid != str(os.getpid()) or not count.isdigit() or int(count) == 0:
        return None
    sockets: list[socket.socket] = []
    try:
        for descriptor in range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count)):
            os.set_inheritable(descriptor, False)
            sock = socket.socket(fileno=descriptor)
            sockets.append(sock)
            _listen_on(sock)
    except OSError:
        for sock in sockets:
            sock.detach()
        raise UsageError(
            "A descriptor passed by systemd is not a listening TCP socket.",
            hint="Check ListenStream= in the socket unit.",
        ) from None
    return Listener(sockets)


def _listen_on(sock: socket.socket) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))  # its peers would have no address
    sock.listen(BACKLOG)  # which a socket that is no stream refuses
    sock.setblocking(False)


def notify(*states: str) -> None:
    """Tell systemd, if it started this process: `READY=1`, `STOPPING=1`, `STATUS=...`. Never fails, never waits."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto("\n".join(states).encode(), "\0" + place[1:] if place.startswith("@") else place)
