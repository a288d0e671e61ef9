"""The handshake of secftp/1, sans-I/O: bytes in, events out; no socket, no file, no thread, no clock."""

from secftp.handshake.client import ClientHandshake
from secftp.handshake.server import HelloReceived, ServerHandshake, Unacceptable
from secftp.handshake.wire import Established, Status

__all__ = ["ClientHandshake", "Established", "HelloReceived", "ServerHandshake", "Status", "Unacceptable"]
