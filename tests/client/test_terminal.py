"""Messages of the client, local files and streams, and how the process ends."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from types import SimpleNamespace

import pytest

from secftp import errors
from secftp.client import commands, local_io
from secftp.client.__main__ import main
from secftp.client.local_io import open_input, open_output
from secftp.client.signals import Stopped
from secftp.client.terminal import Terminal
from secftp.errors import ExitCode, SecftpError, UsageError
from secftp.url import Endpoint

SECRET = "hunter2-and-more"


def buffers(*parts):
    return [memoryview(part) for part in parts]


# --- messages -------------------------------------------------------------------------------------------------------


def test_the_words_of_a_transfer_are_the_originals(capfd):
    terminal = Terminal()
    terminal.starting("read", Endpoint("::1", 80, ""), "a\x1bb", "aes128", keyed=True)
    terminal.receiving()
    terminal.sending()
    terminal.confirmed("xxh128", bytes(range(16)), 5)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "Client starting. Arguments:",
        "  host: ::1",
        "  port: 80",
        "  command: read",
        "  filename: a\\x1bb",
        "  cipher: aes128",
        "  key: (hidden)",
        "Receiving file...",
        "Sending file...",
        "File confirmed, checksum: xxh128:000102030405060708090a0b0c0d0e0f",
    ]


def test_an_anonymous_session_is_called_so(capfd):
    Terminal().starting("read", Endpoint("h", 1, ""), "f", "none", keyed=False)
    assert "key: none (anonymous)" in capfd.readouterr().err


def test_quiet_leaves_errors_alone(capfd):
    terminal = Terminal(quiet=True)
    terminal.starting("read", Endpoint("h", 1, ""), "f", "none", keyed=False)
    terminal.key_is_visible()
    terminal.key_file_made("x")
    terminal.receiving()
    terminal.confirmed("md5", b"", 0)
    assert capfd.readouterr().err == ""
    terminal.complain(SecftpError("It failed.", hint="Try again."))
    assert capfd.readouterr().err == "secftp: It failed.\n  hint: Try again.\n"


def test_what_is_said_is_escaped_once(capfd):
    Terminal().complain(SecftpError("No file a\\x1bb, no c\x1b[2J\n\u202ed."))
    assert capfd.readouterr().err == "secftp: No file a\\x1bb, no c\\x1b[2J\\n\\u202ed.\n"


def all_kinds(kind=SecftpError):
    yield kind
    for below in kind.__subclasses__():
        yield from all_kinds(below)


@pytest.mark.parametrize("kind", [kind for kind in all_kinds(errors.FileError) if kind.__module__ == errors.__name__])
def test_every_failure_of_a_file_gets_a_hint_at_either_end(kind, capfd):
    Terminal().complain(kind("It failed."))
    at_server = capfd.readouterr().err
    local = kind("It failed.")
    local.locate(errors.Side.LOCAL)
    Terminal().complain(local)
    here = capfd.readouterr().err
    assert "hint: " in at_server
    assert "hint: " in here
    assert "server" not in here


def test_a_local_failure_has_the_local_exit_code_but_for_those_that_say_more():
    codes = {}
    for kind in (errors.NotFound, errors.Forbidden, errors.IsADirectory, errors.NoSpace, errors.AlreadyExists):
        problem = kind("It failed.")
        problem.locate(errors.Side.LOCAL)
        codes[kind] = problem.exit_code
    assert set(codes.values()) == {ExitCode.LOCAL_FILE, ExitCode.NO_SPACE, ExitCode.EXISTS}
    assert errors.NotFound("x").exit_code is ExitCode.NOT_FOUND


# --- the local end --------------------------------------------------------------------------------------------------


@pytest.fixture
def terminal_output(monkeypatch):
    """Standard output of the module under test is a terminal; the value is its other side."""
    master, slave = pty.openpty()
    monkeypatch.setattr(local_io, "STANDARD_OUTPUT", slave)
    monkeypatch.setattr(local_io, "STANDARD_INPUT", slave)
    yield master
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    "parts",
    [
        (b"plain\ttext\r\n",),
        ("h\u00e9\u4e16\U0001f600".encode(),),
        ("\u4e16".encode()[:1], "\u4e16".encode()[1:]),
        ("\u201b".encode(),),  # contains the bytes next to 0x9b
        (b"latin-1: \xe9\xfc",),
    ],
)
def test_text_goes_to_a_terminal(parts, terminal_output):
    with open_output(None, overwrite=True) as sink:
        sink.writev(buffers(*parts))
        sink.commit()
    shown = b"".join(parts).replace(b"\n", b"\r\n")  # as terminals do
    assert os.read(terminal_output, 100) == shown


@pytest.mark.parametrize(
    "parts",
    [
        (b"a\0",),
        (b"\x1b[2J",),
        (b"\x07",),
        (b"\x7f",),
        (b"\x9b2J",),
        (b"\xc2\x9b",),
        (b"a", b"\xc2", b"\x9b"),
        (b"\x0c",),
    ],
)
def test_what_a_terminal_would_obey_does_not_get_there(parts, terminal_output):
    with open_output(None, overwrite=True) as sink:
        sink.writev(buffers(b"before"))
        with pytest.raises(UsageError) as caught:
            sink.writev(buffers(*parts))
    assert "-o FILE" in caught.value.hint
    assert os.read(terminal_output, 100) == b"before"


def test_a_user_who_insists_gets_everything_on_a_terminal(terminal_output):
    with open_output("-", overwrite=True) as sink:
        sink.writev(buffers(b"\x1b[2J"))
        sink.commit()
    assert os.read(terminal_output, 100) == b"\x1b[2J"


@pytest.mark.usefixtures("terminal_output")
def test_a_terminal_is_no_file_to_send_unless_one_insists():
    with pytest.raises(UsageError) as caught:
        open_input(None)
    assert "-i FILE" in caught.value.hint
    with open_input("-") as source:
        assert source.info.size is None


def test_local_files_at_both_ends(tmp_path):
    path = str(tmp_path / "a")
    with open_output(path, overwrite=False) as sink:
        sink.writev(buffers(b"con", b"tent"))
        assert os.path.exists(path) is False
        sink.commit()
    with open_input(path) as source:
        room = bytearray(10)
        assert (source.info.size, source.wait_descriptor) == (7, None)
        assert source.readv([memoryview(room)], 0) == 7
        source.check_unchanged()
    assert room[:7] == b"content"
    with pytest.raises(errors.AlreadyExists) as caught:
        open_output(path, overwrite=False)
    assert caught.value.exit_code is ExitCode.EXISTS
    for call in (lambda: open_input(f"{path}x"), lambda: open_output(f"{path}x/y", overwrite=True)):
        with pytest.raises(errors.NotFound) as caught:
            call()
        assert caught.value.exit_code is ExitCode.LOCAL_FILE


def test_an_abandoned_output_leaves_nothing(tmp_path):
    with open_output(str(tmp_path / "a"), overwrite=True) as sink:
        sink.writev(buffers(b"half"))
    assert os.listdir(tmp_path) == []


# --- how the process ends -------------------------------------------------------------------------------------------


def ending(monkeypatch, problem):
    """The exit code of a client whose verb ends with `problem`."""

    def fail(_chosen, _terminal):
        raise problem

    monkeypatch.setattr(commands, "load", lambda _name: SimpleNamespace(parse=lambda _arguments: None, run=fail))
    return main(["keygen"])


@pytest.mark.parametrize("kind", [kind for kind in all_kinds() if kind.__module__ == errors.__name__])
def test_every_error_of_ours_has_its_exit_code(kind, monkeypatch, capfd):
    assert ending(monkeypatch, kind("It failed.")) == kind.exit_code
    assert capfd.readouterr().err.startswith("secftp: It failed.\n")


def test_ctrl_c_and_signals(monkeypatch, capfd):
    assert ending(monkeypatch, KeyboardInterrupt()) == 130
    assert ending(monkeypatch, Stopped(15)) == 143
    assert ending(monkeypatch, Stopped(1)) == 129
    assert capfd.readouterr().err == "secftp: Interrupted.\nsecftp: Terminated.\nsecftp: Hung up.\n"


def test_a_mistake_of_ours_is_told_without_its_words(monkeypatch, capfd):
    assert ending(monkeypatch, RuntimeError(SECRET)) == 1
    err = capfd.readouterr().err
    assert "RuntimeError at test_terminal.py:" in err
    assert SECRET not in err
    assert "Traceback" not in err


def test_a_missing_package_is_a_matter_of_the_installation(monkeypatch, capfd):
    assert ending(monkeypatch, ModuleNotFoundError("No module named 'msgspec'", name="msgspec")) == 16
    assert "msgspec" in capfd.readouterr().err


def client(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "secftp.client", *arguments], check=False, timeout=60, stderr=subprocess.PIPE, **options
    )


def test_a_reader_who_is_gone_is_no_reason_to_complain():
    """As with every program of coreutils; the exit code tells it."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = client("--help", stdout=writer)
    finally:
        os.close(writer)
    assert (result.returncode, result.stderr) == (14, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has /dev/full, which is what is tested here")
@pytest.mark.parametrize("arguments", [["keygen"], ["--help"], ["completion", "bash"]], ids=" ".join)
def test_a_full_disk_behind_standard_output(arguments):
    with open("/dev/full", "wb") as full:
        result = client(*arguments, stdout=full)
    assert result.returncode == ExitCode.LOCAL_FILE
    assert result.stderr.endswith(b"  hint: Free some space on this machine's disk.\n")
    assert result.stderr.startswith(b"secftp: Standard output can't be written: no space left")


def test_standard_error_without_a_reader():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "secftp.client", "reed"],
            check=False,
            timeout=60,
            stderr=writer,
            stdout=subprocess.PIPE,
        )
    finally:
        os.close(writer)
    assert (result.returncode, result.stdout) == (2, b"")


def test_closed_standard_descriptors_are_not_given_to_anything_else():
    result = subprocess.run(
        ["/bin/sh", "-c", '"$0" -m secftp.client read f localhost:1 none >&- <&-', sys.executable],
        check=False, timeout=60, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert result.returncode == 2
    assert b"Standard output is closed." in result.stderr
