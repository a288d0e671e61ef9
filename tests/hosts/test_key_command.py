"""Commands that print a key: what they get, what becomes of them, and that none leads to an anonymous session."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from secftp.errors import InstallationError, KeyFormatError
from secftp.hosts.key_command import read_key_command
from secftp.hosts.system_keyring import read_keyring
from tests.support.command_line import terminal
from tests.support.recorded_password import material, recorded
from tests.support.serving import DEADLINE, environment

__all__ = ["recorded"]

TEXT = "the-cat-sat-on-the-mat"
SUBJECT = "The key command"


def read(code, *words, seconds=DEADLINE):
    """The key that a shell's words print."""
    return read_key_command(["sh", "-c", code, *words], SUBJECT, seconds=seconds)


def refused(code, words, *more, seconds=DEADLINE):
    with pytest.raises(KeyFormatError, match=words) as caught:
        read(code, *more, seconds=seconds)
    assert TEXT not in str(caught.value) + caught.value.hint
    assert caught.value.__cause__ is None
    return caught.value


@pytest.mark.parametrize("code", ['printf "$0"', 'echo "$0"', 'printf "%s\\r\\n" "$0"'])
def test_what_a_command_prints_is_the_key(code, recorded):
    assert material(read(code, TEXT)) == ("text", TEXT.encode())


def test_no_shell_reads_the_words(recorded):
    key = read_key_command(["echo", "$HOME;", "`id`", "* a"], SUBJECT)
    assert material(key) == ("text", b"$HOME; `id` * a")


def test_a_command_gets_no_input_and_no_key(monkeypatch, recorded):
    monkeypatch.setenv("SECFTP_KEY", TEXT)
    monkeypatch.setenv("SECFTP_KEY_FILE", TEXT)
    monkeypatch.setenv("OTHER", "seen")
    code = 'read line; echo "line=$line key=$SECFTP_KEY file=$SECFTP_KEY_FILE other=$OTHER"'
    assert material(read(code)) == ("text", b"line= key= file= other=seen")


def test_standard_input_is_left_to_the_data(recorded):
    reading, writing = os.pipe()
    os.write(writing, b"data\n")
    os.close(writing)
    before = os.dup(0)
    try:
        os.dup2(reading, 0)
        assert material(read('read line; echo "line=$line"')) == ("text", b"line=")
        assert os.read(0, 100) == b"data\n"
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reading)


def test_what_a_command_complains_about_is_seen(capfd):
    refused("echo locked >&2; exit 3", "exit status 3")
    assert capfd.readouterr() == ("", "locked\n")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("exit 1", "failed: it ended with exit status 1"),
        ("echo $0; exit 1", "exit status 1"),
        ("kill -TERM $$", "by signal 15"),
        ("true", "printed no key"),
        ("echo; echo '  '", "printed no key"),
        ("printf '\\377'", "not UTF-8"),
        ("printf '\\000\\000'", "NUL|blank|no key"),
        ("exec yes", "more than 64 KiB"),
    ],
)
def test_a_command_that_gives_no_key_is_an_error(code, words):
    assert refused(code, words, TEXT).exit_code == 4


def test_a_command_that_does_not_exist_is_an_error():
    for words in ([f"./{TEXT}"], ["a\0b"], [""]):
        with pytest.raises(KeyFormatError, match="can't be started") as caught:
            read_key_command(words, SUBJECT)
        assert TEXT not in str(caught.value)


def is_running(number):
    """Whether a process exists and is no zombie, whose parent has yet to see its end."""
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes")
@pytest.mark.parametrize("closing", ["", "exec >&-;"])
def test_a_command_that_takes_too_long_is_killed_with_what_it_has_started(tmp_path, monkeypatch, closing):
    """Its time is over, by a clock of the test, as soon as it has said what it has started."""
    pids, ready = tmp_path / "pids", tmp_path / "ready"
    clock = SimpleNamespace(monotonic=lambda: 31.0 if ready.exists() else 0.0)
    monkeypatch.setattr("secftp.hosts.key_command.time", clock)
    refused(f"{closing} sleep 60 & echo $! $$ > {pids}; touch {ready}; wait", "within 30 seconds", seconds=30)
    for number in pids.read_text().split():
        deadline = time.monotonic() + DEADLINE
        while is_running(number) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not is_running(number)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_process_that_a_command_leaves_behind_is_not_waited_for(tmp_path, recorded):
    """An agent that a password manager has started keeps its standard output open."""
    pid = tmp_path / "pid"
    assert material(read(f"sleep 60 & echo $! > {pid}; echo {TEXT}")) == ("text", TEXT.encode())
    assert is_running(pid.read_text().strip())
    os.kill(int(pid.read_text()), signal.SIGKILL)


PROMPTING = ["sh", "-c", 'printf "Word: " > /dev/tty; read word < /dev/tty; echo "$word"']
ASKING = f"""
import os, sys
from secftp.hosts.key_command import read_key_command
from secftp.keys import Key
Key.from_text = staticmethod(lambda text: text)
print("got", read_key_command({PROMPTING!r}, "The key command"), flush=True)
print("again", os.tcgetpgrp(0) == os.getpgrp(), flush=True)
"""
LAUNCH = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


def asking(home, slave):
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCH, sys.executable, "-P", "-c", ASKING],
        stdin=slave, stdout=slave, stderr=slave, env=environment(home), start_new_session=True,
    )  # fmt: skip


def test_a_command_may_ask_at_the_terminal(home):
    with terminal() as (slave, screen):
        process = asking(home, slave)
        try:
            screen.wait_for("Word: ")
            screen.type(f"{TEXT}\n")
            screen.wait_for(f"got {TEXT}")
            screen.wait_for("again True")
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()
            process.wait()


def test_an_interrupt_at_the_terminal_ends_the_command_and_the_client(home):
    with terminal() as (slave, screen):
        process = asking(home, slave)
        try:
            screen.wait_for("Word: ")
            screen.type("\x03")
            screen.wait_for("KeyboardInterrupt")
            assert process.wait(DEADLINE) in (1, 130, -signal.SIGINT)
        finally:
            process.kill()
            process.wait()


# --- the keyring of the desktop ---------------------------------------------------------------------------------------


class Keyring:
    """A stand-in for the library, with one password."""

    def get_password(self, service, user):
        if user == "locked":
            raise RuntimeError(TEXT)
        return TEXT if (service, user) == ("secftp", "nas") else None


def test_a_key_in_the_keyring(monkeypatch, recorded):
    monkeypatch.setitem(sys.modules, "keyring", Keyring())
    assert material(read_keyring("nas", "The keyring")) == ("text", TEXT.encode())
    for user, words in (("other", "has no such entry"), ("locked", "can't be read: RuntimeError")):
        with pytest.raises(KeyFormatError, match=words) as caught:
            read_keyring(user, "The keyring")
        assert TEXT not in str(caught.value)


def test_without_the_library_what_to_install_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(InstallationError) as caught:
        read_keyring("nas", "The keyring")
    assert "pip install 'secftp[keyring]'" in caught.value.hint


def test_nothing_is_left_behind():
    with contextlib.suppress(ChildProcessError):
        assert os.waitpid(-1, os.WNOHANG) == (0, 0)
