"""The grammar of counts: no message says `1 files`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from secftp.text import count_files, counted

PACKAGE = Path(__file__).resolve().parent.parent / "secftp"
NOUNS = (
    "bytes", "connections", "days", "deletions", "differences", "directories", "entries", "failures", "files", "keys",
    "links", "matches", "names", "requests", "seconds", "sessions", "streams", "symlinks", "times", "words",
)  # fmt: skip
# Numbers that are never 1: bounds of the protocol, limits of at least 2, and what was compared with 1 before.
NEVER_ONE = re.compile(
    r"^(?:_?[A-Z][A-Z_0-9]*|form\.longest|form\.name|size|streams|self\.files|self\.count|counts\.files|len\(found\)"
    r"|timeout|seconds)$"
)


def counts(source):
    """Every number that is followed by a plural in an f-string."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            for value, text in zip(node.values, node.values[1:], strict=False):
                if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant):
                    found = re.match(rf" ({'|'.join(NOUNS)})\b", str(text.value))
                    if found:
                        yield node.lineno, ast.unparse(value.value), found[1]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_message_says_1_files(path):
    assert [found for found in counts(path.read_text()) if not NEVER_ONE.match(found[1])] == [], (
        "use secftp.text.counted"
    )


def test_the_scan_finds_what_it_is_for():
    assert list(counts('f"{number} files"\nf"{a}{b.c} entries left"\nf"{x}files"')) == [
        (1, "number", "files"),
        (2, "b.c", "entries"),
    ]


def test_the_helper():
    assert [counted(number, "file") for number in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
    assert counted(1, "entry", "entries") == "1 entry"
    assert counted(12, "entry", "entries") == "12 entries"
    assert count_files(1) == "1 file"
