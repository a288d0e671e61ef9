"""Report as plain text and PDF, and figures as SVG."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.backends.backend_pdf import PdfPages

from bench.peers.table import aligned
from bench.report.results import HEADER, TITLE, method, rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.figure import Figure

    from bench.report.results import Results

TEXT_COLUMNS = 110
LANDSCAPE_INCHES = (11.69, 8.27)


def text(results: Results) -> str:
    """Return the table, the method and the environment as text."""
    facts = "\n".join(f"{name}: {value}" for name, value in results.facts.items())
    parts = [TITLE, aligned([HEADER, *rows(results)]), textwrap.fill(method(results), TEXT_COLUMNS), facts]
    return "\n\n".join(parts) + "\n"


def write_pdf(path: Path, results: Results, figures: Mapping[str, Figure]) -> None:
    """Write a PDF with a page for each figure and one for the table."""
    with PdfPages(path, metadata={"Title": TITLE, "CreationDate": None}) as pages:
        for figure in figures.values():
            pages.savefig(figure)
        page = plt.figure(figsize=LANDSCAPE_INCHES)
        page.text(0.04, 0.95, TITLE, fontsize=16, fontweight="bold", va="top")
        body = text(results).partition("\n\n")[2]
        page.text(0.04, 0.88, body, fontsize=9, family="DejaVu Sans Mono", va="top", linespacing=1.5)
        pages.savefig(page)
        plt.close(page)


def svg(figure: Figure) -> str:
    """Return a figure as SVG, with text as outlines and without a date."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
