"""zarr and xarray: arrays in many small files, through the asynchronous wrapper that zarr puts around our class."""

from __future__ import annotations

import numpy
import pytest
import xarray
import zarr
from zarr.storage import FsspecStore

from tests.support.serving import listing


@pytest.fixture
def numbers():
    return numpy.arange(60 * 70, dtype="f8").reshape(60, 70)


def test_an_array(remote, numbers):
    array = zarr.create_array(
        remote.of("a.zarr"),
        shape=numbers.shape,
        chunks=(16, 32),
        dtype=numbers.dtype,
        storage_options=remote.options,
    )
    array[:] = numbers
    assert (remote.root / "a.zarr" / "zarr.json").is_file()
    assert len(listing(remote.root / "a.zarr" / "c")) == 4 + 4 * 3
    found = zarr.open_array(remote.of("a.zarr"), mode="r", storage_options=remote.options)
    assert (found[:] == numbers).all()
    assert (found[17:23, 5] == numbers[17:23, 5]).all()


@pytest.mark.parametrize("version", [2, 3])
def test_a_group(remote, numbers, version):
    group = zarr.open_group(remote.of("g"), mode="w", storage_options=remote.options, zarr_format=version)
    group.attrs["unit"] = "m"
    group.create_array("x/y", data=numbers, chunks=(30, 35))
    group.create_array("z", data=numbers[0])
    found = zarr.open_group(remote.of("g"), mode="r", storage_options=remote.options)
    assert found.attrs["unit"] == "m"
    assert sorted(name for name, _ in found.members(max_depth=None)) == ["x", "x/y", "z"]
    assert (found["x/y"][10:20] == numbers[10:20]).all()
    group = zarr.open_group(remote.of("g"), mode="a", storage_options=remote.options)
    del group["x"]
    assert sorted(zarr.open_group(remote.of("g"), mode="r", storage_options=remote.options).keys()) == ["z"]
    zarr.open_group(remote.of("g"), mode="w", storage_options=remote.options, zarr_format=version)
    assert sorted(zarr.open_group(remote.of("g"), mode="r", storage_options=remote.options).keys()) == []


def test_a_sharded_array_reads_parts_of_files(remote, numbers):
    array = zarr.create_array(
        remote.of("s.zarr"),
        shape=numbers.shape,
        chunks=(5, 7),
        shards=(30, 35),
        dtype=numbers.dtype,
        storage_options=remote.options,
    )
    array[:] = numbers
    found = zarr.open_array(remote.of("s.zarr"), mode="r", storage_options=remote.options)
    assert (found[28:33, 30:40] == numbers[28:33, 30:40]).all()


def test_a_store_of_a_file_system(remote, numbers):
    store = FsspecStore.from_url(remote.of("a.zarr"), storage_options=remote.options)
    zarr.create_array(store, data=numbers)
    mapper = remote.filesystem().get_mapper(f"{remote.path}/a.zarr")
    assert "zarr.json" in mapper
    assert "zarr.json" in list(mapper)


def test_a_chunk_that_is_not_there_is_the_fill_value(remote):
    array = zarr.create_array(
        remote.of("a.zarr"), shape=(20,), chunks=(10,), dtype="i4", fill_value=7, storage_options=remote.options
    )
    array[:10] = 1
    assert array[:].tolist() == [1] * 10 + [7] * 10


def measurements():
    return xarray.Dataset(
        {"temperature": (("time", "x"), numpy.arange(200.0).reshape(20, 10)), "count": ("time", numpy.arange(20))},
        coords={"time": numpy.arange("2026-01-01", "2026-01-21", dtype="datetime64[D]").astype("datetime64[ns]")},
        attrs={"source": "a test"},
    )


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_a_dataset_of_xarray(remote, version, consolidated):
    written = measurements()
    options = {"storage_options": remote.options, "consolidated": consolidated}
    written.to_zarr(remote.of("d.zarr"), mode="w", zarr_format=version, **options)
    with xarray.open_zarr(remote.of("d.zarr"), **options, chunks=None) as found:
        xarray.testing.assert_identical(found.load(), written)


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_a_dataset_grows(remote):
    written = measurements()
    written.isel(time=slice(0, 12)).to_zarr(remote.of("d.zarr"), storage_options=remote.options)
    written.isel(time=slice(12, 20)).to_zarr(remote.of("d.zarr"), append_dim="time", storage_options=remote.options)
    with xarray.open_zarr(remote.of("d.zarr"), storage_options=remote.options, chunks={}) as found:
        xarray.testing.assert_identical(found.compute(scheduler="threads"), written)


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_a_wrong_key_is_no_empty_dataset(remote, wrong_key):
    """A store whose metadata can't be read may look like one that is new."""
    measurements().to_zarr(remote.of("d.zarr"), storage_options=remote.options)
    options = {"key_file": wrong_key}
    with pytest.raises(PermissionError):
        xarray.open_zarr(remote.of("d.zarr"), storage_options=options)
    with pytest.raises(PermissionError):
        zarr.open_group(remote.of("d.zarr"), mode="a", storage_options=options)
    with pytest.raises(PermissionError):
        zarr.open_array(remote.of("d.zarr/count"), mode="r", storage_options=options)
