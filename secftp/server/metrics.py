"""Prometheus metrics of a server, served over HTTP on an address of their own (default: loopback).

Labels come from short lists (operations, results, ciphers, limits), never from a peer: paths, names and addresses are
in the log. The alert rules in contrib/prometheus use these names.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

from secftp.errors import InstallationError, UsageError
from secftp.token_bucket import TokenBucket
from secftp.transport import Page, PageServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry

    from secftp.server.log_format import Operation

# Only these operations transfer bytes of files.
_DIRECTIONS: Final = {"read": "out", "write": "in"}
_TEXT_FORMAT: Final = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus' text-based exposition format
# Pages that are generated: at once, and per second.
PAGES: Final = 20
PAGES_PER_SECOND: Final = 10.0
_SECONDS: Final = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)


class Metrics:
    """Counters of a server, as `log.EventCounter` has them; `port` is where they are served."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = registry = CollectorRegistry()
        self.port = 0
        self._sessions = Gauge("secftp_sessions", "Current sessions.", registry=registry)
        self._handshakes = Counter(
            "secftp_handshakes", "Connections, by result of the handshake.", ["result"], registry=registry
        )
        self._operations = Counter(
            "secftp_operations", "Finished requests.", ["operation", "result"], registry=registry
        )
        self._bytes = Counter("secftp_bytes", "Bytes of files transferred.", ["direction", "cipher"], registry=registry)
        self._files = Counter("secftp_files", "Complete files transferred.", ["direction", "cipher"], registry=registry)
        self._seconds = Histogram(
            "secftp_operation_seconds", "Duration of requests.", ["operation"], buckets=_SECONDS, registry=registry
        )
        self._limits = Counter("secftp_limits", "Times that a limit was reached.", ["limit"], registry=registry)

    def handshake(self, result: str) -> None:
        """Count a handshake."""
        self._handshakes.labels(result).inc()

    def session(self, change: int) -> None:
        """Add to the current sessions."""
        self._sessions.inc(change)

    def operation(self, done: Operation, cipher: str) -> None:
        """Count a finished request."""
        self._operations.labels(done.name, done.result).inc()
        self._seconds.labels(done.name).observe(done.seconds)
        direction = _DIRECTIONS.get(done.name)
        if direction is not None:
            self._bytes.labels(direction, cipher).inc(done.nbytes)
            if done.result == "ok" and (done.at is None or done.whole is not None):
                self._files.labels(direction, cipher).inc()

    def limit(self, name: str) -> None:
        """Count a limit that was reached."""
        self._limits.labels(name).inc()


class _Pages:
    """The page with all metrics. Within a budget it is generated anew, else the last one is served again.

    So clients of the metrics port can't take processor time from transfers.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._budget = TokenBucket(PAGES_PER_SECOND, PAGES, time.monotonic())
        self._last: Page | None = None

    def __call__(self) -> Page:
        from prometheus_client import generate_latest

        if self._last is None or self._budget.take(1, time.monotonic()):
            self._last = Page("200 OK", _TEXT_FORMAT, generate_latest(self._registry))
        return self._last


@contextlib.contextmanager
def serve_metrics(host: str, port: int) -> Iterator[Metrics]:
    """Serve metrics at this address while the block runs.

    Raises `InstallationError` without prometheus_client, `UsageError` for an address that can't be used.
    """
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        raise InstallationError(
            "Metrics need the package prometheus_client.", hint="pip install 'secftp[metrics]'"
        ) from None
    metrics = Metrics()
    try:
        server = PageServer(host, port, _Pages(metrics.registry))
    except (OSError, UsageError) as problem:
        raise UsageError(
            f"The address for metrics can't be used: {_reason(problem)}.",
            hint="Give another: --metrics 127.0.0.1:9100",
        ) from None
    metrics.port = server.port
    with contextlib.closing(server):
        yield metrics


def _reason(problem: OSError | UsageError) -> str:
    return "there is no such host" if isinstance(problem, UsageError) else (problem.strerror or str(problem)).lower()
