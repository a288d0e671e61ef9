"""Who gets in, under which key, and what for. The decision falls between the hello and the challenge.

What must never happen: that a name which is not among the keys can be told from a wrong key, in what is sent or in how
long it takes; or that nobody's key opens anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.handshake import HelloReceived, Status
from secftp.messages import Right
from secftp.record import Mode, Password, Suite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secftp.keys import Key
    from secftp.storage import Store

ALL_SUITES = frozenset(Suite)


class Rights(NamedTuple):
    """What a session may do.

    `read`: files and their sums. `write`: new files and folders, and permissions and times of what the same session
    made. `list`: folders, and what stands under a name. `delete`: remove, and rename together with `write`.
    `overwrite`: replace what is there, and set its permissions and times.
    `keyed`: they are those of a key, and not of clients without one.
    """

    read: bool
    write: bool
    overwrite: bool
    list: bool = True
    delete: bool = True
    keyed: bool = True

    def names(self) -> tuple[str, ...]:
        """Those that are granted, as WELCOME has them."""
        return tuple(right for right in Right if getattr(self, right))


NO_RIGHTS: Final = Rights(read=False, write=False, overwrite=False, list=False, delete=False)


class NamedKey(NamedTuple):
    """A key that clients call by its name, what it opens, and where: a store of its own, or the server's (None)."""

    password: Password
    rights: Rights
    store: Store | None = None
    generated: bool = False  # whether it is known to be a generated key, which nobody can guess


class Grant(NamedTuple):
    """What a client gets if it proves the password: decided at its proof, and kept for its session.

    `contested`: there are other keys, or for anonymous clients any key, whose holders need places as well.
    """

    password: Password
    mode: Mode
    rights: Rights
    name: str = ""
    store: Store | None = None
    contested: bool = False


class Access:
    """The server's keys and rules. Without a key and without `anonymous` nobody gets in.

    `key` is the default one, for clients that give no name; `named` are the others. `read_only` and `overwrite=False`
    hold for all of them.
    """

    def __init__(
        self,
        key: Key | None,
        *,
        suites: frozenset[Suite] = ALL_SUITES,
        anonymous: bool = False,
        anonymous_write: bool = False,
        read_only: bool = False,
        overwrite: bool = True,
        named: Mapping[str, NamedKey] | None = None,
    ) -> None:
        self._read_only = read_only
        self._overwrite = overwrite
        self._suites = suites
        all_rights = Rights(read=True, write=True, overwrite=True)
        named = named or {}
        # Whether any of the keys is one that could be guessed: a text of somebody's own, or of unknown origin.
        generated = [one.generated for one in named.values()] + ([] if key is None else [key.generated])
        self.guessable: Final = not all(generated)
        contested = len(named) + (key is not None) > 1
        self._grants = {
            name: Grant(one.password, Mode.KEYED, self._bounded(one.rights), name, one.store, contested)
            for name, one in named.items()
        }
        if key is not None:
            rights = self._bounded(all_rights)
            self._grants[""] = Grant(key.password(), Mode.KEYED, rights, contested=contested)
        # Answers for names that do not exist: the same steps, the same time, and no way to succeed.
        self._nobody = Grant(Password.random(), Mode.KEYED, NO_RIGHTS)
        self._everybody: Grant | None = None
        if anonymous or anonymous_write:
            rights = all_rights if anonymous_write else Rights(read=True, write=False, overwrite=False, delete=False)
            rights = rights._replace(keyed=False)
            self._everybody = Grant(
                Password.anonymous(), Mode.ANONYMOUS, self._bounded(rights), contested=bool(self._grants)
            )

    def decide(self, hello: HelloReceived) -> Grant | Status:
        """What a client that proves itself after this hello gets, or the status that refuses it."""
        if hello.suite not in self._suites:
            return Status.SUITE
        if hello.mode is Mode.ANONYMOUS:
            return self._everybody or Status.MODE
        return self._nobody if hello.name is None else self._grants.get(hello.name, self._nobody)

    def confirm(self, hello: HelloReceived, challenged: Grant) -> Grant | None:
        """What a client gets that has just proved what it was challenged for; None if that opens nothing any more.

        Keys and rules may have changed since its hello. A proof counts if these keys would challenge it with the same
        password, and then for the rights and the directory that they give now.
        """
        now = self.decide(hello)
        if isinstance(now, Status) or now.mode is not challenged.mode or not now.password.is_same(challenged.password):
            return None
        return now

    def _bounded(self, rights: Rights) -> Rights:
        """These rights under the rules that hold for everybody; who may replace nothing may not remove it either."""
        write = rights.write and not self._read_only
        overwrite = rights.overwrite and write and self._overwrite
        delete = rights.delete and not self._read_only and self._overwrite
        return rights._replace(write=write, overwrite=overwrite, delete=delete)
