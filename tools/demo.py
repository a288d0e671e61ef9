"""Demo: file transfers in both directions with every cipher, through the command lines; `make demo` runs it.

Starts a server on a free loopback port with a new key file, writes an image and 256 MiB of random bytes to it with each
cipher, reads them back, compares them, and prints a table: medians of three rounds, the ciphers in turn. A round before
the first one is not counted, since some virtual machines get memory from their host only when it is used. In any case
the server is stopped by its process id and the temporary directory is removed; a failure is one sentence and an exit
code other than 0.
"""

from __future__ import annotations

import collections
import contextlib
import filecmp
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).resolve().parent.parent
PICTURE = TOP / "docs" / "pictures" / "report.png"
CIPHERS = ("none", "aes128", "aes256")
ROUNDS = 3
LARGE_BYTES = 256 << 20
# The source, the server's copy, the copy that was read back, and a margin.
NEEDED_BYTES = 3 * LARGE_BYTES + (64 << 20)
START_SECONDS = 30
TRANSFER_SECONDS = 300
STOP_SECONDS = 20
LISTENING = re.compile(r"^!! \d\d:\d\d:\d\d: Listening @ (\S+) on port (\d+)")
CHECKSUM = re.compile(r"checksum: xxh128:([0-9a-f]+)")
ROW = "{:<12}  {:>9}  {:<6}  {:>10}  {:>9}  {}"
# The user's keys and settings must not affect the demo.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SECFTP_")}


class DemoError(Exception):
    """A failure, with one sentence for the user."""


def reason(lines: list[str]) -> str:
    """Return the last message of a program, without the hint that may follow it."""
    said = [text for line in lines if (text := line.strip()) and not text.startswith("hint:")]
    return said[-1] if said else "no message"


def run(*arguments: str | Path) -> str:
    """Run a secftp command to completion and return its standard error."""
    command = [sys.executable, "-P", "-m", *map(str, arguments)]
    shown = " ".join(("python", *command[1:5]))
    try:
        result = subprocess.run(
            command,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=TRANSFER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DemoError(f"`{shown}` did not end within {TRANSFER_SECONDS} s.") from None
    messages = result.stderr.decode(errors="backslashreplace")
    if result.returncode != 0:
        raise DemoError(f"`{shown}` ended with exit code {result.returncode}: {reason(messages.splitlines())}")
    return messages


class Server:
    """The server process; a thread reads its log, so that it never blocks on a full pipe."""

    def __init__(self, root: Path, key: Path) -> None:
        arguments = ["0", "--root", str(root), "--host", "127.0.0.1", "--key-file", str(key)]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "secftp.server", *arguments],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
        )
        self._place = ""
        self._log: collections.deque[str] = collections.deque(maxlen=20)
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._log.append(line)
            if not self._place and (found := LISTENING.match(line)):
                self._place = f"{found[1]}:{found[2]}"
                self._ready.set()
        # End of the log: the server will not start any more.
        self._ready.set()

    def place(self) -> str:
        """Wait until the server listens and return its `HOST:PORT`."""
        self._ready.wait(START_SECONDS)
        if not self._place:
            raise DemoError(f"The server did not start: {reason(list(self._log))}")
        return self._place

    def stop(self) -> None:
        """Stop the server with SIGTERM, and with SIGKILL if it does not exit in time."""
        self._process.terminate()
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise DemoError(f"The server did not stop within {STOP_SECONDS} s of SIGTERM.") from None
        finally:
            self._reader.join(STOP_SECONDS)
            assert self._process.stdout is not None
            self._process.stdout.close()
        if code != 0:
            raise DemoError(f"The server ended with exit code {code}: {reason(list(self._log))}")


@contextlib.contextmanager
def running_server(root: Path, key: Path) -> Iterator[str]:
    """Run a server for `root`; yields its `HOST:PORT`."""
    server = Server(root, key)
    try:
        yield server.place()
    except BaseException:
        # Report the first failure.
        with contextlib.suppress(DemoError):
            server.stop()
        raise
    server.stop()


def transfer(verb: str, name: str, place: str, cipher: str, *options: str | Path) -> tuple[float, str]:
    """Run the client once; return its seconds, including startup, and the checksum it confirmed."""
    start = time.perf_counter()
    messages = run("secftp.client", verb, name, place, cipher, *options)
    seconds = time.perf_counter() - start
    found = CHECKSUM.findall(messages)
    if not found:
        raise DemoError(f"The client did not confirm a checksum when it should {verb} {name} with {cipher}.")
    return seconds, found[-1]


class Trip(NamedTuple):
    """A file written to the server and read back: the seconds of each, and the checksum that both confirmed."""

    write_seconds: float
    read_seconds: float
    checksum: str


def there_and_back(source: Path, place: str, cipher: str, key: Path, directory: Path) -> Trip:
    """Write `source` to the server, read it back, compare, and remove the copies."""
    name = f"{cipher}-{source.name}"
    copy = directory / "copy"
    write_seconds, write_checksum = transfer("write", name, place, cipher, "-i", source, "--key-file", key)
    read_seconds, read_checksum = transfer("read", name, place, cipher, "-o", copy, "--key-file", key)
    stored = directory / "root" / name
    if write_checksum != read_checksum:
        raise DemoError(f"{source.name} with {cipher}: the checksums of writing and reading differ.")
    for other in (stored, copy):
        if not filecmp.cmp(source, other, shallow=False):
            raise DemoError(f"{source.name} with {cipher}: the received file differs from the sent one.")
        other.unlink()
    return Trip(write_seconds, read_seconds, write_checksum)


def rounds_of(source: Path, place: str, key: Path, directory: Path) -> dict[str, list[Trip]]:
    """Return the trips of each cipher: in turn, after one that is not counted."""
    there_and_back(source, place, CIPHERS[0], key, directory)
    trips: dict[str, list[Trip]] = {cipher: [] for cipher in CIPHERS}
    for _ in range(ROUNDS):
        for cipher in CIPHERS:
            trips[cipher].append(there_and_back(source, place, cipher, key, directory))
    return trips


def row(source: Path, cipher: str, trips: list[Trip]) -> str:
    """Return a row of the table, with the medians."""
    size = source.stat().st_size
    medians = (statistics.median(column) for column in zip(*(trip[:2] for trip in trips), strict=True))
    rates = (_rate(size / seconds / 1e6) for seconds in medians)
    shown_size = f"{size / 1e6:.1f} MB" if size >= 10**6 else f"{size / 1e3:.1f} kB"
    return ROW.format(source.name, shown_size, cipher, *rates, trips[0].checksum)


def _rate(megabytes: float) -> str:
    """Format a rate; small files have two significant digits, since startup dominates their time."""
    return f"{megabytes:.1f}" if megabytes >= 1 else f"{megabytes:.2g}"


def make_large_file(path: Path) -> Path:
    """Create a file of random bytes, which no layer can compress."""
    with path.open("wb") as file:
        for _ in range(LARGE_BYTES >> 20):
            file.write(os.urandom(1 << 20))
    return path


def roomy_directory() -> Path:
    """Return a directory with enough space: the system's temporary directory, or build/ of the checkout."""
    for place in (Path(tempfile.gettempdir()), TOP / "build"):
        place.mkdir(exist_ok=True)
        if shutil.disk_usage(place).free >= NEEDED_BYTES:
            return place
    raise DemoError(
        f"The demo needs {NEEDED_BYTES / 1e6:.0f} MB of free disk space; set TMPDIR to a directory that has it."
    )


def demo() -> None:
    """Run the demo."""
    with tempfile.TemporaryDirectory(prefix="secftp-demo-", dir=roomy_directory()) as temporary:
        directory = Path(temporary)
        root, key = directory / "root", directory / "key"
        root.mkdir()
        run("secftp.client", "keygen", "--file", key)
        large = make_large_file(directory / "random.bin")
        with running_server(root, key) as place:
            print(
                f"The server runs at {place}. MB/s over the whole client process, including startup; medians of "
                f"{ROUNDS}.\n"
            )
            print(ROW.format("file", "size", "cipher", "write MB/s", "read MB/s", "checksum"))
            for source in (PICTURE, large):
                for cipher, trips in rounds_of(source, place, key, directory).items():
                    print(row(source, cipher, trips), flush=True)
    print("\nAll files were received as sent, and the server has stopped.")


def stop_here(_number: int, _frame: object) -> NoReturn:
    """Turn SIGTERM and SIGHUP into an exception, so that the server is stopped."""
    raise DemoError("The demo was stopped.")


def main() -> int:
    """Run the demo and return its exit code."""
    signal.signal(signal.SIGTERM, stop_here)
    signal.signal(signal.SIGHUP, stop_here)
    try:
        demo()
    except DemoError as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"demo: {error.strerror or error}: {error.filename or 'the temporary directory'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: Interrupted; the server has been stopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
