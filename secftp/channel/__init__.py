"""Connections: the only package that imports socket. What comes out of it is a verified session."""

from secftp.channel.channel import IDLE_SECONDS, KEEPALIVE_SECONDS, Channel, DataRun, Received
from secftp.channel.connect import Credentials, connect
from secftp.channel.incoming import Incoming, accept_client
from secftp.channel.keepalive import Keepalive
from secftp.channel.listen import Listener, Peer, listen
from secftp.channel.paced import Pace, PacedStream
from secftp.channel.page import Page, PageServer
from secftp.channel.service import inherited, notify
from secftp.channel.stream import Stream

__all__ = [
    "IDLE_SECONDS",
    "KEEPALIVE_SECONDS",
    "Channel",
    "Credentials",
    "DataRun",
    "Incoming",
    "Keepalive",
    "Listener",
    "Pace",
    "PacedStream",
    "Page",
    "PageServer",
    "Peer",
    "Received",
    "Stream",
    "accept_client",
    "connect",
    "inherited",
    "listen",
    "notify",
]
