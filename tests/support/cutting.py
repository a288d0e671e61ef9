"""A proxy that cuts connections after a number of bytes, or stalls them."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.support.serving import DEADLINE, HOST

_CHUNK = 1 << 16


class Proxy:
    """Listens on `port` and passes everything on to a server, in all so many bytes as `passed` says.

    `cuts`: for the first connections, one each, after how many bytes (both ways together) it is cut; later ones live.
    """

    def __init__(self, server_port, cuts):
        self.accepted = 0
        self.passed = 0
        self._server_port = server_port
        self._cuts = list(cuts)
        self._threads = []
        self._sockets = []
        self._lock = threading.Lock()
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)

    def _start(self, work, *arguments):
        thread = threading.Thread(target=work, args=arguments, name="proxy")
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):  # it is closed
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection((HOST, self._server_port), timeout=DEADLINE)
                for sock in (near, far):
                    sock.settimeout(None)
                self._sockets += [near, far]
                left = [self._cuts[self.accepted] if self.accepted < len(self._cuts) else None]
                self.accepted += 1
                self._start(self._pump, near, far, left)
                self._start(self._pump, far, near, left)

    def _pump(self, source, target, left):
        with contextlib.suppress(OSError):  # the other pump has cut it, or one of the ends has
            while chunk := source.recv(_CHUNK):
                with self._lock:
                    if left[0] is not None:
                        chunk, left[0] = chunk[: left[0]], max(0, left[0] - len(chunk))
                    self.passed += len(chunk)
                target.sendall(chunk)
                if left[0] == 0:
                    break
        for sock in (source, target):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE)
            assert not thread.is_alive(), "a thread of the proxy hangs"
        for sock in self._sockets:
            sock.close()


@contextlib.contextmanager
def cutting(server_port, *cuts):
    """A `Proxy` before a server."""
    with contextlib.closing(Proxy(server_port, cuts)) as proxy:
        yield proxy
