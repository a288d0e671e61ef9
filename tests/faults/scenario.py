"""Scenarios: a client command, the files it starts from, and the permitted results.

Each scenario creates both directories anew, so that every fault meets the same state.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.serving import Hostile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OLD = b"the old file" * 40
NEW = bytes(range(256)) * 40
LARGE = bytes(range(251)) * 4000  # 1 MB: many frames
KEPT = 400_000  # bytes of LARGE that a resume finds
HUGE = LARGE * 3  # large enough for several streams
KEPT_PARTS = ((500_000, 300_000), (2_000_000, 700_001))  # ranges of HUGE, as offset and size, that a resume finds


@dataclass
class Place:
    """The directories of one try: what the server serves, what the client has, and the key."""

    base: Path
    served: Path = field(init=False)
    local: Path = field(init=False)
    key: Path = field(init=False)

    def __post_init__(self) -> None:
        self.served, self.local, self.key = self.base / "served", self.base / "local", self.base / "key"

    def clear(self) -> None:
        """Both directories empty; the server holds its own open, so that one stays."""
        for directory in (self.served, self.local):
            directory.mkdir(parents=True, exist_ok=True)
            for path in directory.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        if not self.key.exists():
            # w = 7, the key of tests.support.serving: no scrypt in every process.
            import base64

            secret = base64.b64encode(bytes(31) + b"\x07")
            self.key.write_bytes(b"secftp-key-1 " + secret + b"\n")
            self.key.chmod(0o600)


@dataclass(frozen=True)
class Scenario:
    """`targets` maps each file (below the base) to what it may hold before, and will after; None if it is not there.

    `kept`: contents that are always somewhere below the base, under whatever name.
    """

    name: str
    prepare: Callable[[Place], None]
    command: Callable[[Place, int], list[str]]
    targets: dict[str, tuple[bytes | None, bytes | None]]
    prepare_online: Callable[[Place, int], None] | None = None
    kept: tuple[bytes, ...] = ()

    def lay_out(self, place: Place) -> None:
        place.clear()
        self.prepare(place)

    def look(self, place: Place) -> tuple[list[str], bool]:
        """What is wrong with the targets, and whether all of them are new."""
        wrong, all_new = [], True
        for name, (old, new) in self.targets.items():
            path = place.base / name
            found = path.read_bytes() if path.exists() else None
            if found != new:
                all_new = False
                if found != old:
                    size = "absent" if found is None else f"{len(found)} bytes of something else"
                    wrong.append(f"{name} is {size}")
        if self.kept:
            there = set()
            for path in place.base.rglob("*"):
                with contextlib.suppress(FileNotFoundError):  # the server may remove what is not finished
                    there |= {path.read_bytes()} if path.is_file() else set()
            wrong += [f"nothing holds {content[:20]!r} any more" for content in self.kept if content not in there]
        return wrong, all_new

    def leftovers(self, place: Place) -> list[str]:
        """Files of ours that are not finished; a partial that can be resumed is none, a map without its partial is."""
        found = []
        for directory, _, files in os.walk(place.base):
            partials = [name for name in files if name.startswith(".secftp-part-")]
            maps = [name for name in files if name.startswith(".secftp-map-")]
            temporary = [name for name in files if name.startswith(".secftp-tmp-")]
            found += [os.path.join(directory, name) for name in (*temporary, *maps[len(partials) :])]
        return found


def _client(place: Place, *words: str) -> list[str]:
    return [words[0], "--key-file", str(place.key), "--quiet", "--timeout", "15", *words[1:]]


def _url(port: int, path: str = "") -> str:
    return f"secftp://127.0.0.1:{port}/{path}"


def _new(place: Place) -> None:
    (place.local / "new").write_bytes(NEW)


def _overwrite(place: Place) -> None:
    _new(place)
    (place.served / "target").write_bytes(OLD)


DIRECTORY = {"one": b"1" * 10, "two": b"2" * 5000, "empty": b"", "deep/three": NEW, "deep/large": LARGE[:200_000]}


def _directory(place: Place) -> None:
    for name, data in DIRECTORY.items():
        path = place.local / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (place.served / "folder").mkdir()
    (place.served / "folder" / "one").write_bytes(OLD)


def _resume(place: Place) -> None:
    (place.local / "large").write_bytes(LARGE)


def _break_off(_place: Place, port: int) -> None:
    """A transfer that ends after KEPT bytes; the server keeps them for `large`."""
    from secftp.protocol import Write

    with Hostile(port) as wire:
        wire.welcome()
        wire.send(Write(id=1, path=(b"large",), size=len(LARGE), keep=True))
        wire.send_data(LARGE[:KEPT])
        wire.flush()


def _huge(place: Place) -> None:
    (place.local / "huge").write_bytes(HUGE)


def _leave_parts(_place: Place, port: int) -> None:
    """An upload in parts that ends when KEPT_PARTS have arrived; the server keeps them for `huge`."""
    from secftp.protocol import End, Ok, Write
    from tests.support.serving import digest_of

    with Hostile(port) as wire:
        wire.welcome()
        for number, (at, size) in enumerate(KEPT_PARTS, 1):
            data = HUGE[at : at + size]
            request = Write(id=number, path=(b"huge",), size=size, keep=True, upload=b"\1" * 16, at=at, total=len(HUGE))
            wire.send(request)
            wire.send_data(data)
            wire.send(End(size=size, digest=digest_of(data)))
            assert isinstance(wire.receive(), Ok)


def _fetch(place: Place) -> None:
    (place.served / "source").write_bytes(NEW)
    (place.local / "target").write_bytes(OLD)


def _fetch_huge(place: Place) -> None:
    (place.served / "huge").write_bytes(HUGE)
    (place.local / "target").write_bytes(OLD)


def _copied(place: Place) -> None:
    (place.served / "source").write_bytes(NEW)
    (place.served / "target").write_bytes(OLD)


def _copied_tree(place: Place) -> None:
    for name, data in DIRECTORY.items():
        path = place.served / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (place.served / "copy").mkdir()
    (place.served / "copy" / "one").write_bytes(OLD)


GONE = {"gone": b"gone" * 50, "old/gone": b"gone, too" * 50}
MOVED = b"moved" * 60


def _synced(source: Path, target: Path) -> None:
    """A source with new, changed and renamed files, and a target with what the source does not have."""
    for top, files in (
        (
            source,
            {"one": b"1" * 10, "two": b"2" * 50, "deep/three": NEW, "deep/large": LARGE[:100_000], "moved": MOVED},
        ),
        (target, {"two": OLD, "was": MOVED, **GONE}),
    ):
        for name, data in files.items():
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            os.utime(path, (1e9, 1e9 + (top == source)))


def _sync_targets(target: str) -> dict[str, tuple[bytes | None, bytes | None]]:
    return {
        f"{target}/one": (None, b"1" * 10),
        f"{target}/two": (OLD, b"2" * 50),
        f"{target}/deep/three": (None, NEW),
        f"{target}/deep/large": (None, LARGE[:100_000]),
        f"{target}/moved": (None, MOVED),
        f"{target}/was": (MOVED, None),
        **{f"{target}/{name}": (data, None) for name, data in GONE.items()},
    }


SCENARIOS = [
    Scenario(
        "small write",
        _new,
        lambda place, port: _client(place, "put", str(place.local / "new"), _url(port, "target")),
        {"served/target": (None, NEW)},
    ),
    Scenario(
        "overwrite",
        _overwrite,
        lambda place, port: _client(place, "put", str(place.local / "new"), _url(port, "target")),
        {"served/target": (OLD, NEW)},
    ),
    Scenario(
        "directory put",
        _directory,
        lambda place, port: _client(place, "put", str(place.local / "folder"), _url(port)),
        {f"served/folder/{name}": (OLD if name == "one" else None, data) for name, data in DIRECTORY.items()},
    ),
    Scenario(
        "resume",
        _resume,
        lambda place, port: _client(place, "put", "--resume", str(place.local / "large"), _url(port, "large")),
        {"served/large": (None, LARGE)},
        _break_off,
    ),
    Scenario(
        "put in parts",
        _huge,
        lambda place, port: _client(place, "put", "--streams", "3", str(place.local / "huge"), _url(port, "huge")),
        {"served/huge": (None, HUGE)},
    ),
    Scenario(
        "resume in parts",
        _huge,
        lambda place, port: _client(
            place, "put", "--streams", "3", "--resume", str(place.local / "huge"), _url(port, "huge")
        ),
        {"served/huge": (None, HUGE)},
        _leave_parts,
    ),
    Scenario(
        "copy",
        _copied,
        lambda place, port: _client(place, "cp", _url(port, "source"), _url(port, "target")),
        {"served/source": (NEW, NEW), "served/target": (OLD, NEW)},
    ),
    Scenario(
        "directory copy",
        _copied_tree,
        lambda place, port: _client(place, "cp", "-r", _url(port, "folder"), _url(port, "copy/")),
        {
            **{f"served/folder/{name}": (data, data) for name, data in DIRECTORY.items()},
            **{f"served/copy/folder/{name}": (None, data) for name, data in DIRECTORY.items()},
            "served/copy/one": (OLD, OLD),
        },
    ),
    Scenario(
        "fetch",
        _fetch,
        lambda place, port: _client(place, "get", _url(port, "source"), str(place.local / "target")),
        {"local/target": (OLD, NEW)},
    ),
    Scenario(
        "fetch in parts",
        _fetch_huge,
        lambda place, port: _client(
            place, "get", "--streams", "3", "--resume", _url(port, "huge"), str(place.local / "target")
        ),
        {"local/target": (OLD, HUGE)},
    ),
    Scenario(
        "sync",
        lambda place: _synced(place.local / "src", place.served / "dst"),
        lambda place, port: _client(place, "sync", "--delete", f"{place.local}/src/", _url(port, "dst")),
        _sync_targets("served/dst"),
        kept=(MOVED, *GONE.values()),
    ),
    Scenario(
        "sync to here",
        lambda place: _synced(place.served / "src", place.local / "dst"),
        lambda place, port: _client(place, "sync", "--delete", _url(port, "src/"), f"{place.local}/dst"),
        _sync_targets("local/dst"),
        kept=(MOVED, *GONE.values()),
    ),
]
