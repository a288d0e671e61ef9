"""`import secftp`: fast, and complete for help, completion and type checkers."""

from __future__ import annotations

import ast
import inspect
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import secftp

TOP = Path(secftp.__file__).resolve().parent


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_the_package_imports_next_to_nothing():
    """What costs time there is for every command line that only prints its help."""
    loaded = run("import sys; before = set(sys.modules); import secftp; print(*(set(sys.modules) - before))").split()
    assert {name for name in loaded if name.startswith("secftp")} == {
        "secftp",
        "secftp._version",
        "secftp.errors",
        "secftp.safe_path",
    }
    assert not {"typing", "importlib", "socket", "msgspec", "cffi", "threading"} & set(loaded)


def test_a_client_imports_no_entry_package_and_no_server():
    loaded = run("import sys, secftp; secftp.connect; print(*sys.modules)").split()
    assert "secftp.api.client" in loaded
    assert not [name for name in loaded if name.startswith(("secftp.client", "secftp.server", "argparse", "tqdm"))]
    loaded = run("import sys, secftp; secftp.Server; print(*sys.modules)").split()
    assert not [name for name in loaded if name.startswith(("secftp.client", "secftp.server.__main__", "argparse"))]


def test_python_m_does_not_warn():
    for module in ("secftp.client", "secftp.server"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", module, "--version"], capture_output=True, text=True, check=True
        )
        assert done.stderr == ""


@pytest.mark.parametrize("name", secftp.__all__)
def test_every_public_name_is_there_with_its_words(name):
    thing = getattr(secftp, name)
    assert name in dir(secftp)
    if name != "__version__":
        assert inspect.getdoc(thing)


def test_the_reference_has_every_public_name():
    page = (TOP.parent / "docs/reference/python.md").read_text()
    shown = re.findall(r"^\.\. auto\w+:: secftp\.(\w+)$", page, re.MULTILINE)
    assert sorted(shown) == sorted(set(secftp.__all__) - {"__version__"})


def test_what_is_not_public_is_not_there():
    assert secftp.__all__ == sorted(secftp.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        secftp.nonsense  # noqa: B018


def test_type_checkers_see_what_is_imported_late():
    """The imports under TYPE_CHECKING are those that `__getattr__` makes."""
    tree = ast.parse((TOP / "__init__.py").read_text())
    block, late = [node for node in tree.body if isinstance(node, ast.If)]
    assert [node.name for node in late.body] == ["__getattr__"], "a type checker believes in any name"
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert {name: getattr(secftp, name) for name in seen} == {
        name: getattr(sys.modules[module], name) for name, module in seen.items()
    }
    assert set(seen) == set(secftp._WHERE)
    assert (TOP / "py.typed").exists()


def test_help_shows_everything():
    text = pydoc.render_doc(secftp, renderer=pydoc.plaintext)
    for name in ("class Client", "class Server", "connect(", "class NotFound", "class RemoteWriter"):
        assert name in text
    assert re.search(r"\bput\(\W*self,", text), "Python 3.13 and newer write a long signature in several lines"
    assert "Connect to a server" in text


CLASSES = [
    thing
    for thing in (getattr(secftp, name) for name in secftp.__all__)
    if isinstance(thing, type) and "api" in thing.__module__
]


@pytest.mark.parametrize("kind", CLASSES)
def test_everything_public_has_a_docstring_and_types(kind):
    assert len(CLASSES) >= 9
    for name in dir(kind):
        thing = inspect.getattr_static(kind, name)
        function = getattr(thing, "__func__", None) or getattr(thing, "fget", None) or thing
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        assert inspect.getdoc(function), name
        signature = inspect.signature(function)
        assert signature.return_annotation is not signature.empty, name
        for parameter in list(signature.parameters.values())[1:]:
            assert parameter.annotation is not parameter.empty, (name, parameter)
