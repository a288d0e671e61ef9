"""Key texts: generation, recognition and normalization of what users type to the text that both sides stretch.

A user's own key is used exactly as it is, in Unicode's form NFC. A generated key is made to be read aloud, copied by
hand and typed: 26 symbols of Crockford's base32 (130 bits) and one check symbol, in groups of five joined by hyphens.
It is recognized in any layout and case, and brought to its printed form. A wrong check symbol is reported before
anything is sent, since over the network a typing error can't be told from a wrong key.

The check symbol is Crockford's own, the value modulo 37. Because 37 is a prime above 32, it detects every wrong symbol
and every transposition of two neighbors (their weights differ by 31 times a power of 32, and 37 divides neither). A
code over 32 symbols would need no further symbols, but this one is published, and other implementations have it. Its
price is five more check symbols, `* ~ $ = U`, some of which a shell interprets: on a command line, quote a key.

Invariant: no key and no part of one gets into an exception.
"""

from __future__ import annotations

import unicodedata

from secftp.errors import KeyFormatError

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHECK_SYMBOLS = ALPHABET + "*~$=U"
BODY_SYMBOLS = 26
SECRET_PREFIX = "secftp-key-1 "  # noqa: S105 (the mark of a file format)
BYTE_ORDER_MARK = "\ufeff"

_LOOK_ALIKES = str.maketrans("abcdefghijklmnopqrstuvwxyzILO", "ABCDEFGH1JK1MN0PQRSTUVWXYZ110")
# Hyphens as word processors insert them (U+2010-2015, the minus sign): like white space, they separate groups.
_HYPHENS = str.maketrans(dict.fromkeys("-\u2010\u2011\u2012\u2013\u2014\u2015\u2212", " "))
_LAYOUT = [5, 5, 5, 5, 5, 2]
_DIGITS = frozenset("0123456789")
_LOST = "Check its source: the variable may be unset, or the command may have printed nothing."


def generate_key() -> str:
    """Return a new key in its printed form, such as `0M9XT-2AB7C-...-4R`: 26 random symbols and a check symbol.

    About one key in ten ends in a check symbol that a shell may interpret (`* ~ $ =`).

    Returns:
        str: The text of the key, of 130 random bits.

    Example:
        >>> key = secftp.generate_key()
        >>> len(key), secftp.Key.from_text(key).generated
        (32, True)
    """
    # No draw is rejected, since that would leave fewer than the promised 130 bits.
    import secrets  # here, since a client that only uses a key starts anew for each small file

    body = "".join(secrets.choice(ALPHABET) for _ in range(BODY_SYMBOLS))
    return grouped(body + check_symbol(body))


def normalise(text: str) -> str:
    """Return the text that is stretched: NFC, and a generated key in its printed form. Idempotent.

    Raises `KeyFormatError` for an empty text, one that is not Unicode (a lone surrogate), a generated key with a typing
    error, and the contents of a generated key file, which are a secret and not a text.
    """
    if not text:
        raise KeyFormatError("The key is empty.", hint=_LOST)
    if _has_surrogate(text):
        raise KeyFormatError("The key is not valid UTF-8 text.", hint="Give it in UTF-8, or use a generated key.")
    if text.startswith(SECRET_PREFIX):
        raise KeyFormatError(
            "These are the contents of a key file, not a key.",
            hint="Give the file: --key-file FILE, or key_file= in Python.",
        )
    symbols = _generated(text)
    if symbols is None:
        return unicodedata.normalize("NFC", text)
    if not _has_shape(symbols) or symbols[-1] != check_symbol(symbols[:-1]):
        raise KeyFormatError(
            "The key looks like a generated one, but its check character is wrong: it contains a typing error.",
            hint="Compare it with the original. A key of your own must not have exactly 27 letters and digits.",
        )
    return grouped(symbols)


def bare(text: str) -> str:
    """Return a text without a byte order mark (U+FEFF) at its start and one line ending (LF, CR LF, CR) at its end.

    Editors and shells add these: Notepad writes a mark, `echo` a newline, and `$(cat FILE)` leaves the CR of a CR LF.
    So a file, a variable, an argument, a prompt and a program all give the same key. Further line endings belong to the
    key. Raises `KeyFormatError` if nothing visible is left: a variable or a command gave nothing, which is never a key.
    """
    text = text.removeprefix(BYTE_ORDER_MARK).removesuffix("\n").removesuffix("\r")
    # A lone surrogate is not printable either, but it is a byte that is not UTF-8; `normalise` reports that.
    if text and not _has_surrogate(text) and is_blank(text):
        raise KeyFormatError("The key is blank.", hint=_LOST)
    return text


def is_blank(text: str) -> bool:
    """Tell whether a text has no visible character."""
    return all(character.isspace() or not character.isprintable() for character in text)


def is_generated(text: str) -> bool:
    """Tell whether a text that `normalise` accepts is a generated key in its printed layout, in upper or lower case.

    In another layout it may be a user's own text of 27 letters and digits, the last of them right by chance.
    """
    layout = [len(group) for group in _groups(text)]
    return layout == _LAYOUT and _generated(text) is not None


def check_symbol(body: str) -> str:
    """Return the check symbol for the symbols of a generated key (all in `ALPHABET`): their value modulo 37."""
    value = 0
    for symbol in body:
        value = value * len(ALPHABET) + ALPHABET.index(symbol)
    return CHECK_SYMBOLS[value % len(CHECK_SYMBOLS)]


def grouped(symbols: str) -> str:
    """Return symbols in groups of five joined by hyphens, the form in which a key is printed."""
    return "-".join(symbols[start : start + _LAYOUT[0]] for start in range(0, len(symbols), _LAYOUT[0]))


def _generated(text: str) -> str | None:
    """Return the 27 symbols of a text with the shape of a generated key, whether they are right or not; else None.

    The printed layout suffices: any symbols in it count, so that a check symbol in the wrong place is detected. With
    other or no separators, all must be symbols of a key, and one a digit, which holds for all but six generated keys in
    100,000: four words of a user's own may have 27 letters, too.
    """
    groups = _groups(text)
    symbols = "".join(groups).translate(_LOOK_ALIKES)
    if [len(group) for group in groups] == _LAYOUT and set(symbols) <= set(CHECK_SYMBOLS):
        return symbols
    return symbols if _has_shape(symbols) and not _DIGITS.isdisjoint(text) else None


# No regular expressions below: to compile them would be a noticeable part of the time that a small file takes.


def _groups(text: str) -> list[str]:
    """Return what hyphens and white space separate."""
    return text.translate(_HYPHENS).split()


def _has_shape(symbols: str) -> bool:
    """Tell whether these are as many symbols as a generated key has, with a check symbol only at the end."""
    body, check = symbols[:BODY_SYMBOLS], symbols[BODY_SYMBOLS:]
    return len(body) == BODY_SYMBOLS and len(check) == 1 and set(body) <= set(ALPHABET) and check in CHECK_SYMBOLS


def _has_surrogate(text: str) -> bool:
    """Tell whether a text has a lone surrogate.

    A search and no attempt to encode it: the encoder's exception would carry the key along.
    """
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)
