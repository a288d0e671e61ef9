"""docs/how-to/share.md, tried: both ends are run on terminals, and have to show what the page shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from secftp.client.commands import load
from tests.client.test_share import COMMAND, WORDS, on_a_terminal
from tests.support.pages import blocks
from tests.support.serving import DEADLINE, HOST, listing

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "share.md"
ADDRESS = re.compile(r"192\.0\.2\.7:40123")
_VARIES = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)( (?:files?|[kMG]?B(?:/s)?|s|min)\b)?")


@pytest.fixture
def here(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(3):
        (tmp_path / "photos" / f"{number}.jpg").write_bytes(bytes(1000))
    (tmp_path / "plan.pdf").write_text("plan")
    (tmp_path / "Downloads").mkdir()
    return tmp_path


def calls():
    """Every call of secftp on the page that is followed by output: its words, and the lines."""
    found = []
    for block in blocks(PAGE, "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((shlex.split(line[2:]), []))
            elif found:
                found[-1][1].append(line)
    return [(words[1:], lines) for words, lines in found if words[0] == "secftp" and lines]


def pattern(line, *, home):
    """A line of the page as a pattern: other numbers, addresses and words are as good, and another home directory."""
    if WORDS.fullmatch(line):
        return WORDS.pattern.strip("^$").removesuffix("\\r?$")
    text = ADDRESS.sub("ADDRESS", line).replace("/home/you", str(home))
    text = _VARIES.sub("NUMBER", text)
    words = re.escape(text).replace(r"\ ", r"\s+")  # a terminal breaks longer lines, of longer names
    return words.replace("ADDRESS", rf"{re.escape(HOST)}:\d+").replace("NUMBER", r"[\d.]+(?: [\w/]+)?")


def seen(screen, lines, home):
    for line in lines:
        wanted = pattern(line, home=home).replace(r"\ ", r"\s+")  # a line is broken where the terminal ends
        assert re.search(wanted, screen.text), f"{line!r} is not in:\n{screen.text}"


def test_the_page_shows_both_commands_and_the_other_end():
    assert [words[0] for words, _ in calls()] == ["share", "get", "receive"]


def test_sharing_is_as_the_page_shows_it(here):
    (share, shown), (get, other_shown), _ = calls()
    (here / "there").mkdir()
    with on_a_terminal(here, share[0], "--host", HOST, *share[1:]) as (server, screen):
        words, url = screen.wait_for(WORDS.pattern)[1], screen.wait_for(COMMAND.pattern)[2]
        given = [ADDRESS.sub(url.removeprefix("secftp://").rstrip("/"), word) for word in get]
        with on_a_terminal(here, *given[:-1], "there") as (client, other):
            other.wait_for("Key for ")
            other.type(f"{words}\n")
            assert client.wait(DEADLINE) == 0
            other.wait_for(r"Fetched .*\.")
        assert server.wait(DEADLINE) == 0
    seen(screen, shown, here)
    seen(other, [re.sub(r" in .*\)", "", line) for line in other_shown], here)  # no rate of a moment
    assert given[-1] == "."
    assert len(listing(here / "there")) == 5


def test_receiving_is_as_the_page_shows_it(here):
    receive, shown = calls()[2]
    given = [word.replace("~", str(here)) for word in receive[1:]]
    with on_a_terminal(here, receive[0], "--host", HOST, *given) as (server, screen):
        words, url = screen.wait_for(WORDS.pattern)[1], screen.wait_for(COMMAND.pattern)[2]
        with on_a_terminal(here, "put", "plan.pdf", url) as (client, other):
            other.wait_for("Key for ")
            other.type(f"{words}\n")
            assert client.wait(DEADLINE) == 0
        assert server.wait(DEADLINE) == 0
    seen(screen, shown, here)
    assert listing(here / "Downloads") == ["plan.pdf"]


@pytest.mark.parametrize("verb", ["share", "receive"])
def test_the_options_of_the_table_are_options(verb):
    table = re.findall(r"^\| `(--.*?)` \|", PAGE.read_text(), re.MULTILINE)
    assert len(table) == 5
    for option in table:
        load(verb).parse([*option.split(), "operand"])
