"""What the server does about each request; everything that a client can ask for is in here."""

from secftp.server.requests.desk import Desk
from secftp.server.requests.serve import serve

__all__ = ["Desk", "serve"]
