"""Keys of objects: the names of a path in UTF-8, separated by slashes, below the prefix of the store.

Invariants: no two paths have one key; no request can name a reserved key; what a store could take for another name, or
not list again, is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.errors import NameRefused, Reason
from secftp.storage.errors import failure
from secftp.storage.names import RESERVED_PREFIX, check, check_directory

if TYPE_CHECKING:
    from secftp.storage.names import DirectoryPath, Path

MAX_KEY: Final = 1024  # bytes, of S3, Google and Azure alike
MARKER: Final = (RESERVED_PREFIX + b"directory").decode()  # the object in a directory that makes it exist
_RESERVED: Final = RESERVED_PREFIX.decode()
_SEPARATOR: Final = "/"
_DELETE: Final = "\x7f"


class Key(NamedTuple):
    """The key of an object within its bucket, and the path that a message shows in its place."""

    text: str
    path: DirectoryPath


class Keys:
    """The keys of a store whose root is the directory `prefix` of a bucket.

    `taken`: bytes that the bucket puts in front of every key.
    """

    __slots__ = ("_room", "_taken", "_text", "prefix")

    def __init__(self, prefix: DirectoryPath = (), taken: int = 0) -> None:
        check_directory(prefix)
        self.prefix = prefix
        self._taken = taken
        self._room = MAX_KEY - taken - len(MARKER) - 1  # so that every directory may have a marker
        self._text = "".join(_text_of(name, prefix) + _SEPARATOR for name in prefix)

    def of(self, path: Path) -> Key:
        """Return the key of a file; raises `NameRefused`."""
        check(path)
        return self._checked(path)

    def below(self, path: DirectoryPath) -> str:
        """Return what the keys of all objects in a directory begin with, a slash at the end, or ""; raises likewise."""
        check_directory(path)
        return f"{self._checked(path).text}{_SEPARATOR}" if path else self._text

    def marker(self, path: DirectoryPath) -> Key:
        """Return the key of the object that makes a directory exist; raises likewise."""
        return Key(self.below(path) + MARKER, path)

    def beneath(self, path: DirectoryPath) -> Keys:
        """Return the keys of a store whose root is this directory; raises likewise."""
        self.below(path)
        return Keys((*self.prefix, *path), self._taken)

    def _checked(self, path: Path) -> Key:
        text = self._text + _SEPARATOR.join([_text_of(name, path) for name in path])
        if len(text.encode()) > self._room:
            raise failure(NameRefused, "Path too long for the object store", path, reason=Reason.NAME_TOO_LONG)
        return Key(text, path)


def reserved(kind: str, name: str, path: DirectoryPath = ()) -> Key:
    """Return a key that no request can name, at the root of the bucket's URL: `.secftp-KIND/NAME`.

    Messages about it show `path`.
    """
    return Key(f"{_RESERVED}{kind}{_SEPARATOR}{name}", path)


def is_reserved(name: str) -> bool:
    """Return whether an object or a prefix of that name is this program's own, and no part of any listing."""
    return name.startswith(_RESERVED)


def _text_of(name: bytes, path: Path) -> str:
    """Return a name as it is in a key; raises `NameRefused`."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        raise failure(
            NameRefused, "Not UTF-8, which the object store requires", path, reason=Reason.NAME_ENCODING
        ) from None
    if any(sign < " " or sign == _DELETE for sign in text):
        raise failure(
            NameRefused, "Control characters, which the object store refuses", path, reason=Reason.NAME_ENCODING
        )
    return text
