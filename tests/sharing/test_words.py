"""Keys of six words: at least 77 bits, and nothing else than lower-case letters and single spaces."""

from __future__ import annotations

import math
import secrets
import sys

import pytest

from secftp.errors import InstallationError
from secftp.keys.text import is_generated, normalise
from secftp.sharing.words import LEAST, WORDS, generate_words, load_words


def test_the_list_is_the_published_one_without_four_words():
    words = load_words()
    assert len(words) == len(set(words)) == LEAST == 7776 - 4
    assert all(word.isascii() and word.isalpha() and word.islower() and 3 <= len(word) <= 9 for word in words)
    assert {"abacus", "zoom"} <= set(words)
    assert WORDS * math.log2(len(words)) >= 77


def test_every_word_is_chosen_by_the_system_s_random_numbers(monkeypatch):
    asked = []
    monkeypatch.setattr(secrets, "choice", lambda words: asked.append(len(words)) or words[len(asked)])
    words = load_words()
    assert generate_words().split(" ") == words[1:7]
    assert asked == [LEAST] * WORDS


def test_it_is_a_text_like_any_other_and_not_taken_for_a_generated_key():
    for _ in range(50):
        words = generate_words()
        assert normalise(words) == words
        assert not is_generated(words)
    assert generate_words() != generate_words()


def test_without_the_package_there_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "xkcdpass", None)
    with pytest.raises(InstallationError, match="not installed"):
        load_words()


@pytest.mark.parametrize("found", [[], ["abacus"] * 8000, ["abacus", "zoom"]])
def test_a_damaged_list_makes_no_key(monkeypatch, found):
    from xkcdpass import xkcd_password

    monkeypatch.setattr(xkcd_password, "generate_wordlist", lambda *_, **__: found)
    with pytest.raises(InstallationError, match="damaged"):
        generate_words()


def test_a_list_that_can_not_be_read_makes_no_key(monkeypatch):
    from xkcdpass import xkcd_password

    def fail(*_, **__):
        raise SystemExit("no words")

    monkeypatch.setattr(xkcd_password, "generate_wordlist", fail)
    with pytest.raises(InstallationError, match="damaged"):
        generate_words()
