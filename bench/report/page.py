"""Report as a self-contained HTML page: table, method, environment, and inline SVG figures."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from bench.report.results import HEADER, TITLE, method, rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.report.results import Results

CSS = """\
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1100px; margin: 2em auto;
  padding: 0 1em; }
figure { margin: 2em 0; } svg { width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { text-align: right; padding: .3em .8em; border-bottom: 1px solid #ddd; }
th:nth-child(-n+2), td:nth-child(-n+2), .facts th, .facts td { text-align: left; }
td small { display: block; color: #666; } .theirs { color: #a84800; }
"""


def page(results: Results, pictures: Mapping[str, str]) -> str:
    """Return the HTML page; `pictures` maps names to SVG documents."""
    shown = "\n".join(
        f'<figure role="img" aria-label="{html.escape(name)}">\n{inline_svg(document, name)}\n</figure>'
        for name, document in pictures.items()
    )
    facts = "\n".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in results.facts.items()
    )
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{TITLE}</title>
<style>
{CSS}</style>
</head>
<body>
<h1>{TITLE}</h1>
{shown}
<div class="wide">
{_html_table(results)}
</div>
<p>{html.escape(method(results))}</p>
<table class="facts">
{facts}
</table>
</body>
</html>
"""


def inline_svg(document: str, name: str) -> str:
    """Return the `svg` element of a document with prefixed ids, which have to be unique in a page."""
    element = document[document.index("<svg") :].strip()
    element = re.sub(r"""\bid="([^"]+)\"""", rf'id="{name}-\1"', element)
    element = re.sub(r"""\bhref="#([^"]+)\"""", rf'href="#{name}-\1"', element)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", element)


def _html_table(results: Results) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in HEADER)
    body = "\n".join(f"<tr>{''.join(map(_html_cell, range(len(row)), row))}</tr>" for row in rows(results))
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _html_cell(column: int, cell: str) -> str:
    value, space, spread = html.escape(cell).partition(" (")
    theirs = ' class="theirs"' if HEADER[column].startswith("original") else ""
    return f"<td{theirs}>{value}{f' <small>({spread}</small>' if space else ''}</td>"
