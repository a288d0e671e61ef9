"""Hyphens on both command lines, independent of the version of argparse."""

from __future__ import annotations

import pytest

from secftp.client.commands import COMMANDS, load, read
from secftp.errors import UsageError
from secftp.server.config import parse as parse_server

OPERANDS = ["name", "host:1", "aes128"]


def mistyped(parser):
    """Words that begin with a hyphen and are no row of options: a mistyped key may be any of them."""
    flags = [
        option[1]
        for option, action in parser._option_string_actions.items()
        if len(option) == 2 and action.nargs == 0 and option != "--"
    ]
    return ["-unter2", "-Ü", *(f"-{flag}\x7f" for flag in flags), *(f"-{flag}unter2\udcff" for flag in flags)]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_word_with_a_hyphen_is_a_row_of_options_or_a_mistake(name, capsys):
    parser = load(name).parser()
    words = mistyped(parser)
    assert "-h\x7f" in words
    for word in words:
        with pytest.raises(UsageError) as caught:
            parser.parse(["a", "b:1", "aes128", word])
        assert caught.value.message == "Unknown option."
        assert "unter2" not in f"{caught.value}{caught.value.hint}"
    assert capsys.readouterr() == ("", ""), "neither the help nor the word was printed"


@pytest.mark.parametrize("word", ["-hunter2", "-h2", "-hx", "-x", "-hunter 2"])
def test_the_server_takes_such_a_word_for_a_mistake_too(word, capsys):
    with pytest.raises(UsageError) as caught:
        parse_server(["8888", word])
    assert caught.value.message == "Unknown option."
    assert "--" in caught.value.hint
    assert word not in f"{caught.value}{caught.value.hint}"
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("key", ["-hunter2", "-h", "--help", "--version", "--", "-5"])
def test_a_key_of_the_servers_may_begin_with_a_hyphen_after_two(key):
    assert parse_server(["--read-only", "8888", "--", key]).key == key
    options = parse_server(["--read-only", "--", "8888", key])
    assert (options.port, options.key, options.read_only) == (8888, key, True)


def test_a_negative_number_is_a_value():
    assert parse_server(["8888", "-5"]).key == "-5"
    assert read.parser().parse([*OPERANDS, "-12.5"])["key"] == "-12.5"


def test_a_row_of_options_that_exist_is_one():
    values = read.parser().parse([*OPERANDS, "-qno", "file"])
    assert (values["quiet"], values["no_overwrite"], values["local"]) == (True, True, "file")
    assert read.parser().parse([*OPERANDS, "-qofile"])["local"] == "file"
