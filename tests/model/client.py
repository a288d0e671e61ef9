"""Client of the model: the handshake over a socket, each request, and every check of its reply."""

from __future__ import annotations

import random
import secrets
from typing import TYPE_CHECKING, Any

from tests.model import handshake, p256, schedule, zstd
from tests.model.digest import digest
from tests.model.handshake import SERVER_HELLO
from tests.model.messages import UP, insist
from tests.model.schedule import Mode, Suite
from tests.model.wire import Ended, Wire, receive_exactly

if TYPE_CHECKING:
    import socket

    from tests.model.messages import Message

Path = tuple[bytes, ...]


class Failed(Exception):
    """The server answered ERROR or ABORT."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Client:
    """One session. `w` None is anonymous. CLIENT_FINISH leaves with the first request."""

    def __init__(self, sock: socket.socket, w: int | None, suite: Suite, *, name: bytes = b"", seed: int = 0) -> None:
        mode = Mode.ANONYMOUS if w is None else Mode.KEYED
        scalar = schedule.anonymous_scalar() if w is None else w
        x = secrets.randbelow(p256.ORDER - 1) + 1
        mine = handshake.Client(scalar, suite, mode, name, secrets.token_bytes(16), x)
        sock.sendall(mine.hello())
        finish, keys = mine.finish(receive_exactly(sock, SERVER_HELLO))
        self.wire = Wire(sock, suite, keys, UP, random.Random(seed), finish)
        self.welcomed: dict[str, Any] | None = None
        self._id = 0

    def ask(self, name: str, **fields: Any) -> int:
        """Make a request and return its id; more may follow without waiting."""
        self._id += random.Random(self._id).choice((1, 1, 7))  # gaps are allowed
        self.wire.send(name, id=self._id, **fields)
        return self._id

    def welcome(self) -> dict[str, Any]:
        """What WELCOME said, once it is there; a request must have been made, or `finish` called."""
        if self.welcomed is None:
            message = self.wire.receive()
            insist(message.name == "WELCOME", "WELCOME first")
            self.welcomed = message.fields
        return self.welcomed

    def finish(self) -> None:
        """Send CLIENT_FINISH alone, and take WELCOME: needed before what has a capability."""
        self.wire.sock.sendall(self.wire.prefix)
        self.wire.prefix = b""
        self.welcome()

    def answer(self, *names: str) -> Message:
        self.welcome()
        message = self.wire.receive()
        if message.name in ("ERROR", "ABORT"):
            raise Failed(message.code)
        insist(message.name in names, f"one of {names}")
        return message

    # --- requests -----------------------------------------------------------------------------------------------------

    def read(
        self, path: Path, *, before: bytes = b"", algorithm: str = "xxh128", **fields: Any
    ) -> tuple[Message, bytes]:
        """FILE, and the bytes that followed; `before` is what this side has of the file already."""
        if before:
            fields |= {"offset": len(before), "prefix": digest(algorithm, before)}
        self.ask("READ", path=path, algorithm=algorithm, **fields)
        return self.take_file(before, algorithm)

    def take_file(self, before: bytes = b"", algorithm: str = "xxh128") -> tuple[Message, bytes]:
        file = self.answer("FILE")
        data, end = self.wire.receive_file()
        if end.name == "ABORT":
            raise Failed(end.code)
        insist(end.digest == digest(algorithm, before + data), "the digest of the whole file")
        return file, data

    def write(
        self,
        path: Path,
        data: bytes,
        *,
        before: bytes = b"",
        algorithm: str = "xxh128",
        compressed: bool = False,
        sparse: bool = False,
        **fields: Any,
    ) -> Message:
        """OK. `before` is the part of the file that the server is to have already."""
        if before:
            fields |= {"offset": len(before), "prefix": digest(algorithm, before)}
        self.ask("WRITE", path=path, algorithm=algorithm, **{"size": len(data), **fields})
        if compressed:
            self.wire.send_compressed(data)
        elif sparse:
            self.wire.send_sparse(data)
        else:
            self.wire.send_file(data)
        whole = digest(algorithm, before + data)
        self.wire.send("END", size=len(data), digest=whole)
        ok = self.answer("OK")
        insist((ok.size, ok.digest) == (len(data), whole), "OK is about what was sent")
        return ok

    def space(self, path: Path = ()) -> Message:
        self.ask("SPACE", path=path)
        return self.answer("CAPACITY")

    def stat(self, path: Path, **fields: Any) -> Message:
        self.ask("STAT", path=path, **fields)
        return self.answer("INFO")

    def list(self, path: Path = (), **fields: Any) -> list[dict[str, Any]]:
        self.ask("LIST", path=path, **fields)
        found, last = [], False
        while not last:
            part = self.answer("ENTRIES")
            found += part.entries
            last = part.last
        return found

    def do(self, name: str, **fields: Any) -> Message:
        """REMOVE, RENAME, MKDIR, SETATTR, SUM or COPY."""
        self.ask(name, **fields)
        return self.answer("OK")

    def read_many(self, paths: list[Path], algorithm: str = "xxh128", **fields: Any) -> list[dict[str, Any]]:
        self.ask("READMANY", paths=paths, algorithm=algorithm, **fields)
        found: list[dict[str, Any]] = []
        while len(found) < len(paths):
            found += zstd.decompress_files(self.answer("FILES"), wanted=fields.get("compress") is not None)
        for file in found:
            insist(file["code"] is not None or file["digest"] == digest(algorithm, file["data"]), "each file's digest")
        return found

    def write_many(
        self, files: list[tuple[Path, bytes]], algorithm: str = "xxh128", *, compressed: bool = False, **fields: Any
    ) -> tuple[Any, ...]:
        told = [(path, data, digest(algorithm, data)) for path, data in files]
        if compressed:  # all but empty ones, whatever it saves
            fields["clear_sizes"] = [len(data) or None for _, data in files]
            told = [(path, zstd.compress(data) if data else data, hashed) for path, data, hashed in told]
        self.ask("WRITEMANY", files=told, algorithm=algorithm, **fields)
        return self.answer("RESULTS").codes

    def bye(self) -> None:
        """Close in order: BYE there, BYE back, the end."""
        self.wire.send("BYE")
        self.welcome()
        message = self.wire.receive()
        insist((message.name, message.fields.get("code")) == ("BYE", None), "BYE for BYE")
        try:
            self.wire.receive_any()
        except Ended as end:
            insist(end.orderly, "an orderly end")
