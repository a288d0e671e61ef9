"""The SPAKE2 key exchange (RFC 9382): a stretched key and both sides of the handshake, as objects of the core.

Invariant: no secret is a Python object, except what `Password.secret` returns, which key generation needs. No object
can be copied or pickled. An exchange can only be finished by the process that began it, since two processes would
derive the same keys; a `Password` never changes, so a forked process may use its copy.
"""

from __future__ import annotations

import enum
from typing import Any, Final

from secftp.crypto import binding
from secftp.crypto.frames import Opener, Sealer

CLIENT_HELLO_BYTES: Final[int] = binding.lib.SECFTP_CLIENT_HELLO_BYTES
SERVER_HELLO_BYTES: Final[int] = binding.lib.SECFTP_SERVER_HELLO_BYTES
CLIENT_FINISH_BYTES: Final[int] = binding.lib.SECFTP_CLIENT_FINISH_BYTES
REFUSAL_BYTES: Final[int] = binding.lib.SECFTP_REFUSAL_BYTES
NAME_BYTES: Final[int] = binding.lib.SECFTP_NAME_BYTES
SECRET_BYTES: Final[int] = binding.lib.SECFTP_SECRET_BYTES


def _exactly(value: bytes, size: int) -> bytes:
    """Return the value, which must have that size: the core reads as many bytes as its header says."""
    if len(value) != size:
        raise ValueError(f"{size} bytes are needed here, not {len(value)}")
    return value


class Suite(enum.IntEnum):
    """The cipher of a session's frames, which are authenticated in any case."""

    NONE = binding.lib.SECFTP_SUITE_NONE
    AES128 = binding.lib.SECFTP_SUITE_AES128
    AES256 = binding.lib.SECFTP_SUITE_AES256


class Mode(enum.IntEnum):
    """Whether the peers authenticate by a shared key, or use the published password of anonymous sessions."""

    ANONYMOUS = binding.lib.SECFTP_MODE_ANONYMOUS
    KEYED = binding.lib.SECFTP_MODE_KEYED


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
        return cls(binding.lib.secftp_password_from_secret, _exactly(secret, SECRET_BYTES))

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


class ClientExchange:
    """The client's side. `hello` is CLIENT_HELLO; `finish` is called once, and not in a forked process."""

    def __init__(self, password: Password, suite: Suite, mode: Mode, name: bytes) -> None:
        hello = binding.ffi.new("uint8_t[]", CLIENT_HELLO_BYTES)
        out = binding.ffi.new("secftp_client **")
        self._password = password  # the core's object points into it
        binding.check(
            binding.lib.secftp_client_start(
                password._pointer,  # noqa: SLF001
                suite,
                mode,
                _exactly(name, NAME_BYTES),
                hello,
                out,
            )
        )
        self._pointer = binding.ffi.gc(out[0], binding.lib.secftp_client_free)
        self.hello = bytes(binding.ffi.buffer(hello))

    def finish(self, server_hello: bytes) -> tuple[bytes, Sealer, Opener]:
        """Return CLIENT_FINISH and the session's states. Raises `AuthenticationError` if the server has another key."""
        finish = binding.ffi.new("uint8_t[]", CLIENT_FINISH_BYTES)
        sealer, opener = binding.ffi.new("secftp_sealer **"), binding.ffi.new("secftp_opener **")
        binding.check(
            binding.lib.secftp_client_finish(
                self._pointer, _exactly(server_hello, SERVER_HELLO_BYTES), finish, sealer, opener
            )
        )
        return bytes(binding.ffi.buffer(finish)), Sealer(sealer[0], self.suite), Opener(opener[0])

    @property
    def suite(self) -> Suite:
        """The cipher that CLIENT_HELLO asks for."""
        return Suite(self.hello[7])

    def __reduce__(self) -> str:
        raise TypeError("an exchange can't be copied or pickled")


class ServerExchange:
    """The server's side. `hello` is SERVER_HELLO; `finish` is called once, and not in a forked process."""

    def __init__(self, password: Password, client_hello: bytes) -> None:
        hello = binding.ffi.new("uint8_t[]", SERVER_HELLO_BYTES)
        out = binding.ffi.new("secftp_server **")
        binding.check(
            binding.lib.secftp_server_respond(password._pointer, _exactly(client_hello, CLIENT_HELLO_BYTES), hello, out)  # noqa: SLF001
        )
        self._pointer = binding.ffi.gc(out[0], binding.lib.secftp_server_free)
        self._suite = Suite(client_hello[7])
        self.hello = bytes(binding.ffi.buffer(hello))

    def finish(self, client_finish: bytes) -> tuple[Sealer, Opener]:
        """Return the session's states. Raises `AuthenticationError` if the client has another key."""
        sealer, opener = binding.ffi.new("secftp_sealer **"), binding.ffi.new("secftp_opener **")
        binding.check(
            binding.lib.secftp_server_finish(
                self._pointer, _exactly(client_finish, CLIENT_FINISH_BYTES), sealer, opener
            )
        )
        return Sealer(sealer[0], self._suite), Opener(opener[0])

    def __reduce__(self) -> str:
        raise TypeError("an exchange can't be copied or pickled")
