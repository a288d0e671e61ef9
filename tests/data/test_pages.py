"""How-to pages with code for other libraries: each is run as a program, and prints what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

import secftp
from tests.support.pages import run_as_program
from tests.support.serving import HOST

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to"


@pytest.mark.parametrize("name", ["pandas", "dask", "duckdb", "zarr"])
def test_a_page_does_what_it_says(name, tmp_path, key_file):
    directories = [tmp_path / each for each in ("served", "here", "home")]
    for directory in directories:
        directory.mkdir()
    served, here, home = directories
    with secftp.Server(served, key_file=key_file, host=HOST) as server:
        run_as_program(PAGES / f"{name}.md", here, home=home, url=server.url, key_file=key_file)
