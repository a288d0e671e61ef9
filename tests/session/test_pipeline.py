"""Pipelined requests: each reply reaches its request, whatever happens around it."""

from __future__ import annotations

import random
import threading

import pytest
from msgspec.structs import replace

from secftp.errors import ConnectionLost, FileError, NotFound, ProtocolError
from secftp.protocol import (
    Abort,
    Bye,
    Cancel,
    End,
    Error,
    ErrorCode,
    File,
    Info,
    Kind,
    List,
    NewFile,
    Ok,
    Read,
    ReadMany,
    Remove,
    Results,
    Stat,
    Sum,
    Write,
    WriteMany,
)
from secftp.session import FileReply, ListingReply, Pipeline, SingleReply
from secftp.storage import new_digest
from secftp.transport.file_data import unwatched
from tests.support.channels import WELCOME, Many, ends, receive_bytes, send_bytes, together
from tests.support.serving import MemorySink, MemorySource, digest_of, fake_server, serving, session

__all__ = ["ends"]

DATA = random.Random(9).randbytes(300_000)


def pipes(ends):
    client, server = ends.channels()
    return Pipeline(client), server


def welcomed(ends):
    pipeline, server = pipes(ends)
    server.send(WELCOME)
    server.flush()
    assert pipeline.await_welcome() == WELCOME
    return pipeline, server


def info(number):
    return Info(id=number, kind=Kind.FILE, size=number, mtime_ns=0, mode=0)


def reading(pipeline, number, sink, opened=None):
    return FileReply(
        opened or (lambda _: sink),
        new_digest("xxh128"),
        subject="it",
        stop=lambda: pipeline.cancel(number),
        progress=unwatched,
    )


# --- every request at once, against a real server ---------------------------------------------------------------------


class Plan:
    """Random requests, each with what its answer must be."""

    def __init__(self, client, seed):
        self._pipeline = client.pipeline
        self._random = random.Random(seed)
        self._checks = []
        self._written = {}

    def run(self, count):
        kinds = [self.stat, self.missing, self.read, self.write, self.list, self.sum, self.write_many, self.read_many]
        for number in range(count):
            self._random.choice(kinds)(b"%d" % number)
        self._pipeline.settle()
        for check in self._checks:
            check()

    def _ask(self, request, check):
        answer = SingleReply()
        self._pipeline.submit(request, answer)
        self._checks.append(lambda: check(answer.message))

    def stat(self, _):
        self._ask(Stat(id=self._pipeline.next_id(), path=(b"there",)), lambda got: _is(got.size, len(DATA)))

    def missing(self, name):
        self._ask(Remove(id=self._pipeline.next_id(), path=(b"no", name)), lambda got: _is(got.code, "not_found"))

    def read(self, _):
        number, sink = self._pipeline.next_id(), MemorySink()
        offset = self._random.randrange(len(DATA))
        handler = reading(self._pipeline, number, sink)
        self._pipeline.submit(Read(id=number, path=(b"there",), offset=offset), handler)
        self._checks.append(lambda: _is((bytes(sink.received), handler.problem), (DATA[offset:], None)))

    def write(self, name):
        data = DATA[: self._random.randrange(len(DATA))]
        answer = SingleReply()
        request = Write(id=self._pipeline.next_id(), path=(name,), size=len(data))
        end = self._pipeline.send_file(request, MemorySource(data), new_digest("xxh128"), answer, progress=unwatched)
        self._checks.append(lambda: _is((answer.message.digest, answer.message.size), (end.digest, len(data))))

    def list(self, _):
        handler = ListingReply()
        self._pipeline.submit(List(id=self._pipeline.next_id(), path=(b"folder",)), handler)
        self._checks.append(lambda: _is([entry.path for entry in handler.entries], [(b"inside",)]))

    def sum(self, _):
        self._ask(Sum(id=self._pipeline.next_id(), path=(b"there",)), lambda got: _is(got.digest, digest_of(DATA)))

    def write_many(self, name):
        files = tuple(NewFile((b"%s-%d" % (name, i),), name, digest_of(name)) for i in range(5))
        handler = Many(5)
        self._pipeline.submit(WriteMany(id=self._pipeline.next_id(), files=files), handler)
        self._checks.append(lambda: _is(handler.codes, (None,) * 5))

    def read_many(self, name):
        handler = Many(2)
        paths = ((b"folder", b"inside"), (name, b"none"))
        self._pipeline.submit(ReadMany(id=self._pipeline.next_id(), paths=paths), handler)
        self._checks.append(
            lambda: _is([(file.data, file.code) for file in handler.files], [(b"inside", None), (b"", "not_found")])
        )


def _is(got, expected):
    assert got == expected


@pytest.mark.parametrize("seed", range(3))
def test_everything_at_once_and_each_answer_is_the_right_one(tmp_path, seed):
    (tmp_path / "there").write_bytes(DATA)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").write_bytes(b"inside")
    with serving(tmp_path) as server, server.session() as client:
        Plan(client, seed).run(200)
        assert client.pipeline.unanswered == 0


def test_more_requests_than_a_server_grants_wait_for_answers(tmp_path):
    """Before WELCOME the limit is 16; no caller has to count."""
    (tmp_path / "name").write_bytes(b"x")
    answers = [SingleReply() for _ in range(3000)]
    with serving(tmp_path) as server, server.session() as client:
        for answer in answers:
            client.pipeline.submit(Stat(id=client.pipeline.next_id(), path=(b"name",)), answer)
        client.pipeline.settle()
    assert [answer.message.id for answer in answers] == list(range(1, 3001))


# --- one at a time, against a server that a test plays ----------------------------------------------------------------


def test_handlers_are_called_in_order_with_their_own(ends):
    pipeline, server = welcomed(ends)
    first, second, third = SingleReply(), ListingReply(), SingleReply()
    pipeline.submit(Stat(id=pipeline.next_id(), path=(b"a",)), first)
    pipeline.submit(List(id=pipeline.next_id()), second)
    pipeline.submit(Stat(id=pipeline.next_id(), path=(b"b",)), third)
    pipeline.flush()
    assert [server.receive().id for _ in range(3)] == [1, 2, 3]
    assert pipeline.unanswered == 3
    server.send(info(1))
    server.send(Error(id=2, code=ErrorCode.NOT_FOUND))
    server.flush()
    pipeline.step()
    assert (first.message, second.complete, pipeline.unanswered) == (info(1), False, 2)
    pipeline.step()
    assert (second.error.code, third.complete, pipeline.unanswered) == (ErrorCode.NOT_FOUND, False, 1)
    server.send(info(3))
    server.flush()
    pipeline.settle()
    assert third.message == info(3)


def test_a_request_of_a_type_that_the_server_lacks_is_answered_in_its_turn_and_not_sent(ends):
    pipeline, server = welcomed(ends)
    replies = [SingleReply() for _ in range(5)]
    make = [Sum, Stat, Sum, Sum, Stat]
    for number, (kind, reply) in enumerate(zip(make, replies, strict=True), 1):
        assert pipeline.next_id() == number
        pipeline.submit(kind(id=number, path=(b"a",)), reply)
    assert [reply.complete for reply in replies] == [True, False, False, False, False]
    assert replies[0].message == Error(id=1, code=ErrorCode.UNSUPPORTED)
    pipeline.flush()
    assert [server.receive().id for _ in range(2)] == [2, 5]
    assert pipeline.unanswered == 4
    server.send(info(2))
    server.send(info(5))
    server.flush()
    pipeline.wait_for(replies[1])
    assert [reply.complete for reply in replies] == [True, True, True, True, False]
    pipeline.settle()
    assert [type(reply.message) for reply in replies] == [Error, Info, Error, Error, Info]


def test_polling_takes_what_is_there_and_never_waits(ends):
    pipeline, server = welcomed(ends)
    answer = SingleReply()
    pipeline.poll()
    pipeline.submit(Stat(id=pipeline.next_id(), path=(b"a",)), answer)
    pipeline.flush()
    pipeline.poll()
    assert not answer.complete
    server.receive()
    server.send(info(1))
    server.flush()
    while not answer.complete:
        pipeline.poll()
    assert answer.message == info(1)


def test_what_was_answered_before_the_connection_went_is_known(ends):
    """A copy that goes on over another connection must not do again what is done."""
    pipeline, server = welcomed(ends)
    answers = [SingleReply() for _ in range(5)]
    for answer in answers:
        pipeline.submit(Stat(id=pipeline.next_id(), path=(b"a",)), answer)
    pipeline.flush()
    for number in range(1, 4):
        server.receive()
        server.send(info(number))
    server.receive()
    server.receive()
    server.flush()
    server.close()
    with pytest.raises(ConnectionLost):
        pipeline.settle()
    assert [answer.complete for answer in answers] == [True] * 3 + [False] * 2


def test_a_farewell_outlives_the_end_that_follows_it(ends):
    pipeline, server = welcomed(ends)
    pipeline.submit(Stat(id=pipeline.next_id(), path=(b"a",)), SingleReply())
    pipeline.flush()
    server.receive()
    server.send(Bye(code=ErrorCode.STOPPING))
    server.flush()
    server.close()
    with pytest.raises(ConnectionLost, match="stopping"):
        pipeline.settle()


@pytest.mark.parametrize(
    "answer", [Ok(id=1), Results(id=1, codes=(None,)), info(2)], ids=["OK", "RESULTS", "another id"]
)
def test_an_answer_that_fits_nothing_ends_the_session(answer):
    def play(wire):
        wire.receive()
        wire.send(WELCOME, answer)

    with fake_server(play) as port, session(port) as client:
        client.pipeline.submit(Stat(id=client.pipeline.next_id(), path=(b"a",)), SingleReply())
        with pytest.raises(ProtocolError):
            client.pipeline.settle()


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_wanted_is_cancelled_once_and_thrown_away(ends):
    pipeline, server = welcomed(ends)

    def refuse(_file):
        raise NotFound("mine")

    number = pipeline.next_id()
    handler = reading(pipeline, number, None, refuse)
    after = SingleReply()
    pipeline.submit(Read(id=number, path=(b"a",)), handler)
    pipeline.submit(Stat(id=pipeline.next_id(), path=(b"a",)), after)
    pipeline.flush()
    server.receive()
    server.receive()
    server.send(File(id=number, size=6, mtime_ns=0, mode=0))
    server.flush()
    pipeline.step()
    assert server.receive() == Cancel(id=number)
    assert not handler.complete, "its bytes are still to come"
    assert str(handler.problem) == "mine"
    for _ in range(2):
        server.send_data(lambda slots: slots[0].__setitem__(slice(0, 3), b"abc") or 3, 3)
    server.send(Abort(code=ErrorCode.CANCELLED) if number % 2 else End(size=6, digest=bytes(16)))
    server.send(info(2))
    server.flush()
    pipeline.settle()
    assert (handler.complete, handler.end, str(handler.problem)) == (True, None, "mine")
    assert after.message == info(2)


def test_a_file_whose_digest_differs_is_none(ends):
    pipeline, server = welcomed(ends)
    sink = MemorySink()
    handler = reading(pipeline, 1, sink)
    pipeline.submit(Read(id=pipeline.next_id(), path=(b"a",)), handler)
    pipeline.flush()
    server.receive()
    server.send(File(id=1, size=0, mtime_ns=0, mode=0))
    server.send(End(size=0, digest=bytes(16)))
    server.flush()
    pipeline.settle()
    assert handler.end is None
    assert "checksum" in str(handler.problem)
    assert sink.data is None, "a handler commits nothing"


def test_answers_to_others_are_taken_in_while_a_file_is_sent(ends):
    pipeline, server = welcomed(ends)
    before, answer = SingleReply(), SingleReply()
    pipeline.submit(Stat(id=pipeline.next_id(), path=(b"a",)), before)

    def serve():
        assert server.receive() == Stat(id=1, path=(b"a",))
        server.send(info(1))
        server.flush()
        assert isinstance(server.receive(), Write)
        while not isinstance(received := server.receive(), End):
            pass
        server.send(Ok(id=2, size=received.size, digest=received.digest))
        server.flush()

    def send():
        request = Write(id=pipeline.next_id(), path=(b"b",))
        source = MemorySource(DATA * 20, announced=False)
        end = pipeline.send_file(request, source, new_digest("xxh128"), answer, progress=unwatched)
        pipeline.settle()
        return end

    _, end = together(serve, send)
    assert end == End(size=len(DATA) * 20, digest=digest_of(DATA * 20))
    assert before.message == info(1)
    assert answer.message == Ok(id=2, size=end.size, digest=end.digest)


def test_a_source_that_fails_breaks_off_its_file_alone(ends):
    pipeline, server = welcomed(ends)
    answer = SingleReply()
    source = MemorySource(DATA, failure=FileError("mine"), fails_at=65536, chunk=65536)
    request = Write(id=pipeline.next_id(), path=(b"a",))
    with pytest.raises(FileError, match="mine"):
        pipeline.send_file(request, source, new_digest("xxh128"), answer, progress=unwatched)
    assert isinstance(server.receive(), Write)
    while not isinstance(received := server.receive(), Abort):
        pass
    assert received.code is ErrorCode.IO_ERROR
    server.send(Error(id=1, code=ErrorCode.CANCELLED))
    server.flush()
    pipeline.settle()
    assert answer.message.code is ErrorCode.CANCELLED


# --- keepalives -------------------------------------------------------------------------------------------------------


def test_keepalives_are_sent_as_long_as_one_caller_wants_them(ends):
    pipeline, _ = welcomed(ends)

    def running():
        return [thread for thread in threading.enumerate() if thread.name == "secftp-keepalive"]

    with pipeline.keepalive():
        with pipeline.keepalive():
            assert len(running()) == 1
        assert len(running()) == 1
    assert running() == []


# --- large answers one way, and much the other way ------------------------------------------------------------------

MUCH = 4 << 20  # more than the buffers of two channels take in while both send; those of the sockets are small here


def send_a_file(pipeline, number):
    digest, answer = new_digest("xxh128"), SingleReply()
    write = Write(id=number, path=(b"up",), size=MUCH)
    assert pipeline.send_file(write, MemorySource(bytes(MUCH)), digest, answer, progress=unwatched) is not None
    return answer


def ask_much(pipeline, number):
    answers = [SingleReply() for _ in range(MUCH // 4000)]
    for place, answer in enumerate(answers):
        pipeline.submit(Stat(id=number + place, path=(*(b"n" * 200,) * 20,)), answer)
    return answers[-1]


@pytest.mark.parametrize("much", [send_a_file, ask_much])
def test_a_large_answer_never_meets_as_much_that_is_sent(ends, much):
    """Each end would wait for the other to read, until both took the connection for dead."""
    client, server = ends.channels(small=True, timeout=5.0)
    pipeline = Pipeline(client)
    server.send(replace(WELCOME, limits=replace(WELCOME.limits, requests=2000)))
    server.flush()
    pipeline.await_welcome()

    def ask():
        sink = MemorySink()
        reading = FileReply(lambda _: sink, new_digest("xxh128"), subject="x", stop=lambda: None, progress=unwatched)
        pipeline.submit(Read(id=pipeline.next_id(), path=(b"big",)), reading)
        pipeline.flush()
        last = much(pipeline, pipeline.next_id())
        pipeline.settle()
        assert reading.end is not None
        return type(last.message)

    def answer():
        begin = server.receive()
        server.send(File(id=begin.id, size=MUCH, mtime_ns=0, mode=0))
        send_bytes(server, bytes(MUCH))
        server.send(End(size=MUCH, digest=digest_of(bytes(MUCH))))
        server.flush()
        while True:
            match server.receive():
                case Write(id=number):
                    received, end = receive_bytes(server)
                    server.send(Ok(id=number, size=len(received), digest=end.digest))
                    server.flush()
                    return
                case Stat(id=number):
                    server.send(info(number))
                    if not server.waiting():
                        server.flush()
                    if number == 1 + MUCH // 4000:
                        return

    said, _ = together(ask, answer)
    assert said in (Ok, Info)
