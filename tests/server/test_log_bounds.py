"""Bounds of the log for an authenticated client: 1 MiB a minute beyond one line for each file, and 4 KiB a line."""

from __future__ import annotations

import contextlib
import io
import json
import re
import threading

import pytest

from secftp.errors import FileError
from secftp.protocol import (
    Algorithm,
    Copy,
    List,
    MakeDirectory,
    Read,
    ReadMany,
    Remove,
    Rename,
    SetAttributes,
    Space,
    Stat,
    Sum,
    Write,
    WriteMany,
)
from secftp.protocol.requests import NewFile
from secftp.server.access import Access
from secftp.server.log import FileLine, Log
from secftp.server.log_format import LONGEST_LINE, Operation
from secftp.server.log_limits import SESSION_BYTES, SOURCE_BYTES, SOURCES_MAX, ByteBudget, SourceBudgets
from secftp.server.server import FileServer
from secftp.storage import LocalStore
from secftp.transport import Peer, listen
from tests.support.serving import DEADLINE, HOST, KEY, Lines, Running, digest_of

pytestmark = pytest.mark.exhaustive

MIB = 1 << 20
PEER = Peer("192.0.2.7", 4711)
LONG = (b"\xff" * 255,) * 15
WIDE = ("\U0001f600".encode() * 63,) * 15
# Requests with the longest lines, in text and in JSON, which take more than a session's share of the log.
FLOOD = {False: 600, True: 300}
FORMATS = pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])


@contextlib.contextmanager
def logging_server(root, *, as_json, **rules):
    """As `serving`, with the log in either format."""
    log = Lines()
    with contextlib.closing(LocalStore(root)) as files:
        server = FileServer(files, Access(KEY, **rules), Log(log, json=as_json))
        listener = listen([HOST], 0)
        thread = threading.Thread(target=server.serve, args=(listener,), name="server under test")
        thread.start()
        try:
            yield Running(server, listener.port, root, log)
        finally:
            server.stop()
            server.stop()
            thread.join(DEADLINE)


REQUESTS = {
    "stat": lambda number: Stat(id=number, path=LONG),
    "list": lambda number: List(id=number, path=LONG),
    "remove": lambda number: Remove(id=number, path=LONG),
    "rename": lambda number: Rename(id=number, path=LONG, to=LONG),
    "space": lambda number: Space(id=number, path=LONG),
    "copy": lambda number: Copy(id=number, path=LONG, to=LONG),
    "mkdir": lambda number: MakeDirectory(id=number, path=LONG),
    "sum": lambda number: Sum(id=number, path=LONG),
    "setattr": lambda number: SetAttributes(id=number, path=LONG, mtime_ns=0),
    "read": lambda number: Read(id=number, path=LONG),
    "readmany": lambda number: ReadMany(id=number, paths=(LONG, WIDE, (b"none",))),
}


@FORMATS
@pytest.mark.parametrize("name", REQUESTS)
def test_requests_that_fail_make_no_more_than_their_share(tmp_path, monkeypatch, name, as_json):
    # On a busy machine the budgets would be refilled faster than the requests are answered.
    monkeypatch.setattr(ByteBudget.__init__, "__defaults__", (lambda: 0.0,))
    with logging_server(tmp_path, as_json=as_json) as server, server.hostile() as wire:
        wire.welcome()
        number = 0
        while number < FLOOD[as_json]:
            batch = range(number + 1, number + 51)
            for number in batch:
                wire.send(REQUESTS[name](number))
            answered = 0
            while answered < len(batch):
                wire.receive()
                answered += 1
        wire.close()
        server.log.wait_for(r"Done\.|disconnected")
    assert len(server.log.text.encode()) <= MIB
    assert max(len(line.encode()) for line in server.log.text.split("\n")) <= 4096
    if as_json:
        events = [json.loads(line) for line in server.log.text.splitlines()]
        told = [event for event in events if event["event"] == "operation"]
        left_out = sum(event["left_out"] for event in events if event["event"] == "left_out")
        assert len(told) + left_out == number * (3 if name == "readmany" else 1)
    else:
        told = len(re.findall(r"Refused: ", server.log.text)) + len(
            re.findall(r": Client (?:req|ask)", server.log.text)
        )
        left_out = sum(map(int, re.findall(r"Before this, (\d+) lines", server.log.text)))
        assert 0 <= told + left_out - 2 * number * (3 if name == "readmany" else 1) <= 1, (
            "how it ended may be left out, too"
        )
    assert left_out > 0


@FORMATS
@pytest.mark.parametrize("many", [False, True])
def test_each_file_that_is_moved_has_its_line_whatever_is_left_out(tmp_path, as_json, many):
    count = 400
    with logging_server(tmp_path, as_json=as_json) as server, server.hostile() as wire:
        wire.welcome()
        for number in range(1, FLOOD[as_json] + 1):  # which use the share up
            wire.send(Stat(id=number, path=LONG))
            wire.receive()
        for number in range(count):
            ident, name, data = 2000 + number, b"file %d" % number, b"%d" % number
            if many:
                file = NewFile(path=(name,), data=data, digest=digest_of(data))
                wire.send(WriteMany(id=ident, files=(file,), algorithm=Algorithm.XXH128, overwrite=True))
            else:
                wire.frame(*_encoded(Write(id=ident, path=(name,), size=len(data))))
                wire.queue_data(data)
                wire.send(_end(data))
            wire.receive()
        wire.close()
        server.log.wait_for(r"Done\.|disconnected")
    for number in range(count):
        digest = digest_of(b"%d" % number).hex()
        (line,) = [line for line in server.log.text.split("\n") if digest in line]
        assert f"file {number}" in line or "File confirmed" in line
    assert len(re.findall(r"file \d+", server.log.text)) >= count - 30
    assert len(server.log.text) <= MIB + 4096 * count


def _encoded(message):
    from secftp.protocol import encode

    return encode(message)


def _end(data):
    from secftp.protocol import End

    return End(size=len(data), digest=digest_of(data))


@FORMATS
def test_a_part_of_a_file_that_is_asked_for_without_end_is_no_file(tmp_path, as_json):
    (tmp_path / "name").write_bytes(b"contents")
    with logging_server(tmp_path, as_json=as_json) as server, server.session() as client:
        from tests.support.serving import MemorySink

        for _ in range(2500):
            with contextlib.suppress(FileError):
                client.read((b"name",), MemorySink(), offset=3, length=1)
    assert len(server.log.text) <= MIB
    assert "were omitted" in server.log.text or "left_out" in server.log.text


@FORMATS
def test_new_sessions_bring_no_new_room(as_json):
    """A client that connects again and again has the share of its source and key, and no other key's is touched."""
    stream = io.StringIO()
    log = Log(stream, json=as_json)

    def flood(number, key):
        session = log.session(number, PEER)
        session.proved, session.key = True, key
        for _ in range(1000):
            session.line("x" * 1000)
            session.operations([Operation("stat", LONG, "not_found", 0.0)])
        session.end()

    for number in range(30):
        flood(number, "mine")
    assert len(stream.getvalue()) <= SOURCE_BYTES + 30 * 3000 + MIB // 2
    before = len(stream.getvalue())
    flood(31, "another")
    assert len(stream.getvalue()) - before >= SESSION_BYTES // 2


def test_what_is_left_out_is_counted_once_there_is_room_again(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("secftp.server.log.ByteBudget", lambda most: ByteBudget(most, lambda: now[0]))
    stream = io.StringIO()
    log = Log(stream)
    session = log.session(1, PEER)
    session.proved = True
    for _ in range(2000):
        session.line("x" * 1000)
    told = len(re.findall("xxxx  ", stream.getvalue()))
    assert 400 < told < 500
    assert len(re.findall("Log lines of this session are omitted", stream.getvalue())) == 1
    now[0] = 60.0
    session.line("the next")
    lines = stream.getvalue().splitlines()
    assert f"Before this, {2000 - told} lines of this session were omitted.  [1 192.0.2.7:4711]" in lines[-2]
    assert "the next" in lines[-1]


def test_in_any_minute_there_is_no_more_than_a_mebibyte():
    now = [0.0]
    share = ByteBudget(SESSION_BYTES, lambda: now[0])
    passed = []
    while now[0] < 300:
        now[0] += 0.05
        passed += [now[0]] * share.take(1000) * 1
        passed += [now[0]] * share.take(1000)
    for start in range(240):
        assert 1000 * sum(start <= at < start + 60 for at in passed) <= MIB - 32768
    assert len(passed) * 1000 > 4 * SESSION_BYTES, "it comes in again"


@FORMATS
@pytest.mark.parametrize("path", [LONG, WIDE, (b"\x01" * 255,) * 15, (b"a" * 255,) * 15])
def test_no_line_is_longer_than_four_kibibytes(path, as_json):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    log = Log(stream, json=as_json)
    session = log.session(1, PEER)
    session.proved, session.key = True, "k" * 64
    for result in ("ok", "not_found"):
        session.operations([Operation("rename", path, result, 0.0, 1, bytes(32), path, moved=True)])
    name = b"/".join(path).decode("utf-8", "backslashreplace")
    session.lines([name, name, FileLine(name, name)])
    session.limit("idle", name)
    log.line(name * 3)
    log.limit("x", name * 3)
    stream.flush()
    lines = raw.getvalue().split(b"\n")
    assert len(lines) > 4
    assert max(map(len, lines)) < LONGEST_LINE
    if as_json:
        events = [json.loads(line) for line in lines if line]
        assert all("path" in event["cut"] for event in events if event["event"] == "operation")


def test_a_path_that_fits_is_exact_and_a_cut_one_is_told():
    stream = io.StringIO()
    session = Log(stream, json=True).session(1, PEER)
    session.proved = True
    session.operations([Operation("stat", (b"a" * 255,) * 10, "ok", 0.0), Operation("stat", LONG, "ok", 0.0)])
    short, long = map(json.loads, stream.getvalue().splitlines())
    assert short["path"] == "/".join(["a" * 255] * 10)
    assert "cut" not in short
    assert long["cut"].split() == ["path", "path_base64"]
    assert len(long["path_base64"]) % 4 == 0


def test_sources_are_bounded_and_one_network_has_one_share():
    sources = SourceBudgets()
    first = sources.share("192.0.2.1", "")
    assert sources.share("192.0.2.1", "") is first
    assert sources.share("192.0.2.1", "key") is not first
    assert sources.share("192.0.2.2", "") is not first
    assert sources.share("2001:db8::1", "") is sources.share("2001:db8::ffff:2", "")
    assert sources.share("2001:db8::1", "") is not sources.share("2001:db8:0:1::1", "")
    for number in range(3 * SOURCES_MAX):
        sources.share(f"10.0.{number // 256}.{number % 256}", "").take(1000)
    assert len(sources._budgets) <= SOURCES_MAX
    assert sources.share("fe80::1%eth0", "") is not sources.share("fe80:0:0:1::1", "")
    assert sources.share("a socket", "").take(SOURCE_BYTES)
