"""Sphinx configuration; `make docs` treats warnings as errors."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "extension")]

from secftp._version import __version__  # noqa: E402 (the path is set above)

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
    "layers",
]
napoleon_numpy_docstring = False
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
source_suffix = {".md": "markdown"}
exclude_patterns = ["extension"]
nitpicky = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
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
