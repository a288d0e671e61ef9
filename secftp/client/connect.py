"""From the options of a command line to an open session, once or again and again.

The key is obtained and stretched once, however often the connection is made anew. What must never happen: that a core
dump of this process holds it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar

from secftp import system
from secftp.channel import Credentials
from secftp.client.key import choose_key
from secftp.record import Mode, Password, Suite
from secftp.session import Session
from secftp.storage import load_digests

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.client.common import Connection
    from secftp.client.options import TransferOptions
    from secftp.keys import Key

_T = TypeVar("_T")


class Connector:
    """The way to a server, to be gone as often as necessary."""

    def __init__(
        self, options: Connection | TransferOptions, obtain: Callable[[], Key] | None, on_wait: Callable[[], None]
    ) -> None:
        self._options = options
        self._on_wait = on_wait
        self._obtain = obtain
        self._credentials: Credentials | None = None

    @classmethod
    def choose(cls, options: Connection | TransferOptions, on_wait: Callable[[], None]) -> Connector:
        """The way that the options say; raises as `choose_key` does.

        `on_wait` is called when the server takes its time to answer a handshake.
        """
        return cls(options, choose_key(options), on_wait)

    @property
    def has_key(self) -> bool:
        """Whether a first connection was tried, for which the key had to be there."""
        return self._credentials is not None

    def open(self) -> Session:
        """Connect and shake hands. Raises what `Session.open` and the way to the key raise."""
        if self._credentials is None:
            self._credentials = self._make_credentials()
        endpoint = self._options.endpoint
        return Session.open(
            endpoint.host, endpoint.port, self._credentials, timeout=self._options.timeout, on_wait=self._on_wait
        )

    def run(self, work: Callable[[Session], _T]) -> _T:
        """Return what `work` returns for a new session."""
        with self.open() as session:
            return work(session)

    def _make_credentials(self) -> Credentials:
        with contextlib.suppress(OSError, ImportError):  # a sandbox may forbid it, and has rules of its own then
            system.forbid_dumps()  # they would hold the key
        options = self._options
        if (checksum := getattr(options, "checksum", None)) is not None:
            load_digests(checksum)
        suite = Suite[options.cipher.upper()]
        if self._obtain is None:
            return Credentials(Password.anonymous(), suite, Mode.ANONYMOUS, options.endpoint.name)
        return Credentials(self._obtain().password(), suite, Mode.KEYED, options.endpoint.name)
