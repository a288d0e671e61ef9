"""Under which key a program talks to a server: the one it gives, and no other.

A library reads no environment: a program that wants SECFTP_KEY says `key=os.environ["SECFTP_KEY"]`. What must never
happen: that a key which was forgotten, or can't be used, leads to an anonymous session. So `anonymous` has to be True
itself: a configuration's text "false" would count as true.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from secftp.channel import Credentials
from secftp.errors import UsageError
from secftp.keys import Key, read_key_file
from secftp.record import Mode, Password, Suite

if TYPE_CHECKING:
    from secftp.api.names import LocalPath

Cipher: TypeAlias = Literal["none", "aes128", "aes256"]

_SUITES: Final = {"none": Suite.NONE, "aes128": Suite.AES128, "aes256": Suite.AES256}


def suite_for(cipher: str) -> Suite:
    """The cipher of that name; raises `UsageError` for any other."""
    try:
        return _SUITES[cipher]
    except KeyError:
        raise UsageError("The cipher must be none, aes128 or aes256.") from None


def credentials_for(
    key: str | Key | None, key_file: LocalPath | None, *, anonymous: bool, cipher: str, name: str
) -> Credentials:
    """What the handshake takes; exactly one of `key`, `key_file` and `anonymous` must be given.

    Stretches the key (about 50 ms for a text). Raises `UsageError`, and `KeyFormatError` for a key that can't be used.
    """
    suite = suite_for(cipher)
    given = (key is not None) + (key_file is not None) + truth("anonymous", anonymous)
    if given > 1:
        raise UsageError("Of key, key_file and anonymous only one can be meant.")
    if not given:
        raise UsageError(
            "No key was given.",
            hint="Give key=..., or key_file=...; anonymous=True is for servers that take anybody.",
        )
    if anonymous:
        if name:
            raise UsageError("The name of a key was given, but no key.", hint="Leave the name out to be anonymous.")
        return Credentials(Password.anonymous(), suite, Mode.ANONYMOUS)
    found = read_key_file(os.path.expanduser(os.fsdecode(key_file))) if key_file is not None else key_from(key)
    return Credentials(found.password(), suite, Mode.KEYED, name)


def truth(name: str, value: object) -> bool:
    """`value`, which must be True or False; raises `UsageError` for all else, which may be meant the other way."""
    if not isinstance(value, bool):
        raise UsageError(f"{name} must be True or False, not {type(value).__name__}.")
    return value


def key_from(key: object) -> Key:
    """A `Key` as it is, a `str` as the key it is the text of. Raises TypeError without repeating what was given."""
    if isinstance(key, Key):
        return key
    if isinstance(key, str):
        return Key.from_text(key)
    raise TypeError(f"a key is a str or a secftp.Key, not {type(key).__name__}")
