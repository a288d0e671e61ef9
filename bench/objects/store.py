"""The object store of this benchmark as a process, and servers of it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

from bench.peers.failure import BenchError
from bench.peers.process import ENVIRONMENT, serving
from bench.peers.servers import LISTENING, WATCHED, Secftp
from bench.peers.settings import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

STOP_SECONDS = 10.0
ROOT = "s3://bench/files"


class LatentStore:
    """A process of `bench.objects.fake_store`, which ends with the block. `fill`: begin with the files below this."""

    def __init__(self, latency: float, fill: Path | None = None) -> None:
        command = [sys.executable, "-m", "bench.objects.fake_store", "--latency", str(latency)]
        command += [] if fill is None else ["--fill", str(fill)]
        self._process = subprocess.Popen(
            command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("the object store has ended")
        return line.strip()

    def requests(self) -> int:
        """Return how many requests there were so far."""
        return sum(int(word.partition("=")[2]) for word in self._asked("counts").split())

    def forget(self) -> None:
        """Have it forget all objects."""
        self._asked("forget")

    def _asked(self, word: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return self._line()

    @property
    def variables(self) -> list[str]:
        """The environment by which a server finds it, as words NAME=value."""
        return [
            f"AWS_ENDPOINT_URL=http://{LOOPBACK}:{self.port}",
            *("AWS_ALLOW_HTTP=true", "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=none"),
            # As at a store with TLS: without it the client of the store hashes every byte that it sends.
            "AWS_UNSIGNED_PAYLOAD=true",
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


@contextlib.contextmanager
def object_server(store: LatentStore, key: Path, log: Path, *more: str) -> Iterator[Secftp]:
    """Run a secftp server of the object store; `more` are further options."""
    where = ["0", "--host", LOOPBACK, "--root", ROOT, "--key-file", str(key), *more]
    command = ["env", *store.variables, sys.executable, "-P", "-c", WATCHED, *where]
    with serving(command, log, lambda said: bool(LISTENING.search(said))) as server:
        found = LISTENING.search(server.log())
        assert found is not None
        yield Secftp(server, f"{found[1]}:{found[2]}", key)
