"""Python examples of the documentation: a page is one program, run in this process or in one of its own.

A program has the line numbers of its page, so that a traceback names the line of the example. In it the placeholders
that examples use (`secftp://host:8888`, a key file, a key) are replaced by those of a real server. If a page has blocks
of the language `text`, they are what its program prints, all of it.
"""

from __future__ import annotations

import re
import subprocess
import sys

from tests.support.serving import environment

DEADLINE = 120  # seconds for a page in a process of its own

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_URL = "secftp://host:8888"
_KEY_FILE = re.compile(r"""((?<=key_file=)|(?<="key_file": ))"[^"]*\"""")
_KEY = re.compile(r'(?<=key=)"5ZKQ0-[^"]*"')


def blocks(page, *languages):
    """The contents of the fenced blocks of a page, in those languages or in all."""
    return [match[2] for match in _BLOCK.finditer(page.read_text()) if not languages or match[1] in languages]


def program(page, *, url=_URL, key_file=None, key=None):
    """The source of a page's program; every line that is not of a Python block is empty."""
    text = page.read_text()
    lines, end = [], 0
    for match in _BLOCK.finditer(text):
        if match[1] == "python":
            lines += ["\n" * text.count("\n", end, match.start(2)), match[2]]
            end = match.end(2)
    source = "".join(lines).replace(_URL, url)
    if key_file is not None:
        source = _KEY_FILE.sub(lambda _: f'"{key_file}"', source)
    return source if key is None else _KEY.sub(lambda _: f'"{key}"', source)


def run_here(page, names, **replaced):
    """Run a page in this process, with and in the namespace `names`; what it prints is not looked at."""
    exec(compile(program(page, **replaced), page, "exec"), names)


def run_as_program(page, directory, *options, home, **replaced):
    """Run a page in a process of its own, with `directory` as the current one; returns what it printed.

    `options`: of Python. Fails if the program fails, or prints something other than what the page shows.
    """
    file = home / f"{page.stem}_page.py"  # not the name of a library
    file.write_text(program(page, **replaced))
    result = subprocess.run(
        [sys.executable, *options, file],
        cwd=directory,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert result.returncode == 0, f"{page.name} fails:\n{result.stdout}{result.stderr}"
    if shown := "".join(blocks(page, "text")):
        assert result.stdout == shown, f"{page.name} prints something else:\n{result.stdout}\nand not:\n{shown}"
    return result.stdout
