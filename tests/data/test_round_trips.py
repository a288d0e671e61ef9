"""Round trips of reading columns of a Parquet file: what pyarrow asks for one by one, and all at once."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest
from fsspec.parquet import open_parquet_file
from pyarrow import parquet

import secftp
from secftp.fsspec.filesystem import SecftpFileSystem
from tests.support.turns import counted_turns

KEY = "a key for these tests"
COLUMNS = ["c3", "c7"]
GROUPS = 4


@pytest.fixture
def root(tmp_path):
    dice = random.Random(1)
    table = pa.table({f"c{number}": [dice.random() for _ in range(100_000)] for number in range(10)})
    parquet.write_table(
        table, tmp_path / "table", row_group_size=100_000 // GROUPS, compression="none", use_dictionary=False
    )
    return tmp_path


def turns_of(root, read):
    """The round trips of `read`, which gets a file system that is connected; and what it returned."""
    with pytest.MonkeyPatch.context() as patch, secftp.Server(root, KEY) as server, counted_turns(patch) as line:
        fs = SecftpFileSystem("127.0.0.1", server.port, key=KEY, skip_instance_cache=True)
        fs.exists("/")
        before = line.turns
        found = read(fs)
        turns = line.turns - before
        fs.close()
    return turns, found


def test_columns_take_a_round_trip_for_each_read_of_pyarrow_and_two_more(root):
    """One for the status, one for the end of the file; pyarrow reads the chunks of a file one after the other."""

    def read(fs):
        with fs.open("/table") as file:
            return parquet.read_table(file, columns=COLUMNS)

    turns, table = turns_of(root, read)
    assert table.equals(parquet.read_table(root / "table", columns=COLUMNS))
    assert turns <= 2 + GROUPS * len(COLUMNS)


def test_columns_that_are_planned_take_three_round_trips(root):
    def read(fs):
        with open_parquet_file("/table", fs=fs, columns=COLUMNS, engine="pyarrow") as file:
            return parquet.read_table(file, columns=COLUMNS)

    turns, table = turns_of(root, read)
    assert table.equals(parquet.read_table(root / "table", columns=COLUMNS))
    assert turns <= 3
