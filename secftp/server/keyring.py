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
from secftp.errors import InstallationError, KeyFormatError, SecftpError
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
from secftp.server.log import LogLevel
from secftp.server.path_checks import CodePaths, check_descriptor, check_file, check_operator_files
from secftp.server.roots import credential_files, open_bucket, prepare_for_writing, shown_url
from secftp.text import escape, from_locale, show_local, show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from secftp.keys.named import KeyEntry
    from secftp.server.log import Log
    from secftp.server.options import ServerOptions
    from secftp.server.roots import Root
    from secftp.storage import Store

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
        root: Root,
        bounded: Callable[[Store], Store],
        code: CodePaths | None = None,
    ) -> None:
        self._options = options
        self._log = log
        self._root = root
        self._bounded = bounded
        self._code = code or CodePaths()
        self._stores: list[Store] = []
        self._retired: list[Store] = []
        self._told: set[str] = set()  # what was logged about stores
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
            entries = self._entries()
            named = self._named(entries, stores, undo)
            default = self._default()
            writes_root = default is not None or options.anonymous_write
            self._refuse_code(entries, writes_root=writes_root)
            self._prepare_root(entries, writes_root=writes_root)
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

    def _entries(self) -> dict[str, KeyEntry]:
        """Read the named keys, and check the files that they bring into use."""
        path, directory = self._options.keys, self._options.directory
        if path is None:
            return {}
        from secftp.keys.named import read_keys

        entries = read_keys(path)
        for entry in entries.values():
            if entry.key_file is not None:
                self._refuse_beneath(entry.key_file)
        if any(entry.url is not None for entry in entries.values()):
            for credentials in credential_files():
                check_file(credentials, directory, "file of credentials")
        return entries

    def _named(
        self, entries: Mapping[str, KeyEntry], stores: list[Store], undo: contextlib.ExitStack
    ) -> dict[str, NamedKey]:
        found: dict[str, NamedKey] = {}
        for name, entry in entries.items():
            store: Store | None = None
            if entry.folder or entry.url is not None:
                store = undo.enter_context(contextlib.closing(self._bounded(self._store(name, entry))))
                stores.append(store)
            rights = Rights(**{right: right in entry.rights for right in Right})
            found[name] = NamedKey(entry.key.password(), rights, store, entry.key.generated)
        return found

    def _refuse_code(self, entries: Mapping[str, KeyEntry], *, writes_root: bool) -> None:
        """Raise `UsageError` if clients may write where code of this process is loaded from."""
        directory = self._options.directory
        if self._options.read_only or directory is None:
            return
        written = {directory} if writes_root else set()
        for entry in entries.values():
            if Right.WRITE in entry.rights and entry.url is None:
                written.add(os.path.join(directory, *map(os.fsdecode, entry.folder)))
        found = [self._code.refuse(one) for one in sorted(written)]  # all of them, also after a match
        self.writes_where_modules_are = any(found)

    def _prepare_root(self, entries: Mapping[str, KeyEntry], *, writes_root: bool) -> None:
        """Have the root ready if a client may write to it."""
        rights = [entry.rights for entry in entries.values() if not entry.folder and entry.url is None]
        rights += [frozenset(Right)] * writes_root
        what = "In the served directory" if self._options.directory is not None else ""
        self._prepare(self._root, [each for each in rights if Right.WRITE in each], what)

    def _prepare(self, store: Root, writers: Sequence[AbstractSet[Right]], what: str) -> None:
        if not writers or self._options.read_only:
            return
        replaces = not self._options.no_overwrite and all(Right.OVERWRITE in rights for rights in writers)
        prepare_for_writing(store, replaces=replaces, tell=lambda text: self._tell_once(f"{what}, {text}"))

    def _tell_once(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._log.line(line, LogLevel.WARNING)

    def _store(self, name: str, entry: KeyEntry) -> Root:
        """Open the directory of a key, and have it ready for what the key may do."""
        shown = show_path(entry.folder) if entry.url is None else shown_url(entry.url)
        try:
            store: Root = (
                self._root.beneath(entry.folder) if entry.url is None else open_bucket(entry.url, self._options)
            )
            try:
                writers = [entry.rights] if Right.WRITE in entry.rights else []
                self._prepare(store, writers, f"In the directory {shown} of the key {escape(name)}")
            except BaseException:
                store.close()
                raise
        except InstallationError:
            raise
        except SecftpError as problem:
            told = str(problem).removesuffix(".")
            if entry.url is None and self._options.directory is not None:
                raise KeyFormatError(
                    f"The directory {shown} of the key {escape(name)} can't be used: {told}.",
                    hint="It must be below the served directory, and its path must not contain symlinks.",
                ) from None
            told = f"The directory of the key {escape(name)}: {told[:1].lower()}{told[1:]}."
            raise KeyFormatError(told, hint=problem.hint) from None
        return store

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
            self._refuse_beneath(options.key_file)
            return read_key_file(options.key_file)
        if (credential := _credential()) is not None:
            self._source = "it is a credential, which systemd copies when the service starts"
            self._refuse_beneath(credential)
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

    def _refuse_beneath(self, path: str) -> None:
        """Raise `KeyFormatError` for a key file that clients can reach."""
        if self._options.directory is not None:
            refuse_beneath(path, self._options.directory)

    def _take_given(self) -> Key | None:
        """Return the default key if the options or the environment contain the key itself."""
        options = self._options
        if options.key is not None:
            self._source = "it was given on the command line"
            return Key.from_text(from_locale(options.key))
        if options.key_fd is not None:
            self._source = f"it came from descriptor {options.key_fd}"
            check_descriptor(options.key_fd, options.directory)
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
        remembered = load_or_create(self._options.directory)
        self._log.line(f"Key: in the file {show_local(remembered.path)}")
        return remembered.key


def _credential() -> str | None:
    """Return the path of the systemd credential (`LoadCredential=secftp.key:...`), if there is one."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    path = os.path.join(directory, CREDENTIAL) if directory else None
    return path if path is not None and os.path.lexists(path) else None
