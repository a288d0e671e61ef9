"""duckdb: a registered file system, queried and copied to in SQL."""

from __future__ import annotations

import duckdb
import pytest

from tests.data.tables import table
from tests.support.serving import listing, until


@pytest.fixture
def database(remote):
    with duckdb.connect() as connection:
        connection.register_filesystem(remote.filesystem())
        yield connection
        connection.unregister_filesystem("secftp")


@pytest.fixture(params=["a path", "a URL"])
def location(remote, request):
    """What SQL calls the directory: the server is that of the file system, or is named in the URL, too."""
    return f"secftp://{remote.path}" if request.param == "a path" else remote.url


@pytest.mark.parametrize("kind", ["parquet", "csv", "json"])
def test_copy_to_and_from(remote, database, location, kind):
    rows = table(5000)  # noqa: F841 - in SQL
    database.sql(f"COPY (SELECT * FROM rows) TO '{location}/t.{kind}' (FORMAT {kind})")
    assert listing(remote.root) == [f"t.{kind}"]
    counted = database.sql(f"SELECT count(*), sum(number) FROM '{location}/t.{kind}'").fetchall()
    assert counted == [(5000, sum(range(5000)))]
    database.sql(f"CREATE TABLE copied AS FROM '{location}/t.{kind}'")
    assert database.sql("SELECT text FROM copied WHERE number = 77").fetchall() == [("row 77 ä",)]


def test_columns_and_filters(remote, database, location):
    rows = table(20_000)
    with remote.filesystem().open(f"{remote.path}/t.parquet", "wb") as file:
        rows.to_parquet(file, row_group_size=2000)
    found = database.sql(f"SELECT number FROM read_parquet('{location}/t.parquet') WHERE number BETWEEN 4000 AND 4003")
    assert found.fetchall() == [(4000,), (4001,), (4002,), (4003,)]
    metadata = database.sql(f"SELECT count(DISTINCT row_group_id) FROM parquet_metadata('{location}/t.parquet')")
    assert metadata.fetchall() == [(10,)]


def test_glob(remote, database, location):
    for number in range(3):
        with remote.filesystem().open(f"{remote.path}/part-{number}.csv", "w") as file:
            file.write(f"x,y\n{number},{number * 10}\n")
    found = database.sql(f"SELECT sum(y), count(DISTINCT filename) FROM read_csv('{location}/*.csv', filename = true)")
    assert found.fetchall() == [(30, 3)]
    names = database.sql(f"SELECT file FROM glob('{location}/part-*') ORDER BY file").fetchall()
    assert [name.rpartition("/")[2] for (name,) in names] == ["part-0.csv", "part-1.csv", "part-2.csv"]


def test_partitions(remote, database, location):
    rows = table(300)  # noqa: F841 - in SQL
    database.sql(f"COPY (SELECT * FROM rows) TO '{location}/set' (FORMAT parquet, PARTITION_BY (kind))")
    assert {path.name for path in (remote.root / "set").iterdir()} == {"kind=a", "kind=b", "kind=c"}
    found = database.sql(
        f"SELECT count(*) FROM read_parquet('{location}/set/*/*.parquet', hive_partitioning = true) WHERE kind = 'a'"
    )
    assert found.fetchall() == [(100,)]


def test_what_is_compressed(remote, database, location):
    rows = table(100)  # noqa: F841 - in SQL
    database.sql(f"COPY (SELECT number FROM rows) TO '{location}/t.csv.gz'")
    assert (remote.root / "t.csv.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert database.sql(f"SELECT sum(number) FROM '{location}/t.csv.gz'").fetchall() == [(sum(range(100)),)]


def test_what_is_missing_is_an_error(database, location):
    for query in (f"FROM '{location}/missing.parquet'", f"FROM read_csv('{location}/*.csv')"):
        with pytest.raises((duckdb.IOException, FileNotFoundError)):
            database.sql(query).fetchall()


def test_a_query_that_fails_leaves_no_file(remote, database, location):
    with pytest.raises(duckdb.ConversionException):
        database.sql(
            f"COPY (SELECT CASE WHEN i = 400000 THEN 'x' ELSE '1' END::INTEGER FROM range(500000) t(i))"
            f" TO '{location}/t.parquet'"
        )
    until(lambda: listing(remote.root) == [], "nothing is left")
