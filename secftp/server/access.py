"""Who gets in, under which key, and what for. The decision falls between the hello and the challenge."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from secftp.handshake import HelloReceived, Status
from secftp.record import Mode, Password, Suite

if TYPE_CHECKING:
    from secftp.keys import Key

ALL_SUITES = frozenset(Suite)


class Rights(NamedTuple):
    """What a session may do.

    `read`: files and their sums. `write`: new files and folders, permissions and times. `list`: folders, and what stands
    under a name. `delete`: remove, and rename together with `write`. `overwrite`: replace what is there.
    """

    read: bool
    write: bool
    overwrite: bool
    list: bool = True
    delete: bool = True


class Access:
    """The server's keys and rules. Without a key and without `anonymous` nobody gets in."""

    def __init__(
        self,
        key: Key | None,
        *,
        suites: frozenset[Suite] = ALL_SUITES,
        anonymous: bool = False,
        anonymous_write: bool = False,
        read_only: bool = False,
        overwrite: bool = True,
    ) -> None:
        self._default = key.password() if key is not None else None
        # Answers for names that do not exist: the same steps, the same time, and no way to succeed.
        self._nobody = Password.random()
        self._everybody = Password.anonymous() if anonymous or anonymous_write else None
        self._suites = suites
        self._anonymous_write = anonymous_write
        self._read_only = read_only
        self._overwrite = overwrite

    def decide(self, hello: HelloReceived) -> Password | Status:
        """The password that answers a hello, or the status that refuses it."""
        if hello.suite not in self._suites:
            return Status.SUITE
        if hello.mode is Mode.ANONYMOUS:
            return self._everybody or Status.MODE
        if hello.name == "" and self._default is not None:
            return self._default
        return self._nobody

    def rights(self, mode: Mode) -> Rights:
        """What a client that has proved itself in this mode may do."""
        write = not self._read_only and (mode is Mode.KEYED or self._anonymous_write)
        overwrite = write and self._overwrite
        return Rights(read=True, write=write, overwrite=overwrite, list=True, delete=overwrite)
