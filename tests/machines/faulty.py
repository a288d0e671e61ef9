"""An HTTP proxy between a server and its object store, with faults at chosen requests.

It reads each request whole, numbers it, and asks its `plan` what is to happen: nothing, or a `Fault`, before or after
the store has carried it out. The plan is called in the thread of the connection. What came is in `requests`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.support.serving import HOST

if TYPE_CHECKING:
    from collections.abc import Callable

_GRACE = 10.0  # seconds for threads to end
# The names of the requests that change what a store has.
CHANGES = frozenset(
    {
        *("PutObject", "CopyObject", "DeleteObject", "DeleteObjects"),
        *("CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "AbortMultipartUpload"),
    }
)


class Request(NamedTuple):
    """A request as it came: `number` counts from 0; `key` is without the bucket, `query` without values it lacks."""

    number: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self):
        return urlsplit(self.target).path.lstrip("/").partition("/")[2]

    @property
    def query(self):
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def name(self):
        """What it asks for, as the documentation of S3 names it."""
        query, copies = self.query, "x-amz-copy-source" in self.headers
        found = {
            "PUT": "CopyObject" if copies else "PutObject",
            "POST": "DeleteObjects" if "delete" in query else "CreateMultipartUpload",
            "DELETE": "DeleteObject",
            "HEAD": "HeadObject",
            "GET": "GetObject" if self.key else "ListObjectsV2",
        }
        if "uploadId" in query:
            part = "UploadPartCopy" if copies else "UploadPart"
            found |= {"PUT": part, "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
        return found[self.method]


@dataclass(frozen=True)
class Fault:
    """What is wrong with a request.

    `kind`: "cut" (the connection ends without an answer), "truncate" (the answer ends in the middle), "status" (an
    error is answered), "stall" (no answer comes until the proxy is closed). `carried_out`: whether the store gets the
    request all the same. `status`, `code`: of the error. `act`: called at that moment, to kill a process for example.
    """

    kind: str
    carried_out: bool = False
    status: int = 500
    code: str = "InternalError"
    act: Callable[[], None] | None = None


class FaultyStore:
    """A proxy on a free port of this machine, in front of the store at another `port`."""

    def __init__(self, port):
        self.plan = lambda _request: None
        self.requests = []
        self._target = port
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._sockets = set()
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"
        self._threads = [threading.Thread(target=self._accept, name="faulty store")]
        self._threads[0].start()

    def reset(self, plan=lambda _request: None):
        """Count from 0 again, with another plan; return the requests so far."""
        with self._lock:
            before, self.requests, self.plan = self.requests, [], plan
        return before

    def close(self):
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(_GRACE)
        self._listener.close()
        with self._lock:
            open_sockets = list(self._sockets)
        for connection in open_sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_GRACE)
            assert not thread.is_alive(), "the faulty store hangs"

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), name="faulty store connection")
            self._threads.append(thread)
            thread.start()

    @contextlib.contextmanager
    def _held(self, connection):
        with connection:
            with self._lock:
                self._sockets.add(connection)
            if self._over.is_set():
                raise OSError("closed")
            try:
                yield connection
            finally:
                with self._lock:
                    self._sockets.discard(connection)

    def _serve(self, client):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(self._held(client))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            incoming = stack.enter_context(client.makefile("rb"))
            while (read := read_message(incoming)) is not None:
                first, headers, body, raw = read
                method, target, _ = first.split(" ", 2)
                with self._lock:
                    request = Request(len(self.requests), method, target, headers, body)
                    self.requests.append(request)
                    plan = self.plan
                fault = plan(request)
                if not self._answer(client, request, raw, fault):
                    return

    def _answer(self, client, request, raw, fault):
        """Carry the request out; return whether the connection goes on."""
        answer = b""
        if fault is None or fault.carried_out or fault.kind == "truncate":
            answer = self.carry_out(request, raw)
            if not answer:
                return False
        if fault is None:
            client.sendall(answer)
            return True
        if fault.act is not None:
            fault.act()
        match fault.kind:
            case "status":
                client.sendall(_error(fault, request))
                return True
            case "truncate":
                client.sendall(answer[: max(1, len(answer) - max(1, (len(answer) - answer.index(b"\r\n\r\n")) // 2))])
            case "stall":
                self._over.wait()
        return False

    def carry_out(self, request, raw):
        """Pass the request to the store, and return its answer as it came; empty if it has ended the connection."""
        read = self.ask(raw, bodiless=request.method == "HEAD")
        return b"" if read is None else read[3]

    def ask(self, raw, *, bodiless):
        """Send a request over a connection of its own: moto's server ends each after its answer."""
        with (
            self._held(socket.create_connection((HOST, self._target))) as store,
            store.makefile("rb") as answers,
        ):
            store.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            store.sendall(raw)
            return read_message(answers, bodiless=bodiless)


class SerialStore(FaultyStore):
    """A proxy that passes on one change at a time.

    moto decides whether there is an object before it has put the parts of a new one together, and then does not look
    again: of two conditional completions at the same moment both succeed, which a real store never lets happen.
    """

    def __init__(self, port):
        self._changes = threading.Lock()
        super().__init__(port)

    def carry_out(self, request, raw):
        if request.method == "POST" or "if-none-match" in request.headers:
            with self._changes:
                return super().carry_out(request, raw)
        return super().carry_out(request, raw)


def _error(fault, request):
    body = b"" if request.method == "HEAD" else f"<Error><Code>{fault.code}</Code></Error>".encode()
    head = (
        f"HTTP/1.1 {fault.status} {fault.code}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def read_message(stream, *, bodiless=False):
    """Read a request or an answer: its first line, headers, body, and all of it as it came; None at the end."""
    lines = [stream.readline()]
    if not lines[0]:
        return None
    while (line := stream.readline()) not in (b"\r\n", b""):
        lines.append(line)
    if not line:
        return None
    first = lines[0].decode("latin-1").strip()
    fields = (line.decode("latin-1").partition(":") for line in lines[1:])
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    body = b""
    if not bodiless and headers.get("transfer-encoding", "").lower() == "chunked":
        body = _read_chunks(stream)
    elif not bodiless:
        body = stream.read(int(headers.get("content-length", "0")))
    return first, headers, body, b"".join(lines) + b"\r\n" + body


def _read_chunks(stream):
    """Read a chunked body as it came, with its framing."""
    raw = []
    while True:
        line = stream.readline()
        raw.append(line)
        size = int(line.split(b";")[0] or b"0", 16)
        raw.append(stream.read(size + 2))
        if not size:
            return b"".join(raw)
