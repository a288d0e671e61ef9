"""Progress of commands that make many requests, and `--progress` of every command."""

from __future__ import annotations

import contextlib
import json
import threading

import pytest

from secftp.client import progress_bar
from secftp.client.__main__ import main
from secftp.client.commands import COMMANDS
from secftp.client.failures import Failures
from secftp.client.progress_bar import render_counts
from secftp.client.request_progress import EventBar, RequestProgress
from secftp.client.terminal import Terminal
from secftp.errors import ExitCode, NotFound
from secftp.text import width
from tests.client.test_progress_bar import Clock, Screen


def events(errors):
    return [json.loads(line) for line in errors.splitlines()]


# --- the line ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch):
    """A progress that is drawn by calling `tick`, its clock, and the screen."""
    screen, clock, terminal = Screen(), Clock(), Terminal()
    monkeypatch.setattr(progress_bar, "terminal_columns", lambda: screen.columns)
    monkeypatch.setattr(progress_bar, "is_in_foreground", lambda: True)
    monkeypatch.setattr(terminal, "draw", screen.write)
    failures = Failures(lambda _problem: None)
    return RequestProgress(terminal, "removed", "entries", failures, clock=clock), clock, screen, terminal


def test_what_was_counted_is_drawn(shown):
    progress, clock, screen, _ = shown
    clock.now += 4.0
    progress.tick()
    assert screen.line == "", "the key may just be typed"
    progress.now()
    progress.tick()
    assert screen.line == "0 removed  4.0 s"
    for _ in range(100):
        progress.now((b"tree", b"na\x1bme"))
        progress.add()
    progress.tick()
    assert screen.line == "100 removed  25 a second  4.0 s  tree/na\\x1bme"
    progress.clear()
    assert screen.line == ""


def test_after_it_was_erased_it_waits_for_the_command(shown):
    progress, _, screen, _ = shown
    progress.now()
    progress.tick()
    progress.clear()
    writes = screen.writes
    progress.tick()
    assert (screen.line, screen.writes) == ("", writes)
    progress.add()
    progress.tick()
    assert screen.line.startswith("1 removed")


def test_a_name_of_wide_characters_is_erased_as_a_whole(shown):
    progress, _, screen, _ = shown
    progress.now("日本語の名前".encode())
    progress.tick()
    progress.now(b"a")
    progress.tick()
    assert screen.line.split()[-1] == "a"


@pytest.mark.parametrize("columns", [*range(1, 90), 200])
def test_it_fits_any_terminal(columns):
    for name in ("", "short", "long/" * 50, "日本語" * 40, "\x1b" * 90):
        for number, nbytes, seconds in ((0, None, 0.0), (10**9, 10**18, 1e6), (5, 0, 0.1)):
            assert width(render_counts(number, "compared", nbytes, seconds, name, columns)) < columns


def test_the_counts_are_kept_whatever_happens(shown):
    progress, _, _, terminal = shown
    with contextlib.suppress(NotFound), progress:
        progress.add(3, nbytes=10)
        raise NotFound("It failed.")
    assert terminal.counts == {"entries": 3, "bytes": 10, "failed": 0}


def test_without_a_terminal_there_is_no_thread(capfd):
    before = threading.active_count()
    with Terminal().counting("removed", "entries", Failures(lambda _problem: None)) as progress:
        assert threading.active_count() == before
        progress.add()
    assert capfd.readouterr() == ("", "")


# --- events -----------------------------------------------------------------------------------------------------------


def test_events_while_a_command_waits(capfd):
    terminal = Terminal()
    terminal.json, terminal.shows = True, "json"
    failures = Failures(lambda _problem: None)
    with RequestProgress(terminal, "summed", "files", failures, clock=Clock()) as progress:
        progress.add(2)
        progress.tick()
        failures.add(NotFound("It failed."))
    first, last = events(capfd.readouterr().err)
    assert first == {"event": "progress", "files": 2, "failed": 0, "seconds": 0.0}
    assert last.pop("seconds") >= 0
    assert last == {"event": "ended", "files": 2, "bytes": None, "failed": 1}


def test_events_of_one_file(capfd, monkeypatch):
    terminal, clock = Terminal(), Clock()
    bar = EventBar(terminal)
    monkeypatch.setattr(bar, "_clock", clock)
    bar._due = clock.now + 1
    bar(1, 10)
    clock.now += 2
    bar._reported = (clock.now - 1, 0)
    bar(5, 10)
    bar(6, 10)
    assert events(capfd.readouterr().err) == [
        {"event": "progress", "bytes": 5, "bytes_planned": 10, "rate": 5, "seconds_left": 1.0}
    ]


# --- every command ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("words", [["--xyzzy"], []])
def test_a_usage_error_is_one_event(command, words, capfd):
    """The last value of --progress counts."""
    code = main([command, "--progress", "none", *words, "--progress=json"])
    out, err = capfd.readouterr()
    (event,) = events(err)
    if not words and code == ExitCode.OK:  # some need no argument
        assert event["event"] == "ended"
    else:
        assert (event["event"], event["exit_code"], out) == ("error", code, "")
        assert event["message"]


def test_a_value_of_progress_that_there_is_not(capfd):
    assert main(["keygen", "--progress", "jso"]) == ExitCode.USAGE
    assert capfd.readouterr().err.startswith("secftp: --progress must be auto, json or none.\n")


def test_the_word_of_a_command_that_is_unknown(capfd):
    assert main(["reed", "--progress", "json"]) == 2
    assert [event["message"] for event in events(capfd.readouterr().err)] == ["Unknown command."]


def test_each_command_says_what_it_has_done(secftp, root, tmp_path):
    for name in ("a", "b", "c"):
        (root / "tree" / name).mkdir(parents=True)
        (root / "tree" / name / "file").write_bytes(b"123")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "file").write_bytes(b"123")
    want = ["--progress", "json"]

    def last(*words, code=0):
        result = secftp(words[0], *want, *words[1:])
        assert result.code == code, result.errors
        found = events(result.errors)
        assert [event["event"] for event in found].count("ended") == 1
        assert found[0]["event"] == "ended", "it takes no time"
        found[0].pop("seconds")
        return found[0]

    assert last("sum", "//tree") == {"event": "ended", "files": 3, "bytes": None, "failed": 0}
    assert last("verify", tmp_path / "copy", "//tree/a") == {
        "event": "ended", "differences": 0, "files": 1, "bytes": 3, "failed": 0,
    }  # fmt: skip
    assert last("verify", tmp_path / "copy", "//tree", code=1)["differences"] == 4
    assert last("mkdir", "//new") == {"event": "ended"}
    assert last("mv", "//new", "//old") == {"event": "ended"}
    assert last("stat", "//old") == {"event": "ended"}
    assert last("rm", "-r", "//tree", "//old") == {"event": "ended", "entries": 8, "bytes": None, "failed": 0}


def test_read_and_write(secftp, tmp_path, capfdbinary):
    (tmp_path / "a").write_bytes(b"123")
    endpoint = f"127.0.0.1:{secftp.server.port}"
    for words in (["write", "-i", tmp_path / "a"], ["read", "-o", tmp_path / "b"]):
        result = secftp(*words, "--progress", "json", "--checksum", "md5", "name", endpoint, "aes128")
        assert result.code == 0
        (event,) = events(result.errors)
        assert (event.pop("event"), event.pop("seconds") >= 0) == ("ended", True)
        assert event == {
            "files": 1, "bytes": 3, "checksum": "202cb962ac59075b964b07152d234b70", "algorithm": "md5",
        }  # fmt: skip


def test_after_failures_the_end_comes_before_the_error(secftp, root):
    (root / "a").write_bytes(b"")
    result = secftp("sum", "--progress", "json", "//a", "//b", "//c")
    assert [event["event"] for event in events(result.errors)] == ["failed", "failed", "ended", "error"]
