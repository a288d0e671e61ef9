"""Examples in the documentation: every Python example runs, every command line is accepted by the parsers."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import secftp
from secftp.client.commands import COMMANDS, find_command, load
from secftp.server import config as server_options
from tests.support.pages import blocks, program, run_as_program, run_here
from tests.support.serving import HOST

TOP = Path(__file__).resolve().parents[2]
PAGES = sorted([TOP / "README.md", *(TOP / "docs").rglob("*.md")])
KEY = "a key for the examples"

_OF_JOBS = re.compile(r"\$\w+(?=/)|(?<=/)\$\w+")  # variables with the number of a job, and of the jobs
_SEPARATORS = {"|", "&&", ";", ">", "<", "&", "2>", "||"}


def commands(text):
    """Every call of secftp and secftpd in a block, as arguments; what a shell would do around it is dropped."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        lexer.commenters = "#"
        words = list(lexer)
        while words:
            end = next((place for place, word in enumerate(words) if word in _SEPARATORS), len(words))
            call, words = words[:end], words[end + 1 :]
            if call[:2] == ["python", "-m"] and call[2:3] in (["secftp.client"], ["secftp.server"]):
                call = ["secftp" if call[2] == "secftp.client" else "secftpd", *call[3:]]
            if call and call[0] in ("secftp", "secftpd") and not line.startswith("!!"):
                yield [_OF_JOBS.sub("1", word) for word in call]


def shown():
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if match[1] in ("console", "sh", "shell", ""):
                found += [(page.name, call) for call in commands(match[2])]
    return found


SHOWN = shown()


def test_there_are_examples():
    assert len(SHOWN) >= 30
    assert {name for name, _ in SHOWN} >= {"README.md", "tutorial.md", "directories.md", "resume.md", "scripts.md"}


@pytest.mark.parametrize("call", [call for _, call in SHOWN], ids=[f"{name}: {' '.join(call)}" for name, call in SHOWN])
def test_every_command_line_is_one(call):
    program, *arguments = call
    if {"--version", "--help"} & set(arguments) or arguments == ["COMMAND"]:
        return
    if program == "secftpd":
        server_options.parse(arguments)
        return
    place = find_command(arguments)
    assert place is not None, f"no verb: {arguments}"
    assert arguments[place] in COMMANDS, f"no such command: {arguments}"
    load(arguments[place]).parse(arguments[:place] + arguments[place + 1 :])


@pytest.mark.parametrize(
    "page", ["README.md", "docs/how-to/python.md", "docs/reference/python.md", "docs/reference/asyncio.md"]
)
def test_every_python_example_runs(page, tmp_path, monkeypatch):
    assert blocks(TOP / page, "python")
    served, here = tmp_path / "served", tmp_path / "here"
    (served / "backup").mkdir(parents=True)
    (here / "data").mkdir(parents=True)
    (here / "data" / "a.bin").write_bytes(b"abc")
    (here / "data" / "big.parquet").write_bytes(bytes(1000) + b"PAR1" * 2)
    key_file = tmp_path / "key"
    key_file.write_text(KEY + "\n")
    key_file.chmod(0o600)
    monkeypatch.chdir(here)
    with secftp.Server(served, key=KEY, host=HOST) as server:
        names = {}
        run_here(TOP / page, names, url=server.url, key_file=key_file, key=KEY)
        for name in [name for name in names if name.startswith("test_")]:
            directory = tmp_path / name
            directory.mkdir()
            names[name](directory)
    assert (served / "backup" / "data" / "a.bin").read_bytes() == b"abc"


# --- the runner of pages ----------------------------------------------------------------------------------------------

PAGE = """# A page

```python
import sys
print("first", file=sys.stdout)
```

```console
$ secftp ls secftp://host:8888/
```

```text
first
```

```python
options = {"key_file": "/home/you/.secftp.key"}
print("secftp://host:8888/x", options, dict(key_file="/home/you/k", key="5ZKQ0-2J7WD")%s)
```

```text
secftp://there:1/x {'key_file': 'K'} {'key_file': 'K', 'key': 'the key'}
```
"""


def test_a_page_is_one_program_with_the_lines_of_the_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE % "")
    replaced = {"url": "secftp://there:1", "key_file": "K", "key": "the key"}
    source = program(page, **replaced).splitlines()
    assert [line for line in source if line] == [
        line for block in blocks(page, "python") for line in program_lines(block)
    ]
    assert source[3] == "import sys"
    assert source[16] == 'options = {"key_file": "K"}'
    assert run_as_program(page, tmp_path, home=tmp_path, **replaced) == "".join(blocks(page, "text"))


def program_lines(block):
    """As they are with the placeholders replaced."""
    text = block.replace("secftp://host:8888", "secftp://there:1").replace("5ZKQ0-2J7WD", "the key")
    return text.replace("/home/you/.secftp.key", "K").replace("/home/you/k", "K").splitlines()


@pytest.mark.parametrize(("end", "said"), [(", 1", "prints something else"), (") or (1 / 0", "line 18")])
def test_a_page_that_is_wrong_fails(tmp_path, end, said):
    page = tmp_path / "page.md"
    page.write_text(PAGE % end)
    with pytest.raises(AssertionError, match=said):
        run_as_program(page, tmp_path, home=tmp_path, url="secftp://there:1", key_file="K", key="the key")
