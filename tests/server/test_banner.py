"""The sentence that says who gets in."""

from __future__ import annotations

import pytest

from secftp.server.access import Access, NamedKey, Rights
from secftp.server.banner import who_gets_in
from secftp.server.config import parse
from tests.support.serving import KEY

ALL = Rights(read=True, write=True, overwrite=True)


def sentence(*arguments, key=None, named=0, is_shown=False):
    options = parse(["8888", *arguments])
    access = Access(
        key,
        anonymous=options.anonymous,
        anonymous_write=options.anonymous_write,
        named={str(number): NamedKey(KEY.password(), ALL) for number in range(named)},
    )
    return who_gets_in(options, access, is_shown=is_shown)


@pytest.mark.parametrize(
    ("told", "arguments", "keys"),
    [
        ("Clients need the key (hidden).", [], {"key": KEY}),
        ("Clients need the key (shown above).", [], {"key": KEY, "is_shown": True}),
        ("Clients need the named key.", [], {"named": 1}),
        ("Clients need one of 3 named keys.", [], {"named": 3}),
        ("Clients need the key (hidden) or one of 2 named keys.", [], {"key": KEY, "named": 2}),
        ("Clients need the key (hidden). They may only read.", ["--read-only"], {"key": KEY}),
        (
            "Clients need the key (hidden). They may not replace or remove anything.",
            ["--no-overwrite"],
            {"key": KEY},
        ),
        ("ANYONE may read.", ["--anonymous"], {}),
        ("ANYONE may read.", ["--anonymous", "--read-only"], {"key": KEY}),
        ("ANYONE may read.", ["--anonymous-write", "--read-only"], {}),
        ("ANYONE may read. To write, clients need the key (hidden).", ["--anonymous"], {"key": KEY}),
        ("ANYONE may read. To write, clients need the named key.", ["--anonymous"], {"named": 1}),
        ("ANYONE may read and write.", ["--anonymous-write"], {}),
        ("ANYONE may read and write.", ["--anonymous-write"], {"key": KEY}),
        (
            "ANYONE may read and write. They may not replace or remove anything.",
            ["--anonymous-write", "--no-overwrite"],
            {},
        ),
    ],
)
def test_it_says_who_gets_in(told, arguments, keys):
    assert sentence(*arguments, **keys) == told
