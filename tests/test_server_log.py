"""The server's log: its form, what never gets through it, and many who write at once."""

from __future__ import annotations

import io
import re
import sys
import threading

import pytest

from secftp.channel import Peer
from secftp.server.log import LONGEST_TEXT, Log
from tests.serving import Lines

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
    assert re.search({"ascii": r": \\xe4\\u4e2d\n", "latin-1": ": ä\\\\u4e2d\n", "utf-8": ": ä中\n"}[encoding], shown)


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
