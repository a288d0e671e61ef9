"""One client's session at the server: requests in, files and answers out, in order.

A request that fails is answered and the session goes on; a peer that breaks the protocol is left without a word. A file
is confirmed only once it stands under its final name.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from secftp._version import __version__
from secftp.channel import IDLE_SECONDS, KEEPALIVE_SECONDS
from secftp.errors import AlreadyExists, FileError, InstallationError, ProtocolError
from secftp.messages import (
    Abort,
    Bye,
    Cancel,
    Error,
    ErrorCode,
    File,
    Info,
    Kind,
    Limits,
    Ok,
    Read,
    Stat,
    Welcome,
    Write,
    code_for,
    text_for,
)
from secftp.messages.schema import CAPABILITY_RANGES, CAPABILITY_STAT
from secftp.storage import new_digest
from secftp.text import escape, format_rate, format_size
from secftp.transfer import Aborted, Interrupted, discard_file, receive_file, send_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.channel import Channel, Received
    from secftp.server.access import Rights
    from secftp.server.log import SessionLog
    from secftp.storage import Digest, Path, Store

REQUESTS_MAX = 1024
PROGRESS_SECONDS = 5.0


class Refused(FileError):
    """A request that the server itself refuses or breaks off, for a reason that no file has."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(text_for(code))
        self.code = code


class Context(NamedTuple):
    """What a session needs beside its channel.

    `stopping` says that no further request is to be served, `hurry` that the one under way is to be broken off.
    """

    store: Store
    rights: Rights
    log: SessionLog
    stopping: Callable[[], bool]
    hurry: Callable[[], bool]


def welcome() -> Welcome:
    """The first message to every client that has proved itself."""
    return Welcome(
        version=1,
        software=f"secftp {__version__}",
        capabilities=(CAPABILITY_RANGES, CAPABILITY_STAT),
        limits=Limits(requests=REQUESTS_MAX, keepalive=int(KEEPALIVE_SECONDS), idle=int(IDLE_SECONDS)),
    )


class ServerSession:
    """Serves one channel until the client says BYE, the connection is lost, or the server stops."""

    def __init__(self, channel: Channel, context: Context) -> None:
        self.busy = False  # whether a request is being served; read by the thread that stops the server
        self._channel = channel
        self._store, self._rights, self._log, self._stopping, self._hurry = context

    def run(self) -> None:
        """Serve until the end; what ends a session out of order is raised."""
        self._channel.send(welcome())
        while not self._stopping():
            # Answers gather while requests are waiting already, and leave together when there are none.
            message = self._channel.receive()
            if isinstance(message, Bye):
                return
            self.busy = True
            self._serve(message)
            self.busy = False

    def _serve(self, message: Received) -> None:
        match message:
            case Read():
                self._read(message)
            case Write():
                self._write(message)
            case Stat():
                self._stat(message)
            case Cancel():
                pass  # its read is over already
            case _:
                raise ProtocolError("A message came that no server serves.")

    # --- reading ----------------------------------------------------------------------------------------------------

    def _read(self, request: Read) -> None:
        self._log.line(f"Client requesting filename: {_name(request.path)}")
        try:
            if self._channel.cancelled(request.id):
                raise Refused(ErrorCode.CANCELLED)
            digest = _digest(request)
            source = self._store.open_source(request.path)
        except FileError as problem:
            self._refuse(request.id, problem)
            return
        with source:
            size = max(0, (source.info.size or 0) - request.offset)
            if request.length is not None:
                size = min(size, request.length)
            self._log.line(f"Processing... {format_size(size)}")
            file = File(id=request.id, size=size, mtime_ns=source.info.mtime_ns, mode=source.info.mode)
            self._channel.send(file)
            try:
                end = send_file(
                    self._channel,
                    source,
                    digest,
                    offset=request.offset,
                    length=size,
                    interrupted=lambda: self._hurry() or self._channel.cancelled(request.id),
                    progress=Reporter(self._log),
                )
            except Interrupted:
                self._abort(ErrorCode.STOPPING if self._hurry() else ErrorCode.CANCELLED)
                return
            except FileError as problem:
                self._abort(code_for(problem))
                return
        self._log.line(f"File sent, checksum: {end.digest.hex()}")
        self._log.line("Finished sending file.")

    def _abort(self, code: ErrorCode) -> None:
        self._channel.send(Abort(code=code, text=text_for(code)))
        self._log.line(f"Broken off: {text_for(code)}")

    # --- writing ----------------------------------------------------------------------------------------------------

    def _write(self, request: Write) -> None:
        self._log.line(f"Client requested to write filename: {_name(request.path)}")
        try:
            ok = self._receive(request)
        except Aborted:
            self._refuse(request.id, Refused(ErrorCode.CANCELLED))
            return
        except FileError as problem:
            self._refuse(request.id, problem)
            # After an error before the end, the rest of the file is still on its way.
            if self._channel.receiving_file:
                self._channel.flush()
                discard_file(self._channel)
            return
        self._channel.send(ok)
        self._log.line(f"File confirmed, checksum: {(ok.digest or b'').hex()}")

    def _receive(self, request: Write) -> Ok:
        if not self._rights.write:
            raise Refused(ErrorCode.READ_ONLY)
        if request.overwrite and not self._rights.overwrite and self._exists(request.path):
            raise AlreadyExists(f"{_name(request.path)} exists already.")
        overwrite = request.overwrite and self._rights.overwrite
        digest = _digest(request)
        with self._store.create_sink(
            request.path, overwrite=overwrite, mode=request.mode, mtime_ns=request.mtime_ns, size=request.size
        ) as sink:
            self._log.line("Processing...")
            report = Reporter(self._log)

            def progress(done: int, total: int | None, /) -> None:
                if self._hurry():
                    raise Refused(ErrorCode.STOPPING)
                report(done, total)

            end = receive_file(
                self._channel, sink, digest, total=request.size, subject=_name(request.path), progress=progress
            )
            sink.commit()
        return Ok(id=request.id, size=end.size, digest=end.digest)

    def _exists(self, path: Path) -> bool:
        """Early word for a client that would send a whole file in vain; the commit decides."""
        try:
            self._store.stat(path)
        except FileError:
            return False
        return True

    # --- the rest ---------------------------------------------------------------------------------------------------

    def _stat(self, request: Stat) -> None:
        try:
            info = self._store.stat(request.path)
        except FileError as problem:
            self._refuse(request.id, problem)
            return
        self._channel.send(
            Info(id=request.id, kind=Kind(info.kind), size=info.size or 0, mtime_ns=info.mtime_ns, mode=info.mode)
        )

    def _refuse(self, request: int, problem: FileError) -> None:
        code = problem.code if isinstance(problem, Refused) else code_for(problem)
        self._channel.send(Error(id=request, code=code, text=text_for(code)))
        self._log.line(f"Refused: {text_for(code)}")


class Reporter:
    """Progress lines for files that take long; short ones have none."""

    def __init__(self, log: SessionLog) -> None:
        self._log = log
        self._started = self._told = time.monotonic()

    def __call__(self, done: int, total: int | None, /) -> None:
        """Told after each batch; writes a line every few seconds."""
        now = time.monotonic()
        if now - self._told < PROGRESS_SECONDS:
            return
        self._told = now
        part = f" of {format_size(total)} ({100 * done // total} %)" if total else ""
        self._log.line(f"Processing... {format_size(done)}{part}, {format_rate(done / (now - self._started))}")


def _digest(request: Read | Write) -> Digest:
    try:
        return new_digest(request.algorithm)
    except InstallationError:
        raise Refused(ErrorCode.UNSUPPORTED) from None


def _name(path: Path) -> str:
    return escape(b"/".join(path))
