"""Examples in the docstrings, each run against a server, in a directory of its own."""

from __future__ import annotations

import doctest
import hashlib
import importlib
import pkgutil

import pytest

import secftp
import secftp.api
from tests.support.serving import KEY

MODULES = [f"secftp.api.{module.name}" for module in pkgutil.iter_modules(secftp.api.__path__)]
MODULES += [
    "secftp.errors",
    "secftp.fsspec.filesystem",
    "secftp.keys.key",
    "secftp.keys.text",
    "secftp.transfer.progress",
]
OPTIONAL = {"fsspec", "greenlet", "upath"}  # libraries that a module of the API may need
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in MODULES:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as missing:
            if missing.name not in OPTIONAL:
                raise
            continue
        yield from (test for test in finder.find(module, name) if test.examples)


EXAMPLES = list(examples())


def test_there_are_examples():
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_does_what_it_says(example, tmp_path):
    assert example.docstring.isascii(), "it can't be pasted"
    root, directory = tmp_path / "served", tmp_path / "folder"
    (directory / "photos").mkdir(parents=True)
    for name in ("1.jpg", "2.jpg"):
        (directory / "photos" / name).write_bytes(bytes(1024))
    root.mkdir()
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    with secftp.Server(root, KEY) as server, secftp.connect(server.url, KEY) as client:
        names = {"secftp": secftp, "server": server, "client": client, "directory": directory, "hashlib": hashlib}
        if "Server(" not in example.docstring:
            client.mkdir("backup/old", parents=True)
            client.write_bytes("backup/a.bin", b"abcdef")
            client.write_bytes("backup/b.bin", b"b")
        else:
            names["directory"] = root
        example.globs = names
        report = []
        result = runner.run(example, out=report.append)
    assert result.failed == 0, "".join(report)
    assert result.attempted
