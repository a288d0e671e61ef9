"""dask: tables in many files, written and read by two processes, which get the file system as a pickle."""

from __future__ import annotations

import dask
import dask.bag
import dask.dataframe
import distributed
import pytest
from pandas.testing import assert_frame_equal

from tests.data.tables import table
from tests.support.serving import listing

ROWS = 1200


@pytest.fixture(params=["processes", "cluster"])
def two_processes(request, tmp_path):
    """A scheduler that runs everything in two other processes."""
    if request.param == "processes":
        with dask.config.set(scheduler="processes", num_workers=2):
            yield
        return
    with (
        dask.config.set({"temporary-directory": str(tmp_path)}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster),
    ):
        yield


@pytest.fixture
def rows():
    return dask.dataframe.from_pandas(table(ROWS), npartitions=4)


@pytest.mark.usefixtures("two_processes")
def test_tables_of_several_files(remote, rows):
    columns = ["number", "text", "kind", "part"]
    rows[columns].to_csv(remote.of("csv/part-*.csv"), index=False, storage_options=remote.options)
    assert listing(remote.root / "csv") == [f"part-{number}.csv" for number in range(4)]
    found = dask.dataframe.read_csv(remote.of("csv/*.csv"), storage_options=remote.options)
    assert found["number"].sum().compute() == sum(range(ROWS))

    rows.to_parquet(remote.of("parquet"), storage_options=remote.options, write_index=False)
    found = dask.dataframe.read_parquet(
        remote.of("parquet"), storage_options=remote.options, columns=["number", "kind"]
    )
    assert found.npartitions == 4
    counted = found.groupby("kind")["number"].sum().compute()
    assert counted.to_dict() == {kind: sum(range(start, ROWS, 3)) for start, kind in enumerate("abc")}


def test_a_large_file_in_blocks(remote):
    written = table(20_000)[["number", "kind"]]
    with remote.filesystem().open(f"{remote.path}/large.csv", "w") as file:
        written.to_csv(file, index=False)
    found = dask.dataframe.read_csv(remote.of("large.csv"), storage_options=remote.options, blocksize=20_000)
    assert found.npartitions > 5
    with dask.config.set(scheduler="threads"):
        assert_frame_equal(found.compute().reset_index(drop=True), written, check_dtype=False)


def test_partitions_by_column(remote, rows):
    rows.to_parquet(remote.of("by kind"), storage_options=remote.options, partition_on=["kind"])
    assert {path.name for path in (remote.root / "by kind").iterdir()} >= {"kind=a", "kind=b", "kind=c"}
    found = dask.dataframe.read_parquet(
        remote.of("by kind"), storage_options=remote.options, filters=[("kind", "==", "b")]
    )
    assert sorted(found["number"].compute()) == list(range(1, ROWS, 3))
    rows.partitions[0].to_parquet(remote.of("by kind"), storage_options=remote.options, overwrite=True)
    found = dask.dataframe.read_parquet(remote.of("by kind"), storage_options=remote.options)
    assert len(found) == ROWS // 4


def test_lines_and_bytes(remote):
    bag = dask.bag.from_sequence([f"line {number}" for number in range(100)], npartitions=3)
    bag.to_textfiles(remote.of("lines/*.txt.gz"), storage_options=remote.options)
    found = dask.bag.read_text(remote.of("lines/*.txt.gz"), storage_options=remote.options)
    assert sorted(found.str.strip().compute(scheduler="sync")) == sorted(f"line {number}" for number in range(100))
    sample, blocks = dask.bytes.read_bytes(remote.of("lines/*.txt.gz"), blocksize=None, sample=2, **remote.options)
    assert sample == b"\x1f\x8b"
    assert [len(part) for part in blocks] == [1, 1, 1]


def test_no_files_is_an_error(remote):
    with pytest.raises(OSError, match="resolved to no files"):
        dask.dataframe.read_csv(remote.of("missing/*.csv"), storage_options=remote.options).compute()
    with pytest.raises(FileNotFoundError):
        dask.dataframe.read_parquet(remote.of("missing"), storage_options=remote.options).compute()


@pytest.mark.usefixtures("two_processes")
def test_a_wrong_key_fails_the_computation(remote, rows, wrong_key):
    with pytest.raises(PermissionError):
        rows.to_parquet(remote.of("parquet"), storage_options={"key_file": wrong_key})
    with pytest.raises(PermissionError):
        rows.to_csv(remote.of("csv/*.csv"), storage_options={"key_file": wrong_key})
    assert listing(remote.root) == []
