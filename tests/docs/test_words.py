"""Words that comments, docstrings, messages and documentation do without: they leave open who is meant."""

from __future__ import annotations

import re
import subprocess
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VAGUE = re.compile(r"\b(no|any|some|every)body\b|\bwho(m)?ever\b", re.IGNORECASE)
A_NAME = re.compile(r"\buser nobody\b")  # of a user, as systems have one
_NAMES = {"STRING", "COMMENT", "FSTRING_MIDDLE"}


def tracked():
    """The files of the project that have sentences in them; all in a checkout that has no history."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = listed.stdout.split("\0") if not listed.returncode else map(str, ROOT.glob("*/**/*"))
    found = [ROOT / name for name in names if name.endswith((".py", ".md", ".c", ".h"))]
    return [path for path in found if path.exists() and ".venv" not in path.parts]


def sentences(path):
    """The lines of a file that are for people, with their numbers; of a program those of comments and sentences."""
    if path.suffix != ".py":
        yield from enumerate(path.read_text().splitlines(), 1)
        return
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if tokenize.tok_name[token.type] in _NAMES and " " in token.string:
                yield from enumerate(token.string.splitlines(), token.start[0])


@pytest.mark.parametrize("directory", ["secftp", "tests", "bench", "docs", "csrc", "tools", "."])
def test_it_is_said_who_is_meant(directory):
    found = []
    for path in tracked():
        name = path.relative_to(ROOT)
        if (name.parts[0] if len(name.parts) > 1 else ".") == directory and path != Path(__file__):
            found += [
                f"{name}:{number}: {line.strip()}"
                for number, line in sentences(path)
                if VAGUE.search(A_NAME.sub("", line))
            ]
    assert found == []
