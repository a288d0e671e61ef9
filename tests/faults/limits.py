"""Full disk, file system without free inodes, and out of memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from secftp.errors import ExitCode
from tests.faults.scenario import NEW, OLD, Place
from tests.prove import TOP
from tests.support.serving import client_command, environment, server_process, until

if TYPE_CHECKING:
    from tests.prove import Figures


# A copy of many files goes on after one that failed, and says at its end that some did.
SOME_FAILED = (ExitCode.NO_SPACE, 1)


class NotMounted(Exception):
    """This machine does not let us mount."""


class SmallDisk:
    """A tmpfs of our own, while it is entered."""

    def __init__(self, directory: Path, options: str) -> None:
        self.directory = directory
        self._options = options

    def __enter__(self) -> Path:
        self.directory.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", self._options, "none", str(self.directory)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            raise NotMounted
        return self.directory

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "-l", str(self.directory)], check=True)


def _run(place: Place, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        client_command(words[0], "--key-file", place.key, "--quiet", *words[1:]),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environment(place.base),
        cwd=place.base,
        timeout=60,
    )
    return done.returncode, done.stderr


def full_disk(figures: Figures) -> None:
    """1 MB and 10 inodes at the server, then at the client."""
    violations: list[str] = []
    tried = 0

    def expect(what: str, *, true: bool) -> None:
        nonlocal tried
        tried += 1
        if not true:
            violations.append(what)
            print(f"  VIOLATION {what}")

    try:
        for options in ("size=1m,nr_inodes=1000", "size=100m,nr_inodes=10"):
            with tempfile.TemporaryDirectory(prefix="secftp-faults-") as base:
                _server(Place(Path(base)), options, expect)
            with tempfile.TemporaryDirectory(prefix="secftp-faults-") as base:
                _client(Place(Path(base)), options, expect)
    except NotMounted:
        print("faults: full disk: this machine does not let us mount a tmpfs; left out")
        return
    figures.section("full disk", good=not violations, checks=tried, violations=len(violations))


def _many(place: Place, inodes: bool) -> Path:
    """What is more than there is room for: one large file, or many small ones."""
    directory = place.local / "much"
    directory.mkdir(exist_ok=True)
    if inodes:
        for number in range(30):
            (directory / f"{number:02}").write_bytes(b"%d" % number)
    else:
        (directory / "large").write_bytes(os.urandom(3_000_000))
        (directory / "small").write_bytes(NEW)
    return directory


def _server(place: Place, options: str, expect) -> None:
    inodes = options.endswith("nr_inodes=10")
    place.clear()
    with SmallDisk(place.served, options):
        (place.served / "target").write_bytes(OLD)
        much = _many(place, inodes)
        arguments = ["0", "--host", "127.0.0.1", "--root", place.served, "--key-file", place.key]
        with server_process(place.base, *arguments) as server:
            url = f"secftp://127.0.0.1:{server.port}/"
            if inodes:
                code, errors = _run(place, "put", str(much), url)
                there = {path.name: path.read_bytes() for path in place.served.rglob("[0-9]*") if path.is_file()}
                expect("the directory does not fit, and that is said", true=code in SOME_FAILED and bool(errors))
                expect("what is there is whole", true=all(data == b"%d" % int(name) for name, data in there.items()))
            else:
                (place.local / "target").write_bytes(os.urandom(2_000_000))
                code, errors = _run(place, "put", str(place.local / "target"), url)
                expect(f"no space, exit 9, not {code}: {errors}", true=code == ExitCode.NO_SPACE)
                expect("the old file stands", true=(place.served / "target").read_bytes() == OLD)
                code, errors = _run(place, "put", str(much), url)
                expect(f"a directory with one that does not fit: {code}", true=code in SOME_FAILED)
                small = place.served / "much" / "small"
                expect("its other file stands", true=small.exists() and small.read_bytes() == NEW)
            expect("no traceback", true="Traceback" not in errors + server.errors.text)
            until(lambda: not list(place.served.rglob(".secftp-tmp-*")), "nothing is left")
            for path in list(place.served.rglob("[0-9l]*")):
                if path.is_file():
                    path.unlink()
            (place.local / "after").write_bytes(NEW)
            code, errors = _run(place, "put", str(place.local / "after"), url)
            expect(f"with room again it goes on: {code} {errors}", true=code == 0)


def _client(place: Place, options: str, expect) -> None:
    inodes = options.endswith("nr_inodes=10")
    place.clear()
    much = _many(place, inodes)
    for path in much.iterdir():
        path.rename(place.served / path.name)
    disk = place.base / "disk"
    arguments = ["0", "--host", "127.0.0.1", "--root", place.served, "--key-file", place.key]
    with SmallDisk(disk, options), server_process(place.base, *arguments) as server:
        code, errors = _run(place, "get", f"secftp://127.0.0.1:{server.port}/", str(disk / "copy"))
        expect(f"get into too little room: {code} {errors}", true=code in SOME_FAILED and bool(errors))
        expect("no traceback", true="Traceback" not in errors)
        for path in disk.rglob("*"):
            if path.is_file() and not path.name.startswith(".secftp-part-"):
                same = (place.served / path.name).exists() and path.read_bytes() == (
                    place.served / path.name
                ).read_bytes()
                expect(f"{path.name} is whole", true=same)


def memory(figures: Figures) -> None:
    """Each allocation of libcrypto fails once, in a process of its own; the core's own are a test's business."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.seamed.out_of_memory"], cwd=TOP, capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout) if done.returncode == 0 else {"points": 0, "wrong": [done.stderr], "leaks": []}
    figures.section(
        "memory",
        good=found["points"] > 500 and not found["wrong"] and not found["leaks"],
        points=found["points"],
        violations=len(found["wrong"]) + len(found["leaks"]),
    )
