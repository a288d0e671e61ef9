"""Sources of a server's keys, at its start and at each reload.

Invariants: a file that can't be used neither takes keys away nor changes only some of them; no key is generated where
the options name keys, or anonymous access.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Final

from secftp.crypto import Suite
from secftp.errors import FileError, KeyFormatError
from secftp.keys import (
    Key,
    generate_key,
    load_or_create,
    read_key_descriptor,
    read_key_file,
    refuse_beneath,
)
from secftp.protocol import Right
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
    """The keys that the options name. `bounded` wraps the store of a key's directory for its sessions.

    `code` are the paths that code was loaded from, if the process had other privileges then.
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
        self._written: set[str] = set()  # the directories that the current keys may write to
        self.writes_where_modules_are = False
        self._environment = os.environ.pop(VARIABLE, None)  # child processes do not need it
        self._given: Key | None = None  # the default key, if it did not come from a file
        self._own: Key | None = None  # the generated or remembered key, once it was needed
        self._source = ""
        self._loaded = False
        self.is_shown = False  # whether the server's own key is in a line of the log

    def load(self, options: ServerOptions | None = None) -> Access:
        """Read all keys and return the access that they grant; `options` replace the former ones.

        A key that did not come from a file stays. Raises `SecftpError`, and then changes nothing.
        """
        before, self._options = self._options, options or self._options
        try:
            return self._load()
        except BaseException:
            self._options = before
            raise

    def sources(self) -> list[str]:
        """Return sentences for the log about what the last `load` has read."""
        lines = [f"The default key was not reloaded: {self._source}."] if self._source else []
        if self._options.keys is not None or self._options.key_file is not None:
            lines.append("The keys were reloaded.")
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
        """Close the stores of former keys that no session uses. Call it after `FileServer.set_access`."""
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
                store = undo.enter_context(contextlib.closing(self._store(name, entry.folder)))
                stores.append(store)
            rights = Rights(**{right: right in entry.rights for right in Right})
            found[name] = NamedKey(entry.key.password(), rights, store, entry.key.generated)
        return found

    def _refuse_code(self, *, writes_root: bool) -> None:
        """Raise `UsageError` if clients may write where code of this process is loaded from."""
        if self._options.read_only:
            return
        written = self._written | ({self._options.root} if writes_root else set())
        found = [self._code.refuse(directory) for directory in sorted(written)]  # all of them, also after a match
        self.writes_where_modules_are = any(found)

    def _store(self, name: str, directory: tuple[bytes, ...]) -> Store:
        try:
            return self._bounded(self._root.beneath(directory))
        except FileError as problem:
            shown = show_path(directory)
            raise KeyFormatError(
                f"The directory {shown} of the key {escape(name)} can't be used: {problem}.",
                hint="It must be below the served directory, and its path must not contain symlinks.",
            ) from None

    def _default(self) -> Key | None:
        """Return the key for clients that give no name; only files are read again at a reload.

        The server's own key is valid as long as the options name no key and no anonymous access, as after a restart.
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
                    "The configuration no longer names a key.", hint="Name one, or restart the server to generate one."
                )
            self._own = self._make_own()
        self._source = "it is the server's own"
        return self._own

    def _take_given(self) -> Key | None:
        """Return the default key if the options or the environment contain the key itself."""
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
        """Generate a key and print it once to the terminal; without a terminal, use the remembered one."""
        if sys.stdout is not None and sys.stdout.isatty() and self._options.log_file is None:
            text = generate_key()
            self._log.line(f"Key: {text}")
            self.is_shown = True
            return Key.from_text(text)
        remembered = load_or_create(self._options.root)
        self._log.line(f"Key: in the file {show_local(remembered.path)}")
        return remembered.key


def _credential() -> str | None:
    """Return the path of the systemd credential (`LoadCredential=secftp.key:...`), if there is one."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    path = os.path.join(directory, CREDENTIAL) if directory else None
    return path if path is not None and os.path.lexists(path) else None
