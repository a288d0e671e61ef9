"""An ASGI server for tests, on the loop of the test: requests whose client may disconnect in the middle."""

from __future__ import annotations

import asyncio
import contextlib
from typing import NamedTuple


class Response(NamedTuple):
    status: int | None
    headers: dict[bytes, bytes]
    body: bytes


class Exchange:
    """A request and what is sent in reply. `body`: chunks, or None where the client disconnects.

    `reads`: how many chunks of the response the client takes before it disconnects, None for all. `spec`: the version
    of ASGI: from 2.4 on, to send to a client that is gone is an OSError; before, only `receive` tells.
    """

    def __init__(self, method, path, body=(), *, reads=None, spec="2.4"):
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": spec},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"test")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        self._body = [*body, b""]
        self._reads = reads
        self._is_gone = asyncio.Event()
        self._start = None
        self._received = []

    async def run(self, app):
        """The response; with what the application raised if the client is gone, as a server would log it."""
        problem = None
        try:
            await app(self._scope, self._receive, self._send)
        except Exception as raised:
            if not self._is_gone.is_set():
                raise
            problem = raised
        start = self._start or {"status": None, "headers": ()}
        return Response(start["status"], dict(start["headers"]), b"".join(self._received)), problem

    async def _receive(self):
        if self._body:
            chunk = self._body.pop(0)
            if chunk is None:
                self._is_gone.set()
            else:
                return {"type": "http.request", "body": chunk, "more_body": bool(self._body)}
        await self._is_gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        await asyncio.sleep(0)
        if self._is_gone.is_set():
            if self._scope["asgi"]["spec_version"] >= "2.4":
                raise OSError("the client is gone")
            return
        if message["type"] == "http.response.start":
            self._start = message
        elif message.get("body"):
            self._received.append(message["body"])
            if len(self._received) == self._reads:
                self._is_gone.set()


@contextlib.asynccontextmanager
async def running(app):
    """The application from its startup to its shutdown; a function that makes a request of it."""

    async def request(*args, **kwargs):
        return await Exchange(*args, **kwargs).run(app)

    async with app.router.lifespan_context(app):
        yield request
