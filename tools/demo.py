"""What `make demo` runs: real files, both ways, with every cipher, through the real command lines.

Starts a server on a free loopback port with a new key file, writes a picture and 256 MiB of random bytes to it with
each cipher, reads them back, compares them, and prints a table. Whatever happens, the server is stopped by its process
id and the temporary folder is removed; a failure is one sentence and an exit code other than 0.
"""

from __future__ import annotations

import collections
import contextlib
import filecmp
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).resolve().parent.parent
PICTURE = TOP / "docs" / "pictures" / "report.png"
CIPHERS = ("none", "aes128", "aes256")
LARGE_BYTES = 256 << 20
# The source, the server's copy, and the copy that was read back; and some air.
NEEDED_BYTES = 3 * LARGE_BYTES + (64 << 20)
START_SECONDS = 30
TRANSFER_SECONDS = 300
STOP_SECONDS = 20
LISTENING = re.compile(r"^!! \d\d:\d\d:\d\d: Listening @ (\S+) on port (\d+)")
CHECKSUM = re.compile(r"checksum: ([0-9a-f]+)")
ROW = "{:<12}  {:>9}  {:<6}  {:>10}  {:>9}  {}"
# Keys and settings of whoever runs the demo must not change what it shows.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SECFTP_")}


class DemoError(Exception):
    """One sentence for whoever ran the demo."""


def reason(lines: list[str]) -> str:
    """What a program of ours said last, without the hint that may follow it."""
    said = [text for line in lines if (text := line.strip()) and not text.startswith("hint:")]
    return said[-1] if said else "it said nothing"


def run(*arguments: str | Path) -> str:
    """Run a command line of secftp's to its end; its messages (standard error)."""
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
    """The server process; its log is read to the end by a thread of its own, so that it never waits for us."""

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
        # The end of the log: nobody needs to wait any longer.
        self._ready.set()

    def place(self) -> str:
        """`HOST:PORT`, as soon as the server has told it."""
        self._ready.wait(START_SECONDS)
        if not self._place:
            raise DemoError(f"The server did not start: {reason(list(self._log))}")
        return self._place

    def stop(self) -> None:
        """End the server as an operator would, and by force if it does not listen."""
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
    """A server beneath `root`; yields its `HOST:PORT`."""
    server = Server(root, key)
    try:
        yield server.place()
    except BaseException:
        # The first failure is the one to tell.
        with contextlib.suppress(DemoError):
            server.stop()
        raise
    server.stop()


def transfer(verb: str, name: str, place: str, cipher: str, *options: str | Path) -> tuple[float, str]:
    """One run of the client: its seconds, start-up included, and the checksum that it confirmed."""
    start = time.perf_counter()
    messages = run("secftp.client", verb, name, place, cipher, *options)
    seconds = time.perf_counter() - start
    found = CHECKSUM.findall(messages)
    if not found:
        raise DemoError(f"The client did not confirm a checksum when it should {verb} {name} with {cipher}.")
    return seconds, found[-1]


def there_and_back(source: Path, place: str, cipher: str, key: Path, folder: Path) -> None:
    """Write `source` to the server, read it back, compare, print a row of the table, and remove the copies."""
    name = f"{cipher}-{source.name}"
    copy = folder / "copy"
    write_seconds, write_checksum = transfer("write", name, place, cipher, "-i", source, "--key-file", key)
    read_seconds, read_checksum = transfer("read", name, place, cipher, "-o", copy, "--key-file", key)
    stored = folder / "root" / name
    if write_checksum != read_checksum:
        raise DemoError(f"{source.name} with {cipher}: the checksums of writing and reading differ.")
    for other in (stored, copy):
        if not filecmp.cmp(source, other, shallow=False):
            raise DemoError(f"{source.name} with {cipher}: what arrived is not what was sent.")
        other.unlink()
    size = source.stat().st_size
    rates = (_rate(size / seconds / 1e6) for seconds in (write_seconds, read_seconds))
    shown_size = f"{size / 1e6:.1f} MB" if size >= 10**6 else f"{size / 1e3:.1f} kB"
    print(ROW.format(source.name, shown_size, cipher, *rates, write_checksum), flush=True)


def _rate(megabytes: float) -> str:
    """Three figures say something of a small file, whose time is its process's start, too."""
    return f"{megabytes:.1f}" if megabytes >= 1 else f"{megabytes:.2g}"


def make_large_file(path: Path) -> Path:
    """Random bytes, so that no layer below can make them smaller."""
    with path.open("wb") as file:
        for _ in range(LARGE_BYTES >> 20):
            file.write(os.urandom(1 << 20))
    return path


def roomy_folder() -> Path:
    """Where the temporary folder goes: the system's place, or the checkout's build folder if that has no room."""
    for place in (Path(tempfile.gettempdir()), TOP / "build"):
        place.mkdir(exist_ok=True)
        if shutil.disk_usage(place).free >= NEEDED_BYTES:
            return place
    raise DemoError(f"The demo needs {NEEDED_BYTES / 1e6:.0f} MB of free disk space; set TMPDIR to where there is.")


def demo() -> None:
    """The whole run."""
    with tempfile.TemporaryDirectory(prefix="secftp-demo-", dir=roomy_folder()) as temporary:
        folder = Path(temporary)
        root, key = folder / "root", folder / "key"
        root.mkdir()
        run("secftp.client", "keygen", "--file", key)
        large = make_large_file(folder / "random.bin")
        with running_server(root, key) as place:
            print(f"A server runs at {place}. MB/s over the client's whole process, its start-up included.\n")
            print(ROW.format("file", "size", "cipher", "write MB/s", "read MB/s", "checksum"))
            for source in (PICTURE, large):
                for cipher in CIPHERS:
                    there_and_back(source, place, cipher, key, folder)
    print("\nAll files came back as they were sent, and the server has stopped.")


def stop_here(_number: int, _frame: object) -> NoReturn:
    """SIGTERM and SIGHUP unwind like any other failure, so that the server is stopped too."""
    raise DemoError("The demo was stopped.")


def main() -> int:
    """The exit code."""
    signal.signal(signal.SIGTERM, stop_here)
    signal.signal(signal.SIGHUP, stop_here)
    try:
        demo()
    except DemoError as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"demo: {error.strerror or error}: {error.filename or 'the temporary folder'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: Interrupted; the server has been stopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
