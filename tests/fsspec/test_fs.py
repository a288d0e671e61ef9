"""`secftp://` in fsspec: URLs, listings, ranges and transactions, used through fsspec alone."""

from __future__ import annotations

import gc
import io
import pickle
import subprocess
import sys
import tomllib
import warnings
import zipfile
from pathlib import Path

import pytest

import secftp
from tests.support.programs import root, served
from tests.support.serving import listing

fsspec = pytest.importorskip("fsspec")

__all__ = ["root", "served"]

KEY = "a key for these tests"
PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


@pytest.fixture(autouse=True)
def registered():
    """As the entry point does it, whether this checkout is installed with it or not."""
    specs = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"]["fsspec.specs"]
    fsspec.register_implementation("secftp", specs["secftp"].replace(":", "."), clobber=True)


@pytest.fixture
def fs(tmp_path):
    directory = tmp_path / "root"
    (directory / "folder" / "empty").mkdir(parents=True)
    (directory / "file").write_bytes(b"0123456789")
    (directory / "folder" / "below").write_bytes(b"12")
    with secftp.Server(directory, KEY) as server:
        found = fsspec.filesystem("secftp", host="127.0.0.1", port=server.port, key=KEY, skip_instance_cache=True)
        found.root = directory
        yield found
        found.close()


def test_a_url_is_all_that_is_needed(fs):
    url = fs.unstrip_protocol("/folder/it")
    assert url == f"secftp://127.0.0.1:{fs._location.port}/folder/it"
    with fsspec.open(url, "wb", key=KEY) as file:
        file.write(b"by URL")
    with fsspec.open(url, "rt", key=KEY, encoding="utf-8") as text:
        assert text.read() == "by URL"
    found, path = fsspec.core.url_to_fs(url, key=KEY)
    assert path == "/folder/it"
    assert found.cat(path) == b"by URL"
    found.close()


def test_names(fs):
    strip = type(fs)._strip_protocol
    assert strip("secftp://host:8888/a/b%20c/") == "/a/b c"
    assert strip("a/b") == strip("/a/b/") == "/a/b"
    assert strip("") == strip("/") == strip("secftp://host") == "/"
    assert type(fs)._get_kwargs_from_urls("secftp://joe@host/x") == {"host": "host", "port": 8888, "username": "joe"}
    for name in ("/a b/%25/ü", "/100%", "/%4", "/%zz%20", "/a::b:::c", "/x?y#z*[a]", "/\udcff", "/a\nb", "/%3A%3A"):
        assert fs._strip_protocol(fs.unstrip_protocol(name)) == name
    assert strip("secftp://host/100% sure") == "/100% sure"


def test_urls_of_names_are_the_names_where_they_can_be(fs):
    """Libraries carry the end of a URL over to another file system, which takes it as a name."""
    assert fs.unstrip_protocol("/a b/ü%?#*").endswith("/a b/ü%?#*")
    assert fs.unstrip_protocol("/a%20b").endswith("/a%2520b")
    assert fs.unstrip_protocol("/a::b").endswith("/a%3A%3Ab")
    assert fs.unstrip_protocol("") == f"secftp://127.0.0.1:{fs._location.port}/"


@pytest.mark.parametrize("text", ["false", "False", "0", "no", " off "])
def test_options_may_be_texts_as_in_a_configuration(fs, text):
    kind, port = type(fs), str(fs._location.port)
    made = kind("127.0.0.1", port, key=KEY, anonymous=text, timeout="20", auto_mkdir=text, skip_instance_cache=True)
    assert (made._arguments["anonymous"], made._arguments["timeout"], made.auto_mkdir) == (False, 20.0, False)
    assert made.exists("file")
    made.close()
    with pytest.raises(ValueError, match="No key"):  # and not an anonymous session
        kind("127.0.0.1", port, anonymous=text, skip_instance_cache=True).exists("file")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"anonymous": "perhaps"}, "anonymous must be true or false"),
        ({"anonymous": 1}, "anonymous must be True or False"),
        ({"timeout": "soon"}, "timeout must be a number"),
    ],
)
def test_texts_that_are_not_understood_are_refused(fs, option, said):
    with pytest.raises(ValueError, match=said):
        type(fs)("127.0.0.1", key=KEY, **option)


def test_a_file_system_that_is_not_closed_warns_of_nothing(fs):
    """Libraries that make one for their user never close it."""
    program = (
        "import fsspec, sys\n"
        "kept = fsspec.filesystem('secftp', host='127.0.0.1', port=int(sys.argv[1]), key=sys.argv[2])\n"
        "print(kept.cat('file').decode())\n"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(fs._location.port), KEY]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (result.stdout, result.stderr, result.returncode) == ("0123456789\n", "", 0)


def test_a_url_of_another_server_is_refused(fs):
    """The file of that name at the file system's own server would be returned."""
    own, port = fs.unstrip_protocol("/file"), fs._location.port
    for url in (own, own.upper().replace("FILE", "file"), "secftp:///file", "/file"):
        assert fs.cat_file(url) == b"0123456789"
    other = f"secftp://127.0.0.2:{port}/file"
    for url in (other, f"secftp://127.0.0.1:{port + 1}/file", "secftp://127.0.0.1/file", own.replace("//", "//joe@")):
        for call in (fs.cat_file, fs.open, fs.ls, fs.info, fs.glob, fs.exists, fs.rm, fs.find):
            with pytest.raises(ValueError, match="of another server"):
                call(url)
    first, second = fsspec.open_files([own, other], key=KEY)
    with first as file:
        assert file.read() == b"0123456789"
    with pytest.raises(ValueError, match="of another server"):
        second.open()
    first.fs.close()
    type(fs).clear_instance_cache()
    path = pickle.loads(pickle.dumps(type(fs)._strip_protocol(other)))
    assert path == "/file"
    with pytest.raises(ValueError, match="of another server"):
        fs.info(path)
    named = type(fs)("127.0.0.1", port, "joe", key=KEY, skip_instance_cache=True)
    assert named._strip_protocol(own) == named._strip_protocol(own.replace("//", "//joe@")) == "/file"


def test_what_is_missing_in_a_url_is_named(fs):
    with pytest.raises(ValueError, match="No server was given"):
        type(fs)(key=KEY)
    with pytest.raises(ValueError, match="within an IPv6 address") as caught:
        fsspec.open("secftp://[::1]:8888/x", key=KEY)
    assert "[2001:db8:0:0:0:0:0:7]" in caught.value.hint
    assert type(fs)._get_kwargs_from_urls("secftp://[0:0:0:0:0:0:0:1]/x")["host"] == "0:0:0:0:0:0:0:1"


def test_looking(fs):
    assert sorted(fs.ls("/", detail=False)) == ["/file", "/folder"]
    assert fs.ls("file") == [fs.info("/file")]
    found = fs.info("file")
    assert (found["name"], found["size"], found["type"]) == ("/file", 10, "file")
    assert fs.info("folder")["type"] == "directory"
    assert fs.find("/") == ["/file", "/folder/below"]
    assert fs.glob("/fo*/*") == ["/folder/below", "/folder/empty"]
    assert {top: (sorted(directories), sorted(files)) for top, directories, files in fs.walk("/folder")} == {
        "/folder": (["empty"], ["below"]),
        "/folder/empty": ([], []),
    }
    assert fs.exists("file")
    assert fs.isdir("folder")
    assert not fs.exists("missing")
    assert fs.du("/") == 12
    assert fs.modified("file").timestamp() == pytest.approx((fs.root / "file").stat().st_mtime, abs=1e-3)
    for call in (fs.ls, fs.info, fs.cat):
        with pytest.raises(FileNotFoundError):
            call("/missing")


@pytest.mark.parametrize(
    ("start", "end"), [(None, None), (2, None), (None, 3), (2, 5), (-3, None), (2, -2), (-5, -2), (8, 20)]
)
def test_parts_of_files(fs, start, end):
    assert fs.cat_file("file", start, end) == b"0123456789"[start:end]
    assert fs.cat_ranges(["file", "folder/below"], [start, 0], [end, 1]) == [b"0123456789"[start:end], b"1"]


def test_reading_and_writing(fs):
    with fs.open("new", "w", encoding="utf-8") as text:
        text.write("ä")
    assert (fs.root / "new").read_bytes() == "ä".encode()
    fs.pipe({"p1": b"1", "p2": b"2"})
    assert fs.cat(["p1", "p2"]) == {"/p1": b"1", "/p2": b"2"}
    with pytest.raises(FileExistsError):
        fs.pipe_file("p1", b"", mode="create")
    with pytest.raises(FileExistsError):
        fs.open("p1", "xb")
    with pytest.raises(ValueError, match="The mode must be"):
        fs.open("p1", "ab")
    fs.touch("p1")
    assert fs.size("p1") == 0
    before = fs.modified("p2")
    fs.touch("p2", truncate=False)
    assert fs.modified("p2") >= before
    assert fs.cat("p2") == b"2"
    with fs.open("z.gz", "wb", compression="gzip") as file:
        file.write(b"zipped" * 1000)
    with fs.open("z.gz", "rb", compression="infer") as file:
        assert file.read() == b"zipped" * 1000
    with fs.open("it.zip", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x", b"y")
    with zipfile.ZipFile(fs.open("it.zip")) as archive:
        assert archive.read("x") == b"y"


def test_changing(fs, tmp_path):
    fs.mkdir("a/b")
    fs.makedirs("a/b/c/d")
    fs.makedirs("a/b/c/d", exist_ok=True)
    with pytest.raises(FileExistsError):
        fs.makedirs("a/b")
    fs.rmdir("a/b/c/d")
    fs.mv("file", "a/b/c/file")
    fs.mv("a", "z")
    assert listing(fs.root / "z") == ["b", "b/c", "b/c/file"]
    fs.rm_file("z/b/c/file")
    fs.rm("folder", recursive=True)
    fs.rm("z", recursive=True)
    assert listing(fs.root) == []
    (tmp_path / "local" / "sub").mkdir(parents=True)
    (tmp_path / "local" / "sub" / "x").write_bytes(b"x")
    fs.put(str(tmp_path / "local"), "/up", recursive=True)
    assert listing(fs.root) == ["up", "up/sub", "up/sub/x"]
    fs.get("/up", str(tmp_path / "down"), recursive=True)
    assert listing(tmp_path / "down") == ["sub", "sub/x"]


def test_a_transaction_is_all_or_nothing(fs):
    with fs.transaction:
        for name in ("one", "two"):
            with fs.open(name, "wb") as file:
                file.write(name.encode())
                assert file.tell() == 3
        assert not fs.exists("one")
    assert fs.cat(["one", "two"]) == {"/one": b"one", "/two": b"two"}

    def fail():
        with fs.transaction:
            with fs.open("three", "wb") as file:
                file.write(b"x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not fs.exists("three")


def test_a_block_that_fails_writes_nothing(fs):
    def fail():
        with fsspec.open(fs.unstrip_protocol("/x"), "wb", key=KEY) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), pytest.warns(RuntimeWarning, match="not written"):
        fail()
    assert not fs.exists("x")
    fsspec.filesystem("secftp", host="127.0.0.1", port=fs._location.port, key=KEY).close()


@pytest.mark.parametrize("mode", ["wb", "wt"])
def test_what_is_compressed_is_not_written_by_a_block_that_fails(fs, mode):
    def fail():
        with fs.open("x.gz", mode, compression="infer") as file:
            file.write(b"half" if mode == "wb" else "half")
            raise ZeroDivisionError

    warnings.simplefilter("ignore", RuntimeWarning)
    with pytest.raises(ZeroDivisionError):
        fail()
    held = [fs.open("x.gz", mode, compression="infer")]
    held[0].write(b"half" if mode == "wb" else "half")
    held.clear()
    gc.collect()
    assert not fs.exists("x.gz")


def test_it_travels_between_processes_and_connects_when_it_is_used(fs):
    again = pickle.loads(pickle.dumps(fs))
    assert again._client is None or again is fs
    assert again.cat("file") == b"0123456789"
    again.close()
    assert again.cat("file") == b"0123456789"
    again.close()


def test_a_file_stands_where_a_binary_file_may(fs):
    with fs.open("file") as file:
        assert io.BufferedReader(file).read(3) == b"012"
