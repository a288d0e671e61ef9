"""Compressed copies, both ways: what arrives, what is counted, and what a server without compression makes of it."""

from __future__ import annotations

import os
import random

import pytest

from secftp.errors import ConnectionLost, ProtocolError
from secftp.protocol import (
    CompressedData,
    Entries,
    Error,
    ErrorCode,
    File,
    Files,
    Info,
    Kind,
    List,
    Listed,
    NewFile,
    Read,
    ReadMany,
    SessionLimits,
    SmallFile,
    Stat,
    Welcome,
    Write,
    WriteMany,
    encode,
)
from secftp.session.retry import Retries
from secftp.storage import WriteOptions
from secftp.transfer import CopyOptions, Download, RemoteLocation, Upload
from secftp.transfer.rate_limit import RateLimit
from secftp.transport.compression import SERVER_LEVEL, Compressor
from tests.support.channels import Many
from tests.support.copying import Recorder, contents, look, make, run_broken
from tests.support.cutting import cutting
from tests.support.serving import (
    MemorySink,
    MemorySource,
    digest_of,
    fake_server,
    get,
    listing,
    put,
    serving,
    session,
    until,
)

MIB = 2**20
DRAW = random.Random(8)
TEXT = b"".join(b"line %d: %x\n" % (number, DRAW.getrandbits(24)) for number in range(400_000))[: 6 * MIB]
NOISE = DRAW.randbytes(3 * MIB)
TREE = {b"text": TEXT, b"noise": NOISE, b"both": NOISE[:MIB] + TEXT[:MIB], b"sub/small": TEXT[:5000], b"empty": b""}


@pytest.fixture
def here(tmp_path):
    (tmp_path / "here").mkdir()
    return str(tmp_path / "here")


class Way:
    """One direction: where the source is, where the target, and how to copy."""

    def __init__(self, name, root, here):
        self.is_put = name == "put"
        self.source_top, self.target_top = (here, root) if self.is_put else (root, here)

    def copy(self, name, told=None, **options):
        options = CopyOptions(**{"compress": True, **options})
        if self.is_put:
            return Upload([f"{self.source_top}/{name}"], RemoteLocation(()), options, told)
        return Download([RemoteLocation((os.fsencode(name),))], self.target_top, options, told)


@pytest.fixture(params=["put", "get"])
def way(request, root, here):
    return Way(request.param, os.fspath(root), here)


def run(server, copy, **ends):
    with server.session(**ends) as client:
        summary = copy.run(client)
        assert client.pipeline.compress is None, "the session may be used for something else"
        return summary


def test_a_tree_arrives_and_is_counted_as_it_is(server, way):
    make(way.source_top + "/src", TREE)
    told = Recorder()
    summary = run(server, way.copy("src", told))
    assert look(way.target_top + "/src") == look(way.source_top + "/src")
    assert (summary.files, summary.bytes, told.bytes) == (len(TREE), *[sum(map(len, TREE.values()))] * 2)
    assert summary.compression
    assert 3 * MIB < summary.saved_bytes < 7 * MIB
    digests = {name: digest for name, _, digest in told.of("finished")}
    assert digests == {b"src/" + name: digest_of(data) for name, data in TREE.items()}


@pytest.mark.parametrize("level", [1, 9, 19])
@pytest.mark.parametrize("checksum", ["sha256", "md5"])
def test_levels_and_checksums(server, way, level, checksum):
    make(way.source_top, {b"f": TEXT[:MIB]})
    summary = run(server, way.copy("f", compress=False, compress_level=level, checksum=checksum))
    assert contents(way.target_top) == {b"f": TEXT[:MIB]}
    assert summary.digest == digest_of(TEXT[:MIB], checksum)
    assert summary.saved_bytes > MIB / 3


SMALL = {b"%03d" % number: TEXT[number * 500 :][: number * 120] for number in range(200)}
SMALL |= {b"noise%d" % number: NOISE[number * 1000 :][:1000] for number in range(20)}


def test_small_files_are_compressed_one_by_one(server, way):
    make(way.source_top + "/src", SMALL)
    told = Recorder()
    summary = run(server, way.copy("src", told))
    assert look(way.target_top + "/src") == look(way.source_top + "/src")
    size = sum(map(len, SMALL.values()))
    assert (summary.files, summary.bytes, told.bytes) == (len(SMALL), size, size)
    assert size / 3 < summary.saved_bytes < size
    digests = {name: digest for name, _, digest in told.of("finished")}
    assert digests == {b"src/" + name: digest_of(data) for name, data in SMALL.items()}
    assert "Compressed" not in server.log.text, "no line for each of them"


def test_small_files_of_a_server_without_compression(root, way):
    make(way.source_top + "/src", SMALL)
    with serving(root, compression=False) as server:
        summary = run(server, way.copy("src"))
    assert contents(way.target_top + "/src") == SMALL
    assert (summary.files, summary.compression, summary.saved_bytes) == (len(SMALL), False, 0)


def test_a_rate_limit_counts_what_is_sent_of_small_files(server, way, monkeypatch):
    spent = []
    monkeypatch.setattr(RateLimit, "spend", lambda _self, nbytes: spent.append(nbytes))
    make(way.source_top + "/src", SMALL | {b"large": TEXT[:MIB]})
    summary = run(server, way.copy("src", limit_rate=100 * MIB))
    assert sum(spent) == summary.bytes - summary.saved_bytes


def test_a_small_file_that_grows_is_still_one_message(server, root):
    """Compressed data has the bounds of a message; a frame of 32 KiB of noise would not fit twice."""
    files = {b"%d" % number: NOISE[number * 32_768 :][:32_768] for number in range(8)}
    make(os.fspath(root) + "/src", files)
    with server.session() as client:
        client.pipeline.compress = 1
        wanted = [(b"src", name) for name in files]
        reply = Many(len(files))
        client.pipeline.submit(ReadMany(id=client.pipeline.next_id(), paths=tuple(wanted), compress=1), reply)
        client.pipeline.settle()
    assert [file.data for file in reply.files] == list(files.values())


def test_nothing_is_compressed_unasked(server, way):
    make(way.source_top, {b"f": TEXT[:MIB]})
    summary = run(server, way.copy("f", compress=False))
    assert (summary.compression, summary.saved_bytes) == (False, 0)
    assert "Compressed" not in server.log.text


def test_a_server_without_compression_takes_and_gives_everything(root, way):
    make(way.source_top, {b"f": TEXT})
    with serving(root, compression=False) as server:
        summary = run(server, way.copy("f"))
    assert contents(way.target_top) == {b"f": TEXT}
    assert (summary.files, summary.compression, summary.saved_bytes) == (1, False, 0)


def test_an_interrupted_copy_is_resumed(server, way):
    """Cut after a megabyte of compressed data; what is kept is a part of the file, and more than a megabyte of it."""
    make(way.source_top, {b"f": TEXT})
    assert run_broken(server, way.copy("f"), MIB) is ConnectionLost
    assert len([name for name in listing(way.target_top) if ".secftp-" in name]) == 1
    told = Recorder()
    summary = run(server, way.copy("f", told, resume=True))
    ((_, kept),) = told.of("resumed")
    assert 1.2 * MIB < kept < len(TEXT)
    assert (summary.bytes, told.bytes) == (len(TEXT) - kept, len(TEXT))
    assert contents(way.target_top) == {b"f": TEXT}


def test_what_was_kept_of_a_plain_copy_is_continued_compressed_and_the_other_way_about(server, way):
    make(way.source_top, {b"f": TEXT})
    assert run_broken(server, way.copy("f", compress=False), 2 * MIB) is ConnectionLost
    assert run_broken(server, way.copy("f", resume=True), MIB // 2) is ConnectionLost
    summary = run(server, way.copy("f", resume=True, compress=False))
    assert 0 < summary.bytes < 4.5 * MIB
    assert contents(way.target_top) == {b"f": TEXT}


def test_a_copy_goes_on_over_another_connection(server, way):
    make(way.source_top + "/src", TREE)
    copy = way.copy("src")
    with cutting(server.port, MIB) as proxy:

        def once():
            with session(proxy.port) as client:
                return copy.run(client)

        summary = Retries(2, progress=lambda: 0, sleep=lambda _seconds: None).run(once)
    assert proxy.accepted == 2
    assert contents(way.target_top + "/src") == TREE
    assert summary.saved_bytes > 2 * MIB, "over both connections"


def test_a_rate_limit_counts_what_is_sent(server, way, monkeypatch):
    spent = []
    monkeypatch.setattr(RateLimit, "spend", lambda _self, nbytes: spent.append(nbytes))
    make(way.source_top, {b"f": TEXT})
    summary = run(server, way.copy("f", limit_rate=100 * MIB))
    assert sum(spent) == summary.bytes - summary.saved_bytes
    assert min(spent) >= 0


@pytest.mark.parametrize("checksum", ["xxh128", "sha256"])
def test_several_streams_count_together(server, way, checksum):
    """What each of them has saved; and parts are compressed as files are."""
    data = TEXT * 2 + NOISE
    make(way.source_top, {b"f": data})
    told = Recorder()
    copy = way.copy("f", told, streams=3, checksum=checksum)
    copy.open_stream = lambda _wanted: server.session()
    summary = run(server, copy)
    assert contents(way.target_top) == {b"f": data}
    assert (summary.bytes, told.bytes, summary.digest) == (len(data), len(data), digest_of(data, checksum))
    assert 0.3 * len(TEXT * 2) < summary.saved_bytes < len(TEXT * 2), "whatever was transferred twice"
    assert copy.data.nbytes >= len(data), "by all of them together"


def test_several_streams_pay_into_one_rate_for_what_is_sent(server, way, monkeypatch):
    spent = []
    monkeypatch.setattr(RateLimit, "spend", lambda _self, nbytes: spent.append(nbytes))
    make(way.source_top, {b"f": TEXT * 2})
    copy = way.copy("f", streams=3, limit_rate=100 * MIB)
    copy.open_stream = lambda _wanted: server.session()
    summary = run(server, copy)
    sent = summary.bytes - summary.saved_bytes
    assert 0.9 * sent <= sum(spent) <= 1.5 * sent, "perhaps with a part that another stream has taken over"


def test_a_change_of_the_source_is_noticed(client, here):
    class Changing(MemorySource):
        def check_unchanged(self):
            raise ConnectionLost("stands for a file that has changed")

    client.pipeline.compress = 3
    with pytest.raises(ConnectionLost, match="stands for"):
        client.write((b"f",), Changing(TEXT))


# --- the server -------------------------------------------------------------------------------------------------------


def test_it_is_in_the_log(root, here):
    with serving(root) as server:
        with server.session() as client:
            client.pipeline.compress = 3
            put(client, b"a", TEXT[:MIB])
            get(client, b"a")
            client.pipeline.compress = None
            get(client, b"a")
        server.done(1)
    text = server.log.text
    assert text.count("Compressed 1.0 MB to ") == 2
    assert text.index("Compressed") < text.index("File sent")


def test_a_server_compresses_at_no_higher_level_than_its_own(server, monkeypatch):
    levels = []

    class Noted(Compressor):
        __slots__ = ()

        def __init__(self, level):
            levels.append(level)
            super().__init__(level)

    monkeypatch.setattr("secftp.transport.compressed_data.Compressor", Noted)
    with server.session() as client:
        put(client, b"a", TEXT[:MIB])
        for level in (1, SERVER_LEVEL, 19):
            client.pipeline.compress = level
            assert get(client, b"a") == TEXT[:MIB]
    assert levels[::2] == [1, SERVER_LEVEL, SERVER_LEVEL]
    assert set(levels[1::2]) == {1}, "of samples"


def test_the_least_rate_is_that_of_the_file(server):
    """Zeros take next to nothing of a line, and are no slow transfer."""
    _, _, zeros = encode(CompressedData(16_384, Compressor(3).compress(memoryview(bytes(16_384)))))
    with server.hostile() as wire:
        wire.welcome()
        wire.send(Write(id=1, path=(b"f",)))
        for _ in range(64):
            wire.frame(CompressedData.TYPE.number, 0, zeros)
        wire.flush()
        (connection,) = server.server._shared.registry.all()
        until(lambda: connection.moved >= MIB, "all of it is taken in")
        assert connection.stream.moved < MIB / 16


def test_ranges_and_pipes(server):
    with server.session() as client:
        client.pipeline.compress = 3
        source = MemorySource(TEXT[: 2 * MIB], announced=False, chunk=70_001)
        client.write((b"a",), source, WriteOptions())
        assert get(client, b"a", offset=12_345, length=MIB) == TEXT[12_345 : 12_345 + MIB]
        sink = MemorySink()
        client.read((b"a",), sink)
        assert sink.data == TEXT[: 2 * MIB]
        assert client.pipeline.channel.data.saved > MIB


BAD = {
    "noise": NOISE[:60_000],
    "another size": Compressor(3).compress(memoryview(TEXT[:9999])),
    "two": Compressor(3).compress(memoryview(TEXT[:10_000])) * 2,
    "cut": Compressor(3).compress(memoryview(TEXT[:10_000]))[:-1],
}


@pytest.mark.parametrize("kind", BAD)
def test_a_malformed_frame_ends_a_session_and_leaves_nothing(root, kind):
    """No file, no partial; the session ends without a word, and others go on."""
    with serving(root) as server, server.session() as other:
        with server.hostile() as wire:
            wire.welcome()
            wire.send(Write(id=1, path=(b"f",), keep=True), CompressedData(10_000, BAD[kind]))
            assert wire.receive() is None
        server.log.wait_for("Session ended: Compressed data are malformed")
        put(other, b"other", TEXT[:100])
        assert listing(root) == ["other"]


@pytest.mark.parametrize("kind", [*BAD, "unasked"])
def test_a_malformed_frame_of_a_server_is_a_violation(here, kind):
    def play(wire):
        wire.send(Welcome(version=1, software="s", capabilities=("zstd",), limits=limits_of()))
        while not isinstance(wire.receive(), Read):
            pass
        wire.send(File(id=1, size=10_000, mtime_ns=0, mode=0o644))
        frame = Compressor(3).compress(memoryview(TEXT[:10_000])) if kind == "unasked" else BAD[kind]
        wire.send(CompressedData(10_000, frame))
        while wire.receive() is not None:
            pass

    sink = MemorySink()
    with fake_server(play) as port, session(port) as client:
        client.pipeline.compress = None if kind == "unasked" else 3
        with pytest.raises(ProtocolError):
            client.read((b"f",), sink)
    assert (sink.data, sink.received) == (None, b"")


@pytest.mark.parametrize("kind", [*BAD, "unannounced"])
def test_a_malformed_small_file_ends_a_session(root, kind):
    """The files before it are written, nothing of it is; and nothing at all for a server that has no compression."""
    good, text = Compressor(3).compress(memoryview(TEXT[:10_000])), TEXT[:10_000]
    bad = good if kind == "unannounced" else BAD[kind][:30_000]
    size = 5000 if kind == "noise" else 10_000
    with serving(root, compression=kind != "unannounced") as server:
        with server.hostile() as wire:
            wire.welcome()
            files = (NewFile((b"a",), good, digest_of(text)), NewFile((b"b",), bad, digest_of(text)))
            wire.send(WriteMany(id=1, files=files, clear_sizes=(10_000, size)))
            assert wire.receive() is None
        server.log.wait_for("Session ended: Compressed ")
    assert listing(root) == ([] if kind == "unannounced" else ["a"])


def test_a_small_file_with_another_digest_is_not_written(root):
    """The digest is of the contents, not of the frame."""
    frame = Compressor(3).compress(memoryview(TEXT[:10_000]))
    with serving(root) as server, server.hostile() as wire:
        wire.welcome()
        files = (NewFile((b"a",), frame, digest_of(frame)), NewFile((b"b",), frame, digest_of(TEXT[:10_000])))
        wire.send(WriteMany(id=1, files=files, clear_sizes=(10_000, 10_000)))
        assert wire.receive().codes == (ErrorCode.CHECKSUM, None)
        assert (root / "b").read_bytes() == TEXT[:10_000]
        wire.send(WriteMany(id=2, files=files, clear_sizes=(10_000,)))  # the second is plain, and its digest wrong
        assert wire.receive().codes == (ErrorCode.CHECKSUM, ErrorCode.CHECKSUM)


def test_small_files_of_a_server_that_compresses_unasked_are_a_violation(here):
    def play(wire):
        wire.send(Welcome(version=1, software="s", capabilities=("many", "stat", "list"), limits=limits_of()))
        while (request := wire.receive()) is not None:
            if isinstance(request, Stat):
                wire.send(Info(id=request.id, kind=Kind.DIRECTORY, size=0, mtime_ns=0, mode=0o755))
            elif isinstance(request, Read):
                wire.send(Error(id=request.id, code=ErrorCode.IS_DIRECTORY))
            elif isinstance(request, List):
                entries = (Listed((b"a",), Kind.FILE, 1000),)
                wire.send(Entries(id=request.id, entries=entries, last=True))
            elif isinstance(request, ReadMany):
                frame = Compressor(3).compress(memoryview(TEXT[:1000]))
                file = SmallFile(None, frame, digest_of(TEXT[:1000]))
                wire.send(Files(id=request.id, files=(file,), clear_sizes=(1000,)))

    copy = Download([RemoteLocation((b"d",))], here)
    with fake_server(play) as port, pytest.raises(ProtocolError, match="not allowed"), session(port) as client:
        copy.run(client)
    assert listing(here) in ([], ["d"])


def limits_of(**limits):
    return SessionLimits(**{"requests": 64, "keepalive": 15, "idle": 60, **limits})
