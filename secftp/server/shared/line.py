"""One connection to Redis, with a timeout. The only importer of redis.

Sentences about failures are our own, by the kind of the failure: those of the library may contain what was sent.
Invariants: an answer is waited for no longer than its time in all, however slowly it comes, and has at most
`MOST_BYTES`. The library bounds each read alone, so that a byte now and then would hold up the accept loop for ever.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import redis

from secftp.errors import SecftpError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secftp.server.shared.url import SharedUrl

# For an answer. The accept loop waits for one: that long once, and then Redis counts as lost.
SECONDS: Final = 0.1
CONNECT_SECONDS: Final = 1.0
# Of an answer: the longest of our scripts' is below 200.
MOST_BYTES: Final = 4096
_REFUSED: Final = ("NOAUTH", "WRONGPASS", "NOPERM")

Value: TypeAlias = str | bytes | int | float


class Script(NamedTuple):
    """A Lua script and the hash by which Redis knows it."""

    text: str
    sha1: str


class _Bounded:
    """The socket `sock` with one deadline, and one number of bytes, for all that is received up to the next `begin`."""

    def __init__(self, sock: Any, seconds: float) -> None:
        self._sock = sock
        self.begin(seconds)

    def begin(self, seconds: float) -> None:
        """Begin a request, whose answer has to arrive within so many seconds."""
        self._until = time.monotonic() + seconds
        self._bytes = 0
        self._sock.settimeout(seconds)

    def recv(self, *arguments: Any) -> Any:
        """Receive as a socket does; raises `TimeoutError` and `InvalidResponse` beyond the bounds."""
        self._wait()
        found = self._sock.recv(*arguments)
        self._count(len(found))
        return found

    def recv_into(self, *arguments: Any) -> Any:
        """Likewise, for the parser of the library hiredis."""
        self._wait()
        count = self._sock.recv_into(*arguments)
        self._count(count)
        return count

    def _wait(self) -> None:
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        self._sock.settimeout(seconds)

    def _count(self, received: int) -> None:
        self._bytes += received
        if self._bytes > MOST_BYTES:
            raise redis.exceptions.InvalidResponse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class LineError(SecftpError):
    """Redis is of no use now. `is_refusal`: it refuses the user, the password or the database."""

    def __init__(self, message: str, *, is_refusal: bool = False) -> None:
        super().__init__(message)
        self.is_refusal = is_refusal


class Line:
    """A connection. Not thread-safe; of no use after an error."""

    def __init__(self, url: SharedUrl, password: str | None, *, seconds: float = SECONDS) -> None:
        """Connect, and log in. Raises `LineError`."""
        common: dict[str, Any] = {
            "db": url.database,
            "username": url.user,
            "password": password,
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": seconds,
            "protocol": 2,
        }
        if url.path is not None:
            self._connection: Any = redis.UnixDomainSocketConnection(path=url.path, **common)
        elif url.tls:
            self._connection = redis.SSLConnection(host=url.host, port=url.port, **common)
        else:
            self._connection = redis.Connection(host=url.host, port=url.port, **common)
        self._seconds = seconds
        self._socket: _Bounded | None = None
        self._is_open = True
        connect = self._connection._connect  # noqa: SLF001 - the one place in the library that makes a socket

        def connect_bounded() -> _Bounded:
            self._socket = _Bounded(connect(), CONNECT_SECONDS)
            return self._socket

        self._connection._connect = connect_bounded  # noqa: SLF001
        try:
            self._connection.connect()
        except Exception as problem:  # noqa: BLE001 - also what the library does not translate: names, TLS
            self.close()
            raise _failure(problem) from None

    def run(self, script: Script, keys: Sequence[str], values: Sequence[Value]) -> Any:
        """Return what a script answers: strings are bytes. Raises `LineError`."""
        if not self._is_open:  # the library would connect again, which takes time
            raise LineError("the connection is closed")
        arguments = (len(keys), *keys, *values)
        try:
            try:
                return self._ask("EVALSHA", script.sha1, *arguments)
            except redis.exceptions.NoScriptError:
                return self._ask("EVAL", script.text, *arguments)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the connection is of no use
            self.close()
            raise _failure(problem) from None

    def _ask(self, *command: Value) -> Any:
        assert self._socket is not None  # it is connected
        self._socket.begin(self._seconds)
        self._connection.send_command(*command, check_health=False)
        return self._connection.read_response(disconnect_on_error=False)

    def close(self) -> None:
        """Close the connection; idempotent."""
        self._is_open = False
        self._connection.disconnect()


def _failure(problem: Exception) -> LineError:
    errors = redis.exceptions
    text = str(problem)
    if isinstance(problem, errors.AuthenticationError | errors.NoPermissionError) or text.startswith(_REFUSED):
        return LineError("it refuses the user, the password, or a command", is_refusal=True)
    if "DB index" in text:
        return LineError("it has no such database", is_refusal=True)
    for kinds, sentence in (
        ((errors.TimeoutError, TimeoutError), "it does not answer in time"),
        ((errors.OutOfMemoryError,), "it has no memory left"),
        ((errors.ReadOnlyError,), "it is a read-only replica"),
        ((errors.BusyLoadingError,), "it is still loading its data"),
        ((errors.ConnectionError, OSError), "it can't be reached"),
    ):
        if isinstance(problem, kinds):
            return LineError(sentence)
    return LineError(f"it does not work as expected ({type(problem).__name__})")
