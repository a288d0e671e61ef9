"""Random trees, and calls of which fsspec's file system of this machine says what they have to do."""

from __future__ import annotations

import os
import random
import shutil

import pytest

from tests.fsspec.serving import fs, root, server
from tests.support.serving import listing

pytest.importorskip("fsspec")

from fsspec.implementations.local import LocalFileSystem

__all__ = ["fs", "root", "server"]

NAMES = ["a", "b c", "c.csv", "d%20"]
PATTERNS = [*NAMES, "*", "?", "[ab]*", "*.csv"]
CALLS = 100


class Call:
    """A call with random arguments, to be made of two file systems. `local`: a directory of this machine for it."""

    def __init__(self, chance: random.Random, root, local) -> None:
        self.name = chance.choice(["copy", "put", "get", "mv", "rm", "expand_path", "find", "glob", "ls", "du", "cat"])
        patterned = self.name in {"glob", "copy", "get", "put"} and chance.random() < 0.3
        self.source = self.path(chance, PATTERNS if patterned else NAMES)
        there = listing(local if self.name == "put" else root)
        if not patterned and there and chance.random() < 0.8:
            self.source = "/" + chance.choice(there)
        self.target = self.path(chance, NAMES)
        self.slash = chance.choice(["", "", "/"])
        self.recursive = chance.random() < 0.6

    @property
    def is_onto_itself(self) -> bool:
        """Whether something would be copied into itself, or moved to where it is: on this machine that goes wrong."""
        into_itself = f"{self.target}/".startswith(f"{self.source}/")
        return self.name in {"copy", "mv"} and (into_itself or self.source.rpartition("/")[0] == self.target)

    @staticmethod
    def path(chance: random.Random, names: list[str]) -> str:
        return "".join(f"/{chance.choice(names)}" for _ in range(chance.choice([1, 1, 2, 3])))

    def make(self, fs, top: str, local: str):
        """Return what the call returns, or the name of the failure that it raises."""
        source, target = top + self.source, top + self.target + self.slash
        match self.name:
            case "copy":
                fs.copy(source, target, recursive=self.recursive)
            case "put":
                fs.put(local + self.source, target, recursive=self.recursive)
            case "get":
                fs.get(source, local + self.target + self.slash, recursive=self.recursive)
            case "mv":
                fs.mv(source, top + self.target, recursive=True)
            case "rm":
                fs.rm(source, recursive=self.recursive)
            case "find":
                return [name[len(top) :] for name in fs.find(source, withdirs=self.recursive)]
            case "ls":
                return sorted(name[len(top) :] for name in fs.ls(source, detail=False))
            case "expand_path":
                return [name[len(top) :] for name in fs.expand_path(source, recursive=self.recursive)]
            case "cat":
                return fs.cat(source)
            case name:
                found = getattr(fs, name)(source)
                return found if isinstance(found, int) else [each[len(top) :] for each in found]
        return None

    def __repr__(self) -> str:
        return f"{self.name} {self.source} {self.target}{self.slash} {self.recursive}"


def outcome(call, *arguments):
    try:
        return call.make(*arguments), None
    except (OSError, ValueError, shutil.Error) as problem:
        return None, problem


def plant(chance: random.Random, top) -> None:
    for _ in range(chance.randint(1, 8)):
        path = top.joinpath(*(chance.choice(NAMES) for _ in range(chance.randint(1, 4))))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if chance.random() < 0.25 else path.write_text(f"{path.name} {chance.random()}")
        except OSError:  # a file has the name of a directory
            continue


def contents(top):
    return {name: (top / name).read_bytes() if (top / name).is_file() else None for name in listing(top)}


def test_calls_do_what_they_do_on_this_machine(fs, root, tmp_path):
    for number in range(CALLS):
        chance, work = random.Random(number), tmp_path / str(number)
        for name in os.listdir(root):
            path = root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        plant(chance, root)
        plant(chance, work / "local")
        shutil.copytree(work / "local", work / "other")
        shutil.copytree(root, work / "root")
        call, before = Call(chance, root, work / "local"), contents(root)
        if call.is_onto_itself:
            continue
        found, problem = outcome(call, fs, "", str(work / "local"))
        wanted, refused = outcome(call, LocalFileSystem(auto_mkdir=True), str(work / "root"), str(work / "other"))
        shown = f"{number}: {call!r} of {before}: {problem!r}, {refused!r}"
        assert (problem is None) == (refused is None), shown
        assert found == wanted, shown
        if problem is None:  # else a local copy may have made directories
            assert contents(root) == contents(work / "root"), shown
            assert contents(work / "local") == contents(work / "other"), shown
        elif call.name != "copy":
            assert {n: d for n, d in contents(root).items() if d is not None} == {
                n: d for n, d in before.items() if d is not None
            }, shown
        shutil.rmtree(work)
