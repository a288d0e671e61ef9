"""Renderer of the picture of the layers: docs/pictures/layers.txt to layers.svg.

Runs whenever the documentation is built. Both files are committed, so that the picture is also shown where nothing is
built; a test compares them.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

PICTURES = Path(__file__).resolve().parent.parent / "pictures"
SOURCE, PICTURE = PICTURES / "layers.txt", PICTURES / "layers.svg"

WIDTH, MARGIN, GAP = 760, 16, 8
LEFT = 48  # of the boxes; the arrow is beside them
TALL, LOW = 52, 30  # heights of boxes with and without a description
HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"
     aria-labelledby="title" font-family="system-ui, 'Segoe UI', Helvetica, Arial, sans-serif">
  <title id="title">The layers of secftp: each package imports only from the layers below it</title>
  <rect width="{width}" height="{height}" rx="8" fill="#fafaf7"/>
  <g stroke="#546e7a" stroke-width="2" fill="none">
    <path d="M{arrow} {top}V{bottom}m-6 -9l6 9l6 -9"/>
  </g>
  <text transform="translate({label} {middle}) rotate(-90)" fill="#546e7a" font-size="13"
        text-anchor="middle">imports</text>
"""
BOX = '  <rect x="{x:g}" y="{y}" width="{width:g}" height="{height}" rx="6" fill="{fill}" stroke="#90a4ae"/>\n'
TEXT = '  <text x="{x:g}" y="{y}" fill="{fill}" font-size="{size}"{weight} text-anchor="middle">{text}</text>\n'


class Package(NamedTuple):
    """A package or module, and what it is for; the empty text for one whose name says so."""

    name: str
    purpose: str


def layers(text: str) -> list[list[Package]]:
    """Parse the source: the packages of each layer, highest first."""
    lines = (line.strip() for line in text.splitlines())
    return [[_package(part) for part in line.split("|")] for line in lines if line and not line.startswith("#")]


def _package(text: str) -> Package:
    name, _, purpose = text.partition(":")
    return Package(name.strip(), purpose.strip())


def render(text: str) -> str:
    """Return the SVG document for a source."""
    body, y = "", MARGIN
    for layer in layers(text):
        height = TALL if any(package.purpose for package in layer) else LOW
        body += "".join(_boxes(layer, y, height))
        y += height + GAP
    bottom = y - GAP
    head = HEAD.format(
        width=WIDTH,
        height=bottom + MARGIN,
        arrow=LEFT - 16,
        top=MARGIN,
        bottom=bottom,
        label=LEFT - 24,
        middle=(MARGIN + bottom) // 2,
    )
    return f"{head}{body}</svg>\n"


def _boxes(layer: list[Package], y: int, height: int) -> Iterator[str]:
    width = (WIDTH - LEFT - MARGIN - GAP * (len(layer) - 1)) / len(layer)
    for number, package in enumerate(layer):
        x = LEFT + number * (width + GAP)
        yield BOX.format(x=x, y=y, width=width, height=height, fill="#e3f2fd" if package.purpose else "#eceff1")
        center, name = x + width / 2, html.escape(package.name)
        yield TEXT.format(x=center, y=y + 20, fill="#263238", size=15, weight=' font-weight="600"', text=name)
        if package.purpose:
            purpose = html.escape(package.purpose, quote=False)
            yield TEXT.format(x=center, y=y + 41, fill="#455a64", size=13, weight="", text=purpose)


def write(_app: Sphinx | None = None) -> None:
    """Render the source into the picture, if that differs."""
    picture = render(SOURCE.read_text(encoding="utf-8"))
    if not PICTURE.exists() or PICTURE.read_text(encoding="utf-8") != picture:
        PICTURE.write_text(picture, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Render before the pages are read."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    write()
