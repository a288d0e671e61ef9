"""Vector files as typed values: bytes where the files have hex.

Scalars (w, x, y) are 32 bytes big-endian, as a product that is fed with random bytes takes them. What each field
means and how a case is run stands in tests/vectors/README.md.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.model.failure import Failure
from tests.model.frames import REKEY_BITS, Frame
from tests.model.schedule import Mode, Suite

DIRECTORY = Path(__file__).resolve().parent.parent / "vectors"

Json = dict[str, Any]
Side = Literal["client", "server"]


@dataclass(frozen=True)
class SealedFrame:
    """A frame and its wire form, of which long ones keep only length and SHA-256 (`wire` is None)."""

    frame: Frame
    wire: bytes | None
    wire_len: int
    wire_sha256: bytes

    def matches(self, wire: bytes) -> bool:
        """Whether these are the frame's bytes."""
        return len(wire) == self.wire_len and hashlib.sha256(wire).digest() == self.wire_sha256


@dataclass(frozen=True)
class Session:
    """One whole session of secftp1.json: `key` as typed, `key_nfc_utf8` as scrypt gets it, `name` without zeros."""

    suite: Suite
    mode: Mode
    key: str
    key_nfc_utf8: bytes
    name: bytes
    w: bytes
    x: bytes
    y: bytes
    client_iv: bytes
    server_rand: bytes
    nonce: bytes
    client_hello: bytes
    server_hello: bytes
    client_finish: bytes
    secret_c2s: bytes
    secret_s2c: bytes
    frames_c2s: tuple[SealedFrame, ...]
    frames_s2c: tuple[SealedFrame, ...]


@dataclass(frozen=True)
class Rekey:
    """Consecutive frames from `start` on, under an epoch of `interval_frames` frames."""

    suite: Suite
    secret: bytes
    interval_frames: int
    start: int
    frames: tuple[tuple[Frame, bytes], ...]


@dataclass(frozen=True)
class Secftp1:
    sessions: tuple[Session, ...]
    rekey: Rekey
    rekey_edge: Rekey


@dataclass(frozen=True)
class Spake2Case:
    """One vector of RFC 9382, appendix B, under the RFC's names."""

    name: str
    a: bytes
    b: bytes
    w: bytes
    x: bytes
    y: bytes
    share_a: bytes
    share_b: bytes
    k: bytes
    hash_tt: bytes
    ke: bytes
    ka: bytes
    kc_a: bytes
    kc_b: bytes
    confirm_a: bytes
    confirm_b: bytes


@dataclass(frozen=True)
class FrameCase:
    """A stream of frames: `failure` is None when all of `wire` opens; otherwise frame `index` fails that check."""

    name: str
    about: str
    suite: Suite
    secret: bytes
    rekey_bits: int
    wire: tuple[bytes, ...]
    opened: tuple[Frame, ...]
    failure: Failure | None
    index: int | None


@dataclass(frozen=True)
class ClientInputs:
    """What the client knows and draws. `name` without its zeros."""

    w: bytes
    suite: Suite
    mode: Mode
    name: bytes
    client_iv: bytes
    x: bytes


@dataclass(frozen=True)
class ServerInputs:
    """What the server knows and draws. `keys` maps names to w, the empty one being the default key."""

    keys: dict[bytes, bytes]
    fallback_w: bytes
    suites: tuple[Suite, ...]
    modes: tuple[Mode, ...]
    server_rand: bytes
    y: bytes
    nonce: bytes


@dataclass(frozen=True)
class Flight:
    """What the honest side sends, and what reaches the other side after the attacker's change."""

    sent: bytes
    received: bytes


@dataclass(frozen=True)
class HandshakeCase:
    """Up to three flights. `by` (None when all is well) fails on the last of them, for `failure`."""

    name: str
    about: str
    client: ClientInputs
    server: ServerInputs
    flights: tuple[Flight, ...]
    failure: Failure | None
    by: Side | None
    status: int | None
    secret_c2s: bytes
    secret_s2c: bytes


@dataclass(frozen=True)
class Named:
    handshakes: tuple[HandshakeCase, ...]
    frames: tuple[FrameCase, ...]


def load_secftp1() -> Secftp1:
    data = _read("secftp1.json")
    rekey, edge = data["rekey"], data["rekey_edge"]
    rekey_frames = [Frame(4, 0, bytes([i]) * (i + 1)) for i in range(len(rekey["frames"]))]
    edge_frames = [Frame(4, 0, b"last of epoch 0"), Frame(4, 0, b"first of epoch 1")]
    return Secftp1(
        sessions=tuple(_session(item) for item in data["sessions"]),
        rekey=_rekey(rekey, rekey_frames, rekey["interval_frames"], 0),
        rekey_edge=_rekey(edge, edge_frames, 2**REKEY_BITS, 2**REKEY_BITS - 1),
    )


def load_rfc9382() -> list[Spake2Case]:
    return [
        Spake2Case(
            item["name"],
            item["A"].encode(),
            item["B"].encode(),
            *(
                bytes.fromhex(item[key])
                for key in ("w", "x", "y", "pA", "pB", "K", "hash_TT", "Ke", "Ka", "KcA", "KcB")
            ),
            *(bytes.fromhex(item[key]) for key in ("confirm_A", "confirm_B")),
        )
        for item in _read("rfc9382.json")["vectors"]
    ]


def load_named() -> Named:
    data = _read("named.json")
    common = data["defaults"]
    return Named(
        handshakes=tuple(_handshake(_completed(item, common["handshakes"])) for item in data["handshakes"]),
        frames=tuple(_frame_case(common["frames"] | item) for item in data["frames"]),
    )


def _read(name: str) -> Json:
    data: Json = json.loads((DIRECTORY / name).read_text("utf-8"))
    return data


def _bytes(item: Json, *names: str) -> dict[str, Any]:
    return {name: bytes.fromhex(item[name]) for name in names}


def _session(item: Json) -> Session:
    drawn = ("w", "x", "y", "client_iv", "server_rand", "nonce")
    flights = ("client_hello", "server_hello", "client_finish")
    return Session(
        suite=Suite(item["suite"]),
        mode=Mode(item["mode"]),
        key=item["key"],
        frames_c2s=tuple(_sealed(frame) for frame in item["frames_c2s"]),
        frames_s2c=tuple(_sealed(frame) for frame in item["frames_s2c"]),
        **_bytes(item, "key_nfc_utf8", "name", *drawn, *flights, "secret_c2s", "secret_s2c"),
    )


def _sealed(item: Json) -> SealedFrame:
    size = item["payload_len"]
    payload = bytes.fromhex(item["payload"]) if "payload" in item else bytes(i % 251 for i in range(size))
    if len(payload) != size or hashlib.sha256(payload).hexdigest() != item["payload_sha256"]:
        raise ValueError("a payload does not have its own digest")
    wire = bytes.fromhex(item["wire"]) if "wire" in item else None
    frame = Frame(item["type"], item["flags"], payload, item["padding"])
    return SealedFrame(frame, wire, item["wire_len"], bytes.fromhex(item["wire_sha256"]))


def _rekey(item: Json, frames: list[Frame], interval: int, start: int) -> Rekey:
    wires = [bytes.fromhex(wire) for wire in item["frames"]]
    pairs = tuple(zip(frames, wires, strict=True))
    return Rekey(Suite(item["suite"]), bytes.fromhex(item["secret"]), interval, start, pairs)


def _failure(item: Json) -> Failure | None:
    return None if item["failure"] is None else Failure(item["failure"])


def _frame_case(item: Json) -> FrameCase:
    return FrameCase(
        name=item["name"],
        about=item["about"],
        suite=Suite(item["suite"]),
        secret=bytes.fromhex(item["secret"]),
        rekey_bits=item["rekey_bits"],
        wire=tuple(bytes.fromhex(wire) for wire in item["wire"]),
        opened=tuple(
            Frame(kind, flags, bytes.fromhex(payload), zeros) for kind, flags, payload, zeros in item["opened"]
        ),
        failure=_failure(item),
        index=item["index"],
    )


def _completed(item: Json, common: Json) -> Json:
    """A handshake with everything that it left to the defaults."""
    sides = {side: common[side] | item.get(side, {}) for side in ("client", "server")}
    return common | item | sides


def _handshake(item: Json) -> HandshakeCase:
    client, server = item["client"], item["server"]
    return HandshakeCase(
        name=item["name"],
        about=item["about"],
        client=ClientInputs(
            suite=Suite(client["suite"]), mode=Mode(client["mode"]), **_bytes(client, "w", "name", "client_iv", "x")
        ),
        server=ServerInputs(
            keys={bytes.fromhex(name): bytes.fromhex(w) for name, w in server["keys"].items()},
            suites=tuple(Suite(suite) for suite in server["suites"]),
            modes=tuple(Mode(mode) for mode in server["modes"]),
            **_bytes(server, "fallback_w", "server_rand", "y", "nonce"),
        ),
        flights=tuple(
            Flight(bytes.fromhex(flight["sent"]), bytes.fromhex(flight.get("received", flight["sent"])))
            for flight in item["flights"]
        ),
        failure=_failure(item),
        by=item["by"],
        status=item["status"],
        **_bytes(item, "secret_c2s", "secret_s2c"),
    )
