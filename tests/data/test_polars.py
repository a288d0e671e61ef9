"""polars: file objects to read from and to write to, and scans of them."""

from __future__ import annotations

import io

import polars
import pytest
from polars.testing import assert_frame_equal

from tests.data.tables import table
from tests.support.serving import listing

FORMATS = ["csv", "parquet", "ipc", "ndjson"]


@pytest.fixture
def written():
    return polars.from_pandas(table(2000))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_table_through_file_objects(remote, written, kind):
    filesystem, path = remote.filesystem(), f"{remote.path}/table.{kind}"
    with filesystem.open(path, "wb") as file:
        getattr(written, f"write_{kind}")(file)
    assert listing(remote.root) == [f"table.{kind}"]
    options = {"try_parse_dates": True} if kind == "csv" else {}
    with filesystem.open(path) as file:
        found = getattr(polars, f"read_{kind}")(file, **options)
    columns = ["number", "text", "kind", "part"]
    assert_frame_equal(found.select(columns), written.select(columns))


@pytest.mark.parametrize("kind", ["csv", "parquet", "ipc", "ndjson"])
def test_a_scan(remote, written, kind):
    filesystem, path = remote.filesystem(), f"{remote.path}/table.{kind}"
    with filesystem.open(path, "wb") as file:
        getattr(written, f"write_{kind}")(file)
    with filesystem.open(path) as file:
        found = getattr(polars, f"scan_{kind}")(file).filter(polars.col("kind") == "b").select("number").collect()
    assert found["number"].to_list() == list(range(1, 2000, 3))


def test_a_parquet_column(remote, written):
    filesystem = remote.filesystem()
    with filesystem.open(f"{remote.path}/table.parquet", "wb") as file:
        written.write_parquet(file, use_pyarrow=True)
    with filesystem.open(f"{remote.path}/table.parquet") as file:
        assert polars.read_parquet(file, columns=["part"])["part"].to_list() == written["part"].to_list()
    with filesystem.open(f"{remote.path}/table.parquet") as file:
        assert polars.read_parquet(file, use_pyarrow=True, columns=["part"]).shape == (2000, 1)


def test_a_text_file(remote, written):
    filesystem = remote.filesystem()
    with filesystem.open(f"{remote.path}/table.csv", "w", encoding="utf-8", newline="") as file:
        file.write(written.write_csv())
    with filesystem.open(f"{remote.path}/table.csv", "r", encoding="utf-8") as file:
        assert polars.read_csv(io.StringIO(file.read())).shape == (2000, 5)


def test_a_table_that_is_cut_is_an_error(remote, written):
    filesystem = remote.filesystem()
    whole = io.BytesIO()
    written.write_parquet(whole)
    filesystem.pipe_file(f"{remote.path}/cut.parquet", whole.getvalue()[:-100])
    with filesystem.open(f"{remote.path}/cut.parquet") as file, pytest.raises(polars.exceptions.ComputeError):
        polars.read_parquet(file)
