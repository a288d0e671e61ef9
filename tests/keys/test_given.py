"""Sources of one key: whatever editors, shells and commands append is not part of the key."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from secftp.client import key as client_key
from secftp.client.commands.read import parse as parse_read
from secftp.client.key import choose_key
from secftp.errors import KeyFormatError
from secftp.keys import Key, read_key_descriptor, read_key_file, read_text
from secftp.keys.named import read_keys
from tests.client.test_key import Typist
from tests.support.recorded_password import material, recorded

__all__ = ["recorded"]

TEXT = "a key of 12 s\N{LATIN SMALL LETTER I WITH DIAERESIS}gns"
MARK = "\ufeff"
SPELLINGS = {
    "as it is": TEXT,
    "LF": TEXT + "\n",
    "CR LF": TEXT + "\r\n",
    "CR, as $(cat FILE) leaves it": TEXT + "\r",
    "a mark": MARK + TEXT,
    "a mark and CR LF": MARK + TEXT + "\r\n",
}


def choose(options):
    return choose_key(options.connection, none_is_anonymous=True)


def by_file(text, tmp_path, _monkeypatch):
    path = tmp_path / "key"
    path.write_bytes(text.encode())
    path.chmod(0o600)
    return read_key_file(path)


def by_option(text, tmp_path, monkeypatch):
    by_file(text, tmp_path, monkeypatch)
    return choose(parse_read(["f", "h:1", "none", "--key-file", str(tmp_path / "key")]))()


def by_descriptor(text, _tmp_path, _monkeypatch):
    read_end, write_end = os.pipe()
    os.write(write_end, text.encode())
    os.close(write_end)
    return read_key_descriptor(read_end)


def by_variable(text, _tmp_path, monkeypatch):
    monkeypatch.setenv("SECFTP_KEY", text)
    return choose(parse_read(["f", "h:1", "none"]))()


def by_argument(text, _tmp_path, monkeypatch):
    monkeypatch.delenv("SECFTP_KEY", raising=False)
    return choose(parse_read(["f", "h:1", "none", "--", text]))()


def by_program(text, _tmp_path, _monkeypatch):
    return Key.from_text(text)


def by_keys_file(text, tmp_path, _monkeypatch):
    path = tmp_path / "keys.toml"
    quoted = text.replace("\r", "\\r").replace("\n", "\\n")
    path.write_bytes(f'{MARK}[name]\r\nkey = "{quoted}"\r\nrights = "full"\r\n'.encode())
    path.chmod(0o600)
    return read_keys(path)["name"].key


WAYS = [by_file, by_option, by_descriptor, by_variable, by_argument, by_program, by_keys_file]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("way", WAYS)
def test_one_key(recorded, tmp_path, monkeypatch, way, spelling):
    assert material(way(SPELLINGS[spelling], tmp_path, monkeypatch)) == ("text", TEXT.encode())


@pytest.mark.usefixtures("within_five_seconds")
@pytest.mark.parametrize("end", [b"\n", b"\r"])  # a terminal makes a newline of CR
def test_one_key_from_a_prompt(recorded, monkeypatch, end):
    with Typist(monkeypatch, MARK.encode() + TEXT.encode() + end):
        assert material(client_key.ask("Key: ")) == ("text", TEXT.encode())


@pytest.mark.parametrize("more", ["\n\n", "\r\n\r\n", "\n\r", " ", "\n "])
@pytest.mark.parametrize("way", WAYS)
def test_no_more_than_one_line_end_is_taken_off(recorded, tmp_path, monkeypatch, way, more):
    expected = (TEXT + more).removesuffix("\n").removesuffix("\r")
    assert material(way(TEXT + more, tmp_path, monkeypatch)) == ("text", expected.encode())


@pytest.mark.parametrize("text", ["", "\n", "\r\n", MARK, MARK + "\n", " ", "\t \r\n", "\u3000", "\u200b", "\0\0"])
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_no_key(tmp_path, monkeypatch, way, text):
    if "\0" in text and way in (by_variable, by_keys_file):
        text = text.replace("\0", "\u2060")  # neither can hold a NUL
    with pytest.raises(KeyFormatError) as caught:
        way(text, tmp_path, monkeypatch)
    assert caught.value.hint


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("way", [by_file, by_descriptor])
def test_a_key_in_utf_16_is_told(tmp_path, way, encoding):
    class Text(str):
        __slots__ = ()

        def encode(self):
            return str.encode(self, encoding)

    with pytest.raises(KeyFormatError, match="UTF-16") as caught:
        way(Text("hunter2\r\n"), tmp_path, None)
    assert "UTF-8" in caught.value.hint
    assert "hunter2" not in f"{caught.value}{caught.value.hint}"


def test_a_secret_of_keygen_behind_a_mark(recorded, tmp_path):
    line = "secftp-key-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAc="
    assert material(by_file(MARK + line + "\r\n", tmp_path, None)) == ("secret", bytes(31) + b"\x07")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_configuration_in_another_encoding_is_told(tmp_path, encoding):
    path = tmp_path / "config.toml"
    path.write_bytes('# \N{LATIN SMALL LETTER U WITH DIAERESIS}\nroot = "."\n'.encode(encoding))
    path.chmod(0o600)
    with pytest.raises(KeyFormatError, match=r"UTF-16 text, not UTF-8" if encoding == "utf-16" else "not UTF-8 text"):
        read_text(path, "The configuration")


def test_a_name_with_a_nul_is_told(tmp_path):
    from secftp.errors import UsageError
    from secftp.server.config import read_config

    keys, config = tmp_path / "keys.toml", tmp_path / "config.toml"
    keys.write_text('[name]\nkey-file = "a\\u0000b"\nrights = "full"\n')
    config.write_text('root = "a\\u0000b"\n')
    keys.chmod(0o600)
    config.chmod(0o600)
    with pytest.raises(KeyFormatError, match="must be strings"):
        read_keys(keys)
    with pytest.raises(UsageError, match="NUL"):
        read_config(str(config))
    with pytest.raises(KeyFormatError, match="no file has such a name"):
        read_key_file("a\0b")


def test_a_configuration_behind_a_mark(tmp_path):
    from secftp.server.config import read_config

    path = tmp_path / "config.toml"
    path.write_bytes(f'{MARK}port = 1\r\nroot = "."\r\n'.encode())
    path.chmod(0o600)
    assert read_config(str(path))[0] == "1"


@pytest.mark.parametrize("descriptor", [0, 1, 2])
def test_the_number_of_a_standard_descriptor_is_not_given_to_a_connection(descriptor):
    """And it fails: neither would an empty standard input be stored, nor an output get lost."""
    script = (
        "import os, socket, sys\n"
        "from secftp.keys import read_key_descriptor\n"
        "number, kept = int(sys.argv[1]), os.dup(2)\n"
        "reading, writing = os.pipe()\n"
        "os.write(writing, b'a key of some words')\n"
        "os.close(writing)\n"
        "os.dup2(reading, number)\n"
        "os.close(reading)\n"
        "read_key_descriptor(number)\n"
        "free = socket.socket().fileno() > 2\n"
        "try:\n"
        "    os.write(number, b'x') if number else os.read(number, 1)\n"
        "    fails = False\n"
        "except OSError:\n"
        "    fails = True\n"
        "os.write(kept, f'{free} {fails}'.encode())\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(descriptor)], capture_output=True, timeout=60, check=True)
    assert done.stderr == b"True True"


def test_the_empty_name_of_a_file_is_told(tmp_path):
    with pytest.raises(KeyFormatError, match="The name of the key file is empty") as raised:
        read_key_file("")
    assert "variable" in raised.value.hint
