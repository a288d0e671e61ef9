"""Keys in the keyring of the desktop, by way of the optional library keyring, which is imported here alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.errors import InstallationError, KeyFormatError
from secftp.keys import Key

if TYPE_CHECKING:
    from typing import Any

SERVICE: Final = "secftp"


def read_keyring(user: str, subject: str) -> Key:
    """Return the key that the keyring has for a user name under the service `secftp`.

    `subject` begins the sentences of errors. Raises `KeyFormatError` if there is no such key, or the keyring can't be
    read, and `InstallationError` if the library is missing.
    """
    keyring = _import_keyring()
    try:
        text = keyring.get_password(SERVICE, user)
    except Exception as problem:  # noqa: BLE001 - backends raise what they like; their words may be about the key
        raise KeyFormatError(
            f"{subject} can't be read: {type(problem).__name__}.",
            hint="Is the keyring unlocked? Try: keyring get secftp NAME",
        ) from None
    if text is None:
        raise KeyFormatError(f"{subject} has no such entry.", hint="Store the key with: keyring set secftp NAME")
    return Key.from_text(text)


def _import_keyring() -> Any:
    try:
        import keyring
    except ImportError:
        raise InstallationError(
            "A key in the keyring requires the package keyring.", hint="pip install 'secftp[keyring]'"
        ) from None
    return keyring
