"""`Client.put` and `get`: options, callbacks, failures, and retries after a lost connection."""

from __future__ import annotations

import inspect
import json
import os
import pydoc
import threading
from pathlib import Path

import pytest

import secftp
from secftp.api import copying, pool
from secftp.session import retry
from secftp.transfer import CopyOptions
from tests.support.programs import remote, root, served, serving_programs
from tests.support.serving import KEY, listing

__all__ = ["remote", "root", "served"]

BIG = bytes(range(256)) * (8 << 10)


@pytest.fixture
def here(tmp_path):
    """A directory of this machine with a small tree in it."""
    directory = tmp_path / "here"
    (directory / "data" / "sub" / "empty").mkdir(parents=True)
    (directory / "data" / "a").write_bytes(b"a" * 100)
    (directory / "data" / "sub" / "b").write_bytes(BIG)
    os.utime(directory / "data" / "a", ns=(0, 1_000_000_000_000_000_000))
    return directory


TREE = ["data", "data/a", "data/sub", "data/sub/b", "data/sub/empty"]


def test_a_tree_goes_there_and_comes_back(remote, root, here):
    summary = remote.put(here / "data")
    assert (summary.files, summary.bytes, summary.failed) == (2, 100 + len(BIG), 0)
    assert listing(root) == TREE
    assert (root / "data" / "a").stat().st_mtime_ns == 1_000_000_000_000_000_000
    summary = remote.get("data", here / "back")
    assert summary.files == 2
    assert listing(here / "back") == [name.removeprefix("data/") for name in TREE[1:]]
    assert (here / "back" / "sub" / "b").read_bytes() == BIG


@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_every_kind_of_path(remote, root, here, kind):
    remote.put(kind(here / "data" / "a"), kind(Path("copy")))
    remote.get(kind(Path("copy")), kind(here / "back"))
    assert (here / "back").read_bytes() == (root / "copy").read_bytes() == b"a" * 100


def test_several_sources_go_into_a_directory(remote, root, here):
    remote.put([here / "data" / "a", os.fsencode(here / "data" / "sub")], "into/")
    assert listing(root) == ["into", "into/a", "into/sub", "into/sub/b", "into/sub/empty"]
    assert remote.get(iter(["into/a", b"into/sub"]), here).files == 2
    assert listing(here / "sub") == ["b", "empty"]


def test_the_content_alone_is_meant_by_a_dot(remote, root, here):
    remote.put(f"{here / 'data'}/.", "copy")
    assert listing(root / "copy") == [name.removeprefix("data/") for name in TREE[1:]]


def test_a_copy_of_one_file_tells_its_checksum(remote, here):
    summary = remote.put(here / "data" / "a", checksum="md5")
    assert summary.digest.hex() == remote.checksum("a", "md5")


def test_copies_are_compressed_on_request(remote, root, here):
    for options in ({"compress": True}, {"compress_level": 9}, {"compress": True, "compress_level": 1}):
        summary = remote.put(here / "data", "x", **options)
        assert (summary.bytes, summary.compression) == (100 + len(BIG), True)
        assert summary.saved_bytes > len(BIG) / 2
        summary = remote.get("x", here / "back", **options)
        assert summary.saved_bytes > len(BIG) / 2
        assert (here / "back" / "sub" / "b").read_bytes() == BIG
    summary = remote.get("x", here / "back")
    assert (summary.compression, summary.saved_bytes) == (False, 0)
    assert remote.read_bytes("x/sub/b") == BIG, "a connection that was used for a compressed copy"


def test_compression_without_its_library(remote, here, monkeypatch):
    def missing():
        raise ModuleNotFoundError

    monkeypatch.setattr("secftp.transport.compression._library", missing)
    for copy in (remote.put, remote.get):
        with pytest.raises(secftp.SecftpError, match="Compression needs a library") as caught:
            copy(here / "data" if copy == remote.put else "x", compress=True)
        assert caught.value.hint == "pip install 'secftp[zstd]'"


def test_names_begin_in_the_directory_of_the_url(served, root, here):
    (root / "below").mkdir()
    with secftp.connect(served.server.url + "below", KEY) as below:
        below.put(here / "data" / "a")
        below.put(here / "data" / "a", "/top")
        assert below.get("a", here / "back").files == 1
    assert listing(root) == ["below", "below/a", "top"]


def test_options_reach_the_copy(remote, root, here):
    """Each does what it says; the copy engine's own tests know the rest."""
    (here / "data" / "link").symlink_to("a")
    put = remote.put
    assert put(here / "data", "x", dry_run=True).files == 2
    assert listing(root) == []
    put(here / "data", "x", exclude=["sub"])
    assert listing(root / "x") == ["a"]
    put(here / "data", "y", include=[b"a"], follow_symlinks=True)
    assert (root / "y" / "a").is_file()
    assert not (root / "y" / "sub" / "b").exists()
    assert put(here / "data" / "a", "x/a", overwrite=False).skipped == 1
    assert put(here / "data" / "a", "x/a", update=True).skipped == 1
    assert put(here / "data" / "a", "now", preserve=False).files == 1
    assert (root / "now").stat().st_mtime_ns > 1_000_000_000_000_000_000
    assert put(here / "data" / "sub" / "b", "b", resume=True, limit_rate=1 << 30).files == 1
    get = remote.get
    assert get("x/a", here / "a", dry_run=True).files == 1
    assert not (here / "a").exists()
    assert get("x/a", here / "a").files == 1
    assert get("x/a", here / "a", overwrite=False).skipped == 1
    assert get("x/a", here / "a", update=True).skipped == 1


def test_options_that_make_no_sense(remote, here):
    for options in (
        {"checksum": "crc32"},
        {"limit_rate": 0},
        {"limit_rate": -1},
        {"compress_level": 0},
        {"compress_level": 20},
    ):
        with pytest.raises(secftp.UsageError):
            remote.put(here / "data", **options)
        with pytest.raises(secftp.UsageError):
            remote.get("data", here, **options)
    for options in ({"include": "*.txt"}, {"exclude": b"*.txt"}):
        with pytest.raises(TypeError):
            remote.put(here / "data", **options)
    with pytest.raises(TypeError):
        remote.put(3)
    for options in ({"rate": 1}, {"follow_symlinks": True}):
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            remote.get("data", here, **options)


@pytest.mark.parametrize(
    ("method", "kind"),
    [(secftp.Client.put, copying.UploadOptions), (secftp.Client.get, copying.DownloadOptions)],
    ids=["put", "get"],
)
def test_every_option_of_a_copy_is_one_of_the_method(method, kind):
    """Declared once: the types beside it name the same options, and help() shows them with their defaults."""
    declared = CopyOptions()._asdict()
    if method is secftp.Client.get:
        del declared["follow_symlinks"]
    assert set(kind.__annotations__) == set(declared)
    shown = inspect.signature(method).parameters
    assert {name: shown[name].default for name in declared} == declared
    assert "options" not in shown
    assert "limit_rate: int | None = None" in pydoc.plain(pydoc.render_doc(method)).replace("'", "")


# --- callbacks --------------------------------------------------------------------------------------------------------


def test_progress_counts_up_to_the_whole(remote, here):
    told = []
    remote.put(here / "data", on_progress=told.append)
    assert [(now.files, now.bytes) for now in told] == sorted((now.files, now.bytes) for now in told)
    assert len(told) >= 4
    last = told[-1]
    assert (last.files, last.bytes) == (last.total_files, last.total_bytes) == (2, 100 + len(BIG))
    assert {now.path for now in told} <= {"data/a", "data/sub/b"}
    del told[:]
    remote.get("data", here / "back", on_progress=told.append)
    assert (told[-1].files, told[-1].bytes) == (told[-1].total_files, told[-1].total_bytes) == (2, 100 + len(BIG))


def test_what_a_callback_raises_ends_the_copy(served, root, here):
    class Enough(Exception):
        pass

    def progress(_now):
        raise Enough

    with pytest.raises(Enough):
        served.remote.put(here / "data" / "sub" / "b", "b", on_progress=progress)
    assert not (root / "b").exists()
    assert served.remote.put(here / "data" / "a").files == 1


def test_what_is_left_out_is_told(remote, here):
    (here / "data" / "link").symlink_to("a")
    os.mkfifo(here / "data" / "fifo")
    skipped = []
    remote.put(here / "data", on_skip=lambda name, reason: skipped.append((name, bool(reason))))
    assert sorted(skipped) == [("data/fifo", True), ("data/link", True)]
    del skipped[:]
    remote.put(here / "data" / "a", "data/a", overwrite=False, on_skip=lambda name, _: skipped.append(name))
    assert skipped == ["a"]


# --- failures ---------------------------------------------------------------------------------------------------------


def test_what_is_missing_is_raised(remote, here):
    with pytest.raises(FileNotFoundError):
        remote.put(here / "missing")
    with pytest.raises(FileNotFoundError):
        remote.get("missing", here)
    with pytest.raises(FileNotFoundError):
        remote.get("missing", here / "no" / "such" / "folder")
    with pytest.raises(secftp.NameRefused):
        remote.get("../x", here)


def test_the_rest_is_copied_before_failures_are_raised(remote, root, here):
    with pytest.raises(secftp.CopyIncomplete) as raised:
        remote.put([here / "missing", here / "data" / "a", here / "gone too"], "into/")
    assert listing(root) == ["into", "into/a"]
    problem = raised.value
    assert isinstance(problem, secftp.FileError)
    assert sorted(os.path.basename(name) for name, _ in problem.failures) == ["gone too", "missing"]
    assert {type(error) for _, error in problem.failures} == {secftp.NotFound}
    assert isinstance(problem.__cause__, FileNotFoundError)
    assert (problem.summary.files, problem.summary.failed) == (1, 2)
    assert "2" in str(problem)


def test_a_caller_that_asks_to_be_told_of_failures_gets_a_summary(remote, root, here):
    told = []
    summary = remote.put(
        [here / "missing", here / "data" / "a"], "into/", on_error=lambda name, error: told.append((name, type(error)))
    )
    assert (summary.files, summary.failed) == (1, 1)
    assert [(os.path.basename(name), kind) for name, kind in told] == [("missing", secftp.NotFound)]


def test_failures_that_are_remembered_are_bounded(monkeypatch, remote, here):
    monkeypatch.setattr(copying, "MAX_FAILURES", 3)
    with pytest.raises(secftp.CopyIncomplete) as raised:
        remote.put([here / f"missing {number}" for number in range(10)], "into/")
    assert len(raised.value.failures) == 3
    assert raised.value.summary.failed == 10


# --- connections ------------------------------------------------------------------------------------------------------


def break_off(served, after):
    """A progress callback that cuts the connection under the copy, once, when so many files are complete."""
    cut = []

    def progress(now):
        if now.files >= after and not cut:
            cut.append(now)
            for connection in served.remote._pool._busy:
                connection.interrupt()

    return progress, cut


def test_a_lost_connection_is_raised_without_retries(served, here):
    for _ in range(2):  # on a new connection, and on one that was used before
        progress, cut = break_off(served, 0)
        with pytest.raises(secftp.ConnectionLost):
            served.remote.put(here / "data", on_progress=progress)
        assert cut


def test_a_connection_that_was_gone_before_is_no_lost_connection(served, here, monkeypatch):
    (idle,) = served.remote._pool._idle
    idle.interrupt()
    monkeypatch.setattr(pool.PooledConnection, "is_fresh", lambda _self: True)
    assert served.remote.put(here / "data").files == 2


@pytest.mark.parametrize("way", ["put", "get"])
def test_a_copy_goes_on_when_the_connection_was_lost(served, root, here, monkeypatch, way):
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.01)
    for number in range(20):
        (here / "data" / f"{number:02}").write_bytes(BIG[: 600_000 + number])
    if way == "get":
        served.remote.put(here / "data")
    progress, cut = break_off(served, 4)
    if way == "put":
        summary = served.remote.put(here / "data", retries=3, on_progress=progress)
    else:
        summary = served.remote.get("data", here / "back", retries=3, on_progress=progress)
    assert cut
    assert (summary.files, summary.failed) == (22, 0)
    for number in range(20):
        found = (root / "data" if way == "put" else here / "back") / f"{number:02}"
        assert found.read_bytes() == BIG[: 600_000 + number]


def test_a_server_that_stays_away_is_an_error_in_the_end(served, here, monkeypatch):
    pauses = []
    monkeypatch.setattr(type(served.remote._pool), "pause", lambda _pool, seconds: pauses.append(seconds))
    served.server.stop()
    with pytest.raises(secftp.ServerUnreachable):
        served.remote.put(here / "data", retries=9)
    assert len(pauses) == 9
    for pause, longest in zip(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60], strict=True):
        assert longest / 2 <= pause <= longest


def test_closing_the_client_ends_a_copy_in_another_thread(served, here):
    started = threading.Event()
    failures = []

    def copy():
        with pytest.raises(secftp.SecftpError) as raised:
            served.remote.put(
                here / "data" / "sub" / "b", limit_rate=1000, on_progress=lambda _now: started.set(), retries=5
            )
        failures.append(raised.value)

    thread = threading.Thread(target=copy)
    thread.start()
    assert started.wait(20)
    served.remote.close()
    thread.join(20)
    assert len(failures) == 1


def test_other_requests_are_served_while_a_tree_is_copied(served, here):
    seen = []
    served.remote.put(here / "data", on_progress=lambda _now: seen.append(served.remote.exists("")))
    assert seen
    assert all(seen)


def test_a_server_without_the_right_to_write(tmp_path, here):
    (tmp_path / "read").mkdir()
    with serving_programs(tmp_path / "read", read_only=True) as found:
        with pytest.raises(PermissionError):
            found.remote.put(here / "data" / "a")
        with pytest.raises(secftp.FileError):
            found.remote.put(here / "data")


# --- shards and results -----------------------------------------------------------------------------------------------


def test_shards_and_results(remote, root, here):
    for number in range(30):
        (here / "data" / f"{number}").write_bytes(b"%d" % number)
    summaries = [remote.put(here / "data", "to/", shard=(i, 3), results=here / "sent") for i in (1, 2, 3)]
    assert sum(summary.files for summary in summaries) == 32
    assert max(summary.files for summary in summaries) < 32
    found = [json.loads(line) for line in (here / "sent").read_text().splitlines()]
    assert {line["path"] for line in found} == {"a", "sub/b", *map(str, range(30))}
    assert [line["result"] for line in found] == ["copied"] * 32
    again = [remote.get("to/data", f"{here}/back/", shard=(i, 2), results=f"{here}/got", update=True) for i in (1, 2)]
    assert sum(summary.files for summary in again) == 32
    assert listing(here / "back" / "data") == listing(root / "to" / "data")


@pytest.mark.parametrize("shard", ["1/2", 1, (1,), (1, 2, 3), [1, 2]])
def test_shards_of_another_type(remote, here, shard):
    with pytest.raises(TypeError, match="shard must be a tuple"):
        remote.put(here / "data", shard=shard)


@pytest.mark.parametrize("shard", [(0, 1), (2, 1), (1, 0), (1, True), (1.0, 2), ("1", 2), (-1, 2), (1, 10**7)])
def test_shards_that_are_none(remote, here, shard):
    with pytest.raises(secftp.UsageError):
        remote.get("data", here, shard=shard)


def test_results_that_can_not_be_written(remote, root, here):
    with pytest.raises(secftp.UsageError):
        remote.put(here / "data", results="-")
    with pytest.raises(FileNotFoundError):
        remote.put(here / "data", results=here / "missing" / "file")
    with pytest.raises(TypeError):
        remote.put(here / "data", results=3)
    with pytest.raises(secftp.NoSpace):
        remote.put(here / "data", results="/dev/full")
    assert remote.put(here / "data").files == 2, "the client can still be used"
