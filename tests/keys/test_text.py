"""Text of a key: NFC, the format of a generated key, and its check symbol."""

from __future__ import annotations

import itertools
import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secftp.errors import ExitCode, KeyFormatError
from secftp.keys import generate_key
from secftp.keys.text import ALPHABET, CHECK_SYMBOLS, check_symbol, grouped, normalise

# Worked out by hand from the definition: 0 is 0; 1 is 1; 32 ("10") is 32, the first symbol after the alphabet;
# 36 is the last one, U; 37 is 0 again. 2^130 - 1: 2^36 = 1 modulo 37 (Fermat), 130 = 3 * 36 + 22, 2^22 = 21, so 20.
KNOWN_CHECKS = [("0", "0"), ("1", "1"), ("10", "*"), ("11", "~"), ("12", "$"), ("13", "="), ("14", "U"), ("15", "0")]
ALL_ONES = "Z" * 26

KEY = "0123456789ABCDEFGHJKMNPQRS"


def printed(body):
    return grouped(body + check_symbol(body))


def swaps(symbols):
    for place in range(26):
        one, other = symbols[place : place + 2]
        if one != other:
            yield symbols[:place] + other + one + symbols[place + 2 :]


def body_with_check(symbol):
    draw = random.Random(symbol)
    while True:
        body = "".join(draw.choices(ALPHABET, k=26))
        if check_symbol(body) == symbol:
            return body


@pytest.mark.parametrize(("body", "check"), [*KNOWN_CHECKS, (ALL_ONES, CHECK_SYMBOLS[20])])
def test_known_check_symbols(body, check):
    assert check_symbol(body) == check


def test_the_alphabet_is_crockfords():
    assert len(ALPHABET) == 32
    assert len(CHECK_SYMBOLS) == 37
    assert not set("ILOU") & set(ALPHABET)


def test_a_printed_key_stays_as_it_is():
    key = printed(KEY)
    assert [len(group) for group in key.split("-")] == [5, 5, 5, 5, 5, 2]
    assert normalise(key) == key


@pytest.mark.parametrize("symbol", CHECK_SYMBOLS)
def test_every_check_symbol_is_accepted(symbol):
    key = printed(body_with_check(symbol))
    assert normalise(key) == key
    assert normalise(key.lower().replace("-", "")) == key


def spellings(key):
    yield key.lower()
    yield key.swapcase()
    yield key.replace("-", "")
    yield key.replace("-", " ")
    yield key.replace("-", " - ")
    yield key.replace("-", "\N{NON-BREAKING HYPHEN}")
    yield key.replace("-", "\N{EN DASH}")
    yield key.replace("-", "\N{NO-BREAK SPACE}")
    yield "-".join(key.replace("-", ""))
    yield f" {key}\t"
    yield f"-{key}-"
    for zero, one in itertools.product("0Oo", "1IiLl"):
        yield key.replace("0", zero).replace("1", one)


def test_every_spelling_of_a_generated_key_is_the_same_key():
    for _ in range(50):
        key = generate_key()
        assert {normalise(spelling) for spelling in spellings(key)} == {key}


def test_a_printed_key_without_any_digit_is_recognised_too():
    body = next(
        body
        for letters in itertools.product("ABC", repeat=3)
        if check_symbol(body := "X" * 23 + "".join(letters)) == "Z"
    )
    assert normalise(printed(body).lower()) == printed(body)


@pytest.mark.parametrize("key", [printed(KEY), *(printed(body_with_check(symbol)) for symbol in "*~$=U0Z")])
def test_every_wrong_symbol_in_a_printed_key_is_noticed(key):
    symbols = key.replace("-", "")
    for place in range(27):
        for wrong in set(CHECK_SYMBOLS) - {symbols[place]}:
            with pytest.raises(KeyFormatError, match="check character"):
                normalise(grouped(symbols[:place] + wrong + symbols[place + 1 :]))


@pytest.mark.parametrize("key", [printed(KEY), *(printed(body_with_check(symbol)) for symbol in "*~$=U0Z")])
def test_every_swap_of_neighbours_in_a_printed_key_is_noticed(key):
    for changed in swaps(key.replace("-", "")):
        with pytest.raises(KeyFormatError, match="check character"):
            normalise(grouped(changed))


def test_every_swap_in_a_new_key_is_noticed():
    for _ in range(50):
        for changed in swaps(generate_key().replace("-", "")):
            with pytest.raises(KeyFormatError, match="check character"):
                normalise(grouped(changed.lower()))


@pytest.mark.parametrize(
    "text",
    [
        "a",
        " ",
        "correct horse battery staple",
        "notsosecret123",
        "  spaces at both ends are part of a key ",
        "0123456789abcdef0123456789abcdef",
        "correct-horse-battery-tackle",
        "brave-horse-battery-stacker",  # 24 letters and three hyphens
        "penny-farthing-rider-spokes-a",  # 27 letters of the alphabet would be right, but they are words
        "abcde-fghjk-mnpqr-stvwx-yzabc-de-fghjk",
        "abcde-fghjk-mnpqr-stvwx-yzabc-d!",
        "0123456789ABCDEFGHJKMNPQUS0",  # 27 in a row, but U is no symbol of a key
        "0123456789ABCDEFGHJKMNPQR",
        "0123456789ABCDEFGHJKMNPQRST0",
        "0123456789ABCDEFGHJKMNPQRU0",
        "0123456789ABCDEFGHJKMNPQRS!",
        "ключ ключ ключ 0123456789ab",
        "\N{FULLWIDTH DIGIT ONE}" * 27,
    ],
)
def test_a_key_of_ones_own_is_used_exactly(text):
    assert normalise(text) == text


def test_four_words_of_27_letters_are_no_generated_key():
    words = "actor-bacteria-cactes-attack"
    assert len(words.replace("-", "")) == 25
    words = "actor-bacteria-cactes-attacker"
    assert len(words.replace("-", "")) == 27
    assert normalise(words) == words
    with pytest.raises(KeyFormatError, match="check character"):
        normalise(words.replace("actor", "act0r"))


def test_a_key_is_brought_to_nfc():
    assert normalise("cafe\N{COMBINING ACUTE ACCENT}") == "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    assert normalise("\N{ANGSTROM SIGN}") == "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_normalising_is_stable(text):
    if text.startswith("secftp-key-1 "):
        return
    once = normalise(text)
    assert once == unicodedata.normalize("NFC", text)
    assert normalise(once) == once


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "empty"), ("a\udcffb", "UTF-8"), ("\ud800", "UTF-8"), ("secftp-key-1 AAAA", "key file")],
)
def test_what_can_be_no_key_is_refused(text, words):
    with pytest.raises(KeyFormatError, match=words) as caught:
        normalise(text)
    assert caught.value.hint
    assert caught.value.exit_code == ExitCode.KEY


@pytest.mark.parametrize("text", [printed(KEY)[:-1] + "0", "hunter2\udcff", "secftp-key-1 hunter2"])
def test_a_refused_key_is_in_no_part_of_the_error(text):
    with pytest.raises(KeyFormatError) as caught:
        normalise(text)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    for secret in (text, "hunter2", text[:11]):
        assert secret not in f"{error} {error!r} {error.hint}" or secret == "secftp-key-1"[:11]


# --- new keys -------------------------------------------------------------------------------------------------------


def test_new_keys_are_printed_keys():
    keys = [generate_key() for _ in range(300)]
    assert len(set(keys)) == 300
    for key in keys:
        assert normalise(key) == key
        assert [len(group) for group in key.split("-")] == [5, 5, 5, 5, 5, 2]
        assert set(key[:-1]) <= {*ALPHABET, "-"}
    # All 32 symbols at all 26 places would need more keys; each symbol somewhere is all but certain.
    assert set("".join(keys)) >= set(ALPHABET)


def test_no_draw_is_thrown_away_so_all_130_bits_stay(monkeypatch):
    star = body_with_check("*")
    drawn = iter(star)
    monkeypatch.setattr("secrets.choice", lambda _alphabet: next(drawn))
    assert generate_key() == printed(star)
    assert next(drawn, None) is None
