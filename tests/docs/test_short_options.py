"""Short options of cp, scp, rsync and their like: each is taken, or answered with a sentence that helps."""

from __future__ import annotations

import re

import pytest

from secftp.client.commands import COMMANDS, load
from secftp.client.foreign import _LONG, _SHORT, help_for
from secftp.errors import UsageError
from tests.docs.short_options import PAGE, VERBS, answered, page, taken

# What hands type: each option has to mean something, or to be answered.
TYPED = {
    "get": "-a -r -p -v -z -P -C -c -e -l -o -i -S -H -A -X -g -D -x -W -R -L -n -u -f -q -t",
    "put": "-a -r -p -v -z -P -C -c -e -l -o -i -S -H -A -X -g -D -x -W -R -L -n -u -f -q -t",
    "cp": "-r -R -a -p -f -n -i -v -u -d -L -P -H -t -T -x -l -s -b",
    "mv": "-f -n -i -v -u -t -T -b",
    "rm": "-r -R -f -i -I -v -d",
    "mkdir": "-p -m -v",
    "ls": "-l -R -i -g -o -d -F -p",
    "sum": "-c",
}  # fmt: skip


def test_the_table_is_that_of_the_parsers():
    assert PAGE.read_text() == page(), "make it again: python -m tests.docs.short_options"


@pytest.mark.parametrize("verb", TYPED)
def test_no_option_of_neighbours_gets_a_blank_stare(verb):
    known = {**taken(verb), **answered(verb)}
    assert [flag for flag in TYPED[verb].split() if flag not in known] == []


@pytest.mark.parametrize("verb", [verb for verb in VERBS if answered(verb)])
def test_every_answer_is_given(verb):
    for flag, hint in answered(verb).items():
        with pytest.raises(UsageError) as caught:
            load(verb).parser().parse([flag, "secftp://host/a"])
        assert (str(caught.value), caught.value.hint) == (f"secftp {verb} has no option {flag}.", hint)


@pytest.mark.parametrize("option", sorted(_LONG))
def test_every_long_option_is_answered(option):
    for verb in VERBS:
        parser = load(verb).parser()
        if option in parser._option_string_actions:
            continue
        for given in (option, f"{option}=value"):
            with pytest.raises(UsageError) as caught:
                parser.parse([given, *["secftp://host/a"] * 3])
            assert caught.value.hint in (
                _LONG[option],
                f"See secftp {verb} --help.",
                *[caught.value.hint] * (verb in ("read", "write")),
            )


def test_every_sentence_is_one_and_names_options_that_exist():
    hints = [hint for _, _, hint in _SHORT] + list(_LONG.values())
    options = {flag for verb in COMMANDS for flag in load(verb).parser()._option_string_actions}
    for hint in hints:
        assert re.fullmatch(r"[A-Z].*[.]|secftp never asks\.( .*[.])?|To .*", hint), hint
        assert [word for word in re.findall(r"--[a-z][a-z-]+", hint) if word not in options] == [], hint
        for verb in re.findall(r"secftp ([a-z]+)", hint):
            assert verb in (*COMMANDS, "never"), hint


def test_a_group_with_anything_else_is_not_repeated():
    """It may be a key: no letter of it is named."""
    with pytest.raises(UsageError) as caught:
        load("get").parser().parse(["-tehunter2", "secftp://host/a"])
    assert str(caught.value) == "Unknown option."
    assert help_for("get", "-t")


@pytest.mark.parametrize("words", [("-P", "2222"), ("-avzP", "22"), ("-P2222",), ("-p", "2222"), ("-vp22",)])
@pytest.mark.parametrize("verb", ["get", "put"])
def test_a_port_belongs_in_the_url(verb, words):
    with pytest.raises(UsageError, match="The port of a server belongs in the URL"):
        load(verb).parse([*words, "name", "secftp://host/a"])
    assert load(verb).parse(["-P", "secftp://host/a" if verb == "get" else "./2222", "secftp://host/a"])


def test_what_is_the_default_is_taken():
    for words in (["-avzr", "-p"], ["--archive", "--recursive", "-z", "--perms", "--human-readable"]):
        options = load("put").parse([*words, "a", "secftp://host/a"])
        assert options.settings.copy.compress
    assert load("put").parse(["-P", "a", "secftp://host/a"]).settings.copy.resume
    assert load("put").parse(["--partial", "-L", "a", "secftp://host/a"]).settings.copy[4:7].count(True) >= 1
    assert load("cp").parse(["-a", "secftp://host/a", "secftp://host/b"]).recursive
    assert load("cp").parse(["-Rpf", "secftp://host/a", "secftp://host/b"]).recursive
    assert not load("cp").parse(["-pf", "secftp://host/a", "secftp://host/b"]).recursive
    assert load("mv").parse(["-f", "secftp://host/a", "secftp://host/b"]).overwrite
    assert load("rm").parse(["-Rf", "secftp://host/a"]).recursive
