"""Sphinx configuration; `make docs` treats warnings as errors."""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "extension")]

from crosslinks import public_names  # noqa: E402 (the path is set above)

from secftp._version import __version__  # noqa: E402

OURS = f"(?!(?:secftp.*|{'|'.join(map(re.escape, public_names()))})$).*"

project = "secftp"
author = "the secftp authors"
project_copyright = "2026, the secftp authors"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "command_line",
    "crosslinks",
    "layers",
]
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes in the text of their class, which documents their types
default_role = "literal"  # text in single backticks is code; crosslinks makes links of it
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
source_suffix = {".md": "markdown"}
exclude_patterns = ["extension"]
# Every link to something of ours has to lead somewhere; the types and exceptions of Python are not in this site.
nitpicky = True
nitpick_ignore_regex = [("py:.*", OURS)]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # each docstring says the types of its parameters in words
autodoc_default_options = {
    "members": True,
    "inherited-members": "RawIOBase,Exception,OSError,NamedTuple,tuple,IntEnum,int",
}

html_theme = "furo"
html_title = f"secftp {__version__}"
html_static_path: list[str] = []

# The manual pages of both programs are pages of the site.
man_pages = [
    ("reference/secftp", "secftp", "encrypted file transfer with one shared key", author, 1),
    ("reference/secftpd", "secftpd", "serve a directory to clients that know its key", author, 8),
]
