"""Requests whose replies are waited for later, so that several share a round trip.

The first requests of a session may leave before WELCOME has come, together with the end of the handshake: a server that
lacks the capability of a request's type closes the connection, and does not misread it (docs/PROTOCOL.md, section
10.2). WELCOME precedes all replies, so what the server lacks is known before one is waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from secftp.errors import ConnectionLost
from secftp.protocol import Message, exception_for
from secftp.session.replies import ListingReply, SingleReply, lacks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.protocol import List, Listed, Request
    from secftp.session.pipeline import Pipeline
    from secftp.session.replies import Reply
    from secftp.storage import Path

_Kind = TypeVar("_Kind", bound=Message)
_PACED: Final = 256  # entries that are used one after the other


def require_for(pipeline: Pipeline, request: Request, path: Path) -> None:
    """Raise a `FileError` about `path` if the server lacks what a request needs; waits for WELCOME to tell."""
    needed = request.needs()
    if needed is not None and needed not in pipeline.await_welcome().capabilities:
        raise lacks(needed, path)


def submit(pipeline: Pipeline, request: Request, reply: Reply, path: Path) -> None:
    """Make a request. Waits for WELCOME first, unless the request may precede it."""
    if pipeline.welcome is not None or not request.may_precede_welcome():
        require_for(pipeline, request, path)
    pipeline.submit(request, reply)


class Requested(Generic[_Kind]):
    """A request whose reply is one message, of the given kind. `path` and `to` are what an error is about."""

    __slots__ = ("_kind", "_path", "_pipeline", "_reply", "_request", "_to")

    def __init__(
        self, pipeline: Pipeline, request: Request, kind: type[_Kind], path: Path, to: Path | None = None
    ) -> None:
        self._pipeline = pipeline
        self._request = request
        self._kind = kind
        self._path = path
        self._to = to
        self._reply = SingleReply()
        submit(pipeline, request, self._reply, path)

    def result(self) -> _Kind:
        """Wait for the reply. Raises the `FileError` in an ERROR, also if the server lacks the capability.

        A loss of the connection does not matter once the reply is complete.
        """
        try:
            require_for(self._pipeline, self._request, self._path)
            self._pipeline.wait_for(self._reply)
        except ConnectionLost:
            if not self._reply.complete:
                raise
        return self._reply.unwrap(self._kind, self._path, self._to)

    def settle(self) -> None:
        """Wait for the reply, whatever it is."""
        self._pipeline.wait_for(self._reply)

    def cancel(self) -> None:
        """Ask the server, with the next request, not to answer; the reply is thrown away."""
        if not self._reply.complete:
            self._pipeline.cancel_later(self._request.id)


class RequestedListing:
    """A LIST. To be used up by `entries`, or dropped."""

    __slots__ = ("_pipeline", "_reply", "_request")

    def __init__(self, pipeline: Pipeline, request: List, reply: ListingReply | None = None) -> None:
        self._pipeline = pipeline
        self._request = request
        self._reply = ListingReply() if reply is None else reply
        submit(pipeline, request, self._reply, request.path)

    def entries(self) -> Iterator[Listed]:
        """Yield the entries as they arrive. Raises what is wrong with the directory itself.

        A caller that closes the generator early cancels the listing, with the next request.
        """
        pipeline, reply = self._pipeline, self._reply
        try:
            require_for(pipeline, self._request, self._request.path)
            with pipeline.keepalive():
                while True:
                    while reply.entries:
                        for _ in range(min(len(reply.entries), _PACED)):
                            yield reply.entries.popleft()
                        pipeline.waits.pace()
                    if reply.complete:
                        break
                    pipeline.step()
        finally:
            self.drop()
        if reply.error is not None:
            raise exception_for(reply.error.code, self._request.path, reply.error.reason)

    def drop(self) -> None:
        """Throw away what is left, and cancel what has not come."""
        self._reply.drop()
        if not self._reply.complete:
            self._pipeline.cancel_later(self._request.id)
