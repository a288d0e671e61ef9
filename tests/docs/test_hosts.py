"""The page about hosts: its commands are run at a server, and its file is one."""

from __future__ import annotations

import shlex
from pathlib import Path

from secftp.hosts.config import parse_config
from tests.support.command_line import run
from tests.support.pages import blocks, run_as_program

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "hosts.md"


def test_the_commands_of_the_page_do_what_it_says(secftp, home, tmp_path):
    (home / "photos").mkdir()
    (home / "photos" / "1.jpg").write_bytes(b"picture")
    (tmp_path / "key").rename(home / "nas.key")
    (tmp_path / "root" / "backup").mkdir()
    replaced = {"secftp://nas.example:9000/backup": secftp.url("backup"), "~/nas.key": str(home / "nas.key")}
    lines = blocks(PAGE, "console")[0].splitlines()
    assert sum(line.startswith("$ secftp") for line in lines) > 5
    done = None
    for line in lines:
        if line.startswith("$ "):
            words = [replaced.get(word, word) for word in shlex.split(line)[2:]]
            done = run(home, *words, keyed=False)
            assert done.code == 0, (line, done.errors)
        else:
            assert line.replace("/home/me", str(home)) in done.errors
    assert (home / "1.jpg").read_bytes() == b"picture"
    assert run(home, "rm", "-q", "-r", "nas:photos", keyed=False).code == 0
    run_as_program(PAGE, home, home=home)
    assert (tmp_path / "root" / "backup" / "photos" / "1.jpg").read_bytes() == b"picture"
    assert done.output.decode() == f"nas  {secftp.url('backup')}  key-file={home / 'nas.key'}\n"


def test_the_file_of_the_page_is_one():
    (text,) = blocks(PAGE, "toml")
    config = parse_config(text.encode(), "/home/me/config.toml")
    assert set(config.hosts) == {"nas", "office"}
    assert config.hosts["nas"].options == {"retries": "5", "streams": "4"}
