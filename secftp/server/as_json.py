"""The server's log for programs: one JSON object a line, in ASCII, so that nothing in it can move a terminal's cursor.

A path that is UTF-8 stands as its text. JSON has no bytes, so of any other its field holds what can be shown of it, and
a second field, `..._base64`, the bytes. A consumer may rely on `time` (UTC), `level` and `event`; which other fields an
event has is told in the operators' guide.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import TYPE_CHECKING, TypeAlias

from secftp.text import escape

if TYPE_CHECKING:
    from secftp.server.log import Operation
    from secftp.storage import Path

Value: TypeAlias = str | int | float | None


def line(level: str, event: str, fields: dict[str, Value]) -> str:
    """The object, with a newline."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": now, "level": level, "event": event, **fields}, separators=(", ", ": ")) + "\n"


def operation(done: Operation) -> dict[str, Value]:
    """The fields of a request that is over."""
    fields: dict[str, Value] = {"operation": done.name, **_path("path", done.path)}
    if done.to is not None:
        fields |= _path("to", done.to)
    fields |= {"bytes": done.nbytes, "seconds": round(done.seconds, 6)}
    if done.digest is not None:
        fields["checksum"] = done.digest.hex()
    fields["result"] = done.result
    return fields


def _path(key: str, path: Path) -> dict[str, Value]:
    joined = b"/".join(path)
    try:
        return {key: joined.decode()}
    except UnicodeDecodeError:
        return {key: escape(joined), f"{key}_base64": base64.b64encode(joined).decode()}
