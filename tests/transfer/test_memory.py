"""Memory of a copy: it does not grow with the number of files."""

from __future__ import annotations

import contextlib
import tracemalloc
from types import SimpleNamespace

import pytest

from secftp.errors import NotFound
from secftp.protocol import Entries, Info, Kind, List, Listed, Ok, Results, Stat, WriteMany
from secftp.session.replies import SingleReply
from secftp.storage.attributes import FileInfo
from secftp.storage.tree import EntryKind, LocalTree, SmallContent, TreeEntry
from secftp.transfer import Download, RemoteLocation, Upload
from secftp.transfer.remote_tree import RemoteDirectory
from secftp.waits import DIRECT
from tests.support.copying import Recorder

MIB = 1 << 20


class Answering:
    """A pipeline whose requests are answered at once, without a server."""

    compress = None
    waits = DIRECT

    def __init__(self, answer, delay=0):
        self._answer = answer
        self._delay = delay
        self._number = 0
        self._waiting = []

    def keepalive(self):
        return contextlib.nullcontext()

    def next_id(self):
        self._number += 1
        return self._number

    def submit(self, request, handler):
        self._waiting.append((request, handler))
        while len(self._waiting) > self._delay:
            self.step()

    def step(self):
        request, handler = self._waiting.pop(0)
        handler(self._answer(request))

    def settle(self):
        while self._waiting:
            self.step()

    def flush(self):
        pass

    poll = flush


class Client:
    """A session over such a pipeline."""

    round_trip = None  # not known, as that of a server far away
    has_failed = False

    def __init__(self, answer, delay=0):
        self.pipeline = Answering(answer, delay)

    def can(self, _capability):
        return True

    def may(self, _right):
        return True

    def require(self, _capability, _path=()):
        pass

    def begin_stat(self, path):
        reply = SingleReply()
        self.pipeline.submit(Stat(id=self.pipeline.next_id(), path=path), reply)

        def result():
            self.pipeline.settle()
            if not isinstance(reply.message, Info):
                raise NotFound(f"{path}")
            return reply.message

        return SimpleNamespace(result=result)


def peak_of(action):
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", [3_000, 12_000])
def test_a_put_of_many_files_takes_no_more_memory_than_of_few(monkeypatch, tmp_path, count):
    info = FileInfo(Kind.DIRECTORY, 0, 5, 0o755)

    def walk(_tree, _wanted, *, with_info=False):
        yield TreeEntry(EntryKind.DIRECTORY, (), info)
        for number in range(count):
            yield TreeEntry(EntryKind.FILE, (b"name-%06d" % number,), info if with_info else None)
        yield TreeEntry(EntryKind.LEFT, (), info)

    monkeypatch.setattr(LocalTree, "walk", walk)
    monkeypatch.setattr(LocalTree, "open", lambda *_: SmallContent(0o644, 5, bytes(10)))
    copy = Upload([str(tmp_path)], RemoteLocation((b"x",)))

    def answer(request):
        if isinstance(request, WriteMany):
            return Results(id=request.id, codes=(None,) * len(request.files))
        return Ok(id=request.id)

    peak = peak_of(lambda: copy.run(Client(answer, delay=2)))
    assert copy.summary.files == count
    assert peak < 2.5 * MIB


def test_the_plan_is_reported_late_rather_than_kept_whole(monkeypatch, tmp_path):
    """A walk through more files than are kept waiting for the sake of a plan."""
    monkeypatch.setattr("secftp.transfer.engine.PLANNED_AHEAD", 100)
    info = FileInfo(Kind.FILE, 3, 5, 0o644)
    walked = []

    def walk(_tree, _wanted, *, with_info=False):
        assert with_info
        yield TreeEntry(EntryKind.DIRECTORY, (), info)
        for number in range(1000):
            walked.append(number)
            yield TreeEntry(EntryKind.FILE, (b"%d" % number,), info)
        yield TreeEntry(EntryKind.LEFT, (), info)

    class Watching(Recorder):
        def finished(self, name, size, digest):
            super().finished(name, size, digest)
            furthest.append(len(walked) - len(self.finished_names))

    monkeypatch.setattr(LocalTree, "walk", walk)
    monkeypatch.setattr(LocalTree, "open", lambda *_: SmallContent(0o644, 5, bytes(3)))
    furthest = []
    told = Watching()
    Upload([str(tmp_path)], RemoteLocation((b"x",)), listener=told).run(
        Client(
            lambda request: (
                Results(id=request.id, codes=(None,) * len(request.files))
                if isinstance(request, WriteMany)
                else Ok(id=request.id)
            )
        )
    )
    assert told.plans == [(1000, 3000)]
    assert max(furthest) < 100 + 1024


def test_a_directory_with_many_names_is_kept_packed():
    count, part = 60_000, 1000

    def fill():
        directory = RemoteDirectory((b"x",), (b"x",), b"x")
        for start in range(0, count, part):
            directory.add(
                tuple(
                    Listed(
                        (b"a-name-of-a-file-%07d" % number,),
                        Kind.FILE,
                        number * 7,
                        1_700_000_000 * 10**9 + number**3,
                        0o644,
                    )
                    for number in range(start, start + part)
                )
            )
        directories.append(directory)

    directories = []
    peak = peak_of(fill)
    assert peak < 6 * MIB  # a tenth of what they would take
    for number, listed in enumerate(directories[0].entries()):
        assert listed.path == (b"a-name-of-a-file-%07d" % number,)
        assert listed.size == number * 7
    assert number == count - 1
    assert list(directories[0].entries()) == []


def test_few_directories_are_begun_at_a_time(tmp_path):
    """A tree of 15 * 15 * 15 directories, all of them empty."""
    most = 0

    def answer(request):
        nonlocal most
        if not isinstance(request, List):
            return Info(id=request.id, kind=Kind.DIRECTORY, size=0, mtime_ns=5, mode=0o755)
        tree = copy._tree
        most = max(most, len(tree._requested) + len(tree._listed))
        depth = len(request.path)
        names = [b"%d" % number for number in range(15)] if depth < 4 else []
        entries = tuple(Listed((name,), Kind.DIRECTORY, 0, 5, 0o755) for name in names)
        return Entries(id=request.id, entries=entries, last=True)

    copy = Download([RemoteLocation((b"x",), True)], str(tmp_path / "target"))
    summary = copy.run(Client(answer, delay=1000))
    assert summary.failed == 0
    assert sum(1 for _ in tmp_path.rglob("*")) == 1 + 15 + 15**2 + 15**3
    assert 16 <= most < 350
