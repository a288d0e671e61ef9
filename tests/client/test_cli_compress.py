"""`secftp get -z` and `put -z` as a user types them: what is said, in both forms, and what is refused."""

from __future__ import annotations

import json
import os
import random

import pytest

from secftp.errors import ExitCode
from secftp.transport import compression
from tests.support.command_line import SECRET, client_and_server, run
from tests.support.serving import HOST, server_process

DRAW = random.Random(9)
TEXT = b"".join(b"line %d: %x\n" % (number, DRAW.getrandbits(24)) for number in range(100_000))


@pytest.fixture
def here(tmp_path, monkeypatch):
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.chdir(directory)
    (directory / "text").write_bytes(TEXT)
    return directory


@pytest.mark.parametrize("options", [["-z"], ["--compress"], ["--compress-level", "9"], ["-z", "--compress-level=1"]])
def test_there_and_back(secftp, here, root, options):
    sent = secftp("put", *options, "text", "//").succeed()
    assert (root / "text").read_bytes() == TEXT
    fetched = secftp("get", *options, "//text", "back").succeed()
    assert (here / "back").read_bytes() == TEXT
    for result in (sent, fetched):
        assert ", compressed to " in result.errors
        assert "Note" not in result.errors


def test_in_json(secftp, here, root):
    for words in (["put", "text", "//"], ["get", "//text", "back"]):
        verb, *rest = words
        events = [json.loads(line) for line in secftp(verb, "-z", "--progress=json", *rest).errors.splitlines()]
        ended = events[-1]
        assert (ended["event"], ended["bytes"], ended["compression"]) == ("ended", len(TEXT), "zstd")
        assert ended["ratio"] == round(len(TEXT) / (len(TEXT) - ended["saved_bytes"]), 3) > 1.5


def test_pipes(tmp_path):
    """Standard input and output; the figures of a copy are those of a pipe, too."""
    (tmp_path / "root").mkdir()
    with server_process(tmp_path, "0", "--host", HOST, "--root", tmp_path / "root", SECFTP_KEY=SECRET) as server:
        url = f"secftp://{HOST}:{server.port}/f"
        sent = run(tmp_path, "put", "-z", "-", url, stdin=TEXT).succeed()
        assert (tmp_path / "root" / "f").read_bytes() == TEXT
        fetched = run(tmp_path, "get", "-z", url, "-").succeed(TEXT)
        assert ", compressed to " in sent.errors
        assert ", compressed to " in fetched.errors
        told = run(tmp_path, "get", "-z", "--progress=json", url, "-").errors.splitlines()[-1]
        assert json.loads(told)["saved_bytes"] > len(TEXT) / 3


@pytest.mark.parametrize("way", ["put", "get", "put -", "get -"])
def test_a_server_without_it_is_noted(tmp_path, here, capfdbinary, way, monkeypatch):
    with client_and_server(tmp_path, capfdbinary, compression=False) as secftp:
        (tmp_path / "root" / "text").write_bytes(TEXT)
        if way == "put -":
            descriptor = os.open(here / "text", os.O_RDONLY)
            saved = os.dup(0)
            os.dup2(descriptor, 0)
            try:
                result = secftp("put", "-z", "-", "//back")
            finally:
                os.dup2(saved, 0)
                os.close(descriptor)
                os.close(saved)
        else:
            words = {"put": ["text", "//back"], "get": ["//text", "back"], "get -": ["//text", "-"]}[way]
            result = secftp(way.split()[0], "-z", *words)
        result.succeed(TEXT if way == "get -" else b"")
        assert "Note: The server has no compression, so nothing was compressed.\n" in result.errors
        assert "compressed to" not in result.errors


@pytest.mark.parametrize("level", ["0", "20", "-1", "three", "", "1.5", "٣", "100"])
def test_what_is_no_level(secftp, level):
    result = secftp("put", f"--compress-level={level}", "text", "//")
    result.expect(ExitCode.USAGE, "--compress-level must be a number from 1 to 19")


@pytest.mark.parametrize(
    "words", [["put", "text", "//"], ["get", "//text"], ["put", "-", "//x"], ["get", "//text", "-"]]
)
def test_without_the_library_it_says_what_to_install(secftp, here, root, words, monkeypatch):
    """Before anything is connected to, read or written."""

    def missing():
        raise ModuleNotFoundError

    monkeypatch.setattr(compression, "_library", missing)
    for option in ("-z", "--compress-level=3"):
        result = secftp(words[0], option, *words[1:])
        result.expect(ExitCode.INSTALLATION, "Compression needs a library that is not installed.")
        assert "hint: pip install 'secftp[zstd]'" in result.errors
    assert "Received" not in secftp.server.log.text
    assert os.listdir(root) == []


@pytest.mark.parametrize("name", ["zstd", "no zstd"])
def test_a_server_process_with_and_without(tmp_path, name):
    (tmp_path / "root").mkdir()
    (tmp_path / "text").write_bytes(TEXT)
    config = tmp_path / "server.toml"
    config.write_text(f"port = 0\nhost = '{HOST}'\nroot = 'root'\ncompression = {str(name == 'zstd').lower()}\n")
    with server_process(tmp_path, "--config", config, SECFTP_KEY=SECRET) as server:
        result = run(tmp_path, "put", "-z", "text", f"secftp://{HOST}:{server.port}/").succeed()
    assert (", compressed to " in result.errors) == (name == "zstd")
    assert ("The server has no compression" in result.errors) == (name != "zstd")
