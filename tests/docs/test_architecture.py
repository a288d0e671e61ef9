"""Diagram of the layers, and the paths of files in the documentation."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tests.test_layers import COMMON, LAYERS, PACKAGE, TOP

DOCS = TOP / "docs"
PAGES = [TOP / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")] + sorted(DOCS.rglob("*.md"))

# `session.py`, `transfer/upload.py`, `csrc/`: a word in backquotes that is a path of a file or of a directory.
_PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)*(?:\.(?:py|c|h|md|txt|svg|sh|json|toml|yml)|/))`")
# Files of users and of the standard library, and what is built.
_ELSEWHERE = re.compile(r"server\.toml|keys\.toml|types\.py|importlib/|build/.*")


def renderer():
    spec = importlib.util.spec_from_file_location("layers", DOCS / "extension" / "layers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def layer_of():
    """The number of the layer of each package, lowest first."""
    layers = renderer().layers(renderer().SOURCE.read_text())
    return {package.name: -number for number, layer in enumerate(layers) for package in layer}


def top(layer):
    """`transport` of `secftp.transport.file_data`."""
    return layer.removeprefix(f"{PACKAGE.name}.").partition(".")[0]


def test_the_picture_is_rendered_from_its_source():
    """If it is not: `python docs/extension/layers.py`, or `make docs`."""
    module = renderer()
    assert module.PICTURE.read_text() == module.render(module.SOURCE.read_text())


def test_the_picture_has_every_layer():
    layers = {top(layer) for layer in LAYERS if layer not in (PACKAGE.name, f"{PACKAGE.name}._version")}
    assert set(layer_of()) == layers


def test_imports_point_downwards_in_the_picture():
    """But for `api.server`, which embeds the server, and `api.filesystem`, another name of a module of `fsspec`.

    And but for commands of the client: two start a server, and one describes its options.
    """
    layers = layer_of()
    commands = (f"client.commands.{command}" for command in ("share", "receive", "completion"))
    entries = ("client", "server", "api.server", "api.filesystem", *commands)
    anything = {f"{PACKAGE.name}.{entry}" for entry in entries} | {PACKAGE.name}
    found = [
        (layer, imported)
        for layer, allowed in LAYERS.items()
        for imported in allowed - COMMON - {f"{PACKAGE.name}._core"}
        if layer not in anything and top(layer) != top(imported) and layers[top(imported)] >= layers[top(layer)]
    ]
    assert found == []


def is_path(text):
    """Relative to the top, to the package or to the documentation; in a page as in the field: `protocol/state.py`."""
    return any((top / text).exists() for top in (TOP, PACKAGE, DOCS)) or _ELSEWHERE.fullmatch(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_path_in_a_page_exists(page):
    assert [path for path in _PATH.findall(page.read_text()) if not is_path(path)] == []


def test_a_path_that_is_gone_is_found():
    text = "`transfer/nothing.py`, `csrc/lanes.c`, `tests/nothing/`, `copy.py`"
    assert [path for path in _PATH.findall(text) if not is_path(path)] == [
        "transfer/nothing.py",
        "tests/nothing/",
        "copy.py",
    ]
    assert len([path for page in PAGES for path in _PATH.findall(page.read_text())]) > 60


def test_the_page_shows_the_picture():
    assert "](pictures/layers.svg)" in (DOCS / "ARCHITECTURE.md").read_text()
    assert Path(renderer().PICTURE).is_relative_to(DOCS)
