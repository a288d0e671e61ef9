"""Writes tests/vectors/named.json: `python -m tests.model.make_named`, from the top of the project.

Nothing in it is random and nothing depends on the clock or the machine: the same model gives the same bytes, and a
test holds the file to that.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from tests.model import named_finishes, named_frames, named_handshakes, named_hellos, named_plain, named_replies
from tests.model.frames import Frame
from tests.model.named_frames import valid, way
from tests.model.schedule import Suite
from tests.model.stage import client, play, server
from tests.model.vectors import DIRECTORY, Flight, FrameCase, HandshakeCase

if TYPE_CHECKING:
    from collections.abc import Sequence

ABOUT = "Named vectors for secftp/1, one behaviour each, made by tests/model/make_named.py. README.md tells the format."
HANDSHAKES = (named_handshakes, named_hellos, named_replies, named_finishes)
FRAMES = (named_frames, named_plain)


@cache
def handshake_cases() -> tuple[HandshakeCase, ...]:
    return tuple(chain.from_iterable(module.cases() for module in HANDSHAKES))


@cache
def frame_cases() -> tuple[FrameCase, ...]:
    return tuple(chain.from_iterable(module.cases() for module in FRAMES))


def plain(value: Any) -> Any:
    """The value in JSON's terms: bytes as hex, frames as lists, other dataclasses as objects."""
    if isinstance(value, Flight) and value.sent == value.received:
        value = {"sent": value.sent}
    elif isinstance(value, Frame):
        value = (value.type, value.flags, value.payload, value.padding)
    elif is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def defaults() -> dict[str, Any]:
    """What most cases have in common, and therefore leave out."""
    handshake = plain(play("", "", client(), server()))
    frame = plain(valid("", "", way(Suite.AES128), ()))
    kept = {"client", "server", "failure", "by", "status", "suite", "secret", "rekey_bits", "index"}
    return {
        "handshakes": {key: value for key, value in handshake.items() if key in kept}
        | {"secret_c2s": "", "secret_s2c": ""},
        "frames": {key: value for key, value in frame.items() if key in kept},
    }


def without(case: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    """The case without what equals the defaults. The two sides' inputs are compared field by field."""
    left = {}
    for key, value in case.items():
        if key in ("client", "server"):
            left[key] = {name: item for name, item in value.items() if item != common[key][name]}
        elif key not in common or value != common[key]:
            left[key] = value
    return {key: value for key, value in left.items() if value != {}}


def _lines(cases: Sequence[HandshakeCase | FrameCase], common: dict[str, Any]) -> str:
    """One case a line, so that a change of one case is a change of one line."""
    names = [case.name for case in cases]
    if len(set(names)) != len(names):
        raise ValueError("two cases have one name")
    return ",\n".join(_json(without(plain(case), common)) for case in cases)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def render() -> bytes:
    """The file's bytes."""
    common = defaults()
    text = f"""{{
"about": {_json(ABOUT)},
"defaults": {_json(common)},
"handshakes": [
{_lines(handshake_cases(), common["handshakes"])}
],
"frames": [
{_lines(frame_cases(), common["frames"])}
]
}}
"""
    return text.encode()


if __name__ == "__main__":
    (DIRECTORY / "named.json").write_bytes(render())
