"""What errors and objects of the asyncio client say: paths as they were given, where an open file is."""

from __future__ import annotations

import pytest

import secftp
from tests.aio.loops import connecting, run
from tests.support.programs import root, served

__all__ = ["root", "run", "served"]

FAILING = {
    "stat": lambda client, path: client.stat(path),
    "read_bytes": lambda client, path: client.read_bytes(path),
    "read_many": lambda client, path: client.read_many([path]),
    "remove": lambda client, path: client.remove(path),
    "rmtree": lambda client, path: client.rmtree(path),
    "get": lambda client, path: client.get(path, "/tmp/never-written"),
    "write_bytes": lambda client, path: client.write_bytes(path, b""),
    "open to read": lambda client, path: opened(client, path, "rb"),
    "open to write": lambda client, path: opened(client, path, "wb"),
    "scandir": lambda client, path: listed(client.scandir(path)),
    "stream": lambda client, path: listed(client.stream(path)),
}


async def opened(client, path, mode):
    async with client.open(path, mode):
        pass


async def listed(things):
    return [thing async for thing in things]


@pytest.mark.parametrize("given", ["missing/x", b"missing/x", "/missing/x"])
@pytest.mark.parametrize("name", FAILING)
def test_an_error_names_the_path_as_it_was_given(run, served, name, given):
    async def main():
        async with connecting(served) as client:
            with pytest.raises(FileNotFoundError) as raised:
                await FAILING[name](client, given)
            assert raised.value.filename == given
            assert isinstance(raised.value, secftp.NotFound)

    run(main())


def test_a_file_that_fails_at_its_end(run, served, root):
    async def main():
        async with connecting(served) as client:
            file = await client.open("name", "xb")
            (root / "name").write_bytes(b"another one's")
            with pytest.raises(FileExistsError) as raised:
                await file.close()
            assert raised.value.filename == "name"

    run(main())


def test_open_files_show_where_they_are(run, served, root):
    place = f"127.0.0.1:{served.server.port}"

    async def main():
        async with connecting(served) as client:
            async with client.open("new\nline", "wb") as file:
                assert repr(file) == f"<secftp.aio.AsyncWriter 'new\\nline' at {place}, wb>"
                await file.write(b"123")
            assert repr(file) == f"<secftp.aio.AsyncWriter 'new\\nline' at {place}, closed>"
            async with client.open("new\nline") as file:
                assert repr(file) == f"<secftp.aio.AsyncReader 'new\\nline' at {place}, 3 bytes>"
            assert repr(file) == f"<secftp.aio.AsyncReader 'new\\nline' at {place}, closed>"

    run(main())
