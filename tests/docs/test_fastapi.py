"""The service of the page about FastAPI: uploads and downloads that are streamed, and clients that disconnect."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

import secftp
from tests.aio.loops import run
from tests.support.asgi import running
from tests.support.pages import run_here
from tests.support.serving import DEADLINE

__all__ = ["run"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "fastapi.md"
DATA = os.urandom(900_000)
CHUNKS = [DATA[start : start + 100_000] for start in range(0, len(DATA), 100_000)]


@pytest.fixture
def uploads(tmp_path):
    """The directory that the service uses, at the server."""
    uploads = tmp_path / "root" / "uploads"
    uploads.mkdir(parents=True)
    return uploads


@pytest.fixture
def app(uploads, tmp_path):
    """The service of the page, with a server of its own."""
    key_file = tmp_path / "key"
    key_file.write_text("a key for the service\n")
    key_file.chmod(0o600)
    names = {}
    with secftp.Server(uploads.parent, key_file=key_file, overwrite=True, log=None) as server:
        run_here(PAGE, names, url=server.url, key_file=key_file)
        yield names["app"]


async def until_free(app, uploads):
    """Wait until what was broken off is over, here and at the server; a request is answered then."""
    deadline = time.monotonic() + DEADLINE
    while app.state.client._pool._used or list(uploads.glob(".secftp*")):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
    assert await app.state.client.exists("")


def test_an_upload_and_a_download_are_streamed(run, app, uploads):
    async def main():
        async with running(app) as request:
            response, _ = await request("PUT", "/files/name", CHUNKS)
            assert (response.status, response.body) == (201, b'{"size":900000}')
            assert (uploads / "name").read_bytes() == DATA
            response, _ = await request("GET", "/files/name")
            assert (response.status, response.headers[b"content-length"]) == (200, b"900000")
            assert response.body == DATA
            assert (await request("DELETE", "/files/name"))[0].status == 204
            await until_free(app, uploads)

    run(main())
    assert list(uploads.iterdir()) == []


def test_what_is_missing_or_refused_is_a_status_and_tells_nothing(run, app, uploads):
    (uploads / "directory").mkdir()

    async def main():
        async with running(app) as request:
            assert (await request("GET", "/files/missing"))[0].status == 404
            assert (await request("GET", "/files/directory"))[0].status == 422
            assert (await request("PUT", "/files/directory", CHUNKS))[0].status == 422
            response, _ = await request("PUT", "/files/..", CHUNKS)
            assert (response.status, response.body) == (422, b'{"detail":"failed"}')
            assert (await request("GET", "/files/../known"))[0].status == 404
            await until_free(app, uploads)

    run(main())


@pytest.mark.parametrize("chunks", [0, 1, 5])
def test_a_client_that_disconnects_in_the_middle_of_an_upload_leaves_what_was_there(run, app, uploads, chunks):
    (uploads / "old").write_bytes(b"old")

    async def main():
        async with running(app) as request:
            for name in ("old", "new"):
                response, problem = await request("PUT", f"/files/{name}", [*CHUNKS[:chunks], None])
                assert response.status is None
                assert problem is not None
            await until_free(app, uploads)
            response, _ = await request("PUT", "/files/after", CHUNKS)
            assert response.status == 201

    run(main())
    assert {path.name: path.read_bytes() for path in uploads.iterdir()} == {"old": b"old", "after": DATA}


@pytest.mark.parametrize("spec", ["2.3", "2.4"])
@pytest.mark.parametrize("reads", [1, 3])
def test_a_client_that_disconnects_in_the_middle_of_a_download_frees_the_connection(run, app, uploads, reads, spec):
    (uploads / "large").write_bytes(DATA * 8)

    async def main():
        async with running(app) as request:
            for _ in range(6):  # more than there may be connections
                response, _ = await request("GET", "/files/large", reads=reads, spec=spec)
                assert response.status == 200
                assert response.body == (DATA * 8)[: len(response.body)]
                assert len(response.body) < len(DATA)
            await until_free(app, uploads)
            assert (await request("GET", "/files/large"))[0].body == DATA * 8

    run(main())
