"""Server of the model: a tree in memory, and a reply to every request, as the protocol defines it.

Connections are served in threads of their own, one request after another; the tree has one lock. The end of the block
waits for all of them, and raises what was raised in them.

A client does not wait for the server to have read its last messages, so what the server did after its last answer is
known only once its sessions have ended: see `settle`.
"""

from __future__ import annotations

import contextlib
import random
import secrets
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tests.model import handshake, p256, zstd
from tests.model.digest import digest
from tests.model.failure import Refused
from tests.model.handshake import CLIENT_FINISH, CLIENT_HELLO
from tests.model.messages import DOWN, insist
from tests.model.schedule import Mode, Suite
from tests.model.uploads import Kept, Upload, Uploads, prefix_of
from tests.model.wire import Ended, Wire, receive_exactly

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.model.messages import Message

Path = tuple[bytes, ...]
ALL = (
    "ranges",
    "stat",
    "list",
    "change",
    "sum",
    "resume",
    "many",
    "versions",
    "uploads",
    "zstd",
    "copy",
    "space",
    "holes",
    "backup",
)
DEADLINE = 20.0
# The capability that a type needs, and those that fields need (with the values that need none), section 9.
TYPES = {
    "STAT": "stat",
    "LIST": "list",
    "SUM": "sum",
    "READMANY": "many",
    "WRITEMANY": "many",
    "SPACE": "space",
    **dict.fromkeys(("REMOVE", "RENAME", "MKDIR", "SETATTR"), "change"),
}
FIELDS: dict[tuple[str, str], tuple[str, tuple[object, ...]]] = {
    ("READ", "offset"): ("ranges", (0,)),
    ("READ", "length"): ("ranges", (None,)),
    ("READ", "prefix"): ("resume", (None,)),
    ("READ", "version"): ("versions", (None, b"")),
    ("WRITE", "offset"): ("resume", (0,)),
    ("WRITE", "prefix"): ("resume", (None,)),
    ("WRITE", "upload"): ("uploads", (None,)),
    ("STAT", "partial"): ("resume", (False,)),
    ("STAT", "parts"): ("uploads", (False,)),
    ("SUM", "version"): ("versions", (None, b"")),
    ("WRITEMANY", "clear_sizes"): ("zstd", (None, ())),
    ("WRITE", "backup"): ("backup", (None,)),
    ("WRITEMANY", "backup"): ("backup", (None,)),
}


class No(Exception):
    """The request fails with this code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class File:
    data: bytes
    mtime_ns: int = 10**18
    mode: int = 0o644


@dataclass
class Directory:
    mtime_ns: int = 10**18
    mode: int = 0o755


@dataclass
class Tree:
    """What is served. The directory `()` is always there."""

    nodes: dict[Path, File | Directory] = field(default_factory=lambda: {(): Directory()})
    partials: dict[Path, bytes | Kept] = field(default_factory=dict)

    def get(self, path: Path) -> File | Directory:
        for depth in range(len(path)):
            if isinstance(self.nodes.get(path[:depth]), File):
                raise No("not_folder")
        if path not in self.nodes:
            raise No("not_found")
        return self.nodes[path]

    def file(self, path: Path) -> File:
        found = self.get(path)
        if isinstance(found, Directory):
            raise No("is_folder")
        return found

    def small(self, path: Path) -> File:
        found = self.file(path)
        if len(found.data) > 32768:
            raise No("too_large")
        return found

    def directory(self, path: Path) -> Directory:
        found = self.get(path)
        if isinstance(found, File):
            raise No("not_folder")
        return found

    def below(self, path: Path) -> list[Path]:
        return [each for each in self.nodes if each[: len(path)] == path and each != path]

    def put(
        self,
        path: Path,
        data: bytes,
        *,
        overwrite: bool,
        mode: int | None,
        mtime_ns: int | None,
        backup: bytes | None = None,
    ) -> None:
        self.directory(path[:-1])
        old = self.nodes.get(path)
        if isinstance(old, Directory):
            raise No("is_folder")
        if old is not None and not overwrite:
            raise No("exists")
        granted = mode & 0o777 if mode is not None else old.mode if old else 0o644
        if backup is not None and old is not None and old.data != data:
            kept = (*path[:-1], path[-1] + backup)
            if isinstance(self.nodes.get(kept), Directory):
                raise No("forbidden")
            self.nodes[kept] = old
            self.partials.pop(kept, None)
        self.nodes[path] = File(data, 10**18 if mtime_ns is None else mtime_ns, granted)
        self.partials.pop(path, None)


class Server:
    def __init__(
        self, w: int, *, capabilities: tuple[str, ...] = ALL, requests: int = 64, seed: int = 0, text: str = "no"
    ) -> None:
        self.tree = Tree()
        self.w = w
        self.capabilities = capabilities
        self.streams = 16  # sessions of one client for one transfer
        self.uploads = Uploads()
        self.copies: dict[bytes, int] = {}  # the size of each, by its token
        self.requests = requests
        self.seed = seed
        self.text = text  # stands in all that it says
        self.refuse: str | None = None  # the code that answers every READ
        self.lies: set[str] = set()  # names of messages in which a digest is off by one bit
        self.unsupported = False  # whether a request that needs a missing capability is answered, or the session closed
        self.moved = 0  # bytes of all DATA and ZDATA, both ways
        self.skipped = 0  # bytes of all HOLE, both ways
        self.cut_after: int | None = None  # end the next connection after so many DATA and ZDATA
        self.parts: list[tuple[int, int]] = []  # that have arrived, as (at, size)
        self.additional = 0  # sessions that said that they are additional streams
        self.on_part: Callable[[Message], object] = lambda _asked: None  # called before each part; a code refuses it
        self.on_message: Callable[[str], object] = lambda _name: (
            None
        )  # called with each message's name, before it counts
        self.on_request: Callable[[Message], None] = lambda _message: None  # called before each request is answered
        self.refuse_part: str | None = None  # the code that answers every part
        self.lose: Callable[[str, dict[str, Any]], bool] = lambda _name, _fields: False  # an answer, and the connection
        self.failures: list[BaseException] = []
        self._served: list[str] = []
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name="model server")
        self._accepting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(DEADLINE)
        assert not self._accepting.is_alive(), "the model hangs"
        self.settle()
        if self.failures:
            raise self.failures[0]

    def settle(self) -> None:
        """Wait until all sessions have ended. Their clients must have closed; those that are there now, at least."""
        for thread in list(self._threads):
            thread.join(DEADLINE)
            assert not thread.is_alive(), "the model hangs"

    @property
    def served(self) -> list[str]:
        """The names of all messages that came, once the sessions have ended."""
        self.settle()
        return self._served

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._run, args=(sock,), name="model session")
            self._threads.append(thread)
            thread.start()

    def _run(self, sock: socket.socket) -> None:
        with sock:
            sock.settimeout(DEADLINE)
            try:
                wire = self.shake(sock)
            except (Refused, OSError):
                return  # close; that client has another key, or has gone
            session = Session(self, wire)
            try:
                session.serve()
            except (Ended, ConnectionError):
                pass  # tests see at the other end what comes of that
            except BaseException as failure:  # noqa: BLE001 - told at the end
                self.failures.append(failure)
            finally:
                with self._lock:
                    self.uploads.leave(id(session), self.tree.partials)

    def shake(self, sock: socket.socket) -> Wire:
        mine = handshake.Server(
            keys={b"": self.w},
            fallback_w=secrets.randbelow(p256.ORDER - 1) + 1,
            server_rand=secrets.token_bytes(16),
            y=secrets.randbelow(p256.ORDER - 1) + 1,
            nonce=secrets.token_bytes(16),
            modes=tuple(Mode),
        )
        hello = receive_exactly(sock, CLIENT_HELLO)
        sock.sendall(mine.respond(hello))
        keys = mine.verify(receive_exactly(sock, CLIENT_FINISH))
        return Wire(sock, Suite(hello[7]), keys, DOWN, random.Random(self.seed))


class Session:
    def __init__(self, server: Server, wire: Wire) -> None:
        self.server = server
        self.tree = server.tree
        self.wire = wire
        self.is_additional = False

    def serve(self) -> None:
        limits = {"requests": self.server.requests, "keepalive": 15, "idle": 60, "streams": self.server.streams}
        self.wire.send(
            "WELCOME",
            version=1,
            software=self.server.text,
            capabilities=self.server.capabilities,
            limits=limits,
            later=[1, {}],
        )
        while True:
            message = self.wire.receive()
            self.server.on_message(message.name)
            self.server._served.append(message.name)
            if message.name == "BYE":
                self.wire.send("BYE", text=self.server.text)
                with contextlib.suppress(OSError):  # a client that has gone already
                    self.wire.sock.shutdown(socket.SHUT_WR)
                    self.wire.drain()
                return
            if message.name == "CANCEL":
                continue
            if self.lacks(TYPES.get(message.name)) and not self.server.unsupported:
                return  # as a server to which the type is unknown
            self.answer(message)

    def lacks(self, capability: str | None) -> bool:
        return capability is not None and capability not in self.server.capabilities

    def check_fields(self, message: Message) -> None:
        """A field leaves only after WELCOME has named its capability: a server without it would ignore the field."""
        for (name, field_name), (capability, harmless) in FIELDS.items():
            if name == message.name and getattr(message, field_name) not in harmless:
                insist(not self.lacks(capability), f"{field_name} of {name} only with {capability}")

    def answer(self, message: Message) -> None:
        self.check_fields(message)
        self.server.on_request(message)
        if self.lacks(TYPES.get(message.name)):
            self.wire.send("ERROR", id=message.id, code="unsupported", text=self.server.text)
            return
        handler = getattr(self, message.name.lower())
        try:
            with self.server._lock if message.name != "WRITE" else contextlib.nullcontext():
                replies = list(handler(message))
        except No as no:
            self.wire.send("ERROR", id=message.id, code=no.code, text=self.server.text)
            return
        for name, fields in replies:
            payload = fields.pop("payload", b"")
            if name in self.server.lies:
                falsify(fields)
            if self.server.lose(name, fields):
                raise Ended(orderly=False)
            about = {} if name in ("DATA", "ZDATA", "HOLE", "END") else {"id": message.id}
            self.wire.send(name, payload, **about, **fields)
            if name in ("DATA", "ZDATA"):
                self.passed(payload)

    def passed(self, payload: bytes) -> None:
        """One DATA or ZDATA has been sent or received: end the connection without a word, if it is time for that."""
        self.server.moved += len(payload)
        if self.server.cut_after is not None:
            self.server.cut_after -= 1
            if self.server.cut_after <= 0:
                self.server.cut_after = None
                raise Ended(orderly=False)

    # --- one handler a request: what it answers, as (name, fields) ----------------------------------------------------

    Replies = "Iterator[tuple[str, dict[str, Any]]]"

    def read(self, asked: Message) -> Replies:
        if self.server.refuse is not None:
            raise No(self.server.refuse)
        file = self.tree.file(asked.path)
        told = self.version(file, asked)
        before = file.data[: asked.offset] if asked.prefix is not None else b""
        if asked.prefix is not None and digest(asked.algorithm, before) != asked.prefix:
            raise No("checksum")
        data = part(file.data, asked)
        yield "FILE", {"size": len(data), "mtime_ns": file.mtime_ns, "mode": file.mode, **told}
        compressed = "zstd" in self.server.capabilities and asked.compress is not None
        for start in range(0, len(data), 4000):
            piece = data[start : start + 4000]
            if compressed and start % 12_000 < 8000:
                frame = zstd.compress(piece, asked.compress)
                yield "ZDATA", {"payload": frame, "clear_size": len(piece)}
            elif asked.holes and "holes" in self.server.capabilities and not any(piece):
                self.server.skipped += len(piece)
                yield "HOLE", {"size": len(piece)}
            else:
                yield "DATA", {"payload": piece}
        yield "END", {"size": len(data), "digest": digest(asked.algorithm, before + data)}

    def version(self, file: File, asked: Message) -> dict[str, Any]:
        """What FILE says of the version: nothing without the capability, or if it is not asked for."""
        if "versions" not in self.server.capabilities or asked.version is None:
            return {}
        version = digest("sha256", b"%d %d " % (file.mtime_ns, file.mode) + file.data)[:20]
        if asked.version not in (b"", version):
            raise No("changed")
        return {"version": version, "total": len(file.data)}

    def write(self, asked: Message) -> Replies:
        if asked.upload is not None:
            yield from self.write_part(asked)
            return
        before = b""
        if asked.prefix is not None:
            there = self.tree.partials.get(asked.path, b"")
            before = bytes(there.data if isinstance(there, Kept) else there)[: asked.offset]
            if asked.path not in self.tree.partials or digest(asked.algorithm, before) != asked.prefix:
                code = "checksum" if asked.path in self.tree.partials else "not_found"
                self.refuse_file(asked, code)
                return
        data, end = self.take(asked, before)
        if end.name == "ABORT":
            raise No("cancelled")
        whole = digest(asked.algorithm, before + data)
        if whole != end.digest:
            raise No("checksum")
        with self.server._lock:
            self.tree.put(
                asked.path,
                before + data,
                overwrite=asked.overwrite,
                mode=asked.mode,
                mtime_ns=asked.mtime_ns,
                backup=asked.backup,
            )
        yield "OK", {"size": len(data), "digest": whole}

    def refuse_file(self, asked: Message, code: str) -> None:
        """Answer a WRITE with an error at once; the file that follows is thrown away."""
        self.wire.send("ERROR", id=asked.id, code=code)
        self.wire.receive_file()

    def write_part(self, asked: Message) -> Replies:
        server, uploads, partials = self.server, self.server.uploads, self.tree.partials
        wish = server.on_part(asked)
        if isinstance(wish, str):
            self.refuse_file(asked, wish)
            return
        with server._lock:
            if asked.additional and not self.is_additional:
                self.is_additional = True
                server.additional += 1
            uploads.leave(id(self), partials, but=asked.upload)
            try:
                self.tree.directory(asked.path[:-1])
                upload = server.refuse_part or uploads.join(asked, id(self), partials)
            except No as no:
                upload = no.code
            code = upload if isinstance(upload, str) else upload.ended
        if isinstance(upload, str) or code not in (None, "complete"):
            self.refuse_file(asked, str(code))
            return
        data, end = self.take(asked, b"", is_part=True)
        with server._lock:
            yield (
                "OK",
                {"size": len(data), "digest": self.arrive(upload, asked, data, end)} | self.settle(upload, asked),
            )

    def arrive(self, upload: Upload, asked: Message, data: bytes, end: Message) -> bytes:
        """The digest of a part that has arrived."""
        if end.name == "ABORT":
            if end.code in ("changed", "checksum") and upload.ended is None:
                upload.ended = "changed"
            raise No("cancelled")
        found = digest(asked.algorithm, data)
        if found != end.digest:
            raise No("checksum")
        if upload.ended is not None:
            if upload.ended != "complete":
                raise No(upload.ended)
            return found
        if end.whole is not None:
            if upload.whole not in (None, end.whole):
                upload.ended = "changed"
                raise No("changed")
            upload.whole = end.whole
        upload.store(asked, data)
        if data:
            self.server.parts.append((asked.at, len(data)))
        return found

    def settle(self, upload: Upload, asked: Message) -> dict[str, Any]:
        """Complete an upload, if everything is there; what OK says of that."""
        if upload.ended is None and upload.is_full and upload.whole is not None:
            if digest(asked.algorithm, bytes(upload.kept.data)) != upload.whole:
                upload.ended = "checksum"
                raise No("checksum")
            wishes = {
                "overwrite": asked.overwrite,
                "mode": asked.mode,
                "mtime_ns": asked.mtime_ns,
                "backup": asked.backup,
            }
            try:
                self.tree.put(asked.path, bytes(upload.kept.data), **wishes)
            except No as no:
                upload.ended = no.code
                raise
            upload.ended = "complete"
            self.server.uploads.completed += 1
        return {"complete": True} if upload.ended == "complete" else {}

    def take(self, asked: Message, before: bytes, *, is_part: bool = False) -> tuple[bytes, Message]:
        """The file that follows; what has come is kept if it breaks off and the client wishes it."""
        data = bytearray()
        try:
            while (message := self.wire.receive()).name in ("DATA", "ZDATA", "HOLE", "CANCEL"):
                if message.name == "HOLE":
                    data += bytes(message.size)
                    self.server.skipped += message.size
                elif message.name == "ZDATA":
                    data += zstd.decompress(message.payload, message.clear_size)
                else:
                    data += message.payload
                if message.name != "CANCEL":
                    self.server._served.append(message.name)
                    self.passed(message.payload)
        except Ended:
            if asked.keep and not is_part:
                self.tree.partials[asked.path] = before + bytes(data)
            raise
        if message.name == "ABORT" and asked.keep and not is_part:
            self.tree.partials[asked.path] = before + bytes(data)
        return bytes(data), message

    def stat(self, asked: Message) -> Replies:
        if asked.partial:
            there = self.tree.partials.get(asked.path) or self.server.uploads.under_way(asked.path)
            if there is None:
                raise No("not_found")
            ranges = there.ranges() if isinstance(there, Kept) else [[0, len(there)]]
            told = info(File(b"")) | {"size": prefix_of(ranges)}
            if asked.parts:
                told |= {"parts": ranges, "total": there.total if isinstance(there, Kept) else None}
            yield "INFO", told
        else:
            yield "INFO", info(self.tree.get(asked.path))

    def space(self, asked: Message) -> Replies:
        """A disk of a million bytes, of which those of the files are used."""
        if asked.path:
            self.tree.get(asked.path)
        used = sum(len(node.data) for node in self.tree.nodes.values() if isinstance(node, File))
        free = max(0, 1_000_000 - used)
        yield "CAPACITY", {"total": 1_000_000, "free": free, "available": free, "largest": 500_000}

    def list(self, asked: Message) -> Replies:
        """Two entries a message, so that every listing comes in parts."""
        self.tree.directory(asked.path)
        depth = len(asked.path)
        found = sorted(p for p in self.tree.below(asked.path) if asked.recursive or len(p) == depth + 1)
        entries = []
        for path in found:
            told = info(self.tree.nodes[path])
            entries.append([path[depth:], *(told[name] for name in ("kind", "size", "mtime_ns", "mode"))])
        for start in range(0, len(entries), 2):
            yield "ENTRIES", {"entries": entries[start : start + 2]}
        yield "ENTRIES", {"last": True}

    def remove(self, asked: Message) -> Replies:
        found = self.tree.get(asked.path)
        if asked.kind in ("symlink", "special"):
            raise No("not_found")
        if asked.kind == "file" and isinstance(found, Directory):
            raise No("is_folder")
        if asked.kind == "folder" and isinstance(found, File):
            raise No("not_folder")
        if self.tree.below(asked.path):
            raise No("not_empty")
        del self.tree.nodes[asked.path]
        yield "OK", {}

    def rename(self, asked: Message) -> Replies:
        found = self.tree.get(asked.path)
        self.tree.directory(asked.to[:-1])
        there = self.tree.nodes.get(asked.to)
        if there is not None and not (asked.overwrite and isinstance(found, File) and isinstance(there, File)):
            raise No("exists")
        for path in [asked.path, *self.tree.below(asked.path)]:
            self.tree.nodes[asked.to + path[len(asked.path) :]] = self.tree.nodes.pop(path)
        yield "OK", {}

    def copy(self, asked: Message) -> Replies:
        size = self.server.copies.get(asked.token)
        if size is None:
            file = self.tree.file(asked.path)
            if asked.path == asked.to:
                raise No("forbidden")
            mode = file.mode if asked.mode is None else asked.mode
            mtime_ns = file.mtime_ns if asked.mtime_ns is None else asked.mtime_ns
            self.tree.put(asked.to, file.data, overwrite=asked.overwrite, mode=mode, mtime_ns=mtime_ns)
            size = len(file.data)
            if asked.token is not None:
                self.server.copies[asked.token] = size
        yield "OK", {"size": size}

    def mkdir(self, asked: Message) -> Replies:
        if asked.path in self.tree.nodes and not (asked.parents and isinstance(self.tree.nodes[asked.path], Directory)):
            raise No("exists")
        for depth in range(1 if asked.parents else len(asked.path), len(asked.path) + 1):
            self.tree.directory(asked.path[: depth - 1])
            self.tree.nodes.setdefault(asked.path[:depth], Directory())
        yield "OK", {}

    def sum(self, asked: Message) -> Replies:
        file = self.tree.file(asked.path)
        self.version(file, asked)
        data = part(file.data, asked)
        yield "OK", {"size": len(data), "digest": digest(asked.algorithm, data)}

    def setattr(self, asked: Message) -> Replies:
        found = self.tree.get(asked.path)
        if asked.mode is not None:
            found.mode = asked.mode & 0o777
        if asked.mtime_ns is not None:
            found.mtime_ns = asked.mtime_ns
        yield "OK", {}

    def readmany(self, asked: Message) -> Replies:
        """One file a message."""
        for path in asked.paths:
            try:
                file = self.tree.small(path)
            except No as no:
                yield "FILES", {"files": [[no.code]]}
            else:
                told = [None, file.data, digest(asked.algorithm, file.data), file.mtime_ns, file.mode]
                if file.data and asked.compress is not None and "zstd" in self.server.capabilities:
                    told[1] = zstd.compress(file.data, asked.compress)
                    yield "FILES", {"files": [told], "clear_sizes": [len(file.data)]}
                else:
                    yield "FILES", {"files": [told]}

    def writemany(self, asked: Message) -> Replies:
        codes: list[str | None] = []
        for file in zstd.decompress_files(asked, wanted="zstd" in self.server.capabilities):
            wishes = {"overwrite": asked.overwrite, "mode": file["mode"], "mtime_ns": file["mtime_ns"]}
            wishes["backup"] = asked.backup
            good = digest(asked.algorithm, file["data"]) == file["digest"]
            codes.append(None if good else "checksum")
            if good:
                try:
                    self.tree.put(file["path"], file["data"], **wishes)
                except No as no:
                    codes[-1] = no.code
        yield "RESULTS", {"codes": codes}


def falsify(fields: dict[str, Any]) -> None:
    """Another digest than the right one."""
    if "digest" in fields:
        fields["digest"] = bytes([fields["digest"][0] ^ 1]) + fields["digest"][1:]
    for file in fields.get("files", ()):
        file[2] = bytes([file[2][0] ^ 1]) + file[2][1:]


def part(data: bytes, asked: Message) -> bytes:
    end = None if asked.length is None else asked.offset + asked.length
    return data[asked.offset : end]


def info(node: File | Directory) -> dict[str, Any]:
    kind, size = ("file", len(node.data)) if isinstance(node, File) else ("folder", 0)
    return {"kind": kind, "size": size, "mtime_ns": node.mtime_ns, "mode": node.mode}
