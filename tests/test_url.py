"""URLs: parsing, what is refused, and formatting."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secftp.errors import NameRefused, SecftpError, UsageError
from secftp.url import (
    DEFAULT_PORT,
    Endpoint,
    Url,
    format_url,
    is_remote,
    is_url,
    parse_url,
    quote_pattern,
    split_remote,
)

SECRET = "hunter2-and-more"


def url(*path, host="host", port=DEFAULT_PORT, name="", slash=False):
    return Url(host, port, name, path, slash or not path)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("secftp://host", url()),
        ("secftp://host/", url()),
        ("SecFTP://host//", url()),
        ("secftp://host/a/b", url(b"a", b"b")),
        ("secftp://host/a/b/", url(b"a", b"b", slash=True)),
        ("secftp://host//a///b//", url(b"a", b"b", slash=True)),
        ("secftp://host:1/a", url(b"a", port=1)),
        ("secftp://host:/a", url(b"a")),
        ("secftp://192.0.2.7:65535/a", url(b"a", host="192.0.2.7", port=65535)),
        ("secftp://[::1]/a", url(b"a", host="::1")),
        ("secftp://[::1]:80/a", url(b"a", host="::1", port=80)),
        ("secftp://[fe80::1%25eth0]:80/a", url(b"a", host="fe80::1%eth0", port=80)),
        ("secftp://[fe80::1%eth0]/a", url(b"a", host="fe80::1%eth0")),
        ("secftp://[fe80::1%25]/a", url(b"a", host="fe80::1%25")),
        ("secftp://joe@host/a", url(b"a", name="joe")),
        ("secftp://joe@work@host/a", url(b"a", name="joe@work")),
        ("secftp://j%C3%B6%40%3a%2f@host", url(name="jö@:/")),
        ("secftp://host/joe@home:8888", url(b"joe@home:8888")),
        ("secftp://host/what%3F.txt#2", url(b"what?.txt#2")),
        ("secftp://host/a%20b%ff%0a%25", url(b"a b\xff\n%")),
        ("secftp://host/\u00fc\udcff", url("\u00fc".encode() + b"\xff")),
        ("secftp://host/.../-", url(b"...", b"-")),
    ],
)
def test_a_url(text, parts):
    assert parse_url(text) == parts
    assert parse_url(format_url(parts)) == parts


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("secftp://[::1]/a", None),
        ("secftp://[::1]/*", "*"),
        ("secftp://host/what?.txt#2", "what?.txt#2"),
        ("secftp://host//a//[ab]/", "a/[ab]/"),
        ("secftp://host/%2A/%61*", "[*]/a*"),
        ("secftp://host/%5Ba%5D%20%3f/**", "[[]a] [?]/**"),
        ("secftp://host/%5B%5D%2A", None),
        ("secftp://host/%ff*", "\udcff*"),
        ("secftp://host/%c3%bc*\u00fc", "\u00fc*\u00fc"),
    ],
)
def test_wildcards_in_a_url(text, pattern):
    """The path is that of the same URL taken literally, and so is the URL that is made of it."""
    found = parse_url(text)
    assert found.pattern == pattern
    literal = parse_url(format_url(found))
    assert (literal.path, literal.pattern) == (found.path, None)
    assert pattern is None or all(quote_pattern(part.decode("utf-8", "surrogateescape")) for part in found.path)


@pytest.mark.parametrize(
    "text",
    [
        "", "host:80", "host/a", "http://host/a", "secftp:host", "secftp:/host/a", "secftp:///a", "secftp://:80/a",
        "secftp://@host/a", "secftp://host:0/a", "secftp://host:65536/a", "secftp://host:x/a", "secftp://::1/a",
        "secftp://[::1/a", "secftp://[host]/a", "secftp://h ost/a", "secftp://h%6fst/a", "secftp://host/%", "secftp://host/%4",
        "secftp://host/%zz", "secftp://host/a%/b", "secftp://%ff@host/a", "secftp://h\x1b/a", "secftp://a:b@host/c",
    ],
)  # fmt: skip
def test_no_url(text):
    with pytest.raises(UsageError) as caught:
        parse_url(text)
    assert caught.value.hint


@pytest.mark.parametrize("path", [".", "..", "a/../b", "%2e", "a/%2E%2e/b", "a%2Fb", "%00", "./a", "a/."])
def test_a_path_that_could_mean_another_place(path):
    with pytest.raises(NameRefused) as caught:
        parse_url(f"secftp://host/{path}")
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        SECRET, f"secftp://joe:{SECRET}@host/a", f"secftp://host:{SECRET}/a", f"secftp://[{SECRET}]/a",
        f"secftp://host/{SECRET}/../a", f"secftp://{SECRET} /a", f"secftp://host/{SECRET}%", f"secftp://{SECRET}%ff@h/a",
    ],
)  # fmt: skip
def test_no_message_repeats_what_may_be_a_key(text):
    with pytest.raises(SecftpError) as caught:
        parse_url(text)
    assert SECRET not in str(caught.value) + caught.value.hint


def test_a_url_is_told_from_a_name():
    assert [is_url(text) for text in ("secftp://h/a", "SECFTP://", "./secftp://h/a", "h:80", "")] == [
        True, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("host:path", ("host", "path")),
        ("host:", ("host", "")),
        ("host:/a/b:c", ("host", "/a/b:c")),
        ("joe@host:a@b:c", ("joe@host", "a@b:c")),
        ("[::1]:a/b", ("[::1]", "a/b")),
        ("joe@[fe80::1%eth0]:a", ("joe@[fe80::1%eth0]", "a")),
        ("C:x", ("C", "x")),
        ("http://host/a", ("http", "//host/a")),
        ("12:30.txt", ("12", "30.txt")),
        ("a]b:c", ("a]b", "c")),
        ("", None),
        ("name", None),
        (":a", None),
        ("./host:path", None),
        ("a/host:path", None),
        ("[::1]", None),
        ("[::1", None),
        ("[a/b]:c", None),
    ],
)
def test_a_word_is_remote_by_the_rule_of_scp(text, word):
    """A colon, in no brackets, and no slash before it."""
    assert split_remote(text) == word
    assert is_remote(text) == (word is not None)
    assert is_remote(f"secftp://{text}")


def test_the_server_of_a_url():
    assert url(b"a", port=7, name="joe").endpoint == Endpoint("host", 7, "joe")


COMPONENTS = st.binary(min_size=1, max_size=255).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_"))


@given(
    st.lists(COMPONENTS.filter(lambda name: name not in (b".", b"..")), max_size=5),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(1, 65535),
    st.booleans(),
)
def test_every_url_comes_back(path, name, port, slash):
    parts = Url("example.org", port, name, tuple(path), slash or not path)
    text = format_url(parts)
    assert text.isascii()
    assert text.isprintable()
    assert parse_url(text) == parts
    assert parse_url(os.fsdecode(os.fsencode(text))) == parts
