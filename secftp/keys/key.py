"""A key as a user gave it, on its way to the handshake.

The object exists so that a key's text never travels through the program as a string that somebody prints, logs,
compares or pickles: it can only be turned into the core's stretched password, and after that even this object has
forgotten it. An object stands for a given key, never for "no key".
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final, NoReturn, final

from secftp.errors import AuthenticationError, KeyFormatError
from secftp.keys.text import bare, is_generated, normalise

if TYPE_CHECKING:
    from secftp.record import Password


@final
class Key:
    """One key, from a text or from a key file's secret; it may be shared by threads. Two keys are never equal."""

    __slots__ = ("_is_secret", "_lock", "_material", "_password", "_process", "generated")

    def __init__(self, material: bytes, *, is_secret: bool, generated: bool) -> None:
        # Whether it is known to be one of the key generator's, of 130 bits and more, which cannot be guessed.
        self.generated: Final = generated
        self._material = material
        self._is_secret: Final = is_secret
        self._password: Password | None = None
        self._lock = threading.Lock()
        self._process = os.getpid()

    @classmethod
    def from_text(cls, text: str) -> Key:
        """The key that a user typed or a file holds, without a byte order mark in front and one line end behind.

        Raises KeyFormatError as `secftp.keys.text.bare` and `normalise` do.
        """
        key = normalise(bare(text))
        return cls(key.encode(), is_secret=False, generated=is_generated(bare(text)))

    @classmethod
    def from_secret(cls, secret: bytes) -> Key:
        """The key whose stretched form is known: `w` of docs/PROTOCOL.md, 32 bytes."""
        from secftp.keys.generate import is_generated_secret  # what needs no secret need not wait for its imports

        return cls(secret, is_secret=True, generated=is_generated_secret(secret))

    def password(self) -> Password:
        """What the handshake takes. The first call stretches a text (scrypt, about 50 ms), later ones are free.

        A forked process may go on with it: what is stretched never changes.

        Raises KeyFormatError if a secret is out of its range.
        """
        if self._process != os.getpid():
            # A thread of the parent's may have held the lock at the moment of the fork, and is not here to let it go.
            self._lock, self._process = threading.Lock(), os.getpid()
        with self._lock:
            if self._password is None:
                self._password = self._stretch()
                self._material = b""
            return self._password

    def _stretch(self) -> Password:
        # Here and not above: a program that only prints its help, or a typing error, needs no built core.
        from secftp.record import Password

        if not self._is_secret:
            return Password.from_key(self._material)
        try:
            return Password.from_secret(self._material)
        except AuthenticationError:
            raise KeyFormatError(
                "The key file is damaged: its secret is out of range.", hint="Copy it again from where it was made."
            ) from None

    def __repr__(self) -> str:
        return "<secftp.keys.Key>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key can't be pickled or copied")
