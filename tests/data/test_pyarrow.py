"""pyarrow: datasets in partitions, columns of them, and files opened by it, through its adapter for fsspec."""

from __future__ import annotations

import pyarrow
import pyarrow.csv
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet
import pytest

from tests.data.tables import table
from tests.support.serving import listing, until


@pytest.fixture
def written():
    return pyarrow.Table.from_pandas(table(3000), preserve_index=False)


@pytest.mark.parametrize("kind", ["parquet", "feather", "csv"])
def test_a_dataset_in_partitions(remote, written, kind):
    filesystem, target = remote.filesystem(), f"{remote.path}/set"
    parts = pyarrow.dataset.partitioning(pyarrow.schema([written.schema.field("kind")]), flavor="hive")
    pyarrow.dataset.write_dataset(written, target, filesystem=filesystem, format=kind, partitioning=parts)
    assert sorted(path.name for path in (remote.root / "set").iterdir()) == ["kind=a", "kind=b", "kind=c"]
    found = pyarrow.dataset.dataset(target, filesystem=filesystem, format=kind, partitioning=parts)
    assert len(found.files) == 3
    assert found.count_rows() == 3000
    rows = found.to_table(columns=["number", "kind"], filter=pyarrow.dataset.field("kind") == "b")
    assert rows.column_names == ["number", "kind"]
    assert sorted(rows["number"].to_pylist()) == list(range(1, 3000, 3))
    assert found.to_table().sort_by("number").select(written.column_names).equals(written) or kind == "csv"


def test_a_dataset_replaces_what_is_there(remote, written):
    filesystem, target = remote.filesystem(), f"{remote.path}/set"
    for rows in (3000, 10):
        pyarrow.dataset.write_dataset(
            written.slice(0, rows),
            target,
            filesystem=filesystem,
            format="parquet",
            partitioning=["kind"],
            existing_data_behavior="delete_matching",
        )
    assert pyarrow.dataset.dataset(target, filesystem=filesystem, partitioning=["kind"]).count_rows() == 10


def test_a_column_is_read_without_the_rest(remote, written):
    filesystem = remote.filesystem()
    wide = pyarrow.table({f"column {number}": written["part"] for number in range(50)})
    pyarrow.parquet.write_table(wide, f"{remote.path}/wide.parquet", filesystem=filesystem, row_group_size=1000)
    found = pyarrow.parquet.read_table(f"{remote.path}/wide.parquet", filesystem=filesystem, columns=["column 7"])
    assert found.equals(wide.select(["column 7"]))


def test_a_file_object_of_ours(remote, written):
    filesystem = remote.filesystem()
    with filesystem.open(f"{remote.path}/t.parquet", "wb") as file:
        pyarrow.parquet.write_table(written, file)
    with filesystem.open(f"{remote.path}/t.parquet") as file:
        parquet = pyarrow.parquet.ParquetFile(file)
        assert parquet.metadata.num_rows == 3000
        assert parquet.read_row_group(0, columns=["text"]).equals(written.select(["text"]))
    with (
        filesystem.open(f"{remote.path}/t.arrow", "wb") as file,
        pyarrow.ipc.new_file(file, written.schema) as writer,
    ):
        writer.write_table(written)
    with filesystem.open(f"{remote.path}/t.arrow") as file:
        assert pyarrow.ipc.open_file(file).read_all().equals(written)


def test_the_adapter(remote):
    adapted = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(remote.filesystem()))
    adapted.create_dir(f"{remote.path}/a/b", recursive=True)
    with adapted.open_output_stream(f"{remote.path}/a/b/file") as stream:
        stream.write(b"0123456789" * 1000)
    with adapted.open_input_file(f"{remote.path}/a/b/file") as file:
        assert file.size() == 10_000
        assert file.read_at(4, 9_990) == b"0123"
        file.seek(5)
        assert file.read(3) == b"567"
    selected = adapted.get_file_info(pyarrow.fs.FileSelector(f"{remote.path}/a", recursive=True))
    assert [(info.path, info.is_file) for info in sorted(selected, key=lambda info: info.path)] == [
        (f"{remote.path}/a/b", False),
        (f"{remote.path}/a/b/file", True),
    ]
    assert adapted.get_file_info(f"{remote.path}/missing").type is pyarrow.fs.FileType.NotFound
    adapted.copy_file(f"{remote.path}/a/b/file", f"{remote.path}/a/copy")
    adapted.move(f"{remote.path}/a/copy", f"{remote.path}/moved")
    assert (remote.root / "moved").read_bytes() == b"0123456789" * 1000
    adapted.delete_dir_contents(f"{remote.path}/a")
    assert listing(remote.root) == ["a", "moved"]
    adapted.delete_dir(f"{remote.path}/a")
    adapted.delete_file(f"{remote.path}/moved")
    assert listing(remote.root) == []


def test_a_url_alone(remote, written):
    """pyarrow looks it up in fsspec; the key file is in the configuration of fsspec then."""
    pyarrow.parquet.write_table(written, f"{remote.path}/t.parquet", filesystem=remote.filesystem())
    handler = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(remote.filesystem()))
    assert pyarrow.parquet.read_table(f"{remote.path}/t.parquet", filesystem=handler).equals(written)


def test_what_is_missing_is_an_error(remote):
    with pytest.raises(FileNotFoundError):
        pyarrow.dataset.dataset(f"{remote.path}/missing", filesystem=remote.filesystem())
    with pytest.raises(FileNotFoundError):
        pyarrow.parquet.read_table(f"{remote.path}/missing", filesystem=remote.filesystem())


def test_a_writer_that_fails_leaves_nothing(remote, written):
    filesystem = remote.filesystem()

    def fails():
        with (
            filesystem.open(f"{remote.path}/t.parquet", "wb") as file,
            pyarrow.parquet.ParquetWriter(file, written.schema) as writer,
        ):
            writer.write_table(written)
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        fails()
    until(lambda: listing(remote.root) == [], "nothing is left")
