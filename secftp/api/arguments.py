"""Arguments of the API: paths, keys, ciphers and algorithms, checked and converted.

A path may be `str`, `bytes` or a `pathlib` path; paths that are returned are `bytes` for `bytes` and else `str`, as in
`os.scandir`. Names at a server are bytes, decoded as UTF-8 whatever the locale is; a name that is not valid UTF-8
becomes a `str` with surrogate escapes (PEP 383), and such a `str` finds its file again. A path that begins with a slash
starts at the served directory, any other at the directory of the URL.

A library reads no environment variables: a program that wants SECFTP_KEY says `key=os.environ["SECFTP_KEY"]`.

Invariant: no `..` gets through, and a key that was left out or can't be used never leads to an anonymous session.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, AnyStr, Final, Literal, TypeAlias

from secftp.api.values import require_bool, require_permissions, require_text
from secftp.crypto import Mode, Password, Suite
from secftp.errors import IsADirectory, NameRefused, Side, UsageError
from secftp.keys import Key, read_key_file
from secftp.protocol import Algorithm, check_path
from secftp.storage import WriteOptions
from secftp.transport import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secftp.storage import Path

RemotePath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"
LocalPath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"
Cipher: TypeAlias = Literal["none", "aes128", "aes256"]
ObjectTimes: TypeAlias = Literal["own", "stored"]

_SUITES: Final = {"none": Suite.NONE, "aes128": Suite.AES128, "aes256": Suite.AES256}


# --- paths at the server ----------------------------------------------------------------------------------------------


def path_text(path: RemotePath) -> str | bytes:
    """Return a path as `str` or `bytes`, with slashes whatever the flavour of a `pathlib` path.

    Raises TypeError for anything that is not a path.
    """
    as_posix = getattr(path, "as_posix", None)
    return str(as_posix()) if as_posix is not None else os.fspath(path)


def encode_path(path: RemotePath) -> bytes:
    """Return the bytes of a path, slashes included; raises `NameRefused` for a `str` that can't be encoded."""
    try:
        text = path_text(path)
        return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise NameRefused("A name contains a character that can't be encoded.", side=Side.REMOTE) from None


def directory_path(path: RemotePath, base: Path = ()) -> Path:
    """Return the components of a path, `()` for the served directory; empty ones and `.` are dropped.

    Raises `NameRefused` for a name that no server accepts.
    """
    name = encode_path(path)
    start = () if name.startswith(b"/") else base
    found = (*start, *(part for part in name.split(b"/") if part not in (b"", b".")))
    if found:
        check_path(found)
    return found


def file_path(path: RemotePath, base: Path = ()) -> Path:
    """Return the components of the path of a file; raises `IsADirectory` for the served directory itself."""
    found = directory_path(path, base)
    if not found:
        raise IsADirectory(
            "The path is that of the served directory, not of a file in it.",
            hint="Give the name of a file.",
            filename="/",
            side=Side.REMOTE,
        )
    return found


def is_directory_name(path: RemotePath) -> bool:
    """Whether a path names a directory by its spelling: it ends in a slash or a dot, or is empty."""
    return encode_path(path).rpartition(b"/")[2] in (b"", b".")


def join_path(parent: AnyStr, name: bytes) -> AnyStr:
    """Return the path of `name` in `parent`, of the type of `parent`."""
    return join_names(parent, decode_name(name, parent))


def join_names(parent: AnyStr, name: AnyStr) -> AnyStr:
    """Return the path of `name` in `parent`."""
    slash: AnyStr = b"/" if isinstance(parent, bytes) else "/"
    return parent + name if not parent or parent.endswith(slash) else parent + slash + name


def decode_name(name: bytes, like: AnyStr) -> AnyStr:
    """Return a name of the type of `like`."""
    return name if isinstance(like, bytes) else name.decode("utf-8", "surrogateescape")


# --- paths of this machine --------------------------------------------------------------------------------------------


def local_path(path: LocalPath) -> str:
    """Return the path of a local file, bytes as surrogate escapes; a trailing slash is kept."""
    return os.fsdecode(path)


def path_list(given: LocalPath | Iterable[LocalPath]) -> list[LocalPath]:
    """Return one path or several as a list."""
    return [given] if isinstance(given, str | bytes | os.PathLike) else list(given)


# --- keys and algorithms ----------------------------------------------------------------------------------------------


def credentials_for(
    key: str | Key | None, key_file: LocalPath | None, *, anonymous: bool, cipher: str, name: str
) -> Credentials:
    """Return what the handshake takes; exactly one of `key`, `key_file` and `anonymous` must be given.

    Stretches the key, about 50 ms for a text. Raises `UsageError`, and `KeyFormatError` for a key that can't be used.
    """
    suite = suite_for(cipher)
    given = (key is not None) + (key_file is not None) + require_bool("anonymous", anonymous)
    if given > 1:
        raise UsageError("Only one of key, key_file and anonymous can be given.")
    if not given:
        raise UsageError(
            "No key was given.",
            hint="Give key=... or key_file=...; anonymous=True is for servers that accept clients without a key.",
        )
    if anonymous:
        if name:
            raise UsageError("The name of a key was given, but no key.", hint="Leave out the name to be anonymous.")
        return Credentials(Password.anonymous(), suite, Mode.ANONYMOUS)
    found = read_key_file(os.path.expanduser(os.fsdecode(key_file))) if key_file is not None else key_for(key)
    return Credentials(found.password(), suite, Mode.KEYED, name)


def key_for(key: object) -> Key:
    """Return a `Key` as it is, and the key of a `str`. Raises TypeError, which never repeats what was given."""
    if isinstance(key, Key):
        return key
    if isinstance(key, str):
        return Key.from_text(key)
    raise TypeError(f"a key is a str or a secftp.Key, not {type(key).__name__}")


def suite_for(cipher: str) -> Suite:
    """Return the cipher suite of that name; raises `UsageError` for any other."""
    try:
        return _SUITES[require_text("cipher", cipher)]
    except KeyError:
        raise UsageError("The cipher must be none, aes128 or aes256.") from None


def algorithm_for(name: str) -> Algorithm:
    """Return the digest algorithm of that name; raises `UsageError` for any other."""
    try:
        return Algorithm(require_text("checksum", name))
    except ValueError:
        raise UsageError(f"The checksum must be one of {', '.join(Algorithm)}.") from None


def write_options(overwrite: bool, permissions: int | None) -> WriteOptions:  # noqa: FBT001 - as `WriteOptions`
    """Return how a file is written; raises `UsageError`."""
    return WriteOptions(
        require_bool("overwrite", overwrite),
        None if permissions is None else require_permissions("permissions", permissions),
    )
