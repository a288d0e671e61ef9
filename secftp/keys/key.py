"""Keys as objects: what a user gave, on its way to the handshake, and secrets for key files.

A key's text never travels through the program as a string that could be printed, logged, compared or pickled. The
object can only be converted to the core's stretched password, and then no longer has the text. It represents a given
key, never "no key".
"""

from __future__ import annotations

import _thread
import os

from secftp.errors import AuthenticationError, KeyFormatError
from secftp.keys.text import bare, is_generated, normalise

TYPE_CHECKING = False  # as of typing: a client stretches its key before it imports that
if TYPE_CHECKING:
    from typing import Final, NoReturn

    from secftp.crypto import Password


# The end of a generated secret tells it from a stretched text (docs/PROTOCOL.md, 4.3).
_MARK_BYTES: Final = 4
_MARK_CONTEXT: Final = b"secftp/1 generated"


class Key:
    """A key from a text, or from the secret of a key file. Thread-safe. Two keys are never equal.

    A `Key` is stretched once, with scrypt, however many clients use it. It shows its text nowhere, and can't be pickled
    or copied.

    Attributes:
        generated (bool): Whether the key generator is known to have made it: of at least 130 bits, it can't be guessed.

    Example:
        >>> key = secftp.Key.from_text("5ZKQ0-2J7WD-VH1GM-T83XE-B4N6R-4Z")
        >>> key
        <secftp.Key generated>
        >>> key.generated, secftp.Key.from_text("a key that a user thought of")
        (True, <secftp.Key>)
    """

    __slots__ = ("_is_secret", "_lock", "_material", "_password", "_process", "generated")

    def __init__(self, material: bytes, *, is_secret: bool, generated: bool) -> None:
        # Whether the key generator is known to have made it: of at least 130 bits, it can't be guessed.
        self.generated: Final = generated
        self._material = material
        self._is_secret: Final = is_secret
        self._password: Password | None = None
        self._lock = _thread.allocate_lock()
        self._process = os.getpid()

    @classmethod
    def from_text(cls, text: str) -> Key:
        """Return the key that a user typed or a file holds.

        Args:
            text (str): The key, in any spelling: hyphens, spaces around it and the case of a generated key do not
                matter.

        Returns:
            Key: The key.

        Raises:
            KeyFormatError: The text is empty, or has a wrong check character.
        """
        key = normalise(bare(text))
        return cls(key.encode(), is_secret=False, generated=is_generated(bare(text)))

    @classmethod
    def from_secret(cls, secret: bytes) -> Key:
        """Return the key whose stretched form is known.

        Args:
            secret (bytes): The stretched key, 32 bytes: `w` of docs/PROTOCOL.md, 4.1.

        Returns:
            Key: The key.
        """
        return cls(secret, is_secret=True, generated=is_generated_secret(secret))

    def password(self) -> Password:
        """Return what the handshake takes. The first call stretches a text (scrypt, about 50 ms), later ones are free.

        Usable in a forked process, since the result never changes.

        Returns:
            Password: An object for this package.

        Raises:
            KeyFormatError: The secret is out of range.
        """
        if self._process != os.getpid():
            # A thread of the parent may have held the lock during the fork, and does not exist here to release it.
            self._lock, self._process = _thread.allocate_lock(), os.getpid()
        with self._lock:
            if self._password is None:
                self._password = self._stretch()
                self._material = b""
            return self._password

    def stretch_ahead(self) -> None:
        """Begin to stretch a text in a thread, for which the next call of `password` waits. Returns at once.

        For a program with something else to do until then, such as importing its modules: the core works without
        Python's lock. What fails in the thread is tried again, and raised, by `password`. Neither the end of Python
        nor a signal waits for the thread, which has nothing to clean up.
        """
        if self._is_secret:
            return
        try:
            _thread.start_new_thread(self._stretch_quietly, ())
        except RuntimeError:  # no more threads are allowed: `password` does it all
            return

    def _stretch_quietly(self) -> None:
        try:
            self.password()
        except Exception:  # noqa: BLE001 - the caller of `password` gets it
            return

    def _stretch(self) -> Password:
        # Imported here: a program that only prints its help, or a typing error, needs no built core.
        from secftp.crypto import Password

        if not self._is_secret:
            return Password.from_key(self._material)
        try:
            return Password.from_secret(self._material)
        except AuthenticationError:
            raise KeyFormatError(
                "The key file is damaged: its secret is out of range.", hint="Copy it again from where it was made."
            ) from None

    def __repr__(self) -> str:
        return "<secftp.Key generated>" if self.generated else "<secftp.Key>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key can't be pickled or copied")


def generate_secret() -> bytes:
    """Return a new secret for a key file: `w` of docs/PROTOCOL.md, 4.3, 32 bytes, of which 224 bits are random."""
    from secftp.crypto import Password

    while True:
        body = Password.random().secret()[:-_MARK_BYTES]
        secret = body + _mark(body)
        try:
            Password.from_secret(secret)
        except AuthenticationError:  # not below the order of the group: less than once in 2^32
            continue
        return secret


def is_generated_secret(secret: bytes) -> bool:
    """Tell whether a secret has the mark of `generate_secret`; that of a stretched text has it once in 2^32."""
    import hmac

    return hmac.compare_digest(secret[-_MARK_BYTES:], _mark(secret[:-_MARK_BYTES]))


def _mark(body: bytes) -> bytes:
    import hashlib  # here: a text needs neither, and is stretched before all other modules are imported

    return hashlib.sha256(_MARK_CONTEXT + body).digest()[:_MARK_BYTES]
