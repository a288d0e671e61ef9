"""JSON for programs: one object a line, in ASCII, so that nothing in it can move a terminal's cursor.

A name that is UTF-8 stands as its text, exactly. JSON has no bytes, so of any other name its field holds what can be
shown of it, and a second field, `..._base64`, the bytes.
"""

from __future__ import annotations

import json
from typing import TypeAlias

from secftp.text import escape

Value: TypeAlias = str | int | float | None


def name_fields(key: str, name: bytes) -> dict[str, Value]:
    """The field or the two fields of a name or a path."""
    try:
        return {key: name.decode()}
    except UnicodeDecodeError:
        import base64

        return {key: escape(name), f"{key}_base64": base64.b64encode(name).decode()}


def line(fields: dict[str, Value]) -> str:
    """The object, with a newline."""
    return json.dumps(fields, separators=(", ", ": ")) + "\n"
