"""An emulated line, and a server at its other end."""

from __future__ import annotations

import pytest

from bench.line.emulator import Line
from tests.line.far import far_server


@pytest.fixture
def line():
    with Line() as made:
        yield made


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    """A server at the other end of a line, and a client at this one: a `Far`."""
    with Line() as made, far_server(made, tmp_path_factory.mktemp("far")) as found:
        yield found
