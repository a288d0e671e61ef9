"""The programs that the other tests rely on: each starts, does what they need of it, and ends."""

from __future__ import annotations

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError
from obstore.store import from_url

import secftp
from tests.machines.processes import answers
from tests.support.serving import until


def test_a_bucket_is_found_by_its_environment(bucket, monkeypatch):
    for name, value in bucket.env.items():
        monkeypatch.setenv(name, value)
    store = from_url(f"{bucket.url}/below")
    obstore.put(store, "a", b"1")
    assert (bucket.keys(), bucket.get("below/a"), bucket.uploads()) == (["below/a"], b"1", [])


def test_buckets_are_separate(bucket, moto):
    bucket.put("a", b"1")
    assert moto.new_bucket().keys() == []


def test_the_store_decides_who_creates_an_object(bucket, monkeypatch):
    """What the tests of servers that race for a name rest on."""
    for name, value in bucket.env.items():
        monkeypatch.setenv(name, value)
    store = from_url(bucket.url)
    obstore.put(store, "a", b"1", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "a", b"2", mode="create")
    assert bucket.get("a") == b"1"
    # On completion of a multipart upload, too.
    begun = bucket.client.create_multipart_upload(Bucket=bucket.name, Key="a")
    where = {"Bucket": bucket.name, "Key": "a", "UploadId": begun["UploadId"]}
    part = bucket.client.upload_part(**where, PartNumber=1, Body=b"3")
    with pytest.raises(Exception, match="PreconditionFailed"):
        bucket.client.complete_multipart_upload(
            **where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}, IfNoneMatch="*"
        )
    assert bucket.get("a") == b"1"


def test_redis_can_be_killed_and_started(redis):
    with redis.client() as client:
        client.set("a", 1)
    redis.kill()
    assert not answers(redis.port)
    redis.start()
    with redis.client() as client:
        assert client.get("a") is None


def test_redis_wants_its_password(redis):
    import redis as library
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    with (
        library.Redis(port=redis.port, retry=Retry(NoBackoff(), 0)) as client,
        pytest.raises(library.AuthenticationError),
    ):
        client.get("a")
    with library.Redis.from_url(redis.url, password=redis.password_file.read_text().strip()) as client:
        assert client.ping()


def test_servers_behind_a_balancer(serve, haproxy, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    first, second = serve(root), serve(root)
    balancer = haproxy([first.port, second.port])
    balancer.wait_until_up()
    for number in range(2):
        with secftp.connect(f"secftp://127.0.0.1:{balancer.port}", key_file=first.key_file) as remote:
            remote.write_bytes(f"file {number}", b"1")
    assert sorted(path.name for path in root.iterdir()) == ["file 0", "file 1"]
    assert "file 0" in first.log + second.log
    assert first.log.count("file ") == second.log.count("file ")

    first.kill()
    until(lambda: balancer.states()["s1"].startswith("DOWN"), "the balancer notices")
    with secftp.connect(f"secftp://127.0.0.1:{balancer.port}", key_file=first.key_file) as remote:
        assert remote.read_bytes("file 0") == b"1"
    balancer.reload([second.port])
    assert list(balancer.states()) == ["s1"]
    with secftp.connect(f"secftp://127.0.0.1:{balancer.port}", key_file=first.key_file) as remote:
        assert remote.read_bytes("file 1") == b"1"
