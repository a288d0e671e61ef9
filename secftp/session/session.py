"""The simple calls of a client's session: one request, and its answer is waited for.

They stand on the same pipeline as whoever has many requests under way, and may be mixed with those: an answer that is
waited for takes in all that come before it. Words for people, exit codes and the choice of local files are the business
of whoever calls this. What must never happen: that a file is taken for whole, here or at the server, before its digest
has been compared.
"""

from __future__ import annotations

import contextlib
import hmac
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from secftp.channel import connect
from secftp.errors import ChecksumMismatch, ConnectionLost, FileError, NotFound, ProtocolError, SecftpError
from secftp.messages import (
    Algorithm,
    Bye,
    Error,
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
    Stat,
    Sum,
    Write,
    exception_for,
    no_directory,
    no_parent,
    remote_failure,
)
from secftp.session.capabilities import lacks
from secftp.session.confirm import Unconfirmed, new_token
from secftp.session.pipeline import Pipeline
from secftp.session.replies import FileReply, ListingReply, SingleReply
from secftp.storage import Path, new_digest
from secftp.storage.base import Kept
from secftp.transfer import Progress, unwatched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from secftp.channel import Channel, Credentials
    from secftp.messages import End, Kind, Listed, Welcome
    from secftp.session.replies import Reply
    from secftp.storage import Digest, Sink, Source

_Reply = TypeVar("_Reply", bound=Message)


class Transferred(NamedTuple):
    """What was moved, whole and verified at both ends: how many bytes, and the digest of the file."""

    size: int
    digest: bytes


class Session:
    """An open session. A context manager: left in order it says BYE, left by an exception it just closes.

    Every call raises the `FileError` that the server has to say, which leaves the session in order, and what the
    channel raises, which ends it. Not for two threads.
    """

    def __init__(self, channel: Channel) -> None:
        self.pipeline = Pipeline(channel)
        self._channel = channel

    @classmethod
    def open(
        cls,
        host: str,
        port: int,
        credentials: Credentials,
        *,
        timeout: float,
        on_wait: Callable[[], None] | None = None,
    ) -> Session:
        """Connect and shake hands; see `secftp.channel.connect` for the arguments and for what can go wrong."""
        return cls(connect(host, port, credentials, timeout=timeout, on_wait=on_wait))

    @property
    def welcome(self) -> Welcome | None:
        """What the server said first; None until it has come."""
        return self.pipeline.welcome

    def can(self, capability: str) -> bool:
        """Whether the server said in WELCOME that it knows this; waits for WELCOME if that has not come yet."""
        return capability in self.pipeline.await_welcome().capabilities

    def may(self, right: str) -> bool:
        """Whether this session has the right, by its name in WELCOME; True if the server does not tell."""
        rights = self.pipeline.await_welcome().rights
        return rights is None or right in rights

    def require(self, capability: str, path: Path = ()) -> None:
        """Raise the `FileError` of a server that lacks what a request about `path` needs."""
        if not self.can(capability):
            raise lacks(capability, path)

    def _require_for(self, request: Request, path: Path) -> None:
        needed = request.needs()
        if needed is not None:
            self.require(needed, path)

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
        progress: Progress = unwatched,
    ) -> Transferred:
        """Fetch a file, or the part of it that exists in a range, into a sink; that is committed once all is verified.

        With `prefix`, a digest under way that has taken in the first `offset` bytes as the sink has them, the rest of
        the file goes behind those if the server has the same there (else `ChecksumMismatch`), and the digest that is
        returned is of the whole file; the size is of what was moved. Raises what the sink raises, too.
        """
        number = self.pipeline.next_id()
        request = Read(
            id=number,
            path=path,
            offset=offset,
            length=length,
            prefix=None if prefix is None else prefix.digest(),
            algorithm=algorithm,
        )
        self._require_for(request, path)
        reading = FileReply(
            lambda _file: sink,
            new_digest(algorithm) if prefix is None else prefix,
            subject=path,
            stop=lambda: self.pipeline.cancel(number),
            progress=progress,
        )
        with self.pipeline.keepalive():
            self._submit(request, reading)
            if reading.end is None:
                raise reading.problem or ProtocolError("The answer does not fit the request.")
            sink.commit()
        return Transferred(reading.end.size, reading.end.digest)

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
        prefix: Digest | None = None,
        keep: bool = False,
        progress: Progress = unwatched,
    ) -> Transferred:
        """Send a source's bytes to a file; returns once it stands, verified, under its final name at the server.

        With `keep` the server keeps what has come if this is broken off. With `offset` and `prefix`, a digest under way
        that has taken in the source's first `offset` bytes, the rest goes behind those that the server kept, if they
        are the same (else `ChecksumMismatch`; `NotFound` if nothing is kept); the digest that is returned is of the
        whole file, the size of what was moved. Raises what the source raises, too, and `Unconfirmed` for a connection
        that was lost when all was sent.
        """
        size = source.info.size
        request = Write(
            id=self.pipeline.next_id(),
            path=path,
            size=None if size is None else max(0, size - offset),
            algorithm=algorithm,
            overwrite=overwrite,
            mode=mode,
            mtime_ns=mtime_ns,
            offset=offset,
            prefix=None if prefix is None else prefix.digest(),
            keep=keep,
            token=new_token() if prefix is None else None,  # a rest alone is not asked for
        )
        self._require_for(request, path)
        with self.pipeline.keepalive():
            end, ok = self._send(request, source, new_digest(algorithm) if prefix is None else prefix, progress)
        if end is None:
            raise ProtocolError("The server confirmed a file that was not sent whole.")
        if ok.digest is not None and not hmac.compare_digest(ok.digest, end.digest):
            raise remote_failure(ChecksumMismatch, path, "the server confirmed another checksum than the one sent.")
        return Transferred(end.size, end.digest)

    def _send(self, request: Write, source: Source, digest: Digest, progress: Progress) -> tuple[End | None, Ok]:
        answer = SingleReply()
        end = None
        try:
            with self._unless_answered(answer):
                end = self.pipeline.send_file(request, source, digest, answer, offset=request.offset, progress=progress)
                self._await(answer)
        except ConnectionLost as lost:
            if end is None or request.prefix is not None:
                raise
            sent = Transferred(end.size, end.digest)
            raise Unconfirmed(lost, sent, request.algorithm, request.token) from None
        except FileError:
            # What is wrong is known; the answer is taken only so that the next request does not find it.
            with contextlib.suppress(SecftpError):
                self._await(answer)
            raise
        try:
            return end, self._unwrap(answer, Ok, request.path)
        except NotFound:
            if request.prefix is not None:
                raise remote_failure(
                    NotFound, request.path, "the server has kept nothing of it.", hint="Send all of it."
                ) from None
            # The server speaks of a file that it can't find; here that can only be the folder around it.
            raise no_parent(request.path) from None

    # --- what is there ------------------------------------------------------------------------------------------------

    def stat(self, path: Path, *, partial: bool = False) -> Info:
        """What stands under a name at the server (`()`: the served folder), or with `partial`, what is kept for it."""
        return self._ask(Stat(id=self.pipeline.next_id(), path=path, partial=partial), Info, path)

    def list(self, path: Path, *, recursive: bool = False) -> Iterator[Listed]:
        """What is in a folder (`()`: the served one), and with `recursive` in all folders beneath, as it comes in.

        The request leaves with the first step, which also raises what is wrong with the folder itself. Whoever has
        enough leaves the iterator; the server is told with the next request.
        """
        number = self.pipeline.next_id()
        request = List(id=number, path=path, recursive=recursive)
        self._require_for(request, path)
        listing = ListingReply()
        self.pipeline.submit(request, listing)
        try:
            with self.pipeline.keepalive():
                while True:
                    while listing.entries:
                        yield listing.entries.popleft()
                    if listing.complete:
                        break
                    self.pipeline.step()
        finally:
            if not listing.complete:
                listing.drop()
                self.pipeline.give_up(number)
        if listing.error is not None:
            raise exception_for(listing.error.code, path, listing.error.reason)

    def checksum(
        self, path: Path, *, algorithm: Algorithm = Algorithm.XXH128, offset: int = 0, length: int | None = None
    ) -> Transferred:
        """The digest of a file, or of a part of it, computed by the server; and how many bytes went into it."""
        found, _ = self._sum(
            Sum(id=self.pipeline.next_id(), path=path, algorithm=algorithm, offset=offset, length=length)
        )
        return found

    def own_checksum(self, path: Path, algorithm: Algorithm, token: bytes | None) -> tuple[Transferred, bool]:
        """As `checksum` of a whole file, and whether the server knows that it is the one that came with this token."""
        return self._sum(Sum(id=self.pipeline.next_id(), path=path, algorithm=algorithm, token=token))

    def _sum(self, request: Sum) -> tuple[Transferred, bool]:
        with self.pipeline.keepalive():
            ok = self._ask(request, Ok, request.path)
        if ok.size is None or ok.digest is None:
            raise ProtocolError("The answer does not fit the request.")
        return Transferred(ok.size, ok.digest), ok.own

    # --- changes ------------------------------------------------------------------------------------------------------

    # A change with a `token` (16 random bytes) is carried out once, however often it is asked for with that.

    def remove(self, path: Path, *, kind: Kind | None = None, token: bytes | None = None) -> None:
        """Remove a file or an empty folder, and with `kind` only what is one."""
        self._ask(Remove(id=self.pipeline.next_id(), path=path, kind=kind, token=token), Ok, path)

    def rename(self, path: Path, to: Path, *, overwrite: bool = False, token: bytes | None = None) -> None:
        """Give a file or folder another name; with `overwrite` a file may replace a file."""
        request = Rename(id=self.pipeline.next_id(), path=path, to=to, overwrite=overwrite, token=token)
        self._ask(request, Ok, path, to)

    def make_folder(
        self, path: Path, *, parents: bool = False, mode: int | None = None, token: bytes | None = None
    ) -> None:
        """Make a folder; with `parents` what is missing above it too, and one that is there already is fine."""
        try:
            request = MakeDirectory(id=self.pipeline.next_id(), path=path, parents=parents, mode=mode, token=token)
            self._ask(request, Ok, path)
        except NotFound:
            raise (no_directory(path) if parents else no_parent(path)) from None

    def set_attributes(self, path: Path, *, mode: int | None = None, mtime_ns: int | None = None) -> Kept:
        """Set permissions and modification time of a file or folder (`()`: the served one); what it has of them."""
        request = SetAttributes(id=self.pipeline.next_id(), path=path, mode=mode, mtime_ns=mtime_ns)
        ok = self._ask(request, Ok, path)
        return Kept(not ok.time_changed, not ok.mode_changed)

    # --- the end ------------------------------------------------------------------------------------------------------

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

    def _ask(self, request: Request, kind: type[_Reply], path: Path, to: Path | None = None) -> _Reply:
        self._require_for(request, path)
        answer = SingleReply()
        self._submit(request, answer)
        return self._unwrap(answer, kind, path, to)

    def _submit(self, request: Request, answer: Reply) -> None:
        with self._unless_answered(answer):
            self.pipeline.submit(request, answer)
            self._await(answer)

    def _await(self, answer: Reply) -> None:
        while not answer.complete:
            self.pipeline.step()

    @contextlib.contextmanager
    def _unless_answered(self, answer: Reply) -> Iterator[None]:
        """A connection that is lost once the answer is here takes nothing from it."""
        try:
            yield
        except ConnectionLost:
            if not answer.complete:
                raise

    def _unwrap(self, answer: SingleReply, kind: type[_Reply], path: Path, to: Path | None = None) -> _Reply:
        message = answer.message
        if isinstance(message, Error):
            raise _failure(message, path, to)
        if not isinstance(message, kind):
            raise ProtocolError("The answer does not fit the request.")
        return message


def _failure(message: Error, path: Path, to: Path | None) -> FileError:
    """What the server has refused. Made here, since a frame that raises what it holds is kept alive by that."""
    is_target = message.target and to is not None
    problem = exception_for(message.code, to if is_target else path, message.reason)
    problem.of_target = is_target
    return problem
