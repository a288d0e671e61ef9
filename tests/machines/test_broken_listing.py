"""A listing of a bucket that breaks in its second page is a failure, and nothing is deleted because of it."""

from __future__ import annotations

import contextlib
import subprocess

import obstore
import pytest

from bench.objects.store import LatentStore
from secftp.errors import FileError
from secftp.keys import read_key_file
from tests.machines.faulty import Fault, FaultyStore
from tests.machines.object_backing import opened, quick_retries, raw
from tests.support.serving import client_command, environment, serving

COUNT = 1_100  # more than a page


@pytest.fixture(scope="module")
def place():
    """A proxy before a store in memory, and what looks into it without the proxy."""
    with LatentStore(0) as memory, contextlib.closing(FaultyStore(memory.port)) as faulty:
        behind = raw("s3://bucket/p", f"http://127.0.0.1:{memory.port}")
        yield faulty, behind


def _second_page(request):
    return Fault("status", status=403, code="AccessDenied") if "continuation-token" in request.query else None


def _names(behind):
    return {found["path"] for batch in obstore.list(behind) for found in batch}


def test_nothing_is_taken_for_missing(place, tmp_path, key_file):
    faulty, behind = place
    for number in range(COUNT):
        obstore.put(behind, f"d/{number:05}", b"x", use_multipart=False)
    local, fetched, home = tmp_path / "local", tmp_path / "fetched", tmp_path / "home"
    for directory in (local, fetched, home):
        directory.mkdir()
    (local / "only").write_bytes(b"x")
    for number in range(5):
        (fetched / f"kept-{number}").write_bytes(b"x")
    with quick_retries():
        store = opened("s3://bucket/p", faulty.url)
    store.probe()
    before = _names(behind)
    with serving(tmp_path, store=store, key=read_key_file(key_file)) as running:
        faulty.reset(_second_page)
        for recursive in (False, True):
            with running.session(read_key_file(key_file)) as client:
                found = []
                with contextlib.suppress(FileError):
                    found += client.list((b"d",), recursive=recursive)
                    assert [entry for entry in found if entry.code is not None], "it ended as if it were whole"
        url = f"secftp://127.0.0.1:{running.port}/d/"
        for words in ((f"{local}/", url), (url, f"{fetched}/")):
            command = client_command("sync", "--delete", *words, "--key-file", str(key_file))
            done = subprocess.run(
                command, env=environment(home), capture_output=True, text=True, check=False, timeout=100
            )
            assert done.returncode != 0, done.stdout + done.stderr
        faulty.reset()
    assert _names(behind) >= before
    assert {f"kept-{number}" for number in range(5)} <= {path.name for path in fetched.iterdir()}
