"""A client that sends a file in parts, message by message, over as many sessions as a test opens."""

from __future__ import annotations

import socket

from secftp.protocol import End, Stat, Write, encode
from tests.support.serving import digest_of

NAME = (b"f",)
ID, OTHER_ID = bytes(range(16)), bytes(range(1, 17))
WHOLE = b"hello, world"
_BATCH = 1 << 19


class Uploader:
    """One session: `wire` is any that says what it is told. Ids of requests rise by themselves."""

    def __init__(self, wire, whole=WHOLE, *, path=NAME, upload=ID, **fields):
        self.wire = wire
        wire.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # parts are small, and sent in two steps
        self.whole = whole
        self.fields = {"path": path, "upload": upload, "total": len(whole), "keep": True, **fields}
        self.announced = None  # the range of the latest part
        self._id = 0

    def next_id(self):
        self._id += 1
        return self._id

    def begin(self, at, end, **fields):
        """Send the WRITE of a part, and nothing of its bytes."""
        self._write(at, end, fields)
        self.wire.flush()

    def _write(self, at, end, fields):
        self.announced = at, end
        write = Write(id=self.next_id(), at=at, size=end - at, **{**self.fields, **fields})
        self.wire.frame(*encode(write))

    def end(self, at, end, *, whole=None, data=None, digest=None, size=None):
        """Send a part's bytes and its END; `size` is for both, if some bytes have been sent."""
        data = self.whole[at:end] if data is None else data
        if len(data) > _BATCH:
            self.wire.send_data(data)
        else:
            self.wire.queue_data(data)
        whole = self.digest() if whole is True else whole
        self.wire.send(End(size=len(data) if size is None else size, digest=digest or digest_of(data), whole=whole))

    def send(self, at, end, *, whole=None, data=None, digest=None, **fields):
        """Send a part and return the answer. With `whole` True it tells the digest of the whole file."""
        self._write(at, end, fields)
        self.end(at, end, whole=whole, data=data, digest=digest)
        return self.wire.receive()

    def ask(self, **fields):
        """Ask whether the file is complete, with an empty part."""
        return self.send(len(self.whole), len(self.whole), whole=True, **fields)

    def kept(self):
        """What STAT tells of the partial, or its ERROR."""
        self.wire.send(Stat(id=self.next_id(), path=self.fields["path"], partial=True, parts=True))
        return self.wire.receive()

    def digest(self):
        return digest_of(self.whole)
