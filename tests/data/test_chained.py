"""URLs within URLs: archives at the server, and the caches of fsspec in front of it."""

from __future__ import annotations

import io
import tarfile
import zipfile

import fsspec
import pandas
import pytest

from tests.data.tables import table
from tests.support.serving import listing

# pyarrow does not close the files of a cache, and a block cache does not close its own.
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed file <_io.Buffered", "ignore:Exception ignored in. <_io.FileIO name=.*cache"
)

CACHES = ["simplecache", "filecache", "blockcache"]


@pytest.fixture
def archives(remote):
    with zipfile.ZipFile(remote.root / "it.zip", "w") as archive:
        archive.writestr("a/inside.csv", "x,y\n1,2\n")
        archive.writestr("a/other.csv", "x,y\n3,4\n")
    with tarfile.open(remote.root / "it.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("inside.csv")
        member.size = 8
        archive.addfile(member, io.BytesIO(b"x,y\n1,2\n"))
    return remote


@pytest.mark.parametrize("name", ["zip://a/inside.csv::{}/it.zip", "tar://inside.csv::{}/it.tar.gz"])
def test_files_in_archives(archives, name):
    url = name.format(archives.url)
    with fsspec.open(url, secftp=archives.options) as file:
        assert file.read() == b"x,y\n1,2\n"
    found = pandas.read_csv(url, storage_options={"secftp": archives.options})
    assert found.to_dict("list") == {"x": [1], "y": [2]}


def test_an_archive_as_a_file_system(archives):
    filesystem, _ = fsspec.url_to_fs(f"zip://::{archives.of('it.zip')}", secftp=archives.options)
    assert filesystem.find("") == ["a/inside.csv", "a/other.csv"]
    assert filesystem.cat("a/other.csv") == b"x,y\n3,4\n"
    with fsspec.open_files(f"zip://a/*.csv::{archives.of('it.zip')}", secftp=archives.options) as files:
        assert [file.read(8) for file in files] == [b"x,y\n1,2\n", b"x,y\n3,4\n"]


def test_an_archive_that_is_written(remote):
    options = {"secftp": remote.options, "zip": {"mode": "w"}}
    archive, path = fsspec.url_to_fs(f"zip://new.csv::{remote.of('new.zip')}", **options)
    with archive.open(path, "wb") as file:
        file.write(b"contents")
    assert not (remote.root / "new.zip").exists(), "it is not complete"
    archive.close()
    del archive  # which is when fsspec closes the file that the archive is written to
    with zipfile.ZipFile(remote.root / "new.zip") as archive:
        assert archive.read("new.csv") == b"contents"


@pytest.mark.parametrize("cache", CACHES)
def test_a_cache(remote, tmp_path, cache):
    data = bytes(range(256)) * 40_000  # two blocks of a block cache, not complete ones
    (remote.root / "file").write_bytes(data)
    options = {"secftp": remote.options, cache: {"cache_storage": str(tmp_path / "cache")}}
    for _ in range(2):
        with fsspec.open(f"{cache}::{remote.of('file')}", **options) as file:
            file.seek(6_000_000)
            assert file.read(1000) == data[6_000_000:6_001_000]
            file.seek(-5, 2)
            assert file.read() == data[-5:]
            file.seek(0)
            assert file.read() == data
    filesystem, path = fsspec.url_to_fs(f"{cache}::{remote.of('file')}", **options)
    assert filesystem.cat_file(path, 10, 20) == data[10:20]
    assert filesystem.size(path) == len(data)
    assert sorted(filesystem.ls(remote.path, detail=False)) == [f"{remote.path}/file"]


@pytest.mark.parametrize("cache", CACHES)
def test_a_cache_of_a_table(remote, tmp_path, cache):
    table(2000).to_parquet(remote.of("t.parquet"), storage_options=remote.options)
    options = {"secftp": remote.options, cache: {"cache_storage": str(tmp_path / "cache")}}
    found = pandas.read_parquet(f"{cache}::{remote.of('t.parquet')}", storage_options=options, columns=["number"])
    assert found["number"].tolist() == list(range(2000))


def test_a_cache_sees_a_new_version(remote, tmp_path):
    (remote.root / "file").write_bytes(b"old")
    options = {
        "secftp": remote.options,
        "filecache": {"cache_storage": str(tmp_path / "cache"), "check_files": True},
    }
    with fsspec.open(f"filecache::{remote.of('file')}", **options) as file:
        assert file.read() == b"old"
    (remote.root / "file").write_bytes(b"newer")
    with fsspec.open(f"filecache::{remote.of('file')}", **options) as file:
        assert file.read() == b"newer"


@pytest.mark.parametrize("cache", ["simplecache", "filecache"])
def test_writing_through_a_cache(remote, tmp_path, cache):
    options = {"secftp": remote.options, cache: {"cache_storage": str(tmp_path / "cache")}}
    with fsspec.open(f"{cache}::{remote.of('new/file')}", "wb", **options) as file:
        file.write(b"contents")
    assert (remote.root / "new" / "file").read_bytes() == b"contents"
    assert listing(remote.root) == ["new", "new/file"]


@pytest.mark.parametrize("cache", CACHES)
def test_a_cache_keeps_nothing_of_what_failed(remote, tmp_path, cache, wrong_key):
    (remote.root / "file").write_bytes(b"contents")
    storage = {cache: {"cache_storage": str(tmp_path / "cache")}}

    def read(**options):
        with fsspec.open(f"{cache}::{remote.of('file')}", **storage, secftp=options) as file:
            return file.read()

    with pytest.raises(PermissionError):
        read(key_file=wrong_key)
    assert read(**remote.options) == b"contents"


def test_an_archive_in_a_cache(archives, tmp_path):
    options = {"secftp": archives.options, "filecache": {"cache_storage": str(tmp_path / "cache")}}
    with fsspec.open(f"zip://a/inside.csv::filecache::{archives.of('it.zip')}", **options) as file:
        assert file.read() == b"x,y\n1,2\n"
