"""The text of a key: what people type, made into the one text that both sides stretch.

A key of a user's own is used exactly as it is, in Unicode's form NFC. A generated key is made to be read aloud, copied
by hand and typed: 26 symbols of Crockford's base32 (130 bits), one check symbol, in groups of five joined by hyphens.
It is recognised however it is typed and brought to the form in which it was printed; if its check symbol is wrong, that
is said before anything is sent, since over the network a typing error can't be told from a wrong key.

The check symbol is Crockford's own, the value modulo 37. Because 37 is a prime above 32, it notices every wrong symbol
and every swap of two neighbours (their weights differ by 31 times a power of 32, and 37 divides neither). A code over
32 symbols would do with the base alphabet, but this one is published and known, and other implementations have it.
Its price is five more check symbols, `* ~ $ = U`, some of which a shell reads: on a command line a key stands in
quotes.

Nothing in here may put a key, or a part of one, into a message.
"""

from __future__ import annotations

import re
import unicodedata

from secftp.errors import KeyFormatError

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHECK_SYMBOLS = ALPHABET + "*~$=U"
BODY_SYMBOLS = 26
SECRET_PREFIX = "secftp-key-1 "  # noqa: S105 (the mark of a file format)
BYTE_ORDER_MARK = "\ufeff"

_LOOK_ALIKES = str.maketrans("abcdefghijklmnopqrstuvwxyzILO", "ABCDEFGH1JK1MN0PQRSTUVWXYZ110")
# Hyphens as word processors make them (U+2010-2015, the minus sign), and any white space.
_SEPARATORS = re.compile("[-\u2010-\u2015\u2212\\s]+")
_LAYOUT = [5, 5, 5, 5, 5, 2]
_SYMBOLS = re.compile(f"[{ALPHABET}]{{{BODY_SYMBOLS}}}[{re.escape(CHECK_SYMBOLS)}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DIGIT = re.compile("[0-9]")
_LOST = "Check where it comes from: the variable, or the command that makes it, may have given nothing."


def normalise(text: str) -> str:
    """The text that is stretched: NFC, and a generated key in its printed form (`normalise` of it changes nothing).

    Raises KeyFormatError for an empty text, one that is not Unicode (a lone surrogate), a generated key with a typing
    error, and the contents of a generated key file, which stand for a secret and not for a text.
    """
    if not text:
        raise KeyFormatError("The key is empty.", hint=_LOST)
    # A search and no attempt to encode it: the encoder's exception would carry the key along.
    if _SURROGATE.search(text):
        raise KeyFormatError("The key is not valid UTF-8 text.", hint="Give it in UTF-8, or use a generated key.")
    if text.startswith(SECRET_PREFIX):
        raise KeyFormatError(
            "This is the inside of a key file, not a key.", hint="Give the file's name with --key-file."
        )
    symbols = _generated(text)
    if symbols is None:
        return unicodedata.normalize("NFC", text)
    if not _SYMBOLS.fullmatch(symbols) or symbols[-1] != check_symbol(symbols[:-1]):
        raise KeyFormatError(
            "The key looks like a generated one, but its check character is wrong: there is a typing error in it.",
            hint="Compare it with the original. A key of your own must not have exactly 27 letters and digits.",
        )
    return grouped(symbols)


def bare(text: str) -> str:
    """The key in a text as it came in: without a byte order mark (U+FEFF) in front and one line end (LF, CR LF, CR).

    Editors and shells add these: Notepad writes a mark, `echo` a newline, and `$(cat FILE)` leaves the CR of a CR LF.
    So a file, a variable, an argument, a prompt and a program all give the same key. Further line ends are the key's.
    Raises KeyFormatError if nothing visible is left: a variable or a command gave nothing, which is never a key.
    """
    text = text.removeprefix(BYTE_ORDER_MARK).removesuffix("\n").removesuffix("\r")
    # A lone surrogate is not printable either, but it is a byte that is not UTF-8; `normalise` says so.
    if text and not _SURROGATE.search(text) and is_blank(text):
        raise KeyFormatError("The key holds only blanks.", hint=_LOST)
    return text


def is_blank(text: str) -> bool:
    """Whether nothing in a text could be seen."""
    return all(character.isspace() or not character.isprintable() for character in text)


def is_generated(text: str) -> bool:
    """Whether a text that `normalise` takes is a generated key in its printed layout, in any case.

    In another layout it may be a text of somebody's own that has 27 letters and digits, and the right last one by
    chance.
    """
    layout = [len(group) for group in _SEPARATORS.split(text) if group]
    return layout == _LAYOUT and _generated(text) is not None


def check_symbol(body: str) -> str:
    """The check symbol for a generated key's symbols (all in ALPHABET): their value modulo 37."""
    value = 0
    for symbol in body:
        value = value * len(ALPHABET) + ALPHABET.index(symbol)
    return CHECK_SYMBOLS[value % len(CHECK_SYMBOLS)]


def grouped(symbols: str) -> str:
    """Symbols in groups of five joined by hyphens, the form in which a key is printed."""
    return "-".join(symbols[start : start + _LAYOUT[0]] for start in range(0, len(symbols), _LAYOUT[0]))


def _generated(text: str) -> str | None:
    """The 27 symbols of a text that has the shape of a generated key, whether they are right or not; else None.

    The printed layout is shape enough: any symbols in it count, so that a check symbol in the wrong place is noticed.
    With the separators missing or elsewhere it must be symbols of a key throughout and hold a digit, which all but six
    generated keys in 100,000 do: four words of somebody's own may have 27 letters too.
    """
    groups = [group for group in _SEPARATORS.split(text) if group]
    symbols = "".join(groups).translate(_LOOK_ALIKES)
    if [len(group) for group in groups] == _LAYOUT and set(symbols) <= set(CHECK_SYMBOLS):
        return symbols
    return symbols if _SYMBOLS.fullmatch(symbols) and _DIGIT.search(text) else None
