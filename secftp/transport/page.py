"""An HTTP/1.1 server (RFC 9112) for one page, which a monitoring system polls.

One thread serves all connections. Each is for one request, whose header is bounded, and is closed after some seconds
whatever its peer does. There are few at once: beyond that the oldest is closed, since a client that sends its request
at once has its response by then.

Invariant: no peer determines how many threads, descriptors or bytes of memory are in use here, or for how long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from secftp.errors import ConnectionLost
from secftp.transport.listener import Listener, listen

if TYPE_CHECKING:
    from secftp.transport.stream import Stream

CONNECTIONS_MAX: Final = 8
CONNECTION_SECONDS: Final = 5.0  # from accept to close, in all
HEAD_MAX: Final = 8192  # bytes of a request's head; Prometheus sends some 300
# Received after a request and thrown away, so that closing does not reset the connection before the response is read.
LINGER_MAX: Final = 65536
# Between two attempts to send what a peer did not take at once; a response usually fits into the socket's buffer.
RETRY_SECONDS: Final = 0.05
_READ_BYTES: Final = 4096


class Page(NamedTuple):
    """A response: status code and reason, media type, body."""

    status: str
    content_type: str
    body: bytes


MakePage: TypeAlias = Callable[[], Page]


def plain(status: str) -> Page:
    """Return a page that only shows a status such as `404 Not Found`."""
    return Page(status, "text/plain; charset=utf-8", f"{status}\n".encode())


class PageServer:
    """Serves the page that `make` returns, at every path, in a thread of its own until `close`.

    `make` is called in that thread. Raises what `listen` raises.
    """

    def __init__(self, host: str, port: int, make: MakePage) -> None:
        self._listener: Listener = listen([host], port)
        self._make = make
        self._connections: dict[int, _PageConnection] = {}  # by descriptor, the oldest first
        self._over = False
        self._thread = threading.Thread(target=self._run, name="secftp-page", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            self._listener.close()
            raise

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._listener.port

    def close(self) -> None:
        """End the thread and close all connections. Idempotent."""
        self._over = True
        self._listener.wake()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._over:
                self._turn()
        finally:
            for connection in list(self._connections.values()):
                self._close(connection)
            self._listener.close()

    def _turn(self) -> None:
        ready = set(self._listener.wait(self._timeout()))
        for descriptor, connection in list(self._connections.items()):
            if descriptor in ready or connection.is_sending:
                self._advance(connection)
        for stream, _ in self._listener.accept():
            self._accept(stream)
        now = time.monotonic()
        for connection in [one for one in self._connections.values() if one.deadline <= now]:
            self._close(connection)

    def _timeout(self) -> float | None:
        if not self._connections:
            return None
        oldest = next(iter(self._connections.values()))
        left = max(0.0, oldest.deadline - time.monotonic())
        return min(left, RETRY_SECONDS) if any(one.is_sending for one in self._connections.values()) else left

    def _accept(self, stream: Stream) -> None:
        if len(self._connections) >= CONNECTIONS_MAX:
            self._close(next(iter(self._connections.values())))
        connection = _PageConnection(stream, self._make)
        self._listener.watch(stream)
        self._connections[stream.fileno()] = connection

    def _advance(self, connection: _PageConnection) -> None:
        try:
            is_over = connection.advance()
        except ConnectionLost:
            is_over = True
        except Exception:  # noqa: BLE001 - a failure of one request must not end the thread
            is_over = True
        if is_over:
            self._close(connection)

    def _close(self, connection: _PageConnection) -> None:
        stream = connection.stream
        del self._connections[stream.fileno()]
        self._listener.unwatch(stream)
        stream.close()


class _PageConnection:
    """One connection: receives a request's header, sends the response, then throws away what else comes."""

    def __init__(self, stream: Stream, make: MakePage) -> None:
        self.stream = stream
        self.deadline = time.monotonic() + CONNECTION_SECONDS
        self.is_sending = False
        self._make = make
        self._head = bytearray()
        self._unsent = memoryview(b"")
        self._lingered = -1  # bytes thrown away; negative until all is sent

    def advance(self) -> bool:
        """Do what can be done without waiting. Returns whether to close the connection."""
        if not self.is_sending:
            scratch = memoryview(bytearray(_READ_BYTES))
            count = self.stream.try_receive(scratch)
            if count is None:
                return False
            if count == 0:
                return True
            if self._lingered >= 0:
                self._lingered += count
                return self._lingered > LINGER_MAX
            self._take(scratch[:count])
        if self.is_sending:
            self._send()
        return False

    def _take(self, data: memoryview) -> None:
        self._head += data
        lines = bytes(self._head).replace(b"\r\n", b"\n")
        if b"\n\n" in lines:
            self._answer(lines[: lines.index(b"\n\n")])
        elif len(self._head) > HEAD_MAX:
            self._reply(plain("431 Request Header Fields Too Large"), with_body=True)

    def _answer(self, head: bytes) -> None:
        words = head.partition(b"\n")[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):  # noqa: PLR2004 - method, target, version
            self._reply(plain("400 Bad Request"), with_body=True)
        elif words[0] not in ("GET", "HEAD"):
            self._reply(plain("405 Method Not Allowed"), with_body=True)
        else:
            self._reply(self._make(), with_body=words[0] == "GET")

    def _reply(self, page: Page, *, with_body: bool) -> None:
        fields = [
            f"HTTP/1.1 {page.status}",
            f"Content-Type: {page.content_type}",
            f"Content-Length: {len(page.body)}",
            "Allow: GET, HEAD",
            "Connection: close",
        ]
        head = "".join(f"{field}\r\n" for field in fields) + "\r\n"
        self._unsent = memoryview(head.encode("latin-1") + (page.body if with_body else b""))
        self.is_sending = True

    def _send(self) -> None:
        while self._unsent:
            sent = self.stream.try_send(self._unsent)
            if not sent:
                return
            self._unsent = self._unsent[sent:]
        self.is_sending = False
        self._lingered = 0
        self.stream.finish_sending()
