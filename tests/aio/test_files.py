"""Files of the asyncio client: read, written, streamed; given up by exceptions, cancellations and forgetfulness."""

from __future__ import annotations

import asyncio
import gc
import os
import warnings

import pytest

from secftp.aio.driver import wait
from secftp.aio.upload import Upload
from secftp.errors import AlreadyExists, ConnectionLost, IsADirectory, NotFound, UsageError
from secftp.storage import WriteOptions
from tests.aio.loops import connecting, run, turns
from tests.support.programs import root, served
from tests.support.serving import until

__all__ = ["root", "run", "served"]

MIB = 1 << 20


def gone(served):
    """Wait until the server has thrown away what was not completed."""
    until(lambda: not served.unfinished(), "temporary files are gone")
    return sorted(os.listdir(served.root))


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_file_is_read_in_every_way(run, served, root):
    data = os.urandom(3 * MIB)
    (root / "file").write_bytes(data)

    async def main():
        async with connecting(served) as client:
            async with client.open("file") as file:
                assert (file.name, file.mode, file.size, file.closed) == ("file", "rb", len(data), False)
                assert file.readable()
                assert file.seekable()
                assert not file.writable()
                assert await file.read(10) == data[:10]
                assert file.tell() == 10
                assert await file.seek(-5, os.SEEK_END) == len(data) - 5
                assert await file.read() == data[-5:]
                await file.seek(100)
                buffer = bytearray(MIB)
                assert await file.readinto(buffer) == MIB
                assert buffer == data[100 : 100 + MIB]
                await file.seek(0)
                assert data.startswith(await file.peek(10))
                assert data.startswith(await file.read1())
                await file.seek(0)
                assert await file.readall() == data
                await file.seek(0)
                assert b"".join([chunk async for chunk in file]) == data
            assert file.closed
            await file.close()
            with pytest.raises(UsageError, match="closed"):
                await file.read(1)

    run(main())


def test_lines_are_read_and_the_loop_runs_meanwhile(run, served, root):
    (root / "lines").write_bytes(b"".join(b"%d\n" % number for number in range(20_000)))

    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        async with connecting(served) as client, client.open("lines") as file:
            task = asyncio.create_task(tick())
            await file.readline()
            before = ticks
            for number in range(1, 20_000):
                assert await file.readline() == b"%d\n" % number
            assert ticks > before + 5
            task.cancel()

    run(main())


def test_what_is_wrong_is_raised_by_open(run, served, root):
    (root / "directory").mkdir()

    async def main():
        async with connecting(served) as client:
            for mode in ("rb", "wb"):
                with pytest.raises(IsADirectory):
                    await client.open("directory", mode)
            with pytest.raises(NotFound):
                async with client.open("missing"):
                    pass
            with pytest.raises(NotFound):
                await client.open("missing/name", "wb")
            await client.write_bytes("file", b"")
            with pytest.raises(AlreadyExists):
                await client.open("file", "xb")
            with pytest.raises(UsageError, match="mode"):
                client.open("file", "w+")

    run(main())


def test_one_task_reads_a_file_at_a_time(run, served, root):
    (root / "file").write_bytes(bytes(MIB))

    async def main():
        async with connecting(served) as client, client.open("file") as file:
            gate = asyncio.Event()
            first = asyncio.create_task(file.run(lambda: wait(gate.wait())))
            await turns()
            with pytest.raises(UsageError, match="Another task"):
                await file.read(MIB)
            gate.set()
            await first
            assert await file.read() == bytes(MIB)

    run(main())


def test_a_read_that_is_cancelled_leaves_the_file_usable(run, served, root):
    data = os.urandom(4 * MIB)
    (root / "file").write_bytes(data)

    async def main():
        async with connecting(served, connections=1) as client, client.open("file") as file:
            for steps in range(1, 30):
                task = asyncio.create_task(file.read(MIB))
                await turns(steps)
                task.cancel()
                await asyncio.wait([task])
                await file.seek(steps)
                assert await file.read(100) == data[steps : steps + 100]

    run(main())


def test_a_reader_that_is_forgotten_warns(run, served, root):
    (root / "file").write_bytes(b"x")

    async def main():
        async with connecting(served) as client:
            file = await client.open("file")
            with pytest.warns(ResourceWarning, match="'file' was never closed"):
                del file
                gc.collect()

    run(main())


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[], [0], [1], [3, 5], [100_000] * 30, [5 * MIB, 1, 5 * MIB]])
def test_a_file_is_written(run, served, root, sizes):
    parts = [os.urandom(size) for size in sizes]

    async def main():
        async with connecting(served) as client:
            async with client.open("file", "wb", permissions=0o600) as file:
                assert file.writable()
                assert not file.readable()
                assert not file.seekable()
                for kind in (bytes, bytearray, memoryview):
                    for part in parts:
                        assert await file.write(kind(part)) == len(part)
                await file.flush()
                assert file.tell() == 3 * sum(sizes)
                assert not (root / "file").exists()
            assert file.closed
            assert (root / "file").read_bytes() == b"".join(parts) * 3
            with pytest.raises(UsageError, match="closed"):
                await file.write(b"x")
            await file.close()
            await file.abort()

    run(main())


def test_a_file_whose_block_fails_does_not_appear(run, served, root):
    (root / "file").write_bytes(b"old")

    async def main():
        async with connecting(served) as client:
            with pytest.raises(KeyError):
                async with client.open("file", "wb") as file:
                    await file.write(bytes(MIB))
                    raise KeyError
            file = await client.open("other", "xb")
            await file.write(b"x")
            await file.abort()
            file = await client.open("third", "wb")
            with pytest.warns(RuntimeWarning, match="while an exception"):
                try:
                    raise KeyError
                except KeyError:
                    await file.close()

    run(main())
    assert gone(served) == ["file"]
    assert (root / "file").read_bytes() == b"old"


def test_a_writer_that_is_forgotten_warns_and_leaves_nothing(run, served, root):
    async def main():
        async with connecting(served) as client:
            file = await client.open("file", "wb")
            await file.write(bytes(MIB))
            with pytest.warns(ResourceWarning, match="'file' was never closed"):
                del file
                gc.collect()
            while client._pool._tasks:
                await asyncio.sleep(0)
            assert await client.listdir() == []

    run(main())
    assert gone(served) == []


def test_a_writer_that_is_left_open_when_the_client_closes_leaves_nothing(run, served, root):
    async def main():
        async with connecting(served) as client:
            file = await client.open("file", "wb")
            await file.write(bytes(5 * MIB))
        with pytest.raises((ConnectionLost, UsageError)):
            await file.close()
        assert file.closed

    run(main())
    assert gone(served) == []


def test_a_write_that_is_cancelled_gives_up_the_file(run, served, root):
    async def endless(file):
        while True:
            await file.write(bytes(MIB))

    async def main():
        async with connecting(served) as client:
            for steps in (1, 2, 5, 20, 60):
                file = await client.open("file", "wb")
                task = asyncio.create_task(endless(file))
                await turns(steps)
                while file._gathered or not file._is_busy:  # until it waits for room
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                with pytest.raises(UsageError, match="closed"):
                    await file.write(b"x")
                await file.close()
            assert await client.listdir() == []

    run(main())
    assert gone(served) == []


def test_an_upload_that_is_broken_off_before_it_begins_gives_its_connection_back(run, served, root):
    async def main():
        async with connecting(served) as client:
            upload = Upload(client._pool, (b"file",), WriteOptions(), "file")
            await upload.begin()
            await upload.break_off()
            assert not client._pool._used
            assert await client.listdir() == []

    run(main())


def test_a_close_that_is_cancelled_leaves_the_old_file_or_the_new_one(run, served, root):
    (root / "file").write_bytes(b"old")
    seen = set()

    async def main():
        async with connecting(served) as client:
            for steps in range(1, 25):
                file = await client.open("file", "wb")
                await file.write(b"new" * 100_000)
                task = asyncio.create_task(file.close())
                await turns(steps)
                task.cancel()
                await asyncio.wait([task])
                assert all(task.done() for task in client._pool._tasks)
                contents = await client.read_bytes("file")
                assert contents in (b"old", b"new" * 100_000)
                seen.add(contents)
                assert file.closed

    run(main())
    assert gone(served) == ["file"]


def test_files_are_open_at_once_in_any_number_and_requests_go_on(run, served, root):
    async def main():
        async with connecting(served, connections=1) as client:
            files = await asyncio.gather(*(client.open(f"{number}", "wb") for number in range(8)))
            for number, file in enumerate(files):
                await file.write(b"%d" % number)
            assert await client.listdir() == []
            await client.write_bytes("long", b"x")
            await client.checksum("long")
            await client.remove("long")
            await asyncio.gather(*(file.close() for file in files))
            assert await client.read_many([f"{number}" for number in range(8)]) == [b"%d" % n for n in range(8)]

    run(main())


def test_what_fails_at_the_server_is_raised_by_write_or_close(run, served, root):
    async def main():
        async with connecting(served) as client:
            first = await client.open("file", "xb")
            async with client.open("file", "xb") as second:
                await second.write(b"second")
            with pytest.raises(AlreadyExists):
                await first.close()
            assert await client.read_bytes("file") == b"second"

    run(main())


# --- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", [None, "latin-1", "utf-16"])
@pytest.mark.parametrize("newline", [None, "", "\r\n"])
def test_text_is_as_the_built_in_open_has_it(run, served, root, tmp_path, encoding, newline):
    lines = ["first\n", "zweite Zeile: ä\n", "\r\n", "last"]
    options = {"encoding": encoding or "utf-8", "newline": newline}

    async def main():
        async with connecting(served) as client:
            async with client.open("file", "w", encoding=encoding, newline=newline) as file:
                assert (file.mode, file.encoding) == ("w", encoding or "utf-8")
                assert await file.write(lines[0]) == len(lines[0])
                await file.writelines(lines[1:])
                with pytest.raises(TypeError, match="str"):
                    await file.write(b"bytes")
            async with client.open("file", "rt", encoding=encoding, newline=newline) as file:
                assert (file.name, file.mode, file.closed) == ("file", "rt", False)
                found = [line async for line in file]
                await file.seek(0)
                assert await file.readline() == found[0]
                position = await file.tell()
                assert await file.read() == "".join(found[1:])
                await file.seek(position)
                assert await file.read(3) == "".join(found[1:])[:3]
            assert file.closed
            return found

    with open(tmp_path / "local", "w", **options) as file:
        file.writelines(lines)
    with open(tmp_path / "local", **options) as file:
        expected = list(file)
    assert run(main()) == expected
    assert (root / "file").read_bytes() == (tmp_path / "local").read_bytes()


def test_text_modes_keep_the_promise_of_the_binary_ones(run, served, root):
    async def main():
        async with connecting(served) as client:
            with pytest.raises(KeyError):
                async with client.open("file", "w") as file:
                    await file.write("text" * MIB)
                    raise KeyError
            with pytest.raises(UnicodeEncodeError):
                async with client.open("file", "x", encoding="ascii") as file:
                    await file.write("text")
                    await file.write("ä")
            for options in ({"encoding": "no-such"}, {"errors": "no-such"}):
                with pytest.raises(LookupError):
                    client.open("file", "w", **options)
            with pytest.raises(ValueError, match="newline"):
                client.open("file", "w", newline="x")
            with pytest.raises(UsageError, match="binary"):
                client.open("file", "wb", encoding="utf-8")
            (root / "odd").write_bytes(b"\xff")
            async with client.open("odd", "r") as file:
                with pytest.raises(UnicodeDecodeError):
                    await file.read()
            with pytest.warns(ResourceWarning, match="never closed"):
                file = await client.open("odd", "r")
                del file
                gc.collect()

    run(main())
    assert gone(served) == ["odd"]


# --- streams ----------------------------------------------------------------------------------------------------------


async def chunks(count, size, fail_at=None):
    for number in range(count):
        if number == fail_at:
            raise KeyError(number)
        await asyncio.sleep(0)
        yield bytes([number % 256]) * size


@pytest.mark.parametrize(("count", "size"), [(0, 1), (10, 10), (40, 100_000), (3, 2 * MIB)])
def test_streams_go_both_ways(run, served, root, count, size):
    data = b"".join(bytes([number % 256]) * size for number in range(count))

    async def main():
        async with connecting(served) as client:
            assert await client.write_stream("file", chunks(count, size)) == len(data)
            assert b"".join([chunk async for chunk in client.stream("file")]) == data
            part = [chunk async for chunk in client.stream("file", offset=3, length=size)]
            assert b"".join(part) == data[3 : 3 + size]
            assert [chunk async for chunk in client.stream("file", offset=10**9)] == []
            with pytest.raises(AlreadyExists):
                await client.write_stream("file", chunks(1, 1), overwrite=False)
            with pytest.raises(UsageError):
                await anext(client.stream("file", offset=-1))

    run(main())
    assert (root / "file").read_bytes() == data


def test_a_stream_into_another_file_of_the_same_client(run, served, root):
    (root / "file").write_bytes(bytes(range(256)) * 20_000)

    async def main():
        async with connecting(served, connections=1) as client:
            copies = (client.write_stream(f"copy {number}", client.stream("file")) for number in range(4))
            assert await asyncio.gather(*copies) == [256 * 20_000] * 4

    run(main())
    assert (root / "copy 3").read_bytes() == (root / "file").read_bytes()


def test_a_stream_that_breaks_off_writes_nothing(run, served, root):
    (root / "file").write_bytes(b"old")

    async def main():
        async with connecting(served) as client:
            with pytest.raises(KeyError):
                await client.write_stream("file", chunks(20, 100_000, fail_at=15))
            task = asyncio.create_task(client.write_stream("file", chunks(10**9, 100_000)))
            await turns(100)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            stream = client.stream("file")
            await anext(stream)
            await stream.aclose()

    run(main())
    assert gone(served) == ["file"]
    assert (root / "file").read_bytes() == b"old"


def test_a_program_that_pauses_within_a_file_keeps_its_connection(run, served, root, monkeypatch):
    for module in ("secftp.transport.channel", "secftp.aio.stream"):
        for name in ("KEEPALIVE_SECONDS", "CHECK_SECONDS"):
            monkeypatch.setattr(f"{module}.{name}", 0.01, raising=False)

    async def main():
        async with connecting(served) as client, client.open("file", "wb") as file:
            await file.write(bytes(MIB))
            connection, source = next(iter(client._pool._used)), file._upload._source
            while source.is_ready or source.wake is None:
                await asyncio.sleep(0)
            before = connection._channel.last_sent
            while connection._channel.last_sent == before:
                await asyncio.sleep(0.001)

    with warnings.catch_warnings():
        run(main())
    assert (root / "file").stat().st_size == MIB


def test_a_connection_that_is_lost_while_the_program_pauses_is_noticed(run, served, root):
    async def main():
        async with connecting(served) as client:
            file = await client.open("file", "wb")
            await file.write(bytes(MIB))
            source, stream = file._upload._source, next(iter(client._pool._used))._channel._stream
            while source.is_ready or source.wake is None:
                await asyncio.sleep(0)
            stream._stop_reading()  # as after a message that was not waited for
            source.wake()  # for nothing: there is no more yet, and no end
            await turns(10)
            assert client._pool._tasks
            served.server.stop(abort=True)
            while client._pool._tasks:
                await asyncio.sleep(0.001)
            with pytest.raises(ConnectionError):
                await file.write(bytes(MIB))
            await file.abort()

    run(main())


def test_a_server_that_refuses_in_the_middle_ends_a_write_that_waits(run, served, root):
    """The program pauses within the file; what the server says meanwhile is heeded."""

    async def main():
        async with connecting(served) as client:
            file = await client.open("file", "wb")
            await file.write(bytes(MIB))
            served.server.stop(abort=True)
            with pytest.raises(ConnectionLost):
                for _ in range(1000):
                    await file.write(bytes(MIB))
                    await asyncio.sleep(0.001)
            with pytest.raises(ConnectionLost):
                await file.close()

    run(main())
