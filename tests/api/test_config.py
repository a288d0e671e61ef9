"""The user's file of hosts for programs: `config=True` in the three interfaces, and only then."""

from __future__ import annotations

import asyncio
import os

import fsspec
import pytest

import secftp
import secftp.aio
from secftp.api.choice import DEFAULT_CIPHER, DEFAULT_TIMEOUT, choose
from secftp.keys import read_key_file, write_key_file
from secftp.url import Url
from tests.support.serving import HOST, serving

TEXT = "the-cat-sat-on-the-mat"


@pytest.fixture
def configure(tmp_path, monkeypatch):
    """Write the file of hosts."""

    def write(text):
        path = tmp_path / "config.toml"
        path.write_text(text)
        path.chmod(0o600)
        monkeypatch.setenv("SECFTP_CONFIG", str(path))

    return write


def chosen(url, *, config=True, **given):
    values = {
        "anonymous": False, "cipher": DEFAULT_CIPHER, "timeout": DEFAULT_TIMEOUT, "connect_timeout": None,
        "congestion": None,
    }  # fmt: skip
    return choose(url, config=config, **values | given)


CONFIG = """
[default]
timeout = 20
key-command = ["echo", "of-the-default"]
[hosts.nas]
url = "secftp://me@nas.example:9000/backup"
cipher = "aes128"
connect-timeout = 5
[hosts.other]
url = "secftp://other.example"
name = "joe"
timeout = 30
key-command = ["echo", "of-the-entry"]
"""


def test_what_is_in_the_file_counts_where_no_argument_says_it(configure):
    configure(CONFIG)
    nas = Url("nas.example", 9000, "me", (b"backup",), trailing_slash=True)
    found = chosen("nas")
    assert (found.location, found.cipher, found.timeout, found.connect_timeout) == (nas, "aes128", 20.0, 5.0)
    assert found.key.command == ("echo", "of-the-default")
    assert chosen("nas:a").location.path == (b"backup", b"a")
    assert chosen("ann@nas").location.name == "ann"
    assert chosen("secftp://nas/a").location == nas._replace(path=(b"a",), trailing_slash=False)
    other = chosen("other")
    assert (other.location.name, other.timeout, other.key.command) == ("joe", 30.0, ("echo", "of-the-entry"))
    assert chosen("secftp://third").key.command == ("echo", "of-the-default")
    said = chosen("nas", cipher="aes256", timeout=60.0, connect_timeout=60.0)
    assert (said.cipher, said.timeout, said.connect_timeout) == ("aes256", 60.0, 60.0)
    assert chosen("nas", anonymous=True).location.name == ""


def test_without_being_asked_no_file_is_read(configure):
    configure("[hosts.nas\n")
    found = chosen("secftp://nas/a", config=False)
    assert (found.location.host, found.cipher, found.timeout, found.key) == ("nas", "aes256", 60.0, None)
    for url in ("nas", "nas:a"):
        with pytest.raises(secftp.UsageError, match="must be given as a URL"):
            chosen(url, config=False)
    with pytest.raises(secftp.UsageError, match="line 1"):
        chosen("secftp://nas/a")


def test_a_name_that_is_not_in_the_file(configure, monkeypatch):
    configure(CONFIG)
    with pytest.raises(secftp.UsageError, match="no host of that name"):
        chosen("nsa")
    monkeypatch.setenv("SECFTP_CONFIG", "")
    with pytest.raises(secftp.UsageError, match="no host of that name"):
        chosen("nas")
    assert chosen("nas:a").location.host == "nas"


def test_a_key_command_that_fails_is_never_anonymous(configure):
    configure('[hosts.nas]\nurl = "secftp://127.0.0.1:1"\nkey-command = ["false"]\n')
    with pytest.raises(secftp.KeyFormatError, match=r"The key command of \[hosts.nas\] failed"):
        secftp.connect("nas", config=True)
    with pytest.raises(secftp.ServerUnreachable):
        secftp.connect("nas", TEXT, config=True)


@pytest.fixture
def named(tmp_path, configure):
    """A server that the file names, with its key."""
    root = tmp_path / "root"
    (root / "backup").mkdir(parents=True)
    (root / "backup" / "f").write_bytes(b"hello")
    write_key_file(tmp_path / "nas.key")
    with serving(root, key=read_key_file(tmp_path / "nas.key")) as server:
        configure(f'[hosts.nas]\nurl = "secftp://{HOST}:{server.port}/backup"\nkey-file = "nas.key"\n')
        yield server


def test_a_client(named):
    with secftp.connect("nas", config=True) as client:
        assert client.read_bytes("f") == b"hello"
        assert client.url == f"secftp://{HOST}:{named.port}/backup/"
    with pytest.raises(secftp.AuthenticationError):
        secftp.connect("nas", TEXT, config=True)


def test_a_client_for_asyncio(named):
    async def read():
        async with secftp.aio.connect("nas:", config=True, connect_timeout=30) as client:
            return await client.read_bytes("f"), client.url

    assert asyncio.run(read()) == (b"hello", f"secftp://{HOST}:{named.port}/backup/")


def test_a_file_system(named):
    opened = fsspec.open("secftp://nas/backup/f", config=True)
    with opened as file:
        assert file.read() == b"hello"
    opened.fs.close()
    fs = fsspec.filesystem("secftp", host="nas", config="true")
    assert fs.info("/backup/f")["size"] == 5
    assert "nas.key" not in fs.to_json()
    fs.close()


def test_the_environment_of_the_command_line_does_not_count(named, monkeypatch):
    monkeypatch.setenv("SECFTP_KEY", TEXT)
    with secftp.connect("nas", config=True) as client:
        assert client.exists("f")
    assert os.environ["SECFTP_KEY"] == TEXT
