"""The command line: places, keys, options anywhere, and mistakes that are told without repeating what was typed."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from secftp.client import common, verbs
from secftp.client.__main__ import main
from secftp.client.options import Endpoint, parse_endpoint, parse_keygen, parse_read, parse_write
from secftp.client.parser import HELP_COLUMNS
from secftp.errors import NameRefused, UsageError

SECRET = "hunter2-and-more"


# --- places ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("host:8888", Endpoint("host", 8888, "")),
        ("192.0.2.7:1", Endpoint("192.0.2.7", 1, "")),
        ("[::1]:65535", Endpoint("::1", 65535, "")),
        ("[2001:db8::192.0.2.7]:80", Endpoint("2001:db8::192.0.2.7", 80, "")),
        ("[fe80::1%eth0]:80", Endpoint("fe80::1%eth0", 80, "")),
        ("bücher.example:80", Endpoint("bücher.example", 80, "")),
        ("alice@host:80", Endpoint("host", 80, "alice")),
        ("alice@work@[::1]:80", Endpoint("::1", 80, "alice@work")),
    ],
)
def test_a_place(text, place):
    assert parse_endpoint(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "", "host", ":80", "host:", "host:0", "host:65536", "host:-1", "host:+1", "host:1_0", "host: 80", "host:٨",
        "host:99999999999999999999", "::1:80", "[::1]", "[]:80", "[host]:80", "[::1:80", "::1]:80", "[::1%]x]:80",
        "@host:80", "a b:80", "a\n:80", "a\x1b:80", "secftp://host:80", "host:80/", "a/b:80",
    ],
)  # fmt: skip
def test_no_place(text):
    with pytest.raises(UsageError) as caught:
        parse_endpoint(text)
    assert caught.value.hint


def test_an_address_without_brackets_is_told_about_them():
    with pytest.raises(UsageError, match="brackets"):
        parse_endpoint("2001:db8::7:8888")


# --- read and write -------------------------------------------------------------------------------------------------


def test_the_defaults():
    chosen = parse_read(["a/b", "host:80", "none"])
    assert (chosen.verb, chosen.filename, chosen.endpoint, chosen.cipher) == (
        "read",
        "a/b",
        Endpoint("host", 80, ""),
        "none",
    )
    assert (chosen.key, chosen.key_file, chosen.no_key, chosen.local) == (None, None, False, None)
    assert (chosen.no_clobber, chosen.quiet, chosen.timeout, chosen.checksum) == (False, False, 60.0, "xxh128")


@pytest.mark.parametrize(
    "order",
    [
        ["-q", "--timeout", "5", "f", "h:1", "aes128", "k", "-o", "x"],
        ["f", "-q", "h:1", "--timeout=5", "aes128", "-ox", "k"],
        ["f", "h:1", "aes128", "k", "-qo", "x", "--timeout", "5"],
        ["--output=x", "-q", "--timeout", "5", "--", "f", "h:1", "aes128", "k"],
        ["f", "h:1", "-q", "-o", "x", "--timeout", "5", "aes128", "--", "k"],
    ],
)
def test_options_stand_anywhere(order):
    chosen = parse_read(order)
    assert (chosen.filename, chosen.endpoint.host, chosen.cipher, chosen.key) == ("f", "h", "aes128", "k")
    assert (chosen.quiet, chosen.local, chosen.timeout) == (True, "x", 5.0)


def test_after_two_hyphens_nothing_is_an_option():
    chosen = parse_write(["-q", "--", "-i", "h:1", "aes128", "--no-key"])
    assert (chosen.filename, chosen.key, chosen.no_key, chosen.local) == ("-i", "--no-key", False, None)


def test_after_the_first_two_hyphens_they_are_an_argument():
    assert parse_write(["f", "h:1", "none", "--", "--"]).key == "--"


def test_an_empty_key_is_a_key():
    assert parse_read(["f", "h:1", "none", ""]).key == ""


def test_the_name_of_a_key_has_two_ways_in():
    assert parse_read(["f", "h:1", "none", "--name", "joe"]).endpoint.name == "joe"
    assert parse_read(["f", "joe@h:1", "none", "--name", "joe"]).endpoint.name == "joe"
    with pytest.raises(UsageError, match="Two different key names"):
        parse_read(["f", "joe@h:1", "none", "--name", "jim"])


@pytest.mark.parametrize("given", [["k", "--key-file", "f"], ["k", "--no-key"], ["--key-file", "f", "--no-key"]])
def test_one_key_at_most(given):
    with pytest.raises(UsageError, match="only one"):
        parse_read(["f", "h:1", "aes128", *given])


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e999", "soon", ""])
def test_a_timeout_is_positive_and_ends(text):
    with pytest.raises(UsageError, match="--timeout"):
        parse_read(["f", "h:1", "none", f"--timeout={text}"])


@pytest.mark.parametrize("kind", common.CHECKSUMS)
def test_every_checksum(kind):
    assert parse_write(["f", "h:1", "none", "--checksum", kind]).checksum == kind


def test_no_clobber_without_a_file_is_a_mistake_when_reading_only():
    with pytest.raises(UsageError, match="--no-clobber"):
        parse_read(["f", "h:1", "none", "-n"])
    with pytest.raises(UsageError, match="--no-clobber"):
        parse_read(["f", "h:1", "none", "-n", "-o", "-"])
    assert parse_read(["f", "h:1", "none", "-n", "-o", "x"]).no_clobber
    assert parse_write(["f", "h:1", "none", "-n"]).no_clobber


def test_a_name_on_the_wire_is_checked_before_anything_is_sent():
    from secftp.client.read_write import wire_path

    assert wire_path("/a/b\udcff") == (b"a", b"b\xff")
    for name in ("", "/", "//a", "a/", "a//b", ".", "a/..", "../a", "a\0b"):
        with pytest.raises(NameRefused):
            wire_path(name)


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        [SECRET],
        ["read", SECRET],
        ["read", "f", SECRET],
        ["read", "f", SECRET, "aes128"],
        ["read", "f", "h:1", SECRET],
        ["read", "f", "h:1", SECRET, "aes128"],
        ["read", "f", "h:1", "aes128", "part", SECRET],
        ["read", "f", "h:1", "aes128", f"-{SECRET}"],
        ["read", "f", "h:1", "aes128", f"--{SECRET}"],
        ["read", "f", "h:1", "aes128", f"--quiet={SECRET}"],
        ["read", "f", "h:1", "aes128", f"-q{SECRET}"],
        ["read", "f", "h:1", "aes128", f"--keyfile={SECRET}"],
        ["read", "f", "h:1", "aes128", SECRET, "--no-key"],
        ["read", "f", "h:1", "aes128", SECRET, "--timeout", "soon"],
        ["read", "f", f"{SECRET}@h:x", "aes128"],
        ["keygen", SECRET],
    ],
)
def test_no_mistake_repeats_what_may_be_a_key(arguments, capfd):
    assert main(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert SECRET not in err
    assert SECRET[1:] not in err
    assert re.fullmatch(r"secftp: [A-Z-].*\.\n  hint: [A-Z-].*\.\n", err)


def test_options_never_show_a_key():
    chosen = parse_read(["f", "h:1", "none", SECRET])
    assert SECRET not in repr(chosen)
    assert SECRET not in str(chosen)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["reed", "f"], "Did you mean read?"),
        (["wirte"], "Did you mean write?"),
        (["xyzzy"], f"The commands are {', '.join(verbs.VERBS)}."),
        ([], "A command is missing."),
        (["read"], "filename, host:port, cipher"),
        (["read", "f", "h:1"], "Something is missing: cipher."),
        (["read", "f", "h:1", "none", "--quite"], "Did you mean --quiet?"),
        (["read", "f", "h:1", "none", "--time", "5"], "There is no such option."),
        (["read", "f", "h:1", "none", "-o"], "-o/--output needs a value."),
        (["read", "f", "h:1", "none", "-i", "x"], "There is no such option."),
        (["read", "f", "h:1", "none", "two", "words"], "too many"),
        (["read", "f", "h:1", "aes192"], "The cipher must be none, aes128 or aes256."),
        (["read", "f", "h:1", "none", "--checksum", "crc"], "--checksum must be"),
    ],
)
def test_mistakes_are_told_with_what_to_do(arguments, words, capfd):
    assert main(arguments) == 2
    assert words in capfd.readouterr().err


# --- verbs and help -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["read"], 0),
        (["-q", "read"], 1),
        (["--timeout", "5", "read"], 2),
        (["--timeout=5", "read"], 1),
        (["-o", "write", "read"], 2),
        (["-owrite", "read"], 1),
        (["-qo", "write", "read"], 2),
        (["-oq", "read"], 1),
        (["-", "read"], 0),
        (["-q"], None),
        (["-q", "--", "read"], None),
        ([], None),
    ],
)
def test_the_verb_is_found_between_options(arguments, place):
    assert verbs.find_verb(arguments) == place


def test_every_option_with_a_value_is_known_to_the_search():
    actions = [action for verb in verbs.VERBS.values() for action in verb.parser()._actions]
    valued = {name for action in actions if action.nargs is None for name in action.option_strings}
    assert valued == common.VALUED
    plain = {name for action in actions if action.nargs == 0 for name in action.option_strings}
    assert plain & valued == set(), "an option has a value for one verb and none for another"


@pytest.mark.parametrize("verb", verbs.VERBS)
def test_every_verb_finds_its_functions(verb):
    assert verbs.VERBS[verb].parser().prog == f"secftp {verb}"
    closures = [inspect.getclosurevars(late).nonlocals for late in verbs.VERBS[verb]]
    for place in closures:
        assert callable(getattr(importlib.import_module(f"secftp.client.{place['module']}"), place["function"]))


def test_the_help_fits_one_screen(capfd):
    assert main(["--help"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) < 24  # and a line for the prompt
    assert max(map(len, lines)) < HELP_COLUMNS
    assert sum("secftp" in line for line in lines) > 5


@pytest.mark.parametrize("arguments", [["-h"], ["-q", "--help", "read"]])
def test_help_before_a_verb_is_about_all_of_them(arguments, capfd):
    assert main(arguments) == 0
    assert capfd.readouterr().out == verbs.HELP


@pytest.mark.parametrize("verb", verbs.VERBS)
def test_each_verb_has_its_own_help(verb, capfd):
    assert main([verb, "--help"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith(f"usage: secftp {verb} ")
    assert "examples:" in out
    assert max(map(len, out.splitlines())) <= HELP_COLUMNS
    assert err == ""


def test_the_version_tells_that_of_libcrypto(capfd):
    assert main(["--version"]) == 0
    assert re.fullmatch(
        r"secftp \d+\.\d+\.\d+ \(OpenSSL 3\..*\)\n", capfd.readouterr().out.replace("OpenSSL 4", "OpenSSL 3")
    )


def test_keygen_takes_a_file():
    assert parse_keygen([]).file is None
    assert parse_keygen(["--file", "x"]).file == "x"
