"""Copies of files and trees by the asyncio client: as those of the blocking client, whose engine runs in a greenlet."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from pathlib import Path

import pytest

import secftp
from secftp.errors import NotFound
from secftp.storage import LocalStore, WriteOptions
from tests.aio.loops import connecting, run
from tests.support.programs import root, served
from tests.support.serving import KEY

__all__ = ["root", "run", "served"]

MIB = 1 << 20


@pytest.fixture
def tree(tmp_path):
    """A tree of small and large files and directories of several kinds."""
    top = tmp_path / "here" / "tree"
    for directory in ("a/b/c", "empty", "many"):
        (top / directory).mkdir(parents=True)
    (top / "large").write_bytes(os.urandom(3 * MIB + 17))
    (top / "a/middle").write_bytes(os.urandom(200_000))
    (top / "a/b/c/nothing").write_bytes(b"")
    for number in range(300):
        (top / "many" / f"{number:03}").write_bytes(b"%d" % number * number)
    (top / "a/middle").chmod(0o640)
    os.utime(top / "a/middle", ns=(5, 1_234_567_890_123_456_789))
    (top / "link").symlink_to("large")
    (top / "empty").chmod(0o750)
    return top


def contents(top):
    """What is below a directory, with kinds, permissions, times and bytes."""
    found = {}
    for place, directories, files in os.walk(top):
        for name in (*directories, *files):
            path = os.path.join(place, name)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                continue
            is_file = stat.S_ISREG(status.st_mode)
            data = Path(path).read_bytes() if is_file else None
            found[os.path.relpath(path, top)] = (status.st_mode, status.st_mtime_ns, data)
    return found


def test_a_tree_there_and_back_is_the_same(run, served, root, tree, tmp_path):
    async def main():
        async with connecting(served) as client:
            there = await client.put(tree, "copies/")
            back = await client.get("copies/tree", tmp_path / "back")
            return there, back

    there, back = run(main())
    assert contents(root / "copies/tree") == contents(tmp_path / "back") == contents(tree)
    assert (there.files, there.left_out, there.failed) == (303, 1, 0)
    assert (back.files, back.bytes, back.failed) == (303, there.bytes, 0)


OPTIONS = [
    {"update": True},
    {"overwrite": False},
    {"dry_run": True},
    {"preserve": False},
    {"resume": True},
    {"checksum": "sha256"},
    {"include": ["large"]},
    {"streams": 4},
    {"limit_rate": 500 * MIB},
    {"follow_symlinks": True},
    {"compress": True},
]


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("run", "options"),
    # On the other loop those that use more of it.
    [*(("asyncio", options) for options in OPTIONS), ("uvloop", {"streams": 4}), ("uvloop", {"compress": True})],
    indirect=["run"],
)
def test_every_option_does_what_it_does_for_the_blocking_client(run, served, root, tree, tmp_path, options):
    (root / "blocking").mkdir()
    (root / "loop").mkdir()
    get_options = {name: value for name, value in options.items() if name != "follow_symlinks"}

    def plain(summary):
        summary.seconds = 0
        return summary

    def expected():
        with secftp.connect(served.server.url, key=KEY, cipher="aes128") as client:
            for _ in range(2):
                there = client.put(tree, "blocking", **options)
                back = client.get(
                    "blocking/tree" if (root / "blocking/tree").exists() else "blocking", tmp_path / "1", **get_options
                )
            return plain(there), plain(back)

    async def main():
        async with connecting(served) as client:
            for _ in range(2):
                there = await client.put(tree, "loop", **options)
                back = await client.get(
                    "loop/tree" if (root / "loop/tree").exists() else "loop", tmp_path / "2", **get_options
                )
            return plain(there), plain(back)

    assert run(main()) == expected()
    times = slice(0, None, 2) if not options.get("preserve", True) else slice(None)

    def comparable(top):
        return {name: found[times] for name, found in contents(top).items()}

    assert comparable(root / "loop") == comparable(root / "blocking")
    assert comparable(tmp_path / "2") == comparable(tmp_path / "1")


def test_callbacks_are_called_on_the_thread_of_the_loop_and_tell_what_those_of_the_blocking_client_do(
    run, served, root, tree, tmp_path
):
    (tree / "unreadable").mkdir()
    (root / "x").mkdir()
    (root / "x/tree").mkdir()
    (root / "x/tree/large").mkdir()  # a file can't replace it

    def callbacks():
        heard, threads = [], set()

        def on(kind):
            def take(*args):
                threads.add(threading.get_ident())
                heard.append((kind, *args))

            return take

        return heard, threads, {f"on_{kind}": on(kind) for kind in ("progress", "error", "skip")}

    def ends(heard):
        skips = [event for event in heard if event[0] == "skip"]
        errors = [(kind, name, type(error), str(error)) for kind, name, error in (e for e in heard if e[0] == "error")]
        return skips, errors, [event for event in heard if event[0] == "progress"][-1]

    heard, threads, options = callbacks()
    with secftp.connect(served.server.url, key=KEY) as client:
        client.put(tree, "x", **options)
    expected = ends(heard)
    heard, threads, options = callbacks()

    async def main():
        async with connecting(served) as client:
            await client.put(tree, "x", **options)
        return threading.get_ident()

    assert threads == {run(main())}
    assert ends(heard) == expected


def test_failures_are_those_of_the_blocking_client(run, served, root, tree, tmp_path):
    (root / "tree").mkdir()
    (root / "tree/large").mkdir()

    async def main():
        async with connecting(served) as client:
            with pytest.raises(NotFound):
                await client.get("missing", tmp_path)
            with pytest.raises(NotFound):
                await client.put(tmp_path / "missing", "name")
            with pytest.raises(secftp.CopyIncomplete) as failed:
                await client.put(tree, "")
            assert [name for name, _ in failed.value.failures] == ["tree/large"]
            with pytest.raises(TypeError, match="nothing"):
                await client.put(tree, "", nothing=1)
            with pytest.raises(TypeError, match="on_progress must be a function"):
                await client.put(tree, "", on_progress=asyncio.sleep)
            with pytest.raises(ZeroDivisionError):
                await client.get("tree/many", tmp_path / "out", on_progress=lambda _: 1 // 0)
            assert await client.listdir() == ["tree"]

    run(main())


def test_a_copy_does_not_hold_up_other_requests(run, served, root, tree):
    async def main():
        async with connecting(served) as client:
            copies = asyncio.gather(*(client.put(tree, f"{number}/") for number in range(3)))
            answers = 0
            while not copies.done():
                await client.stat("")
                answers += 1
            await copies
            return answers

    assert run(main()) > 10
    assert contents(root / "0/tree") == contents(root / "2/tree") == contents(tree)


def test_what_was_sent_in_parts_is_continued_behind_the_first_of_them_and_no_thread_is_waited_for(
    run, served, root, tmp_path, monkeypatch
):
    data = os.urandom(3 * MIB)
    (tmp_path / "name").write_bytes(data)
    store = LocalStore(root)
    with store.open_upload((b"name",), b"t" * 16, WriteOptions(size=len(data), keep=True)) as upload:
        for at, end in ((0, MIB), (2 * MIB, len(data))):
            upload.writev_at([memoryview(data)[at:end]], at)
            upload.add(at, end)
        upload.keep()
    store.close()
    monkeypatch.setattr("secftp.transfer.ordered_digest.OrderedDigest.__init__", pytest.fail)

    async def main():
        async with connecting(served) as client:
            return await client.put(tmp_path / "name", "name", resume=True)

    assert run(main()).bytes == 2 * MIB
    assert (root / "name").read_bytes() == data


def test_small_files_are_read_many_at_once_and_what_changes_meanwhile_is_no_fault(run, served, root, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(200):
        (tree / f"{number:03}").write_bytes(b"%d" % number)
    (tree / "050").write_bytes(bytes(40_000))  # no small one
    jobs = []

    def count_jobs(waits):
        call = waits.call

        def counted(function, *args, **kwargs):
            jobs.append(function)
            return call(function, *args, **kwargs)

        waits.call = counted

    def change(progress):
        if progress.files == 1:
            for number in range(190, 200):
                (tree / f"{number:03}").write_bytes(bytes(50_000))
            (tree / "180").unlink(missing_ok=True)

    async def main():
        async with connecting(served) as client:
            count_jobs(client._pool.waits)
            failed = []
            summary = await client.put(tree, "", on_progress=change, on_error=lambda name, _: failed.append(name))
            del client._pool.waits.call
            return summary, failed

    summary, failed = run(main())
    assert len(jobs) < 60
    assert summary.files + len(failed) == 200
    for path in (root / "tree").iterdir():
        assert path.read_bytes() in (b"%d" % int(path.name), bytes(40_000), bytes(50_000))


@pytest.mark.parametrize("way", ["put", "get"])
def test_a_copy_goes_on_after_lost_connections_and_the_loop_runs_in_its_pauses(
    run, served, root, tree, tmp_path, monkeypatch, way
):
    monkeypatch.setattr("secftp.session.retry.FIRST_PAUSE", 0.05)
    monkeypatch.setattr("time.sleep", pytest.fail)
    (root / "there").mkdir()

    async def main():
        async with connecting(served) as client:
            lost = []

            def lose(progress):
                if progress.bytes > len(lost) * MIB and len(lost) < 3:
                    lost.append(progress.bytes)
                    for connection in client._pool._used:
                        connection.interrupt()

            if way == "put":
                summary = await client.put(tree, "there", retries=5, on_progress=lose)
            else:
                await client.put(tree, "there")
                summary = await client.get("there/tree", tmp_path / "back", retries=5, on_progress=lose)
            return len(lost), summary

    lost, summary = run(main())
    assert lost == 3
    assert (summary.files, summary.failed) == (303, 0)
    assert contents(tmp_path / "back" if way == "get" else root / "there/tree") == contents(tree)


def test_a_rate_limit_pauses_the_copy_and_not_the_loop(run, served, root, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", pytest.fail)
    (tmp_path / "name").write_bytes(bytes(300_000))

    async def main():
        async with connecting(served) as client:
            for copy in (
                client.put(tmp_path / "name", "name", limit_rate=MIB),
                client.get("name", tmp_path / "back", limit_rate=MIB),
            ):
                copying = asyncio.create_task(copy)
                turns = 0
                while not copying.done():
                    turns += 1
                    await asyncio.sleep(0.001)
                assert copying.result().files == 1
                assert turns > 10

    run(main())


def test_shards_and_results(run, served, root, tree, tmp_path):
    results = tmp_path / "results"

    async def main():
        async with connecting(served) as client:
            return await asyncio.gather(
                *(client.put(tree, "to/", shard=(number, 3), results=results) for number in (1, 2, 3))
            )

    summaries = run(main())
    assert sum(summary.files for summary in summaries) == 303
    assert len(results.read_text().splitlines()) == 303 + sum(summary.left_out for summary in summaries)
    assert contents(root / "to" / "tree") == contents(tree)
