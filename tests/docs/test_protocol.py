"""docs/PROTOCOL.md against the code: tables and bytes are read from the page, so neither can drift alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from secftp.crypto import PAYLOAD_MAX
from secftp.protocol import (
    MESSAGE_TYPES,
    Capability,
    Direction,
    ErrorCode,
    Listed,
    NewFile,
    Part,
    Right,
    SessionLimits,
    SmallFile,
    State,
    Welcome,
    decode,
    encode,
)
from secftp.protocol.errors import _REASONS
from secftp.protocol.limits import MAX_BULK, MAX_DATA
from secftp.protocol.state import INITIAL, TRANSITIONS
from tests.model import frames, handshake, p256, schedule, spake2
from tests.model.hkdf import extract, sha256
from tests.protocol.test_codec import refused
from tests.support.serving import digest_of

TOP = Path(__file__).resolve().parents[2]
PAGE = (TOP / "docs" / "PROTOCOL.md").read_text(encoding="utf-8")
TYPES = list(MESSAGE_TYPES.values())
UP, DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
WAYS = {"both": {UP, DOWN}, "client to server": {UP}, "server to client": {DOWN}}
INNER = {
    ("WELCOME", "limits"): SessionLimits,
    ("WRITEMANY", "files"): NewFile,
    ("ENTRIES", "entries"): Listed,
    ("FILES", "files"): SmallFile,
    ("INFO", "parts"): Part,
}
MAPS = [entry for entry in TYPES if entry.number not in (0x02, 0x03, 0x07)]


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
    assert table == {entry.number: (entry.name, set(entry.directions)) for entry in TYPES}


@pytest.mark.parametrize("entry", MAPS, ids=lambda entry: entry.name)
def test_the_fields(entry):
    listed = [
        r[0] for r in rows(section(f"{entry.name} (0x{entry.number:02x})", "###")) if re.fullmatch(r"[a-z_.]+", r[0])
    ]
    fields = []
    for name in entry.struct.__struct_fields__:
        inner = INNER.get((entry.name, name))
        fields += [name, *(f"{name}.{part}" for part in inner.__struct_fields__)] if inner else [name]
    assert listed == fields


@pytest.mark.parametrize("entry", MAPS, ids=lambda entry: entry.name)
def test_what_has_to_be_there(entry):
    """Whether a field is required, and the plain defaults."""
    for name, kind, *_ in rows(section(f"{entry.name} (0x{entry.number:02x})", "###")):
        outer, _, part = name.partition(".")
        struct = INNER[entry.name, outer] if part else entry.struct
        if name == "Field" or struct in (Welcome, SessionLimits):  # there everything is
            continue
        fields = {field.name: field for field in msgspec.structs.fields(struct)}
        assert fields[part or outer].required == (", required" in kind), name
        default = re.search(r", default (\S+)", kind)
        if default:
            value = fields[part or outer].default
            expected = {"nil": None, "true": True, "false": False, "empty": (b"" if part == "data" else ()), "0": 0}
            expected["16"] = bytes(16)
            assert value == expected[default[1]], name


def test_the_capabilities():
    named = {r[0].strip("`") for r in rows(section("WELCOME (0x01)", "###")) if r[0].startswith("`")}
    assert named == set(Capability)
    for entry in TYPES:
        needs = re.match(r"[^\n]*\n\nNeeds `(\w+)`\.", section(f"{entry.name} (0x{entry.number:02x})", "###"))
        assert entry.capability == (needs and needs[1]), entry.name
    for name in named:
        assert PAGE.count(f"`{name}`") >= 2, "where it is needed, and what it is"


def test_the_rights():
    (row,) = [r for r in rows(section("WELCOME (0x01)", "###")) if r[0] == "rights"]
    assert re.findall(r"`(\w+)`", row[2]) == list(Right)


def test_the_longest_payloads():
    (paragraph,) = [p for p in re.split(r"\n- |\n\n", section("8.")) if "65,536 bytes in" in p]
    assert set(re.findall(r"[A-Z]{4,}", paragraph)) == {entry.name for entry in TYPES if entry.longest == 65536}
    assert {entry.longest for entry in TYPES} == {16384, 65536}
    assert MAX_DATA == MAX_BULK == PAYLOAD_MAX, "what a frame of the core carries"


def test_the_answers():
    table = {}
    for asked, answered in (r[:2] for r in rows(section("10.2", "###")) if r[0] != "Request"):
        for name in asked.split(", "):
            table[name] = set(re.findall(r"[A-Z]{2,}", answered)) - {"DATA", "END", "ABORT"}
    assert table == {entry.name: {answer.TYPE.name for answer in entry.answers} for entry in TYPES if entry.answers}


def test_the_states():
    upward, downward = section("10.1 ", "###").split("Server to client")
    for text, direction in ((upward, UP), (downward, DOWN)):
        table = {r[0]: set(re.findall(r"(\w+): (\w+)", r[1])) for r in rows(text) if r[0] != "State"}
        expected = {
            state.name: {(struct.TYPE.name, following.name) for struct, following in row.items()}
            for state, row in TRANSITIONS[direction].items()
            if state is not State.FAILED  # closing is not a state of the page
        }
        assert table == expected
        assert f"beginning in {INITIAL[direction].name}" in PAGE


def test_the_codes():
    codes, _ = section("11.").split("**Reasons.**")
    assert [r[0].strip("`") for r in rows(codes) if r[0] != "Code"] == [code.value for code in ErrorCode]


def test_the_reasons():
    """Those of the table with their codes are those that are sent; `may_not_overwrite` goes with one code more."""
    _, reasons = section("11.").split("**Reasons.**")
    table = {
        (code, reason)
        for r in rows(reasons)
        if r[0] != "Reason"
        for reason in re.findall(r"`(\w+)`", r[0])
        for code in re.findall(r"`(\w+)`", r[1].partition(";")[0])
    }
    assert table | {("exists", "may_not_overwrite")} == {(str(code), str(reason)) for code, reason in _REASONS}


def test_types_for_later_are_unknown():
    ranges = re.findall(r"(0x\w\w) to (0x\w\w)", section("13."))
    later = {number for first, last in ranges for number in range(int(first, 16), int(last, 16) + 1)}
    assert later == set(range(1, 0x80)) - set(MESSAGE_TYPES)
    for number in later:
        for direction in Direction:
            assert "unknown type" in refused(number, 0, b"\x80", direction)


def test_the_bytes_of_the_messages():
    known = {entry.name: entry for entry in TYPES}
    examples = [r for r in rows(section("12.")) if r[0] in known]
    assert {r[0] for r in examples} == set(known) - {"PING", "CANCEL", "ABORT", "ERROR", "SETATTR"}
    for name, head, payload in examples:
        number, flags = (int(part, 16) for part in head.split(","))
        raw = bytes.fromhex(payload.strip("`"))
        for direction in known[name].directions:
            message = decode(number, flags, raw, direction)
            assert encode(message) == (known[name].number, known[name].flags, raw)
            assert message.TYPE.name == name


def test_the_digests_of_the_examples():
    """Those a reader can compute: of the file, of its first five bytes, of the small ones."""
    shown = "".join(r[2] for r in rows(section("12.")) if len(r) == 3)
    for data, algorithm in [
        (b"hello, world", "xxh128"),
        (b"hello", "xxh128"),
        (b"abc", "xxh128"),
        (b"", "xxh128"),
        (b"hello, world", "md5"),
    ]:
        assert digest_of(data, algorithm).hex() in shown


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
