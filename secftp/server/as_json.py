"""The server's log for programs: one JSON object a line, in ASCII, so that nothing in it can move a terminal's cursor.

A path that is UTF-8 stands as its text. JSON has no bytes, so of any other its field holds what can be shown of it, and
a second field, `..._base64`, the bytes. A consumer may rely on `time` (UTC), `level` and `event`; which other fields an
event has is told in the operators' guide. No line has more than 4 KiB: what a client made too long is cut, and said.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import TYPE_CHECKING, Final, TypeAlias

from secftp.text import escape

if TYPE_CHECKING:
    from secftp.server.log import Operation
    from secftp.storage import Path

LONGEST_LINE: Final = 4096  # bytes
SHOWN_SIGNS: Final = 1100  # of a name; a line for people has 1024
Value: TypeAlias = str | int | float | None


def line(level: str, event: str, fields: dict[str, Value]) -> str:
    """The object, with a newline; `cut` names the fields that had to be cut for the line not to become too long."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    whole: dict[str, Value] = {"time": now, "level": level, "event": event, **fields}
    text = _dumped(whole)
    while len(text) > LONGEST_LINE:
        _cut(whole, len(text) - LONGEST_LINE)
        text = _dumped(whole)
    return text


def _cut(fields: dict[str, Value], excess: int) -> None:
    """Shorten the texts that take most, so that about `excess` bytes less are left."""
    sizes = {name: len(json.dumps(value)) for name, value in fields.items() if isinstance(value, str) and name != "cut"}
    long = {name: size for name, size in sizes.items() if 2 * size >= max(sizes.values())}
    share = max(0.0, 1 - (excess + 128) / sum(long.values()))
    for name in long:
        value = str(fields[name])
        kept = min(int(len(value) * share), len(value) - 4)
        fields[name] = value[: max(0, kept - kept % 4)]  # of base64 what is left can be decoded
    before = str(fields.get("cut", "")).split()
    fields["cut"] = " ".join(dict.fromkeys([*before, *long]))


def _dumped(fields: dict[str, Value]) -> str:
    return json.dumps(fields, separators=(", ", ": ")) + "\n"


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
        return {key: escape(shortened(joined)), f"{key}_base64": base64.b64encode(joined).decode()}


def shortened(name: bytes) -> bytes:
    """The beginning of a long name: to escape all of it would cost milliseconds, and a line shows no more."""
    text = name.decode(errors="surrogateescape")
    return name if len(text) <= SHOWN_SIGNS else text[:SHOWN_SIGNS].encode(errors="surrogateescape") + b"..."
