"""The user's file of hosts: its place, its contents, and what is wrong with them."""

from __future__ import annotations

import os

import pytest

from secftp.errors import UsageError
from secftp.hosts import config_path, existing_config
from secftp.hosts.config import parse_config, read_config
from secftp.url import Url

SECRET = "hunter2-and-more"
PATH = "/home/me/.config/secftp/config.toml"


def parse(text):
    return parse_config(text.encode(), PATH)


def refused(text, words):
    with pytest.raises(UsageError, match=words) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"The file {PATH}")
    assert SECRET not in str(caught.value) + caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({"HOME": "/home/me"}, PATH),
        ({"HOME": "/home/me", "XDG_CONFIG_HOME": "/etc/me"}, "/etc/me/secftp/config.toml"),
        ({"HOME": "/home/me", "XDG_CONFIG_HOME": "relative"}, PATH),
        ({"HOME": "/home/me", "XDG_CONFIG_HOME": ""}, PATH),
        ({"HOME": "/home/me", "SECFTP_CONFIG": "x.toml"}, "x.toml"),
        ({"HOME": "/home/me", "SECFTP_CONFIG": ""}, PATH),
        ({"HOME": "relative"}, None),
    ],
)
def test_the_place_of_the_file(environment, path):
    assert config_path(environment) == path


def test_a_file_that_is_not_there_counts_only_if_it_was_named(tmp_path):
    assert existing_config({"HOME": os.fspath(tmp_path)}) is None
    assert existing_config({"SECFTP_CONFIG": "none"}) == "none"
    with pytest.raises(UsageError, match="can't be read"):
        read_config(os.fspath(tmp_path / "none"))
    assert read_config(os.devnull).hosts == {}


def test_an_entry_takes_what_it_has_not_from_the_default():
    config = parse(
        """
        [default]
        cipher = "aes128"
        streams = 2
        key-file = "~/usual.key"
        [hosts.nas]
        url = "secftp://joe@nas.example:9000/backup"
        streams = "auto"
        limit-rate = "20M"
        retries = 5
        connect-timeout = 2.5
        timeout = "10"
        key-command = ["pass", "show", "nas"]
        [hosts."a.b-c_1"]
        url = "secftp://[::1]"
        keyring = "nas"
        [hosts.plain]
        url = "secftp://plain"
        key-file = "keys/plain"
        """
    )
    nas, other, plain = config.hosts["nas"], config.hosts["a.b-c_1"], config.hosts["plain"]
    assert nas.url == Url("nas.example", 9000, "joe", (b"backup",), trailing_slash=False)
    assert nas.options == {
        "cipher": "aes128", "streams": "auto", "limit-rate": "20M", "retries": "5", "connect-timeout": "2.5",
        "timeout": "10",
    }  # fmt: skip
    assert (nas.key.command, nas.key.subject) == (("pass", "show", "nas"), "The key command of [hosts.nas]")
    assert (other.key.keyring, other.options) == ("nas", {"cipher": "aes128", "streams": "2"})
    assert plain.key.file == "/home/me/.config/secftp/keys/plain"
    assert config.default_key.file == os.path.expanduser("~/usual.key")
    assert config.default_options == {"cipher": "aes128", "streams": "2"}


def test_an_empty_file_has_no_hosts():
    assert parse("").hosts == parse("\ufeff# nothing\n").hosts == {}


URL = 'url = "secftp://nas"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[hosts.nas\n", r"can't be parsed: .*line 1"),
        ("[hosts.nas]\nurl = secftp://nas\n", r"can't be parsed: .*line 2"),
        (f"[hosts.nas]\n{URL}{URL}", r"can't be parsed: .*line 3"),
        ("x = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("hosts = 1\n", "hosts must be a table"),
        ("[hosts]\nnas = 1\n", "hosts.nas must be a table"),
        ("[hosts]\nnas = [1]\n", "hosts.nas must be a table"),
        ("default = [1]\n", "default must be a table"),
        (f"[default]\n{URL}", "it has no url"),
        ("[hosts.nas]\n", "its url is missing"),
        ("[hosts.nas]\nurl = 1\n", "url must be a string"),
        ('[hosts.nas]\nurl = "nas:x"\n', "must be given as a URL"),
        ('[hosts.nas]\nurl = "secftp://nas:x"\n', "port must be a number"),
        ('[hosts.nas]\nurl = "secftp://nas/../x"\n', "must not contain"),
        (f'[hosts.nas]\nurl = "secftp://joe:{SECRET}@nas"\n', "never the key itself"),
        (f'[hosts.nas]\n{URL}key = "{SECRET}"\n', "must not hold a key"),
        (f'[default]\nkey = "{SECRET}"\n', "must not hold a key"),
        (f"[hosts.nas]\n{URL}{SECRET} = 1\n", "it has an unknown word"),
        (f"[hosts.nas]\n{URL}ciper = 'aes256'\n", "ciper is unknown"),
        (f"[host.nas]\n{URL}", "host is unknown"),
        ("[defaults]\n", "defaults is unknown"),
        (f"[hosts.nas]\n{URL}key-command = 'pass show nas'\n", "must be a list, as no shell reads it"),
        (f"[hosts.nas]\n{URL}key-command = []\n", "must be a list of strings"),
        (f"[hosts.nas]\n{URL}key-command = ['a', 1]\n", "must be a list of strings"),
        (f"[hosts.nas]\n{URL}key-file = 'a'\nkeyring = 'b'\n", "key-file and keyring exclude each other"),
        (f"[hosts.nas]\n{URL}key-file = 1\n", "key-file must be a string"),
        (f"[hosts.nas]\n{URL}keyring = ''\n", "keyring must be a string"),
        (f'[hosts.nas]\n{URL}key-file = "a\\u0000b"\n', "key-file must be a string"),
        (f"[hosts.nas]\n{URL}cipher = 'rot13'\n", "cipher must be none, aes128 or aes256"),
        (f"[hosts.nas]\n{URL}cipher = [1]\n", "cipher must be"),
        (f"[hosts.nas]\n{URL}name = 1\n", "name must be a string"),
        ("[hosts.nas]\nurl = 'secftp://joe@nas'\nname = 'jim'\n", "two different names"),
        (f"[hosts.nas]\n{URL}streams = 0\n", "streams must be"),
        (f"[hosts.nas]\n{URL}streams = 17\n", "streams must be"),
        (f"[hosts.nas]\n{URL}streams = true\n", "streams must be"),
        (f"[hosts.nas]\n{URL}streams = 1.0\n", "streams must be"),
        (f"[hosts.nas]\n{URL}retries = -1\n", "retries must be"),
        (f"[hosts.nas]\n{URL}limit-rate = '20MB'\n", "limit-rate must be"),
        (f"[hosts.nas]\n{URL}limit-rate = 0\n", "limit-rate must be"),
        (f"[hosts.nas]\n{URL}timeout = 0\n", "timeout must be"),
        (f"[hosts.nas]\n{URL}timeout = 2026-11-28\n", "timeout must be"),
        (f"[hosts.nas]\n{URL}connect-timeout = nan\n", "connect-timeout must be"),
        (f"[hosts.n]\n{URL}", "2 to 64 letters"),
        (f"[hosts.-nas]\n{URL}", "2 to 64 letters"),
        (f'[hosts."a:b"]\n{URL}', "2 to 64 letters"),
        (f'[hosts."a/b"]\n{URL}', "2 to 64 letters"),
        (f'[hosts."a@b"]\n{URL}', "2 to 64 letters"),
        (f'[hosts."a\\nb"]\n{URL}', "2 to 64 letters"),
        (f'[hosts."b\u00fccher"]\n{URL}', "2 to 64 letters"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(text, words):
    assert refused(text, words).hint


def test_what_is_not_utf_8_is_told():
    with pytest.raises(UsageError, match="not UTF-8"):
        parse_config(b"\xff", PATH)


def test_a_word_that_is_nearly_right_is_told_with_the_right_one():
    assert "Did you mean cipher?" in refused(f"[hosts.nas]\n{URL}ciper = 1\n", "ciper").hint
    assert "Did you mean hosts?" in refused(f"[host.nas]\n{URL}", "host").hint
