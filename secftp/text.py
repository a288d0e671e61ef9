"""Text for terminals and logs: the escape of foreign text, and sizes, rates and times in readable form.

Invariant: text that a peer or a file system supplied passes `escape` before a terminal or a log line shows it, so that
none of its characters moves the cursor, starts a new line, hides or rearranges others, or is invisible. The rule is an
allowlist: a character stays if Unicode calls it printable and it has a glyph; everything else, and the backslash that
introduces an escape, is escaped. So different names never look the same, and controls that Unicode may add are covered.

A stream that can't encode all of Unicode gets the same escapes for what it lacks (`fit_streams`, `escape_unencodable`).
"""

from __future__ import annotations

import codecs
import io
import math
import os
import sys
import unicodedata

TYPE_CHECKING = False  # as of typing: a client reads and stretches its key before it imports that
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

# Letters, marks and symbols by category, hence printable to Python, but without a glyph or blank (Unicode's
# Default_Ignorable_Code_Point without the Cf that `str.isprintable` rejects already, and U+2800).
_BLANK = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F),  # combining grapheme joiner
        (0x115F, 0x1160),  # Hangul fillers
        (0x17B4, 0x17B5),  # Khmer inherent vowels
        (0x180B, 0x180F),  # Mongolian variation selectors
        (0x2065, 0x2065),
        (0x2800, 0x2800),  # the empty Braille pattern
        (0x3164, 0x3164),  # Hangul filler
        (0xFE00, 0xFE0F),  # variation selectors
        (0xFFA0, 0xFFA0),  # half-width Hangul filler
        (0xE0100, 0xE01EF),  # variation selectors, second part
    )
    for code in range(first, last + 1)
)
_SHORT = {"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
# Patterns for `re`, which is imported, compiles and keeps them when they are used.
_ONE_SIGN = r"(?s:\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)|.)"
_SIZE = r"(?ai:(\d{1,15})(?:\.(\d{1,9}))?(?:([kmgt])|([kmgt]i)b?|b)?)"
_SECONDS = r"(?ai:(?:\d{1,9}\.?|\d{0,9}\.\d{1,9})(?:e[+-]?\d{1,2})?)"
_WHOLE_SECONDS = 9  # digits
_ELLIPSIS = "..."
ESCAPING: Final = "secftp.escape"  # an error handler of codecs
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12} | {
    f"{unit}i": 1 << 10 * power for power, unit in enumerate("kmgt", 1)
}
_SECONDS_MAX = 2_000_000  # poll takes milliseconds as an int of 32 bits
_DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE_STEP = 1000
_SIZE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def fit_streams() -> None:
    """Make standard output and standard error escape characters that their encodings lack, instead of failing.

    To be called once, at the start of a program. A Latin-1 or ASCII locale, or PYTHONIOENCODING, causes such streams.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPING)


def escape_unencodable(text: str, encoding: str | None) -> str:
    """Escape the characters of `text` that an encoding lacks."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, ESCAPING).decode(encoding)


def _escape_unencodable(problem: UnicodeError) -> tuple[str, int]:
    r"""Error handler of `codecs`. Python's "backslashreplace" writes U+00E9 as `\xe9`, which means a byte here."""
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    return "".join(map(_escape_code, problem.object[problem.start : problem.end])), problem.end


codecs.register_error(ESCAPING, _escape_unencodable)


def from_locale(text: str) -> str:
    """Decode text of the command line or the environment as UTF-8, whatever the encoding of the locale.

    Python decodes both by the locale. With Latin-1 each byte of a key or a name would become a character of its own,
    which silently makes a different key. Bytes that are not UTF-8 become surrogate escapes (PEP 383).
    """
    try:
        return os.fsencode(text).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # not from the system, but created by a program
        return text


def to_locale(text: str) -> str:
    """The inverse of `from_locale`: convert a path in a configuration file to what the command line would contain."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def escape(text: str | bytes) -> str:
    r"""Escape everything in `text` that is not plainly visible; the result is printable.

    Bytes are decoded as UTF-8. An invalid byte becomes `\xNN`, and so does its surrogate escape of `os.fsdecode`
    (U+DC80-DCFF), so a name looks the same in either form. Other characters become `\n`, `\r`, `\t`, `\xNN` (ASCII
    only), `\uNNNN` or `\UNNNNNNNN`, a backslash `\\`. Different byte strings never give the same result.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(_escape_character(character) for character in text)


def path_text(path: Sequence[bytes] | bytes | str) -> str:
    """Return a path as a `str`, unescaped: names joined by slashes, `/` for `()`, the served directory.

    For the `filename` of an exception. Bytes that are not UTF-8 become surrogate escapes.
    """
    if isinstance(path, str):
        return path
    joined = path if isinstance(path, bytes) else b"/".join(path)
    return joined.decode("utf-8", "surrogateescape") or "/"


def show_local(path: str | bytes | os.PathLike[str]) -> str:
    """Return a path of this machine escaped, as the command line, a configuration or the file system holds it."""
    return escape(from_locale(os.fsdecode(path)))


def show_path(path: Sequence[bytes] | bytes | str) -> str:
    """Return `path_text`, escaped."""
    return escape(path_text(path))


def shorten(text: str, limit: int) -> str:
    """Shorten an escaped text to `limit` columns of a terminal (4 or more), with `...` in place of its middle.

    An escape is kept or dropped as a whole, since half of one could be read as different text. East Asian wide
    characters count as two columns. The end gets the larger share: that is where file names differ.
    """
    if limit <= len(_ELLIPSIS):
        raise ValueError("a shortened text needs 4 columns or more")
    # No character is wider than two columns.
    if len(text) * 2 <= limit or (text.isascii() and len(text) <= limit):
        return text
    import re

    signs: list[str] = re.findall(_ONE_SIGN, text)
    if sum(map(_columns, signs)) <= limit:
        return text
    room = limit - len(_ELLIPSIS)
    tail = _fitting(signs[::-1], room - room // 3)[::-1]
    head = _fitting(signs, room - sum(map(_columns, tail)))
    return "".join((*head, _ELLIPSIS, *tail))


def width(text: str) -> int:
    """Return how many columns of a terminal an escaped text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def fold(text: str, columns: int) -> str:
    """Break the lines of an escaped text at blanks, so that they fit into a terminal of that width.

    What continues a line is indented by two columns more. A word that is longer than a line stays whole.
    """
    if len(text) < columns and text.isascii():
        return text
    return "\n".join(_fold_line(line, columns) for line in text.split("\n"))


def _fold_line(line: str, columns: int) -> str:
    if width(line) <= columns:
        return line
    body = line.lstrip(" ")
    indent = line[: len(line) - len(body)]
    folded, current = [], indent
    for word in body.split(" "):
        if current.strip() and width(current) + 1 + width(word) > columns:
            folded.append(current)
            current = f"{indent}  {word}"
        else:
            current = f"{current} {word}" if current.strip() else current + word
    return "\n".join([*folded, current])


def show_digest(algorithm: str, digest: bytes) -> str:
    """Return a checksum as people read it, with the name of its algorithm: `xxh128:0011...`."""
    return f"{algorithm}:{digest.hex()}"


def parse_size(text: str) -> int | None:
    """Parse a size, at both ends: `500`, `20k` (20,000), `1.5M`, `20KiB` (20,480), `1GiB`. Returns bytes.

    A number, possibly with a fraction, then B, or K, M, G or T for powers of 1000, or Ki or KiB and so on for powers
    of 1024, in either case. KB and MB are invalid, since programs disagree about them. Fractions of a byte are dropped.
    Returns None for invalid text, for less than a byte and for 2**63 and more.
    """
    import re

    found = re.fullmatch(_SIZE, text)
    if found is None:
        return None
    whole, fraction, unit = found[1], found[2] or "", (found[3] or found[4] or "").lower()
    size = int(whole + fraction) * _FACTORS[unit] // 10 ** len(fraction)
    return size if 0 < size < 1 << 63 else None


def parse_seconds(text: str) -> float | None:
    """Return the seconds of a time as a user writes it, at either end: `10`, `0.5`, `.5`, `1e3`.

    Returns None for 0, for more than 2,000,000, and for invalid text.
    """
    is_number = text.isascii() and text.isdigit() and len(text) <= _WHOLE_SECONDS
    if not is_number:
        import re

        is_number = re.fullmatch(_SECONDS, text) is not None
    seconds = float(text) if is_number else 0.0
    return seconds if 0 < seconds <= _SECONDS_MAX else None


def parse_duration(text: str) -> float | None:
    """Return the seconds of a time with a unit: `90`, `90s`, `10m`, `1.5h`, `2d`; as `parse_seconds` otherwise."""
    factor = _DURATIONS.get(text[-1:].lower())
    if factor is None:
        return parse_seconds(text)
    seconds = parse_seconds(text[:-1])
    return None if seconds is None or seconds * factor > _SECONDS_MAX else seconds * factor


def format_size(size: int) -> str:
    """Format a number of bytes with decimal units and one decimal: `999 B`, `1.2 MB`."""
    if size < _SIZE_STEP:
        return f"{size} B"
    value = float(size)
    for unit in _SIZE_UNITS:
        # 999,950 would be printed as 1000.0 kB: what rounds up to the next unit gets the next unit.
        if round(value, 1) < _SIZE_STEP or unit == _SIZE_UNITS[-1]:
            break
        value /= _SIZE_STEP
    return f"{value:.1f} {unit}"


def count_files(number: int) -> str:
    """Format a number of files: `1 file`, `2 files`."""
    return counted(number, "file")


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Format a number of things: `1 file`, `2 files`; the default `plural` is the singular with an s."""
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"


def format_rate(bytes_per_second: float) -> str:
    """Format a rate with decimal units: `1.2 MB/s`; `-` if it is unknown (infinite, or not a number)."""
    if not math.isfinite(bytes_per_second):
        return "-"
    return f"{format_size(round(bytes_per_second))}/s"


def format_duration(seconds: float) -> str:
    """Format a time in its two leading units: `0.4 s`, `3 min 05 s`, `2 h 07 min`, `3 d 04 h`; `-` if unknown."""
    if not math.isfinite(seconds):
        return "-"
    if round(seconds, 1) < 10:  # noqa: PLR2004 (one decimal up to two digits)
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes} min {rest:02} s"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours:02} h" if days else f"{hours} h {minutes:02} min"


def _escape_character(character: str) -> str:
    if short := _SHORT.get(character):
        return short
    if character.isprintable() and character not in _BLANK:
        return character
    return _escape_code(character)


def _escape_code(character: str) -> str:
    """Return the escape of a character, or of the byte that it stands for."""
    code = ord(character)
    if code < 0x80:  # noqa: PLR2004 (one byte in UTF-8: character and byte are the same)
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 (the surrogate escape of a byte that is not UTF-8)
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 (the Basic Multilingual Plane)


def _columns(sign: str) -> int:
    if len(sign) > 1 or sign.isascii():
        return len(sign)
    if unicodedata.category(sign) in ("Mn", "Me"):  # drawn over the character before
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def _fitting(signs: list[str], room: int) -> list[str]:
    """Return the first of `signs` that together take at most `room` columns."""
    for index, sign in enumerate(signs):
        room -= _columns(sign)
        if room < 0:
            return signs[:index]
    return signs
