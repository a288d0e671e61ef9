"""A client's session: blocking calls, each of which makes one request and waits for its reply.

They use the session's pipeline, and may be mixed with requests that are under way there: to wait for one reply takes in
all those before it. Invariant: no file counts as whole, here or at the server, before its digest has been compared.
"""

from __future__ import annotations

import contextlib
import hmac
from typing import TYPE_CHECKING, Self, TypeVar

from secftp.errors import ChecksumMismatch, ConnectionLost, FileError, NotFound, ProtocolError, SecftpError
from secftp.protocol import (
    Algorithm,
    Bye,
    Capacity,
    Copy,
    ErrorCode,
    Info,
    List,
    MakeDirectory,
    Message,
    Ok,
    Read,
    Remove,
    Rename,
    Request,
    SetAttributes,
    Space,
    Stat,
    Sum,
    Write,
    no_directory,
    no_parent,
    remote_failure,
)
from secftp.session.pipeline import Pipeline, new_token
from secftp.session.replies import (
    FileReply,
    SingleReply,
    Transferred,
    Unconfirmed,
    lacks,
    unexpected_reply,
)
from secftp.session.requested import Requested, RequestedListing, require_for
from secftp.storage import Path, new_digest
from secftp.storage.attributes import DEFAULT_OPTIONS, Kept
from secftp.transport import connect
from secftp.transport.file_data import Progress, unwatched

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from secftp.protocol import End, File, Kind, Listed, Welcome
    from secftp.storage import Digest, Sink, Source, WriteOptions
    from secftp.transport import Channel, Credentials

_Kind = TypeVar("_Kind", bound=Message)


def copied_size(ok: Ok) -> int:
    """Return the size in the reply to a COPY."""
    if ok.size is None:
        raise unexpected_reply()
    return ok.size


class Session:
    """An open session, for one thread.

    A context manager: it says BYE and closes, or only closes if the block raises something other than a `FileError`.

    Every call raises the `FileError` with which the server refuses it, after which the session can still be used, and
    what the channel raises, which ends the session. Paths are relative to the served directory, which is `()`.

    `has_failed`: BYE says that something failed that was asked for; a server that waits for a whole delivery goes on.
    """

    def __init__(self, channel: Channel) -> None:
        self.pipeline = Pipeline(channel)
        self.has_failed = False
        self._channel = channel

    @classmethod
    def open(
        cls,
        host: str,
        port: int,
        credentials: Credentials,
        *,
        timeout: float,
        connect_timeout: float | None = None,
        on_wait: Callable[[], None] | None = None,
        congestion: str | None = None,
        wanted: Callable[[], bool] | None = None,
    ) -> Session:
        """Connect and perform the handshake, as `secftp.transport.connect`."""
        return cls(
            connect(
                host,
                port,
                credentials,
                timeout=timeout,
                connect_timeout=connect_timeout,
                on_wait=on_wait,
                congestion=congestion,
                wanted=wanted,
            )
        )

    @property
    def welcome(self) -> Welcome | None:
        """The server's first message; None until it has come."""
        return self.pipeline.welcome

    @property
    def round_trip(self) -> float | None:
        """The shortest round trip to the server that the kernel has measured, in seconds; None if it does not tell."""
        return self._channel.round_trip

    def can(self, capability: str) -> bool:
        """Whether the server named this capability in WELCOME. Waits for WELCOME if that has not come yet."""
        return capability in self.pipeline.await_welcome().capabilities

    def may(self, right: str) -> bool:
        """Whether this session has the right of that name in WELCOME; True if the server does not say."""
        rights = self.pipeline.await_welcome().rights
        return rights is None or right in rights

    def require(self, capability: str, path: Path = ()) -> None:
        """Raise a `FileError` about `path` if the server lacks a capability."""
        if not self.can(capability):
            raise lacks(capability, path)

    # --- files --------------------------------------------------------------------------------------------------------

    def read(
        self,
        path: Path,
        sink: Sink,
        *,
        offset: int = 0,
        length: int | None = None,
        prefix: Digest | None = None,
        algorithm: Algorithm = Algorithm.XXH128,
        check: Callable[[File], None] = lambda _file: None,
        progress: Progress = unwatched,
    ) -> Transferred:
        """Fetch a file into a sink, which is committed once all is verified.

        `offset` and `length`, in bytes, select a range, of which the part that exists is fetched. `check` is called
        before the sink gets anything, and raises the `FileError` for which the file is not wanted.

        With `prefix`, the digest of the first `offset` bytes as the sink has them, the rest of the file is appended to
        those. Raises `ChecksumMismatch` if the server has other bytes there. The digest that is returned is of the
        whole file, the size is what was transferred. Also raises what the sink raises.
        """
        number = self.pipeline.next_id()
        request = Read(
            id=number,
            path=path,
            offset=offset,
            length=length,
            prefix=None if prefix is None else prefix.digest(),
            algorithm=algorithm,
            compress=self.pipeline.compress,
            holes=True,
        )
        require_for(self.pipeline, request, path)

        def opened(file: File) -> Sink:
            check(file)
            return sink

        reply = FileReply(
            opened,
            new_digest(algorithm) if prefix is None else prefix,
            subject=path,
            stop=lambda: self.pipeline.cancel(number),
            progress=progress,
        )
        with self.pipeline.keepalive():
            self.pipeline.exchange(request, reply)
            if reply.end is None:
                raise reply.problem or unexpected_reply()
            sink.commit()
        return Transferred(reply.end.size, reply.end.digest)

    def write(
        self,
        path: Path,
        source: Source,
        options: WriteOptions = DEFAULT_OPTIONS,
        *,
        algorithm: Algorithm = Algorithm.XXH128,
        offset: int = 0,
        prefix: Digest | None = None,
        progress: Progress = unwatched,
    ) -> Transferred:
        """Send a source as a file. Returns once it is verified and has its final name at the server.

        The size is that of the source, whatever the options say. With `prefix`, the digest of the source's first
        `offset` bytes, the rest is appended to what the server has kept. Raises `ChecksumMismatch` if
        those are other bytes, `NotFound` if nothing is kept. The digest that is returned is of the whole file, the size
        is what was transferred.

        Raises `Unconfirmed` if the connection is lost after all was sent, and what the source raises.
        """
        size = source.info.size
        request = Write(
            id=self.pipeline.next_id(),
            path=path,
            size=None if size is None else max(0, size - offset),
            algorithm=algorithm,
            overwrite=options.overwrite,
            mode=options.mode,
            mtime_ns=options.mtime_ns,
            offset=offset,
            prefix=None if prefix is None else prefix.digest(),
            keep=options.keep,
            backup=options.backup,
            token=new_token() if prefix is None else None,  # the arrival of a rest alone is never asked for
        )
        require_for(self.pipeline, request, path)
        with self.pipeline.keepalive():
            end, ok = self._send(request, source, new_digest(algorithm) if prefix is None else prefix, progress)
        if end is None:
            raise ProtocolError("The server confirmed an incomplete file.")
        if ok.digest is not None and not hmac.compare_digest(ok.digest, end.digest):
            raise remote_failure(ChecksumMismatch, path, "the server confirmed another checksum than the one sent.")
        return Transferred(end.size, end.digest)

    def _send(self, request: Write, source: Source, digest: Digest, progress: Progress) -> tuple[End | None, Ok]:
        reply = SingleReply()
        end = None
        try:
            end = self.pipeline.send_file(request, source, digest, reply, offset=request.offset, progress=progress)
            self.pipeline.wait_for(reply)
        except ConnectionLost as lost:
            if reply.complete:
                pass  # as for every exchange, it does not matter then
            elif end is None or request.prefix is not None:
                raise
            else:
                sent = Transferred(end.size, end.digest)
                raise Unconfirmed(lost, sent, request.algorithm, request.token) from None
        except FileError:
            # What is wrong is known; the reply is taken only so that the next request does not find it.
            with contextlib.suppress(SecftpError):
                self.pipeline.wait_for(reply)
            raise
        try:
            return end, reply.unwrap(Ok, request.path)
        except NotFound:
            if request.prefix is not None:
                raise remote_failure(
                    NotFound, request.path, "the server has no partial file of it.", hint="Send the whole file."
                ) from None
            # For a file that is to be made, it can only be the directory that is missing.
            raise no_parent(request.path) from None

    # --- what is at the server ----------------------------------------------------------------------------------------

    def stat(self, path: Path, *, partial: bool = False) -> Info:
        """Describe a file or directory; with `partial` what the server has kept of an interrupted transfer to it."""
        return self._ask(Stat(id=self.pipeline.next_id(), path=path, partial=partial), Info, path)

    def begin_stat(self, path: Path) -> Requested[Info]:
        """Request what `stat` returns, without waiting for it."""
        return Requested(self.pipeline, Stat(id=self.pipeline.next_id(), path=path), Info, path)

    def space(self, path: Path = ()) -> Capacity:
        """Return how much room there is in the file system that `path` is in, or would be made in."""
        return self.begin_space(path).result()

    def begin_space(self, path: Path = ()) -> Requested[Capacity]:
        """Request what `space` returns, without waiting for it."""
        return Requested(self.pipeline, Space(id=self.pipeline.next_id(), path=path), Capacity, path)

    def list(self, path: Path, *, recursive: bool = False, others: bool = False) -> Generator[Listed, None, None]:
        """Yield the entries of a directory as they arrive, with `recursive` those of all directories below it, too.

        The request leaves with the first `next`, which also raises what is wrong with the directory itself. A caller
        that closes the generator early cancels the listing, with the next request.
        """
        yield from self.begin_list(path, recursive=recursive, others=others).entries()

    def begin_list(self, path: Path, *, recursive: bool = False, others: bool = False) -> RequestedListing:
        """Request what `list` yields, now. The listing has to be used or dropped."""
        request = List(id=self.pipeline.next_id(), path=path, recursive=recursive, others=others)
        return RequestedListing(self.pipeline, request)

    def checksum(
        self, path: Path, *, algorithm: Algorithm = Algorithm.XXH128, offset: int = 0, length: int | None = None
    ) -> Transferred:
        """Have the server compute the digest of a file or of a range of it; the size is what went into it."""
        found, _ = self._sum(
            Sum(id=self.pipeline.next_id(), path=path, algorithm=algorithm, offset=offset, length=length)
        )
        return found

    def begin_checksum(self, path: Path, algorithm: Algorithm) -> Requested[Ok]:
        """Request the checksum of a whole file, without waiting for it; the reply has a digest."""
        return Requested(self.pipeline, Sum(id=self.pipeline.next_id(), path=path, algorithm=algorithm), Ok, path)

    def own_checksum(self, path: Path, algorithm: Algorithm, token: bytes | None) -> tuple[Transferred, bool]:
        """The checksum of a whole file, and whether the server knows that it came with the request of this token."""
        return self._sum(Sum(id=self.pipeline.next_id(), path=path, algorithm=algorithm, token=token))

    def _sum(self, request: Sum) -> tuple[Transferred, bool]:
        with self.pipeline.keepalive():
            ok = self._ask(request, Ok, request.path)
        if ok.size is None or ok.digest is None:
            raise unexpected_reply()
        return Transferred(ok.size, ok.digest), ok.own

    # --- changes, idempotent by their `token` (see `new_token`) -------------------------------------------------------

    def remove(self, path: Path, *, kind: Kind | None = None, token: bytes | None = None) -> None:
        """Remove a file or an empty directory; with `kind`, only if it is one of that kind."""
        self._ask(Remove(id=self.pipeline.next_id(), path=path, kind=kind, token=token), Ok, path)

    def rename(self, path: Path, to: Path, *, overwrite: bool = False, token: bytes | None = None) -> None:
        """Rename a file or directory. With `overwrite` a file may replace a file."""
        request = Rename(id=self.pipeline.next_id(), path=path, to=to, overwrite=overwrite, token=token)
        self._ask(request, Ok, path, to)

    def copy(self, path: Path, to: Path, *, overwrite: bool = True, token: bytes | None = None) -> int:
        """Have the server copy a file, with its permissions and time; return its size in bytes.

        With `overwrite` it may replace a file.
        """
        with self.pipeline.keepalive():
            return copied_size(self.begin_copy(path, to, overwrite=overwrite, token=token).result())

    def begin_copy(self, path: Path, to: Path, *, overwrite: bool = True, token: bytes | None = None) -> Requested[Ok]:
        """Request what `copy` does, without waiting for it; `copied_size` returns the size in the reply."""
        request = Copy(id=self.pipeline.next_id(), path=path, to=to, overwrite=overwrite, token=token)
        return Requested(self.pipeline, request, Ok, path, to)

    def make_directory(
        self, path: Path, *, parents: bool = False, mode: int | None = None, token: bytes | None = None
    ) -> None:
        """Make a directory. With `parents`, also make those above it, and accept one that exists already."""
        try:
            request = MakeDirectory(id=self.pipeline.next_id(), path=path, parents=parents, mode=mode, token=token)
            self._ask(request, Ok, path)
        except NotFound:
            raise (no_directory(path) if parents else no_parent(path)) from None

    def set_attributes(self, path: Path, *, mode: int | None = None, mtime_ns: int | None = None) -> Kept:
        """Set permissions and modification time of a file or directory. Returns which of them it has then."""
        request = SetAttributes(id=self.pipeline.next_id(), path=path, mode=mode, mtime_ns=mtime_ns)
        ok = self._ask(request, Ok, path)
        return Kept(not ok.time_changed, not ok.mode_changed)

    # --- the end ------------------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """End the connection, from another thread: what uses it raises `ConnectionLost`."""
        self._channel.interrupt()

    def close(self) -> None:
        """Say BYE and close."""
        self._channel.close(Bye(code=ErrorCode.CANCELLED) if self.has_failed else Bye())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, FileError):
            self.has_failed = self.has_failed or kind is not None
            self._say_bye()
        else:
            self._channel.close()

    def _say_bye(self) -> None:
        """Close in order. All work is confirmed by then, so it does not matter if the peer is gone."""
        try:
            self.close()
        except (SecftpError, OSError):
            self._channel.close()

    def _ask(self, request: Request, kind: type[_Kind], path: Path, to: Path | None = None) -> _Kind:
        return Requested(self.pipeline, request, kind, path, to).result()
