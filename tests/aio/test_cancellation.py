"""Cancellation at every step: whatever a client is doing, and wherever it is suspended, nothing is left half-done.

Each operation is run as often as it suspends, and cancelled at its first suspension, its second, and so on to the last.
After each of these the files here and at the server are as they were or as they should be, the client answers rightly,
all its connections are settled, and no task is left.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import ClassVar

import pytest

from secftp.aio import driver
from secftp.transfer.options import KEEP_BYTES
from tests.aio.loops import connecting, run
from tests.aio.stepping import EARLY, HOW, cancelled_at
from tests.support.programs import root, served
from tests.support.serving import DEADLINE

__all__ = ["root", "run", "served"]

OLD = b"old" * 1000
NEW = os.urandom(400_000)
LARGE = os.urandom(KEEP_BYTES + 200_017)
TREE = {f"d{n % 3}/f{n}": b"%d" % n * n * 100 for n in range(12)} | {"large": LARGE, "middle": NEW}
CASES = {}
# When the loop runs: where an operation has to wait, which depends on how fast the server is, or wherever it may.
SELDOM, OFTEN = "where it waits", "wherever it may"


def case(act):
    """Register an operation: `prepare(there, here)` makes files, `act(client, there, here)` does it, and `check(there,
    here)` looks at what has become of them; `there` is its directory at the server, `here` one of this machine.
    """
    CASES[act.__name__] = act
    return act


def make(top, files):
    for name, data in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def found(top):
    """The files below a directory, without partial files that are to be kept."""
    files = {}
    for path in sorted(top.rglob("*")):
        if path.name.startswith(".secftp-part-"):
            assert path.stat().st_size <= len(LARGE)
            continue
        assert not path.name.startswith(".secftp"), path
        if path.is_file():
            files[str(path.relative_to(top))] = path.read_bytes()
    return files


def is_part_of(whole, files):
    return all(files[name] == whole[name] for name in files)


# --- copies -----------------------------------------------------------------------------------------------------------


@case
class PutFile:
    before: ClassVar = {"there": {"x": OLD}, "here": {"x": LARGE}}

    async def act(self, client, there, here):
        await client.put(here / "x", f"{there}/x")

    def check(self, there, here):
        return there in ({"x": OLD}, {"x": LARGE}) and here == {"x": LARGE}


@case
class GetFile:
    before: ClassVar = {"there": {"x": LARGE}, "here": {"x": OLD}}

    async def act(self, client, there, here):
        await client.get(f"{there}/x", here / "x")

    def check(self, there, here):
        return here in ({"x": OLD}, {"x": LARGE}) and there == {"x": LARGE}


@case
class PutTree:
    least = 10
    before: ClassVar = {"there": {"kept": OLD}, "here": {f"tree/{name}": data for name, data in TREE.items()}}

    async def act(self, client, there, here):
        await client.put(here / "tree", there)

    def check(self, there, here):
        return is_part_of({"kept": OLD} | self.before["here"], there) and here == self.before["here"]


@case
class GetTree:
    least = 10
    before: ClassVar = {"there": {f"tree/{name}": data for name, data in TREE.items()}, "here": {"kept": OLD}}

    async def act(self, client, there, here):
        await client.get(f"{there}/tree", here)

    def check(self, there, here):
        return is_part_of({"kept": OLD} | self.before["there"], here) and there == self.before["there"]


@case
class GetTreeOfSmallFiles(GetTree):
    least = 3
    before: ClassVar = {"there": {f"tree/{n}": b"%d" % n for n in range(60)}, "here": {}}

    def check(self, there, here):
        return is_part_of(self.before["there"], here)


class Stopped(Exception):
    """A callback has ended the copy."""


def stop(progress):
    if progress.bytes:
        raise Stopped


@case
class ResumePut(PutFile):
    async def prepare(self, client, there, here):
        with pytest.raises(Stopped):
            await client.put(here / "x", f"{there}/x", on_progress=stop)

    async def act(self, client, there, here):
        await client.put(here / "x", f"{there}/x", resume=True)


@case
class ResumeGet(GetFile):
    async def prepare(self, client, there, here):
        with pytest.raises(Stopped):
            await client.get(f"{there}/x", here / "x", on_progress=stop)

    async def act(self, client, there, here):
        await client.get(f"{there}/x", here / "x", resume=True)


@case
class UpdateTree(PutTree):
    before: ClassVar = {"there": {"tree/large": LARGE, "tree/middle": OLD}, "here": PutTree.before["here"]}

    async def act(self, client, there, here):
        await client.put(here / "tree", there, update=True)

    def check(self, there, here):
        old = there.pop("tree/middle")
        return is_part_of(self.before["here"], there) and old in (OLD, NEW)


# --- the contents of files --------------------------------------------------------------------------------------------


class Writing:
    before: ClassVar = {"there": {"x": OLD}, "here": {}}

    def check(self, there, here):
        return there in ({"x": OLD}, {"x": NEW})


@case
class WriteBytes(Writing):
    async def act(self, client, there, here):
        await client.write_bytes(f"{there}/x", NEW)


@case
class Writer(Writing):
    async def act(self, client, there, here):
        async with client.open(f"{there}/x", "wb") as file:
            for start in range(0, len(NEW), 150_000):
                await file.write(NEW[start : start + 150_000])
                await file.flush()


@case
class NewWriter(Writing):
    before: ClassVar = {"there": {}, "here": {}}

    async def act(self, client, there, here):
        async with client.open(f"{there}/x", "xb") as file:
            await file.write(NEW)

    def check(self, there, here):
        return there in ({}, {"x": NEW})


@case
class WriteStream(Writing):
    async def act(self, client, there, here):
        async def chunks():
            for start in range(0, len(NEW), 50_000):
                await asyncio.sleep(0)
                yield NEW[start : start + 50_000]

        await client.write_stream(f"{there}/x", chunks())


class Reading:
    before: ClassVar = {"there": {"x": NEW, "y": LARGE}, "here": {}}

    def check(self, there, here):
        return there == self.before["there"]


@case
class ReadBytes(Reading):
    async def act(self, client, there, here):
        assert await client.read_bytes(f"{there}/y") == LARGE


@case
class Reader(Reading):
    async def act(self, client, there, here):
        async with client.open(f"{there}/y") as file:
            assert await file.read(1000) == LARGE[:1000]
            await file.seek(600_000)
            assert await file.read() == LARGE[600_000:]


@case
class Stream(Reading):
    async def act(self, client, there, here):
        chunks = [chunk async for chunk in client.stream(f"{there}/y")]
        assert b"".join(chunks) == LARGE


@case
class ReadManyAndRanges(Reading):
    async def act(self, client, there, here):
        assert await client.read_many([f"{there}/x", f"{there}/y"]) == [NEW, LARGE]
        assert await client.read_ranges([(f"{there}/x", 5, 10), (f"{there}/y", 7, None)]) == [NEW[5:15], LARGE[7:]]


# --- names ------------------------------------------------------------------------------------------------------------


@case
class Listings(Reading):
    before: ClassVar = {"there": {f"{n % 5}/{n}": b"" for n in range(40)}, "here": {}}

    async def act(self, client, there, here):
        assert sorted(await client.listdir(there)) == list("01234")
        names = [entry.name async for entry in client.scandir(there, recursive=True)]
        assert len(names) == 45
        walked = [files async for _, _, files in client.walk(there)]
        assert sum(map(len, walked)) == 40
        assert len([path async for path in client.glob(f"{there}/*/*")]) == 40


@case
class Questions(Reading):
    async def act(self, client, there, here):
        assert (await client.stat(f"{there}/x")).size == len(NEW)
        assert not await client.exists(f"{there}/z")
        assert len(await client.checksum(f"{there}/y")) > 8


@case
class Changes:
    before: ClassVar = {"there": {"a": OLD, "b": NEW}, "here": {}}

    async def act(self, client, there, here):
        await client.copy(f"{there}/a", f"{there}/c")
        await client.copy(f"{there}/b", f"{there}/a")
        await client.rename(f"{there}/c", f"{there}/d")
        await client.mkdir(f"{there}/e/f", parents=True)
        await client.replace(f"{there}/d", f"{there}/e/f/g")
        await client.remove(f"{there}/b")

    def check(self, there, here):
        a = there.pop("a")
        moved = [there.pop(name) for name in ("c", "d", "e/f/g") if name in there]
        return a in (OLD, NEW) and moved in ([], [OLD]) and there in ({}, {"b": NEW})


@case
class RemoveTree:
    before: ClassVar = {"there": TREE, "here": {}}

    async def act(self, client, there, here):
        await client.rmtree(f"{there}/d0")
        await client.rmtree(f"{there}/d1")

    def check(self, there, here):
        rest = {name: data for name, data in TREE.items() if name[:2] not in ("d0", "d1")}
        return is_part_of(TREE, there) and rest.items() <= there.items()


# --- the test ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "when"),
    # The steps at which it may wait are the client's own, whatever the loop.
    [("asyncio", SELDOM), ("uvloop", SELDOM), pytest.param("asyncio", OFTEN, marks=pytest.mark.exhaustive)],
    indirect=["run"],
)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", CASES)
def test_whatever_is_cancelled_at_whatever_step_leaves_nothing_half_done(
    run, served, root, tmp_path, monkeypatch, name, how, when
):
    act = CASES[name]()
    least = getattr(act, "least", 1)
    (root / "known").write_bytes(b"known")

    async def main():
        async with connecting(served) as client:
            await client.read_bytes("known")
            step = 1
            if when == OFTEN:
                monkeypatch.setattr("secftp.aio.stream.pace", give_way)
            while await attempt(client, step):
                step += 1
            return step

    async def attempt(client, step):
        there, here = root / str(step), tmp_path / f"here {step}"
        for top, files in ((there, act.before["there"]), (here, act.before["here"])):
            top.mkdir()
            make(top, files)
        if hasattr(act, "prepare"):
            await act.prepare(client, there.name, here)
        stepper, problem = await cancelled_at(step, how, act.act(client, there.name, here))
        assert isinstance(problem, asyncio.CancelledError if stepper.reached else type(None)), (step, problem)
        assert asyncio.all_tasks() == {asyncio.current_task()}, step
        assert not client._pool._used
        # What a cancelled request is still answered with is thrown away before the next one.
        assert all(connection.is_settled() or connection.winding_down for connection in client._pool._free)
        assert await client.read_bytes("known") == b"known"
        assert (await client.stat("known")).size == 5
        at_server = await found_when_quiet(there)
        assert act.check(at_server, found(here)), (step, at_server.keys(), found(here).keys())
        return stepper.reached

    steps = run(main())
    assert when == SELDOM or steps > least


def give_way():
    """Let the loop run, as `driver.pace` does after a while."""
    if driver.is_driven():
        driver.wait(asyncio.sleep(0))


async def found_when_quiet(there):
    """Return the files once the server has given up what was broken off.

    It may still write small files, one by one, and remove a partial that was found just now.
    """
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return found(there)
        except (AssertionError, FileNotFoundError):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.002)


def test_the_last_step_is_the_last():
    async def three():
        for _ in range(3):
            await asyncio.sleep(0)
        return "end"

    async def main():
        for step in range(1, 5):
            stepper, problem = await cancelled_at(step, EARLY, three())
            assert stepper.reached == (step <= 3)
            assert (problem is None) == (step > 3)

    asyncio.run(main())
