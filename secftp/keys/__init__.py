"""Keys: their text, their files, new ones. No network; the stretching is the core's."""

from secftp.keys.files import (
    read_key_descriptor,
    read_key_file,
    read_text,
    read_trusted,
    refuse_beneath,
    write_key_file,
)
from secftp.keys.generate import generate_key
from secftp.keys.key import Key
from secftp.keys.state import RememberedKey, load_or_create

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
