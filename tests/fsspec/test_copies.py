"""Copies to and from this machine: whole or not at all, with their times, told to callbacks; and their round trips."""

from __future__ import annotations

import io
import os
import stat

import pytest

import secftp
from tests.fsspec.serving import KEY, fs, opened, root, server
from tests.support.serving import listing
from tests.support.turns import counted_turns

pytestmark = pytest.mark.exhaustive

fsspec = pytest.importorskip("fsspec")

from fsspec.callbacks import Callback  # noqa: E402 - of an optional library

from secftp.errors import UsageError  # noqa: E402
from secftp.fsspec.rules import below  # noqa: E402
from secftp.transfer.download_pairs import DownloadPair, PairsDownload  # noqa: E402
from secftp.transfer.download_requests import EarlyRead  # noqa: E402

__all__ = ["fs", "root", "server"]

TIME = 1_234_567_890_123_456_789
LARGE = 24 << 20


@pytest.fixture
def here(tmp_path):
    directory = tmp_path / "here"
    (directory / "sub" / "deep").mkdir(parents=True)
    for name in ("a", "b.csv", "sub/c.csv", "sub/deep/d"):
        (directory / name).write_bytes(name.encode())
        os.utime(directory / name, ns=(TIME, TIME))
    (directory / "a").chmod(0o640)
    return directory


# --- whole, with times and permissions --------------------------------------------------------------------------------

PUTS = {
    "put of a file": (lambda fs, here: fs.put(f"{here}/a", "/new"), "new"),
    "put into a directory": (lambda fs, here: fs.put(f"{here}/a", "/made/"), "made/a"),
    "put below missing directories": (lambda fs, here: fs.put(f"{here}/a", "/x/y/new"), "x/y/new"),
    "put of a path": (lambda fs, here: fs.put(here / "a", "/new"), "new"),
    "put of lists": (lambda fs, here: fs.put([f"{here}/a"], ["/x/new"]), "x/new"),
    "put of a list": (lambda fs, here: fs.put([f"{here}/a"], "/x"), "x/a"),
    "put of a pattern": (lambda fs, here: fs.put(f"{here}/a*", "/x"), "x/a"),
    "put of a tree": (lambda fs, here: fs.put(str(here), "/x/y", recursive=True), "x/y/a"),
    "put of a tree below": (lambda fs, here: fs.put(str(here), "/x/", recursive=True), "x/here/a"),
    "put of contents": (lambda fs, here: fs.put(f"{here}/", "/x/", recursive=True), "x/a"),
    "put_file": (lambda fs, here: fs.put_file(f"{here}/a", "/x/new"), "x/new"),
    "put_file of a path": (lambda fs, here: fs.put_file(here / "a", "/new"), "new"),
    "put_file of a URL": (lambda fs, here: fs.put_file(f"file://{here}/a", fs.unstrip_protocol("/new")), "new"),
    "upload": (lambda fs, here: fs.upload(f"{here}/a", "/new"), "new"),
}


@pytest.mark.parametrize("name", PUTS)
def test_what_is_put_keeps_its_time_and_permissions(fs, root, here, name):
    put, target = PUTS[name]
    put(fs, here)
    assert (root / target).read_bytes() == b"a"
    assert (root / target).stat().st_mtime_ns == TIME
    assert stat.S_IMODE((root / target).stat().st_mode) == 0o640


GETS = {
    "get of a file": (lambda fs, here: fs.get("/t/a", f"{here}/new"), "new"),
    "get into a directory": (lambda fs, here: fs.get("/t/a", f"{here}/made/"), "made/a"),
    "get below missing directories": (lambda fs, here: fs.get("/t/a", f"{here}/x/y/new"), "x/y/new"),
    "get to a path": (lambda fs, here: fs.get("/t/a", here / "new"), "new"),
    "get of lists": (lambda fs, here: fs.get(["/t/a"], [f"{here}/x/new"]), "x/new"),
    "get of a list": (lambda fs, here: fs.get(["/t/a"], f"{here}/x"), "x/a"),
    "get of a pattern": (lambda fs, here: fs.get("/t/a*", f"{here}/x"), "x/a"),
    "get of a pattern in trees": (lambda fs, here: fs.get("/t/**", f"{here}/x"), "x/a"),
    "get of a tree": (lambda fs, here: fs.get("/t", f"{here}/x/y", recursive=True), "x/y/a"),
    "get of a tree below": (lambda fs, here: fs.get("/t", f"{here}/x/", recursive=True), "x/t/a"),
    "get of contents": (lambda fs, here: fs.get("/t/", f"{here}/x/", recursive=True), "x/a"),
    "get of a level": (lambda fs, here: fs.get("/t", f"{here}/x", recursive=True, maxdepth=1), "x/a"),
    "get_file": (lambda fs, here: fs.get_file("/t/a", f"{here}/x/new"), "x/new"),
    "get_file of a URL": (lambda fs, here: fs.get_file(fs.unstrip_protocol("/t/a"), f"file://{here}/new"), "new"),
    "download": (lambda fs, here: fs.download("/t/a", f"{here}/new"), "new"),
}


@pytest.mark.parametrize("name", GETS)
def test_what_is_got_keeps_its_time_and_permissions(fs, root, here, tmp_path, name):
    here.rename(root / "t")
    here.mkdir()
    get, target = GETS[name]
    get(fs, here)
    assert (here / target).read_bytes() == b"a"
    assert (here / target).stat().st_mtime_ns == TIME
    assert stat.S_IMODE((here / target).stat().st_mode) == 0o640


def test_directories_without_recursive_are_left(fs, root, here):
    fs.put(str(here), "/x")
    fs.put(f"{here}/*", "/y")
    assert listing(root) == ["y", "y/a", "y/b.csv"]
    fs.get("/y", str(here / "z"))
    assert not (here / "z").exists()
    fs.put_file(str(here / "sub"), "/sub")
    fs.get_file("/y", str(here / "made"))
    assert listing(here / "made") == []
    assert listing(root / "sub") == []


def test_levels_of_a_directory_keep_their_places(fs, root, here):
    """Whatever is alone in a directory: fsspec's own rule takes what all names have in common for the directory."""
    for name in ("b.csv", "sub/c.csv"):
        (here / name).unlink()
    for source, target, maxdepth, found in (
        ("", "/1", 1, ["a"]),
        ("/", "/2", 1, ["a"]),
        ("/sub", "/3", 2, ["deep", "deep/d"]),
        ("/sub", "/3/", 2, ["deep", "deep/d", "sub", "sub/deep", "sub/deep/d"]),
    ):
        fs.put(f"{here}{source}", target, recursive=True, maxdepth=maxdepth)
        assert listing(root / target.strip("/")) == found
    fs.get("/1/", f"{here}/x", recursive=True, maxdepth=1)
    fs.get("/3/deep", f"{here}/x", recursive=True, maxdepth=1)
    fs.copy("/1/", "/4", recursive=True, maxdepth=1)
    assert listing(here / "x") == ["a", "deep", "deep/d"]
    assert listing(root / "4") == ["a"]


def test_symlinks_here_are_followed(fs, root, here):
    (here / "link").symlink_to("a")
    (here / "sub" / "up").symlink_to("..")  # a loop
    fs.put(str(here), "/x", recursive=True)
    assert (root / "x" / "link").read_bytes() == b"a"
    assert not (root / "x" / "sub" / "up" / "sub").exists()


def test_no_directory_is_created_where_that_is_not_wanted(server, root, here):
    fs = opened(server, auto_mkdir=False)
    (root / "there").mkdir()
    fs.put_file(f"{here}/a", "/there/a")
    for put in (
        lambda: fs.put_file(f"{here}/a", "/x/new"),
        lambda: fs.put(f"{here}/a", "/x/new"),
        lambda: fs.put([f"{here}/a"], ["/x/new"]),
        lambda: fs.pipe_file("/x/new", b"1"),
        lambda: fs.pipe({"/x/new": b"1", "/x/newer": b"1"}),
        lambda: fs.open("/x/new", "wb"),
        lambda: fs.touch("/x/new"),
        lambda: fs.cp_file("/there/a", "/x/new"),
        lambda: fs.mv("/there/a", "/x/new"),
    ):
        with pytest.raises(FileNotFoundError):
            put()
    assert listing(root) == ["there", "there/a"]
    fs.close()


# --- failures ---------------------------------------------------------------------------------------------------------


class Meddler(Callback):
    """Does something once, when the first bytes have been moved."""

    def __init__(self, meddle):
        super().__init__()
        self._meddle = meddle

    def relative_update(self, inc=1):
        super().relative_update(inc)
        meddle, self._meddle = self._meddle, None
        if meddle is not None:
            meddle()


class Stopped(Exception):
    pass


def stop():
    raise Stopped


def test_a_download_that_breaks_off_leaves_what_was_there(fs, root, here):
    (root / "large").write_bytes(os.urandom(LARGE))
    for get in (
        lambda: fs.get_file("/large", str(here / "a"), callback=Meddler(stop)),
        lambda: fs.get("/large", str(here / "a"), callback=_Branching(stop)),
        lambda: fs.get(["/large"], [str(here / "a")], callback=_Branching(stop)),
        lambda: (
            fs.get_file("/large", str(here / "a"), callback=Meddler((root / "large").unlink), streams=1) or stop()
        ),  # one open file is read to its end
    ):
        with pytest.raises(Stopped):
            get()
        (root / "large").write_bytes(os.urandom(LARGE))
        if (here / "a").stat().st_size != LARGE:
            assert (here / "a").read_bytes() == b"a"
    assert [name for name in listing(here) if name.startswith(".")] == []


class _Branching(Callback):
    def __init__(self, meddle):
        super().__init__()
        self._meddle = meddle

    def branched(self, path_1, path_2, **kwargs):
        return Meddler(self._meddle)


def test_a_source_that_shrinks_is_an_error_and_is_not_there(fs, root, here):
    source = here / "large"
    for put in (
        lambda callback: fs.put_file(str(source), "/large", callback=callback),
        lambda callback: fs.put([str(source)], ["/large"], callback=_Once(callback)),
    ):
        source.write_bytes(bytes(LARGE))
        with pytest.raises(secftp.FileChanged):
            put(Meddler(lambda: os.truncate(source, LARGE // 2)))
        assert listing(root) == []


class _Once(Callback):
    def __init__(self, callback):
        super().__init__()
        self._callback = callback

    def branched(self, path_1, path_2, **kwargs):
        return self._callback


def test_failures_name_the_file(fs, root, here):
    (root / "d").mkdir()
    (root / "file").write_bytes(b"1")
    missing = f"{here}/missing"
    for call, kind, name in (
        (lambda: fs.get("/missing", str(here / "x")), FileNotFoundError, "/missing"),
        (lambda: fs.get_file("/missing", str(here / "x")), FileNotFoundError, "/missing"),
        (lambda: fs.get(["/missing"], [str(here / "x")]), FileNotFoundError, "/missing"),
        (lambda: fs.get("/missing/*", str(here / "x")), FileNotFoundError, "/missing/*"),
        (lambda: fs.put(missing, "/x"), FileNotFoundError, missing),
        (lambda: fs.put_file(missing, "/x"), FileNotFoundError, missing),
        (lambda: fs.put([missing], ["/x"]), FileNotFoundError, missing),
        (lambda: fs.put(f"{missing}*", "/x"), FileNotFoundError, f"{missing}*"),
        (lambda: fs.put_file(f"{here}/a", "/d"), IsADirectoryError, "/d"),
        (lambda: fs.put_file(f"{here}/a", "/"), IsADirectoryError, "/"),
        (lambda: fs.get_file("/d", f"{here}/a"), FileExistsError, f"{here}/a"),
        (lambda: fs.pipe_file("/d", b""), IsADirectoryError, "/d"),
        (lambda: fs.pipe({"/d": b"", "/e": b""}), IsADirectoryError, "/d"),
        (lambda: fs.info("/missing"), FileNotFoundError, "/missing"),
        (lambda: fs.sizes(["/missing"]), FileNotFoundError, "/missing"),
        (lambda: fs.cp_file("/missing", "/x"), FileNotFoundError, "/missing"),
        (lambda: fs.cp_file("/file", "/d"), IsADirectoryError, "/d"),
        (lambda: fs.mv("/missing", "/x"), FileNotFoundError, "/missing"),
    ):
        with pytest.raises(kind) as raised:
            call()
        assert raised.value.filename == name
    assert listing(here) == ["a", "b.csv", "sub", "sub/c.csv", "sub/deep", "sub/deep/d"]


def test_one_failure_does_not_keep_the_others_from_being_copied(fs, root, here):
    with pytest.raises(FileNotFoundError, match="missing") as raised:
        fs.put([f"{here}/missing", f"{here}/a", f"{here}/gone"], ["/1", "/2", "/3"])
    assert raised.value.__notes__ == ["1 more failed like this one; 1 were copied."]
    assert listing(root) == ["2"]
    (root / "d").mkdir()
    with pytest.raises(secftp.CopyIncomplete):
        fs.put([f"{here}/missing", f"{here}/a"], ["/1", "/d"])
    with pytest.raises(FileNotFoundError):
        fs.get(["/missing", "/2"], [f"{here}/x", f"{here}/y"])
    assert (here / "y").read_bytes() == b"a"


def test_a_file_that_must_be_new(fs, root, here):
    fs.put_file(f"{here}/a", "/new", mode="create")
    for put in (
        lambda: fs.put_file(f"{here}/b.csv", "/new", mode="create"),
        lambda: fs.put([f"{here}/b.csv"], ["/new"], mode="create"),
        lambda: fs.put(f"{here}/b.csv", "/new", mode="create"),
        lambda: fs.pipe_file("/new", b"x", mode="create"),
        lambda: fs.open("/new", "xb"),
    ):
        with pytest.raises(FileExistsError) as raised:
            put()
        assert raised.value.filename == "/new"
    assert (root / "new").read_bytes() == b"a"


def test_why_a_directory_could_not_be_created_matters_only_where_it_is_missing(fs, root, here, monkeypatch):
    def refuse(*_arguments, **_options):
        raise secftp.NoSpace("No space left on the device")

    (root / "box").mkdir()
    monkeypatch.setattr("secftp.storage.LocalStore.make_directory", refuse)
    fs.put_file(f"{here}/a", "/box/a")
    fs.put([f"{here}/a", f"{here}/b.csv"], ["/box/b", "/box/c"])
    assert listing(root) == ["box", "box/a", "box/b", "box/c"]
    for put in (
        lambda: fs.put_file(f"{here}/a", "/missing/a"),
        lambda: fs.put([f"{here}/a", f"{here}/b.csv"], ["/missing/a", "/box/d"]),
        lambda: fs.pipe({"/missing/a": b"", "/box/e": b""}),
    ):
        with pytest.raises(secftp.NoSpace):
            put()
    assert listing(root / "box") == ["a", "b", "c", "d", "e"]


def test_a_file_that_can_not_be_created_is_not_fetched(fs, root, here, monkeypatch):
    """Its request is under way before that is known."""
    (root / "large").write_bytes(bytes(LARGE))
    cancelled = []
    cancel = EarlyRead.cancel
    monkeypatch.setattr(EarlyRead, "cancel", lambda self: cancelled.append(cancel(self)))
    with pytest.raises(IsADirectoryError):
        fs.get_file("/large", str(here / "sub"))
    assert len(cancelled) == 1
    assert fs.size("/large") == LARGE


def test_a_name_from_a_server_stays_below_the_target(fs, root, here):
    """Whatever a listing says: the names that follow from it, and the store that creates the files."""
    (root / "x").write_bytes(b"1")
    for name in ("/here/../outside", "/elsewhere/x", "/herex"):
        with pytest.raises(UsageError, match="outside"):
            below("/here", name)
    assert below("/here/", "/here/a/b") == (b"a", b"b")
    fs_path = (b"x",)
    for local in ((b"..", b"x"), (b"sub", b"..", b"..", b"x")):
        copy = PairsDownload([DownloadPair(fs_path, local)], str(here))
        with fs.client._pool.session(long=True) as session:
            summary = copy.run(session)
        assert (summary.failed, summary.files) == (1, 0)
    assert not (here.parent / "x").exists()


def test_into_a_file_object(fs, root):
    (root / "file").write_bytes(b"contents")
    into, seen = io.BytesIO(), []
    fs.get_file("/file", into, callback=Callback(hooks={"seen": lambda size, value: seen.append((size, value))}))
    assert into.getvalue() == b"contents"
    assert seen[-1] == (8, 8)
    fs.get_file("/file", None, outfile=into)
    assert into.getvalue() == b"contentscontents"


# --- callbacks --------------------------------------------------------------------------------------------------------


class Recorder(Callback):
    """Keeps what it was told; `branches` has those of files by their paths."""

    def __init__(self):
        super().__init__()
        self.branches = {}
        self.closed = 0

    def branched(self, path_1, path_2, **kwargs):
        branch = self.branches[path_1, path_2] = Recorder()
        return branch

    def close(self):
        self.closed += 1


@pytest.mark.parametrize("size", [0, 1, 32 << 10, (32 << 10) + 1, 3 << 20])
def test_callbacks_count_files_and_their_bytes(fs, root, here, size):
    names = [f"f{number}" for number in range(5)]
    for name in names:
        (here / name).write_bytes(bytes(size))
    put, got, one = Recorder(), Recorder(), Recorder()
    fs.put([f"{here}/{name}" for name in names], [f"/x/{name}" for name in names], callback=put)
    fs.get([f"/x/{name}" for name in names], [f"{here}/y/{name}" for name in names], callback=got)
    for recorder, pairs in (
        (put, {(f"{here}/{name}", f"/x/{name}") for name in names}),
        (got, {(f"/x/{name}", f"{here}/y/{name}") for name in names}),
    ):
        assert (recorder.size, recorder.value) == (5, 5)
        assert set(recorder.branches) == pairs
        assert {(branch.size, branch.value, branch.closed) for branch in recorder.branches.values()} == {
            (size, size, 1)
        }
    fs.put_file(f"{here}/f0", "/z", callback=one)
    assert (one.size, one.value, one.branches, one.closed) == (size, size, {}, 0)
    fs.get_file("/z", f"{here}/z", callback=(one := Recorder()))
    assert (one.size, one.value, one.branches, one.closed) == (size, size, {}, 0)


def test_callbacks_of_trees(fs, root, here):
    put, got = Recorder(), Recorder()
    fs.put(str(here), "/x", recursive=True, callback=put)
    fs.get("/x", str(here / "y"), recursive=True, callback=got)
    for recorder in (put, got):
        assert (recorder.size, recorder.value) == (4, 4)
        assert sum(branch.value for branch in recorder.branches.values()) == len("ab.csvsub/c.csvsub/deep/d")


# --- round trips ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, 100 << 10])
def test_no_round_trip_for_a_file(monkeypatch, root, here, size):
    """As many as those of the client, whose copies they are; connecting is among them."""
    names = [f"f{number}" for number in range(20)]
    for name in names:
        (here / name).write_bytes(bytes(size))
    (root / "there").mkdir()
    sources = [f"{here}/{name}" for name in names]

    def turns(act):
        with counted_turns(monkeypatch) as line, secftp.Server(root, KEY) as server:
            act(server)
            return line.turns

    def client(act):
        def use(server):
            with secftp.connect(server.url, key=KEY) as client:
                act(client)

        return use

    def file_system(act):
        def use(server):
            fs = opened(server)
            act(fs)
            fs.close()

        return use

    counted = {
        "put": (
            turns(client(lambda client: client.put(sources, "there"))),
            turns(file_system(lambda fs: fs.put(sources, "/there"))),
        ),
        "get": (
            turns(client(lambda client: client.get([f"there/{name}" for name in names], f"{here}/sub"))),
            turns(file_system(lambda fs: fs.get([f"/there/{name}" for name in names], f"{here}/sub"))),
        ),
        "put of a tree": (
            turns(client(lambda client: client.put(here, "tree"))),
            turns(file_system(lambda fs: fs.put(str(here), "/tree", recursive=True))),
        ),
        "get of a tree": (
            turns(client(lambda client: client.get("tree", here / "new"))),
            turns(file_system(lambda fs: fs.get("/tree", f"{here}/newer", recursive=True))),
        ),
        "put of a file": (
            turns(client(lambda client: client.put(sources[0], "file"))),
            turns(file_system(lambda fs: fs.put(sources[0], "/file"))),
        ),
        "put_file": (
            turns(client(lambda client: client.put(sources[0], "file"))),
            turns(file_system(lambda fs: fs.put_file(sources[0], "/file"))),
        ),
        "get of a file": (
            turns(client(lambda client: client.get("file", here / "file"))),
            turns(file_system(lambda fs: fs.get("/file", f"{here}/file"))),
        ),
        "get_file": (
            turns(client(lambda client: client.get("file", here / "file"))),
            turns(file_system(lambda fs: fs.get_file("/file", f"{here}/file"))),
        ),
    }
    assert {name: pair for name, pair in counted.items() if pair[1] > pair[0]} == {}


def test_a_missing_source_is_blamed_and_not_a_missing_target(fs, here):
    with pytest.raises(secftp.NotFound) as caught:
        fs.get("/missing", f"{here}/x/y/z")
    assert str(caught.value).startswith("missing: ")
    assert not (here / "x").exists()


# --- shards -----------------------------------------------------------------------------------------------------------


def test_shards_have_each_file_once(fs, root, here):
    """Of a tree, of a pattern, of lists and of a file by itself; in a transaction, too."""
    files = ["a", "b.csv", "sub/c.csv", "sub/deep/d"]
    for shard in ((1, 2), (2, 2)):
        fs.put(f"{here}/", "/tree", recursive=True, shard=shard)
    assert listing(root / "tree") == listing(here)
    arrived = []
    for shard in ((1, 3), (2, 3), (3, 3)):
        fs.put([f"{here}/{name}" for name in files], [f"/lists/{name}" for name in files], shard=shard)
        fs.put_file(f"{here}/a", "/alone", shard=shard)
        with fs.transaction:
            fs.put_file(f"{here}/a", "/later", shard=shard)
        arrived.append(fs.find("/lists"))
    assert (root / "alone").read_bytes() == (root / "later").read_bytes() == b"a"
    fetched = []
    for number in (1, 2, 3):
        fs.get("/tree/", f"{here}/back", recursive=True, shard=(number, 3), results=f"{here}/results")
        fs.get("/tree/**/*.csv", f"{here}/globs", shard=(number, 3))
        before = set(os.listdir(here))
        fs.get_file("/tree/a", f"{here}/one", shard=(number, 3))
        fetched += set(os.listdir(here)) - before
    assert fetched == ["one"]
    assert len((here / "results").read_text().splitlines()) == 4
    assert sum(len(names) for _, _, names in os.walk(here / "back")) == 4
    assert arrived[0] != arrived[2] == sorted(f"/lists/{name}" for name in files)
