"""An object store with the API of S3, in memory, that answers each request after a set time.

`python -m bench.objects.fake_store --latency 0.05` prints its port. It forgets everything at a line "forget"
of its standard input, and with the end of that.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import sys
from urllib.parse import parse_qsl, unquote, urlsplit

from bench.objects.fake_objects import Answer, Asked, Failure, FakeObjects, xml

_HOST = "127.0.0.1"
_HEAD_BYTES = 1 << 16
_END = b"\r\n\r\n"


class Server:
    """HTTP/1.1 in front of objects; each answer comes `latency` seconds after its request. `counts`: by method."""

    def __init__(self, objects: FakeObjects, latency: float) -> None:
        self._objects = objects
        self._latency = latency
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self.counts: dict[str, int] = {}

    async def accept(self, listener: socket.socket) -> None:
        """Serve every connection, without end."""
        while True:
            connection, _ = await self._loop.sock_accept(listener)
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._loop.create_task(self._serve(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket) -> None:
        """Serve one connection until it ends."""
        with connection, contextlib.suppress(ConnectionError, asyncio.CancelledError):
            buffered = bytearray()
            while (asked := await self._read(connection, buffered)) is not None:
                self.counts[asked.method] = self.counts.get(asked.method, 0) + 1
                if self._latency:
                    await asyncio.sleep(self._latency)
                try:
                    answer = self._objects.answer(asked)
                except Failure as failure:
                    answer = xml("Error", f"<Code>{failure.code}</Code>")._replace(status=failure.status)
                await self._loop.sock_sendall(connection, _head(answer))
                if asked.method != "HEAD" and answer.body:
                    await self._loop.sock_sendall(connection, answer.body)

    async def _read(self, connection: socket.socket, buffered: bytearray) -> Asked | None:
        """Read a request; what comes behind it stays in `buffered`. Bodies are received where they stay."""
        while (end := buffered.find(_END)) < 0:
            if not (data := await self._loop.sock_recv(connection, _HEAD_BYTES)):
                return None
            buffered += data
        first, *rest = buffered[:end].decode("latin-1").split("\r\n")
        del buffered[: end + len(_END)]
        method, target, _ = first.split(" ", 2)
        fields = (line.partition(":") for line in rest)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        body = bytearray(int(headers.get("content-length", "0")))
        at = min(len(buffered), len(body))
        body[:at] = buffered[:at]
        del buffered[:at]
        with memoryview(body) as view:
            while at < len(body):
                count = await self._loop.sock_recv_into(connection, view[at:])
                if not count:
                    return None
                at += count
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return Asked(method, unquote(parts.path).lstrip("/"), query, headers, body)


def _head(answer: Answer) -> bytes:
    headers = {"Content-Length": str(len(answer.body)), **(answer.headers or {})}
    lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def run(port: int, latency: float, objects: FakeObjects) -> None:
    """Serve on a port of the loopback interface until the standard input ends; 0 is any free port."""
    with socket.create_server((_HOST, port), backlog=1024) as listener:
        listener.setblocking(False)
        server = Server(objects, latency)
        accepting = asyncio.create_task(server.accept(listener))
        print(listener.getsockname()[1], flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line.strip() == "counts":
                print(" ".join(f"{method}={count}" for method, count in sorted(server.counts.items())), flush=True)
            elif line.strip() == "forget":
                objects.forget()
                print("forgotten", flush=True)
        accepting.cancel()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m bench.objects.fake_store", description=__doc__.split("\n\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds (default: 0.05)")
    parser.add_argument("--fill", metavar="DIRECTORY", help="begin with the files of this directory")
    parser.add_argument("--below", metavar="NAME", default="bench/files/tree", help="below this name")
    options = parser.parse_args()
    objects = FakeObjects()
    if options.fill is not None:
        objects.fill(options.fill, options.below)
    asyncio.run(run(options.port, options.latency, objects))


if __name__ == "__main__":
    main()
