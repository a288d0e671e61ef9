"""The benchmark of the asyncio client runs, and copies what it says."""

from __future__ import annotations

import os

import pytest

import secftp
from bench.aio import copies
from bench.aio.loops import runner
from tests.aio.loops import LOOPS


@pytest.mark.parametrize("loop", LOOPS)
def test_a_file_is_put_and_got_by_both_clients(tmp_path, loop):
    served, here, key_file = tmp_path / "served", tmp_path / "here", tmp_path / "key"
    served.mkdir()
    here.mkdir()
    (served / "source").write_bytes(data := os.urandom(300_000))
    key_file.write_text("a key for the benchmark\n")
    key_file.chmod(0o600)
    with secftp.Server(served, key_file=key_file) as server:
        place = copies.Place(server.url, key_file, served / "source", served, here)
        found = copies.compare(place, runner(loop), rounds=1)
    assert found.keys() == {"put", "get"}
    assert all(each.ratio > 0 and each.latest >= 0 for each in found.values())
    assert (served / "written").read_bytes() == (here / "back").read_bytes() == data
