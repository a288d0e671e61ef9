"""Keys among the options of a file system for fsspec, which keeps all options, tokenizes and pickles them.

fsspec tells instances apart by an MD5 digest of the text of their options, and pickles the options to other processes.
The text of a key must be in neither: a reader of such a digest could try guesses against it, which the handshake does
not allow. So the metaclass replaces each key by a `HeldKey`, whose text is a random handle.

Invariant: equal keys of a process have the same handle, and different ones never have; the handle says nothing about
the key. A handle of another process is an error, never another key and never "no key".
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from typing import TYPE_CHECKING, Any, Final

from fsspec import AbstractFileSystem
from fsspec.config import apply_config

from secftp.api.arguments import key_for
from secftp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from secftp.keys import Key

_HANDLE_BYTES: Final = 16


class HeldKey:
    """A key that a file system was given, known by a handle. `key`: for `secftp.connect`."""

    __slots__ = ("_handle", "key")

    def __init__(self, handle: str, key: Key) -> None:
        self._handle: Final = handle
        self.key: Final = key

    def __repr__(self) -> str:
        return f"<secftp key {self._handle}>"

    def __reduce__(self) -> tuple[Callable[[str], HeldKey], tuple[str]]:
        return find_key, (self._handle,)


class _Registry:
    """The keys of this process, and of the process that it was forked from."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()  # held for dictionary accesses only
        self._by_name: dict[bytes, HeldKey] = {}
        self._by_handle: dict[str, HeldKey] = {}

    def hold(self, key: str | Key) -> HeldKey:
        """Return the held key of a text or a `Key`; raises `KeyFormatError`."""
        name = self._name_of(key)
        if (found := self._by_name.get(name)) is not None:
            return found
        made = HeldKey(secrets.token_hex(_HANDLE_BYTES), key_for(key))
        with self._lock:
            found = self._by_name.setdefault(name, made)
            self._by_handle[found._handle] = found  # noqa: SLF001 - of this module
            return found

    def find(self, handle: str) -> HeldKey | None:
        """Return the key with this handle, None if this process was not given it."""
        return self._by_handle.get(handle)

    def _name_of(self, key: str | Key) -> bytes:
        """Return what identifies a key in this process alone; keys given as objects are never equal."""
        if isinstance(key, str):
            return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), key=self._secret).digest()
        return b"object %d" % id(key)  # which the registry keeps alive


_registry: Final = _Registry()


def hold_key(key: object) -> HeldKey:
    """Return a key as a `HeldKey`. Raises `KeyFormatError`, and TypeError for what is no key."""
    if isinstance(key, HeldKey):
        return key
    return _registry.hold(key if isinstance(key, str) else key_for(key))


def find_key(handle: str) -> HeldKey:
    """Return the key of a pickled file system; raises `UsageError` in a process that was not given it."""
    found = _registry.find(handle)
    if found is None:
        raise UsageError(
            "The key of a pickled file system stays in the process that it was given to.",
            hint="Give key_file=... instead of key=..., so that other processes read the key themselves.",
        )
    return found


class KeyedInstances(type(AbstractFileSystem)):  # type: ignore[misc]  # fsspec has no types
    """The metaclass of fsspec's instance cache; holds the key before fsspec sees the options."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        """Return an instance, an earlier one if its options are the same."""
        given = apply_config(cls, options)
        if given.get("key") is not None:
            given = {**given, "key": hold_key(given["key"])}
        return super().__call__(*args, **given)
