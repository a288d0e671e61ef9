"""The server's log: its format, escaping, and many concurrent writers."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import sys
import threading
import time

import pytest

from secftp.errors import SecftpError, UsageError
from secftp.server.log import UNPROVED_LINES, Log, LogLevel
from secftp.server.log_format import LONGEST_TEXT, Operation
from secftp.server.log_output import open_log
from secftp.transport import Peer
from secftp.transport.tcp_info import TcpInfo
from tests.support.serving import Lines

STAMPED = r"!! (?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d: "
PEER = Peer("192.0.2.7", 4711)


def test_a_line_has_the_form_of_the_original():
    stream = io.StringIO()
    Log(stream).line("Listening @ 172.19.1.45 on port 8888")
    assert re.fullmatch(STAMPED + "Listening @ 172\\.19\\.1\\.45 on port 8888\n", stream.getvalue())


def test_the_time_is_the_local_one(monkeypatch):
    monkeypatch.setattr("time.strftime", lambda form: {"%H:%M:%S": "19:06:18"}[form])
    stream = io.StringIO()
    Log(stream).line("x")
    assert stream.getvalue() == "!! 19:06:18: x\n"


def test_a_session_s_line_tells_whose_it_is():
    stream = io.StringIO()
    Log(stream).session(12, PEER).line("Cipher: aes128")
    assert re.fullmatch(STAMPED + r"Cipher: aes128  \[12 192\.0\.2\.7:4711\]\n", stream.getvalue())


def test_only_printable_signs_get_out_whatever_a_caller_forgot():
    hostile = "".join(map(chr, range(256))) + "\u202e\u2028\u200b\ud800\udcff\U000e0001"
    stream = io.StringIO()
    log = Log(stream)
    log.line(hostile)
    log.session(1, PEER).line(hostile)
    lines = stream.getvalue().split("\n")
    assert len(lines) == 3
    assert lines[2] == ""
    assert all(line.isprintable() for line in lines)
    assert all("ABCDEFGHIJKLMNOPQRSTUVWXYZ" in line for line in lines[:2]), "what is printable stays"


def test_a_long_text_is_cut_but_not_whose_it_is():
    stream = io.StringIO()
    Log(stream).session(3, PEER).line("n" * 100_000)
    line = stream.getvalue()
    assert len(line) < LONGEST_TEXT + 100
    assert line.endswith("n...  [3 192.0.2.7:4711]\n")


def test_a_text_of_the_longest_length_is_not_cut():
    stream = io.StringIO()
    Log(stream).session(3, PEER).line("n" * LONGEST_TEXT)
    assert "..." not in stream.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_an_encoding_does_not_have_is_escaped(encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    Log(stream).line("ä中")
    shown = raw.getvalue().decode(encoding)
    assert re.search({"ascii": r": \\u00e4\\u4e2d\n", "latin-1": ": ä\\\\u4e2d\n", "utf-8": ": ä中\n"}[encoding], shown)


def test_it_writes_to_standard_output_as_that_is_now(capsys):
    Log().line("x")
    assert re.fullmatch(STAMPED + "x\n", capsys.readouterr().out)


class _Broken(io.StringIO):
    def write(self, _text):
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [_Broken(), "closed", "none"], ids=["broken pipe", "closed", "none at all"])
def test_a_log_that_can_not_be_written_is_let_go(stream, monkeypatch):
    if stream == "none":
        monkeypatch.setattr(sys, "stdout", None)
        Log().line("x")
        return
    if stream == "closed":
        stream = io.StringIO()
        stream.close()
    Log(stream).line("x")


def test_lines_of_many_threads_never_mix():
    stream = Lines()
    log = Log(stream)
    started = threading.Barrier(8)

    def write(number):
        mine = log.session(number, PEER)
        started.wait()
        for count in range(200):
            mine.line(f"{number} {count} " + "x" * 100)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = stream.text.splitlines()
    assert len(lines) == 1600
    for number in range(8):
        mine = [line for line in lines if line.endswith(f"  [{number} 192.0.2.7:4711]")]
        assert [int(re.match(rf"{STAMPED}{number} (\d+) x{{100}}  ", line)[1]) for line in mine] == list(range(200))


# --- levels, limits, programs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("least", list(LogLevel), ids=lambda level: level.name)
def test_what_is_below_the_level_is_left_out(least):
    stream = io.StringIO()
    log = Log(stream, level=least)
    for level in LogLevel:
        log.line(level.name, level)
    told = re.findall(f"{STAMPED}([A-Z]+)\n", stream.getvalue())
    assert told == [level.name for level in LogLevel if level >= least]


def test_lines_that_come_together_are_written_at_one_go():
    class Counting(io.StringIO):
        writes = 0

        def write(self, text):
            Counting.writes += 1
            return super().write(text)

    stream = Counting()
    Log(stream).session(1, PEER).lines(f"line {number}" for number in range(100))
    assert Counting.writes == 1
    assert len(stream.getvalue().splitlines()) == 100


class _Clock:
    """A monotonic clock that goes when it is told to."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr("secftp.server.log.time.monotonic", lambda: self.now)


def test_a_limit_is_told_once_in_ten_seconds_and_those_between_are_counted(monkeypatch):
    clock = _Clock(monkeypatch)
    stream = io.StringIO()
    log = Log(stream)
    for _ in range(1000):
        log.limit("pending", "Too many.")
    log.limit("other", "Another.")
    clock.now += 9.9
    log.session(3, PEER).limit("pending", "Too many.")
    clock.now += 0.2
    log.session(3, PEER).limit("pending", "Too many.")
    told = [line.split(": ", 1)[1] for line in stream.getvalue().splitlines()]
    assert told == [
        "Too many.",
        "Another.",
        "Too many.  [3 192.0.2.7:4711] (and 1000 more since the last such line)",
    ]


def test_clients_that_have_proved_nothing_can_not_fill_the_disk(monkeypatch):
    clock = _Clock(monkeypatch)
    stream = io.StringIO()
    log = Log(stream)
    for number in range(UNPROVED_LINES + 5000):
        log.session(number, PEER).line("Client connected: 192.0.2.7")
    assert stream.getvalue().count("Client connected") == UNPROVED_LINES
    assert stream.getvalue().count("are omitted: there are too many") == 1
    proved = log.session(1, PEER)
    proved.proved = True
    proved.line("Client requesting filename: x")
    log.line("The server's own")
    assert "filename: x" in stream.getvalue()
    assert "The server's own" in stream.getvalue()
    clock.now += 1
    for number in range(1000):
        log.session(number, PEER).line("Client connected: 192.0.2.7")
    assert stream.getvalue().count("Client connected") == UNPROVED_LINES + 50


def test_neither_can_they_with_events(monkeypatch):
    """Programs get other lines, which take as much room; those of a client that has proved a key are not counted."""
    _Clock(monkeypatch)
    stream = io.StringIO()
    log = Log(stream, json=True)
    for number in range(UNPROVED_LINES + 500):
        log.session(number, PEER).event("connected")
    assert stream.getvalue().count('"connected"') == UNPROVED_LINES
    proved = log.session(1, PEER)
    proved.proved = True
    for _ in range(100):
        proved.event("operation")
    assert stream.getvalue().count('"operation"') == 100


class _Counter:
    def __init__(self):
        self.seen = []

    def __getattr__(self, name):
        return lambda *what: self.seen.append((name, *what))


def test_counters_get_every_event_whatever_is_left_out_of_the_log(monkeypatch):
    _Clock(monkeypatch)
    counter = _Counter()
    log = Log(io.StringIO(), level=LogLevel.ERROR, counter=counter)
    one = log.session(1, PEER)
    one.cipher = "aes256"
    done = Operation("read", (b"x",), "ok", 0.1, 5)
    one.handshake("ok")
    one.operations([done, done])
    for _ in range(3):
        log.limit("pending", "Too many.")
    assert counter.seen == [("handshake", "ok"), *[("operation", done, "aes256")] * 2, *[("limit", "pending")] * 3]


def _events(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_for_programs_each_line_is_an_object_in_ascii():
    stream = io.StringIO()
    log = Log(stream, json=True)
    log.lines(["ä\u202e", "second\n"])
    log.limit("pending", "Too many.")
    one = log.session(12, PEER)
    one.line("for people")
    one.event("connected")
    one.key = "me"
    one.operations([Operation("rename", (b"a", b"\xff"), "ok", 0.1234567, to=(b"b", "ä".encode()))])
    assert stream.getvalue().isascii()
    found = _events(stream)
    assert [(event["level"], event["event"]) for event in found] == [
        ("info", "message"),
        ("info", "message"),
        ("warning", "limit"),
        ("info", "connected"),
        ("info", "operation"),
    ]
    assert [event.get("text") for event in found[:3]] == ["ä?", "second?", "Too many."]
    assert found[2]["left_out"] == 0
    mine = {"session": 12, "peer": "192.0.2.7:4711"}
    assert found[3].items() >= (mine | {"name": ""}).items()
    assert found[4].items() >= (mine | {"name": "me", "operation": "rename", "path": r"a/\xff"}).items()
    assert (found[4]["path_base64"], found[4]["to"], found[4]["seconds"]) == ("YS//", "b/ä", 0.123457)
    assert "checksum" not in found[4]


def test_what_compression_has_saved_is_there_if_it_has():
    stream = io.StringIO()
    done = [Operation("read", (b"a",), "ok", 0.0, 1000, saved=saved) for saved in (0, 600)]
    Log(stream, json=True).session(1, PEER).operations(done)
    plain, compressed = _events(stream)
    assert "saved_bytes" not in plain
    assert (compressed["bytes"], compressed["saved_bytes"]) == (1000, 600)


def test_a_part_of_a_file_says_where_it_begins_and_a_version_stays_here():
    stream = io.StringIO()
    done = Operation("read", (b"a",), "cancelled", 0.0, 1000, at=500, version=b"secret", held=500)
    Log(stream, json=True).session(1, PEER).operations([done])
    (event,) = _events(stream)
    assert (event["at"], event["bytes"]) == (500, 1000)
    assert not {"version", "held"} & set(event)


@pytest.mark.parametrize("hostile", [bytes(range(256)), "\u202e\u2028\u200b\ud800".encode("utf-8", "surrogatepass")])
def test_no_path_breaks_out_of_its_object(hostile):
    stream = io.StringIO()
    Log(stream, json=True).session(1, PEER).operations([Operation("read", (hostile,), "ok", 0.0)])
    (event,) = _events(stream)
    assert stream.getvalue()[:-1].isprintable()
    path = event.get("path_base64")
    assert (base64.b64decode(path) if path else event["path"].encode()) == hostile


def test_a_log_goes_on_in_another_stream():
    first, second = io.StringIO(), io.StringIO()
    log = Log(first)
    log.line("one")
    assert log.reopen(second) is first
    log.line("two")
    assert ("one" in first.getvalue(), "two" in first.getvalue(), "two" in second.getvalue()) == (True, False, True)


def test_lines_without_a_reader_are_dropped_counted_and_told_of_and_no_caller_waits_for_long():
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as pipe, open(writer, "w", encoding="utf-8") as stream:
        log = Log(stream)
        began = time.monotonic()
        for number in range(1000):
            log.line(f"line {number} " + "x" * 200)
        assert time.monotonic() - began < 10, "one wait, and not one for each line"
        os.set_blocking(reader, False)
        said = b""
        while chunk := pipe.read(65536):
            said += chunk
        log.line("the next")
        said += pipe.read(65536)
    lines = said.decode().splitlines()
    assert all(re.match(STAMPED, line) for line in lines), "whole lines only"
    kept = sum("line " in line for line in lines)
    assert 0 < kept < 1000
    assert lines[-2].endswith(": the next")
    assert lines[-1].endswith(f": Before this, {1000 - kept} lines were lost: the output did not accept them.")


def test_a_line_that_is_longer_than_a_pipe_s_buffer_delays_no_caller_either():
    """No client can make one any more, but a pipe takes 512 bytes without a wait where POSIX promises no more."""
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as pipe, open(writer, "w", encoding="utf-8") as stream:
        log = Log(stream, json=True)
        session = log.session(1, PEER)
        session.proved = True
        line = json.dumps({"time": "x" * 40_000}) + "\n"
        tells = threading.Thread(target=lambda: [log.write(line) for _ in range(20)], daemon=True)
        tells.start()
        tells.join(10)
        held_up = tells.is_alive()
        os.set_blocking(reader, False)
        said = b""
        while chunk := pipe.read(65536):
            said += chunk
        assert not held_up
        session.event("next")
        said += pipe.read(65536)
    *whole, torn, after, lost, _ = said.decode().split("\n")
    assert all(f"{told}\n" == line for told in whole)
    assert torn.startswith('{"time"')
    assert json.loads(after)["event"] == "next"
    assert (
        json.loads(lost)["text"] == f"Before this, {20 - len(whole)} lines were lost: the output did not accept them."
    )


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path):
    """The served directory, in which no log may be."""
    (tmp_path / "root").mkdir()
    return os.fspath(tmp_path / "root")


def test_a_pipe_with_a_reader_is_no_log_file(tmp_path, root):
    """Opening it works, unlike that of one without; a reader that stops would hold up the server."""
    os.mkfifo(tmp_path / "log")
    reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(UsageError, match="not a regular file"):
            open_log(os.fspath(tmp_path / "log"), root)
    finally:
        os.close(reader)


def test_a_log_file_is_not_in_the_served_directory(root):
    """Clients could read it, or put a name of theirs in its place."""
    with pytest.raises(SecftpError):
        open_log(os.path.join(root, "log"), root)
    assert os.listdir(root) == []


def test_a_device_is_no_log_file(root):
    with pytest.raises(UsageError, match="not a regular file"):
        open_log("/dev/null", root)


def test_a_log_file_is_private_and_appended_to(tmp_path, root):
    path = tmp_path / "log"
    before = os.umask(0)
    try:
        for _ in range(2):
            with open_log(os.fspath(path), root) as stream:
                stream.write("line\n")
    finally:
        os.umask(before)
    assert path.read_text() == "line\n" * 2
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("additional", [True, False])
@pytest.mark.parametrize("as_json", [True, False])
def test_the_end_of_a_session_says_what_its_connection_was_like(additional, as_json):
    info = TcpInfo(round_trip=0.1000001, retransmits=7, delivery_rate=1234, congestion="reno")
    stream = io.StringIO()
    log = Log(stream, json=as_json, level=LogLevel.INFO if as_json else LogLevel.DEBUG).session(1, PEER)
    log.proved = True
    log.end(info, additional=additional)
    text = stream.getvalue()
    if as_json:
        (event,) = map(json.loads, text.splitlines())
        assert event["event"] == "disconnected"
        fields = ("round_trip", "retransmits", "delivery_rate", "congestion", "additional")
        assert [event[name] for name in fields] == [0.1, 7, 1234, "reno", additional]
        return
    said, done = text.splitlines()
    words = "round trip 0.100000 s, retransmits 7, delivery rate 1234 B/s, congestion control reno."
    assert f": {'Additional connection' if additional else 'Connection'}: {words}  [1 " in said
    assert ": Done.  [1 " in done


def test_at_the_usual_level_the_text_says_nothing_of_the_connection():
    stream = io.StringIO()
    log = Log(stream).session(1, PEER)
    log.proved = True
    log.end(TcpInfo(round_trip=0.1))
    assert stream.getvalue().count("\n") == 1
