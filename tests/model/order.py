"""State machine of section 10 of the protocol. One object follows both directions of a session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.model.messages import DOWN, UP, insist

if TYPE_CHECKING:
    from tests.model.messages import Message

SIMPLE = [
    "STAT",
    "LIST",
    "REMOVE",
    "RENAME",
    "MKDIR",
    "SUM",
    "SETATTR",
    "READMANY",
    "WRITEMANY",
    "COPY",
    "SPACE",
    "READ",
]
STATES = {
    (UP, "IDLE"): {
        "PING": "IDLE",
        "CANCEL": "IDLE",
        **dict.fromkeys(SIMPLE, "IDLE"),
        "WRITE": "WRITING",
        "BYE": "CLOSED",
    },
    (UP, "WRITING"): {
        "PING": "WRITING",
        "CANCEL": "WRITING",
        "DATA": "WRITING",
        "ZDATA": "WRITING",
        "HOLE": "WRITING",
        "END": "IDLE",
        "ABORT": "IDLE",
    },
    (UP, "CLOSED"): {},
    (DOWN, "START"): {"WELCOME": "IDLE"},
    (DOWN, "IDLE"): {
        **dict.fromkeys(["PING", "OK", "ERROR", "INFO", "ENTRIES", "FILES", "RESULTS", "CAPACITY"], "IDLE"),
        "FILE": "READING",
        "BYE": "CLOSED",
    },
    (DOWN, "READING"): {
        **dict.fromkeys(["PING", "DATA", "ZDATA", "HOLE"], "READING"),
        **dict.fromkeys(["END", "ABORT"], "IDLE"),
    },
    (DOWN, "CLOSED"): {},
}
ANSWERS = {
    "READ": "FILE",
    "STAT": "INFO",
    "LIST": "ENTRIES",
    "READMANY": "FILES",
    "WRITEMANY": "RESULTS",
    "SPACE": "CAPACITY",
    **dict.fromkeys(["WRITE", "REMOVE", "RENAME", "MKDIR", "SUM", "SETATTR", "COPY"], "OK"),
}
REPLIES = {*ANSWERS.values(), "ERROR"}
DRAIN = 256 * 2**20


@dataclass
class Running:
    """A file under way."""

    announced: int | None
    total: int = 0
    ended: bool = False
    most: int = 2**63 - 1
    part: bool = False
    wants_zstd: bool = True
    wants_holes: bool = True
    refused: bool = False


@dataclass
class Asked:
    """A request without a whole answer."""

    message: Message
    file: Running | None = None
    told: int = 0  # small files that have come


@dataclass
class Order:
    state: dict[str, str] = field(default_factory=lambda: {UP: "IDLE", DOWN: "START"})
    asked: list[Asked] = field(default_factory=list)
    running: dict[str, Running] = field(default_factory=dict)
    last_id: int = 0
    requests: int = 0
    cancels: int = 0
    limit: int = 16
    zstd: bool = False
    holes: bool = False

    def take(self, way: str, message: Message) -> None:
        """The next message of one direction. Raises `Broken` if the specification does not permit it here."""
        row = STATES[way, self.state[way]]
        insist(message.name in row, f"{message.name} in {self.state[way]}")
        if message.name in ANSWERS:
            self._request(message)
        elif message.name in REPLIES:
            self._reply(message)
        elif message.name == "CANCEL":
            self.cancels += 1
            insist(message.id <= self.last_id and self.cancels <= self.requests, "CANCEL of a request")
        elif message.name == "DATA":
            self._data(self.running[way], len(message.payload))
        elif message.name == "ZDATA":
            insist(self.zstd and self.running[way].wants_zstd, "ZDATA only where it is wanted")
            self._data(self.running[way], message.clear_size)
        elif message.name == "HOLE":
            file = self.running[way]
            insist(self.holes and file.wants_holes, "HOLE only where it is wanted")
            if file.refused:  # its zeros do not travel
                file.most += max(0, message.size - 1024)
            self._data(file, message.size)
        elif message.name in ("END", "ABORT"):
            self._end(way, message)
        elif message.name == "WELCOME":
            self.limit = message.limits["requests"]
            self.zstd = "zstd" in message.capabilities
            self.holes = "holes" in message.capabilities
        self.state[way] = row[message.name]

    def _request(self, message: Message) -> None:
        insist(message.id > self.last_id, "rising ids")
        insist(len(self.asked) < self.limit, "as many requests as are granted")
        self.last_id = message.id
        self.requests += 1
        asked = Asked(message)
        if message.name == "WRITE":
            asked.file = self.running[UP] = Running(message.size, part=message.upload is not None)
        self.asked.append(asked)

    def _reply(self, message: Message) -> None:
        insist(bool(self.asked) and self.asked[0].message.id == message.id, "the oldest request's answer")
        first = self.asked[0]
        insist(message.name in ("ERROR", ANSWERS[first.message.name]), "an answer of its kind")
        whole = True
        if message.name == "OK":
            insist(first.file is None or first.file.ended, "OK after END")
            insist(first.message.name != "SUM" or None not in (message.size, message.digest), "a SUM's size and digest")
            insist(first.message.name != "COPY" or message.size is not None, "a COPY's size")
        elif message.name == "FILE":
            wanted = first.message
            self.running[DOWN] = Running(message.size, wants_zstd=wanted.compress is not None, wants_holes=wanted.holes)
            whole = False
        elif message.name == "ENTRIES":
            whole = message.last
        elif message.name == "FILES":
            first.told += len(message.files)
            insist(first.told <= len(first.message.paths), "no more files than paths")
            whole = first.told == len(first.message.paths)
        elif message.name == "RESULTS":
            insist(len(message.codes) == len(first.message.files), "a code for each file")
        elif first.file is not None:
            first.file.most = first.file.total + DRAIN
            first.file.refused = True
        if whole:
            self.asked.pop(0)

    def _data(self, file: Running, count: int) -> None:
        file.total += count
        insist(file.announced is None or file.total <= file.announced, "no more than was announced")
        insist(file.total <= file.most, "no more than is thrown away")

    def _end(self, way: str, message: Message) -> None:
        file = self.running.pop(way)
        if message.name == "END":
            insist(message.size == file.total, "END's size")
            insist(file.announced in (None, file.total), "as much as was announced")
            insist(file.part or message.whole is None, "the whole file's digest only with a part")
            file.ended = True
        if way == DOWN:
            self.asked.pop(0)
