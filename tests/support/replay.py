"""Recorded sessions, replayed to the product's own session at either end, without a network or a handshake.

The frames are sealed under secrets that a test knows; the product's `Channel` opens them, and the product's session
does what they say to a real directory. `Tape` stands where the socket would: it gives the recorded bytes one frame at a
time, and only to a caller that waits, as a peer would that answers no sooner than it is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secftp.errors import NotFound, SecftpError
from secftp.protocol import Direction, encode
from secftp.protocol.handshake import Established
from secftp.server.access import Rights
from secftp.server.log import Log, SessionLog
from secftp.server.requests import RequestContext
from secftp.server.session import ServerSession
from secftp.session import Session
from secftp.storage import Store
from secftp.transport import Channel, Keepalive, Peer
from secftp.waits import DIRECT
from tests.seamed.product import Sealed
from tests.support.serving import Lines, MemorySink

if TYPE_CHECKING:
    from secftp.crypto import Suite

C2S, S2C, OTHER = b"\1" * 32, b"\2" * 32, b"\3" * 32
ALL = Rights(read=True, write=True, overwrite=True)


class Tape:
    """What the peer sent, and then the end of the connection; what is sent is kept in `sent`."""

    waits = DIRECT

    def __init__(self, recording: bytes) -> None:
        self.rest = memoryview(recording)
        self.sent = bytearray()

    def require_here(self):
        pass

    def receive_into(self, view, timeout):
        size = min(4 + int.from_bytes(self.rest[:4], "big") + 16, len(view), len(self.rest))
        view[:size] = self.rest[:size]
        self.rest = self.rest[size:]
        return size

    def try_receive(self, view):
        return None

    def try_send(self, view):
        self.sent += view
        return len(view)

    def wait_to_send(self, timeout, *, or_receive):
        raise AssertionError("a tape takes everything")

    def fileno(self):
        return -1

    def new_keepalive(self):
        return Keepalive()

    def finish_sending(self):
        pass

    def interrupt(self):
        pass

    def close(self):
        pass


def as_frames(messages) -> list[Sealed]:
    """Messages as frames; one of them has zero bytes behind its payload."""
    sealed = [Sealed(number, flags, bytes(payload)) for number, flags, payload in map(encode, messages)]
    sealed[0] = sealed[0]._replace(padding=5)
    return sealed


def record(seams, suite: Suite, secret: bytes, messages) -> list[bytes]:
    """One direction of a session, frame by frame."""
    sealer, _ = seams.pair(suite, secret)
    return [seams.seal(sealer, [frame]) for frame in as_frames(messages)]


class Played:
    """How a session ended: `error` is None if it came to its orderly end, `decryptions` how many frames were."""

    def __init__(self, error, decryptions, value=None) -> None:
        self.error = error
        self.decryptions = decryptions
        self.value = value


def _play(seams, channel, use) -> Played:
    before = seams.lib.seam_decryptions()
    try:
        value = use()
        error = None
    except SecftpError as problem:
        value, error = None, problem
    finally:
        # Whatever is tried afterwards: a session that was refused opens nothing any more.
        if channel._receiving.state.name == "FAILED":
            count = seams.lib.seam_decryptions()
            for _ in range(2):
                try:
                    channel.receive()
                except (SecftpError, OSError):
                    continue
                raise AssertionError("a session that was refused went on")
            assert seams.lib.seam_decryptions() == count, "something was decrypted after a refusal"
    return Played(error, seams.lib.seam_decryptions() - before, value)


def _channel(seams, suite, recording, outgoing) -> Channel:
    mine, theirs = (C2S, S2C) if outgoing is Direction.TO_SERVER else (S2C, C2S)
    sealer, _ = seams.pair(suite, mine)
    _, opener = seams.pair(suite, theirs)
    return Channel(Tape(recording), Established(sealer, opener, b"", b""), outgoing, timeout=1.0)


def to_server(seams, suite: Suite, recording: bytes, store, log=None) -> Played:
    """Play a client's frames to a server's session on a store."""
    channel = _channel(seams, suite, recording, Direction.TO_CLIENT)
    lines = SessionLog(log or Log(Lines()), 1, Peer("127.0.0.1", 1))
    session = ServerSession(RequestContext(channel, store, ALL, lines, lambda: False), lambda: False)
    return _play(seams, channel, session.run)


def to_client(seams, suite: Suite, recording: bytes, use) -> Played:
    """Play a server's frames to a client's session, with which `use(session)` does something."""
    channel = _channel(seams, suite, recording, Direction.TO_SERVER)
    session = Session(channel)
    return _play(seams, channel, lambda: use(session))


class MemoryStore(Store):
    """As much of a store as a recorded session asks for; `files` is all that is there."""

    def __init__(self, **files: bytes) -> None:
        self.files = {(name.encode(),): data for name, data in files.items()}

    def create_sink(self, path, *_):
        return _Sink(self, path)

    def stat(self, path, *, partial=False):
        raise NotFound("none")

    def remove(self, path, *, kind=None):
        del self.files[path]

    def rename(self, path, to, *, overwrite=False):
        self.files[to] = self.files.pop(path)


class _Sink(MemorySink):
    def __init__(self, store, path):
        super().__init__()
        self._store = store
        self._path = path

    def commit(self):
        self._store.files[self._path] = bytes(self.received)
        return super().commit()

    def keep(self):
        pass
