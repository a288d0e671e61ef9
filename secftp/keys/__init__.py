"""Keys: their texts, their files, and generation. No network; the core does the stretching."""

from secftp.keys.create import RememberedKey, load_or_create, write_key_file
from secftp.keys.files import (
    read_key_descriptor,
    read_key_file,
    read_text,
    read_trusted,
    refuse_beneath,
)
from secftp.keys.key import Key
from secftp.keys.text import generate_key

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
