"""The asyncio client where a program or its loop ends, in the debug mode of asyncio, and with peers that are slow."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import tracemalloc

import pytest

import secftp.aio
from tests.aio.loops import connecting, run
from tests.support.programs import root, served
from tests.support.serving import DEADLINE, environment, sizes, until

__all__ = ["root", "run", "served"]

MIB = 1 << 20


@pytest.fixture
def tree(tmp_path):
    top = tmp_path / "tree"
    top.mkdir()
    for number in range(50):
        (top / str(number)).write_bytes(b"contents" * number)
    (top / "large").write_bytes(os.urandom(2 * MIB))
    return top


# --- the debug mode of asyncio ----------------------------------------------------------------------------------------


def test_in_debug_mode_nothing_is_told(served, root, tree, tmp_path, caplog):
    told = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context))
        async with connecting(served) as client:
            await client.put(tree, "x/")
            await client.get("x/tree", tmp_path / "back")
            async with client.open("name", "wb") as file:
                await file.write(bytes(MIB))
            assert sum([len(chunk) async for chunk in client.stream("name")]) == MIB
            copy = asyncio.create_task(client.put(tree, "y/"))
            await asyncio.sleep(0.01)
            copy.cancel()
            await asyncio.wait([copy])
            await client.rmtree("x")

    asyncio.run(main(), debug=True)
    gc.collect()
    assert told == []
    # How long a callback takes by the wall clock is the machine's matter; its processor time is another test's.
    assert [
        record.message
        for record in caplog.records
        if "took" not in record.message and "poll" not in record.message and "Using selector" not in record.message
    ] == []


# --- the end of a program ---------------------------------------------------------------------------------------------

_PROGRAM = """
import asyncio, os, signal, sys
import secftp.aio

async def main():
    {connect}
    {body}

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""
_WITH = "client = await secftp.aio.connect({url!r}, key_file={key_file!r})"


def program(server, key_file, tmp_path, body):
    """Run a program that has a `client`; what it printed, and what Python said at its end."""
    source = _PROGRAM.format(connect=_WITH.format(url=server.url, key_file=str(key_file)), body=body)
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error::RuntimeWarning", "-c", source],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=DEADLINE * 2,
        check=False,
    )
    return result.returncode, result.stdout, result.stderr


@pytest.fixture
def own_server(tmp_path):
    key_file, top = tmp_path / "key", tmp_path / "own"
    key_file.write_text("a key for a program\n")
    key_file.chmod(0o600)
    top.mkdir()
    with secftp.Server(top, key_file=key_file) as server:
        yield server, key_file, top


def test_a_program_that_forgets_to_close_ends_and_is_told(own_server, tmp_path, tree):
    server, key_file, top = own_server
    code, _, said = program(server, key_file, tmp_path, f"await client.put({str(tree)!r}, 'x/')")
    assert code == 0
    assert "was never closed" in said
    assert "Traceback" not in said
    assert len(list((top / "x/tree").iterdir())) == 51


@pytest.mark.parametrize("target", ["put", "get", "write"])
def test_a_program_that_is_interrupted_ends_and_leaves_nothing(own_server, tmp_path, tree, target):
    server, key_file, top = own_server
    (top / "there").mkdir()
    (top / "there/large").write_bytes(bytes(MIB))
    here = tmp_path / "here"
    here.mkdir()
    stop = "lambda _: os.kill(os.getpid(), signal.SIGINT)"
    body = {
        "put": f"await client.put({str(tree)!r}, 'x/', on_progress={stop})",
        "get": f"await client.get('there', {str(here)!r}, on_progress={stop})",
        "write": "file = await client.open('new', 'wb'); await file.write(bytes(1000000)); "
        "os.kill(os.getpid(), signal.SIGINT); await asyncio.sleep(60)",
    }[target]
    code, printed, said = program(server, key_file, tmp_path, body)
    assert (code, printed) == (0, "interrupted\n"), said
    assert "Traceback" not in said

    def unfinished():
        """What is kept for the next attempt is none of it."""
        names = [os.path.basename(name) for place in (top, here) for name in sizes(place)]
        return [name for name in names if name.startswith(".secftp") and not name.startswith(".secftp-part-")]

    # The server notices the end of the program after the program has ended.
    until(lambda: not unfinished(), "what the server has not finished is gone")
    assert not (top / "new").exists()


def test_a_program_that_exits_in_the_middle_of_a_copy_ends(own_server, tmp_path, tree):
    server, key_file, _ = own_server
    body = f"asyncio.create_task(client.put({str(tree)!r}, 'x/')); await asyncio.sleep(0.005); sys.exit(3)"
    code, _, said = program(server, key_file, tmp_path, body)
    assert code == 3
    assert "Fatal" not in said


def test_a_loop_that_is_closed_under_a_client_is_no_fault_of_the_next(served, root):
    loop = asyncio.new_event_loop()
    (root / "name").write_bytes(b"1")

    async def first():
        client = await connecting(served)
        await client.read_bytes("name")
        return client

    client = loop.run_until_complete(first())
    loop.close()
    with pytest.warns(ResourceWarning, match="never closed"):
        del client
        gc.collect()

    async def second():
        async with connecting(served) as client:
            return await client.read_bytes("name")

    assert asyncio.run(second()) == b"1"


# --- peers that are slow ----------------------------------------------------------------------------------------------


def peak_of(coroutine):
    """The most memory that Python has allocated while a coroutine ran, beyond what there was."""
    gc.collect()
    tracemalloc.start()
    try:
        asyncio.run(coroutine)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_a_file_however_slow_its_reader_is(served, root):
    with (root / "large").open("wb") as file:
        file.truncate(96 * MIB)

    async def main():
        async with connecting(served) as client:
            count = 0
            async for chunk in client.stream("large"):
                count += len(chunk)
                await asyncio.sleep(0.001 if count < 8 * MIB else 0)
            assert count == 96 * MIB

    assert peak_of(main()) < 40 * MIB


def test_memory_does_not_grow_with_a_file_that_is_copied(served, root, tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(64 * MIB)

    async def main():
        async with connecting(served) as client:
            await client.put(tmp_path / "large", "large")
            await client.get("large", tmp_path / "back")

    assert peak_of(main()) < 16 * MIB


def test_an_endless_upload_takes_little_memory_and_leaves_nothing_when_it_is_cancelled(served, root):
    taken = 0

    async def endless():
        nonlocal taken
        while True:
            taken += 1
            yield bytes(MIB)

    async def main():
        async with connecting(served) as client:
            writing = asyncio.create_task(client.write_stream("name", endless()))
            await asyncio.sleep(0.2)
            writing.cancel()
            await asyncio.wait([writing])
            return taken

    peak = peak_of(main())
    assert taken > 1
    assert peak < 40 * MIB
    assert not (root / "name").exists()
