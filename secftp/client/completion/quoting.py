"""Words as a shell reads them: the line before the cursor, and the quoting of what is inserted there.

Nothing is evaluated: a word with an expansion (`$HOME`, a command in backquotes) has no value here. Invariant: what
`quote` returns is read by bash and zsh as exactly the text, whatever characters a server has put into it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

_SPACES: Final = frozenset(" \t\n")
_ENDS: Final = frozenset("|&;()\n")  # of a command
_REDIRECTIONS: Final = frozenset("<>")
_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./,+@%^:=")
_IN_DOUBLE_QUOTES: Final = frozenset('$`"\\')
_ANSI: Final = {"n": "\n", "r": "\r", "t": "\t", "e": "\x1b", "E": "\x1b", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_HEX_DIGITS: Final = 2
ANSI_QUOTE: Final = "$'"


class Line(NamedTuple):
    """The words of the last command of a line that are complete, and the one at its end.

    `quote` is the quote that is open at the end: `'`, `"`, `$'` or none; `is_known`: the last word needs no expansion.
    """

    words: tuple[str, ...]
    last: str
    quote: str
    is_known: bool


class _Reader:
    """The state of `split_line`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.words: list[str] = []
        self.last: list[str] = []
        self.has_word = False
        self.is_known = True
        self.is_redirection = False

    def end_word(self) -> None:
        if self.has_word and not self.is_redirection:
            self.words.append("".join(self.last))
        if self.has_word:
            self.is_redirection = False
        self.last, self.has_word, self.is_known = [], False, True

    def add(self, text: str) -> None:
        self.last.append(text)
        self.has_word = True

    def unquoted(self) -> str:
        """Read one character, or more, outside of quotes; return the quote that it opens."""
        sign, following = self.text[self.place], self.text[self.place + 1 : self.place + 2]
        self.place += 1
        if sign in _SPACES or sign in _ENDS or sign in _REDIRECTIONS:
            self.end_word()
            if sign in _ENDS:
                self.words = []
            self.is_redirection = self.is_redirection or sign in _REDIRECTIONS
            return ""
        self.has_word = True
        if sign == "\\":
            self.place += 1
            self.add("" if following == "\n" else following)
        elif sign == "$" and following == "'":
            self.place += 1
            return ANSI_QUOTE
        elif sign in "'\"":
            return sign
        else:
            self.is_known = self.is_known and sign not in "$`"
            self.add(sign)
        return ""

    def quoted(self, quote: str) -> str:
        """Read one character, or more, in quotes; return the quote that is still open."""
        sign, following = self.text[self.place], self.text[self.place + 1 : self.place + 2]
        self.place += 1
        if sign == quote[-1]:
            return ""
        if sign == "\\" and quote == '"' and following in (*_IN_DOUBLE_QUOTES, "\n"):
            self.place += 1
            self.add(following)
        elif sign == "\\" and quote == ANSI_QUOTE:
            self.add(self._ansi(following))
        else:
            self.is_known = self.is_known and (quote != '"' or sign not in "$`")
            self.add(sign)
        return quote

    def _ansi(self, following: str) -> str:
        self.place += 1
        if following != "x":
            return _ANSI.get(following, following)
        digits = self.text[self.place : self.place + _HEX_DIGITS]
        self.place += len(digits)
        try:
            return bytes([int(digits, 16)]).decode("utf-8", "surrogateescape")
        except ValueError:
            return digits


def split_line(text: str) -> Line:
    """Return the words of the last command in the part of a line before the cursor, as bash splits it."""
    reader, quote = _Reader(text), ""
    while reader.place < len(text):
        quote = reader.quoted(quote) if quote else reader.unquoted()
    last = "".join(reader.last)
    # Bytes of a character that were written one by one are a character again.
    last = last.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    return Line(tuple(reader.words), last, quote, reader.is_known and not reader.is_redirection)


def quote(text: str, opened: str = "") -> str:
    """Return what stands for a text in a shell where the quote `opened` is open, and stays open."""
    return "".join(_quoted(sign, opened) for sign in text)


def _quoted(sign: str, opened: str) -> str:
    if not sign.isprintable():
        escape = "".join(f"\\x{byte:02x}" for byte in sign.encode("utf-8", "surrogateescape"))
        return escape if opened == ANSI_QUOTE else f"{opened}$'{escape}'{opened}"
    if opened == ANSI_QUOTE:
        return f"\\{sign}" if sign in "\\'" else sign
    if opened == "'":
        return "'\\''" if sign == "'" else sign
    if opened == '"':
        # A backslash before an exclamation mark would stay.
        return '"\\!"' if sign == "!" else f"\\{sign}" if sign in _IN_DOUBLE_QUOTES else sign
    return sign if sign in _PLAIN or not sign.isascii() else f"\\{sign}"
