"""The server's command line, without a machine."""

from __future__ import annotations

import re

import pytest

from secftp.errors import ExitCode, UsageError
from secftp.server.options import CIPHERS, parse


def test_the_least_that_can_be_said():
    options = parse(["8888"])
    assert vars(options) == {
        "port": 8888,
        "key": None,
        "key_file": None,
        "root": ".",
        "hosts": [],
        "ciphers": CIPHERS,
        "read_only": False,
        "no_overwrite": False,
        "max_clients": 256,
        "anonymous": False,
        "anonymous_write": False,
    }


def test_everything_that_can_be_said():
    options = parse(
        [
            *(
                "0",
                "secret",
                "--root",
                "/srv",
                "--host",
                "::1",
                "--host",
                "127.0.0.1",
                "--ciphers",
                "aes256,aes128,aes256",
            ),
            *("--read-only", "--no-overwrite", "--max-clients", "7"),
            *("--anonymous", "--anonymous-write"),
        ]
    )
    assert options.port == 0
    assert options.key == "secret"
    assert options.root == "/srv"
    assert options.hosts == ["::1", "127.0.0.1"]
    assert options.ciphers == ("aes256", "aes128")
    assert options.read_only
    assert options.no_overwrite
    assert options.max_clients == 7
    assert options.anonymous
    assert options.anonymous_write


@pytest.mark.parametrize(
    "arguments",
    [
        ["8888", "secret", "--root", "/srv"],
        ["--root", "/srv", "8888", "secret"],
        ["8888", "--root", "/srv", "secret"],
        ["8888", "--root=/srv", "secret"],
        ["8888", "--root", "/srv", "--", "secret"],
    ],
    ids=" ".join,
)
def test_options_stand_before_between_and_after(arguments):
    options = parse(arguments)
    assert (options.port, options.key, options.root) == (8888, "secret", "/srv")


@pytest.mark.parametrize("text", ["", " ", "x", "-1", "65536", "80 ", "8_0", "0x50", "٣", "1e2", "8.0", "9" * 5000])
def test_what_is_no_port(text):
    with pytest.raises(UsageError, match=r"from 0 .* to 65535"):
        parse([text])


@pytest.mark.parametrize(("text", "port"), [("0", 0), ("1", 1), ("65535", 65535), ("00080", 80)])
def test_what_is_a_port(text, port):
    assert parse([text]).port == port


@pytest.mark.parametrize(
    ("text", "names"),
    [("none", ("none",)), ("aes128, aes256", ("aes128", "aes256")), ("aes128,aes128", ("aes128",))],
)
def test_what_is_a_list_of_ciphers(text, names):
    assert parse(["1", "--ciphers", text]).ciphers == names


@pytest.mark.parametrize("text", ["", ",", "aes128,", "AES128", "aes192", "aes128;aes256"])
def test_what_is_no_list_of_ciphers(text):
    with pytest.raises(UsageError, match="none, aes128, aes256"):
        parse(["1", "--ciphers", text])


@pytest.mark.parametrize("text", ["0", "-1", "", "many", "1.5", "9" * 5000])
def test_what_is_no_number_of_clients(text):
    with pytest.raises(UsageError):
        parse(["1", "--max-clients", text])


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["1", "sesame", "--key-file", "sesame"],
        ["1", "sesame", "sesame"],
        ["1", "--sesame"],
        ["1", "--sesame=sesame"],
        ["1", "--root"],
        ["1", "--read-only=sesame"],
        ["1", "--anonym", "sesame"],
        ["sesame"],
        ["1", "--ciphers", "sesame"],
        ["1", "--max-clients", "sesame"],
    ],
    ids=" ".join,
)
def test_a_mistake_is_one_sentence_that_repeats_nothing(arguments):
    """What was typed may be a key in the wrong place."""
    with pytest.raises(UsageError) as failure:
        parse(arguments)
    problem = failure.value
    assert problem.exit_code is ExitCode.USAGE
    assert re.fullmatch(r"[A-Z-][^\n]*\.", str(problem))
    assert "sesame" not in str(problem) + problem.hint
    assert problem.hint


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_are_shown_and_end_it(option, capsys):
    with pytest.raises(SystemExit) as end:
        parse([option])
    assert end.value.code == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert re.fullmatch(r"secftp \d+\.\d+\.\d+\n", shown.out) or "usage: secftpd" in shown.out


def test_help_names_every_option_and_every_exit_code_that_the_server_has(capsys):
    with pytest.raises(SystemExit):
        parse(["--help"])
    shown = capsys.readouterr().out
    for name in vars(parse(["1"])):
        option = {"port": "port", "key": "key", "hosts": "--host"}.get(name, "--" + name.replace("_", "-"))
        assert option in shown
    for code in (ExitCode.OK, ExitCode.FAILED, ExitCode.USAGE, ExitCode.KEY, ExitCode.NOT_FOUND, ExitCode.INSTALLATION):
        assert re.search(rf"\b{int(code)} [a-z]", shown)
