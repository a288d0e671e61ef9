"""What a server counts, for Prometheus: served over HTTP on an address of its own, this machine's unless told.

Labels come from short lists (an operation, a result, a cipher, the name of a limit), never from a peer: paths, names
and addresses stand in the log. The alert rules in contrib/prometheus use these names.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from secftp.errors import InstallationError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secftp.server.log import Operation

# A read moves bytes to the client, a write from it; what other operations move is nothing.
_DIRECTIONS: Final = {"read": "out", "write": "in"}
_SECONDS: Final = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)


class Metrics:
    """Implements `log.Counter`; `port` is where it is served."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = registry = CollectorRegistry()
        self.port = 0
        self._sessions = Gauge("secftp_sessions", "Sessions under way.", registry=registry)
        self._handshakes = Counter(
            "secftp_handshakes", "Connections by what became of them.", ["result"], registry=registry
        )
        self._operations = Counter(
            "secftp_operations", "Requests that are over.", ["operation", "result"], registry=registry
        )
        self._bytes = Counter("secftp_bytes", "Bytes of files moved.", ["direction", "cipher"], registry=registry)
        self._files = Counter("secftp_files", "Files moved whole.", ["direction", "cipher"], registry=registry)
        self._seconds = Histogram(
            "secftp_operation_seconds", "How long requests took.", ["operation"], buckets=_SECONDS, registry=registry
        )
        self._limits = Counter("secftp_limits", "How often a limit bit.", ["limit"], registry=registry)

    def handshake(self, result: str) -> None:
        """As `Counter.handshake`."""
        self._handshakes.labels(result).inc()

    def session(self, change: int) -> None:
        """As `Counter.session`."""
        self._sessions.inc(change)

    def operation(self, done: Operation, cipher: str) -> None:
        """As `Counter.operation`."""
        self._operations.labels(done.name, done.result).inc()
        self._seconds.labels(done.name).observe(done.seconds)
        direction = _DIRECTIONS.get(done.name)
        if direction is not None:
            self._bytes.labels(direction, cipher).inc(done.nbytes)
            if done.result == "ok":
                self._files.labels(direction, cipher).inc()

    def limit(self, name: str) -> None:
        """As `Counter.limit`."""
        self._limits.labels(name).inc()


@contextlib.contextmanager
def serve_metrics(host: str, port: int) -> Iterator[Metrics]:
    """Count, and let Prometheus read it at this address, as long as the block lasts."""
    try:
        import prometheus_client
    except ImportError:
        raise InstallationError(
            "Metrics need the package prometheus_client.", hint="pip install 'secftp[metrics]'"
        ) from None
    metrics = Metrics()
    try:
        server, thread = prometheus_client.start_http_server(port, host, metrics.registry)
    except OSError as problem:
        raise UsageError(
            f"The address for metrics can't be used: {(problem.strerror or str(problem)).lower()}.",
            hint="Give another: --metrics 127.0.0.1:9100",
        ) from None
    metrics.port = server.server_port
    try:
        yield metrics
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
