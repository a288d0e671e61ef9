"""SPACE: the size of the file system that a name is in, and what is left of it for this client.

Rights decide what is told: the size of the server's disk to a client that may read or list its files, and only what it
can still write to one that may do nothing else. Invariant: the answer to such a client is the same whether or not the
name exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.protocol import Capacity, Right, Space
from secftp.server.requests.context import Outcome, name_of
from secftp.server.requests.serve import handles

if TYPE_CHECKING:
    from secftp.server.requests.context import RequestContext


@handles(Space)
def tell_space(context: RequestContext, request: Space) -> Outcome:
    """Answer SPACE with CAPACITY."""
    context.log.line(f"Client requesting free space: {name_of(request.path)}")
    rights = context.rights
    may_look = rights.read or rights.list
    if not may_look and not rights.write:
        context.require(Right.LIST)
    if may_look and request.path:
        context.store.identity(request.path)  # which raises for what does not exist
    space = context.store.space(request.path)
    read_only = space.read_only or not rights.write
    available, files_available = space.available, space.files_available
    if read_only:
        available = files_available = 0
    context.channel.send(
        Capacity(
            id=request.id,
            total=space.total if may_look else None,
            free=space.free if may_look else None,
            available=available,
            kept=space.kept if may_look else None,
            largest=space.largest,
            files=space.files if may_look else None,
            files_available=files_available,
            read_only=read_only,
        )
    )
    return Outcome()
