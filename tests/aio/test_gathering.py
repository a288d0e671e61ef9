"""Requests of many tasks at once: they share messages, and each task gets its own answer or its own exception."""

from __future__ import annotations

import asyncio

import pytest

from secftp.errors import ConnectionLost, Forbidden, IsADirectory, NotFound, SecftpError, UsageError
from tests.aio.loops import connecting, run, turns
from tests.support.programs import root, served

__all__ = ["root", "run", "served"]

COUNT = 300


def recorded(client):
    """How many questions left together, each time."""
    sizes = []
    for gathering in (client._pool._reads, client._pool._stats):
        serve = gathering._serve

        def counting(connection, paths, serve=serve):
            sizes.append(len(paths))
            return serve(connection, paths)

        gathering._serve = counting
    return sizes


async def all_waiting(client, coroutines):
    """The results of what begins while other requests have all turns, which they give back then."""
    short = client._pool._short
    taken = 0
    while not short.locked():
        await short.acquire()
        taken += 1
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    await turns()
    for _ in range(taken):
        short.release()
    return await asyncio.gather(*tasks)


def test_reads_of_many_tasks_share_messages(run, served, root):
    for number in range(COUNT):
        (root / f"{number}").write_bytes(b"%d" % number * 50)

    async def main():
        async with connecting(served) as client:
            sizes = recorded(client)
            found = await all_waiting(client, [client.read_bytes(f"{number}") for number in range(COUNT)])
            assert found == [b"%d" % number * 50 for number in range(COUNT)]
            assert sum(sizes) == COUNT
            assert len(sizes) <= 8
            sizes.clear()
            found = await all_waiting(client, [client.stat(f"{number}") for number in range(COUNT)])
            assert [each.size for each in found] == [len(b"%d" % number * 50) for number in range(COUNT)]
            assert len(sizes) <= 8
            sizes.clear()
            assert await client.read_bytes("7") == b"7" * 50  # alone, as the blocking client
            assert sizes == []

    run(main())


def test_each_task_gets_its_own_failure(run, served, root):
    (root / "directory").mkdir()
    (root / "large").write_bytes(bytes(1 << 20))
    for number in range(COUNT):
        (root / f"{number}").write_bytes(b"%d" % number)
    names = ["missing", "directory", "large", "5", b"7", "../up"]

    async def main():
        async with connecting(served) as client:
            asked = [client.read_bytes(name) for name in names * (COUNT // len(names))]
            found = await asyncio.gather(*asked, return_exceptions=True)
            for place, result in enumerate(found):
                name = names[place % len(names)]
                if name == "missing":
                    assert isinstance(result, NotFound)
                    assert result.filename == "missing"
                elif name == "directory":
                    assert isinstance(result, IsADirectory)
                elif name == "../up":
                    assert isinstance(result, (Forbidden, SecftpError))
                else:
                    assert result == (bytes(1 << 20) if name == "large" else (b"5" if name == "5" else b"7"))
            failures = [result for result in found if isinstance(result, NotFound)]
            assert len({id(failure) for failure in failures}) == len(failures)

    run(main())


def test_those_who_are_cancelled_leave_the_others_alone(run, served, root):
    for number in range(COUNT):
        (root / f"{number}").write_bytes(b"%d" % number)

    async def main():
        async with connecting(served, connections=2) as client:
            for steps in range(1, 20):
                tasks = [asyncio.create_task(client.read_bytes(f"{number}")) for number in range(40)]
                await turns(steps)
                for task in tasks[::3]:
                    task.cancel()
                found = await asyncio.gather(*tasks, return_exceptions=True)
                for number, result in enumerate(found):
                    assert result == b"%d" % number or (number % 3 == 0 and isinstance(result, asyncio.CancelledError))

    run(main())


def test_a_server_that_is_started_again_is_found_again_by_all(run, served, root):
    (root / "file").write_bytes(b"x")

    async def main():
        async with connecting(served) as client:
            for _ in range(3):
                assert set(await asyncio.gather(*(client.read_bytes("file") for _ in range(50)))) == {b"x"}
                served.server.stop()
                served.server.start()

    run(main())


def test_questions_that_met_a_dead_connection_are_asked_again(run, served, root, monkeypatch):
    """As behind a gateway that forgot the connection: nothing shows that it is gone, until something is sent."""
    for number in range(60):
        (root / f"{number}").write_bytes(b"%d" % number)
    monkeypatch.setattr("secftp.aio.pool.LoopConnection.is_fresh", lambda _: True)

    async def main():
        async with connecting(served, connections=1) as client:
            for _ in range(3):
                found = await asyncio.gather(*(client.read_bytes(f"{number}") for number in range(60)))
                assert found == [b"%d" % number for number in range(60)]
                served.server.stop()
                served.server.start()
                client._pool._short._value = 0  # as if another request had the turn: all of these are gathered
                tasks = [asyncio.create_task(client.read_bytes(f"{number}")) for number in range(60)]
                await turns()
                client._pool._short.release()
                assert await asyncio.gather(*tasks) == [b"%d" % number for number in range(60)]

    run(main())


def test_a_server_that_is_gone_is_an_error_for_each(run, served, root):
    async def main():
        async with connecting(served) as client:
            served.server.stop()
            found = await asyncio.gather(*(client.stat("") for _ in range(30)), return_exceptions=True)
            assert all(isinstance(result, SecftpError) for result in found)
            assert len({id(result) for result in found}) == 30

    run(main())


def test_close_ends_those_who_wait(run, served, root):
    (root / "file").write_bytes(b"x")

    async def main():
        client = await connecting(served, connections=1)
        tasks = [asyncio.create_task(client.read_bytes("file")) for _ in range(50)]
        await turns(2)
        await client.close()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in found} <= {bytes, UsageError, ConnectionLost}
        with pytest.raises(UsageError):
            await client.read_bytes("file")

    run(main())
