"""The choice of a congestion control (tcp(7), TCP_CONGESTION): how fast a side sends, and what it does after a loss.

It belongs to the side that sends: a client's choice is about what it sends, the server's about what clients fetch. It
is set on a socket before that connects or listens, since an accepted socket has that of its listener. Nothing is set
unasked, so that the system's choice stays. Some controls take more than a fair share of a line.

The sizes of socket buffers are never set: that would end the kernel's own adjustment of them.
"""

from __future__ import annotations

import errno
import re
import socket
from typing import Final

from secftp.errors import UsageError
from secftp.system import allowed_congestion_controls, known_congestion_controls

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,15}", re.ASCII)  # TCP_CA_NAME_MAX is 16 with the NUL; longer ones are cut


def require_congestion(name: str) -> None:
    """Raise the `UsageError` that a socket with this congestion control would meet. Connects to nothing."""
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    except OSError:  # a system without IPv4
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    with sock:
        set_congestion(sock, name)


def set_congestion(sock: socket.socket, name: str) -> None:
    """Set the congestion control of a socket. Raises `UsageError` with the names that are possible.

    The message does not repeat the name: on a command line it may be anything.
    """
    if not hasattr(socket, "TCP_CONGESTION"):
        raise UsageError("This system does not let a program choose a congestion control.", hint="Leave it out.")
    if not _NAME.fullmatch(name):
        raise UsageError(
            "The name of a congestion control has at most 15 letters and digits.", hint=_possible(permitted=False)
        )
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode("ascii"))
    except OSError as problem:
        raise _refused(problem) from None


def _refused(problem: OSError) -> UsageError:
    if problem.errno == errno.ENOENT:
        return UsageError("The kernel has no congestion control of that name.", hint=_possible(permitted=False))
    if problem.errno == errno.EPERM:
        return UsageError(
            "The kernel does not allow this congestion control without privileges.", hint=_possible(permitted=True)
        )
    return UsageError(f"The congestion control can't be set: {problem.strerror}.", hint=_possible(permitted=True))


def _possible(*, permitted: bool) -> str:
    """Return a sentence with the names that can be given; `permitted`, those that need no privilege."""
    if permitted:
        names, setting = allowed_congestion_controls(), "net.ipv4.tcp_allowed_congestion_control"
        if names:
            return f"Allowed are {', '.join(names)}; an administrator can add to {setting}."
    else:
        names, setting = known_congestion_controls(), "net.ipv4.tcp_available_congestion_control"
        if names:
            return f"It has {', '.join(names)}; an administrator can load others, for example with modprobe tcp_bbr."
    return f"See sysctl {setting}."  # a sandbox may hide it
