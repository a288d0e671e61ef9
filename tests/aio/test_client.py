"""The asyncio client: connecting, requests, concurrency, the end."""

from __future__ import annotations

import asyncio
import gc
import os
import warnings

import pytest

import secftp
import secftp.aio
from secftp.aio.driver import run as drive
from secftp.errors import ConnectionLost, NotFound, SecftpError, ServerUnreachable, TransferTimeout, UsageError
from tests.aio.loops import connecting, run, turns
from tests.support.programs import root, served
from tests.support.serving import HOST, KEY, WRONG_KEY

__all__ = ["root", "run", "served"]


def connections(served):
    return sum("Client connected" in line for line in served.lines)


# --- connecting -------------------------------------------------------------------------------------------------------


def test_a_client_reads_writes_and_lists(run, served, root):
    async def main():
        async with connecting(served) as client:
            assert await client.write_bytes("name", b"contents") == 8
            assert await client.read_bytes("name") == b"contents"
            assert (await client.stat("name")).size == 8
            assert await client.listdir() == ["name"]
            assert await client.listdir(b"") == [b"name"]
            assert not client.closed
        assert client.closed
        assert (root / "name").read_bytes() == b"contents"

    run(main())
    assert connections(served) == 2  # that of the fixture, and one


def test_connect_can_be_awaited(run, served):
    async def main():
        client = await connecting(served)
        assert await client.listdir() == []
        assert "secftp://127.0.0.1" in repr(client)
        await client.close()
        await client.close()
        with pytest.raises(UsageError, match="closed"):
            await client.stat("name")

    run(main())


@pytest.mark.parametrize("host", ["localhost", HOST])
def test_names_are_looked_up(run, served, host):
    async def main():
        url = served.server.url.replace(HOST, host)
        async with secftp.aio.connect(url, key=KEY) as client:
            assert await client.listdir() == []

    run(main())


def test_a_wrong_key_is_refused_by_connect(run, served):
    async def main():
        with pytest.raises(secftp.AuthenticationError):
            await secftp.aio.connect(served.server.url, key=WRONG_KEY)
        with pytest.raises(secftp.KeyFormatError):
            await secftp.aio.connect(served.server.url, key="")
        with pytest.raises(UsageError, match="connections"):
            secftp.aio.connect(served.server.url, key=KEY, connections=0)

    run(main())


def test_a_server_that_is_not_there_or_silent(run):
    import socket

    async def main():
        with socket.create_server((HOST, 0)) as silent:
            port = silent.getsockname()[1]
            with pytest.raises(TransferTimeout):
                await secftp.aio.connect(f"secftp://{HOST}:{port}", key=KEY, timeout=0.1)
        with pytest.raises(ServerUnreachable):
            await secftp.aio.connect(f"secftp://{HOST}:{port}", key=KEY)
        with pytest.raises(ServerUnreachable, match="can't be found"):
            await secftp.aio.connect("secftp://name.invalid", key=KEY)

    run(main())


def test_connecting_can_be_cancelled_at_every_step(run, served):
    async def main():
        for steps in range(1, 40):
            task = asyncio.create_task(_connected_once(served))
            await turns(steps)
            if task.done():
                break
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main())


async def _connected_once(served):
    async with connecting(served):
        pass


# --- several at once --------------------------------------------------------------------------------------------------


def test_tasks_share_a_few_connections_and_never_take_each_others_answers(run, served, root):
    for number in range(16):
        (root / str(number)).write_bytes(b"%d" % number * (number + 1) * 1000)

    async def work(client, number):
        found = set()
        for _ in range(10):
            found.add(await client.read_bytes(str(number)))
            with pytest.raises(FileNotFoundError):
                await client.stat(f"missing {number}")
            assert (await client.stat(str(number))).size == len(b"%d" % number) * (number + 1) * 1000
        return found

    async def main():
        async with connecting(served) as client:
            found = await asyncio.gather(*(work(client, number) for number in range(16)))
            assert found == [{b"%d" % number * (number + 1) * 1000} for number in range(16)]

    run(main())
    assert connections(served) <= 1 + secftp.aio.pool.DEFAULT_CONNECTIONS


@pytest.mark.parametrize("count", [1, 2, 7])
def test_connections_are_bounded_and_requests_wait_in_order(run, served, root, count):
    (root / "file").write_bytes(b"x")
    order = []

    async def ask(client, number):
        await client.stat("file")
        order.append(number)

    async def main():
        async with connecting(served, connections=count) as client:
            await asyncio.gather(*(ask(client, number) for number in range(40)))

    run(main())
    assert connections(served) <= 1 + count
    if count == 1:
        assert order == list(range(40))


def test_a_request_that_is_cancelled_while_it_waits_for_its_turn_takes_none(run, served, root):
    (root / "file").write_bytes(bytes(1 << 20))

    async def main():
        async with connecting(served, connections=1) as client:
            tasks = [asyncio.create_task(client.read_bytes("file")) for _ in range(5)]
            await turns()
            for task in tasks[1:4]:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(result) for result in results] == [bytes, *[asyncio.CancelledError] * 3, bytes]
            assert await client.listdir() == ["file"]

    run(main())


def test_a_connection_with_an_outstanding_answer_is_not_used_again(run, served, root):
    for number in range(8):
        (root / str(number)).write_bytes(b"%d" % number)

    async def main():
        async with connecting(served, connections=1) as client:
            for number in range(8):
                for steps in range(1, 12):
                    task = asyncio.create_task(client.read_bytes(str(number)))
                    await turns(steps)
                    task.cancel()
                    await asyncio.wait([task])
                    assert all(connection.is_settled() for connection in client._pool._free)
                    other = str((number + 1) % 8)
                    assert await client.read_bytes(other) == other.encode()

    run(main())


def test_a_call_that_has_a_connection_does_not_wait_for_another(run, served):
    def use(pool):
        with pool.connection() as one, pool.connection() as other:
            assert one is not other
            assert other.session.stat(()).size == 0
        with pool.session(long=True), pool.session(long=True):
            pass

    async def main():
        async with connecting(served, connections=1) as client:
            await asyncio.gather(*(drive(use, client._pool) for _ in range(3)))
            await client.stat("")

    run(main())


def test_a_turn_is_given_back_when_connecting_fails(run, served):
    async def main():
        async with connecting(served, connections=1) as client:
            served.server.stop()
            for _ in range(3):
                with pytest.raises(SecftpError):
                    await client.listdir()
            served.server.start()
            assert await client.listdir() == []

    run(main())


# --- the end ----------------------------------------------------------------------------------------------------------


def test_close_ends_requests_of_other_tasks(run, served, root):
    (root / "file").touch()
    os.truncate(root / "file", 1 << 30)

    async def main():
        client = await connecting(served, connections=2)
        tasks = [asyncio.create_task(client.read_bytes("file")) for _ in range(4)]
        await turns(20)
        await client.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} <= {ConnectionLost, UsageError}

    run(main())


def test_a_client_that_is_forgotten_warns_and_closes_its_connections(run, served):
    async def main():
        client = await connecting(served)
        await client.stat("")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del client
            gc.collect()
        assert ["was never closed" in str(warning.message) for warning in caught] == [True]
        assert caught[0].category is ResourceWarning

    run(main())


def test_another_loop_is_an_error(served):
    client = asyncio.run(_connected(served))

    async def use():
        with pytest.raises(UsageError, match="another event loop"):
            await client.stat("")
        with pytest.raises(UsageError, match="another event loop"):
            await client.close()

    asyncio.run(use())
    client._pool.abandon()


async def _connected(served):
    return await connecting(served)


def test_a_forked_process_gets_an_error_and_leaves_the_connection_alone(run, served, root):
    (root / "file").write_bytes(bytes(5 << 20))  # which is surely waited for

    async def main():
        async with connecting(served) as client:
            await client.stat("file")
            client._pool._free[-1]._channel._stream._read()  # as after an answer that was waited for
            reading, writing = os.pipe()
            child = os.fork()
            if not child:
                try:
                    _use_in_the_child(client)
                    os.write(writing, b"refused")
                finally:
                    os._exit(0)
            os.close(writing)
            assert os.read(reading, 1000) == b"refused"
            os.close(reading)
            await asyncio.to_thread(os.waitpid, child, 0)
            assert await client.read_bytes("file") == bytes(5 << 20)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork, in a process with threads
        run(main())


def _use_in_the_child(client):
    coroutine = client.stat("file")
    with pytest.raises(UsageError, match="forked"):
        coroutine.send(None)
    client._pool.abandon()


def test_exceptions_are_those_of_the_blocking_client(run, served):
    async def main():
        async with connecting(served) as client:
            with pytest.raises(NotFound) as caught:
                await client.read_bytes("missing")
            assert isinstance(caught.value, FileNotFoundError)
            with pytest.raises(TypeError):
                await client.stat(5)

    run(main())
