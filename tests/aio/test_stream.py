"""The socket of an asyncio client: what has been received is never lost."""

from __future__ import annotations

import asyncio
import socket

from secftp.aio import driver
from secftp.aio.local import LoopWaits
from secftp.aio.stream import AsyncStream
from tests.aio.loops import run
from tests.aio.stepping import LATE, cancelled_at
from tests.support.serving import DEADLINE

__all__ = ["run"]


def test_what_comes_in_the_moment_of_a_cancellation_is_there_for_the_next_receive(run):
    async def main():
        loop = asyncio.get_running_loop()
        mine, yours = socket.socketpair()
        stream = AsyncStream(mine, loop, LoopWaits(loop))
        first, second = memoryview(bytearray(10)), memoryview(bytearray(4))
        loop.call_later(0.01, yours.send, b"contents")
        _, problem = await cancelled_at(1, LATE, driver.run(stream.receive_into, first, DEADLINE))
        assert isinstance(problem, asyncio.CancelledError)
        assert await driver.run(stream.receive_into, second, DEADLINE) == 4
        assert bytes(second) == b"cont"
        assert await driver.run(stream.receive_into, first, DEADLINE) == 4
        assert bytes(first[:4]) == b"ents"
        assert stream.try_receive(first) is None
        stream.close()
        yours.close()

    run(main())
