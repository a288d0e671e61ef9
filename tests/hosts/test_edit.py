"""Changes to the user's file of hosts: comments stay, nothing else is different, and it is written as a whole."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import tomllib

import pytest

from secftp.errors import FileError, InstallationError, UsageError
from secftp.hosts.config import read_config
from secftp.hosts.edit import Change, remove_host, set_host
from tests.support.serving import environment

URL = "secftp://nas.example/backup"


@pytest.fixture
def path(tmp_path):
    return os.fspath(tmp_path / "config" / "secftp" / "config.toml")


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o600)


def text_of(path):
    with open(path) as file:
        return file.read()


def test_the_first_entry_makes_a_private_file(path):
    before = os.umask(0)
    try:
        assert set_host(path, "nas", {"url": URL}) == Change(existed=False, changed=True)
    finally:
        os.umask(before)
    assert text_of(path) == f'[hosts.nas]\nurl = "{URL}"\n'
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert os.listdir(os.path.dirname(path)) == ["config.toml"]
    assert list(read_config(path).hosts) == ["nas"], "the directories above are the user's alone, too"


def test_again_is_no_change(path):
    set_host(path, "nas", {"url": URL, "streams": 4, "key-command": ["a", "b"]})
    before = os.stat(path)
    again = set_host(path, "nas", {"url": URL, "streams": 4, "key-command": ["a", "b"], "keyring": None})
    assert again == Change(existed=True, changed=False)
    assert os.path.samestat(os.stat(path), before)
    assert remove_host(path, "other") == Change(existed=False, changed=False)
    assert remove_host(path, "nas") == Change(existed=True, changed=True)
    assert remove_host(path, "nas") == Change(existed=False, changed=False)
    assert read_config(path).hosts == {}


def test_nothing_is_removed_from_a_file_that_is_not_there(path):
    assert remove_host(path, "nas") == Change(existed=False, changed=False)
    assert not os.path.exists(path)


COMMENTED = """\
# My servers.

[default]          # for all
cipher = "aes128"  # older machines

[hosts.one]
url = "secftp://one"   # in the cellar
# not yet:
# streams = 4
key-file = 'one.key'

# The second.
[hosts.two]
url = "secftp://two"
"""


def test_comments_and_order_stay(path):
    write(path, COMMENTED)
    set_host(path, "nas", {"url": URL})
    assert text_of(path) == f'{COMMENTED}\n[hosts.nas]\nurl = "{URL}"\n'
    remove_host(path, "nas")
    assert text_of(path).rstrip() == COMMENTED.rstrip()
    set_host(path, "one", {"url": "secftp://one", "key-file": None, "keyring": "me", "retries": 3})
    text = text_of(path)
    assert all(comment in text for comment in ("# for all", "# in the cellar", "# not yet:", "# The second."))
    assert "one.key" not in text
    assert read_config(path).hosts["one"].options == {"cipher": "aes128", "retries": "3"}
    remove_host(path, "one")
    assert list(read_config(path).hosts) == ["two"]
    assert "# for all" in text_of(path)


@pytest.mark.parametrize(
    "text",
    [
        'hosts = { one = { url = "secftp://one" }, two = { url = "secftp://two" } }\n',
        '[hosts]\none = { url = "secftp://one" }\ntwo.url = "secftp://two"\n',
        '[hosts]\n[hosts.one]\nurl = "secftp://one"\n[hosts.two]\nurl = "secftp://two"\n',
        '[hosts.one]\nurl = "secftp://one"\n[default]\nstreams = 2\n[hosts.two]\nurl = "secftp://two"\n',
        '[hosts.one]\nurl = "secftp://one"\n[hosts.two]\nurl = "secftp://two"\n[default]\nstreams = 2\n',
        'hosts.one.url = "secftp://one"\nhosts.two.url = "secftp://two"\n',
        '[hosts.one]\r\nurl = "secftp://one"\r\n[hosts.two]\r\nurl = "secftp://two"\r\n',
        '[hosts."one"]\n"url" = "secftp://one"\n[hosts.\'two\']\nurl = """secftp://two"""',
        '\ufeff[hosts.one]\nurl = "secftp://one"\n[hosts.two]\nurl = "secftp://two"\n',
    ],
)
def test_every_way_to_write_a_table_is_changed_rightly_or_not_at_all(path, text):
    write(path, text)
    meant = tomllib.loads(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    for step in (
        lambda: set_host(path, "nas", {"url": URL, "streams": 4}),
        lambda: set_host(path, "one", {"url": "secftp://other"}),
        lambda: remove_host(path, "two"),
    ):
        before = text_of(path)
        try:
            step()
        except UsageError as problem:
            assert "without changing something else" in str(problem)  # noqa: PT017
            assert text_of(path) == before
            return
    meant["hosts"]["nas"] = {"url": URL, "streams": 4}
    meant["hosts"]["one"]["url"] = "secftp://other"
    del meant["hosts"]["two"]
    assert tomllib.loads(text_of(path)) == meant


def test_what_is_meant_is_checked_before_it_is_written(path):
    write(path, COMMENTED)
    for name, fields in (
        ("n", {"url": URL}),
        ("a:b", {"url": URL}),
        ("nas", {"url": "nas:x"}),
        ("nas", {"url": URL, "streams": 99}),
        ("nas", {"url": URL, "key-file": "a", "keyring": "b"}),
        ("nas", {"streams": 4}),
        ("nas", {"url": URL, "key-file": "\udcff"}),
    ):
        with pytest.raises(UsageError):
            set_host(path, name, fields)
    assert text_of(path) == COMMENTED
    assert os.listdir(os.path.dirname(path)) == ["config.toml"]


def test_a_file_that_is_wrong_or_of_others_is_not_changed(path):
    for text, mode in (("[hosts.one\n", 0o600), (COMMENTED, 0o666)):
        write(path, text)
        os.chmod(path, mode)
        with pytest.raises(UsageError):
            set_host(path, "nas", {"url": URL})
        assert text_of(path) == text


def test_a_symlink_stays_one(path, tmp_path):
    kept = tmp_path / "dotfiles"
    kept.mkdir()
    write(os.fspath(kept / "secftp.toml"), COMMENTED)
    os.makedirs(os.path.dirname(path))
    os.symlink(os.fspath(kept / "secftp.toml"), path)
    set_host(path, "nas", {"url": URL})
    assert os.path.islink(path)
    assert "nas" in read_config(path).hosts


def test_a_file_that_can_not_be_written_is_told(path, monkeypatch):
    write(path, COMMENTED)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(FileError, match="can't be written: no space left") as caught:
        set_host(path, "nas", {"url": URL})
    assert caught.value.exit_code == 13
    assert text_of(path) == COMMENTED
    assert os.listdir(os.path.dirname(path)) == ["config.toml"]


def test_changes_at_the_same_time_are_all_made(path):
    names = [f"host{number}" for number in range(12)]
    threads = [threading.Thread(target=set_host, args=(path, name, {"url": URL})) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_config(path).hosts) == sorted(names)


def test_without_tomlkit_what_to_install_is_told(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tomlkit", None)
    with pytest.raises(InstallationError) as caught:
        set_host(path, "nas", {"url": URL})
    assert "pip install 'secftp[hosts]'" in caught.value.hint


def test_reading_needs_no_tomlkit(path):
    write(path, COMMENTED)
    code = (
        f"import sys; sys.modules['tomlkit'] = None; from secftp.hosts.config import read_config; read_config({path!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment("/"))
