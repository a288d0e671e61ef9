"""The calls of obstore: their results, and their exceptions as this program's own, without text of the store."""

from __future__ import annotations

import datetime as dt
import sys

import obstore
import pytest
from obstore import exceptions
from obstore.store import MemoryStore

from secftp.errors import (
    AlreadyExists,
    FileChanged,
    Forbidden,
    InputOutputError,
    InstallationError,
    NameRefused,
    NotFound,
    TooLarge,
    Unsupported,
    UsageError,
)
from secftp.protocol import ErrorCode
from secftp.server.requests.refusals import error_for, log_line_for
from secftp.storage.objects import bucket as bucket_module
from secftp.storage.objects import open_objects
from secftp.storage.objects.bucket import Bucket, ConditionalWrites, UnservableName, open_bucket
from secftp.storage.objects.keys import Key
from secftp.storage.objects.probe import Conditions, probe

A, B = Key("a", (b"shown",)), Key("b", (b"other",))


def test_an_object_is_read_as_it_was_written(bucket):
    etag = bucket.put(A, b"0123456789", {"secftpmode": "600"})
    found = bucket.info(A)
    assert (found.key, found.size, found.etag, found.metadata) == ("a", 10, etag, {"secftpmode": "600"})
    assert bytes(bucket.get(A, 2, 5)) == b"234"
    assert bytes(bucket.get(A, 8, 50, etag=etag)) == b"89"
    whole, data = bucket.get_whole(A, 10)
    assert (whole, bytes(data)) == (found, b"0123456789")
    with pytest.raises(TooLarge):
        bucket.get_whole(A, 9)


def test_another_version_and_none_are_a_change(bucket):
    etag = bucket.put(A, b"1", {})
    bucket.put(A, b"2", {})
    with pytest.raises(FileChanged):
        bucket.get(A, 0, 1, etag=etag)
    bucket.delete(A)
    with pytest.raises(FileChanged):
        bucket.get(A, 0, 1, etag=etag)
    with pytest.raises(NotFound):
        bucket.get(A, 0, 1)


def test_parts_are_one_object_when_all_have_arrived(bucket):
    def parts():
        yield bytes(10)
        yield memoryview(b"1" * 7)

    etag = bucket.put_parts(A, parts(), {"secftpmode": "600"}, part_size=8, at_once=2)
    found, data = bucket.get_whole(A, 99)
    assert (found.etag, found.metadata, bytes(data)) == (etag, {"secftpmode": "600"}, bytes(10) + b"1" * 7)


@pytest.mark.parametrize("error", [RuntimeError("x"), NotFound("x"), KeyboardInterrupt()])
def test_what_the_parts_raise_comes_out_and_nothing_is_left(bucket, error):
    def parts():
        yield bytes(100)
        raise error

    with pytest.raises(type(error)) as raised:
        bucket.put_parts(A, parts(), {}, part_size=50, at_once=2)
    assert raised.value is error
    with pytest.raises(NotFound):
        bucket.info(A)


def test_only_one_of_two_creates(bucket):
    bucket.put(A, b"1", {}, create=True)
    with pytest.raises(AlreadyExists, match="shown"):
        bucket.put(A, b"2", {}, create=True)
    bucket.put(B, b"2", {})
    with pytest.raises(AlreadyExists, match="other"):
        bucket.copy(A, B, create="native")
    bucket.copy(A, B)
    assert bytes(bucket.get_whole(B, 1)[1]) == b"1"
    with pytest.raises(NotFound, match="other"):
        bucket.copy(Key("none", (b"other",)), A)


def test_a_deletion_may_be_repeated(bucket):
    bucket.put(A, b"1", {})
    bucket.delete(A)
    bucket.delete(A)


def test_a_deletion_whose_answer_was_lost_is_repeated(bucket, monkeypatch):
    bucket.put(A, b"1", {})
    delete, calls = obstore.delete, []

    def lossy(store, key):
        delete(store, key)
        calls.append(key)
        if len(calls) == 1:
            raise exceptions.GenericError("The answer was cut")

    monkeypatch.setattr(obstore, "delete", lossy)
    bucket.delete(A)
    assert calls == ["a", "a"]


@pytest.fixture
def failing(monkeypatch):
    def make(error):
        def fail(*_args, **_options):
            raise error

        for name in ("get", "put", "copy", "delete", "list", "list_with_delimiter"):
            monkeypatch.setattr(obstore, name, fail)
        return Bucket(MemoryStore())

    return make


TEXT = "Error performing GET https://bucket.s3.example/key?X-Amz-Signature=secret in 1ms \x1b[2J\nDebug source: secret"


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (FileNotFoundError(TEXT), NotFound, ErrorCode.NOT_FOUND),
        (exceptions.AlreadyExistsError(TEXT), AlreadyExists, ErrorCode.EXISTS),
        (exceptions.PreconditionError(TEXT), FileChanged, ErrorCode.CHANGED),
        (exceptions.PermissionDeniedError(TEXT), Forbidden, ErrorCode.FORBIDDEN),
        (exceptions.UnauthenticatedError(TEXT), Forbidden, ErrorCode.FORBIDDEN),
        (exceptions.NotSupportedError(TEXT), Unsupported, ErrorCode.UNSUPPORTED),
        (exceptions.GenericError(TEXT), InputOutputError, ErrorCode.IO_ERROR),
        (exceptions.JoinError(TEXT), InputOutputError, ErrorCode.IO_ERROR),
        (exceptions.InvalidPathError(TEXT), UnservableName, ErrorCode.IO_ERROR),
        (ValueError(TEXT), NameRefused, ErrorCode.BAD_NAME),
    ],
)
def test_an_exception_of_the_store_is_one_of_ours_and_its_text_is_for_the_log_alone(failing, error, kind, code):
    with pytest.raises(kind) as raised:
        failing(error).info(A)
    problem = raised.value
    assert type(problem) is kind
    assert str(problem).endswith(": shown")
    for text in (str(problem), problem.hint, str(error_for(1, problem)), str(problem.filename)):
        assert "example" not in text
        assert "secret" not in text
    assert error_for(1, problem).code is code
    line = log_line_for(problem)
    assert "bucket.s3.example" in line
    assert "secret" not in line
    assert "\x1b" not in line


@pytest.mark.parametrize("error", [FileNotFoundError(TEXT), exceptions.GenericError(TEXT), ValueError(TEXT)])
def test_a_listing_that_fails_is_never_an_empty_one(failing, error):
    bucket = failing(error)
    for attempt in (
        lambda: list(bucket.list("a/", (b"a",))),
        lambda: bucket.list_directory("a/", (b"a",)),
        lambda: bucket.has_below("a/", (b"a",)),
    ):
        with pytest.raises(InputOutputError):
            attempt()


def test_without_obstore_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(InstallationError) as raised:
        open_objects("s3://bucket/prefix")
    assert "pip install 'secftp[objects]'" in raised.value.hint


def test_a_bucket_is_opened_with_what_the_environment_has(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        obstore.store, "from_url", lambda url, **options: seen.update(url=url, **options) or MemoryStore()
    )
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_TIMEOUT", "5s")
    monkeypatch.delenv("AWS_CONNECT_TIMEOUT", raising=False)
    bucket = open_bucket("s3://bucket/prefix", region="x")
    assert bucket.url == "s3://bucket/prefix"
    assert seen["url"] == "s3://bucket/prefix"
    assert seen["region"] == "x"
    assert seen["client_options"]["allow_http"] is True
    assert seen["client_options"]["timeout"] == "5s"
    assert "connect_timeout" in seen["client_options"]
    assert seen["retry_config"]["max_retries"] == 3


def test_options_that_obstore_refuses_are_the_operators_mistake(monkeypatch):
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_CONNECTION_STRING"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError) as raised:
        open_bucket("az://container/prefix")
    assert "Account must be specified" in raised.value.hint


def test_the_prefix_of_a_url_counts_for_the_length_of_keys():
    assert open_bucket("s3://bucket/ab/c", region="x").prefix_bytes == 5
    bucket = open_bucket("s3://bucket", region="x")
    assert bucket.prefix_bytes == 0
    assert bucket.ways_to_copy == ("header", "multipart")
    assert bucket.max_copy == 5 << 30


class Ignoring(Bucket):
    """A store that ignores conditions of the methods in `ignored`."""

    def __init__(self, store, ignored, ways=("native",)):
        super().__init__(store, copying=dict.fromkeys(ways, store))
        self.ignored = ignored

    def put(self, key, data, metadata, *, create=False):
        return super().put(key, data, metadata, create=create and "put" not in self.ignored)

    def copy(self, key, to, *, create=None):
        if create is not None and f"no {create}" in self.ignored:
            raise Unsupported("Not supported by the object store")
        super().copy(key, to, create=None if create in self.ignored else create)


class TestProbe:
    @pytest.mark.parametrize(
        ("ignored", "found"),
        [
            (set(), ConditionalWrites(True, "header")),
            ({"header"}, ConditionalWrites(True, "multipart")),
            ({"no header"}, ConditionalWrites(True, "multipart")),
            ({"header", "multipart"}, ConditionalWrites(True, None)),
            ({"put"}, ConditionalWrites(False, "header")),
            ({"put", "header", "no multipart"}, ConditionalWrites(False, None)),
        ],
    )
    def test_what_is_ignored_is_found_and_nothing_is_left(self, bucket, keys_of, ignored, found):
        assert probe(Ignoring(bucket._store, ignored, ("header", "multipart"))) == found
        assert keys_of() == []

    def test_a_store_that_refuses_and_writes_all_the_same_is_not_trusted(self, bucket):
        class Lying(Bucket):
            def put(self, key, data, metadata, *, create=False):
                etag = super().put(key, data, metadata)
                if create:
                    raise AlreadyExists("Already exists")
                return etag

        assert not probe(Lying(bucket._store)).put

        class LyingCopies(Bucket):
            def copy(self, key, to, *, create=None):
                try:
                    super().copy(key, to, create=create)
                except AlreadyExists:
                    super().copy(key, to)
                    raise

        assert probe(LyingCopies(bucket._store)) == ConditionalWrites(True, None)

    def test_it_is_made_once_and_again_after_a_failure(self, bucket):
        calls = []

        class Counting(Bucket):
            broken = True

            def put(self, key, data, metadata, *, create=False):
                calls.append(key)
                if self.broken:
                    raise InputOutputError("x")
                return super().put(key, data, metadata, create=create)

        counting = Counting(bucket._store)
        conditions = Conditions(counting)
        with pytest.raises(InputOutputError):
            conditions.find()
        counting.broken = False
        assert conditions.find() == ConditionalWrites(True, "native")
        count = len(calls)
        assert conditions.find() == ConditionalWrites(True, "native")
        assert len(calls) == count

    def test_where_nothing_can_be_copied_the_failure_is_told(self, bucket, keys_of):
        class Failing(Bucket):
            def copy(self, key, to, *, create=None):
                raise Forbidden("Permission denied by the object store")

        with pytest.raises(Forbidden):
            probe(Failing(bucket._store))
        assert keys_of() == []


@pytest.mark.parametrize("year", [1, 9999])
def test_a_time_is_one_that_a_message_can_have(year):
    when = dt.datetime(year, 12, 31, tzinfo=dt.UTC)
    found = bucket_module._object_info({"path": "a", "size": 1, "e_tag": None, "last_modified": when}, None)
    assert abs(found.modified_ns) == 2**63 - 1


def test_of_an_answer_of_the_store_only_the_code_is_said():
    said = bucket_module._said_by_store(Exception("GET http://h/k?sig=x failed: <Error><Code>Oops</Code><K>hidden</K>"))
    assert said == "GET http://h/k failed (Oops)"
