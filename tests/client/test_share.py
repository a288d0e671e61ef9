"""`secftp share` and `secftp receive` as commands: what stands on which terminal, and how they end."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import termios
from collections import Counter

import pytest

from secftp.client.__main__ import main
from secftp.client.commands import load
from secftp.errors import ExitCode, UsageError
from secftp.keys import write_key_file
from tests.support.command_line import ended, run, started, terminal
from tests.support.serving import DEADLINE, HOST, listing, until

COMMAND = re.compile(rf"^secftp (get|put FILE\.\.\.) (secftp://{re.escape(HOST)}:\d+/)(?: \.)?\r?$", re.MULTILINE)
WORDS = re.compile(r"^((?:[a-z]{3,9} ){5}[a-z]{3,9})\r?$", re.MULTILINE)
UTF8 = {"PYTHONIOENCODING": "utf-8", "TERM": "xterm", "NO_COLOR": ""}


@pytest.fixture
def here(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a").write_text("contents")
    (tmp_path / "plan.txt").write_text("plan")
    (tmp_path / "target").mkdir()
    write_key_file(tmp_path / "key")
    return tmp_path


@contextlib.contextmanager
def on_a_terminal(here, *command, size=(24, 80), changes=UTF8, **streams):
    """The process of a command, and the screen of its terminal."""
    with terminal() as (slave, screen):
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        given = {"stdin": slave, "stdout": slave, "stderr": slave} | streams
        with started(here, *command, keyed=False, controlling=slave, changes=dict(changes), **given) as process:
            yield process, screen


def local(verb, *words):
    return verb, "--host", HOST, *words


def key_of(screen):
    """The six words, which stand on a line of their own, once."""
    words = screen.wait_for(WORDS.pattern)[1]
    assert screen.text.count(words) == 1
    return words


@pytest.mark.parametrize("verb", ["share", "receive"])
def test_both_ends_with_a_key_that_is_typed(here, verb):
    """The words are all that the other person needs beside the line; neither terminal shows them again."""
    here_first = ("photos", "plan.txt") if verb == "share" else ("target",)
    with on_a_terminal(here, *local(verb, *here_first)) as (server, screen):
        words = key_of(screen)
        url = screen.wait_for(COMMAND.pattern)[2]
        command = ("get", url, "target") if verb == "share" else ("put", "photos", "plan.txt", url)
        with on_a_terminal(here, *command) as (client, other):
            other.wait_for("Key for ")
            other.type(f"{words}\n")
            assert client.wait(DEADLINE) == 0
            assert words not in other.text
        assert server.wait(DEADLINE) == 0
        screen.wait_for(rf"^{re.escape(HOST)} has connected\.")
        done = "has everything" if verb == "share" else "Received from"
        assert screen.wait_for(rf"{done}.*\(2 files, 12 B\)\.\r?$")
        assert screen.text.count(words) == 1
    assert listing(here / "target") == ["photos", "photos/a", "plan.txt"]


@pytest.mark.parametrize(
    ("size", "changes", "options", "shown"),
    [
        ((24, 80), {}, [], True),
        ((24, 42), {}, [], True),
        ((20, 80), {}, [], False),
        ((24, 30), {}, [], False),
        ((24, 80), {}, ["--no-qr"], False),
        ((24, 80), {"TERM": "dumb"}, [], False),
        ((24, 80), {"PYTHONIOENCODING": "ascii"}, [], False),
        ((24, 80), {}, ["--quiet"], False),
    ],
)
def test_the_picture_fits_or_is_left_out(here, size, changes, options, shown):
    with on_a_terminal(here, *local("share", *options, "plan.txt"), size=size, changes=UTF8 | changes) as (
        process,
        screen,
    ):
        key_of(screen)
        if shown:
            screen.wait_for("\u2588.*\u2588\x1b\\[0m\r?\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == ExitCode.INTERRUPTED
        assert ("\u2588" in screen.text) == shown
        assert COMMAND.search(screen.text)


def test_ctrl_c_ends_it_cleanly(here):
    with on_a_terminal(here, *local("receive", "target")) as (process, screen):
        key_of(screen)
        screen.type("\x03")
        assert process.wait(DEADLINE) == ExitCode.INTERRUPTED
        screen.wait_for(r"secftp: Interrupted\. No delivery is complete\.")
    assert listing(here / "target") == []


@pytest.mark.parametrize("verb", ["share", "receive"])
def test_a_key_is_shown_on_a_terminal_alone(here, verb):
    """Nowhere else, so there is none where standard error is none; and standard output never has it."""
    operand = "plan.txt" if verb == "share" else "target"
    result = run(here, *local(verb, operand), keyed=False)
    result.expect(ExitCode.USAGE, "There is no terminal that could show a new key.")
    with on_a_terminal(here, *local(verb, operand), stderr=subprocess.PIPE) as (process, screen):
        _, errors = process.communicate(timeout=DEADLINE)
        assert (process.returncode, WORDS.search(errors.decode() + screen.text)) == (ExitCode.USAGE, None)
    with on_a_terminal(here, *local(verb, "--progress", "json", operand)) as (process, screen):
        assert process.wait(DEADLINE) == ExitCode.USAGE
    assert WORDS.search(screen.text) is None
    with on_a_terminal(here, *local(verb, operand), stdout=subprocess.PIPE) as (process, screen):
        words = key_of(screen)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=DEADLINE)
    assert COMMAND.fullmatch(output.decode().rstrip("\n"))
    assert words not in output.decode()


def test_a_key_of_ones_own_is_not_shown_and_the_variable_is_not_used(here):
    with started(
        here, *local("share", "--key-file", "key", "plan.txt"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        url = COMMAND.match(process.stdout.readline().decode().rstrip("\n"))[2]
        assert main(["get", "-q", "--key-file", str(here / "key"), url, str(here / "target")]) == 0
        done = ended(process)
    assert done.code == 0
    assert "needs the key (hidden)" in done.errors
    assert (here / "key").read_text().split()[-1] not in done.errors
    assert WORDS.search(done.errors) is None


def test_events_for_programs(here):
    (here / "photos" / "b\udcff\x1b").write_text("x")
    with started(
        here,
        *local("share", "--key-file", "key", "--progress", "json", "photos"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        url = COMMAND.match(process.stdout.readline().decode().rstrip("\n"))[2]
        (here / "wrong").write_text("another key")
        (here / "wrong").chmod(0o600)
        assert main(["ls", "-q", "--key-file", str(here / "wrong"), url]) == ExitCode.KEY
        assert main(["get", "-q", "--key-file", str(here / "key"), f"{url}photos/a", str(here / "target")]) == 0
        assert main(["get", "-q", "--key-file", str(here / "key"), url, str(here / "target")]) == 0
        done = ended(process)
    assert done.code == 0
    events = [json.loads(line) for line in done.errors.splitlines()]
    kinds = [event["event"] for event in events]  # those of two clients may come in any order
    assert Counter(kinds) == {
        "listening": 1, "wrong_key": 1, "connected": 2, "file": 3, "incomplete": 1, "complete": 1, "ended": 1,
    }  # fmt: skip
    assert (kinds[0], kinds[-1]) == ("listening", "ended")
    assert kinds.index("connected") < kinds.index("file") < kinds.index("complete")
    assert events[0] | {"port": 0} == {
        "event": "listening", "command": f"secftp get {url} .", "addresses": HOST, "port": 0,
    }  # fmt: skip
    names = {event["name"] for event in events if event["event"] == "file"}
    assert names == {"photos/a", r"photos/b\xff\x1b"}
    complete = next(event for event in events if event["event"] == "complete")
    assert complete["files"] == 2
    assert events[-1].items() >= {"event": "ended", "complete": 1, "files": 2, "bytes": complete["bytes"]}.items()


@pytest.mark.parametrize("verb", ["share", "receive"])
def test_the_time_is_over(here, verb, capfd):
    operand = "plan.txt" if verb == "share" else "target"
    arguments = local(verb, "--for", "0.2s", "--key-file", str(here / "key"), str(here / operand))
    assert main(list(arguments)) == ExitCode.TIMEOUT
    out, err = capfd.readouterr()
    assert COMMAND.fullmatch(out.rstrip("\n"))
    assert err.endswith("\n  hint: Start again, with a longer --for.\n")
    assert "secftp: The time is over, and " in err


@pytest.mark.parametrize(
    ("code", "words", "arguments"),
    [
        (2, "--for must be a time above 0.", ["share", "--for", "soon", "plan.txt"]),
        (2, "--for must be a time above 0.", ["share", "--for", "0", "plan.txt"]),
        (2, "--times must be a number", ["share", "--times=-1", "plan.txt"]),
        (2, "--times must be a number", ["share", "--times", "1.5", "plan.txt"]),
        (2, "--port must be a number from 0 to 65535.", ["receive", "--port", "65536"]),
        (2, "Required arguments are missing", ["share"]),
        (2, "Expected a local file, not a URL.", ["share", "secftp://host/x"]),
        (2, "Too many arguments.", ["receive", "a", "b"]),
        (2, "Two of the files have the name plan.txt.", ["share", "--key-file", "key", "plan.txt", "plan.txt"]),
        (2, "Can't listen on port", ["share", "--key-file", "key", "--host", "192.0.2.1", "plan.txt"]),
        (13, "missing", ["share", "--key-file", "key", "missing"]),
        (13, "There is no file in what is to be shared.", ["share", "--key-file", "key", "target"]),
        (4, "The key file is one of the files to be shared.", ["share", "--key-file", "key", "key"]),
        (4, "The key file key is below the served directory.", ["share", "--key-file", "key", "."]),
        (4, "can't be read", ["share", "--key-file", "missing", "plan.txt"]),
        (13, "missing", ["receive", "--key-file", "key", "missing"]),
        (13, "plan.txt", ["receive", "--key-file", "key", "plan.txt"]),
    ],
)
def test_what_can_not_be_done_is_said_in_a_sentence(here, monkeypatch, capfd, code, words, arguments):
    monkeypatch.chdir(here)
    assert main([arguments[0], *([] if "--for" in arguments else ["--for", "1"]), *arguments[1:]]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert words in err
    assert "Traceback" not in err
    assert re.search(r"^secftp: .*\n  hint: .*\n\Z", err, re.MULTILINE)


def test_words_need_their_list(here, monkeypatch, capfd):
    monkeypatch.setitem(__import__("sys").modules, "xkcdpass", None)
    monkeypatch.setattr(os, "isatty", lambda _: True)
    assert main(list(local("share", str(here / "plan.txt")))) == ExitCode.INSTALLATION
    assert "pip install 'secftp[share]'" in capfd.readouterr().err


def test_an_inbox_is_no_place_where_this_program_looks_for_modules(here, monkeypatch, capfd):
    monkeypatch.syspath_prepend(str(here / "target"))
    arguments = local("receive", "--for", "1", "--key-file", str(here / "key"), str(here / "target"))
    assert main(list(arguments)) == ExitCode.USAGE
    assert "they could make this machine run their code" in capfd.readouterr().err


def test_an_inbox_may_have_such_a_place_in_it_as_a_home_directory_has(here, monkeypatch):
    (here / "target" / ".local").mkdir()
    monkeypatch.syspath_prepend(str(here / "target" / ".local"))
    arguments = local("receive", "--for", "0.1", "--key-file", str(here / "key"), str(here / "target"))
    assert main(list(arguments)) == ExitCode.TIMEOUT
    monkeypatch.syspath_prepend(str(here / "target" / "missing"))
    assert main(list(arguments)) == ExitCode.USAGE


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("2D", 172_800), ("7", 7)])
def test_a_time_has_a_unit(text, seconds):
    assert load("share").parse(["--for", text, "x"]).settings.seconds == seconds


@pytest.mark.parametrize("text", ["", "s", "1w", "-1m", "1e9d", "1 h", "9999999d", "nan", "infm"])
def test_what_is_no_time(text):
    with pytest.raises(UsageError):
        load("share").parse(["--for", text, "x"])


def test_a_background_view_does_not_wait_for_the_terminal(here):
    """Nothing of a session waits for what is shown: a stopped terminal (Ctrl-S) does not hold up a download."""
    with on_a_terminal(here, *local("share", "--key-file", "key", "photos", "plan.txt")) as (process, screen):
        url = screen.wait_for(COMMAND.pattern)[2]
        screen.type("\x13")
        assert main(["get", "-q", "--key-file", str(here / "key"), url, str(here / "target")]) == 0
        screen.type("\x11")
        assert process.wait(DEADLINE) == 0
    until(lambda: listing(here / "target") == ["photos", "photos/a", "plan.txt"], "all is there")
