"""Reading through fsspec: many files and ranges at once, and the file object with what caches and users ask of it."""

from __future__ import annotations

import gc
import io
import os
import pickle
import random
import zipfile

import pytest

import secftp
from tests.fsspec.serving import KEY, fs, opened, root, server
from tests.support.turns import counted_turns

fsspec = pytest.importorskip("fsspec")

from fsspec.caching import caches  # noqa: E402 - fsspec is optional

from secftp.fsspec.file import FsspecReader  # noqa: E402 - imports fsspec

__all__ = ["fs", "root", "server"]

# A cache of fsspec's that keeps its blocks in a file leaves that open.
LEAVES_FILES_OPEN = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
DATA = random.Random(7).randbytes(3 << 20)


@pytest.fixture
def tree(root):
    (root / "d" / "e").mkdir(parents=True)
    for name, data in {"a": b"aaa", "b": b"bb", "e/c": DATA[:100_000]}.items():
        (root / "d" / name).write_bytes(data)
    (root / "large").write_bytes(DATA)
    return root


# --- contents ---------------------------------------------------------------------------------------------------------


def test_contents_of_one_and_of_many(fs, tree):
    assert fs.cat("/d/a") == b"aaa"
    assert fs.cat(["/d/b", "/d/a"]) == {"/d/a": b"aaa", "/d/b": b"bb"}
    assert fs.cat("/d/[ab]") == {"/d/a": b"aaa", "/d/b": b"bb"}
    assert fs.cat("/d", recursive=True) == {"/d/a": b"aaa", "/d/b": b"bb", "/d/e/c": DATA[:100_000]}
    assert fs.cat(["/d/a", "/d/b"], start=-2) == {"/d/a": b"aa", "/d/b": b"bb"}
    assert fs.cat("/d/a", start=1, end=2) == b"a"
    assert fs.cat(["/d/a"]) == {"/d/a": b"aaa"}


def test_contents_that_can_not_be_had(fs, tree):
    names = ["/d/a", "/d/missing", "/d/e"]
    with pytest.raises((FileNotFoundError, IsADirectoryError)):
        fs.cat(names)
    assert fs.cat(names, on_error="omit") == {"/d/a": b"aaa"}
    found = fs.cat(names, on_error="return")
    assert found["/d/a"] == b"aaa"
    assert isinstance(found["/d/missing"], secftp.NotFound)
    assert isinstance(found["/d/e"], IsADirectoryError)
    with pytest.raises(FileNotFoundError):
        fs.cat("/d/missing")
    with pytest.raises(ValueError, match="on_error"):
        fs.cat(names, on_error="ignore")
    with pytest.raises(ValueError, match="on_error"):
        fs.cat_ranges(names, 0, 1, on_error="omit")


def test_what_ends_the_connection_is_never_returned_as_the_contents_of_a_file(fs, server, tree):
    fs.cat("/d/a")
    server.stop()
    for call in (fs.cat, lambda names, **options: fs.cat_ranges(names, 0, 1, **options)):
        with pytest.raises(secftp.ServerUnreachable):
            call(["/d/a", "/d/b"], on_error="return")


def test_ranges_are_as_in_slices(fs, tree):
    size = len(DATA)
    cuts = [
        (None, 3),
        (5, None),
        (-4, None),
        (-10, -3),
        (3, 3),
        (9, 2),
        (size - 1, size + 9),
        (size + 5, None),
        (2, -5),
    ]
    paths = ["/large"] * len(cuts)
    found = fs.cat_ranges(paths, [start for start, _ in cuts], [end for _, end in cuts])
    assert found == [DATA[start:end] for start, end in cuts]
    assert fs.cat_ranges(["/d/a", "/d/b"], 1, 2) == [b"a", b"b"]
    assert fs.cat_ranges(["/d/a", "/d/b"], -1, None) == [b"a", b"b"]
    found = fs.cat_ranges(["/d/a", "/d/missing", "/d/missing"], [0, 0, -3], [1, 1, None])
    assert found[0] == b"a"
    assert [type(problem) for problem in found[1:]] == [secftp.NotFound] * 2
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges(["/d/missing"], [0], [1], on_error="raise")
    with pytest.raises(ValueError, match="as many"):
        fs.cat_ranges(["/d/a"], [0, 1], [1])
    with pytest.raises(TypeError):
        fs.cat_ranges("/d/a", [0], [1])
    assert fs.cat_ranges(["/d/a"], [0], [1], max_gap=100) == [b"a"]
    assert fs.cat_ranges([], [], []) == []


def test_a_hundred_ranges_and_a_hundred_files_take_few_round_trips(server, root, monkeypatch):
    for number in range(100):
        (root / f"{number:03}").write_bytes(DATA[number : number + 20_000])
    names = [f"/{number:03}" for number in range(100)]
    with counted_turns(monkeypatch) as line:
        fs = opened(server)
        fs.exists("/")
        before = line.turns
        found = fs.cat_ranges(names, [50 * number for number in range(100)], [50 * number + 9 for number in range(100)])
        assert line.turns - before <= 4
        assert found == [DATA[51 * number :][:9] for number in range(100)]
        before = line.turns
        assert fs.cat_ranges(names, -5, None) == [DATA[number + 19_995 :][:5] for number in range(100)]
        assert line.turns - before <= 6
        before = line.turns
        assert fs.cat(names)["/042"] == DATA[42:20_042]
        assert line.turns - before <= 4
        before = line.turns
        assert fs.get_mapper("/").getitems([name[1:] for name in names])["042"] == DATA[42:20_042]
        assert line.turns - before <= 4
        fs.close()


def test_the_ends_of_a_file(fs, tree):
    assert fs.head("/large", 5) == DATA[:5]
    assert fs.tail("/large", 5) == DATA[-5:]
    assert fs.tail("/d/a", 100) == b"aaa"
    assert fs.tail("/d/a", 0) == b""
    (tree / "lines").write_bytes(b"one\ntwo\nthree\n")
    assert fs.read_block("/lines", 2, 5, b"\n") == b"two\n"
    assert fs.read_block("/lines", 4, None) == b"two\nthree\n"


# --- the file object --------------------------------------------------------------------------------------------------


def test_it_has_what_is_asked_of_a_buffered_file(fs, tree):
    with fs.open("/d/a") as file:
        assert isinstance(file, FsspecReader)
        assert isinstance(file, secftp.RemoteReader)
        assert isinstance(file, io.BufferedReader)
        assert (file.fs, file.path, file.mode, file.name) == (fs, "/d/a", "rb", "/d/a")
        assert file.size == 3
        assert file.info() == file.details == fs.info("/d/a")
        assert file.full_name == fs.unstrip_protocol("/d/a")
        assert file.blocksize == file.block_size == 4 << 20
        assert file.loc == 0
        assert file.read(1) == b"a"
        assert file.loc == file.tell() == 1
        assert file.cache.name == "none"
        assert file.cache._fetch(1, 3) == b"aa"
        assert file._fetch_range(0, 99) == b"aaa"
        assert file.kwargs == {}
        assert file.autocommit
        assert not file.closed
    assert file.closed
    with fs.open("/large", block_size=1000) as file:
        assert file.blocksize == 1000
    for wrong in (-1, "much", True):
        with pytest.raises(ValueError, match="block size"):
            fs.open("/d/a", block_size=wrong)


@pytest.mark.parametrize(("block", "least"), [(None, 8192), (1 << 20, 1 << 20)])
def test_a_block_size_is_what_is_fetched_at_once(fs, tree, monkeypatch, block, least):
    asked = []
    original = FsspecReader.__init__

    def init(self, *args, **options):
        original(self, *args, **options)
        ask = self._reader._ask
        self._reader._ask = lambda offset, length, *more: asked.append(length) or ask(offset, length, *more)

    monkeypatch.setattr(FsspecReader, "__init__", init)
    with fs.open("/large", block_size=block) as file:
        file.seek(1_000_000)
        assert file.read(10) == DATA[1_000_000:1_000_010]
    assert asked == [least]


def test_a_part_up_to_a_text(fs, tree):
    (tree / "text").write_bytes(b"ab--c-" + b"x" * 20_000 + b"--end")
    with fs.open("/text") as file:
        assert file.readuntil(b"--") == b"ab--"
        assert file.tell() == 4
        assert file.readuntil(b"--", blocks=3) == b"c-" + b"x" * 20_000 + b"--"
        assert file.readuntil(b"!") == b"end"
        assert file.readuntil() == b""
        file.seek(0)
        for blocks in (1, 2, 3, 4):
            file.seek(0)
            assert file.readuntil(b"--c", blocks=blocks) == b"ab--c"


@LEAVES_FILES_OPEN
@pytest.mark.parametrize("name", sorted(set(caches) - {None, "parts", "adaptive", "background"}))
def test_any_cache_of_fsspec_may_be_around_it(fs, tree, name):
    with fs.open("/large") as file:
        file.cache = caches[name](100_000, file._fetch_range, file.size)
        assert file.cache.name == (name or "none")
        dice = random.Random(3)
        for _ in range(30):
            offset, length = dice.randrange(len(DATA) + 100), dice.randrange(200_000)
            file.seek(offset)
            assert file.read(length) == DATA[offset : offset + length]
        file.seek(5)
        assert file.read() == DATA[5:]
        file.seek(0)
        assert file.readline() == DATA[: DATA.index(b"\n") + 1]


@LEAVES_FILES_OPEN
@pytest.mark.parametrize("protocol", ["blockcache", "filecache", "simplecache"])
def test_caches_on_disk(fs, tree, tmp_path, protocol):
    for _ in range(2):
        cached = fsspec.filesystem(protocol, fs=fs, cache_storage=str(tmp_path / "cache"), skip_instance_cache=True)
        with cached.open("/large") as file:
            file.seek(1_000_000)
            assert file.read(10) == DATA[1_000_000:1_000_010]
            file.seek(0)
            assert file.read() == DATA


@LEAVES_FILES_OPEN
def test_a_cache_on_disk_gets_one_version(fs, tree, tmp_path):
    cached = fsspec.filesystem("blockcache", fs=fs, cache_storage=str(tmp_path / "cache"), skip_instance_cache=True)
    with cached.open("/large", block_size=100_000) as file:
        assert file.read(10) == DATA[:10]
        (tree / "new").write_bytes(DATA[::-1])
        status = (tree / "large").stat()
        os.utime(tree / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
        (tree / "new").rename(tree / "large")
        file.seek(1_000_000)
        with pytest.raises(secftp.FileChanged):
            file.read(1_000_000)
    gc.collect()  # a traceback holds the file of the cache


class Flaky:
    """Fetches ranges of a reader, and fails once."""

    def __init__(self, reader):
        self.fetch = reader.fetch_ranges
        self.fails = True

    def __call__(self, ranges):
        if self.fails:
            self.fails = False
            raise secftp.ConnectionLost("The connection broke off.")
        return self.fetch(ranges)


@LEAVES_FILES_OPEN
def test_a_cache_on_disk_keeps_nothing_that_was_not_fetched(fs, tree, tmp_path):
    cached = fsspec.filesystem("blockcache", fs=fs, cache_storage=str(tmp_path / "cache"), skip_instance_cache=True)
    with cached.open("/large", block_size=100_000) as file:
        assert file.read(10) == DATA[:10]
        file.cache.multi_fetcher = Flaky(file._reader)
        file.seek(50_000)
        with pytest.raises(secftp.ConnectionLost):
            file.read(500_000)
    again = fsspec.filesystem("blockcache", fs=fs, cache_storage=str(tmp_path / "cache"), skip_instance_cache=True)
    with again.open("/large", block_size=100_000) as file:
        assert file.cache.blocks == {0, 1}
        assert file.read() == DATA


def test_a_zip_file_at_the_server(server, tree):
    with zipfile.ZipFile(tree / "it.zip", "w") as archive:
        archive.writestr("inside", DATA[:50_000])
    fs = opened(server)
    zipped = fsspec.filesystem("zip", fo=fs.open("/it.zip"))
    assert zipped.cat("inside") == DATA[:50_000]
    fs.close()


def test_it_is_pickled_without_a_key_and_opened_again(fs, tree):
    file = fs.open("/large", block_size=50_000)
    file.seek(1000)
    dumped = pickle.dumps(file)
    assert KEY.encode() not in dumped
    again = pickle.loads(dumped)
    assert (again.path, again.tell(), again.blocksize) == ("/large", 1000, 50_000)
    assert again.read(10) == file.read(10) == DATA[1000:1010]
    again.fs.close()
    (tree / "large").write_bytes(b"changed")
    with pytest.raises(secftp.FileChanged):
        pickle.loads(dumped)
    pickle.loads(pickle.dumps(fs)).close()
    with pytest.raises(TypeError):
        pickle.dumps(fs.client.open("/d/a"))


def test_a_pickle_is_of_one_version_also_if_size_and_time_are_kept(fs, tree):
    with fs.open("/large") as file:
        file.read(10)
        dumped = pickle.dumps(file)
        (tree / "new").write_bytes(DATA[::-1])
        status = (tree / "large").stat()
        os.utime(tree / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
        (tree / "new").rename(tree / "large")
    with pickle.loads(dumped) as again, pytest.raises(secftp.FileChanged):
        again.read(10)
    again.fs.close()


def test_text_and_lines(fs, tree):
    (tree / "text").write_bytes("ä\nb\r\nc".encode())
    with fs.open("/text", "r", encoding="utf-8") as file:
        assert list(file) == ["ä\n", "b\n", "c"]
    with fs.open("/text", "rt", encoding="latin-1", newline="") as file:
        assert file.read() == "ä\nb\r\nc".encode().decode("latin-1")
    with fs.open("/text") as file:
        assert list(file) == ["ä\n".encode(), b"b\r\n", b"c"]
