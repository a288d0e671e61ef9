"""The object store of the benchmark: what clients of S3 rely on, and its latency."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("obstore")

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import S3Store

from bench.objects.store import LatentStore
from tests.support.stores import start_obstore


@pytest.fixture(scope="module", autouse=True)
def _obstore():
    start_obstore()


@pytest.fixture(scope="module")
def opened():
    """A process of the store without latency, and a client of it."""
    with LatentStore(0) as store:
        yield (
            store,
            lambda **config: S3Store(
                "bucket",
                prefix="p",
                endpoint=f"http://127.0.0.1:{store.port}",
                access_key_id="a",
                secret_access_key="b",
                region="us-east-1",
                client_options={"allow_http": True},
                **config,
            ),
        )


def keys(store):
    return [found["path"] for batch in obstore.list(store) for found in batch]


def test_objects_have_metadata_ranges_and_conditions(opened):
    store = opened[1]()
    etag = obstore.put(store, "a", b"0123456789", attributes={"word": "1"}, mode="create")["e_tag"]
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "a", b"x", mode="create")
    assert obstore.get(store, "a", options={"head": True}).attributes["word"] == "1"
    assert bytes(obstore.get_range(store, "a", start=2, end=5)) == b"234"
    assert bytes(obstore.get(store, "a", options={"if_match": etag}).bytes()) == b"0123456789"
    with pytest.raises(PreconditionError):
        obstore.get(store, "a", options={"if_match": '"other"'})
    obstore.delete(store, "a")
    with pytest.raises(FileNotFoundError):
        obstore.head(store, "a")


@pytest.mark.parametrize("way", ["multipart", "header-with-status:If-None-Match:*:412"])
def test_copies_without_replacing(opened, way):
    store = opened[1](copy_if_not_exists=way)
    obstore.put(store, "one", b"1")
    obstore.put(store, "two", b"2")
    with pytest.raises(AlreadyExistsError):
        obstore.copy(store, "one", "two", overwrite=False)
    obstore.copy(store, "one", "three", overwrite=False)
    assert [bytes(obstore.get(store, name).bytes()) for name in ("two", "three")] == [b"2", b"1"]
    obstore.delete(store, ["one", "two", "three"])


def test_parts_are_put_together_and_given_up(opened):
    store = opened[1]()

    def parts():
        yield bytes(6 << 20)
        raise RuntimeError("given up")

    obstore.put(store, "large", iter([bytes(6 << 20), b"x"]), use_multipart=True, chunk_size=6 << 20)
    assert obstore.head(store, "large")["size"] == (6 << 20) + 1
    with pytest.raises(RuntimeError):
        obstore.put(store, "other", parts(), use_multipart=True, chunk_size=5 << 20)
    assert keys(store) == ["large"]
    obstore.delete(store, "large")


def test_listings_have_pages_and_prefixes(opened):
    store = opened[1]()
    names = [f"d{number % 3}/{number:05}" for number in range(1_050)] + ["d&/q", "e"]
    for name in names:
        obstore.put(store, name, b"", use_multipart=False)
    assert keys(store) == sorted(names)
    found = obstore.list_with_delimiter(store)
    assert (sorted(found["common_prefixes"]), [one["path"] for one in found["objects"]]) == (
        ["d&", "d0", "d1", "d2"],
        ["e"],
    )
    assert len(obstore.list_with_delimiter(store, "d1")["objects"]) == 350
    assert opened[0].requests() > 1_050


def test_it_forgets_all(opened):
    store = opened[1]()
    obstore.put(store, "a", b"1")
    opened[0].forget()
    assert keys(store) == []


def test_the_program_lists_its_jobs():
    told = subprocess.run(
        [sys.executable, "-m", "bench.objects", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "--latency" in told.stdout
