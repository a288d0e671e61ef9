"""A stretched key, as an object of the core.

Invariant: no secret is a Python object, except what `Password.secret` returns, which key generation needs. A `Password`
can't be copied or pickled. It never changes, so a forked process may use its copy.
"""

from __future__ import annotations

from secftp.crypto import binding

TYPE_CHECKING = False  # as of typing: a client stretches its key before it imports that, see secftp/client/key_ahead.py
if TYPE_CHECKING:
    from typing import Any, Final

SECRET_BYTES: Final[int] = binding.lib.SECFTP_SECRET_BYTES


def exactly(value: bytes, size: int) -> bytes:
    """Return the value, which must have that size: the core reads as many bytes as its header says."""
    if len(value) != size:
        raise ValueError(f"{size} bytes are needed here, not {len(value)}")
    return value


class Password:
    """w, w·M and w·N of SPAKE2 (RFC 9382, section 3.2), in the core's memory. Immutable: threads may share it."""

    __slots__ = ("_pointer",)

    def __init__(self, make: Any, *arguments: Any) -> None:
        out = binding.ffi.new("secftp_password **")
        binding.check(make(*arguments, out))
        self._pointer = binding.ffi.gc(out[0], binding.lib.secftp_password_free)

    @classmethod
    def from_key(cls, key: bytes) -> Password:
        """Stretch the text of a key, 1 byte or more of UTF-8 in NFC, by scrypt (RFC 7914): about 50 ms and 16 MiB."""
        return cls(binding.lib.secftp_password_from_key, key, len(key))

    @classmethod
    def from_secret(cls, secret: bytes) -> Password:
        """Take w itself, 32 bytes, big-endian. Raises `AuthenticationError` if it is 0 or too large for the group."""
        return cls(binding.lib.secftp_password_from_secret, exactly(secret, SECRET_BYTES))

    @classmethod
    def anonymous(cls) -> Password:
        """Return the published password of anonymous sessions."""
        return cls(binding.lib.secftp_password_anonymous)

    @classmethod
    def random(cls) -> Password:
        """Return a random password. It stands in for unknown names, so that names can't be enumerated."""
        return cls(binding.lib.secftp_password_random)

    def secret(self) -> bytes:
        """Return w, 32 bytes. Only for the generation of key files."""
        out = binding.ffi.new("uint8_t[]", SECRET_BYTES)
        binding.check(binding.lib.secftp_password_secret(self._pointer, out))
        return bytes(binding.ffi.buffer(out))

    def is_same(self, other: Password) -> bool:
        """Compare in constant time."""
        return bool(binding.lib.secftp_password_equal(self._pointer, other._pointer))

    def __reduce__(self) -> str:
        raise TypeError("a password can't be copied or pickled")
