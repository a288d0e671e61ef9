"""Command lines with URLs: what is accepted, and what is refused before anything is done."""

from __future__ import annotations

import os

import pytest

from secftp.client.__main__ import main
from secftp.client.commands import COMMANDS, HELP, find_command, load
from secftp.client.copy_options import MAX_RETRIES, parse_rate
from secftp.client.options import HELP_COLUMNS, ConnectionOptions
from secftp.command_line import shown_options
from secftp.errors import NameRefused, UsageError
from secftp.transfer import CopyOptions
from secftp.transfer.options import COMMAND_LINE
from secftp.url import Endpoint, Url

(
    parse_get,
    parse_put,
    parse_ls,
    parse_stat,
    parse_rm,
    parse_mkdir,
    parse_mv,
    parse_sum,
    parse_verify,
    parse_completion,
) = (load(name).parse for name in ("get", "put", "ls", "stat", "rm", "mkdir", "mv", "sum", "verify", "completion"))

U = "secftp://host/a/b"
HERE = Endpoint("host", 8888, "")
URL_VERBS = ["ls", "stat", "rm", "mkdir", "sum", "get"]


def refused(parse, *arguments, words=""):
    with pytest.raises(UsageError) as caught:
        parse(list(arguments))
    assert words in f"{caught.value} {caught.value.hint}"


# --- the server and the key -------------------------------------------------------------------------------------------


def test_what_is_left_out():
    options = parse_ls([U])
    assert options.connection == ConnectionOptions(HERE, "aes256", None, anonymous=False, timeout=60.0)
    assert options.urls == (Url("host", 8888, "", (b"a", b"b"), False),)
    assert (options.quiet, options.json, options.long, options.recursive) == (False,) * 4


def test_what_is_given():
    options = parse_stat(
        ["--cipher", "none", "--key-file=k", "--timeout", "5", "-q", "secftp://joe@[::1]:99/x", "--json"]
    )
    assert options.connection == ConnectionOptions(
        Endpoint("::1", 99, "joe"), "none", "k", anonymous=False, timeout=5.0
    )
    assert (options.quiet, options.json) == (True, True)


def test_the_name_of_a_key_either_way():
    assert parse_ls(["--name", "joe", U]).connection.endpoint.name == "joe"
    assert parse_ls(["--name", "joe", "secftp://joe@host/"]).connection.endpoint.name == "joe"
    refused(parse_ls, "--name", "ann", "secftp://joe@host/", words="Two different key names")


@pytest.mark.parametrize("parse", [parse_ls, parse_stat, parse_rm, parse_mkdir, parse_sum, parse_get, parse_mv])
def test_all_places_are_at_one_server(parse):
    options = parse([U, "secftp://host:8888/c"])
    connection = options.settings.connection if parse is parse_get else options.connection
    assert connection.endpoint == HERE
    for other in ("secftp://host:1/c", "secftp://other/c", "secftp://joe@host/c"):
        refused(parse, U, other, words="not all name the same server")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cipher", "rot13"], "--cipher must be none, aes128 or aes256"),
        (["--timeout", "0"], "--timeout must be"),
        (["--key-file", "k", "--no-key"], "mutually exclusive"),
        (["--unknown"], "Unknown option"),
        (["--timeout"], "--timeout requires a value"),
    ],
)
@pytest.mark.parametrize("verb", URL_VERBS)
def test_options_that_make_no_sense(verb, options, words):
    refused(load(verb).parse, U, *options, words=words)


@pytest.mark.parametrize("verb", URL_VERBS)
@pytest.mark.parametrize("text", ["", "host/a", "a", "-", "http://host/a", "secftp://", "secftp://host:0/", "SECRET"])
def test_what_is_no_url_is_not_repeated(verb, text):
    with pytest.raises(UsageError) as caught:
        load(verb).parse([text])
    assert "SECRET" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("verb", URL_VERBS)
def test_paths_that_lead_elsewhere(verb):
    for path in ("../a", "a/./b", "a%2fb", "%00"):
        with pytest.raises(NameRefused):
            load(verb).parse([f"secftp://host/{path}"])


# --- get and put ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "paths", "target"),
    [
        ([U], [(b"a", b"b")], "."),
        ([U, "here"], [(b"a", b"b")], "here"),
        ([U, "-"], [(b"a", b"b")], "-"),
        ([U, "secftp://host/c/", "d/"], [(b"a", b"b"), (b"c",)], "d/"),
        ([U, "./secftp://host/"], [(b"a", b"b")], "./secftp://host/"),
        (["--", U, "-r"], [(b"a", b"b")], "-r"),
    ],
)
def test_what_to_get_and_where_to(places, paths, target):
    options = parse_get(places)
    assert ([url.path for url in options.sources], options.target) == (paths, target)


@pytest.mark.parametrize(
    ("places", "sources", "target"),
    [
        (["a", U], ["a"], (b"a", b"b")),
        (["-", U], ["-"], (b"a", b"b")),
        (["a", "b/", "SECFTP://host"], ["a", "b/"], ()),
        (["--", "-r", "--limit-rate", U], ["-r", "--limit-rate"], (b"a", b"b")),
        ([os.fsdecode(b"bad\xff"), U], [os.fsdecode(b"bad\xff")], (b"a", b"b")),
    ],
)
def test_what_to_put_and_where_to(places, sources, target):
    options = parse_put(places)
    assert (list(options.sources), options.target.path) == (sources, target)


def test_how_to_copy():
    assert parse_get([U]).settings.copy == CopyOptions()
    options = parse_put(
        [
            *("--no-preserve", "--follow", "--include", "*.c", "--exclude", os.fsdecode(b"\xff"), "--include=x"),
            *("--dry-run", "-n", "-u", "--resume", "--limit", "1.5M", "--checksum", "md5", "--retries", "7"),
            *("--progress", "json", "a", U),
        ]
    )
    assert options.settings.copy == CopyOptions(
        preserve=False,
        follow_symlinks=True,
        include=(b"*.c", b"x"),
        exclude=(b"\xff",),
        dry_run=True,
        overwrite=False,
        update=True,
        resume=True,
        limit_rate=1_500_000,
        checksum="md5",
    )
    settings = options.settings
    assert (settings.retries, settings.progress, settings.quiet) == (7, "json", False)
    assert parse_put(["a", U]).settings.copy.include == (), "a default was written into"


def test_every_field_of_the_engine_has_an_option():
    shown = {flag for action in shown_options(load("put").parser()) for flag in action.option_strings}
    assert set(COMMAND_LINE) == set(CopyOptions._fields)
    for option in COMMAND_LINE.values():
        assert set(option.flags) <= shown
        assert not set(option.aliases) & shown


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("1", 1),
        ("500k", 500_000),
        ("2G", 2 * 10**9),
        ("0.001K", 1),
        ("1.5m", 1_500_000),
        ("20KiB", 20_480),
    ],
)
def test_rates(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "0.5", "-1", "1KB", "1e3", "K", "1.", "9" * 16, "inf", "\u0663", " 1"])
def test_rates_that_are_none(text):
    with pytest.raises(UsageError):
        parse_rate(text)


@pytest.mark.parametrize("text", ["", "-1", "1.0", "\u0663", str(MAX_RETRIES + 1), "9" * 5000, "x"])
def test_retries_that_are_none(text):
    refused(parse_get, U, f"--retries={text}", words="--retries must be a number")


@pytest.mark.parametrize(
    ("parse", "arguments", "words"),
    [
        (parse_get, [], "Required arguments are missing"),
        (parse_get, ["a", "b"], "must be given as a URL"),
        (parse_get, [U, "a", "b"], "must be given as a URL"),
        (parse_get, [U, "secftp://host/c", "-"], "Only one file can go to standard output"),
        (parse_get, [U, ""], "is empty"),
        (parse_get, [U, "--progress", "loud"], "--progress must be auto, json or none"),
        (parse_get, [U, "--checksum", "crc"], "--checksum must be"),
        (parse_put, ["a"], "Required arguments are missing: FILE or URL"),
        (parse_put, ["a", "b"], "must be given as a URL"),
        (parse_put, [U, U], "Expected a local file, not a URL"),
        (parse_put, ["", U], "is empty"),
        (parse_put, ["-", "a", U], "Standard input is uploaded as one file"),
        (parse_put, ["-", "secftp://host/a/"], "which needs a name"),
        (parse_put, ["-", "secftp://host"], "which needs a name"),
        (parse_put, ["-", U, "--resume"], "--resume can't be used with -"),
        (parse_put, ["-", U, "--include", "x"], "--include can't be used with -"),
    ],
)
def test_copies_that_make_no_sense(parse, arguments, words):
    refused(parse, *arguments, words=words)


def test_no_clobber_is_fine_for_a_stream_that_gets_a_name():
    assert parse_put(["-", U, "-n"]).settings.copy.overwrite is False
    refused(parse_get, U, "-", "-n", words="--no-overwrite can't be used with -")


# --- the others -------------------------------------------------------------------------------------------------------


def test_letters_of_the_other_verbs():
    listed = parse_ls(["-lR", U])
    assert (listed.long, listed.recursive) == (True, True)
    assert parse_rm(["-rf", U])[-2:] == (True, True)
    assert parse_mkdir(["-p", U]).parents
    assert parse_sum([U]).checksum == "sha256"
    assert parse_sum([U, "--checksum=blake3"]).checksum == "blake3"
    assert parse_mv([U, "secftp://host/x", "secftp://host/y/", "-n"]).overwrite is False
    assert parse_completion(["zsh"]).shell == "zsh"
    options = parse_verify(["-", "--checksum", "md5", U])
    assert (options.local, options.url.path, options.checksum) == ("-", (b"a", b"b"), "md5")


@pytest.mark.parametrize(
    ("parse", "arguments", "words"),
    [
        (parse_rm, ["secftp://host/"], "can't be removed"),
        (parse_mv, [U], "missing: the target"),
        (parse_mv, ["secftp://host", U], "can't be moved"),
        (parse_sum, [U, "--checksum", "crc"], "--checksum must be"),
        (parse_verify, [U, U], "Expected a local file, not a URL"),
        (parse_verify, ["a", "b"], "must be given as a URL"),
        (parse_verify, ["a"], "Required arguments are missing"),
        (parse_completion, ["tcsh"], "must be bash, zsh or fish"),
        (parse_completion, [], "Required arguments are missing"),
    ],
)
def test_other_verbs_that_make_no_sense(parse, arguments, words):
    refused(parse, *arguments, words=words)


# --- help -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_has_help_with_examples(verb, capfd):
    assert main([verb, "--help"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert max(map(len, out.splitlines())) <= HELP_COLUMNS
    assert out.count("secftp") > 3
    assert f"\nexamples:\n  secftp {verb}" in out or verb == "completion"


@pytest.mark.parametrize("verb", [verb for verb in COMMANDS if verb != "completion"])
def test_examples_of_the_help_are_understood(verb):
    """Each line of the examples that is a command of ours, as a shell would pass it."""
    import shlex

    tried = 0
    for line in load(verb).parser().epilog.splitlines():
        for command in line.split(" | "):
            if command.strip().startswith(f"secftp {verb}"):
                words = shlex.split(command.partition(" > ")[0].partition(" < ")[0].partition(" && ")[0])
                load(verb).parse(words[2:])
                tried += 1
    assert tried > 1


def test_examples_of_the_whole_help_are_understood():
    import shlex

    commands = [
        part.strip().partition(" < ")[0]
        for line in HELP.splitlines()
        if (line.startswith("  ") and "secftp://host" in line) or "host:8888" in line
        for part in line.split(" | ")
        if part.strip().startswith("secftp ")
    ]
    assert len(commands) == 4
    for command in commands:
        words = shlex.split(command)[1:]
        place = find_command(words)
        load(words[place]).parse(words[:place] + words[place + 1 :])
