"""Reading of key files, and of other files that only their operator may write.

A key file holds a text (all between a byte order mark and one trailing newline) or, if the key generator made it, one
line with the stretched secret itself. A file that other users may read or may have written is refused: its key is no
longer secret, or never was the operator's.

Invariant: a file that can't be used never counts as "no key", no part of a file's contents gets into an exception, and
no key is read from where clients can reach it.
"""

from __future__ import annotations

import binascii
import codecs
import os
import stat

from secftp.errors import KeyFormatError, NotFound
from secftp.keys.key import Key
from secftp.keys.text import BYTE_ORDER_MARK, SECRET_PREFIX, is_blank
from secftp.text import show_local

TYPE_CHECKING = False  # as of typing: a client reads and stretches its key before it imports that
if TYPE_CHECKING:
    from typing import Final, TypeAlias

    StrPath: TypeAlias = str | os.PathLike[str]

MAX_TEXT_BYTES = 65536
MAX_FILE_BYTES = 1 << 20
_SECRET_BYTES = 32
_FRAME_BYTES = 5  # a byte order mark and CR LF
MAX_KEY_BYTES = MAX_TEXT_BYTES + _FRAME_BYTES + 1  # of a source; one that has as many is too long
_SAVE_AS_UTF8: Final = "Save it as UTF-8 text; in PowerShell: Set-Content -Encoding utf8."
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
# A systemd credential: the rights of others are in an access control list, of which the group's bits are the mask.
_CREDENTIAL = stat.S_IWGRP | stat.S_IRWXO
# O_NONBLOCK: opening a FIFO must not block before it is known to be one.
_STANDARD_ERROR = 2
_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def read_key_file(path: StrPath, *, credential: bool = False, pipe: bool = False) -> Key:
    """Return the key in a file: a text of 1 to 65,536 bytes of UTF-8, or the generator's line `secftp-key-1 BASE64`.

    Raises `KeyFormatError` if the file can't be read, is not a regular file, is owned by neither the user nor root, may
    be read or written by others (mode & 077), is empty, blank, too long, not UTF-8, or mistyped. The group may read a
    file of root if it is the group of this process, which is not root's. A symlink is followed (mounted secrets are
    symlinks): the checks are made on the open file, so an attacker gains nothing by it. `credential`: the file is a
    systemd credential, which the group may be allowed to read. `pipe`: the file may be a FIFO, as that of a shell's
    `<(COMMAND)`; it is read once, to its end.
    """
    subject = f"The key file {show_local(path)}"
    data = _read(path, subject, MAX_KEY_BYTES, _CREDENTIAL if credential else _OTHERS, pipe=pipe)
    return key_of(data, subject)


def read_key_descriptor(descriptor: int) -> Key:
    """Return the key that an open descriptor delivers, a pipe for example, in the format of a key file; closes it.

    A standard one does not become free by that, but fails from then on. Raises `KeyFormatError`, as `read_key_file`.
    """
    subject = f"The key of descriptor {descriptor}"
    try:
        try:
            data = _read_all(descriptor, MAX_KEY_BYTES)
        finally:
            _give_up(descriptor)
    except OSError as error:
        raise KeyFormatError(f"{subject} can't be read: {reason_of(error)}.") from error
    return key_of(data, subject)


def _give_up(descriptor: int) -> None:
    """Close a descriptor; raises OSError.

    The number of a standard one would be given to the next connection, of which the rest of the program would read, and
    into which it would print. To read from the null device, or to write to it, would lose data without a word.
    """
    if descriptor > _STANDARD_ERROR:
        os.close(descriptor)
        return
    null = os.open(os.devnull, (os.O_RDONLY if descriptor else os.O_WRONLY) | os.O_CLOEXEC)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)


def read_trusted(path: StrPath, subject: str, *, private: bool = True) -> bytes:
    """Return the contents of a file of up to 1 MiB that only its owner may write, and read if it is `private`.

    Raises `KeyFormatError` as `read_key_file` does; `subject` begins its sentences.
    """
    data = _read(path, subject, MAX_FILE_BYTES + 1, _OTHERS if private else stat.S_IWGRP | stat.S_IWOTH)
    if len(data) > MAX_FILE_BYTES:
        raise KeyFormatError(f"{subject} is longer than 1 MiB.", hint="Is it the right file?")
    return data


def read_text(path: StrPath, subject: str, *, private: bool = True) -> str:
    """Return the text that `read_trusted` reads, without a byte order mark.

    Raises `KeyFormatError` as `read_trusted` does, and for what is not UTF-8.
    """
    text = _decode(read_trusted(path, subject, private=private))
    if isinstance(text, _Failure):
        raise KeyFormatError(f"{subject} {text.problem}.", hint=text.hint)
    return text.removeprefix(BYTE_ORDER_MARK)


class _Failure:
    """What is wrong with a text, as the end of a sentence, and what to do about it."""

    def __init__(self, problem: str, hint: str) -> None:
        self.problem = problem
        self.hint = hint


def key_of(data: bytes, subject: str) -> Key:
    """Return the key that the contents of a key file are; `data` has at most `MAX_KEY_BYTES`.

    Raises `KeyFormatError` as `read_key_file` does; `subject` begins its sentences.
    """
    line = data.removeprefix(codecs.BOM_UTF8).removesuffix(b"\n").removesuffix(b"\r")
    if len(line) > MAX_TEXT_BYTES:
        raise KeyFormatError(f"{subject} is longer than 64 KiB.", hint="Is it the right file?")
    if line.startswith(SECRET_PREFIX.encode()):
        return Key.from_secret(_parse_secret(subject, line.removeprefix(SECRET_PREFIX.encode())))
    text = _decode(data)
    if isinstance(text, _Failure):
        raise KeyFormatError(f"{subject} {text.problem}.", hint=text.hint)
    if is_blank(text):
        raise KeyFormatError(
            f"{subject} contains no key: it is empty or blank.",
            hint="Create one with: secftp keygen --file FILE",
        )
    if "\0" in text:
        raise KeyFormatError(f"{subject} contains NUL bytes, as UTF-16 text does.", hint=_SAVE_AS_UTF8)
    return Key.from_text(text)


def refuse_beneath(path: StrPath, root: StrPath, what: str = "key file") -> None:
    """Raise `KeyFormatError` if clients can reach the file `path` in the served directory `root`.

    They can by its name, by a symlink on the way to it, by a bind mount or by a hard link: `secftp.exposure`. They
    could read a key there, or replace any trusted file. `path` need not exist; `what` names it in the error. Raises
    `NotFound` if `root` can't be examined.
    """
    from secftp.exposure import Exposure  # here: a client, for whom reading a key comes first, refuses none

    try:
        exposure = Exposure(root)
    except OSError as error:
        raise NotFound(f"The directory {show_local(root)} can't be examined: {reason_of(error)}.") from error
    try:
        reached = exposure.has_file(path)
    except OSError as error:
        raise KeyFormatError(
            f"It can't be determined whether clients can reach the {what} {show_local(path)}: {reason_of(error)}.",
            hint="Keep it in a directory that the server may enter, under one name.",
        ) from error
    if reached:
        raise KeyFormatError(
            f"The {what} {show_local(path)} is below the served directory.",
            hint="Keep it where clients can't reach it, under no other name (symlink, hard link, mount) there.",
        )


def _read(path: StrPath, subject: str, limit: int, forbidden: int, *, pipe: bool = False) -> bytes:
    """Return up to `limit` bytes of a file; `forbidden` are the permissions that it must not have."""
    try:
        descriptor = _open(path, subject)
        # No file object: for a directory, its constructor would fail and leave the descriptor open.
        try:
            status = os.fstat(descriptor)
            _check_private(path, subject, status, forbidden, pipe=pipe)
            if stat.S_ISFIFO(status.st_mode):
                return _read_pipe(path, subject, status, limit)
            return _read_all(descriptor, limit)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise KeyFormatError(f"{subject} can't be read: {reason_of(error)}.") from error


def _read_all(descriptor: int, limit: int) -> bytes:
    data = b""
    while chunk := os.read(descriptor, limit - len(data)):
        data += chunk
    return data


def _read_pipe(path: StrPath, subject: str, checked: os.stat_result, limit: int) -> bytes:
    """Read a FIFO that is open already, so that its writer loses nothing; here it is waited for."""
    descriptor = _open(path, subject, _READ_FLAGS & ~os.O_NONBLOCK)
    try:
        if not os.path.samestat(os.fstat(descriptor), checked):
            raise KeyFormatError(f"{subject} was replaced while it was read.", hint="Try again.")
        return _read_all(descriptor, limit)
    finally:
        os.close(descriptor)


def _open(path: StrPath, subject: str, flags: int = _READ_FLAGS) -> int:
    if not os.fspath(path):
        raise KeyFormatError("The name of the key file is empty.", hint="Look for a shell variable that is not set.")
    try:
        return os.open(path, flags)
    except ValueError:  # a NUL, or what the locale can't encode
        raise KeyFormatError(f"{subject} can't be read: no file has such a name.") from None


def _check_private(path: StrPath, subject: str, status: os.stat_result, forbidden: int, *, pipe: bool = False) -> None:
    if not stat.S_ISREG(status.st_mode) and not (pipe and stat.S_ISFIFO(status.st_mode)):
        hint = "A pipe can be given by its descriptor: --key-fd N." if stat.S_ISFIFO(status.st_mode) else ""
        raise KeyFormatError(f"{subject} is not a regular file.", hint=hint)
    if status.st_uid not in (os.geteuid(), 0):
        raise KeyFormatError(f"{subject} belongs to another user.", hint="Copy it, and use the copy.")
    # The usual case of a service: a file in /etc that root owns and the service's own group may read (mode 640).
    for_the_group = status.st_uid == 0 != os.geteuid() and status.st_gid == os.getegid()
    if status.st_mode & (forbidden & ~stat.S_IRGRP if for_the_group else forbidden):
        raise KeyFormatError(
            f"{subject} is accessible to other users of this machine.", hint=f"chmod 600 {show_local(path)}"
        )


def _decode(data: bytes) -> str | _Failure:
    """Return the text, or what is wrong. Raises nothing: the decoder's exception would carry the file's bytes along."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _Failure("is UTF-16 text, not UTF-8", _SAVE_AS_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _Failure("is not UTF-8 text", "Is it the right file?")


def _parse_secret(subject: str, encoded: bytes) -> bytes:
    try:
        secret = binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error:
        secret = b""
    # Encoded again, because the decoder ignores some bits of the last character.
    if len(secret) != _SECRET_BYTES or binascii.b2a_base64(secret, newline=False) != encoded:
        raise KeyFormatError(
            f"{subject} is damaged: its line is not one that the key generator writes.",
            hint="Copy it again from where it was made.",
        )
    return secret


def reason_of(error: OSError) -> str:
    """Return the system's words for an error; `str(error)` would repeat the path, unescaped."""
    return (error.strerror or type(error).__name__).lower()
