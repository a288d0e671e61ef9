"""READMANY and WRITEMANY: hundreds of small files in a message, each with its own result."""

from __future__ import annotations

import os
import stat

import pytest

from secftp.protocol import (
    Algorithm,
    Bye,
    Cancel,
    Error,
    ErrorCode,
    Files,
    NewFile,
    ReadMany,
    Results,
    SmallFile,
    Stat,
    WriteMany,
)
from secftp.protocol.limits import MAX_SMALL
from secftp.storage import LocalStore
from secftp.storage.store import SmallFiles
from tests.support.channels import Many
from tests.support.requests_at import served
from tests.support.serving import digest_of, listing, serving

LARGEST = os.urandom(MAX_SMALL)


def new(name, data, algorithm="xxh128", **more):
    return NewFile(name if isinstance(name, tuple) else (name,), data, digest_of(data, algorithm), **more)


def read_all(wire, number, count):
    """The files of a READMANY; every message is within its bound, and so is the sum of them."""
    files = []
    while len(files) < count:
        kind, flags, payload = wire.receive_frame()
        assert len(payload) <= 65536
        wire._frames.insert(0, (kind, flags, payload))
        message = wire.receive()
        assert message.id == number
        if isinstance(message, Error):
            return files, message.code
        files += message.files
    return files, None


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_files_of_every_small_size_go_there_and_back(tmp_path, algorithm):
    contents = {b"%d" % size: LARGEST[:size] for size in (0, 1, 100, 4095, 4096, 30_000)}
    with served(tmp_path) as server:
        wire = server.wire()
        wire.send(WriteMany(id=1, files=tuple(new(n, d, algorithm) for n, d in contents.items()), algorithm=algorithm))
        assert wire.receive() == Results(id=1, codes=(None,) * len(contents))
        wire.send(ReadMany(id=2, paths=tuple((name,) for name in contents), algorithm=algorithm))
        files, _ = read_all(wire, 2, len(contents))
    for (name, data), file in zip(contents.items(), files, strict=True):
        path = os.path.join(os.fsencode(tmp_path), name)
        status = os.stat(path)
        assert file == SmallFile(
            None, data, digest_of(data, algorithm), status.st_mtime_ns, stat.S_IMODE(status.st_mode)
        ), name
    assert server.results == [("write", "ok")] * 6 + [("read", "ok")] * 6


def test_attributes_are_set_and_told(tmp_path):
    with served(tmp_path) as server:
        wire = server.wire()
        wire.send(
            WriteMany(id=1, files=(new(b"a", b"x", mode=0o4773, mtime_ns=12345),)), ReadMany(id=2, paths=((b"a",),))
        )
        assert wire.receive().codes == (None,)
        (file,), _ = read_all(wire, 2, 1)
    assert (file.mode, file.mtime_ns) == (0o773, 12345)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o773


def test_the_largest_files_travel_in_as_many_messages_as_it_takes(tmp_path):
    for number in range(7):
        (tmp_path / f"{number}").write_bytes(LARGEST)
    (tmp_path / "larger").write_bytes(LARGEST + b"x")
    with served(tmp_path) as server:
        wire = server.wire()
        names = [b"0", b"1", b"larger", b"2", b"none", b"3", b"4", b"5", b"6"]
        wire.send(ReadMany(id=1, paths=tuple((name,) for name in names)), Stat(id=2))
        files, _ = read_all(wire, 1, len(names))
        assert wire.receive().id == 2
    assert [file.code for file in files] == [None, None, "too_large", None, "not_found", *[None] * 4]
    assert {file.data for file in files if file.code is None} == {LARGEST}


FATES = {
    b"good": (None, None),
    b"folder": ("is_folder", "is_folder"),
    b"link": ("forbidden", "not_found"),
    b"fifo": ("forbidden", "forbidden"),
    (b"nowhere", b"x"): ("not_found", "not_found"),
    (b"file", b"x"): ("not_folder", "not_folder"),
    b".secftp-x": ("bad_name", "bad_name"),
    b"\x1b[2J\n": (None, None),
    (b"folder", b"below"): (None, None),
}


def test_one_files_failure_is_no_other_files_business(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"contents")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "fifo")
    before = listing(tmp_path)
    paths = [name if isinstance(name, tuple) else (name,) for name in FATES]
    with served(tmp_path) as server:
        wire = server.wire()
        wire.send(WriteMany(id=1, files=tuple(new(path, b"new") for path in paths)), ReadMany(id=2, paths=tuple(paths)))
        assert wire.receive().codes == tuple(writing for writing, _ in FATES.values())
        files, _ = read_all(wire, 2, len(paths))
    assert [file.code for file in files] == [reading for _, reading in FATES.values()]
    assert listing(tmp_path) == sorted([*before, "good", "\x1b[2J\n", "folder/below"])
    assert (tmp_path / "file").read_bytes() == b"contents"
    told = server.log.told
    assert told[:2] == [
        "Client requested to write filename: good",
        f"File confirmed, checksum: {digest_of(b'new').hex()}",
    ]
    assert told[2:4] == ["Client requested to write filename: folder", "Refused: it is a directory"]
    assert all(line.isprintable() for line in told)
    writes = [operation for operation in server.log.done if operation.name == "write"]
    assert [operation.path for operation in writes] == paths
    assert [operation.nbytes for operation in writes] == [3 if fate[0] is None else 0 for fate in FATES.values()]
    assert writes[0].digest == digest_of(b"new")
    assert all(0 <= operation.seconds < 20 for operation in server.log.done)


def test_a_file_that_is_not_its_digests_is_not_written(tmp_path):
    (tmp_path / "b").write_bytes(b"old")
    with served(tmp_path) as server:
        wire = server.wire()
        files = (
            new(b"a", b"1"),
            NewFile((b"b",), b"2", digest_of(b"3")),
            NewFile((b"c",), b"3", bytes(32)),
            new(b"d", b"4"),
        )
        wire.send(WriteMany(id=1, files=files))
        assert wire.receive().codes == (None, ErrorCode.CHECKSUM, ErrorCode.CHECKSUM, None)
    assert listing(tmp_path) == ["a", "b", "d"]
    assert (tmp_path / "b").read_bytes() == b"old"


def test_the_same_name_twice_is_the_later_one(tmp_path):
    with served(tmp_path) as server:
        wire = server.wire()
        wire.send(WriteMany(id=1, files=(new(b"a", b"1"), new(b"a", b"2"))))
        assert wire.receive().codes == (None, None)
        wire.send(WriteMany(id=2, files=(new(b"a", b"3"), new(b"b", b"4"), new(b"b", b"5")), overwrite=False))
        assert wire.receive().codes == (ErrorCode.EXISTS, None, ErrorCode.EXISTS)
    assert (tmp_path / "a").read_bytes() == b"2"
    assert (tmp_path / "b").read_bytes() == b"4"


def test_an_algorithm_that_the_server_lacks_writes_nothing(tmp_path, monkeypatch):
    with served(tmp_path) as server:
        wire = server.wire()
        monkeypatch.setitem(__import__("sys").modules, "blake3", None)
        file = NewFile((b"a",), b"1", bytes(32))
        wire.send(WriteMany(id=1, files=(file, file), algorithm=Algorithm.BLAKE3))
        assert wire.receive() == Error(id=1, code=ErrorCode.UNSUPPORTED, text="the server does not support this")
        wire.send(ReadMany(id=2, paths=((b"a",),), algorithm=Algorithm.BLAKE3))
        assert wire.receive().code is ErrorCode.UNSUPPORTED
    assert listing(tmp_path) == []
    assert server.results == [("write", "unsupported")] * 2 + [("read", "unsupported")]


class _Stopping(SmallFiles):
    """The store's way with small files, with something that happens after so many of them."""

    def __init__(self, small, after, action):
        self._small = small
        self._left = after
        self._action = action

    def read(self, *arguments):
        self._count()
        return self._small.read(*arguments)

    def write(self, *arguments):
        kept = self._small.write(*arguments)
        self._count()
        return kept

    def _count(self):
        self._left -= 1
        if self._left == 0:
            self._action()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._small.close()


class Interrupting(LocalStore):
    after = 100
    action = staticmethod(lambda: None)

    def small_files(self):
        return _Stopping(super().small_files(), self.after, self.action)


def test_a_server_in_a_hurry_says_which_are_written(tmp_path):
    store = Interrupting(tmp_path)
    with served(tmp_path, store=store) as server:
        store.action = server.aborting.set
        wire = server.wire()
        wire.send(WriteMany(id=1, files=tuple(new(b"%d" % number, b"x") for number in range(300))))
        assert wire.receive().codes == (None,) * 100 + (ErrorCode.STOPPING,) * 200
        wire.send(WriteMany(id=2, files=(new(b"a", b"1"),)))
        assert wire.receive().code is ErrorCode.STOPPING
    assert len(listing(tmp_path)) == 100
    assert server.results == [("write", "ok")] * 100 + [("write", "stopping")] * 201


@pytest.mark.parametrize("how", ["cancel", "hurry"])
def test_reading_many_is_broken_off_behind_what_was_sent(tmp_path, how):
    store = Interrupting(tmp_path)
    for number in range(300):
        (tmp_path / f"{number}").write_bytes(b"%d" % number * 100)
    with served(tmp_path, store=store) as server:
        wire = server.wire()
        store.action = server.aborting.set if how == "hurry" else lambda: wire.send(Cancel(id=1))
        wire.send(ReadMany(id=1, paths=tuple((b"%d" % number,) for number in range(300))), Stat(id=2))
        files, code = read_all(wire, 1, 300)
        if how == "cancel":
            assert wire.receive().id == 2
    assert code is (ErrorCode.STOPPING if how == "hurry" else ErrorCode.CANCELLED)
    assert 100 <= len(files) < 300
    assert [file.data for file in files] == [b"%d" % number * 100 for number in range(len(files))]
    told = [result for name, result in server.results if name == "read"]
    assert told == ["ok"] * len(files) + [code] * (300 - len(files)), "what is told is what was sent"


def test_a_lost_connection_in_the_middle_leaves_whole_files(tmp_path):
    store = Interrupting(tmp_path)
    with served(tmp_path, store=store) as server:
        wire = server.wire()
        store.action = wire.reset
        wire.send(WriteMany(id=1, files=tuple(new(b"%d" % number, b"whole") for number in range(300))))
        assert server.over.wait(20)
    assert len(listing(tmp_path)) == 300
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"whole"}
    assert server.results == [("write", "ok")] * 300, "what was done is logged, even if the client has left"


def test_thousands_of_files_without_waiting(tmp_path):
    contents = {(b"%d" % number,): b"%d" % number * 50 for number in range(3000)}
    paths = list(contents)
    batches = [paths[start : start + 150] for start in range(0, len(paths), 150)]
    written, read = [], []
    with serving(tmp_path) as server, server.session() as client:
        pipeline = client.pipeline
        for batch in batches:
            written.append(Many(len(batch)))
            files = tuple(new(path, contents[path]) for path in batch)
            pipeline.submit(WriteMany(id=pipeline.next_id(), files=files), written[-1])
        for batch in batches:
            read.append(Many(len(batch)))
            pipeline.submit(ReadMany(id=pipeline.next_id(), paths=tuple(batch)), read[-1])
        pipeline.settle()
    assert all(handler.codes == (None,) * 150 for handler in written)
    files = [file for handler in read for file in handler.files]
    assert [(file.code, file.data) for file in files] == [(None, contents[path]) for path in paths]
    assert all(file.digest == digest_of(file.data) for file in files)
    assert len(listing(tmp_path)) == 3000


def test_many_stand_in_their_place_among_other_answers(tmp_path):
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(
            WriteMany(id=1, files=(new(b"a", b"1"),)),
            Stat(id=2),
            ReadMany(id=3, paths=((b"a",), (b"b",))),
            WriteMany(id=4, files=(new(b"b", b"2"),)),
            Bye(),
        )
        assert wire.receive() == Results(id=1, codes=(None,))
        assert wire.receive().id == 2
        answer = wire.receive()
        assert isinstance(answer, Files)
        assert [file.code for file in answer.files] == [None, ErrorCode.NOT_FOUND]
        assert wire.receive() == Results(id=4, codes=(None,))
        assert wire.receive() == Bye()
