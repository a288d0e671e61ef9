"""pandas: tables written to and read from URLs, in each format, with the compression that a name asks for."""

from __future__ import annotations

import gzip

import pandas
import pytest
from pandas.testing import assert_frame_equal

from tests.data.tables import table
from tests.support.serving import listing, until

FORMATS = {
    "csv": (pandas.DataFrame.to_csv, {"index": False}, pandas.read_csv, {"parse_dates": ["when"]}),
    "json": (
        pandas.DataFrame.to_json,
        {"orient": "records", "lines": True, "date_format": "iso"},
        pandas.read_json,
        {"orient": "records", "lines": True},
    ),
    "pickle": (pandas.DataFrame.to_pickle, {}, pandas.read_pickle, {}),
    "parquet": (pandas.DataFrame.to_parquet, {}, pandas.read_parquet, {}),
    "feather": (pandas.DataFrame.to_feather, {}, pandas.read_feather, {}),
}
COMPRESSIONS = ["", ".gz", ".bz2", ".xz", ".zip"]
CASES = [(kind, end) for kind in FORMATS for end in COMPRESSIONS if not end or kind in ("csv", "json", "pickle")]


@pytest.mark.parametrize(("kind", "end"), CASES, ids="".join)
def test_a_table_comes_back(remote, kind, end):
    write, write_options, read, read_options = FORMATS[kind]
    url = remote.of(f"table.{kind}{end}")
    written = table(1000)
    write(written, url, storage_options=remote.options, **write_options)
    assert listing(remote.root) == [f"table.{kind}{end}"]
    found = read(url, storage_options=remote.options, **read_options)
    if kind == "json":  # which has no times
        found["when"] = pandas.to_datetime(found["when"])
    assert_frame_equal(found, written, check_dtype=kind not in ("csv", "json"))


def test_what_pandas_compresses_is_compressed_once(remote):
    table(10).to_csv(remote.of("a.csv.gz"), storage_options=remote.options)
    assert gzip.decompress((remote.root / "a.csv.gz").read_bytes()).startswith(b",number,")


def test_part_of_the_columns_and_rows(remote):
    written = table(5000)
    url = remote.of("table.parquet")
    written.to_parquet(url, storage_options=remote.options, row_group_size=500)
    found = pandas.read_parquet(
        url, storage_options=remote.options, columns=["number"], filters=[("number", ">=", 4990)]
    )
    assert found["number"].tolist() == list(range(4990, 5000))
    assert list(found) == ["number"]


def test_a_csv_in_pieces(remote):
    written = table(5000)
    url = remote.of("table.csv")
    written.to_csv(url, index=False, storage_options=remote.options)
    with pandas.read_csv(url, storage_options=remote.options, chunksize=700) as pieces:
        sizes = [len(piece) for piece in pieces]
    assert sizes == [700] * 7 + [100]


def test_a_directory_of_parquet_files(remote):
    written = table(100)
    written.to_parquet(remote.of("by kind"), storage_options=remote.options, partition_cols=["kind"])
    assert {path.name for path in (remote.root / "by kind").iterdir()} == {f"kind={kind}" for kind in "abc"}
    found = pandas.read_parquet(remote.of("by kind"), storage_options=remote.options)
    assert sorted(found["number"]) == list(range(100))
    assert set(found["kind"]) == set("abc")


def test_a_url_with_odd_characters(remote):
    table(3).to_csv(remote.of("a%20b%25%23%3F.csv"), storage_options=remote.options)
    assert listing(remote.root) == ["a b%#?.csv"]
    assert len(pandas.read_csv(remote.of("a%20b%25%23%3F.csv"), storage_options=remote.options)) == 3


def test_directories_are_made(remote):
    table(3).to_csv(remote.of("new/deep/table.csv"), storage_options=remote.options)
    assert listing(remote.root) == ["new", "new/deep", "new/deep/table.csv"]


def test_a_table_that_fails_halfway_replaces_nothing(remote):
    url = remote.of("table.csv")
    table(3).to_csv(url, storage_options=remote.options)
    before = (remote.root / "table.csv").read_bytes()

    class Odd:
        def __str__(self):
            raise ValueError("a value that can't be written")

    broken = pandas.DataFrame({"x": [*range(100_000), Odd()]})
    with (
        pytest.warns(RuntimeWarning, match="it was not written"),
        pytest.raises(ValueError, match="a value that can't be written"),
    ):
        broken.to_csv(url, storage_options=remote.options)
    until(lambda: listing(remote.root) == ["table.csv"], "nothing else is left")
    assert (remote.root / "table.csv").read_bytes() == before


def test_a_missing_file_is_one(remote):
    with pytest.raises(FileNotFoundError):
        pandas.read_csv(remote.of("missing.csv"), storage_options=remote.options)
    with pytest.raises(FileNotFoundError):
        pandas.read_parquet(remote.of("missing.parquet"), storage_options=remote.options)
