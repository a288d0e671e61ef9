"""The table of verbs by short options in the documentation, made from the parsers.

`python -m tests.docs.short_options` writes it; `test_short_options.py` holds it.
"""

from __future__ import annotations

import argparse
import string
from pathlib import Path

from secftp.client.commands import COMMANDS, load
from secftp.client.foreign import help_for
from secftp.command_line import shown_options

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "short-options.md"
LETTERS = sorted(string.ascii_letters + string.digits, key=lambda letter: (letter.lower(), letter.isupper()))
VERBS = [verb for verb in COMMANDS if verb not in ("keygen", "completion")]
INTRODUCTION = """\
# Short options

Which short options each command takes, and which others it answers with a sentence that says what is done instead: the
options that hands type after years of `cp`, `scp`, `rsync`, `ls` and `rm`. They can be grouped, as in `put -avzP`. The
meaning of each is in the help of the command. This page is made from the parsers, by
`python -m tests.docs.short_options`, and a test compares them.

"""


def taken(verb):
    """The short options of a verb, with their long names."""
    found = {}
    for action in load(verb).parser()._actions:
        names = [flag for flag in action.option_strings if flag.startswith("--")]
        for flag in action.option_strings:
            if len(flag) == 2:
                found[flag] = names[-1] if names else ""
    return found


def is_shown(verb, flag):
    return any(flag in action.option_strings for action in shown_options(load(verb).parser()))


def answered(verb):
    """The short options that a verb answers with a sentence."""
    own = taken(verb)
    return {
        flag: hint
        for flag in (f"-{letter}" for letter in LETTERS)
        if flag not in own and (hint := help_for(verb, flag))
    }


def page():
    takes, answers = {verb: taken(verb) for verb in VERBS}, {verb: answered(verb) for verb in VERBS}
    used = [
        f"-{letter}" for letter in LETTERS if any(f"-{letter}" in {**takes[verb], **answers[verb]} for verb in VERBS)
    ]
    lines = ["| | " + " | ".join(VERBS) + " |", "|---" * (len(VERBS) + 1) + "|"]
    for flag in used:
        cells = ("**yes**" if flag in takes[verb] else "says" if flag in answers[verb] else "" for verb in VERBS)
        lines.append(f"| `{flag}` | {' | '.join(cells)} |")
    text = INTRODUCTION + "\n".join(lines) + "\n\n## What is said\n\n"
    hints: dict[tuple[str, str], list[str]] = {}
    for verb in VERBS:
        for flag, hint in answers[verb].items():
            hints.setdefault((flag, hint), []).append(verb)
    rows = sorted(hints.items(), key=lambda item: (LETTERS.index(item[0][0][1]), VERBS.index(item[1][0])))
    rows = [f"| `{flag}` | {', '.join(verbs)} | {hint} |" for (flag, hint), verbs in rows]
    return text + "\n".join(["| Option | Command | Sentence |", "|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    PAGE.write_text(page())
