"""Words like those of scp: what they mean, and which are refused."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secftp.client.commands.cp import parse as parse_cp
from secftp.client.commands.get import parse as parse_get
from secftp.client.commands.ls import parse as parse_ls
from secftp.client.commands.put import parse as parse_put
from secftp.errors import NameRefused, SecftpError, UsageError
from secftp.hosts.words import parse_remote
from secftp.url import DEFAULT_PORT, Url, format_url, parse_url

SECRET = "hunter2-and-more"


def url(*path, host="host", port=DEFAULT_PORT, name="", slash=False):
    return Url(host, port, name, path, slash or not path)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("host:", url()),
        ("host:a/b", url(b"a", b"b")),
        ("host:/a//b/", url(b"a", b"b", slash=True)),
        ("host:.", url()),
        ("host:./a/./b/.", url(b"a", b"b", slash=True)),
        ("host:./9000", url(b"9000")),
        ("host:9000x/y", url(b"9000x", b"y")),
        ("joe@host:a@b:c", url(b"a@b:c", name="joe")),
        ("joe@work@host:a", url(b"a", name="joe@work")),
        ("[::1]:a", url(b"a", host="::1")),
        ("joe@[fe80::1%eth0]:a", url(b"a", host="fe80::1%eth0", name="joe")),
        ("192.0.2.7:a", url(b"a", host="192.0.2.7")),
        ("host:100%25 \u00fc\udcff", url("100%25 \u00fc".encode() + b"\xff")),
        ("host:what?#2", url(b"what?#2")),
        ("secftp://host:7/a%20b", url(b"a b", port=7)),
    ],
)
def test_a_word(text, parts):
    assert parse_remote(text)._replace(pattern=None) == parts
    assert parse_url(format_url(parts)) == parts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name", "must be given as a URL"),
        ("./host:path", "must be given as a URL"),
        ("", "must be given as a URL"),
        ("C:x", "neither a host nor a drive"),
        ("C:\\x", "neither a host nor a drive"),
        ("host:9000", "may be a port or a name"),
        ("host:9000/x", "may be a port or a name"),
        ("http://host/a", "does not begin with secftp://"),
        ("secftp:/host/a", "does not begin with secftp://"),
        ("secftp:a", "does not begin with secftp://"),
        ("host:~/a", "no home directories"),
        ("host:~", "no home directories"),
        ("@host:a", "is empty"),
        ("joe@:a", "is empty"),
        ("[host]:a", "not an IPv6 address"),
        ("h ost:a", "not allowed"),
        ("h\x1b:a", "not allowed"),
    ],
)
def test_no_word(text, words):
    with pytest.raises(UsageError, match=words) as caught:
        parse_remote(text)
    assert caught.value.hint


@pytest.mark.parametrize("path", ["..", "a/../b", "/..", "a\0b"])
def test_a_path_that_could_mean_another_place(path):
    with pytest.raises(NameRefused):
        parse_remote(f"host:{path}")


@pytest.mark.parametrize(
    "text", [f"h:{SECRET}/../a", f"{SECRET} :a", f"joe@[{SECRET}]:a", f"{SECRET}:~", f"@{SECRET}:a"]
)
def test_no_message_repeats_what_may_be_a_key(text):
    with pytest.raises(SecftpError) as caught:
        parse_remote(text)
    assert SECRET not in str(caught.value) + caught.value.hint


BASE = url(b"backup", b"me", host="nas.example", port=9000, name="me", slash=True)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("nas:", BASE),
        ("nas:.", BASE),
        ("nas:a/b", BASE._replace(path=(b"backup", b"me", b"a", b"b"), trailing_slash=False)),
        ("nas:2024/x", BASE._replace(path=(b"backup", b"me", b"2024", b"x"), trailing_slash=False)),
        ("nas:/", BASE._replace(path=())),
        ("nas:/a", BASE._replace(path=(b"a",), trailing_slash=False)),
        ("joe@nas:", BASE._replace(name="joe")),
    ],
)
def test_a_host_of_the_user_comes_before_the_network(text, parts):
    assert parse_remote(text, {"nas": BASE}.get) == parts


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_a_word_gives_a_url_or_an_error(text):
    try:
        found = parse_remote(text)
    except (UsageError, NameRefused) as problem:
        assert problem.hint  # noqa: PT017
    else:
        assert all(part not in (b"", b".", b"..") and b"/" not in part for part in found.path)
        assert found.trailing_slash or found.path


def test_commands_take_words_where_they_take_urls():
    assert parse_ls(["host:a", "secftp://host/b"]).urls == (url(b"a"), url(b"b"))
    assert parse_put(["x", "host:a/"]).target == url(b"a", slash=True)
    assert parse_get(["host:a"]).sources == (url(b"a"),)
    assert parse_cp(["host:a", "host:b"]).target == url(b"b")


def test_the_position_decides_what_a_word_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (parse_get(["host:a", "./host:b"]).sources, parse_get(["host:a", "./host:b"]).target) == (
        (url(b"a"),),
        "./host:b",
    )
    assert parse_get(["host:a", "host:b"]).target == os.curdir
    with pytest.raises(UsageError, match="not host:path") as caught:
        parse_put(["host:a", "host:b"])
    assert "secftp cp" in caught.value.hint
    with pytest.raises(UsageError, match="same server") as caught:
        parse_get(["secftp://host/a", "12h:30.txt"])
    assert "./NAME" in caught.value.hint
    (tmp_path / "host:a").touch()
    assert parse_put(["host:a", "host:b"]).sources == ("host:a",)
    assert parse_get(["host:b", "host:a"]).target == "host:a"


def test_wildcards_in_a_word():
    """The path of a word is literal but for them; that of the host is literal altogether."""
    base = Url("host", 8888, "", (b"a*b", b"c"), True)
    assert parse_remote("host:x/*.txt").pattern == "x/*.txt"
    assert parse_remote("host:%2A").pattern is None
    assert parse_remote("nas:x/*/", lambda _name: base).pattern == "a[*]b/c/x/*/"
    assert parse_remote("nas:/x*", lambda _name: base).pattern == "x*"
    assert parse_remote("nas:x", lambda _name: base)[3:] == ((b"a*b", b"c", b"x"), False, None)
