"""docs/how-to/sync.md: every command of the page is run, in its order, and prints what the page shows."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from secftp.client.__main__ import main
from tests.sync.test_command import NEW, OLD, tree, write

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "sync.md"


def commands():
    """Each command line with the lines that follow it."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        for text in block.split("$ ")[1:]:
            words, _, shown = text.partition("\n")
            found.append((words, shown))
    return found


def test_the_page(secftp, tmp_path, monkeypatch, capfdbinary):
    served = tmp_path / "root"
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "photos" / "a.jpg", "a")
    write(tmp_path / "site" / "index.html", "new index", NEW)
    write(tmp_path / "site" / "news.html", "news")
    write(served / "www" / "index.html", "old")
    write(served / "www" / "old" / "press.html", "press")
    os.utime(tmp_path / "site", ns=(OLD, OLD))
    tried = []
    for line, shown in commands():
        words = line.replace("secftp://host/", secftp.url())
        if "20261128T081500Z" in words:
            (name,) = os.listdir(served / "www" / ".trash-secftp")
            words = words.replace("20261128T081500Z", name)
        program, *arguments = shlex.split(words)
        assert program == "secftp"
        monkeypatch.setenv("SECFTP_KEY_FILE", str(tmp_path / "key"))  # a command takes it out of the environment
        assert main(arguments) == 0, capfdbinary.readouterr()
        output = b"".join(capfdbinary.readouterr()).decode()
        assert not shown or output == shown, line
        tried.append(arguments[0])
    assert tried.count("sync") >= 5
    assert {"ls", "mv"} <= set(tried)
    assert (served / "www" / "press.html").read_text() == "press"
    assert {name: text for name, text in tree(served / "www").items() if "TRASH" not in name} == {
        "index.html": "new index",
        "news.html": "news",
        "press.html": "press",
    }
    assert tree(served / "photos") == tree(tmp_path / "photos") == {"a.jpg": "a"}


def test_the_table_of_slashes(secftp, tmp_path, monkeypatch, capfdbinary):
    monkeypatch.chdir(tmp_path)
    rows = re.findall(r"^\| `(.*?)` \| `(.*?)` \| `(.*?)` \|$", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == 4
    write(tmp_path / "photos" / "a.jpg", "a")
    write(tmp_path / "root" / "photos" / "a.jpg", "a")
    for number, (source, target, place) in enumerate(rows):
        top = tmp_path / "root" if "://" in target else tmp_path
        words = [word.replace("secftp://host/", secftp.url()).removeprefix("~/") for word in (source, target)]
        monkeypatch.setenv("SECFTP_KEY_FILE", str(tmp_path / "key"))
        assert main(["sync", *words]) == 0, capfdbinary.readouterr()
        assert (top / place).read_text() == "a"
        os.rename(top / "backup", top / f"was {number}")
