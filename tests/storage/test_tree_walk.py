"""Listings and sweeps of malicious trees: bounded memory and descriptors for deep, wide and long-named ones.

The figures are those of SECURITY.md: 8 MiB and 16 descriptors for a listing, whatever the tree is.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import tracemalloc

import pytest

from secftp.errors import NotFound
from secftp.protocol import List
from secftp.storage import LocalStore, sweep
from secftp.storage import scan as scan_module
from secftp.storage.names import temporary_name
from tests.support.serving import serving

pytestmark = pytest.mark.exhaustive

MOST_BYTES = 8 << 20
MOST_DESCRIPTORS = 16


@contextlib.contextmanager
def inside(place):
    """In its block it is the working directory, since no path reaches that deep."""
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(place)
        yield
    finally:
        os.fchdir(here)
        os.close(here)


def make_tree(place, *, levels, beside, size, last=b"", deeper=b"d"):
    """A chain of `levels` directories, each with `beside` others beside the next, whose names have `size` bytes."""
    count = 0
    with inside(place):
        for _ in range(levels):
            os.mkdir(deeper)  # a tmpfs lists the newest first, and what is listed last is entered first
            for number in range(beside):
                os.mkdir((b"%d" % number).ljust(size, b"x"))
                count += 1
            if last:
                os.close(os.open(last, os.O_CREAT | os.O_WRONLY))
                count += 1
            os.chdir(deeper)
            count += 1
    return count


TREES = {
    "deep": {"levels": 63, "beside": 0, "size": 1},
    "wide": {"levels": 1, "beside": 5000, "size": 100},
    "long names": {"levels": 1, "beside": 2000, "size": 255},
    "deep and wide": {"levels": 60, "beside": 300, "size": 60},
    "deep, wide and long": {"levels": 60, "beside": 300, "size": 255},
}


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """The trees, made once, in memory if there is such a file system, which is quicker with so many directories."""
    made = {}
    place = (
        tempfile.mkdtemp(dir="/dev/shm") if os.path.isdir("/dev/shm") else os.fspath(tmp_path_factory.mktemp("trees"))
    )
    for name, form in TREES.items():
        os.mkdir(os.path.join(place, name))
        made[name] = os.path.join(place, name), make_tree(os.path.join(place, name), **form)
    yield made
    subprocess.run(["rm", "-rf", place], check=True)


class Measured:
    """How much memory and how many descriptors were taken at most, while entries are taken."""

    def __init__(self):
        self.descriptors = 0
        self.nbytes = 0

    def drain(self, entries):
        before, count = len(os.listdir("/proc/self/fd")), 0
        tracemalloc.start()
        try:
            for _ in entries:
                count += 1
                if count % 7 == 0:
                    self.descriptors = max(self.descriptors, len(os.listdir("/proc/self/fd")) - before)
            self.nbytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        return count


@pytest.mark.parametrize("name", TREES)
def test_a_listing_of_any_tree_is_whole_and_bounded(trees, name):
    place, count = trees[name]
    measured = Measured()
    with LocalStore(place) as store:
        assert measured.drain(store.scan((), recursive=True)) == count
    assert measured.descriptors <= MOST_DESCRIPTORS
    assert measured.nbytes <= MOST_BYTES // 2  # and 32 KiB of the C library's for the open listing
    print(f"[descent] {name}: {count} entries, {measured.nbytes} bytes, {measured.descriptors} descriptors at most")


@pytest.mark.parametrize("name", TREES)
def test_no_entry_is_told_of_twice(trees, name):
    place, count = trees[name]
    with LocalStore(place) as store:
        seen = {hash(entry.path) for entry in store.scan((), recursive=True)}
    assert len(seen) == count


def test_a_server_that_lists_such_a_tree_takes_no_more(trees):
    """Peak memory and descriptors of the whole process, beside those that a session has anyway."""
    place, count = trees["deep, wide and long"]
    found, most = 0, 0
    with serving(place) as server, server.hostile() as wire:
        wire.welcome()
        before = len(os.listdir("/proc/self/fd"))
        tracemalloc.start()
        try:
            wire.send(List(id=1, path=(), recursive=True))
            while True:
                answer = wire.receive()
                found += len(answer.entries)
                most = max(most, len(os.listdir("/proc/self/fd")) - before)
                if answer.last:
                    break
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert found == count
    assert most <= MOST_DESCRIPTORS
    assert peak <= MOST_BYTES


def test_a_sweep_takes_few_descriptors_and_finds_all(tmp_path):
    left = [temporary_name() for _ in range(63)]
    with inside(tmp_path):
        for name in left:
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o600))
            os.mkdir("d")
            os.chdir("d")
    before, most = len(os.listdir("/proc/self/fd")), 0

    class Looking:
        def is_set(self):
            nonlocal most
            most = max(most, len(os.listdir("/proc/self/fd")) - before)
            return False

    assert sweep(tmp_path, stop=Looking()) == len(left)
    assert most <= MOST_DESCRIPTORS


def test_another_directory_in_the_place_of_one_that_is_listed_is_not_entered(tmp_path):
    levels = scan_module.OPEN_LEVELS + 2
    make_tree(tmp_path, levels=levels, beside=0, size=5)
    for number in range(50):
        os.mkdir(tmp_path / "d" / f"{number}")
    with LocalStore(tmp_path) as store:
        scanning, found = store.scan((), recursive=True), []
        for entry in scanning:
            found.append(entry)
            if len(entry.path) == levels:
                os.rename(tmp_path / "d", tmp_path / "elsewhere")
                os.mkdir(tmp_path / "d")
                for number in range(50):
                    os.makedirs(tmp_path / "d" / f"{number}" / "foreign")
    assert b"foreign" not in {entry.path[-1] for entry in found}
    lost = [entry for entry in found if entry.problem is not None]
    assert all(isinstance(entry.problem, NotFound) for entry in lost)
    below = {entry.path for entry in found if entry.path[:1] == (b"d",) and len(entry.path) == 2}
    assert len(below) == 51 or (b"d",) in {entry.path for entry in lost}, "what is left out is told of"
