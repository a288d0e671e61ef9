"""A wrong key, a server that is gone, and files that change: always an exception, never wrong or missing data."""

from __future__ import annotations

import os

import dask.dataframe
import duckdb
import fsspec
import pandas
import polars
import pyarrow.dataset
import pytest
import xarray
import zarr

import secftp
from tests.data.tables import table
from tests.support.serving import HOST, listing, until

ROWS = 60_000


def duckdb_query(filesystem, query):
    with duckdb.connect() as database:
        database.register_filesystem(filesystem)
        try:
            return database.sql(query).fetchall()
        finally:
            database.unregister_filesystem("secftp")


def polars_read(filesystem, path):
    with filesystem.open(path) as file:
        return polars.read_parquet(file)


# Each reads the directory at `path` or `url`.
READERS = {
    "pandas csv": lambda url, _path, _fs, options: pandas.read_csv(f"{url}/t.csv", storage_options=options),
    "pandas parquet": lambda url, _path, _fs, options: pandas.read_parquet(f"{url}/set", storage_options=options),
    "pandas glob": lambda url, _path, _fs, options: pandas.concat(
        pandas.read_csv(file) for file in fsspec.open_files(f"{url}/*.csv", **options)
    ),
    "pyarrow": lambda _url, path, fs, _options: pyarrow.dataset.dataset(f"{path}/set", filesystem=fs).to_table(),
    "pyarrow selector": lambda _url, path, fs, _options: pyarrow.fs.PyFileSystem(
        pyarrow.fs.FSSpecHandler(fs)
    ).get_file_info(pyarrow.fs.FileSelector(path, allow_not_found=True, recursive=True)),
    "polars": lambda _url, path, fs, _options: polars_read(fs, f"{path}/t.parquet"),
    "dask csv": lambda url, _path, _fs, options: dask.dataframe.read_csv(
        f"{url}/*.csv", storage_options=options
    ).compute(scheduler="sync"),
    "dask parquet": lambda url, _path, _fs, options: dask.dataframe.read_parquet(
        f"{url}/set", storage_options=options
    ).compute(scheduler="sync"),
    "duckdb": lambda url, _path, fs, _options: duckdb_query(fs, f"FROM '{url}/t.parquet'"),
    "duckdb glob": lambda url, _path, fs, _options: duckdb_query(fs, f"SELECT * FROM glob('{url}/*.csv')"),
    "zarr": lambda url, _path, _fs, options: zarr.open_group(f"{url}/z", mode="r", storage_options=options),
    "zarr new": lambda url, _path, _fs, options: zarr.open_group(f"{url}/z", mode="a", storage_options=options),
    "xarray": lambda url, _path, _fs, options: xarray.open_zarr(f"{url}/z", storage_options=options, chunks=None),
    "exists": lambda _url, path, fs, _options: fs.exists(f"{path}/t.csv"),
    "simplecache": lambda url, _path, _fs, options: pandas.read_csv(
        f"simplecache::{url}/t.csv", storage_options={"secftp": options}
    ),
}


@pytest.fixture(params=READERS)
def read(request):
    return READERS[request.param]


@pytest.mark.filterwarnings("ignore:Failed to open Zarr store:RuntimeWarning")
def test_a_wrong_key(remote, read, wrong_key):
    options = {"key_file": wrong_key}
    filesystem = fsspec.filesystem("secftp", **remote.host, **options)
    with pytest.raises(Exception, match="key") as caught:
        read(remote.url, remote.path, filesystem, options)
    assert_the_cause(caught.value, PermissionError)
    assert listing(remote.root) == []


@pytest.mark.filterwarnings("ignore:Failed to open Zarr store:RuntimeWarning")
def test_no_server(key_file, read, tmp_path):
    options = {"key_file": str(key_file), "timeout": 5}
    with secftp.Server(tmp_path, key_file=key_file, host=HOST) as gone:
        url = gone.url
    filesystem, _ = fsspec.url_to_fs(url, **options)
    with pytest.raises(Exception) as caught:  # some of them wrap it
        read(f"{url}/d", "/d", filesystem, options)
    assert_the_cause(caught.value, ConnectionError)


def assert_the_cause(problem, kind):
    """An exception is one of a kind, was raised from one, or names it, as duckdb does, which has classes of its own."""
    chain = []
    while problem is not None:
        chain.append(problem)
        problem = problem.__cause__ or problem.__context__
    assert any(isinstance(each, kind) or kind.__name__ in str(each) for each in chain) or any(
        name in str(chain[0]) for name in ("AuthenticationError", "ConnectFailed", "refused")
    ), chain


def test_a_file_that_changes_while_it_is_read(remote):
    written = table(ROWS)
    written.to_csv(remote.of("t.csv"), index=False, storage_options=remote.options)
    shifted = written.assign(number=written["number"] + ROWS).to_csv(index=False)

    with pandas.read_csv(remote.of("t.csv"), storage_options=remote.options, chunksize=100) as pieces:
        first = next(pieces)
        assert first["number"].tolist() == list(range(100))
        (remote.root / "new").write_text(shifted)
        os.replace(remote.root / "new", remote.root / "t.csv")
        numbers = []
        with pytest.raises(OSError, match="changed"):
            numbers.extend(piece["number"].max() for piece in pieces)
    assert len(numbers) < ROWS // 100 - 1
    assert max(numbers, default=0) < ROWS, "rows of another version"


def test_a_column_of_a_file_that_changed(remote):
    filesystem = remote.filesystem()
    table(ROWS).to_parquet(remote.of("t.parquet"), storage_options=remote.options, row_group_size=1000)
    with filesystem.open(f"{remote.path}/t.parquet") as file:
        parquet = pyarrow.parquet.ParquetFile(file)
        assert parquet.metadata.num_row_groups == ROWS // 1000
        table(ROWS).assign(number=7).to_parquet(remote.root / "t.parquet", row_group_size=1000)
        with pytest.raises(OSError, match="changed"):
            parquet.read(columns=["number", "text"])


@pytest.fixture
def ending(tmp_path, key_file):
    """A server that a test stops, with the directory that it serves and the options for it."""
    directory = tmp_path / "data"
    directory.mkdir()
    with secftp.Server(directory, key_file=key_file, host=HOST) as server:
        yield server, directory, {"key_file": str(key_file), "timeout": 5}


def test_a_server_that_goes_while_it_is_read(ending):
    server, directory, options = ending
    table(ROWS).to_csv(directory / "t.csv", index=False)
    rows = 0
    with pandas.read_csv(f"{server.url}/t.csv", storage_options=options, chunksize=100) as pieces:
        rows += len(next(pieces))
        server.stop(abort=True)
        with pytest.raises(ConnectionError):
            rows += sum(map(len, pieces))
    assert rows < ROWS


def test_a_server_that_goes_leaves_no_fill_values(ending):
    server, directory, options = ending
    array = zarr.create_array(
        f"{server.url}/a", shape=(20,), chunks=(5,), dtype="i4", fill_value=7, storage_options=options
    )
    array[:] = 1
    found = zarr.open_array(f"{server.url}/a", mode="r", storage_options=options)
    mapper = fsspec.get_mapper(f"{server.url}/a", **options)
    assert found[:5].tolist() == [1] * 5
    assert list(mapper.getitems(["c/0"], on_error="omit")) == ["c/0"]
    server.stop(abort=True)
    with pytest.raises(ConnectionError):
        found[:]
    with pytest.raises(ConnectionError):
        mapper.getitems(["c/0"], on_error="omit")
    with pytest.raises(ConnectionError):
        "c/0" in mapper  # noqa: B015
    assert len(listing(directory / "a" / "c")) == 4


@pytest.mark.filterwarnings("ignore:.*was closed while an exception was being handled:RuntimeWarning")
def test_a_server_that_goes_while_it_is_written(ending):
    server, directory, options = ending
    (directory / "t.csv").write_text("what was there")

    class Stops:
        """A value that takes the server away when it is written."""

        def __str__(self):
            server.stop(abort=True)
            return "late"

    frame = pandas.DataFrame({"x": [*range(200_000), Stops(), *range(200_000)]}, dtype=object)
    with pytest.raises(ConnectionError):
        frame.to_csv(f"{server.url}/t.csv", storage_options=options)
    until(lambda: listing(directory) == ["t.csv"], "nothing else is left")
    assert (directory / "t.csv").read_text() == "what was there"
