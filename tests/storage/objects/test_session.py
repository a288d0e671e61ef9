"""Sessions whose files are in an object store: what is confirmed, and what is left by what does not end well."""

from __future__ import annotations

import os
import select
import threading

import pytest

from secftp.protocol import (
    Abort,
    Algorithm,
    Copy,
    End,
    Error,
    ErrorCode,
    NewFile,
    Ok,
    Ping,
    Read,
    ReadMany,
    Results,
    Stat,
    Sum,
    Write,
    WriteMany,
)
from secftp.server.access import Rights
from secftp.storage.objects import parts, source
from secftp.storage.objects.store import ObjectStore
from secftp.transport import keepalive
from tests.storage.objects.faults import FaultyBucket, lost
from tests.support.requests_at import served
from tests.support.serving import DEADLINE, digest_of, serving

PART = 1 << 16
DATA = os.urandom(5 * PART + 100)
SIZES = [100, len(DATA)]
F = (b"f",)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Parts that a test can fill."""
    for name in ("PART_BYTES", "_UNKNOWN_PART", "_UNIT"):
        monkeypatch.setattr(parts, name, PART)
    monkeypatch.setattr(source, "_FIRST_BLOCK", PART)


@pytest.fixture
def bucket():
    return FaultyBucket()


@pytest.fixture
def at(bucket, tmp_path):
    with served(tmp_path, store=ObjectStore(bucket)) as found:
        yield found


def put(wire, data, end=None, **fields):
    """Send a file whose end is that of `data`, unless another one is given; without waiting."""
    wire.send(Write(id=1, path=F, **fields))
    wire.send_data(data)
    wire.send(end or End(size=len(data), digest=digest_of(data)))


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_confirmed_when_the_store_has_confirmed_it(at, bucket, size, overwrite):
    asked, answer = threading.Event(), threading.Event()

    def hold(key, act):
        if not key.text.startswith(".secftp-"):
            asked.set()
            assert answer.wait(DEADLINE)
        return act()

    bucket.faults = dict.fromkeys(("put", "copy"), hold)
    if size > PART and overwrite:
        bucket.faults = {"part": lambda key, number: hold(key, lambda: None) if number == 6 else None}
    wire = at.wire()
    put(wire, DATA[:size], overwrite=overwrite)
    assert asked.wait(DEADLINE)
    assert not select.select([wire.sock], [], [], 0)[0], "nothing is confirmed that is not there"
    assert "f" not in bucket.listing()
    answer.set()
    assert wire.receive() == Ok(id=1, size=size, digest=digest_of(DATA[:size]))
    assert bucket.content("f") == DATA[:size]


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("how", ["other digest", "abort", "gone", "store"])
def test_what_does_not_arrive_whole_leaves_nothing(at, bucket, size, overwrite, how):
    if overwrite:
        bucket.write("f", b"before")
    wire = at.wire()
    if how == "other digest":
        put(wire, DATA[:size], End(size=size, digest=bytes(16)), overwrite=overwrite)
        assert wire.receive().code is ErrorCode.CHECKSUM
    elif how == "abort":
        put(wire, DATA[:size], Abort(code=ErrorCode.CANCELLED, text="x"), overwrite=overwrite, keep=True)
        assert wire.receive().code is ErrorCode.CANCELLED
    elif how == "gone":
        wire.send(Write(id=1, path=F, overwrite=overwrite))
        wire.send_data(DATA[:size])
        wire.close()
        assert at.over.wait(DEADLINE)
    else:
        bucket.faults = dict.fromkeys(("put", "put_parts"), fail)
        put(wire, DATA[:size], overwrite=overwrite)
        assert wire.receive().code is ErrorCode.IO_ERROR
    assert bucket.listing() == (["f"] if overwrite else [])
    assert not overwrite or bucket.content("f") == b"before"
    assert not [thread for thread in threading.enumerate() if thread.name == "secftp-upload"]


def fail(key, act):
    raise lost(key)


def test_the_client_is_told_that_it_may_have_been_stored(at, bucket):
    def lose(key, act):
        act()
        bucket.faults["info"] = fail
        raise lost(key)

    bucket.faults["put"] = lose
    wire = at.wire()
    put(wire, b"data", mode=0o600)
    answer = wire.receive()
    assert (answer.code, answer.reason) == (ErrorCode.IO_ERROR, "unconfirmed")
    assert bucket.content("f") == b"data"


def test_a_session_that_waits_for_the_store_is_kept_alive(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr("secftp.transport.channel.KEEPALIVE_SECONDS", 0.05)
    monkeypatch.setattr(keepalive, "CHECK_SECONDS", 0.02)
    answer = threading.Event()

    def hold(key, act):
        assert answer.wait(DEADLINE)
        return act()

    bucket.faults["put"] = hold
    with serving(tmp_path, store=ObjectStore(bucket)) as server, server.hostile() as client:
        client.welcome()
        client.send(Write(id=1, path=F))
        client.send_data(b"data")
        client.send(End(size=4, digest=digest_of(b"data")))
        for _ in range(3):
            assert isinstance(client.receive(), Ping)
        answer.set()
        while isinstance(found := client.receive(), Ping):
            pass
        assert found == Ok(id=1, size=4, digest=digest_of(b"data"))


@pytest.mark.parametrize("size", [0, *SIZES])
def test_a_file_is_read_as_it_was_written(at, bucket, size):
    wire = at.wire()
    put(wire, DATA[:size], mode=0o640, mtime_ns=5)
    assert isinstance(wire.receive(), Ok)
    wire.send(Read(id=2, path=F))
    opening = wire.receive()
    assert (opening.size, opening.mode, opening.mtime_ns) == (size, 0o640, 5)
    data, end = wire.receive_file()
    assert (data, end.digest) == (DATA[:size], digest_of(DATA[:size]))


@pytest.mark.parametrize("size", SIZES)
def test_sum_is_answered_from_what_is_stored(at, bucket, size):
    wire = at.wire()
    put(wire, DATA[:size])
    assert isinstance(wire.receive(), Ok)
    wire.send(Sum(id=2, path=F))
    assert wire.receive() == Ok(id=2, size=size, digest=digest_of(DATA[:size]))
    at.log.wait_for("Checksum, stored with the file: " + digest_of(DATA[:size]).hex())
    assert bucket.count("get") == 0
    wire.send(Sum(id=3, path=F, algorithm=Algorithm.SHA256))
    assert wire.receive().digest == digest_of(DATA[:size], "sha256")
    assert bucket.count("get") > 0


def test_sum_of_a_part_is_computed(at, bucket):
    wire = at.wire()
    put(wire, DATA)
    assert isinstance(wire.receive(), Ok)
    for number, (offset, length) in enumerate([(10, None), (0, len(DATA) - 1), (100, 50), (0, 2 * len(DATA))], 2):
        wire.send(Sum(id=number, path=F, offset=offset, length=length))
        part = DATA[offset:] if length is None else DATA[offset : offset + length]
        assert wire.receive() == Ok(id=number, size=len(part), digest=digest_of(part))


def test_sum_of_a_file_of_another_program_is_computed(at, bucket):
    bucket.write("f", DATA)
    wire = at.wire()
    wire.send(Sum(id=2, path=F))
    assert wire.receive() == Ok(id=2, size=len(DATA), digest=digest_of(DATA))


def test_many_small_files(at, bucket):
    names = [b"%d" % number for number in range(100)]
    wire = at.wire()
    wire.send(WriteMany(id=1, files=tuple(NewFile((b"d", name), name, digest_of(name)) for name in names)))
    assert wire.receive() == Results(id=1, codes=(None,) * 100)
    wire.send(ReadMany(id=2, paths=tuple((b"d", name) for name in names)))
    assert [file.data for file in wire.receive().files] == names
    wire.send(Sum(id=3, path=(b"d", b"7")))
    assert wire.receive().digest == digest_of(b"7")
    assert bucket.count("get") == 0


def batch_of(number, names, **more):
    return WriteMany(id=number, files=tuple(NewFile((b"d", name), name, digest_of(name)) for name in names), **more)


def names_of(number, count=10):
    return [b"%d-%d" % (number, one) for one in range(count)]


def test_files_of_messages_that_have_come_are_written_at_once_and_answered_in_order(at, bucket):
    """Ten files a message: forty requests at once are those of four messages and more."""
    together, begun = threading.Barrier(40), []

    def wait(key, act):
        begun.append(key)
        if 10 < len(begun) <= 50:  # the first message may be served before the others have come
            together.wait(DEADLINE)
        return act()

    bucket.faults["put"] = wait
    wire = at.wire()
    wire.send(*(batch_of(number, names_of(number)) for number in range(1, 31)), Stat(id=31, path=(b"d", b"1-1")))
    for number in range(1, 31):
        assert wire.receive() == Results(id=number, codes=(None,) * 10)
    assert wire.receive().id == 31
    assert len(bucket.listing()) == 300
    assert at.results == [("write", "ok")] * 300 + [("stat", "ok")]
    assert 40 <= bucket.most <= 64


def test_files_of_messages_that_have_come_are_read_at_once_and_answered_in_order(at, bucket):
    for number in range(1, 31):
        for name in names_of(number):
            bucket.write(f"d/{name.decode()}", name)
    together, begun = threading.Barrier(40), []

    def wait(key, act):
        begun.append(key)
        if 10 < len(begun) <= 50:
            together.wait(DEADLINE)
        return act()

    bucket.faults["get_whole"] = wait
    wire = at.wire()
    asked = [ReadMany(id=number, paths=tuple((b"d", name) for name in names_of(number))) for number in range(1, 31)]
    wire.send(*asked, Stat(id=31, path=(b"d", b"1-1")))
    for number in range(1, 31):
        answer = wire.receive()
        assert answer.id == number
        assert [file.data for file in answer.files] == names_of(number)
    assert wire.receive().id == 31
    assert 40 <= bucket.most <= 64
    assert at.results == [("read", "ok")] * 300 + [("stat", "ok")]


@pytest.mark.parametrize("count", [1, 3])
def test_a_server_in_a_hurry_ends_what_it_reads(at, bucket, count):
    bucket.write("d/1", b"1")
    begun, go = threading.Event(), threading.Event()

    def hold(key, act):
        begun.set()
        assert go.wait(DEADLINE)
        return act()

    bucket.faults["get_whole"] = hold
    wire = at.wire()
    wire.send(*(ReadMany(id=number, paths=((b"d", b"1"),) * 100) for number in range(1, count + 1)))
    assert begun.wait(DEADLINE)
    at.aborting.set()
    go.set()
    for number in range(1, count + 1):
        answer = wire.receive()
        while not isinstance(answer, Error):
            assert answer.id == number
            answer = wire.receive()
        assert (answer.id, answer.code) == (number, ErrorCode.STOPPING)


def test_a_message_is_refused_as_if_it_were_alone(at, bucket):
    wire = at.wire()
    bad = NewFile((b"d", b"bad"), b"1", digest_of(b"2"))
    wire.send(
        batch_of(1, names_of(1)),
        WriteMany(id=2, files=(bad,) * 5),
        batch_of(3, names_of(3), backup=b"~"),  # needs a capability that a bucket lacks
        batch_of(4, names_of(4), algorithm=Algorithm.SHA256),  # with digests of another one
        WriteMany(id=5, files=(bad,)),
        batch_of(6, names_of(6)),
    )
    assert wire.receive() == Results(id=1, codes=(None,) * 10)
    assert wire.receive() == Results(id=2, codes=(ErrorCode.CHECKSUM,) * 5)
    assert (answer := wire.receive()).id == 3
    assert answer.code is ErrorCode.UNSUPPORTED
    assert wire.receive() == Results(id=4, codes=(ErrorCode.CHECKSUM,) * 10)
    assert wire.receive() == Results(id=5, codes=(ErrorCode.CHECKSUM,))
    assert wire.receive() == Results(id=6, codes=(None,) * 10)
    assert len(bucket.listing()) == 20


def test_without_the_right_nothing_is_written(bucket, tmp_path):
    with served(tmp_path, store=ObjectStore(bucket), rights=Rights(read=True, write=False, overwrite=False)) as at:
        wire = at.wire()
        wire.send(batch_of(1, names_of(1)), batch_of(2, names_of(2)))
        assert [wire.receive().code for _ in range(2)] == [ErrorCode.FORBIDDEN] * 2
    assert bucket.listing() == []
    assert at.results == [("write", "forbidden")] * 20


def test_a_client_that_goes_leaves_whole_files_and_nothing_under_way(at, bucket):
    wire = at.wire()
    wire.send(*(batch_of(number, names_of(number)) for number in range(1, 31)))
    wire.reset()
    assert at.over.wait(DEADLINE)
    assert bucket.running == 0
    done = [operation for operation in at.log.done if operation.result == "ok"]
    assert {"/".join(name.decode() for name in one.path) for one in done} <= set(bucket.listing())


def test_messages_whose_files_are_all_refused_are_answered_all_the_same(at, bucket):
    bad = NewFile((b"d", b"bad"), b"1", digest_of(b"2"))
    wire = at.wire()
    for number in range(1, 201):
        wire.send(WriteMany(id=number, files=(bad,)))
    for number in range(1, 201):
        assert wire.receive() == Results(id=number, codes=(ErrorCode.CHECKSUM,))
    assert bucket.listing() == []


def test_a_batch_names_each_failure(at, bucket):
    bucket.write("exists", b"")
    files = (
        NewFile((b"a",), b"1", digest_of(b"2")),
        NewFile((b"b",), b"1", digest_of(b"1")),
        NewFile((b"exists",), b"1", digest_of(b"1")),
        NewFile((b"c",), b"1", digest_of(b"2")),
        NewFile((b"\xff",), b"1", digest_of(b"1")),
        NewFile((b"d",), b"1", digest_of(b"2")),
    )
    wire = at.wire()
    wire.send(WriteMany(id=1, files=files, overwrite=False))
    mismatch = ErrorCode.CHECKSUM
    assert wire.receive().codes == (mismatch, None, ErrorCode.EXISTS, mismatch, ErrorCode.BAD_NAME, mismatch)
    assert bucket.listing() == ["b", "exists"]


@pytest.mark.parametrize("size", SIZES)
def test_a_copy_is_made_by_the_store(at, bucket, size):
    wire = at.wire()
    put(wire, DATA[:size], mode=0o640, mtime_ns=10**18)
    assert isinstance(wire.receive(), Ok)
    wire.send(Copy(id=2, path=F, to=(b"g",)))
    assert wire.receive() == Ok(id=2, size=size, digest=None)
    assert (bucket.count("get"), bucket.count("copy")) == (0, 1)
    wire.send(Sum(id=3, path=(b"g",)))
    assert wire.receive().digest == digest_of(DATA[:size])
    assert bucket.count("get") == 0, "the copy has the digest, too"
    wire.send(Copy(id=4, path=F, to=(b"h",), mtime_ns=7))
    assert wire.receive() == Ok(id=4, size=size, digest=None)
    assert bucket.count("get") > 0, "with another time, it is written anew"
    assert bucket.metadata("h")["secftpmtime"] == "7"
    assert bucket.content("h") == DATA[:size]


def test_what_a_bucket_can_not_do_is_refused(at):
    wire = at.wire()
    put(wire, b"x", prefix=bytes(16), offset=10)
    assert wire.receive() == Error(id=1, code=ErrorCode.UNSUPPORTED, text="the server does not support this")
