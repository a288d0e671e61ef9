"""The command line: endpoints, keys, option order and aliases, and usage errors that do not repeat arguments."""

from __future__ import annotations

import pkgutil
import re

import pytest

from secftp.client import commands
from secftp.client.__main__ import main
from secftp.client.commands import COMMANDS, LOCAL, load
from secftp.client.commands.keygen import parse as parse_keygen
from secftp.client.commands.read import parse as parse_read
from secftp.client.commands.write import parse as parse_write
from secftp.client.options import CHECKSUMS, HELP_COLUMNS, VALUED
from secftp.client.positional import wire_path
from secftp.errors import NameRefused, UsageError
from secftp.url import Endpoint, parse_endpoint

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
    connection = chosen.connection
    assert (chosen.filename, connection.endpoint, connection.cipher) == ("a/b", Endpoint("host", 80, ""), "none")
    assert (connection.key, connection.key_file, connection.anonymous) == (None, None, False)
    assert (chosen.local, chosen.overwrite, chosen.quiet, connection.timeout) == (None, True, False, 60.0)
    assert chosen.checksum == "xxh128"


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
    connection = chosen.connection
    assert (chosen.filename, connection.endpoint.host, connection.cipher) == ("f", "h", "aes128")
    assert (connection.key, chosen.quiet, chosen.local, connection.timeout) == ("k", True, "x", 5.0)


def test_after_two_hyphens_nothing_is_an_option():
    chosen = parse_write(["-q", "--", "-i", "h:1", "aes128", "--no-key"])
    assert (chosen.filename, chosen.connection.key, chosen.connection.anonymous) == ("-i", "--no-key", False)
    assert chosen.local is None


def test_after_the_first_two_hyphens_they_are_an_argument():
    assert parse_write(["f", "h:1", "none", "--", "--"]).connection.key == "--"


def test_an_empty_key_is_a_key():
    assert parse_read(["f", "h:1", "none", ""]).connection.key == ""


def test_the_name_of_a_key_has_two_ways_in():
    assert parse_read(["f", "h:1", "none", "--name", "joe"]).connection.endpoint.name == "joe"
    assert parse_read(["f", "joe@h:1", "none", "--name", "joe"]).connection.endpoint.name == "joe"
    with pytest.raises(UsageError, match="Two different key names"):
        parse_read(["f", "joe@h:1", "none", "--name", "jim"])


@pytest.mark.parametrize("given", [["k", "--key-file", "f"], ["k", "--no-key"], ["--key-file", "f", "--no-key"]])
def test_one_key_at_most(given):
    with pytest.raises(UsageError, match="mutually exclusive"):
        parse_read(["f", "h:1", "aes128", *given])


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e999", "soon", ""])
def test_a_timeout_is_positive_and_ends(text):
    with pytest.raises(UsageError, match="--timeout"):
        parse_read(["f", "h:1", "none", f"--timeout={text}"])


@pytest.mark.parametrize("kind", CHECKSUMS)
def test_every_checksum(kind):
    assert parse_write(["f", "h:1", "none", "--checksum", kind]).checksum == kind


def test_no_clobber_without_a_file_is_a_mistake_when_reading_only():
    with pytest.raises(UsageError, match="--no-overwrite"):
        parse_read(["f", "h:1", "none", "-n"])
    with pytest.raises(UsageError, match="--no-overwrite"):
        parse_read(["f", "h:1", "none", "-n", "-o", "-"])
    assert not parse_read(["f", "h:1", "none", "-n", "-o", "x"]).overwrite
    assert not parse_write(["f", "h:1", "none", "-n"]).overwrite


def test_a_name_on_the_wire_is_checked_before_anything_is_sent():
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
        (["xyzzy"], f"The commands are {', '.join(COMMANDS)}."),
        ([], "No command was given."),
        (["read"], "filename, host:port, cipher"),
        (["read", "f", "h:1"], "Required arguments are missing: cipher."),
        (["read", "f", "h:1", "none", "--quite"], "Did you mean --quiet?"),
        (["read", "f", "h:1", "none", "--time", "5"], "Unknown option."),
        (["read", "f", "h:1", "none", "-o"], "-o/--output requires a value."),
        (["read", "f", "h:1", "none", "-i", "x"], "Unknown option."),
        (["read", "f", "h:1", "none", "two", "words"], "Too many arguments."),
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
        (["-d", "1", "du"], 2),
        (["-hd", "1", "du"], 2),
        (["-d", "ls"], 1),
        (["-oq", "read"], 1),
        (["-", "read"], 0),
        (["-q"], None),
        (["-q", "--", "read"], None),
        ([], None),
    ],
)
def test_the_verb_is_found_between_options(arguments, place):
    assert commands.find_command(arguments) == place


def test_every_option_with_a_value_is_known_to_the_search():
    actions = [action for name in COMMANDS for action in load(name).parser()._actions]
    valued = {name for action in actions if action.nargs is None for name in action.option_strings}
    assert valued == VALUED | commands.NUMBERED
    plain = {name for action in actions if action.nargs == 0 for name in action.option_strings}
    assert plain & valued == commands.NUMBERED, "any other option has a value for one verb and none for another"


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_finds_its_functions(verb):
    command = load(verb)
    assert command.parser().prog == f"secftp {verb}"
    assert callable(command.parse)
    assert callable(command.run)


def test_every_module_of_the_commands_is_one():
    found = {module.name for module in pkgutil.iter_modules(commands.__path__)}
    assert found == set(COMMANDS)
    assert all(re.search(rf"\b{name}\b", commands.HELP) for name in COMMANDS)


# Names that options had, or have in other programs, by those that the help shows; with the value that follows.
ALIASES = [
    ("--anonymous", "--no-key", None, tuple(verb for verb in COMMANDS if verb not in (*LOCAL, "share", "receive"))),
    ("--no-overwrite", "--no-clobber", None, ("get", "put", "cp", "mv", "write")),
    ("--no-overwrite", "-n", None, ("get", "put", "cp", "mv", "write")),
    ("--limit-rate", "--limit", "5", ("get", "put", "sync")),
    ("--limit-rate", "--bwlimit", "5", ("get", "put")),
    ("--limit-rate", "--bandwidth", "5", ("get", "put")),
    ("--follow-symlinks", "--follow", None, ("get", "put")),
]
OPERANDS = {
    "host": ["test", "nas"],
    "mv": ["secftp://host/a", "secftp://host/b"],
    "cp": ["secftp://host/a", "secftp://host/b"],
    "put": ["a", "secftp://host/b"],
    "verify": ["a", "secftp://host/b"],
    "sync": ["a", "secftp://host/b"],
    "read": ["a", "host:1", "none"],
    "write": ["a", "host:1", "none"],
}


@pytest.mark.parametrize(
    ("verb", "option", "alias", "value"),
    [(verb, option, alias, value) for option, alias, value, verbs in ALIASES for verb in verbs],
)
def test_other_names_of_an_option_mean_the_same(verb, option, alias, value):
    command = load(verb)
    operands = OPERANDS.get(verb, ["secftp://host/a"])
    given = [] if value is None else [value]
    options = command.parse([option, *given, *operands])
    assert command.parse([alias, *given, *operands]) == options
    assert command.parse([*operands, alias, *given]) == options
    assert command.parse(operands) != options


@pytest.mark.parametrize("verb", COMMANDS)
def test_the_help_shows_one_long_name_of_each_option(verb, capfd):
    main([verb, "--help"])
    words = set(re.findall(r"(?<![\w-])--?[\w-]+", capfd.readouterr().out))
    assert words & {alias for _, alias, _, _ in ALIASES} <= {"-n"}
    for name in ("--no-ke", "--bwlimi", "--no-clobbe"):
        with pytest.raises(UsageError) as caught:
            load(verb).parse([name])
        assert not any(alias in caught.value.hint for _, alias, _, _ in ALIASES if alias != "-n")


def test_the_help_fits_one_screen(capfd):
    assert main(["--help"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) < 24  # and a line for the prompt
    assert max(map(len, lines)) < HELP_COLUMNS
    assert sum("secftp" in line for line in lines) > 5


@pytest.mark.parametrize("arguments", [["-h"], ["-q", "--help", "read"]])
def test_help_before_a_verb_is_about_all_of_them(arguments, capfd):
    assert main(arguments) == 0
    assert capfd.readouterr().out == commands.HELP


@pytest.mark.parametrize("verb", COMMANDS)
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
