"""QR codes as text: the modules of the code, each line with two rows of them."""

from __future__ import annotations

import sys

import pytest
import segno

from secftp.errors import InstallationError
from secftp.sharing.picture import BORDER, draw

TEXT = "secftp get secftp://192.0.2.7:40123/ .\nexplain eggbeater scuttle roaming luridness animating"


def modules(picture):
    """The rows of a picture, dark modules as 1, read as a camera would."""
    rows = []
    for line in picture.splitlines():
        upper = [sign in " \u2584" for sign in line]
        lower = [sign in " \u2580" for sign in line]
        rows += [upper, lower]
    return [[int(module) for module in row] for row in rows]


def test_it_is_the_code_of_the_text():
    picture = draw(TEXT, columns=80, lines=24, colours=False)
    code = segno.make(TEXT, error="l", micro=False, boost_error=False)
    wanted = [list(map(int, row)) for row in code.matrix_iter(border=BORDER)]
    assert modules(picture)[: len(wanted)] == wanted
    assert set(picture) <= set("\n \u2580\u2584\u2588")


def test_colours_make_it_white_on_black():
    picture = draw(TEXT, columns=80, lines=24)
    assert all(line.startswith("\x1b[97;40m") and line.endswith("\x1b[0m") for line in picture.splitlines())


def test_it_fits_or_there_is_none():
    picture = draw(TEXT, columns=80, lines=24, colours=False)
    width, height = len(picture.splitlines()[0]), len(picture.splitlines())
    assert height <= 21, "on a terminal of 24 lines there is room for the command, the key and the cursor"
    assert draw(TEXT, columns=width + 1, lines=height, colours=False) == picture
    assert draw(TEXT, columns=width, lines=height) is None
    assert draw(TEXT, columns=80, lines=height - 1) is None


def test_without_the_library_there_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "segno", None)
    with pytest.raises(InstallationError, match="QR"):
        draw(TEXT, columns=80, lines=24)
