"""A client's session with a server: one request at a time, each a file or an answer about one.

Words for people, exit codes and the choice of local files are the business of whoever calls this.
"""

from __future__ import annotations

import contextlib
import hmac
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from secftp.channel import Channel, Credentials, DataRun, Keepalive, connect
from secftp.errors import (
    ChecksumMismatch,
    ConnectionLost,
    FileError,
    HandshakeRefused,
    NotFound,
    ProtocolError,
    SecftpError,
)
from secftp.messages import (
    Abort,
    Algorithm,
    Bye,
    End,
    Error,
    ErrorCode,
    File,
    Info,
    Message,
    Ok,
    Read,
    Stat,
    Welcome,
    Write,
    code_for,
    exception_for,
    text_for,
)
from secftp.storage import Path, new_digest
from secftp.text import escape
from secftp.transfer import Aborted, Interrupted, Progress, receive_file, send_file, unwatched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from secftp.messages import Kind, Listed
    from secftp.storage import Digest, Sink, Source

_Reply = TypeVar("_Reply", bound=Message)


class Transferred(NamedTuple):
    """What arrived, whole and verified at both ends."""

    size: int
    digest: bytes


class Session:
    """An open session. A context manager: left in order it says BYE, left by an exception it just closes."""

    def __init__(self, channel: Channel) -> None:
        self.welcome: Welcome | None = None
        self._channel = channel
        self._last_id = 0
        self._keepalive = Keepalive()

    @classmethod
    def open(cls, host: str, port: int, credentials: Credentials, *, timeout: float) -> Session:
        """Connect and shake hands; see `secftp.channel.connect` for what can go wrong."""
        return cls(connect(host, port, credentials, timeout=timeout))

    def read(
        self,
        path: Path,
        sink: Sink,
        *,
        offset: int = 0,
        length: int | None = None,
        prefix: bytes | None = None,
        algorithm: Algorithm = Algorithm.XXH128,
        progress: Progress = unwatched,
    ) -> Transferred:
        """Fetch a file into a sink, which is committed only when the file is whole and verified.

        Raises the `FileError` that the server or the sink has to say, and what the channel raises.
        """
        digest = new_digest(algorithm)
        self._channel.send(Read(id=self._next_id(), path=path, algorithm=algorithm))
        self._channel.flush()
        file = self._reply(File, path)
        progress(0, file.size)
        self._keepalive.watch(self._channel)
        try:
            end = receive_file(self._channel, sink, digest, total=file.size, subject=_subject(path), progress=progress)
            sink.commit()
        except Aborted as given_up:
            raise exception_for(given_up.code, _subject(path)) from None
        finally:
            self._keepalive.forget(self._channel)
        return Transferred(end.size, end.digest)

    def write(
        self,
        path: Path,
        source: Source,
        *,
        algorithm: Algorithm = Algorithm.XXH128,
        overwrite: bool = True,
        mode: int | None = None,
        mtime_ns: int | None = None,
        offset: int = 0,
        prefix: bytes | None = None,
        keep: bool = False,
        progress: Progress = unwatched,
    ) -> Transferred:
        """Send a source's bytes to a file; returns once it stands, verified, under its final name at the server."""
        digest = new_digest(algorithm)
        size = source.info.size
        request = Write(id=self._next_id(), path=path, size=size, algorithm=algorithm, overwrite=overwrite)
        self._channel.send(request)
        self._keepalive.watch(self._channel)
        try:
            end = self._send(path, source, digest, progress)
            self._channel.flush()
            ok = self._reply(Ok, path)
        except NotFound:
            # The server speaks of a file that it can't find; here that can only be the folder around it.
            raise NotFound(
                f"{_subject(path)}: there is no such folder at the server.", hint="Make the folder there first."
            ) from None
        finally:
            self._keepalive.forget(self._channel)
        if end is None:
            raise ProtocolError("The server confirmed a file that was not sent whole.")
        if ok.digest is not None and not hmac.compare_digest(ok.digest, end.digest):
            raise ChecksumMismatch(f"{_subject(path)}: the server confirmed another checksum than the one sent.")
        return Transferred(end.size, end.digest)

    def stat(self, path: Path, *, partial: bool = False) -> Info:
        """What stands under a name at the server."""
        self._channel.send(Stat(id=self._next_id(), path=path))
        self._channel.flush()
        return self._reply(Info, path)

    def can(self, capability: str) -> bool:
        """Whether the server said in WELCOME that it knows this; waits for WELCOME if that has not come yet."""
        raise NotImplementedError

    def list(self, path: Path, *, recursive: bool = False) -> Iterator[Listed]:
        """What is in a folder (`()`: the served one), and with `recursive` in all folders beneath, as it comes in."""
        raise NotImplementedError

    def remove(self, path: Path, *, kind: Kind | None = None) -> None:
        """Remove a file or an empty folder, and with `kind` only what is one."""
        raise NotImplementedError

    def rename(self, path: Path, to: Path, *, overwrite: bool = False) -> None:
        """Give a file or folder another name; with `overwrite` a file may replace a file."""
        raise NotImplementedError

    def make_folder(self, path: Path, *, parents: bool = False, mode: int | None = None) -> None:
        """Make a folder; with `parents` what is missing above it too, and one that is there already is fine."""
        raise NotImplementedError

    def set_attributes(self, path: Path, *, mode: int | None = None, mtime_ns: int | None = None) -> None:
        """Set permissions and modification time of a file or folder (`()`: the served one)."""
        raise NotImplementedError

    def checksum(
        self, path: Path, *, algorithm: Algorithm = Algorithm.XXH128, offset: int = 0, length: int | None = None
    ) -> Transferred:
        """The digest of a file, or of a part of it, computed by the server; and how many bytes went into it."""
        raise NotImplementedError

    def close(self) -> None:
        """Say BYE and close."""
        self._channel.close(Bye())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, FileError):
            self._say_bye()
        else:
            self._channel.close()

    def _say_bye(self) -> None:
        """The work is done and confirmed: a peer that is gone by now takes nothing from it."""
        try:
            self.close()
        except (SecftpError, OSError):
            self._channel.close()

    # --- one request and its answer -----------------------------------------------------------------------------------

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _send(self, path: Path, source: Source, digest: Digest, progress: Progress) -> End | None:
        """The file's bytes and END; None when the server spoke first and its answer is still to be received."""
        channel = self._channel
        try:
            return send_file(
                channel,
                source,
                digest,
                length=source.info.size,
                interrupted=self._has_word,
                progress=progress,
            )
        except Interrupted:
            self._abort(ErrorCode.CANCELLED)
            return None
        except ConnectionLost:
            # The server may have said why before it closed, and that word is worth more than the closed connection.
            self._raise_last_word(channel)
            raise
        except FileError as problem:
            self._abort(code_for(problem))
            # What is wrong is known; the answer is taken only so that the next request does not find it.
            with contextlib.suppress(SecftpError):
                self._reply(Ok, path)
            raise

    def _has_word(self) -> bool:
        """Whether the server has said anything but WELCOME, which it may do at any time before the file's end."""
        if not self._channel.waiting():
            return False
        if self.welcome is not None:
            return True
        message = self._channel.receive()
        assert isinstance(message, Welcome)  # nothing else may come first
        self.welcome = message
        return self._channel.waiting()

    def _abort(self, code: ErrorCode) -> None:
        self._channel.send(Abort(code=code, text=text_for(code)))
        self._channel.flush()

    def _raise_last_word(self, channel: Channel) -> None:
        """Raise what an ERROR or BYE says that is in our hands already."""
        while channel.waiting():
            message = channel.receive()
            if isinstance(message, Error):
                raise exception_for(message.code, "the server")
            if isinstance(message, Bye):
                raise _farewell(message)

    def _reply(self, kind: type[_Reply], path: Path) -> _Reply:
        """The answer to the oldest request; raises what an ERROR says."""
        while True:
            message = self._channel.receive()
            match message:
                case Welcome():
                    self.welcome = message
                case Error():
                    raise exception_for(message.code, _subject(path))
                case Bye():
                    raise _farewell(message)
                case DataRun():
                    raise ProtocolError("A file's bytes came without their file.")
                case _:
                    if not isinstance(message, kind):
                        raise ProtocolError("The answer does not fit the request.")
                    return message


def _farewell(message: Bye) -> ConnectionLost | HandshakeRefused:
    if message.code is ErrorCode.STOPPING:
        return ConnectionLost("The server is stopping and ended the session.", hint="Try again later.")
    if message.code is ErrorCode.LIMIT:
        return HandshakeRefused("The server has too many clients.", hint="Try again later.")
    return ConnectionLost("The server ended the session.", hint="Try again.")


def _subject(path: Path) -> str:
    return escape(b"/".join(path))
