"""Event loops for tests: each test runs on the stock loop and on uvloop, and leaves nothing behind on either."""

from __future__ import annotations

import asyncio
import contextlib
import gc

import pytest
import uvloop

import secftp.aio
from tests.support.serving import DEADLINE, KEY

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
# libuv keeps a pipe of its own for as long as the process runs; here, so that no test is taken to have left it.
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as _first:
    _first.get_loop()


@pytest.fixture(params=LOOPS)
def run(request):
    """Runs a coroutine to its end on a loop of its own, and looks what is left there."""

    def to_end(coroutine):
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            loop = runner.get_loop()
            try:
                return runner.run(limited(coroutine))
            finally:
                runner.run(asyncio.sleep(0))
                assert asyncio.all_tasks(loop) == set()
                assert left_on(loop) == []
                gc.collect()

    return to_end


async def limited(coroutine):
    async with asyncio.timeout(DEADLINE * 2):
        return await coroutine


def left_on(loop):
    """What a stock loop still watches, and its timers; of uvloop nothing can be told."""
    if not hasattr(loop, "_selector"):
        return []
    watched = [key.fd for key in loop._selector.get_map().values() if key.fd != loop._ssock.fileno()]
    return watched + [timer for timer in loop._scheduled if not timer.cancelled()]


def connecting(served, **options):
    """`secftp.aio.connect` to the server of a test."""
    return secftp.aio.connect(served.server.url, key=KEY, **{"cipher": "aes128", "timeout": DEADLINE, **options})


@contextlib.asynccontextmanager
async def cancelled_soon(task):
    """Cancel a task after the block, and see that it ends so."""
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def turns(count=3):
    """Let the loop run a few times."""
    for _ in range(count):
        await asyncio.sleep(0)
