"""`secftp.Server` with a root in an object store, which is in the memory of this process here."""

from __future__ import annotations

import errno
import fcntl
import os

import pytest

import secftp
from secftp.errors import NotFound, UsageError
from secftp.server import roots
from secftp.storage.objects.bucket import Bucket
from secftp.storage.objects.info import Times
from secftp.storage.objects.store import ObjectStore
from tests.support.buckets import bucket

__all__ = ["bucket"]

URL = "s3://bucket/pre"
KEY = "correct horse battery staple"


@pytest.fixture
def opened(monkeypatch, bucket):
    """What the stores were opened with; all have one bucket."""
    calls = []

    def open_objects(url, *, times, mode_mask):
        calls.append((url, times, mode_mask))
        return ObjectStore(bucket, times=Times(times), mode_mask=mode_mask)

    monkeypatch.setattr(roots, "open_objects", open_objects)
    return calls


def test_files_go_to_the_bucket_and_back(opened, bucket):
    with secftp.Server(URL, KEY, object_times="stored", mode_mask=0o750) as server:
        assert URL in repr(server)
        with secftp.connect(server.url, KEY) as remote:
            remote.write_text("a/hello.txt", "Hello!")
            assert remote.read_text("a/hello.txt") == "Hello!"
            assert remote.listdir("a") == ["hello.txt"]
            remote.copy("a/hello.txt", "copy.txt")
            remote.rename("copy.txt", "renamed.txt")
            assert remote.checksum("renamed.txt") == remote.checksum("a/hello.txt")
            with pytest.raises(secftp.Unsupported):
                remote.rename("a", "b")
            with pytest.raises(secftp.FileError, match="can't tell how much space"):
                remote.space()
            remote.remove("renamed.txt")
    assert opened == [(URL, "stored", 0o750)]
    assert [one.key for page in bucket.list("", ()) for one in page.objects if ".secftp" not in one.key] == [
        "a/hello.txt"
    ]


@pytest.mark.parametrize("times", ["newest", "", None, 1, "OWN", []])
def test_times_of_objects_are_own_or_stored(times):
    with pytest.raises(UsageError, match="object_times must be 'own' or 'stored'"):
        secftp.Server(URL, KEY, object_times=times)


@pytest.mark.parametrize("url", ["s3://key:hunter2@bucket", "s3://bucket?hunter2", "s3://"])
def test_a_url_that_can_not_be_right_is_refused_without_being_shown(url):
    with pytest.raises(UsageError) as failure:
        secftp.Server(url, KEY)
    assert "hunter2" not in str(failure.value) + failure.value.hint


def test_where_nothing_may_be_replaced_the_store_has_to_decide_that(monkeypatch, opened, bucket):
    put = Bucket.put

    def unconditional(place, key, data, metadata, *, create=False):
        return put(place, key, data, metadata)

    monkeypatch.setattr(Bucket, "put", unconditional)
    with pytest.raises(UsageError, match="no conditional writes"):
        secftp.Server(URL, KEY, overwrite=False).start()
    with secftp.Server(URL, KEY, overwrite=False, read_only=True):
        pass
    with secftp.Server(URL, KEY):
        pass


def test_a_bucket_that_is_not_there_ends_the_start(monkeypatch, opened):
    def missing(store):
        raise NotFound("The object store x can't be used: there is no such bucket.")

    monkeypatch.setattr(ObjectStore, "check", missing)
    with pytest.raises(NotFound, match="no such bucket"):
        secftp.Server(URL, KEY).start()


def test_where_locks_do_not_work_nothing_is_kept(monkeypatch, tmp_path):
    def no_locks(fd, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    lines = []
    with secftp.Server(tmp_path, KEY, log=lines.append) as server:
        assert any("locks of files don't work" in line for line in lines)
        with secftp.connect(server.url, KEY) as remote:
            remote.write_text("hello.txt", "Hello!")
            assert remote.read_text("hello.txt") == "Hello!"
    assert os.listdir(tmp_path) == ["hello.txt"]
