"""The key that is stretched while the client imports its modules: a guess, which does no harm if it is wrong."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from secftp.client import key_ahead
from secftp.client.commands import load
from secftp.client.key import choose_key
from secftp.client.key_ahead import Source, begin, guess, take
from secftp.keys import read_key_file, write_key_file
from tests.support.command_line import SECRET, SECRET_KEY, main, place
from tests.support.recorded_password import material, recorded
from tests.support.serving import DEADLINE, HOST, environment, serving

__all__ = ["recorded"]

TEXT = "the-cat-sat-on-the-mat"
OTHER = "a-dog-was-there-too"
URL = "secftp://host/"


@pytest.fixture(autouse=True)
def nothing_begun(monkeypatch):
    """Each test is a process of its own, whose dumps are not forbidden."""
    monkeypatch.setattr(key_ahead._Begun, "guess", None)
    monkeypatch.setattr("secftp.system.forbid_dumps", lambda: None)


@pytest.fixture
def threads(monkeypatch):
    """Threads that a key starts are ended before the test is."""
    started = []

    def start(function, arguments):
        started.append(threading.Thread(target=function, args=arguments))
        started[-1].start()

    monkeypatch.setattr("_thread.start_new_thread", start)
    yield started
    for thread in started:
        thread.join()


@pytest.mark.parametrize(
    ("arguments", "file", "text"),
    [
        (["put", "a", URL], None, OTHER),
        (["put", "a", "SECFTP://host/"], None, OTHER),
        (["-q", "get", URL, "."], None, OTHER),
        (["put", "--key-file", "F", "a", URL], "F", None),
        (["put", "--key-file=F", "a", URL], "F", None),
        (["put", "--key-file", "E", "a", URL, "--key-file", "F"], "F", None),
        (["put", "--key-file=", "a", URL], "", None),
        (["put", "a", URL, "--", "--key-file", "F"], None, OTHER),
        (["read", "name", "host:1", "aes128"], None, OTHER),
        (["read", "name", "host:1", "aes128", TEXT], None, TEXT),
        (["write", "name", "host:1", "aes128", TEXT, "-i", "f"], None, TEXT),
        (["write", "name", "host:1", "aes128", "-i", "f"], None, OTHER),
        (["write", "name", "host:1", "aes128", "--key-file", "F"], "F", None),
    ],
)
def test_the_key_is_guessed_that_the_command_uses(arguments, file, text):
    found = guess(arguments, OTHER)
    assert (found.file, found.text) == (file, text)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["put", "--help", "a", URL],
        ["put", "-h"],
        ["--version", URL],
        ["put", "a", "b"],
        ["ls"],
        ["read", "name"],
        ["keygen", "--file", "f"],
        ["put", "--anonymous", "a", URL],
        ["put", "--no-key", "a", URL],
    ],
)
def test_no_key_is_guessed_for_what_needs_none(arguments):
    assert guess(arguments, OTHER) is None


def test_without_a_key_none_is_guessed():
    assert guess(["put", "a", URL], None) is None
    assert guess(["put", "a", URL, "--key-file"], None) is None


@pytest.mark.parametrize("variable", [None, OTHER])
@pytest.mark.parametrize(
    "arguments",
    [
        ["put", "a", URL],
        ["put", "a", URL, "--key-file", "FILE"],
        ["ls", "--key-file=FILE", URL],
        ["read", "name", "host:1", "aes128", TEXT],
        ["read", "name", "host:1", "aes128", "--key-file", "FILE"],
        ["write", "-q", "name", "host:1", "aes128", TEXT],
        ["write", "name", "host:1", "-i", "x", "aes128", TEXT],
    ],
)
def test_a_guess_does_not_change_which_key_is_used(arguments, variable, recorded, threads, tmp_path, monkeypatch):
    """The same key with `begin` and without it, whether the guess is right or wrong."""
    (tmp_path / "FILE").write_text("a-key-from-a-file")
    (tmp_path / "FILE").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("secftp.client.key.ask", lambda _prompt: read_key_file("FILE"))
    options = load(arguments[0]).parse(arguments[1:])
    connection = options.settings.connection if arguments[0] == "put" else options.connection

    def used():
        for name, value in {"SECFTP_KEY": variable}.items():
            monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name, raising=False)
        return choose_key(connection)

    without = material(used()())
    begin(arguments, {"SECFTP_KEY": variable} if variable else {})
    assert material(used()()) == without


def test_the_key_is_handed_over_once_and_forgotten(recorded, threads):
    begin(["put", "a", URL], {"SECFTP_KEY": TEXT})
    key = take(Source(text=TEXT))
    assert material(key) == ("text", TEXT.encode())
    assert recorded == [("text", TEXT.encode())]
    assert key_ahead._Begun.guess is None
    assert take(Source(text=TEXT)) is None


@pytest.mark.parametrize("source", [Source(text=OTHER), Source(file=TEXT), Source(text=""), Source()])
def test_a_wrong_guess_is_forgotten(source, recorded, threads):
    begin(["put", "a", URL], {"SECFTP_KEY": TEXT})
    assert take(source) is None
    assert key_ahead._Begun.guess is None


@pytest.mark.parametrize("text", ["", " ", "secftp-key-1 abc", "\udcff", "0000000000000000000000000Z0"])
def test_a_key_that_is_none_is_not_reported_here(text, threads):
    begin(["put", "a", URL], {"SECFTP_KEY": text})
    assert take(Source(text=text)) is None
    assert threads == []


def test_a_key_file_that_can_not_be_used_is_not_reported_here(tmp_path, threads):
    (tmp_path / "key").write_text(TEXT)
    (tmp_path / "key").chmod(0o644)
    for name in ("key", "none", "\0", "."):
        begin(["put", "a", URL, "--key-file", str(tmp_path / name)], {})
        assert take(Source(file=str(tmp_path / name))) is None
    assert threads == []


def test_the_secret_of_a_key_file_needs_no_thread(tmp_path, threads):
    write_key_file(tmp_path / "key")
    begin(["put", "a", URL, "--key-file", str(tmp_path / "key")], {})
    assert take(Source(file=str(tmp_path / "key"))) is not None
    assert threads == []


def test_a_client_in_a_program_begins_nothing(monkeypatch):
    monkeypatch.setenv("SECFTP_KEY", TEXT)
    before = threading.active_count()
    assert main(["ls", f"secftp://{HOST}:1/"]) == 3
    assert (key_ahead._Begun.guess, threading.active_count()) == (None, before)


# --- as a program -----------------------------------------------------------------------------------------------------


def run(home, *arguments, lines="", **changes):
    """Run the client with some lines before it."""
    code = f"{lines}\nimport sys\nfrom secftp.client.__main__ import main\nsys.exit(main())\n"
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        env=environment(home, **changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )


@pytest.mark.parametrize("source", ["variable", "file of a text", "file"])
def test_a_program_stretches_its_key_once_and_in_another_thread(tmp_path, source):
    lines = """
import _thread, atexit, os, sys
from secftp.crypto import Password
inner, main_thread, times = Password.from_key.__func__, _thread.get_ident(), []
def counting(cls, key):
    times.append(_thread.get_ident() != main_thread)
    return inner(cls, key)
Password.from_key = classmethod(counting)
atexit.register(lambda: print(times))
"""
    (tmp_path / "root").mkdir()
    (tmp_path / "key").write_text(SECRET)
    (tmp_path / "key").chmod(0o600)
    write_key_file(tmp_path / "secret")
    key = read_key_file(tmp_path / "secret") if source == "file" else SECRET_KEY
    given = {"file": ["--key-file", "secret"], "file of a text": ["--key-file", "key"]}.get(source, [])
    changes = {"SECFTP_KEY": SECRET} if source == "variable" else {}
    with serving(tmp_path / "root", key=key) as server:
        given = [word if word.startswith("-") else str(tmp_path / word) for word in given]
        done = run(tmp_path, "ls", *given, f"secftp://{place(server)}/", lines=lines, **changes)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().strip() == ("[]" if source == "file" else "[True]")


@pytest.mark.parametrize(
    ("variable", "file", "sentence"),
    [
        ("", None, "The key is empty"),
        ("  ", None, "The key is blank"),
        (None, "none", "can't be read"),
        (None, "open", "accessible to other users"),
    ],
)
def test_a_key_that_is_none_is_told_before_any_connection(tmp_path, variable, file, sentence):
    (tmp_path / "open").write_text(TEXT)
    (tmp_path / "open").chmod(0o644)
    given = [] if file is None else ["--key-file", str(tmp_path / file)]
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(0)
        url = f"secftp://{HOST}:{listener.getsockname()[1]}/"
        done = run(tmp_path, "ls", url, *given, **({} if variable is None else {"SECFTP_KEY": variable}))
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert done.returncode == 4
    assert sentence in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_failure_of_the_core_in_the_thread_is_told(tmp_path):
    lines = """
from secftp.crypto import Password
from secftp.errors import CoreError
def failing(cls, key):
    raise CoreError("Out of memory in the core.")
Password.from_key = classmethod(failing)
"""
    done = run(tmp_path, "ls", f"secftp://{HOST}:1/", lines=lines, SECFTP_KEY=TEXT)
    assert (done.returncode, done.stderr) == (1, b"secftp: Out of memory in the core.\n")


def test_without_another_thread_the_key_is_stretched_all_the_same(tmp_path):
    lines = """
import _thread
start = _thread.start_new_thread
def refusing(function, *rest):
    if "stretch" in function.__qualname__:
        raise RuntimeError("can't start new thread")
    return start(function, *rest)
_thread.start_new_thread = refusing
"""
    (tmp_path / "root").mkdir()
    with serving(tmp_path / "root", key=SECRET_KEY) as server:
        done = run(tmp_path, "ls", f"secftp://{place(server)}/", lines=lines, SECFTP_KEY=SECRET)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated"), (signal.SIGHUP, 129, "Hung up")],
)
def test_a_signal_does_not_wait_for_a_key_that_is_being_stretched(tmp_path, number, code, said):
    """The thread stretches without end here; the client ends at once."""
    lines = """
import threading
from secftp.crypto import Password
from secftp.keys.key import Key
inner = Key.password
def telling(self):
    if threading.current_thread() is threading.main_thread():
        print("waiting", flush=True)
    return inner(self)
Key.password = telling
Password.from_key = classmethod(lambda cls, key: threading.Event().wait())
"""
    text = f"{lines}\nimport sys\nfrom secftp.client.__main__ import main\nsys.exit(main())\n"
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", text, "ls", f"secftp://{HOST}:1/"],
        env=environment(tmp_path, SECFTP_KEY=TEXT),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout.readline() == b"waiting\n"
        os.kill(process.pid, number)
        _, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, errors.decode()) == (code, f"secftp: {said}.\n")
