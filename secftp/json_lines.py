"""JSON Lines output: one object a line, in ASCII, so that nothing in it can control a terminal.

A name that is valid UTF-8 is a string with exactly that text. JSON has no bytes, so for any other name its field holds
an escaped form, and a second field, `..._base64`, the bytes.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, TypeAlias

from secftp.text import escape

if TYPE_CHECKING:
    from collections.abc import Callable

Value: TypeAlias = str | int | float | None


def name_fields(key: str, name: bytes, show: Callable[[bytes], str] = escape) -> dict[str, Value]:
    """Return the field, or the two fields, of a name or a path; `show` escapes one that is not UTF-8."""
    try:
        return {key: name.decode()}
    except UnicodeDecodeError:
        return {key: show(name), f"{key}_base64": base64.b64encode(name).decode()}


def line(fields: dict[str, Value]) -> str:
    """Return the object as a line with its newline."""
    return json.dumps(fields, separators=(", ", ": ")) + "\n"
