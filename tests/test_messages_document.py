"""docs/PROTOCOL.md against the code: its tables and its bytes are read from the page, so neither can drift alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from secftp.messages import Direction, ErrorCode, State, decode, encode
from secftp.messages.schema import REGISTRY, Limits
from secftp.messages.state import INITIAL, TRANSITIONS
from tests.model import frames, handshake, p256, schedule, spake2
from tests.model.hkdf import extract, sha256
from tests.test_messages_codec import refused

TOP = Path(__file__).parent.parent
PAGE = (TOP / "docs" / "PROTOCOL.md").read_text(encoding="utf-8")
UP, DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
WAYS = {"both": {UP, DOWN}, "client to server": {UP}, "server to client": {DOWN}}
MAPS = [entry for entry in REGISTRY if entry.number not in (0x02, 0x03)]


def section(title: str, level: str = "##") -> str:
    """The part of the page under the one heading that begins like this."""
    parts = re.split(rf"^{level} ", PAGE, flags=re.MULTILINE)
    (found,) = [part for part in parts if part.startswith(title)]
    return re.split(r"^##+ ", found, flags=re.MULTILINE)[0] if level == "###" else found


def rows(text: str) -> list[list[str]]:
    """The cells of every table in `text`, without the headings' lines."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]


def test_the_types():
    table = {int(r[0], 16): (r[1], WAYS[r[2]]) for r in rows(section("9.")) if r[0].startswith("0x")}
    assert table == {entry.number: (entry.number.name, set(entry.directions)) for entry in REGISTRY}


@pytest.mark.parametrize("entry", MAPS, ids=lambda entry: entry.number.name)
def test_the_fields(entry):
    listed = [r[0] for r in rows(section(f"{entry.number.name} (0x{entry.number:02x})", "###")) if r[0] != "Field"]
    fields = list(entry.struct.__struct_fields__)
    if "limits" in fields:
        fields += [f"limits.{name}" for name in Limits.__struct_fields__]
    assert listed == fields


def test_the_states():
    upward, downward = section("10.1", "###").split("Server to client")
    for text, direction in ((upward, UP), (downward, DOWN)):
        table = {r[0]: set(re.findall(r"(\w+): (\w+)", r[1])) for r in rows(text) if r[0] != "State"}
        expected = {
            state.name: {(struct.__name__.upper(), following.name) for struct, following in row.items()}
            for state, row in TRANSITIONS[direction].items()
            if state is not State.FAILED  # closing is not a state of the page
        }
        assert table == expected
        assert f"beginning in {INITIAL[direction].name}" in PAGE


def test_the_codes():
    assert [r[0].strip("`") for r in rows(section("11.")) if r[0] != "Code"] == [code.value for code in ErrorCode]


def test_reserved_types_are_unknown():
    reserved = {int(r[0], 16): WAYS[r[2]] for r in rows(section("13.")) if r[0].startswith("0x")}
    assert set(reserved) == {0x13, 0x14, 0x15, 0x16, 0x17, 0x23}
    for number, ways in reserved.items():
        for direction in ways:
            assert "unknown type" in refused(number, 0, b"\x80", direction)


def test_the_bytes_of_the_messages():
    known = {entry.number.name: entry for entry in REGISTRY}
    examples = [r for r in rows(section("12.")) if r[0] in known]
    assert [r[0] for r in examples] == ["READ", "WELCOME", "FILE", "DATA", "END", "BYE"]
    for name, head, payload in examples:
        number, flags = (int(part, 16) for part in head.split(","))
        raw = bytes.fromhex(payload.strip("`"))
        for direction in known[name].directions:
            assert encode(decode(number, flags, raw, direction)) == (known[name].number, known[name].flags, raw)


def known_values(session) -> set[str]:
    """Everything about a recorded session that the page may show, computed by the model."""
    hello, reply, finish = (bytes.fromhex(session[name]) for name in ("client_hello", "server_hello", "client_finish"))
    w, x, suite = int(session["w"], 16), int(session["x"], 16), schedule.Suite(session["suite"])
    head = reply[: handshake.HEAD]
    common = p256.encode(spake2.common_a(w, x, p256.decode(head[-p256.ENCODED :])))
    th1, keys = handshake.keys_for(suite, hello, head, common, w)
    tt = schedule.transcript(hello[-p256.ENCODED :], head[-p256.ENCODED :], common, w)
    prk2 = extract(sha256(hello + reply + finish), keys.master)
    secret = bytes.fromhex(session["secret_c2s"])
    values = [hello, reply, finish, common, th1, sha256(tt), extract(th1, sha256(tt)), keys.confirm_s, keys.confirm_c]
    values += [keys.master, sha256(hello + reply + finish), prk2, schedule.frame_key(secret)]
    values += [schedule.cipher_key(secret, suite)]
    for seq in (0, 1):
        material = frames.material(frames.Direction(suite, secret), seq)
        values += [material.iv, material.tag_key[:16], material.tag_key[16:]]
    recorded = {value for value in session.values() if isinstance(value, str)}
    return recorded | {value.hex() for value in values} | {frame["wire"] for frame in session["frames_c2s"][:2]}


def test_the_worked_example():
    example = section("7.")
    sessions = json.loads((TOP / "tests" / "vectors" / "secftp1.json").read_text(encoding="utf-8"))["sessions"]
    plain, encrypted = example.split("The same second frame")
    for text, known in ((plain, known_values(sessions[0])), (encrypted, known_values(sessions[1]))):
        shown = re.findall(r"\b[0-9a-f]{16,}\b", text)
        assert len(shown) > 5
        assert not [value for value in shown if not any(value in whole for whole in known)]


def test_contents_lead_somewhere():
    headings = re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) == anchors
