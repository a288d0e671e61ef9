"""Nothing that people read is wider than their terminal: help, messages, hints, summaries."""

from __future__ import annotations

import inspect
import os
import pty
import re
import select

import pytest

from secftp.client import failures
from secftp.client import terminal as module
from secftp.client.commands import COMMANDS, HELP, load
from secftp.client.copying import resume_command
from secftp.client.report_text import TextReport
from secftp.client.terminal import Terminal
from secftp.errors import ConnectionLost, FileError, NotFound, SecftpError
from secftp.server.parser import make_parser
from secftp.text import fold, width
from secftp.transfer import CopyOptions, Summary
from secftp.url import Endpoint

COLUMNS = 80


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(command):
    text = load(command).parser().format_help()
    assert [line for line in text.splitlines() if width(line) > COLUMNS] == []


def test_help_of_both_programs(monkeypatch):
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    text = HELP + make_parser().format_help()
    assert [line for line in text.splitlines() if width(line) > COLUMNS] == []


# --- breaking lines ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [*range(12, 100)])
def test_lines_are_broken_at_blanks(columns):
    text = (
        "secftp: The file names a word, 日本語の名前 and an-other thing.\n  hint: Try a-gain, with  two blanks.\nshort"
    )
    folded = fold(text, columns)
    lines = folded.split("\n")
    longest = max(width(word) for word in text.split()) + len("    ")
    assert max(map(width, lines)) <= max(columns, longest)
    assert re.sub(r"\s+", " ", folded) == re.sub(r"\s+", " ", text)
    assert lines[-1] == "short"


def test_what_fits_stays_as_it_is():
    assert fold("x" * 80 + "\n  hint: y\n", 80) == "x" * 80 + "\n  hint: y\n"
    assert fold("x" * 300, 80) == "x" * 300
    assert fold("a " * 40 + "b", 80) == "a " * 39 + "a\n  b"


# --- messages ---------------------------------------------------------------------------------------------------------


class Wide:
    """Standard error as a terminal of some width, and what is written to it."""

    def __init__(self, monkeypatch, columns):
        self.master, self.slave = pty.openpty()
        monkeypatch.setattr(module, "STANDARD_ERROR", self.slave)
        monkeypatch.setattr(module, "terminal_columns", lambda: columns)
        monkeypatch.setattr(Terminal, "draw", lambda _self, text: os.write(self.slave, text.encode()))

    def lines(self):
        shown = b""
        while select.select([self.master], [], [], 0)[0]:
            shown += os.read(self.master, 65536)
        return shown.decode().replace("\r\n", "\n").splitlines()


@pytest.fixture
def wide(monkeypatch):
    opened = []

    def make(columns):
        opened.append(Wide(monkeypatch, columns))
        return opened[-1]

    yield make
    for each in opened:
        os.close(each.master)
        os.close(each.slave)


def hints():
    tables = (failures._REMOTE, failures._LOCAL, failures._LOCAL_REASONS)
    return [hint for table in tables for hint in table.values()] + [failures._TOO_DEEP, failures._NOT_A_DISK]


@pytest.mark.parametrize("columns", [40, 80])
def test_messages(wide, columns):
    screen, terminal = wide(columns), Terminal()
    terminal.waiting()
    terminal.unprotected()
    terminal.key_is_visible()
    terminal.key_file_made("a key file")
    terminal.starting("read", Endpoint("host", 1, ""), "f", "none", keyed=True)
    terminal.confirmed("md5", bytes(8), 1)
    terminal.retrying(ConnectionLost("The connection to the server was lost in the middle of it."), 1.0, 1, 3)
    terminal.note("Setuid, setgid and sticky bits are never copied; 12 files and directories had some.")
    terminal.failed(NotFound("some/file: it is not there, and it has not been there for some time, as it seems."))
    for hint in hints():
        terminal.complain(
            SecftpError("It failed for a reason that takes some words to be explained to the user.", hint=hint)
        )
    report = TextReport(terminal, CopyOptions(compress=True), "Sent")
    report.ended(Summary(files=412, bytes=48 * 10**6, seconds=3.0, digest=bytes(16), skipped=4, left_out=12, failed=1))
    terminal.say(report.conclusion())
    lines = screen.lines()
    assert len(lines) > 100
    # A checksum is one word.
    assert [line for line in lines if width(line) > columns and "xxh128:" not in line] == []
    assert inspect.getsource(Terminal).count("self._write(") <= 8, "a message of a new kind is to be folded, too"


def test_a_command_that_is_to_be_pasted_is_not_broken(wide):
    screen, terminal = wide(40), Terminal()
    command = resume_command(["get", "--retries", "10", "secftp://example.org/a/b/c", "some/other/place"], ["--resume"])
    terminal.status, terminal.resume = "Nothing is complete yet.", command
    terminal.stopped("Interrupted", 130)
    terminal.complain(ConnectionLost("The connection was lost.", hint=f"Nothing is complete yet. To go on: {command}"))
    lines = screen.lines()
    assert f"  hint: To go on: {command}" in lines
    assert lines[-1].endswith(f"on: {command}")


def test_in_a_pipe_a_message_is_one_line(capfd):
    Terminal().complain(FileError("It failed, " * 20, hint="Try again, " * 20))
    assert capfd.readouterr().err.count("\n") == 2
