"""Operations of the asyncio client: the same names, parameters, results and exceptions as those of the blocking one."""

from __future__ import annotations

import asyncio
import inspect

import pytest

import secftp
import secftp.aio
from secftp.aio.interface import AsyncIteration
from secftp.errors import AlreadyExists, NotADirectory, NotEmpty, NotFound, UsageError
from tests.aio.loops import connecting, run
from tests.support.programs import root, served

__all__ = ["root", "run", "served"]

BLOCKING, ASYNC = secftp.Client, secftp.aio.AsyncClient
# What only the asyncio client has: a program that is threaded uses file objects for that.
OWN = {"stream", "write_stream"}
ITERATORS = {"scandir", "walk", "glob"}


def public(kind):
    return {name for name in dir(kind) if not name.startswith("_")}


def test_the_asyncio_client_has_the_names_of_the_blocking_one():
    assert public(ASYNC) - OWN == public(BLOCKING)


@pytest.mark.parametrize("name", sorted(name for name in public(BLOCKING) if callable(getattr(BLOCKING, name))))
def test_parameters_and_words_are_those_of_the_blocking_client(name):
    blocking, ours = getattr(BLOCKING, name), getattr(ASYNC, name)

    def parameters(method):
        return [
            (each.name, each.kind, each.default) for each in list(inspect.signature(method).parameters.values())[1:]
        ]

    assert parameters(ours) == parameters(blocking)
    assert inspect.getdoc(ours)
    if name not in (*ITERATORS, "open"):
        assert inspect.iscoroutinefunction(ours)


def test_connect_takes_what_the_blocking_one_takes():
    ours, blocking = (inspect.signature(module.connect).parameters for module in (secftp.aio, secftp))
    assert set(ours) - set(blocking) == {"connections"}
    assert [(each.name, each.kind, each.default) for each in ours.values()][:-1] == [
        (each.name, each.kind, each.default) for each in blocking.values()
    ]


# --- names ------------------------------------------------------------------------------------------------------------


def test_names_are_looked_at_and_changed(run, served, root):
    async def main():
        async with connecting(served) as client:
            await client.mkdir("a/b", parents=True)
            assert await client.is_dir("a/b")
            assert not await client.is_file("a/b")
            await client.write_text("a/b/text", "grün")
            assert await client.read_text("a/b/text") == "grün"
            assert (await client.checksum("a/b/text", "md5")) == (await client.checksum("/a/b/text", "md5"))
            await client.rename("a/b/text", "a/text")
            assert await client.exists("a/text")
            assert not await client.exists("a/b/text")
            await client.write_bytes("a/other", b"1")
            with pytest.raises(AlreadyExists):
                await client.rename("a/other", "a/text")
            await client.replace("a/other", "a/text")
            assert await client.chmod("a/text", 0o600)
            assert await client.utime("a/text", ns=10**18)
            assert (await client.stat("a/text")).mtime_ns == 10**18
            await client.rmdir("a/b")
            with pytest.raises(NotEmpty):
                await client.rmdir("a")
            space = await client.space("a")
            assert 0 < space.available <= space.total
            await client.copy("a/text", "a/copy")
            assert await client.read_bytes("a/copy") == b"1"
            await client.remove("a/copy")
            await client.unlink("a/text")
            await client.rmtree("a")
            assert await client.listdir() == []

    run(main())


def test_trees_are_removed_by_several_tasks_at_once(run, served, root):
    for number in range(6):
        for name in range(20):
            (root / f"tree {number}" / f"{name}").mkdir(parents=True)
            (root / f"tree {number}" / f"{name}" / "file").write_bytes(b"x")

    async def main():
        async with connecting(served, connections=2) as client:
            async with asyncio.TaskGroup() as group:
                for number in range(6):
                    group.create_task(client.rmtree(f"tree {number}"))
            assert await client.listdir() == []

    run(main())


# --- listings ---------------------------------------------------------------------------------------------------------


def fill(root, count):
    for number in range(count):
        (root / "wide" / f"{number % 7}" / "deep").mkdir(parents=True, exist_ok=True)
        (root / "wide" / f"{number % 7}" / f"name {number}").touch()


def test_listings_are_iterated(run, served, root):
    fill(root, 50)

    async def main():
        async with connecting(served) as client:
            assert {entry.name async for entry in client.scandir("wide")} == {str(number) for number in range(7)}
            names = {entry.path async for entry in client.scandir(b"wide", recursive=True)}
            assert len(names) == 50 + 14
            async with client.scandir("wide") as listing:
                first = await anext(listing)
                assert first.is_dir()
            assert [entry async for entry in listing] == []
            with pytest.raises(NotFound):
                async with client.scandir("missing"):
                    pass
            with pytest.raises(NotFound):
                await anext(client.scandir("missing"))
            with pytest.raises(NotADirectory):
                await anext(client.scandir("wide/0/name 0"))

    run(main())


def test_walks_and_patterns_are_iterated(run, served, root):
    fill(root, 50)

    async def main():
        async with connecting(served) as client:
            found = [(top, sorted(below), sorted(files)) async for top, below, files in client.walk("wide/3")]
            names = sorted(f"name {number}" for number in range(3, 50, 7))
            assert found == [("wide/3", ["deep"], names), ("wide/3/deep", [], [])]
            assert sorted([path async for path in client.glob("wide/*/name 1*")]) == sorted(
                served.remote.glob("wide/*/name 1*")
            )
            pruned = []
            async for top, below, _ in client.walk(b"wide"):
                pruned.append(top)
                below.clear()
            assert pruned == [b"wide"]
            failures = []
            assert [item async for item in client.walk("missing", onerror=failures.append)] == []
            assert [type(failure) for failure in failures] == [NotFound]

    run(main())


def test_a_listing_that_is_left_early_gives_its_connection_back(run, served, root, monkeypatch):
    """As one of a directory with more entries than are read ahead, for which the connection is held."""
    for module in ("entries", "globbing"):
        monkeypatch.setattr(f"secftp.api.{module}.AHEAD_ENTRIES", 10)
    fill(root, 500)

    async def main():
        async with connecting(served, connections=1) as client:
            async with client.scandir("wide", recursive=True) as listing:
                await anext(listing)
                assert await client.exists("wide")  # the listing is not counted
            async for entry in client.scandir("wide", recursive=True):
                assert await client.exists(entry.path)
                break
            walk = client.walk("wide")
            await anext(walk)
            await walk.aclose()
            await walk.aclose()
            assert len([entry async for entry in client.scandir("wide", recursive=True)]) == 500 + 14
            assert not client._pool._used

    run(main())


def test_iterators_do_nothing_before_they_are_used(run, served):
    async def main():
        async with connecting(served) as client:
            assert isinstance(client.walk(), AsyncIteration)
            async with client.glob("*") as paths:
                assert [path async for path in paths] == []
        with pytest.raises(UsageError, match="closed"):
            await anext(client.scandir())

    run(main())


# --- contents ---------------------------------------------------------------------------------------------------------


def test_many_files_and_ranges_are_read(run, served, root):
    for number in range(30):
        (root / f"{number}").write_bytes(b"%d" % number * 100)

    async def main():
        async with connecting(served) as client:
            assert await client.read_many([f"{number}" for number in range(30)]) == [
                b"%d" % number * 100 for number in range(30)
            ]
            assert await client.read_ranges([("3", 1, 2), ("29", 0, 4)]) == [b"33", b"2929"]
            found = await client.read_many(["1", "missing"], on_error="return")
            assert isinstance(found[1], NotFound)

    run(main())


def test_files_are_copied_to_and_from_this_machine(run, served, root, tmp_path):
    (tmp_path / "tree" / "below").mkdir(parents=True)
    for number in range(20):
        (tmp_path / "tree" / "below" / f"{number}").write_bytes(b"%d" % number * 1000)
    seen = []

    async def main():
        async with connecting(served) as client:
            summary = await client.put(tmp_path / "tree", "", on_progress=seen.append)
            assert summary.files == 20
            assert seen
            assert (await client.get("tree", tmp_path / "back")).files == 20
            with pytest.raises(NotFound):
                await client.get("missing", tmp_path)

    run(main())
    for number in range(20):
        assert (tmp_path / "back" / "below" / f"{number}").read_bytes() == b"%d" % number * 1000
