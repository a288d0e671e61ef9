"""A stretched key and the two sides of the handshake, as objects of the core.

Nothing secret is a Python object here, `Password.secret` excepted, which the generator of key files needs. Every
object refuses to be copied or pickled: cffi's pointers can't be, and these classes keep it so. An exchange can only be
finished by the process that began it, since two processes would come to the same keys; a `Password` never changes, and
a forked process may go on with its copy.
"""

from __future__ import annotations

import enum
from typing import Any, Final

from secftp.record import binding
from secftp.record.frames import Opener, Sealer

CLIENT_HELLO_BYTES: Final[int] = binding.lib.SECFTP_CLIENT_HELLO_BYTES
SERVER_HELLO_BYTES: Final[int] = binding.lib.SECFTP_SERVER_HELLO_BYTES
CLIENT_FINISH_BYTES: Final[int] = binding.lib.SECFTP_CLIENT_FINISH_BYTES
REFUSAL_BYTES: Final[int] = binding.lib.SECFTP_REFUSAL_BYTES
NAME_BYTES: Final[int] = binding.lib.SECFTP_NAME_BYTES
SECRET_BYTES: Final[int] = binding.lib.SECFTP_SECRET_BYTES


def _exactly(value: bytes, size: int) -> bytes:
    """The core reads as many bytes as its header says, so a shorter object must not reach it."""
    if len(value) != size:
        raise ValueError(f"{size} bytes are wanted here, not {len(value)}")
    return value


class Suite(enum.IntEnum):
    """How frames are encrypted. All of them are authenticated."""

    NONE = binding.lib.SECFTP_SUITE_NONE
    AES128 = binding.lib.SECFTP_SUITE_AES128
    AES256 = binding.lib.SECFTP_SUITE_AES256


class Mode(enum.IntEnum):
    """Whether both sides prove a key that only they know, or run with the one that everybody knows."""

    ANONYMOUS = binding.lib.SECFTP_MODE_ANONYMOUS
    KEYED = binding.lib.SECFTP_MODE_KEYED


class Password:
    """w, w·M and w·N of SPAKE2 (RFC 9382 section 3.2), in the core's memory.

    Never changes: threads may share it, and forked processes go on with their copies of it.
    """

    __slots__ = ("_pointer",)

    def __init__(self, make: Any, *arguments: Any) -> None:
        out = binding.ffi.new("secftp_password **")
        binding.check(make(*arguments, out))
        self._pointer = binding.ffi.gc(out[0], binding.lib.secftp_password_free)

    @classmethod
    def from_key(cls, key: bytes) -> Password:
        """From the text of a key, UTF-8 in NFC, 1 byte or more: scrypt (RFC 7914), about 50 ms and 16 MiB."""
        return cls(binding.lib.secftp_password_from_key, key, len(key))

    @classmethod
    def from_secret(cls, secret: bytes) -> Password:
        """From w itself, 32 bytes big-endian; `AuthenticationError` when it is 0 or not below the group's order."""
        return cls(binding.lib.secftp_password_from_secret, _exactly(secret, SECRET_BYTES))

    @classmethod
    def anonymous(cls) -> Password:
        """The one that everybody knows, for mode 0."""
        return cls(binding.lib.secftp_password_anonymous)

    @classmethod
    def random(cls) -> Password:
        """One that nobody knows: it answers for names that do not exist, so that names can't be probed."""
        return cls(binding.lib.secftp_password_random)

    def secret(self) -> bytes:
        """w, 32 bytes, for the generator of key files alone."""
        out = binding.ffi.new("uint8_t[]", SECRET_BYTES)
        binding.check(binding.lib.secftp_password_secret(self._pointer, out))
        return bytes(binding.ffi.buffer(out))

    def is_same(self, other: Password) -> bool:
        """Whether both come from one key; compared in constant time."""
        return bool(binding.lib.secftp_password_equal(self._pointer, other._pointer))

    def __reduce__(self) -> str:
        raise TypeError("a password can't be copied or pickled")


class ClientExchange:
    """The client's computations. `hello` is CLIENT_HELLO; `finish` is called once, and not in a forked process."""

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
        """SERVER_HELLO in; CLIENT_FINISH and the session out. `AuthenticationError` when the server proved nothing."""
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
        """What CLIENT_HELLO asked for."""
        return Suite(self.hello[7])

    def __reduce__(self) -> str:
        raise TypeError("an exchange can't be copied or pickled")


class ServerExchange:
    """The server's computations. `hello` is SERVER_HELLO; `finish` is called once, and not in a forked process."""

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
        """CLIENT_FINISH in, the session out. `AuthenticationError` when the client proved nothing."""
        sealer, opener = binding.ffi.new("secftp_sealer **"), binding.ffi.new("secftp_opener **")
        binding.check(
            binding.lib.secftp_server_finish(
                self._pointer, _exactly(client_finish, CLIENT_FINISH_BYTES), sealer, opener
            )
        )
        return Sealer(sealer[0], self._suite), Opener(opener[0])

    def __reduce__(self) -> str:
        raise TypeError("an exchange can't be copied or pickled")
