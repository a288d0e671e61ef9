"""Form of log lines and events: printable text, JSON objects and bounded lengths.

A JSON event is one object a line (`secftp.json_lines`). Consumers may rely on `time` (UTC), `level` and `event`; the
operators' guide lists the other fields.

Invariant: a line has at most 4 KiB in any encoding, whatever a client sends; what was cut is marked.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.json_lines import line, name_fields
from secftp.text import escape

if TYPE_CHECKING:
    from secftp.json_lines import Value
    from secftp.storage import Path
    from secftp.transport.tcp_info import TcpInfo

LONGEST_TEXT: Final = 1024  # characters
LONGEST_LINE: Final = 4096  # bytes of a line, in any encoding
_LONGEST_OF_SESSION: Final = 3072  # bytes of its text, without the time and the session
_LONGEST_NAME: Final = 1100  # characters of a path before it is escaped; a text line has 1024


class Operation(NamedTuple):
    """Record of a finished request, for JSON events and metrics.

    `name` is the message name in lower case (each file of a WRITEMANY is a `write`), `result` is `ok` or an error code,
    `nbytes` the bytes that were transferred or copied, `to` the new path of a rename or copy. `moved`: a whole file was
    transferred. `saved`: the bytes that compression has saved.
    `at`: where the part of a file begins; `whole`: the digest of the file that this part of an upload has completed.
    `version`: that of the file that a part of was read; `held`: how many bytes before it the client has, verified. Both
    are for this process alone.
    """

    name: str
    path: Path
    result: str
    seconds: float
    nbytes: int = 0
    digest: bytes | None = None
    to: Path | None = None
    moved: bool = False
    saved: int = 0
    at: int | None = None
    whole: bytes | None = None
    version: bytes | None = None
    held: int = 0


# --- connections ------------------------------------------------------------------------------------------------------


def connection_fields(info: TcpInfo, *, additional: bool) -> dict[str, Value]:
    """Return what the kernel knows of a connection as fields of its last event; null for what is unknown."""
    return {
        "round_trip": None if info.round_trip is None else round(info.round_trip, 6),
        "retransmits": info.retransmits,
        "delivery_rate": info.delivery_rate,
        "congestion": info.congestion,
        "additional": additional,
    }


def connection_text(info: TcpInfo, *, additional: bool) -> str:
    """Return the same as a line."""
    known = {
        "round trip": None if info.round_trip is None else f"{info.round_trip:.6f} s",
        "retransmits": info.retransmits,
        "delivery rate": None if info.delivery_rate is None else f"{info.delivery_rate} B/s",
        "congestion control": info.congestion,
    }
    kind = "Additional connection" if additional else "Connection"
    return f"{kind}: {', '.join(f'{name} {value}' for name, value in known.items() if value is not None)}."


# --- text -----------------------------------------------------------------------------------------------------------


def printable(text: str) -> str:
    """Replace control characters, as a last safeguard behind the escaping in each caller."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in text)


def bounded(text: str) -> str:
    """Cut the text of a line, in front of the suffix that names the session."""
    return fit(text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "...", _LONGEST_OF_SESSION)


def fit(text: str, most: int) -> str:
    """Cut a text to `most` bytes in any encoding: an encoding that lacks a character may take ten bytes for it."""
    if 10 * len(text) <= most or (text.isascii() and len(text) <= most):
        return text
    size, room = 0, most - len("...")
    if len(text.encode("ascii", "backslashreplace")) <= most:
        return text
    for number, sign in enumerate(text):
        size += len(sign.encode("ascii", "backslashreplace"))
        if size > room:
            return text[:number] + "..."
    return text


def shortened(name: bytes) -> bytes:
    """Cut a long path: escaping all of it would take milliseconds, and a line shows no more."""
    text = name.decode(errors="surrogateescape")
    return name if len(text) <= _LONGEST_NAME else text[:_LONGEST_NAME].encode(errors="surrogateescape") + b"..."


# --- JSON -----------------------------------------------------------------------------------------------------------


def json_line(level: str, event: str, fields: dict[str, Value]) -> str:
    """Return an event as a line; its field `cut` names the fields that were cut to bound the line."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    whole: dict[str, Value] = {"time": now, "level": level, "event": event, **fields}
    text = line(whole)
    while len(text) > LONGEST_LINE:
        _cut(whole, len(text) - LONGEST_LINE)
        text = line(whole)
    return text


def operation_fields(done: Operation) -> dict[str, Value]:
    """Return the fields of an `operation` event."""
    fields: dict[str, Value] = {"operation": done.name, **_path("path", done.path)}
    if done.to is not None:
        fields |= _path("to", done.to)
    fields |= {"bytes": done.nbytes, "seconds": round(done.seconds, 6)}
    if done.saved:
        fields["saved_bytes"] = done.saved
    if done.digest is not None:
        fields["checksum"] = done.digest.hex()
    if done.at is not None:
        fields["at"] = done.at
    if done.whole is not None:
        fields["whole"] = done.whole.hex()
    fields["result"] = done.result
    return fields


def _path(key: str, path: Path) -> dict[str, Value]:
    return name_fields(key, b"/".join(path), lambda name: escape(shortened(name)))


def _cut(fields: dict[str, Value], excess: int) -> None:
    """Cut the longest texts by about `excess` bytes in all."""
    sizes = {name: len(json.dumps(value)) for name, value in fields.items() if isinstance(value, str) and name != "cut"}
    long = {name: size for name, size in sizes.items() if 2 * size >= max(sizes.values())}
    share = max(0.0, 1 - (excess + 128) / sum(long.values()))
    for name in long:
        value = str(fields[name])
        kept = min(int(len(value) * share), len(value) - 4)
        fields[name] = value[: max(0, kept - kept % 4)]  # the rest of a base64 text can be decoded
    before = str(fields.get("cut", "")).split()
    fields["cut"] = " ".join(dict.fromkeys([*before, *long]))
