"""Keys: their texts, their files, and generation. No network; the core does the stretching."""

from __future__ import annotations

from secftp.keys.files import (
    read_key_descriptor,
    read_key_file,
    read_text,
    read_trusted,
    refuse_beneath,
)
from secftp.keys.key import Key
from secftp.keys.text import generate_key

TYPE_CHECKING = False  # as of typing: a client reads and stretches its key before it imports that
if TYPE_CHECKING:
    from secftp.keys.create import RememberedKey, load_or_create, write_key_file

__all__ = [
    "Key",
    "RememberedKey",
    "generate_key",
    "load_or_create",
    "read_key_descriptor",
    "read_key_file",
    "read_text",
    "read_trusted",
    "refuse_beneath",
    "write_key_file",
]

# Loaded when they are used: a transfer creates no key.
_OF_CREATION = ("RememberedKey", "load_or_create", "write_key_file")


def __getattr__(name: str) -> object:
    if name not in _OF_CREATION:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from secftp.keys import create

    found: object = getattr(create, name)
    globals()[name] = found
    return found
