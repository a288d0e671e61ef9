"""Where a server's keys come from, at its start and again whenever it is told to read them anew.

What must never happen: that a file which can't be used leaves the server without the keys it had, or with half of the
new ones; or that a key is generated where somebody decided on keys, or on none.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Final

from secftp.errors import FileError, KeyFormatError
from secftp.keys import (
    Key,
    generate_key,
    load_or_create,
    read_key_descriptor,
    read_key_file,
    refuse_beneath,
)
from secftp.messages import Right
from secftp.record import Suite
from secftp.server.access import Access, NamedKey, Rights
from secftp.server.path_checks import CodePaths, check_descriptor, check_operator_files
from secftp.text import escape, from_locale, show_local, show_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.server.log import Log
    from secftp.server.options import ServerOptions
    from secftp.storage import LocalStore, Store

VARIABLE: Final = "SECFTP_KEY"
CREDENTIAL: Final = "secftp.key"


class Keyring:
    """The keys that the options name. `bounded` makes of a folder's store what sessions get to see.

    `code` are the places that code was loaded from, if that was under another user.
    """

    def __init__(
        self,
        options: ServerOptions,
        log: Log,
        root: LocalStore,
        bounded: Callable[[LocalStore], Store],
        code: CodePaths | None = None,
    ) -> None:
        self._options = options
        self._log = log
        self._root = root
        self._bounded = bounded
        self._code = code or CodePaths()
        self._stores: list[Store] = []
        self._retired: list[Store] = []
        self._written: set[str] = set()  # the directories that the keys which were read last may write to
        self.writes_where_modules_are = False
        self._environment = os.environ.pop(VARIABLE, None)  # no child of ours needs it
        self._given: Key | None = None  # the default key, where it came from no file and can't be read again
        self._own: Key | None = None  # the key that this server has made or remembered, once it was needed
        self._source = ""
        self._loaded = False

    def load(self, options: ServerOptions | None = None) -> Access:
        """Read all keys, by these options if they are given, and return the access that they grant.

        A key that was given in another way than by a file stays. Raises `SecftpError`, and keeps what there was.
        """
        before, self._options = self._options, options or self._options
        try:
            return self._load()
        except BaseException:
            self._options = before
            raise

    def sources(self) -> list[str]:
        """What the last `load` read, as sentences for the log."""
        lines = [f"The default key was not read again: {self._source}."] if self._source else []
        if self._options.keys is not None or self._options.key_file is not None:
            lines.append("The keys were read again.")
        return lines

    def _load(self) -> Access:
        options = self._options
        check_operator_files(options)
        with contextlib.ExitStack() as undo:
            stores: list[Store] = []
            self._written = set()
            named = self._named(stores, undo)
            default = self._default()
            self._refuse_code(writes_root=default is not None or options.anonymous_write)
            access = Access(
                default,
                suites=frozenset(Suite[name.upper()] for name in options.ciphers),
                anonymous=options.anonymous,
                anonymous_write=options.anonymous_write,
                read_only=options.read_only,
                overwrite=not options.no_overwrite,
                named=named,
            )
            undo.pop_all()
        self._retired += self._stores
        self._stores = stores
        self._loaded = True
        return access

    def retire(self, in_use: set[Store]) -> None:
        """Close the stores of replaced keys that no session uses. Only after the server has been given the new keys."""
        for store in [store for store in self._retired if store not in in_use]:
            self._retired.remove(store)
            store.close()

    def close(self) -> None:
        """Close all stores."""
        for store in (*self._stores, *self._retired):
            store.close()

    def _named(self, stores: list[Store], undo: contextlib.ExitStack) -> dict[str, NamedKey]:
        path = self._options.keys
        if path is None:
            return {}
        from secftp.keys.named import read_keys

        found: dict[str, NamedKey] = {}
        for name, entry in read_keys(path).items():
            if entry.key_file is not None:
                refuse_beneath(entry.key_file, self._options.root)
            if Right.WRITE in entry.rights:
                self._written.add(os.path.join(self._options.root, *map(os.fsdecode, entry.folder)))
            store: Store | None = None
            if entry.folder:
                store = undo.enter_context(contextlib.closing(self._folder(name, entry.folder)))
                stores.append(store)
            rights = Rights(**{right: right in entry.rights for right in Right})
            found[name] = NamedKey(entry.key.password(), rights, store, entry.key.generated)
        return found

    def _refuse_code(self, *, writes_root: bool) -> None:
        """Raise `UsageError` if clients may write where this process's code comes from."""
        if self._options.read_only:
            return
        written = self._written | ({self._options.root} if writes_root else set())
        found = [self._code.refuse(directory) for directory in sorted(written)]  # each of them, whatever the others are
        self.writes_where_modules_are = any(found)

    def _folder(self, name: str, folder: tuple[bytes, ...]) -> Store:
        try:
            return self._bounded(self._root.beneath(folder))
        except FileError as problem:
            shown = show_path(folder)
            raise KeyFormatError(
                f"The folder {shown} of the key {escape(name)} can't be used: {problem}.",
                hint="It has to be beneath the served folder, and no link may lead to it.",
            ) from None

    def _default(self) -> Key | None:
        """The key of clients that give no name; what comes from no file is read once.

        The server's own key lets clients in as long as the options name none and no other way in, as after a restart.
        """
        if self._given is None:
            self._given = self._take_given()
        if self._given is not None:
            return self._given
        options, self._source = self._options, ""
        if options.key_file is not None:
            refuse_beneath(options.key_file, options.root)
            return read_key_file(options.key_file)
        if (credential := _credential()) is not None:
            self._source = "it is a credential, which systemd copies when the service starts"
            refuse_beneath(credential, options.root)
            return read_key_file(credential, credential=True)
        if options.keys is not None or options.anonymous or options.anonymous_write:
            return None
        if self._own is None:
            if self._loaded:
                raise KeyFormatError(
                    "The configuration names no key any more.", hint="Name one, or restart the server to have one made."
                )
            self._own = self._make_own()
        self._source = "it is the server's own"
        return self._own

    def _take_given(self) -> Key | None:
        """The default key, where it is given by itself and not by a file."""
        options = self._options
        if options.key is not None:
            self._source = "it was given on the command line"
            return Key.from_text(from_locale(options.key))
        if options.key_fd is not None:
            self._source = f"it came from descriptor {options.key_fd}"
            check_descriptor(options.key_fd, options.root)
            return read_key_descriptor(options.key_fd)
        if options.key_file is None and self._environment is not None:
            self._source = f"it came from {VARIABLE}"
            return Key.from_text(from_locale(self._environment))
        return None

    def _make_own(self) -> Key:
        """A key that this terminal alone gets to see, once; without a terminal the one that is remembered."""
        if sys.stdout is not None and sys.stdout.isatty() and self._options.log_file is None:
            text = generate_key()
            self._log.line(f"Key: {text}")
            return Key.from_text(text)
        remembered = load_or_create(self._options.root)
        self._log.line(f"Key: in the file {show_local(remembered.path)}")
        return remembered.key


def _credential() -> str | None:
    """The key that systemd hands to a service (`LoadCredential=secftp.key:...`), if there is one."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = os.path.join(folder, CREDENTIAL) if folder else None
    return path if path is not None and os.path.lexists(path) else None
