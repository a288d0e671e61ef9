"""Links from code to the reference: names that are public are links, and none leads nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx")
pytest.importorskip("myst_parser")

DOCS = Path(__file__).resolve().parents[2] / "docs"
CONF = f"""
import sys
sys.path.insert(0, {str(DOCS / "extension")!r})
extensions = ["myst_parser", "crosslinks"]
source_suffix = {{".md": "markdown"}}
nitpicky = True
default_role = "literal"
"""
PAGE = """
# Page

`NotFound`, `secftp.NotFound("x")`, `notes.txt`, `Client.put` and `put`.

```{eval-rst}
.. py:module:: secftp
.. py:exception:: NotFound
.. py:class:: Client

   As `get`, or `NotFound`, or `notes`.

   .. py:method:: get
   .. py:method:: put
```
"""


def build(directory, page):
    (directory / "conf.py").write_text(CONF)
    (directory / "index.md").write_text(page)
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(directory), str(directory / "html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (directory / "html" / "index.html").read_text(), done.stderr


def test_code_that_names_something_public_is_a_link(tmp_path):
    page, warnings = build(tmp_path, PAGE)
    assert warnings == ""
    links = re.findall(r'href="#([\w.]+)"[^>]*><code[^>]*>(.*?)</code>', page)
    assert [(target, re.sub("<[^>]*>", "", text)) for target, text in links] == [
        ("secftp.NotFound", "NotFound"),
        ("secftp.NotFound", "secftp.NotFound(&quot;x&quot;)"),
        ("secftp.Client.put", "Client.put"),
        ("secftp.Client.get", "get"),
        ("secftp.NotFound", "NotFound"),
    ]


def test_a_link_that_leads_nowhere_is_a_warning(tmp_path):
    _, warnings = build(tmp_path, PAGE.replace(".. py:exception:: NotFound\n", ""))
    assert "reference target not found: secftp.NotFound" in warnings


def test_the_site_checks_its_links():
    """All but those to what is not ours: the built-in types, the standard library."""
    sys.path.insert(0, str(DOCS))
    try:
        import conf
    finally:
        sys.path.remove(str(DOCS))
    assert conf.nitpicky
    ((kind, ignored),) = conf.nitpick_ignore_regex
    assert kind == "py:.*"
    for name in ("secftp.Client", "secftp.nothing", "NotFound", "Client.put"):
        assert not re.fullmatch(ignored, name)
    for name in ("os.stat", "str", "default ''", "ValueError"):
        assert re.fullmatch(ignored, name)
