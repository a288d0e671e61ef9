"""What the server does about each request; everything that a client can ask for is in here."""

from secftp.server.requests.context import RequestContext
from secftp.server.requests.serve import serve

__all__ = ["RequestContext", "serve"]
