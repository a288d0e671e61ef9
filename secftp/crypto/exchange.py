"""The SPAKE2 key exchange (RFC 9382): both sides of the handshake, as objects of the core.

Invariant: no secret is a Python object, and no object can be copied or pickled. An exchange can only be finished by the
process that began it, since two processes would derive the same keys.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from secftp.crypto import binding
from secftp.crypto.frames import Opener, Sealer
from secftp.crypto.password import exactly

if TYPE_CHECKING:
    from secftp.crypto.password import Password

CLIENT_HELLO_BYTES: Final[int] = binding.lib.SECFTP_CLIENT_HELLO_BYTES
SERVER_HELLO_BYTES: Final[int] = binding.lib.SECFTP_SERVER_HELLO_BYTES
CLIENT_FINISH_BYTES: Final[int] = binding.lib.SECFTP_CLIENT_FINISH_BYTES
REFUSAL_BYTES: Final[int] = binding.lib.SECFTP_REFUSAL_BYTES
NAME_BYTES: Final[int] = binding.lib.SECFTP_NAME_BYTES


class Suite(enum.IntEnum):
    """The cipher of a session's frames, which are authenticated in any case."""

    NONE = binding.lib.SECFTP_SUITE_NONE
    AES128 = binding.lib.SECFTP_SUITE_AES128
    AES256 = binding.lib.SECFTP_SUITE_AES256


class Mode(enum.IntEnum):
    """Whether the peers authenticate by a shared key, or use the published password of anonymous sessions."""

    ANONYMOUS = binding.lib.SECFTP_MODE_ANONYMOUS
    KEYED = binding.lib.SECFTP_MODE_KEYED


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
                exactly(name, NAME_BYTES),
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
                self._pointer, exactly(server_hello, SERVER_HELLO_BYTES), finish, sealer, opener
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
            binding.lib.secftp_server_respond(password._pointer, exactly(client_hello, CLIENT_HELLO_BYTES), hello, out)  # noqa: SLF001
        )
        self._pointer = binding.ffi.gc(out[0], binding.lib.secftp_server_free)
        self._suite = Suite(client_hello[7])
        self.hello = bytes(binding.ffi.buffer(hello))

    def finish(self, client_finish: bytes) -> tuple[Sealer, Opener]:
        """Return the session's states. Raises `AuthenticationError` if the client has another key."""
        sealer, opener = binding.ffi.new("secftp_sealer **"), binding.ffi.new("secftp_opener **")
        binding.check(
            binding.lib.secftp_server_finish(self._pointer, exactly(client_finish, CLIENT_FINISH_BYTES), sealer, opener)
        )
        return Sealer(sealer[0], self._suite), Opener(opener[0])

    def __reduce__(self) -> str:
        raise TypeError("an exchange can't be copied or pickled")
