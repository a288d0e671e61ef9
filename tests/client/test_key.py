"""Sources of the client's key, and that it does not leak."""

from __future__ import annotations

import os
import pty
import termios
import threading

import pytest

from secftp.client import key
from secftp.client.__main__ import main
from secftp.client.commands.read import parse as parse_read
from secftp.client.key import ask, choose_key
from secftp.errors import KeyFormatError, UsageError
from secftp.keys import generate_key, read_key_file
from tests.support.recorded_password import material, recorded

__all__ = ["recorded"]

TEXT = "the-cat-sat-on-the-mat"
OTHER = "a-dog-was-there-too"


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch, tmp_path):
    """No key in the environment, no terminal to ask at."""
    monkeypatch.delenv("SECFTP_KEY", raising=False)
    monkeypatch.setattr(key, "TERMINAL", str(tmp_path / "no terminal"))


def choose(connection):
    """The key of `read` and `write`."""
    return choose_key(connection, none_is_anonymous=True)


def options(cipher="aes128", *more, place="host:80"):
    return parse_read(["f", place, cipher, *more]).connection


@pytest.mark.parametrize("cipher", ["none", "aes128", "aes256"])
def test_a_key_on_the_command_line(cipher, recorded):
    assert material(choose(options(cipher, TEXT))()) == ("text", TEXT.encode())


def test_a_key_file(tmp_path, recorded):
    path = tmp_path / "key"
    path.write_text(f"{TEXT}\n")
    path.chmod(0o600)
    assert material(choose(options("aes128", "--key-file", str(path)))()) == ("text", TEXT.encode())


def test_a_key_file_that_is_not_there_is_never_anonymous(tmp_path):
    with pytest.raises(KeyFormatError):
        choose(options("none", "--key-file", str(tmp_path / "none")))()


def test_the_environment_is_used_and_emptied(monkeypatch, recorded):
    monkeypatch.setenv("SECFTP_KEY", TEXT)
    obtain = choose(options("none"))
    assert "SECFTP_KEY" not in os.environ
    assert material(obtain()) == ("text", TEXT.encode())


def test_the_command_line_comes_before_the_environment(monkeypatch, recorded):
    monkeypatch.setenv("SECFTP_KEY", OTHER)
    assert material(choose(options("aes128", TEXT))()) == ("text", TEXT.encode())
    assert "SECFTP_KEY" not in os.environ


@pytest.mark.parametrize("arguments", [("aes128", ""), ("none", "")])
def test_an_empty_key_is_an_error_and_never_anonymous(arguments, monkeypatch):
    with pytest.raises(KeyFormatError):
        choose(options(*arguments))()
    monkeypatch.setenv("SECFTP_KEY", "")
    with pytest.raises(KeyFormatError):
        choose(options(arguments[0]))()


def test_none_without_a_key_is_anonymous():
    assert choose(options("none")) is None


@pytest.mark.parametrize("cipher", ["none", "aes128", "aes256"])
def test_no_key_is_anonymous_whatever_the_environment_holds(cipher, monkeypatch):
    monkeypatch.setenv("SECFTP_KEY", TEXT)
    assert choose(options(cipher, "--no-key")) is None
    assert "SECFTP_KEY" not in os.environ


def test_the_name_of_a_key_needs_a_key(recorded):
    with pytest.raises(UsageError):
        choose(options("none", place="joe@host:80"))
    with pytest.raises(UsageError):
        choose(options("aes128", "--no-key", "--name", "joe"))
    assert choose(options("none", TEXT, "--name", "joe")) is not None


def test_without_a_terminal_a_cipher_needs_a_key():
    with pytest.raises(KeyFormatError) as caught:
        choose(options("aes256"))()
    assert "--key-file" in caught.value.hint


# --- the prompt -----------------------------------------------------------------------------------------------------


class Typist:
    """A user at a terminal who types `text` once the prompt is there; `seen` is what the terminal showed."""

    def __init__(self, monkeypatch, text):
        self.seen = b""
        self._text = text
        self._master, self._slave = pty.openpty()
        self._thread = threading.Thread(target=self._type)
        monkeypatch.setattr(key, "TERMINAL", os.ttyname(self._slave))

    def _type(self):
        while b"Key: " not in self.seen:
            self.seen += os.read(self._master, 1024)
        os.write(self._master, self._text)
        while not self.seen.endswith(b"\n"):
            self.seen += os.read(self._master, 1024)

    def echoes(self):
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)


@pytest.mark.usefixtures("within_five_seconds")
def test_the_prompt_reads_a_line_without_echo(monkeypatch, recorded):
    with Typist(monkeypatch, f"{TEXT}é\n".encode()) as typist:
        assert material(ask("Key: ")) == ("text", f"{TEXT}é".encode())
        assert typist.echoes()
    assert typist.seen == b"Key: \r\n"


@pytest.mark.usefixtures("within_five_seconds")
@pytest.mark.parametrize("typed", [b"\n", b"\x04"])
def test_nothing_typed_is_no_key(typed, monkeypatch):
    with Typist(monkeypatch, typed) as typist, pytest.raises(KeyFormatError, match="No key was typed"):
        ask("Key: ")
    assert typist.seen.startswith(b"Key: ")


@pytest.mark.usefixtures("within_five_seconds")
def test_what_is_typed_wrong_is_said_but_not_shown(monkeypatch):
    right = generate_key()
    wrong = ("7" if right[0] != "7" else "8") + right[1:]
    with Typist(monkeypatch, f"{wrong}\n".encode()) as typist, pytest.raises(KeyFormatError) as caught:
        ask("Key: ")
    assert wrong not in f"{caught.value}{caught.value.hint}{typist.seen!r}"


@pytest.mark.usefixtures("within_five_seconds")
def test_the_prompt_gives_the_terminal_back_when_it_is_interrupted(monkeypatch):
    def interrupt(_terminal):
        raise KeyboardInterrupt

    monkeypatch.setattr(key, "_read_line", interrupt)
    with Typist(monkeypatch, b"") as typist:
        with pytest.raises(KeyboardInterrupt):
            ask("Key: ")
        assert typist.echoes()


# --- new keys -------------------------------------------------------------------------------------------------------


def test_keygen_prints_a_key_and_nothing_else(capfd):
    assert main(["keygen"]) == 0
    out, err = capfd.readouterr()
    assert len(out) == len(generate_key()) + 1
    assert err == ""


def test_keygen_makes_a_file_once(tmp_path, capfd):
    path = str(tmp_path / "key\x1b")
    assert main(["keygen", "--file", path]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert "key\\x1b" in err
    read_key_file(path)
    with open(path, "rb") as file:
        before = file.read()
    assert before.split()[1].decode() not in err
    assert main(["keygen", "--file", path]) == 8
    with open(path, "rb") as file:
        assert file.read() == before
