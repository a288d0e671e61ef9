"""Escaping of foreign text, over every byte and every code point, and number formats."""

from __future__ import annotations

import ast
import math
import os
import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secftp.client.commands.get import parse as parse_get
from secftp.errors import UsageError
from secftp.server.config import parse as parse_server
from secftp.text import (
    escape,
    escape_unencodable,
    format_duration,
    format_rate,
    format_size,
    from_locale,
    parse_seconds,
    parse_size,
    shorten,
    width,
)

DANGEROUS = {
    "C0": range(0x20),
    "DEL": [0x7F],
    "C1, with the 8-bit CSI and OSC": range(0x80, 0xA0),
    "no-break and other spaces": [0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000],
    "soft hyphen": [0xAD],
    "bidi embeddings and overrides": range(0x202A, 0x202F),
    "bidi isolates": range(0x2066, 0x206A),
    "bidi marks": [0x200E, 0x200F, 0x061C],
    "zero width": [0x200B, 0x200C, 0x200D, 0x2060, 0x180E],
    "line and paragraph separators": [0x2028, 0x2029],
    "byte-order mark": [0xFEFF],
    "invisible operators": range(0x2061, 0x2066),
    "annotations": range(0xFFF9, 0xFFFC),
    "tags": [0xE0001, *range(0xE0020, 0xE0080)],
    "variation selectors": [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)],
    "letters and marks without a shape": [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0],
    "surrogates": range(0xD800, 0xE000),
    "private use": [0xE000, 0xF8FF, 0xF0000, 0x10FFFD],
    "noncharacters and unassigned": [0xFDD0, 0xFFFE, 0xFFFF, 0x0378, 0x10FFFF],
}


def test_plain_ascii_is_returned_as_it_is():
    text = "".join(map(chr, range(0x20, 0x7F))).replace("\\", "")
    assert escape(text) is text
    assert escape(text.encode()) == text


def test_readable_text_of_the_world_stays():
    for text in ("Übergröße", "ключ", "日本語.txt", "naïve", "שלום", "🔑", "e\N{COMBINING ACUTE ACCENT}", ""):
        assert escape(text) == text == escape(text.encode())


@pytest.mark.parametrize("kind", DANGEROUS)
def test_dangerous_characters_are_spelled_out(kind):
    for code in DANGEROUS[kind]:
        shown = escape(f"a{chr(code)}b")
        assert shown.isascii()
        assert shown.isprintable()
        assert shown.startswith("a\\")
        assert shown.endswith("b")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\\x1b", r"\\x1b"),
        ("\\", "\\\\"),
        ("\x9b31m", r"\u009b31m"),
        (b"\x9b31m", r"\x9b31m"),
        (b"\xc3", r"\xc3"),
        (b"\xc0\xaf", r"\xc0\xaf"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        ("\ud800", r"\ud800"),
        ("\udcff", r"\xff"),
        ("evil\u202egpj.exe", r"evil\u202egpj.exe"),
        ("\U000e0041", r"\U000e0041"),
        ("\0", r"\x00"),
    ],
)
def test_the_form_of_an_escape(text, shown):
    assert escape(text) == shown


def test_every_byte_alone_and_between_letters():
    shown = [escape(bytes([byte])) for byte in range(256)]
    assert len(set(shown)) == 256
    for byte, text in enumerate(shown):
        assert text.isprintable()
        assert text.isascii()
        assert escape(b"a" + bytes([byte]) + b"z") == f"a{text}z"


def test_every_code_point_gives_printable_text_that_names_it_alone():
    seen = set()
    for code in range(sys.maxunicode + 1):
        shown = escape(chr(code))
        assert shown.isprintable()
        assert unicodedata.category(shown[0])[0] not in "CZ" or shown == " "
        seen.add(shown)
    assert len(seen) == sys.maxunicode + 1


def unescape(shown):
    """What `escape` was given, as bytes: the inverse, written from its docstring."""

    def one(match):
        if character := {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}.get(match[1]):
            return character
        return chr(int(match[1][1:], 16) + (0xDC00 if match[1][0] == "x" and int(match[1][1:], 16) > 0x7F else 0))

    text = re.sub(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)", one, shown)
    return text.encode("utf-8", "surrogateescape")


@given(st.binary(max_size=40))
def test_an_escape_can_be_undone_so_no_two_names_look_alike(name):
    shown = escape(name)
    assert shown.isprintable()
    assert shown == escape(os.fsdecode(name))
    assert unescape(shown) == name


@given(st.text(max_size=40))
def test_text_can_be_recovered_too(text):
    assert unescape(escape(text)) == text.encode()


def test_escaped_text_is_one_line():
    everything = "".join(map(chr, range(0x3000)))
    assert len(escape(everything).splitlines()) == 1


# --- shorten --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("", 4, ""),
        ("name", 4, "name"),
        ("a-long-name.tar.gz", 18, "a-long-name.tar.gz"),
        ("a-long-name.tar.gz", 12, "a-l...tar.gz"),
        ("abcdef", 4, "...f"),
        ("日本語日本語", 12, "日本語日本語"),
        ("日本語日本語", 11, "日...日本語"),
        ("日本語日本語", 10, "日...本語"),
    ],
)
def test_shorten_keeps_both_ends(text, limit, shown):
    assert shorten(text, limit) == shown


@given(st.binary(max_size=60), st.integers(min_value=4, max_value=40))
def test_shorten_keeps_to_the_limit_and_never_cuts_an_escape(name, limit):
    shown = escape(name)
    short = shorten(shown, limit)
    assert width(short) <= limit
    if short == shown:
        return
    head, _, tail = short.partition("...")
    for part in (head, tail):
        # A whole escape means the same when it is read again; half of one is a syntax error or another text.
        ast.literal_eval('"' + part.replace('"', r"\"") + '"')


def test_shorten_needs_room_for_more_than_the_dots():
    with pytest.raises(ValueError, match="4 columns"):
        shorten("abcdef", 3)


# --- numbers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1234567, "1.2 MB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (268_435_456, "268.4 MB"),
        (5 * 10**9, "5.0 GB"),
        (10**12, "1.0 TB"),
        (10**15, "1.0 PB"),
        (2**63 - 1, "9.2 EB"),
        (10**22, "10000.0 EB"),
    ],
)
def test_format_size(size, shown):
    assert format_size(size) == shown


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(0.0, "0 B/s"), (999.6, "1.0 kB/s"), (1_234_567.8, "1.2 MB/s"), (math.inf, "-"), (math.nan, "-")],
)
def test_format_rate(rate, shown):
    assert format_rate(rate) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 s"),
        (-0.01, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7620, "2 h 07 min"),
        (86_399.9, "1 d 00 h"),
        (3 * 86_400 + 4 * 3600 + 59, "3 d 04 h"),
        (math.inf, "-"),
        (math.nan, "-"),
    ],
)
def test_format_duration(seconds, shown):
    assert format_duration(seconds) == shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "shift_jis"])
def test_an_encoding_that_lacks_characters_keeps_names_apart(encoding):
    names = [b"\xe9", "\u00e9".encode(), rb"\xe9", rb"\u00e9", "\u65e5".encode(), "\U0001f600".encode(), b"\xff", b"e"]
    shown = [escape_unencodable(escape(name), encoding) for name in names]
    assert len(set(shown)) == len(names)
    assert all(text.encode(encoding).decode(encoding) == text for text in shown)
    if encoding == "ascii":
        assert shown[:6] == [r"\xe9", r"\u00e9", r"\\xe9", r"\\u00e9", r"\u65e5", r"\U0001f600"]


def test_what_was_typed_is_utf_8_in_any_locale(monkeypatch):
    raw = "k\u00e9y".encode() + b"\xff"
    for encoding in ("utf-8", "latin-1", "ascii"):
        monkeypatch.setattr(os, "fsencode", lambda text, name=encoding: text.encode(name, "surrogateescape"))
        assert from_locale(raw.decode(encoding, "surrogateescape")) == "k\u00e9y\udcff"
    assert from_locale("k\u00e9y\u65e5") == "k\u00e9y\u65e5"  # of a program, not of the system


# --- sizes as users write them ----------------------------------------------------------------------------------------

SIZES = {
    "1": 1, "500": 500, "500B": 500, "500b": 500, "20k": 20_000, "20K": 20_000,
    "20KiB": 20_480, "20ki": 20_480, "1.5M": 1_500_000, "1.5MiB": 1_572_864, "0.5k": 500,
    "1.0001k": 1000,
    "2G": 2 * 10**9,
    "1GiB": 1 << 30, "3T": 3 * 10**12, "1TiB": 1 << 40, "9.999999999G": 9_999_999_999,
    "20kB": None, "5MB": None, "1gb": None,
    "0": None, "0.9": None, "": None, "k": None, ".5k": None, "1.": None, "-1": None, "+1": None, " 1": None,
    "1 k": None,
    "1e3": None, "1kk": None, "1Bk": None, "1iB": None, "inf": None, "nan": None, "\u0663": None, "9" * 16: None,
    "999999999999999T": None, "0x10": None, "1_000": None, "1,5M": None, "1\n": None,
}  # fmt: skip


SECONDS = {
    "1": 1, "0.5": 0.5, "2.25": 2.25, "86400": 86400, "007": 7,
    ".5": 0.5, "1.": 1, "1e3": 1000, "1E3": 1000, "2.5e-1": 0.25, ".5e+1": 5,
    "0": None, "0.0": None, "0e9": None, "2000001": None, "1e9": None, "1e99": None, "1e-99": 1e-99,
    "": None, ".": None, "e3": None, ".e3": None, "1e": None, "1e3.5": None, "-1": None, "+1": None, " 1": None,
    "inf": None, "nan": None, "\u0663": None, "1_000": None, "9" * 10: None, "1\n": None,
}  # fmt: skip


@pytest.mark.parametrize("written", SECONDS)
def test_seconds_are_read_in_one_way_at_both_ends(written):
    assert parse_seconds(written) == SECONDS[written]
    for parse, arguments in (
        (parse_get, (f"--timeout={written}", "secftp://host/a", ".")),
        (parse_server, ("8888", f"--grace={written}")),
    ):
        if SECONDS[written] is None:
            with pytest.raises(UsageError):
                parse([*arguments])
        else:
            parse([*arguments])


@pytest.mark.parametrize("written", SIZES)
def test_a_size_is_read_in_one_way_at_both_ends(written):
    size = SIZES[written]
    assert parse_size(written) == size

    def asked(parse, *arguments):
        try:
            return parse([*arguments])
        except UsageError:
            return None

    client = asked(parse_get, f"--limit={written}", "secftp://host/a", ".")
    assert (client and client.settings.copy.limit_rate) == size
    for option, name in (
        ("--limit-rate", "limit_rate"),
        ("--max-file-size", "max_file_size"),
        ("--min-free", "min_free"),
    ):
        server = asked(parse_server, "8888", f"{option}={written}")
        assert (server and getattr(server.limits, name)) == size
