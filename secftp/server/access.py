"""Access control: the keys of a server, the rights of each, and the decision between hello and challenge.

Invariants: an unknown name can't be distinguished from a wrong key, by content or by time; a server without keys admits
no client with one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.crypto import Mode, Password, Suite
from secftp.protocol import Right
from secftp.protocol.handshake import HelloReceived, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secftp.keys import Key
    from secftp.storage import Store

ALL_SUITES = frozenset(Suite)


class Rights(NamedTuple):
    """What a session may do.

    `read`: files and their checksums. `write`: new files and directories, and permissions and times of what the same
    session has created. `list`: directories, and metadata. `delete`: remove, and rename together with `write`.
    `overwrite`: replace existing files, and set their permissions and times.
    `keyed`: these are the rights of a key, and not of anonymous clients.
    """

    read: bool
    write: bool
    overwrite: bool
    list: bool = True
    delete: bool = True
    keyed: bool = True

    def names(self) -> tuple[str, ...]:
        """Return the names of the granted rights, for WELCOME."""
        return tuple(right for right in Right if getattr(self, right))


NO_RIGHTS: Final = Rights(read=False, write=False, overwrite=False, list=False, delete=False)


class NamedKey(NamedTuple):
    """A key with a name, its rights, and its own store (None: the server's)."""

    password: Password
    rights: Rights
    store: Store | None = None
    generated: bool = False  # whether it is known to be generated, and so can't be guessed


class Grant(NamedTuple):
    """What a client gets by proving a password; decided at its proof, and kept for its session.

    `contested`: clients with other keys (for anonymous clients, with any key) need session slots, too.
    """

    password: Password
    mode: Mode
    rights: Rights
    name: str = ""
    store: Store | None = None
    contested: bool = False


class Access:
    """The keys and rules of a server. Without keys and without `anonymous`, no client is admitted.

    `key` is for clients that give no name, with `rights` or all; `named` are the others. `read_only` and
    `overwrite=False` bound the rights of all keys.
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
        rights: Rights | None = None,
    ) -> None:
        self._read_only = read_only
        self._overwrite = overwrite
        self._suites = suites
        all_rights = Rights(read=True, write=True, overwrite=True)
        named = named or {}
        # Whether any key could be guessed: a passphrase, or a key of unknown origin.
        generated = [one.generated for one in named.values()] + ([] if key is None else [key.generated])
        self.guessable: Final = not all(generated)
        contested = len(named) + (key is not None) > 1
        self._grants = {
            name: Grant(one.password, Mode.KEYED, self._bounded(one.rights), name, one.store, contested)
            for name, one in named.items()
        }
        if key is not None:
            rights = self._bounded(rights or all_rights)
            self._grants[""] = Grant(key.password(), Mode.KEYED, rights, contested=contested)
        # For unknown names: the same steps in the same time, and no way to succeed.
        self._unknown_name = Grant(Password.random(), Mode.KEYED, NO_RIGHTS)
        self._anonymous: Grant | None = None
        if anonymous or anonymous_write:
            rights = all_rights if anonymous_write else Rights(read=True, write=False, overwrite=False, delete=False)
            rights = rights._replace(keyed=False)
            self._anonymous = Grant(
                Password.anonymous(), Mode.ANONYMOUS, self._bounded(rights), contested=bool(self._grants)
            )

    @property
    def keys(self) -> tuple[bool, int]:
        """Whether there is a key for clients that give no name, and the number of named keys."""
        has_default = "" in self._grants
        return has_default, len(self._grants) - has_default

    def decide(self, hello: HelloReceived) -> Grant | Status:
        """Return what a client gets if it proves its key after this hello, or the status that refuses it."""
        if hello.suite not in self._suites:
            return Status.SUITE
        if hello.mode is Mode.ANONYMOUS:
            return self._anonymous or Status.MODE
        return self._unknown_name if hello.name is None else self._grants.get(hello.name, self._unknown_name)

    def confirm(self, hello: HelloReceived, challenged: Grant) -> Grant | None:
        """Return what a client gets for a proof; None if the proved key is not valid any more.

        Keys and rules may have changed since the hello. A proof is valid if the current keys would challenge the client
        with the same password; the rights and the directory are the current ones.
        """
        now = self.decide(hello)
        if isinstance(now, Status) or now.mode is not challenged.mode or not now.password.is_same(challenged.password):
            return None
        return now

    def _bounded(self, rights: Rights) -> Rights:
        """Bound rights by the rules of the server; without the right to replace there is none to remove."""
        write = rights.write and not self._read_only
        overwrite = rights.overwrite and write and self._overwrite
        delete = rights.delete and not self._read_only and self._overwrite
        return rights._replace(write=write, overwrite=overwrite, delete=delete)
