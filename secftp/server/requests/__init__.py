"""What the server does about each request: everything that a client can ask for."""

from secftp.server.requests import batch, change, copy, listing, read, space, write  # noqa: F401 - each declares its handlers
from secftp.server.requests.context import RequestContext
from secftp.server.requests.serve import serve

__all__ = ["RequestContext", "serve"]
