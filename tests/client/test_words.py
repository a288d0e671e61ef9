"""Words in place of a command: help, version, those of neighbours, and mistyped ones; and those of secftpd."""

from __future__ import annotations

import re

import pytest

from secftp._version import __version__
from secftp.client.__main__ import main
from secftp.client.commands import COMMANDS, HELP
from secftp.client.neighbours import _MEANT, verb_for
from secftp.errors import UsageError
from secftp.server.parser import make_parser
from tests.support.command_line import SECRET


def call(capsys, *arguments):
    code = main(list(arguments))
    done = capsys.readouterr()
    return code, done.out, done.err


@pytest.mark.parametrize("arguments", [["help"], ["--help"], ["-h"], ["help", "help"], ["-q", "help"]])
def test_help(capsys, arguments):
    assert call(capsys, *arguments) == (0, HELP, "")


def test_help_about_a_command(capsys):
    for verb in ("get", "keygen"):
        code, text, errors = call(capsys, "help", verb)
        assert (code, text.startswith(f"usage: secftp {verb} "), errors) == (0, True, "")
        assert call(capsys, verb, "--help") == (0, text, "")
    code, text, errors = call(capsys, "help", "upload")
    assert (code, text, "Use secftp put." in errors) == (2, "", True)
    assert call(capsys, "help", "get", "put")[0] == 2


@pytest.mark.parametrize("word", ["version", "-V", "--version"])
def test_version(capsys, word):
    code, text, errors = call(capsys, word)
    assert (code, text.startswith(f"secftp {__version__} ("), errors) == (0, True, "")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("copy", "Use secftp get, or put to upload; cp copies on the server."), ("upload", "Use secftp put."),
        ("download", "Use secftp get."), ("delete", "Use secftp rm."), ("list", "Use secftp ls."),
        ("dir", "Use secftp ls."),
        ("touch", "secftp put - URL < /dev/null"), ("move", "Use secftp mv."), ("scp", "Use secftp get, or put"),
        ("rsync", "Use secftp sync"), ("push", "Use secftp put."), ("pull", "Use secftp get."),
        ("send", "Use secftp put, or share"),
        ("DIR", "Use secftp ls."), ("gte", "Did you mean get?"), ("versoin", "Did you mean version?"),
        ("frobnicate", "The commands are"),
    ],
)  # fmt: skip
def test_a_word_that_is_no_command(capsys, word, hint):
    code, text, errors = call(capsys, word, "a", "b")
    assert (code, text) == (2, "")
    assert errors.startswith("secftp: Unknown command.\n  hint: ")
    assert hint in errors


def test_a_key_in_place_of_a_command_is_not_repeated(capsys):
    assert SECRET not in call(capsys, SECRET, "a")[2]


def test_every_sentence_names_commands_that_exist():
    words = [word for known in _MEANT.values() for word in known]
    assert len(words) == len(set(words))
    assert not set(words) & set(COMMANDS)
    assert verb_for("upload", ["get"]) == ""
    for sentence in _MEANT:
        assert sentence.endswith(".")
        assert all(re.fullmatch(r"[a-z]+", name) for name in re.findall(r"{(\w*)}", sentence))


@pytest.mark.parametrize(
    ("arguments", "similar"),
    [
        (["8888", "--rot", "x"], "--root"),
        (["8888", "--limit-rat=5"], "--limit-rate"),
        (["8888", "--readonly"], "--read-only"),
    ],
)
def test_secftpd_suggests_options(arguments, similar):
    with pytest.raises(UsageError) as caught:
        make_parser().parse(arguments)
    assert (str(caught.value), f"Did you mean {similar}?" in caught.value.hint) == ("Unknown option.", True)


@pytest.mark.parametrize("arguments", [["help"], ["version"], ["-V"]])
def test_words_of_secftpd(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        make_parser().parse(arguments)
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(("usage: secftpd", f"secftp {__version__}"))
