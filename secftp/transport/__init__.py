"""Connections and verified sessions over them. The only package that imports socket.

What only a server needs is imported at its first use, so that a client never loads it.
"""

from secftp.transport.channel import IDLE_SECONDS, KEEPALIVE_SECONDS, Channel
from secftp.transport.connect import Credentials, connect
from secftp.transport.incoming import DataCount, DataRun, Received
from secftp.transport.keepalive import Keepalive
from secftp.transport.stream import Stream

TYPE_CHECKING = False  # as of typing, which a client need not load for this
if TYPE_CHECKING:
    from secftp.transport.accept import IncomingHandshake, IncomingProxyHeader
    from secftp.transport.bandwidth import Bandwidth, MeteredStream
    from secftp.transport.congestion import require_congestion
    from secftp.transport.listener import Listener, Peer, listen
    from secftp.transport.page import Page, PageServer
    from secftp.transport.systemd import inherited, notify

# The modules of what only a server needs, and of what few clients do.
_SERVER = {
    "IncomingHandshake": "accept",
    "IncomingProxyHeader": "accept",
    "Listener": "listener",
    "Bandwidth": "bandwidth",
    "MeteredStream": "bandwidth",
    "Page": "page",
    "PageServer": "page",
    "Peer": "listener",
    "inherited": "systemd",
    "listen": "listener",
    "notify": "systemd",
    "require_congestion": "congestion",
}

__all__ = [
    "IDLE_SECONDS",
    "KEEPALIVE_SECONDS",
    "Bandwidth",
    "Channel",
    "Credentials",
    "DataCount",
    "DataRun",
    "IncomingHandshake",
    "IncomingProxyHeader",
    "Keepalive",
    "Listener",
    "MeteredStream",
    "Page",
    "PageServer",
    "Peer",
    "Received",
    "Stream",
    "connect",
    "inherited",
    "listen",
    "notify",
    "require_congestion",
]

if not TYPE_CHECKING:  # else a type checker would accept any name

    def __getattr__(name: str) -> object:
        """Import what only a server needs."""
        module = _SERVER.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{module}"), name)
