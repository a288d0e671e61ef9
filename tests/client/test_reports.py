"""Reports of `secftp get` and `put` as text, bar and JSON, and the resume command; without a server."""

from __future__ import annotations

import base64
import inspect
import json
import math
import os
import re
import subprocess

import pytest

from secftp.client import progress_bar, report_json
from secftp.client.commands.put import parse as parse_put
from secftp.client.copy_options import EVENTS
from secftp.client.copying import quoted, resume_command
from secftp.client.failures import PartialFailure
from secftp.client.progress_bar import FIRST_SECONDS, INTERVAL_SECONDS, CopyBar, render_file, render_whole
from secftp.client.report import CopyReport
from secftp.client.report_json import JsonReport
from secftp.client.report_text import BarReport, TextReport
from secftp.client.terminal import Terminal
from secftp.errors import (
    ConnectionLost,
    ExitCode,
    NotFound,
    Side,
)
from secftp.protocol import ErrorCode, exception_for
from secftp.storage.errors import failure
from secftp.transfer import ProgressListener, Summary

GB = 10**9
WATCHERS = [TextReport, BarReport, JsonReport]


def how(*options):
    return parse_put([*options, "file", "secftp://host/"]).settings.copy


def watchers_calls():
    return {name: call for name, call in vars(ProgressListener).items() if inspect.isfunction(call) and name[0] != "_"}


# --- the bar ----------------------------------------------------------------------------------------------------------


class Screen:
    """Two lines of a terminal, the cursor in one of them, as they look after all that was written."""

    def __init__(self, columns=80):
        self.columns = columns
        self.writes = 0
        self._lines = [[], []]
        self._row = self._at = 0

    def write(self, text):
        self.writes += 1
        for sign in re.findall(r"\x1b\[[AK]|.", text, re.DOTALL):
            line = self._lines[self._row]
            if sign == "\r":
                self._at = 0
            elif sign == "\n":
                self._row, self._at = self._row + 1, 0  # a terminal's driver returns the carriage
                assert self._row < 2, "a third line is begun"
            elif sign == "\x1b[A":
                self._row -= 1
                assert self._row >= 0, "above where it began"
            elif sign == "\x1b[K":
                del line[self._at :]
            else:
                assert sign.isprintable()
                assert self._at < self.columns - 1, "the last column stays free"
                line[self._at :] = [sign, *line[self._at + 1 :]]
                self._at += 1

    @property
    def lines(self):
        return ["".join(line).rstrip() for line in self._lines]


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def bar(monkeypatch):
    """A bar with its screen, clock and counts."""
    screen, clock, counts = Screen(), Clock(), CopyReport()
    monkeypatch.setattr(progress_bar, "terminal_columns", lambda: screen.columns)
    monkeypatch.setattr(progress_bar, "is_in_foreground", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    bar = CopyBar(screen.write, counts, clock=clock)
    bar_and_all = bar, screen, clock, counts
    clock.now += FIRST_SECONDS
    return bar_and_all


def test_a_copy_of_one_file_has_one_line(bar):
    bar, screen, _, counts = bar
    counts.files, counts.bytes = 1, 2 * GB
    counts.started(b"name", 2 * GB)
    counts.moved(GB)
    bar.update()
    assert re.fullmatch(r" 50 %  \[#+-+\]    1\.0 GB of 2\.0 GB +\d\.\d GB/s  0\.3 s left", screen.lines[0])
    assert screen.lines[1] == ""
    bar.clear()
    assert screen.lines == ["", ""]


def test_a_copy_of_several_has_one_for_the_file_and_one_for_the_whole(bar):
    bar, screen, clock, counts = bar
    counts.files, counts.bytes = 12, 4 * GB
    counts.started(b"folder/na\x1bme", 2 * GB)
    counts.moved(GB)
    counts.finished(b"x", 0, b"")
    bar.update()
    assert screen.lines[0] == "folder/na\\x1bme   50 % of 2.0 GB"
    assert screen.lines[1].startswith(" 25 %  ")
    assert screen.lines[1].endswith("1 of 12 files")
    clock.now += INTERVAL_SECONDS
    counts.started(b"n", 1)
    bar.update()
    assert screen.lines[0] == "n"
    bar.clear()
    assert screen.lines == ["", ""]
    clock.now += INTERVAL_SECONDS
    bar.update()
    bar.clear()
    bar.clear()
    assert screen.lines == ["", ""]


def test_the_time_before_the_first_answer_is_no_rate(bar):
    bar, screen, clock, counts = bar
    counts.files, counts.bytes = 1, GB
    for _ in range(10):
        clock.now += 1.0
        bar.update()
    assert re.search(r" -  - left$", screen.lines[0])
    clock.now += 1.0
    counts.moved(GB // 2)
    bar.update()
    assert re.search(r" 4\d\.\d MB/s  1\d s left$", screen.lines[0])


def test_it_is_drawn_as_seldom_as_the_other(bar):
    bar, screen, clock, counts = bar
    counts.files, counts.bytes = 2, GB
    counts.started(b"n", GB)
    for _ in range(1000):
        clock.now += 0.001
        counts.moved(1000)
        bar.update()
    assert 5 < screen.writes < 15


def test_a_dumb_terminal_gets_one_line_and_no_escape(bar, monkeypatch):
    _, screen, clock, counts = bar
    monkeypatch.setenv("TERM", "dumb")
    bar = CopyBar(screen.write, counts, clock=clock)
    clock.now += FIRST_SECONDS
    counts.files, counts.bytes = 2, GB
    counts.started(b"n", GB)
    bar.update()
    assert "of 2 files" in screen.lines[0]
    assert screen.lines[1] == ""
    bar.clear()
    assert screen.lines == ["", ""]


@pytest.mark.parametrize("files", [None, 1, 9_999_999])
def test_both_lines_fit_every_width(files):
    counts = CopyReport()
    counts.files, counts.bytes, counts.done_files = files, 999 * GB, 1_234_567
    counts.started("wide 漢字 ".encode() * 30, 999 * GB)
    counts.moved(123 * GB)
    for columns in range(200):
        for rate in (math.nan, 0.0, 1.5e9):
            assert len(render_whole(counts, rate, columns)) <= max(columns - 1, 0)
        assert len(render_file(counts, columns)) <= max(columns - 1, 0)


def test_what_is_more_than_was_planned_is_no_more_than_all():
    counts = CopyReport()
    counts.files, counts.bytes = 2, 10
    counts.moved(30)
    assert render_whole(counts, 1.0, 80).startswith("100 %")
    counts.moved(-50)
    assert render_whole(counts, 1.0, 80).startswith("  0 %")
    counts.files, counts.bytes = 0, 0
    assert render_whole(counts, 0.0, 80).startswith("100 %")


# --- people and programs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WATCHERS)
def test_every_call_of_a_copy_is_understood(kind):
    words = () if kind is JsonReport else ("Sent",)
    listener = kind(Terminal(), how(), *words)
    for name, call in watchers_calls().items():
        assert callable(getattr(listener, name))
        given = len(inspect.signature(getattr(listener, name)).parameters)
        assert given == len(inspect.signature(call).parameters) - 1, name


def people(*options, quiet=False):
    return TextReport(Terminal(quiet=quiet), how(*options), "Sent")


def test_only_who_shows_a_plan_asks_for_one():
    assert TextReport.planned is ProgressListener.planned
    assert BarReport.planned is not ProgressListener.planned
    assert JsonReport.planned is not ProgressListener.planned


def conclusion(summary, *options, reasons=()):
    listener = people(*options)
    for reason in reasons:
        listener.skipped(b"name", reason)
    listener.ended(summary)
    return listener.conclusion()


def test_the_line_at_the_end():
    digest = bytes(range(16))
    assert conclusion(Summary(files=1, bytes=5, seconds=0.01, digest=digest)) == (
        "Sent 1 file, 5 B, xxh128:000102030405060708090a0b0c0d0e0f."
    )
    assert conclusion(Summary(files=20, bytes=3 * GB, seconds=6.0)) == "Sent 20 files, 3.0 GB in 6.0 s (500.0 MB/s)."
    assert conclusion(Summary(skipped=2), reasons=["it exists already"] * 2) == (
        "Sent nothing; 2 skipped: it exists already."
    )
    assert conclusion(Summary(files=1, bytes=5, failed=2)) == "Sent 1 file, 5 B; 2 failed."
    assert conclusion(Summary(files=2, bytes=5, seconds=9.0), "--dry-run") == "Sent 2 files, 5 B."


def test_notes_and_failures_are_lines(capfd):
    listener = people()
    listener.note(b"a\x1bb", "a link, left out")
    listener.failed(b"tree/x", NotFound("No such file: x", filename="x", side=Side.LOCAL))
    listener.failed(b"tree/y", exception_for(ErrorCode.NOT_FOUND, b"tree/y"))
    listener.ended(Summary(files=3, bytes=3, failed=2))
    with pytest.raises(PartialFailure) as caught:
        listener.conclude()
    assert caught.value.exit_code is ExitCode.FAILED
    assert capfd.readouterr().err == (
        "Note: a\\x1bb: a link, left out.\n"
        "secftp: tree/x: No such file: x\n"
        "secftp: tree/y: no such file or directory.\n"
        "Sent 3 files, 3 B; 2 failed.\n"
    )


def test_a_single_failure_is_itself_unless_something_else_was_done(capfd):
    for files, kind in ((0, NotFound), (1, PartialFailure)):
        listener = people()
        listener.failed(b"x", NotFound("No such file: x"))
        listener.ended(Summary(files=files, failed=1))
        with pytest.raises(kind) as caught:
            listener.conclude()
    assert str(caught.value) == "One failure, reported above."


def test_whose_failure_it_is():
    listener = people()
    here = listener.name_failure(b"a/x", failure(NotFound, "No such file", (b"x",)))
    assert (str(here), here.exit_code) == ("a/x: No such file: x", ExitCode.LOCAL_FILE)
    there = listener.name_failure(b"a/x", exception_for(ErrorCode.NOT_FOUND, b"a/x"))
    assert (str(there), there.exit_code) == ("a/x: no such file or directory.", ExitCode.NOT_FOUND)
    # A name may read like a sentence: what the words begin with decides nothing.
    for name in (b"No such file", b"a/x", b"x"):
        here = listener.name_failure(name, failure(NotFound, "No such file", (name,)))
        assert here.exit_code is ExitCode.LOCAL_FILE
        assert str(here).count(name.decode()) == 1 + (name == b"No such file")
        there = listener.name_failure(name, exception_for(ErrorCode.NOT_FOUND, b"dir/" + name))
        assert (str(there), there.exit_code) == (f"dir/{name.decode()}: no such file or directory.", ExitCode.NOT_FOUND)


def test_quiet_people_hear_of_failures_only(capfd):
    listener = people(quiet=True)
    listener.note(b"a", "a link, left out")
    listener.retrying(ConnectionLost("It is lost."), 1.0, 1, 2)
    listener.ended(Summary(files=1))
    listener.conclude()
    assert capfd.readouterr().err == ""


COMPRESSED = Summary(files=2, bytes=4000, compression=True, saved_bytes=3000)


def test_what_compression_has_saved(capfd):
    listener = people("-z")
    listener.ended(COMPRESSED)
    listener.conclude()
    assert capfd.readouterr().err == "Sent 2 files, 4.0 kB, compressed to 1.0 kB (4.0:1).\n"
    listener = people("--compress-level=19")
    listener.ended(Summary(files=1, bytes=5, compression=True))
    listener.conclude()
    assert capfd.readouterr().err == "Sent 1 file, 5 B.\n", "it was possible, and not worth it"


def test_a_server_without_compression_is_noted(capfd):
    for options, quiet, noted in (
        (["-z"], False, True),
        (["--compress-level=1"], False, True),
        (["-z"], True, False),
        ([], False, False),
    ):
        listener = people(*options, quiet=quiet)
        listener.ended(Summary(files=1, bytes=5))
        listener.conclude()
        said = capfd.readouterr().err
        assert ("Note: The server has no compression, so nothing was compressed.\n" in said) == noted


@pytest.mark.parametrize(
    ("summary", "told"),
    [
        (COMPRESSED, ("zstd", 3000, 4.0)),
        (Summary(files=1, bytes=10, compression=True), ("zstd", 0, 1.0)),
        (Summary(files=0, bytes=0, compression=True, saved_bytes=7), ("zstd", 7, None)),
        (Summary(files=1, bytes=10), (None, 0, None)),
    ],
)
def test_compression_in_an_event(summary, told, capfd):
    terminal = Terminal()
    terminal.json = True
    listener = JsonReport(terminal, how("-z"))
    listener.ended(summary)
    listener.conclude()
    (event,) = (json.loads(line) for line in capfd.readouterr().err.splitlines())
    assert (event["compression"], event["saved_bytes"], event["ratio"]) == told


def test_a_dry_run_prints_names(capfd):
    listener = people("--dry-run")
    for number in range(501):
        listener.finished(b"%d\x1b" % number, 1, None)
    assert capfd.readouterr().out.count("\n") == 500
    listener.ended(Summary(files=501, bytes=501))
    listener.conclude()
    assert capfd.readouterr().out == "500\\x1b\n"


def test_what_stands():
    counts = CopyReport()
    assert counts.status() == "Nothing is complete yet."
    counts.finished(b"x", 1, None)
    assert counts.status() == "1 file complete."
    counts.files, counts.bytes = 3, 10
    counts.moved(4)
    assert counts.status() == "1 of 3 files are complete (4 B of 10 B)."
    counts.files, counts.done_files = 1, 0
    assert counts.status() == "The file is not complete (4 B of 10 B)."


def test_events_are_the_documented_ones(capfd, monkeypatch):
    monkeypatch.setattr(report_json, "INTERVAL_SECONDS", 0.0)
    terminal = Terminal()
    terminal.json = True
    listener = JsonReport(terminal, how())
    listener.planned(2, 10)
    listener.planned(1, 6)
    listener.started(b"na\xffme", 6)
    listener.resumed(b"na\xffme", 2)
    listener.moved(4)
    listener.finished(b"na\xffme", 6, b"\1\2")
    listener.skipped(b"x", "it exists already")
    listener.note(b"x", "a link, left out")
    listener.failed(b"x\x1b", failure(NotFound, "No such file", (b"x",)))
    listener.retrying(ConnectionLost("It is lost."), 1.26, 1, 2)
    terminal.waiting()
    listener.ended(Summary(files=1, bytes=4, skipped=1, failed=1, seconds=1.5, digest=b"\1\2"))
    with pytest.raises(PartialFailure) as caught:
        listener.conclude()
    terminal.say("for people")
    terminal.complain(caught.value)
    terminal.status, terminal.resume = "1 file complete.", "secftp put --resume"
    terminal.stopped("Interrupted", 130)
    text = capfd.readouterr().err
    assert text.isascii()
    events = [json.loads(line) for line in text.splitlines()]
    rate = events[3].pop("rate")
    left = events[3].pop("seconds_left")
    assert rate >= 0
    assert left >= 0
    assert "Waiting for the server" in events[9].pop("message")
    unknown = dict.fromkeys(("streams", "round_trip", "retransmits", "congestion"))  # the connections are not counted
    name = {"name": "na\\xffme", "name_base64": base64.b64encode(b"na\xffme").decode()}
    assert events == [
        {"event": "planned", "files": 2, "bytes": 10},
        {"event": "started", **name, "size": 6},
        {"event": "resumed", **name, "bytes": 2},
        {"event": "progress", "files": 0, "bytes": 6, "files_planned": 1, "bytes_planned": 6, **unknown},
        {"event": "finished", **name, "size": 6, "checksum": "0102"},
        {"event": "skipped", "name": "x", "reason": "it exists already"},
        {"event": "note", "name": "x", "text": "a link, left out"},
        {"event": "failed", "name": "x\x1b", "message": "x\\x1b: No such file: x", "exit_code": 13},
        {"event": "retrying", "message": "It is lost.", "attempt": 1, "attempts": 2, "pause": 1.3},
        {"event": "waiting"},
        {
            "event": "ended",
            "files": 1,
            "bytes": 4,
            "skipped": 1,
            "failed": 1,
            "left_out": 0,
            "special_bits": 0,
            "times_changed": 0,
            "modes_changed": 0,
            "seconds": 1.5,
            "checksum": "0102",
            "algorithm": "xxh128",
            **unknown,
            "compression": None,
            "saved_bytes": 0,
            "ratio": None,
        },
        {
            "event": "error",
            "message": "One failure, reported above.",
            "hint": "Everything else was done.",
            "exit_code": 1,
        },
        {
            "event": "interrupted",
            "reason": "Interrupted",
            "complete": "1 file complete.",
            "resume": "secftp put --resume",
            "exit_code": 130,
        },
    ]
    documented = dict(re.findall(r"^  (\w+)  +(.*(?:\n      .*)*)", EVENTS, re.MULTILINE))
    assert set(documented) == {event["event"] for event in events}
    events[9]["message"] = ""
    for event in events:
        words = set(re.findall(r"\w+", documented[event["event"]]))
        assert set(event) - {"event", "name_base64"} <= words, event


# --- the resume command -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        (["put", "a", "secftp://h/"], "put --resume --update a secftp://h/"),
        (["-q", "put", "a b", "secftp://h/"], "-q put --resume --update 'a b' secftp://h/"),
        (["put", "--resume", "a", "secftp://h/"], "put --update --resume a secftp://h/"),
        (["get", "secftp://h/a", "--", "--resume"], "get --resume --update secftp://h/a -- --resume"),
        (["--limit", "put", "put", "a"], "--limit put put --resume --update a"),
    ],
)
def test_the_command_that_goes_on(typed, command, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/secftp", *typed])
    assert resume_command(typed, ["--resume", "--update"]) == f"secftp {command}"


def test_it_begins_as_the_program_was_called(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/x/secftp/client/__main__.py"])
    assert re.fullmatch(r"python[\d.]* -m secftp\.client get --resume", resume_command(["get"], ["--resume"]))


@pytest.mark.parametrize(
    "name",
    [
        b"plain",
        b"a b",
        b"it's",
        b"\xff\xfe",
        b"new\nline",
        b"\x1b[2J",
        b"\\x41",
        b"$HOME",
        "umläut".encode(),
        b"!",
        b"*",
        b"$'",
        bytes(range(1, 256)),
    ],
)
def test_words_survive_a_shell(name):
    word = quoted(os.fsdecode(name))
    assert word.isprintable()
    command = ["bash", "-c", f"printf %s {word}"]
    shown = subprocess.run(command, capture_output=True, check=True, timeout=20, env={"LC_ALL": "C"})
    assert shown.stdout == name
