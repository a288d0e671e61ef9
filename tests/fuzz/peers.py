"""Fuzz targets with a whole server and a whole client, against a peer that has the keys and sends fuzzer input.

Over loopback; each input is a session. Invariants: the session ends, the server continues to serve others, nothing is
written outside the served directory, no thread is left, and no unexpected exception is raised; the client raises only
`SecftpError`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import threading
from pathlib import Path

from secftp.crypto import Suite
from secftp.errors import SecftpError
from secftp.protocol import (
    Copy,
    Direction,
    End,
    Entries,
    Error,
    ErrorCode,
    File,
    Files,
    Info,
    Kind,
    List,
    Listed,
    MakeDirectory,
    NewFile,
    Ok,
    Read,
    ReadMany,
    Remove,
    Rename,
    Results,
    SessionLimits,
    SetAttributes,
    SmallFile,
    Space,
    Stat,
    Sum,
    Welcome,
    Write,
    WriteMany,
    encode,
)
from secftp.protocol.handshake import ServerHandshake
from secftp.session import Session
from tests.support.serving import (
    HOST,
    KEY,
    Hostile,
    MemorySink,
    MemorySource,
    Wire,
    credentials,
    digest_of,
    get,
    put,
    serving,
)

DATA, END, ABORT, BYE = 3, 4, 5, 6
ENDING = {END, BYE}
CHECK_EVERY = 50  # inputs between two looks at the server as a whole


class Ops:
    """An input, read as (operation, argument) pairs."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def __iter__(self):
        while self.at + 2 <= len(self.data):
            op, size = self.data[self.at], self.data[self.at + 1]
            argument = self.data[self.at + 2 : self.at + 2 + size]
            self.at += 2 + size
            yield op, argument


def a_path(argument: bytes) -> tuple[bytes, ...]:
    """A path of what is there, or one that the fuzzer wrote (only what the schema lets us say)."""
    known = ((b"small",), (b"folder", b"inside"), (b"folder",), (b"new",), (b"folder", b"new"), (b"link",))
    if len(argument) < 2:
        return known[argument[0] % len(known)] if argument else known[0]
    parts = [part[:255] for part in argument.split(b"/") if part not in (b"", b".", b"..") and b"\0" not in part]
    return tuple(parts[:64]) or known[0]


# --- the server -------------------------------------------------------------------------------------------------------


def request(number: int, which: int, argument: bytes):
    """A request that is legal by itself."""
    path, body = a_path(argument), b"x" * len(argument)
    makers = (
        lambda: Read(id=number, path=path),
        lambda: Read(id=number, path=path, offset=len(argument), length=7, compress=1 + len(argument) % 19),
        lambda: Write(id=number, path=path, size=len(argument)),
        lambda: Write(id=number, path=path, overwrite=False, keep=True, mode=0o7777),
        lambda: Write(id=number, path=path, offset=3, prefix=digest_of(b"xxx"), keep=True),
        lambda: Stat(id=number, path=path),
        lambda: Stat(id=number, path=path, partial=True),
        lambda: List(id=number, path=()),
        lambda: List(id=number, path=(), recursive=True),
        lambda: Remove(id=number, path=path, tree=bool(len(argument) % 2)),
        lambda: Rename(id=number, path=path, to=a_path(argument[1:]), overwrite=bool(len(argument) % 2)),
        lambda: MakeDirectory(id=number, path=path, parents=True, mode=0o7777, fill=True),
        lambda: Sum(id=number, path=path),
        lambda: SetAttributes(id=number, path=path, mode=0o7777, mtime_ns=-(2**63)),
        lambda: ReadMany(id=number, paths=(path, (b"small",), path)),
        lambda: WriteMany(id=number, files=(NewFile(path, body, digest_of(body)), NewFile((b"z",), body, bytes(16)))),
        lambda: Stat(id=number, path=path, partial=True, parts=True),
        lambda: Copy(
            id=number,
            path=path,
            to=a_path(argument[1:]),
            overwrite=bool(len(argument) % 2),
            mode=0o7777 if number % 3 else None,
            token=(argument[:1] * 16 or None) if number % 2 else None,
        ),
        lambda: Write(
            id=number,
            path=path,
            size=len(argument),
            keep=bool(len(argument) % 2),
            upload=bytes(16),
            at=number % 5,
            total=9 + len(argument),
            prefix=digest_of(b"xxx") if number % 7 == 0 else None,
        ),
        lambda: Write(
            id=number,
            path=path,
            size=len(argument),
            upload=argument[:1] * 16 or bytes(16),
            at=0,
            total=len(argument),
            additional=True,
        ),
        lambda: Space(id=number, path=path),
    )
    return makers[which % len(makers)]()


class ServerTarget:
    """One server for all inputs."""

    def __init__(self) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="secftp-fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        self.root = self.base / "served"
        self.outside = self.base / "outside"
        self.outside.mkdir()
        (self.outside / "secret").write_bytes(b"out of reach")
        self._fill()
        self.crashes: list[str] = []
        threading.excepthook = lambda args: self.crashes.append(f"{args.exc_type.__name__}: {args.exc_value}")
        self._stack = contextlib.ExitStack()
        self.server = self._stack.enter_context(serving(self.root))
        self.threads = threading.active_count()
        self.inputs = 0

    def _fill(self) -> None:
        """What is served, as at the beginning; the directory itself stays, since the server holds it."""
        self.root.mkdir(exist_ok=True)
        for path in self.root.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        (self.root / "folder").mkdir()
        (self.root / "small").write_bytes(b"small file")
        (self.root / "folder" / "inside").write_bytes(b"y" * 100_000)
        (self.root / "link").symlink_to(self.outside / "secret")
        (self.root / "way out").symlink_to(self.outside)

    def __call__(self, data: bytes) -> None:
        self.inputs += 1
        with Hostile(self.server.port, suite=Suite(data[0] % 3) if data else Suite.NONE) as wire:
            with contextlib.suppress(OSError, AssertionError):
                wire.welcome()
                self._play(wire, data[1:])
            with contextlib.suppress(OSError):
                wire.sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                while wire.sock.recv(1 << 16):
                    pass
        if self.inputs % CHECK_EVERY == 0:
            self._look()
        assert not self.crashes, self.crashes

    def _play(self, wire: Hostile, data: bytes) -> None:
        number = 0
        for op, argument in Ops(data):
            if op < 0x40:
                wire.frame(op, int(op in ENDING), argument)
            elif op < 0x80:
                number += 1
                wire.send(request(number, op, argument))
            elif op < 0xA0:
                wire.send_data(b"x" * (1 + len(argument) * 37))
            elif op < 0xB0:
                digest = digest_of(b"x" * len(argument))
                wire.send(End(size=len(argument), digest=digest, whole=digest if op >= 0xA8 else None))
            elif op < 0xC0:
                wire.frame(op - 0xB0, op & 1, argument)
            elif op < 0xF0:
                wire.flush()
            else:
                wire.sock.sendall(argument)  # no frame at all
        wire.flush()

    def _look(self) -> None:
        """The server serves an honest client; nothing came out of its directory; nothing was left."""
        self.server.done(1)
        with self.server.session() as session:
            put(session, b"honest", b"honest" * 1000)
            assert get(session, b"honest") == b"honest" * 1000
        assert sorted(os.listdir(self.base)) == ["outside", "served"]
        assert os.listdir(self.outside) == ["secret"]
        assert (self.outside / "secret").read_bytes() == b"out of reach"
        assert "Traceback" not in self.server.log.text
        assert "internal" not in self.server.log.text.lower(), self.server.log.text[-2000:]
        assert threading.active_count() <= self.threads + 20, "threads are left behind"
        for path in self.root.rglob("*"):
            assert path.is_symlink() or not path.stat().st_mode & 0o7000, "a set-id bit"
        self._fill()


# --- the client -------------------------------------------------------------------------------------------------------

CAPABILITIES = ("ranges", "stat", "list", "change", "sum", "resume", "many", "versions", "zstd", "space")
WELCOME = Welcome(
    version=1, software="fuzz", capabilities=CAPABILITIES, limits=SessionLimits(requests=64, keepalive=15, idle=60)
)


def answer(number: int, which: int, argument: bytes):
    """A reply that is legal by itself."""
    body = b"x" * len(argument)
    name = argument[:255].replace(b"/", b"_").replace(b"\0", b"_") or b"n"
    if name in (b".", b".."):
        name = b"dots"
    makers = (
        lambda: Ok(id=number),
        lambda: Ok(id=number, size=len(argument), digest=digest_of(body)),
        lambda: Error(id=number, code=list(ErrorCode)[len(argument) % len(ErrorCode)], text="\x1b[31m"),
        lambda: File(id=number, size=len(argument), mtime_ns=0, mode=0o644),
        lambda: Info(id=number, kind=Kind.FILE, size=len(argument), mtime_ns=0, mode=0o644),
        lambda: Entries(id=number, entries=(Listed((name,), Kind.FILE, 1, 0, 0o644),), last=bool(len(argument) % 2)),
        lambda: Entries(id=number, last=True),
        lambda: Files(id=number, files=(SmallFile(None, body, digest_of(body)),)),
        lambda: Results(id=number, codes=(None,)),
    )
    return makers[which % len(makers)]()


class ClientTarget:
    """One listening socket; each input plays the server of one session, the client makes every simple call."""

    def __init__(self) -> None:
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]

    def __call__(self, data: bytes) -> None:
        thread = threading.Thread(target=self._serve, args=(data,))
        thread.start()
        try:
            self._use(data)
        finally:
            thread.join(15)
            assert not thread.is_alive(), "the client neither goes on nor leaves"

    def _use(self, data: bytes) -> None:
        calls = (
            lambda s: [escaped.path for escaped in s.list((), recursive=True)],
            lambda s: s.stat((b"a",)),
            lambda s: s.read((b"a",), MemorySink()),
            lambda s: s.write((b"a",), MemorySource(b"some bytes")),
            lambda s: s.checksum((b"a",)),
            lambda s: s.remove((b"a",)),
            lambda s: s.space((b"a",)),
        )
        first = data[0] if data else 0
        try:
            with Session.open(HOST, self.port, credentials(KEY, Suite(first % 3)), timeout=10) as session:
                session.pipeline.compress = 1 if first & 0x40 else None
                for step in range(3):
                    calls[(first // 3 + step) % len(calls)](session)
        except SecftpError as problem:
            assert str(problem).isprintable()

    def _serve(self, data: bytes) -> None:
        sock, _ = self.listener.accept()
        with Wire(sock, Direction.TO_SERVER) as wire, contextlib.suppress(OSError, AssertionError, SecftpError):
            handshake = ServerHandshake()
            while handshake.receive(sock.recv(4096)) is None:
                pass
            sock.sendall(handshake.accept(KEY.password()))
            while (established := handshake.receive(sock.recv(4096))) is None:
                pass
            wire.establish(established)
            wire.frame(*encode(WELCOME))
            self._play(wire, data[1:])
            wire.flush()
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(1 << 16):
                pass

    def _play(self, wire: Wire, data: bytes) -> None:
        for op, argument in Ops(data):
            if op < 0x40:
                wire.frame(op, int(op in ENDING), argument)
            elif op < 0xA0:
                wire.send(answer(1 + op % 3, op // 3, argument))
            elif op < 0xB0:
                wire.send_data(b"x" * (1 + len(argument)))
            elif op < 0xC0:
                wire.send(End(size=len(argument), digest=digest_of(b"x" * len(argument))))
            elif op < 0xF0:
                wire.flush()
            else:
                wire.sock.sendall(argument)
