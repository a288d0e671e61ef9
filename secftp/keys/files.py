"""Key files: read with suspicion, created whole, private and never over another file.

A key file holds a text (all after a byte order mark and before one trailing newline) or, made by the key generator,
one line with the stretched secret itself. A file that others may read or may have made is refused: its key is no longer
a secret, or never was ours. What must never happen: that a file which can't be used counts as "no key", that a part of
a file's contents gets into a message, or that a key stands where a server would hand it out.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import os
import stat
from typing import Final, NamedTuple, TypeAlias

from secftp.errors import AlreadyExists, KeyFormatError, NotFound
from secftp.exposure import Exposure
from secftp.keys.generate import generate_secret
from secftp.keys.key import Key
from secftp.keys.leftovers import create_unfinished, sweep
from secftp.keys.text import BYTE_ORDER_MARK, SECRET_PREFIX, is_blank
from secftp.text import show_local

StrPath: TypeAlias = "str | os.PathLike[str]"

MAX_TEXT_BYTES = 65536
MAX_FILE_BYTES = 1 << 20
_SECRET_BYTES = 32
_FRAME_BYTES = 5  # a byte order mark and CR LF
_SAVE_AS_UTF8: Final = "Save it as UTF-8 text; in PowerShell: Set-Content -Encoding utf8."
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
# A credential of systemd's: others' rights are those of an access control list, of which the group's bits are the mask.
_CREDENTIAL = stat.S_IWGRP | stat.S_IRWXO
# O_NONBLOCK: a FIFO must not hold us up before we see that it is one.
_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def read_key_file(path: StrPath, *, credential: bool = False) -> Key:
    """The key in a file: a text of 1 to 65,536 bytes of UTF-8, or the generator's line `secftp-key-1 BASE64`.

    Raises KeyFormatError when the file can't be read, is no regular file, belongs to somebody else than the user or
    root, may be read or written by others (mode & 077), is empty, blank, too long, not UTF-8, or mistyped. The group
    may read a file of root's if it is the group of this process, which is not root's. A symlink is followed (mounted
    secrets are symlinks): the checks are made on the open file, so an attacker gains nothing by it.
    `credential`: it is one of those that systemd hands to a service, which its group may be allowed to read.
    """
    limit = MAX_TEXT_BYTES + _FRAME_BYTES + 1
    data = _read(path, f"The key file {show_local(path)}", limit, _CREDENTIAL if credential else _OTHERS)
    return _key_of(data, f"The key file {show_local(path)}")


def read_key_descriptor(descriptor: int) -> Key:
    """The key that comes out of an open descriptor, a pipe for example, as a key file has it; closes that.

    Raises KeyFormatError as `read_key_file` does.
    """
    subject = f"The key of descriptor {descriptor}"
    data = b""
    try:
        with open(descriptor, "rb", buffering=0) as file:
            while chunk := file.read(MAX_TEXT_BYTES + _FRAME_BYTES + 1 - len(data)):
                data += chunk
    except OSError as error:
        raise KeyFormatError(f"{subject} can't be read: {_reason(error)}.") from error
    return _key_of(data, subject)


def read_trusted(path: StrPath, subject: str, *, private: bool = True) -> bytes:
    """A file of the operator's, up to 1 MiB, that nobody else may write, nor read if it is `private`.

    Raises KeyFormatError as `read_key_file` does; `subject` begins its sentences.
    """
    data = _read(path, subject, MAX_FILE_BYTES + 1, _OTHERS if private else stat.S_IWGRP | stat.S_IWOTH)
    if len(data) > MAX_FILE_BYTES:
        raise KeyFormatError(f"{subject} is longer than 1 MiB.", hint="Is it the right file?")
    return data


def read_text(path: StrPath, subject: str, *, private: bool = True) -> str:
    """The text of a file of the operator's, without a byte order mark.

    Raises KeyFormatError as `read_trusted` does, and for what is not UTF-8.
    """
    text = _decode(read_trusted(path, subject, private=private))
    if isinstance(text, _Failure):
        raise KeyFormatError(f"{subject} {text.problem}.", hint=text.hint)
    return text.removeprefix(BYTE_ORDER_MARK)


class _Failure(NamedTuple):
    """What is wrong with some text, as the end of a sentence, and what to do about it."""

    problem: str
    hint: str


def _key_of(data: bytes, subject: str) -> Key:
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
            f"{subject} holds no key, only blanks or nothing at all.",
            hint="Make one with: secftp keygen --file FILE",
        )
    if "\0" in text:
        raise KeyFormatError(f"{subject} holds NUL bytes, as text in UTF-16 does.", hint=_SAVE_AS_UTF8)
    return Key.from_text(text)


def write_key_file(path: StrPath) -> None:
    """Make a new random key and its file of mode 0600, which needs no stretching when it is read.

    Raises AlreadyExists if anything has that name (it is never replaced), KeyFormatError if the file can't be made.
    """
    create_private(path, SECRET_PREFIX.encode() + base64.b64encode(generate_secret()) + b"\n")


def create_private(path: StrPath, data: bytes) -> None:
    """Create a file of mode 0600 that appears with all of `data` or not at all; errors as `write_key_file`'s."""
    folder = os.path.dirname(os.path.abspath(path))
    try:
        sweep(folder)
        descriptor, temporary = create_unfinished(folder)
        try:
            # A copy is closed there: closing the last one gives up the lock.
            _fill(os.dup(descriptor), data)
            # A link, because a rename would replace what is there.
            os.link(temporary, path)
        finally:
            os.unlink(temporary)
            os.close(descriptor)
        _sync_folder(folder)
    except FileExistsError:
        raise AlreadyExists(
            f"{show_local(path)} is already there and is not replaced.",
            hint="Choose another name, or remove it first.",
        ) from None
    except OSError as error:
        raise KeyFormatError(f"The key file {show_local(path)} can't be made: {_reason(error)}.") from error


def refuse_beneath(path: StrPath, root: StrPath, what: str = "key file") -> None:
    """Raise KeyFormatError if clients can reach the file `path` in the directory `root`, which is served.

    By its name, by a symlink on the way to it, by a bind mount or by a hard link: `secftp.exposure`. A key there could
    be read by clients, and any file that is trusted be replaced by one that may write. `path` need not exist; `what` it
    is. Raises NotFound if `root` can't be examined.
    """
    try:
        exposure = Exposure(root)
    except OSError as error:
        raise NotFound(f"The folder {show_local(root)} can't be examined: {_reason(error)}.") from error
    try:
        reached = exposure.has_file(path)
    except OSError as error:
        raise KeyFormatError(
            f"Whether clients can reach the {what} {show_local(path)} can't be told: {_reason(error)}.",
            hint="Keep it in a directory that the server may enter, under one name.",
        ) from error
    if reached:
        raise KeyFormatError(
            f"The {what} {show_local(path)} lies beneath the served folder.",
            hint="Keep it where clients can't get it, under no second name (symlink, hard link, mount) beneath there.",
        )


def _read(path: StrPath, subject: str, limit: int, forbidden: int) -> bytes:
    """The file's bytes, `limit` at the most; `forbidden` are the permissions that it must not give."""
    try:
        descriptor = _open(path, subject)
        # No file object around it: for a folder, its constructor would fail and leave the descriptor open.
        try:
            _check_private(path, subject, os.fstat(descriptor), forbidden)
            data = b""
            while chunk := os.read(descriptor, limit - len(data)):
                data += chunk
            return data
        finally:
            os.close(descriptor)
    except OSError as error:
        raise KeyFormatError(f"{subject} can't be read: {_reason(error)}.") from error


def _open(path: StrPath, subject: str) -> int:
    try:
        return os.open(path, _READ_FLAGS)
    except ValueError:  # a NUL, or what the locale can't encode
        raise KeyFormatError(f"{subject} can't be read: no file has such a name.") from None


def _check_private(path: StrPath, subject: str, status: os.stat_result, forbidden: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFormatError(f"{subject} is not a regular file.")
    if status.st_uid not in (os.geteuid(), 0):
        raise KeyFormatError(f"{subject} belongs to another user.", hint="Copy it, and use the copy.")
    # What a service has in /etc: a file of root's that the service's own group may read (root:secftp, mode 640).
    for_the_group = status.st_uid == 0 != os.geteuid() and status.st_gid == os.getegid()
    if status.st_mode & (forbidden & ~stat.S_IRGRP if for_the_group else forbidden):
        raise KeyFormatError(f"{subject} is open to other users of this machine.", hint=f"chmod 600 {show_local(path)}")


def _decode(data: bytes) -> str | _Failure:
    """The text. Nothing is raised in here: the decoder's exception would stay attached, with the file's bytes."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _Failure("is text in UTF-16, not in UTF-8", _SAVE_AS_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _Failure("is not UTF-8 text", "Is it the right file?")


def _parse_secret(subject: str, encoded: bytes) -> bytes:
    try:
        secret = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        secret = b""
    # Encoded again, because the decoder takes some bits of the last character as it likes.
    if len(secret) != _SECRET_BYTES or base64.b64encode(secret) != encoded:
        raise KeyFormatError(
            f"{subject} is damaged: its line is not one that the key generator writes.",
            hint="Copy it again from where it was made.",
        )
    return secret


def _fill(descriptor: int, data: bytes) -> None:
    with open(descriptor, "wb") as file:
        # An odd umask can take bits of the owner away.
        os.fchmod(descriptor, 0o600)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    # The system's words alone: str(error) would repeat the path, unescaped.
    return (error.strerror or type(error).__name__).lower()
