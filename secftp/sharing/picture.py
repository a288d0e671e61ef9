"""QR codes for a terminal, as text: two rows of modules in each line."""

from __future__ import annotations

from typing import Final

from secftp.errors import InstallationError

BORDER: Final = 2  # modules; the standard wants 4, and cameras need less
# White on black, whatever the colours of the terminal: not every camera reads inverted codes.
_BEGIN: Final = "\x1b[97;40m"
_END: Final = "\x1b[0m"
_BLOCKS: Final = {(False, False): "\u2588", (False, True): "\u2580", (True, False): "\u2584", (True, True): " "}


def draw(text: str, *, columns: int, lines: int, colours: bool = True) -> str | None:
    """Return a QR code of `text` in lines; None if it does not fit into so many columns and lines.

    Without `colours` it is right on a dark terminal only. Raises `InstallationError` without its library.
    """
    try:
        import segno
    except ImportError:
        raise InstallationError(
            "The library for QR codes is not installed.", hint="Install it with: pip install 'secftp[share]'."
        ) from None
    code = segno.make(text, error="l", micro=False, boost_error=False)
    rows = [[bool(module) for module in row] for row in code.matrix_iter(border=BORDER)]
    if len(rows[0]) >= columns or (len(rows) + 1) // 2 > lines:
        return None
    if len(rows) % 2:
        rows.append([True] * len(rows[0]))  # dark, which is the background
    begin, end = (_BEGIN, _END) if colours else ("", "")
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return "".join(
        f"{begin}{''.join(_BLOCKS[one] for one in zip(upper, lower, strict=True))}{end}\n" for upper, lower in pairs
    )
