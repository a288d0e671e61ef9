"""Real servers and clients for tests: in a thread, as a process, and hostile ones that send any frame.

Everything is a context manager that ends what it began. Nothing waits by sleeping: lines of a log are waited for with a
condition, sockets and processes with a deadline, and every deadline that passes is a failure.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

from secftp.crypto import Mode, Suite
from secftp.errors import NoSpace
from secftp.keys import Key
from secftp.protocol import Direction, Kind, decode, encode
from secftp.protocol.handshake import ClientHandshake, ServerHandshake
from secftp.server.access import Access
from secftp.server.log import Log
from secftp.server.proxies import Proxies, parse_network
from secftp.server.server import FileServer
from secftp.session import Session
from secftp.storage import FileInfo, LocalStore, Sink, WriteOptions, new_digest
from secftp.transport import Credentials, listen

DEADLINE = 20.0  # seconds after which a test that waits has failed; far more than anything here takes
HOST = "127.0.0.1"

# From secrets and not from texts: no scrypt in every test.
KEY = Key.from_secret(bytes(31) + b"\x07")
WRONG_KEY = Key.from_secret(bytes(31) + b"\x06")  # one bit off
SUITES = list(Suite)


def digest_of(data, algorithm="xxh128"):
    digest = new_digest(algorithm)
    digest.update(data)
    return digest.digest()


def until(condition, what, deadline=DEADLINE):
    """Poll for something that nothing can be waited for with: a file, or what another process did."""
    end = time.monotonic() + deadline
    while not (result := condition()):
        assert time.monotonic() < end, f"still not: {what}"
        select.select([], [], [], 0.005)
    return result


def listing(root):
    """Every name beneath a directory, unfinished files included."""
    return sorted(
        os.path.relpath(os.path.join(directory, name), root)
        for directory, directories, files in os.walk(root)
        for name in (*directories, *files)
    )


def sizes(root):
    """The size of every file beneath a directory in which others work: of one that goes meanwhile there is none."""
    found = {}
    for name in listing(root):
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(os.path.join(root, name))
            if stat.S_ISREG(status.st_mode):
                found[name] = status.st_size
    return found


class Lines:
    """A text stream that can be waited on: what a log or a process writes, line by line."""

    encoding = "utf-8"

    def __init__(self):
        self._text = ""
        self._changed = threading.Condition()
        self._over = False

    def write(self, text):
        with self._changed:
            self._text += text
            self._changed.notify_all()

    def flush(self):
        pass

    def finish(self):
        with self._changed:
            self._over = True
            self._changed.notify_all()

    @property
    def text(self):
        with self._changed:
            return self._text

    def wait_for(self, pattern, count=1):
        """The `count`-th match of a pattern, once it is there."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._matches(pattern, count), DEADLINE)
            found = self._matches(pattern, count)
            assert found, f"{pattern!r} never came ({count} times) in:\n{self._text}"
            return found

    def _matches(self, pattern, count):
        matches = list(re.finditer(pattern, self._text, re.MULTILINE))
        return matches[count - 1] if len(matches) >= count else None


# --- a server in this process -----------------------------------------------------------------------------------------


class Running:
    """A server that runs: where it listens, what it serves, what it logs."""

    def __init__(self, server, port, root, log):
        self.server = server
        self.port = port
        self.root = root
        self.log = log

    def session(self, key=KEY, suite=Suite.AES128, name="", timeout=DEADLINE):
        """A client's session; without a key an anonymous one."""
        return session(self.port, key, suite, name=name, timeout=timeout)

    def hostile(self, key=KEY, suite=Suite.AES128, name=""):
        """A client that shakes hands honestly and then does what the test tells it to."""
        return Hostile(self.port, key, suite, name=name)

    def done(self, count):
        """Wait until so many clients are gone, with everything that was theirs."""
        self.log.wait_for(r"^!! [0-9:]{8}: Done\.", count)


@contextlib.contextmanager
def serving(
    root,
    *,
    key=KEY,
    store=None,
    max_clients=None,
    limits=None,
    host=HOST,
    compression=True,
    proxies=(),
    log_options=None,
    sharing=None,
    **rules,
):
    """A server in a thread on a free loopback port; `rules` go to `Access`, `proxies` are networks as texts."""
    root = os.fspath(root)
    log = Lines()
    with contextlib.closing(store or LocalStore(root)) as files:
        server = FileServer(
            files,
            Access(key, **rules),
            Log(log, **(log_options or {})),
            max_clients=max_clients,
            limits=limits,
            compression=compression,
            proxies=Proxies(map(parse_network, proxies)),
            sharing=sharing,
        )
        listener = listen([host], 0)
        thread = threading.Thread(target=server.serve, args=(listener,), name="server under test")
        running = Running(server, listener.port, root, log)
        thread.start()
        try:
            yield running
        finally:
            server.stop()
            server.stop()  # hurry
            thread.join(DEADLINE)
            assert not thread.is_alive(), "the server does not stop"


def credentials(key=KEY, suite=Suite.AES128, name=""):
    """What a client brings; without a key it is anonymous."""
    from secftp.crypto import Password

    if key is None:
        return Credentials(Password.anonymous(), suite, Mode.ANONYMOUS, name)
    return Credentials(key.password(), suite, Mode.KEYED, name)


def session(port, key=KEY, suite=Suite.AES128, *, name="", timeout=DEADLINE):
    """An honest client's session."""
    return Session.open(HOST, port, credentials(key, suite, name), timeout=timeout)


class MemorySource:
    """Bytes as a source. Without `announced` their number is unknown; `failure` comes after `fails_at` bytes."""

    wait_descriptor = None
    stamp = None
    is_sparse = False
    hole_bytes = 0

    def __init__(self, data, *, announced=True, chunk=None, failure=None, fails_at=0):
        self.info = FileInfo(Kind.FILE, len(data) if announced else None, 1_700_000_000_000_000_000, 0o644)
        self.taken = 0
        self._data = data
        self._chunk = chunk
        self._failure = failure
        self._fails_at = fails_at

    def readv(self, buffers, offset):
        if self._failure is not None and offset >= self._fails_at:
            raise self._failure
        left = self._data[offset : offset + self._chunk] if self._chunk else self._data[offset:]
        count = 0
        for buffer in buffers:
            part = left[count : count + len(buffer)]
            buffer[: len(part)] = part
            count += len(part)
        self.taken += count
        return count

    def check_unchanged(self):
        pass

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class MemorySink(Sink):
    """A sink that keeps what came; `data` is None until it was committed."""

    def __init__(self):
        self.data = None
        self.received = bytearray()

    def writev(self, buffers):
        for buffer in buffers:
            self.received += buffer

    def commit(self):
        self.data = bytes(self.received)
        return FileInfo(Kind.FILE, len(self.data), 0, 0o644)

    def abort(self):
        pass

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def put(client, name, data, **options):
    """Write bytes to a file of the server's."""
    source = MemorySource(data, announced=options.pop("announced", True))
    wanted = WriteOptions(**{field: options.pop(field) for field in WriteOptions._fields if field in options})
    return client.write(name if isinstance(name, tuple) else (name,), source, wanted, **options)


def get(client, name, **options):
    """Read a file of the server's whole."""
    sink = MemorySink()
    client.read(name if isinstance(name, tuple) else (name,), sink, **options)
    return sink.data


class FullStore(LocalStore):
    """A local directory on a disk that is full after `room` bytes of each file."""

    def __init__(self, root, room):
        super().__init__(root)
        self._room = room

    def create_sink(self, path, *options):
        sink = super().create_sink(path, *options)
        return _FullSink(sink, self._room)


class _FullSink(Sink):
    def __init__(self, sink, room):
        self._sink = sink
        self._room = room

    def writev(self, buffers):
        self._room -= sum(map(len, buffers))
        if self._room < 0:
            self._sink.abort()
            raise NoSpace("no space left for: x")
        self._sink.writev(buffers)

    def commit(self):
        return self._sink.commit()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._sink.close()


# --- peers that do what a test tells them -----------------------------------------------------------------------------


class Wire:
    """A socket with the two directions of a session, once there is one: any frame out, every frame in."""

    def __init__(self, sock, incoming):
        self.sock = sock
        self.sock.settimeout(DEADLINE)
        self._incoming = incoming
        self._outbox = self._inbox = None
        self._prefix = b""
        self._frames = []

    def establish(self, established):
        self._prefix = established.reply
        self._outbox, self._inbox = established.boxes()
        self._open()  # what came together with the handshake's last flight

    def frame(self, kind, flags=0, payload=b""):
        """Queue a frame, whether it makes sense or not."""
        assert self._outbox.add(kind, flags, payload), "too much for one batch: flush"

    def send(self, *messages):
        """Queue messages and send all that is queued."""
        for message in messages:
            self.frame(*encode(message))
        self.flush()

    def queue_data(self, data):
        """Queue a file's bytes as DATA; less than a batch."""
        view = memoryview(data)
        for start in range(0, len(view), 65536):
            self.frame(3, 0, view[start : start + 65536])

    def send_data(self, data):
        """Send a file's bytes as DATA, in as many batches as it takes."""
        view = memoryview(data)
        for start in range(0, len(view), 1 << 19):
            self.queue_data(view[start : start + (1 << 19)])
            self.flush()

    def sealed(self):
        """What is queued, sealed, as the bytes that would be sent; the handshake's last flight before it."""
        wire, self._prefix = self._prefix + bytes(self._outbox.seal()), b""
        return wire

    def flush(self):
        self.sock.sendall(self.sealed())

    def receive_frame(self):
        """The next frame as (type, flags, payload); None at the end of the connection."""
        while not self._frames:
            try:
                count = self.sock.recv_into(self._inbox.room())
            except ConnectionResetError:
                return None
            if count == 0:
                assert self._inbox.unopened == 0, "the connection ends in the middle of a frame"
                return None
            self._inbox.received(count)
            self._open()
        return self._frames.pop(0)

    def _open(self):
        self._frames += [(kind, flags, bytes(payload)) for kind, flags, payload in self._inbox.frames()]

    def receive(self):
        """The next message; None at the end of the connection."""
        frame = self.receive_frame()
        return None if frame is None else decode(*frame, self._incoming)

    def receive_file(self):
        """What comes up to END or ABORT: the bytes, and that last message."""
        data = bytearray()
        while (frame := self.receive_frame()) is not None and frame[0] == 3:
            data += frame[2]
        assert frame is not None, "the connection ended in the middle of a file"
        return bytes(data), decode(*frame, self._incoming)

    def reset(self):
        """Close with a reset, as a machine that crashed."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Hostile(Wire):
    """A client. It shakes hands by itself, unless `shake` is false; CLIENT_FINISH leaves with the first flush."""

    def __init__(self, port, key=KEY, suite=Suite.AES128, *, name="", shake=True):
        super().__init__(socket.create_connection((HOST, port), timeout=DEADLINE), Direction.TO_CLIENT)
        asked = credentials(key, suite, name)
        self.handshake = ClientHandshake(asked.password, asked.suite, asked.mode, asked.name)
        if shake:
            try:
                self.shake()
            except BaseException:
                self.close()
                raise

    def shake(self):
        self.sock.sendall(self.handshake.hello)
        established = None
        while established is None:
            data = self.sock.recv(141)
            assert data, "the server left during the handshake"
            established = self.handshake.receive(data)
        self.establish(established)

    def welcome(self):
        """Finish the handshake and take WELCOME."""
        self.flush()
        message = self.receive()
        assert type(message).__name__ == "Welcome"
        return message


@contextlib.contextmanager
def fake_server(play, key=KEY):
    """A server whose one session `play(wire)` plays in a thread. Yields its port; what fails there fails the test."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(DEADLINE)
        failures = []

        def run():
            try:
                sock, _ = listener.accept()
                with Wire(sock, Direction.TO_SERVER) as wire:
                    handshake = ServerHandshake()
                    while handshake.receive(_some(sock)) is None:
                        pass
                    sock.sendall(handshake.accept(key.password()))
                    while (established := handshake.receive(_some(sock))) is None:
                        pass
                    wire.establish(established)
                    play(wire)
            except BaseException as failure:  # noqa: BLE001 - told below
                failures.append(failure)

        thread = threading.Thread(target=run, name="fake server")
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(DEADLINE)
            assert not thread.is_alive(), "the fake server hangs"
        if failures:
            raise failures[0]


def _some(sock):
    data = sock.recv(4096)
    assert data, "the client left during the handshake"
    return data


# --- processes --------------------------------------------------------------------------------------------------------


def environment(home, **changes):
    """An environment in which nothing of the user's own counts.

    A PYTHONPATH in `changes` comes before the one of these tests, which may name the tree under test.
    """
    if (under_test := os.environ.get("PYTHONPATH")) and "PYTHONPATH" in changes:
        changes["PYTHONPATH"] = os.pathsep.join((changes["PYTHONPATH"], under_test))
    own = ("SECFTP_KEY", "SECFTP_KEY_FILE", "SECFTP_CONFIG", "XDG_STATE_HOME", "XDG_CONFIG_HOME")
    inherited = {name: value for name, value in os.environ.items() if name not in own}
    return {**inherited, "HOME": os.fspath(home), "XDG_STATE_HOME": os.path.join(home, "state"), **changes}


def client_command(*arguments):
    return [sys.executable, "-P", "-m", "secftp.client", *map(os.fspath, arguments)]


def server_command(*arguments):
    return [sys.executable, "-P", "-m", "secftp.server", *map(os.fspath, arguments)]


# For a server whose descriptors a test looks at: by itself it lets no other process of its user do that.
_WATCHED = """
import sys
from secftp import system
system.forbid_dumps = lambda: None
from secftp.server.__main__ import main
sys.exit(main())
"""


def watched_server_command(*arguments):
    """A server that the user who runs the tests may inspect from outside, root or not."""
    return [sys.executable, "-P", "-c", _WATCHED, *map(os.fspath, arguments)]


class ServerProcess:
    """`python -m secftp.server` as a process."""

    def __init__(self, process, output, errors, readers):
        self.process = process
        self.pid = process.pid
        self.log = output
        self.errors = errors
        self._readers = readers

    @property
    def port(self):
        try:
            return int(self.log.wait_for(r"^!! \d\d:\d\d:\d\d: Listening @ \S+ on port (\d+)$")[1])
        except AssertionError:
            raise AssertionError(f"the server does not listen; it said:\n{self.log.text}{self.errors.text}") from None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=DEADLINE):
        """The exit code, when all it had to say has been read."""
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(DEADLINE)
        return code


@contextlib.contextmanager
def server_process(home, *arguments, terminal=False, watched=False, **changes):
    """A server process; `terminal` gives it one as standard output, `changes` go into its environment.

    `watched`: the test looks at its descriptors.
    """
    master, slave = os.openpty() if terminal else (None, None)
    process = subprocess.Popen(
        (watched_server_command if watched else server_command)(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=slave if terminal else subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(home, **changes),
        cwd=home,
        start_new_session=True,  # a service has no controlling terminal, whatever this run has
    )
    if terminal:
        os.close(slave)
    streams = [(Lines(), master if terminal else process.stdout.fileno()), (Lines(), process.stderr.fileno())]
    readers = [threading.Thread(target=_drain, args=stream, name="reader of a process") for stream in streams]
    for reader in readers:
        reader.start()
    server = ServerProcess(process, streams[0][0], streams[1][0], readers)
    try:
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
        server.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        if terminal:
            os.close(master)


def _drain(lines, descriptor):
    with contextlib.suppress(OSError):  # what a terminal says at its end
        while chunk := os.read(descriptor, 65536):
            lines.write(chunk.decode("utf-8", "backslashreplace").replace("\r\n", "\n"))
    lines.finish()
