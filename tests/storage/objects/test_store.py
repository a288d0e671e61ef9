"""A bucket as a store: names, directories, attributes, and what is refused."""

from __future__ import annotations

from typing import ClassVar

import pytest

from secftp.errors import (
    AlreadyExists,
    FileChanged,
    Forbidden,
    InputOutputError,
    IsADirectory,
    NameRefused,
    NotADirectory,
    NotEmpty,
    NotFound,
    Reason,
    TooLarge,
    Unsupported,
)
from secftp.protocol import Algorithm, Capability, Kind
from secftp.storage.attributes import FileInfo, Kept, WriteOptions
from secftp.storage.objects import copies
from secftp.storage.objects.bucket import Bucket, ConditionalWrites
from secftp.storage.objects.info import Times
from secftp.storage.objects.keys import Key
from secftp.storage.objects.metadata import Metadata
from secftp.storage.objects.probe import Conditions
from secftp.storage.objects.store import ObjectStore

UPLOAD = "0123456789abcdef" * 2
A, B, D = (b"a",), (b"b",), (b"d",)


def nothing(_done):
    pass


def test_what_a_bucket_can_not_do_is_in_what_it_lacks(objects):
    assert objects.lacks >= {
        Capability.RESUME,
        Capability.UPLOADS,
        Capability.HOLES,
        Capability.BACKUP,
        Capability.SPACE,
    }
    assert not objects.lacks & {Capability.COPY, Capability.STAT, Capability.LIST, Capability.CHANGE, Capability.MANY}
    for attempt in (
        lambda: objects.space(()),
        lambda: objects.resume_sink(A, 1),
        lambda: objects.open_upload(A, bytes(16), WriteOptions(size=1)),
    ):
        with pytest.raises(Unsupported):
            attempt()
    for attempt in (lambda: objects.kept_parts(A), lambda: objects.stat(A, partial=True)):
        with pytest.raises(NotFound):
            attempt()


def test_a_file_has_the_attributes_that_it_was_written_with(objects, put):
    put("a", b"123", mtime="5", mode="700")
    assert objects.stat(A) == FileInfo(Kind.FILE, 3, 5, 0o700)
    put("b", b"", mode="7777")
    found = objects.stat(B)
    assert (found.mode, found.size) == (0o777, 0)
    assert found.mtime_ns > 10**18, "an object of another program has the time at which it was stored"


def test_with_the_times_of_the_store_an_own_time_is_not_told(bucket, put):
    put("a", mtime="5")
    objects = ObjectStore(bucket, times=Times.STORED)
    assert objects.stat(A).mtime_ns > 10**18
    assert next(objects.scan(())).info == objects.stat(A)._replace(mode=0o644)


def test_a_directory_exists_by_its_marker_or_by_what_is_in_it(objects, put):
    put("d/e/f")
    for path in (D, (b"d", b"e")):
        assert objects.stat(path) == FileInfo(Kind.DIRECTORY, 0, 0, 0o755)
    assert objects.make_directory((b"m",), mode=0o700)
    assert objects.stat((b"m",)).mode == 0o700
    assert objects.stat(()).kind is Kind.DIRECTORY
    for missing in (A, (b"d", b"x"), (b"dd",), (b"d", b"e", b"f", b"g")):
        with pytest.raises(NotFound):
            objects.stat(missing)


def test_a_file_wins_over_a_directory_of_its_name(objects, put):
    put("a")
    put("a/b")
    assert objects.stat(A).kind is Kind.FILE
    objects.remove(A)
    assert objects.stat(A).kind is Kind.DIRECTORY


@pytest.mark.parametrize("path", [(b"\xff",), (b"\n",), (b".secftp-directory",), (b"a", b".."), (b"n" * 255,) * 5])
def test_names_that_no_object_has_are_refused_everywhere(objects, put, path):
    put("x")
    for attempt in (
        lambda: objects.stat(path),
        lambda: objects.remove(path),
        lambda: objects.make_directory(path),
        lambda: objects.rename(path, A),
        lambda: objects.rename((b"x",), path),
        lambda: objects.copy(path, A, WriteOptions(), nothing),
        lambda: objects.copy((b"x",), path, WriteOptions(), nothing),
        lambda: objects.identity(path),
        lambda: objects.set_attributes(path, mode=0),
        lambda: objects.beneath(path),
        lambda: list(objects.scan(path)),
    ):
        with pytest.raises(NameRefused):
            attempt()


def test_a_message_names_the_file_and_not_its_key(bucket, put):
    objects = ObjectStore(bucket, (b"top",))
    with pytest.raises(NotFound, match=r"^No such file: a$"):
        objects.stat(A)
    with pytest.raises(NotFound, match=r"^No such file: a$"):
        objects.remove(A)


def test_beneath_is_a_store_of_its_own(bucket, put, objects):
    put("a")
    put("d/a", mtime="3")
    below = objects.beneath(D)
    assert below.stat(A).mtime_ns == 3
    assert [entry.path for entry in below.scan((), recursive=True)] == [A]
    assert below.identity(A) == objects.identity((b"d", b"a"))
    assert below.identity_of_root() == ObjectStore(bucket, D).identity_of_root() != objects.identity_of_root()
    assert below.url == f"{objects.url}/d"
    with pytest.raises(NameRefused):
        below.stat((b"..", b"a"))


def test_the_identity_of_a_root_is_the_same_for_servers_that_name_it_otherwise(bucket):
    def root(url, prefix=()):
        return ObjectStore(Bucket(bucket._store, url), prefix).identity_of_root()

    assert root("s3://b/p") == root("s3a://b/p/") == root("S3://b", (b"p",)) != root("s3://b/q")


class TestRemoving:
    def test_a_file_and_its_digest(self, objects, put, keys_of):
        put("a", upload=UPLOAD)
        put(f".secftp-digest/{UPLOAD}")
        put("b")
        objects.remove(A, kind=Kind.FILE)
        assert keys_of() == ["b"]

    def test_a_file_that_has_its_digest_itself_takes_one_deletion(self, bucket):
        class Counting(Bucket):
            deleted: ClassVar = []

            def _delete(self, key):
                self.deleted.append(key.text)
                super()._delete(key)

        counting = Counting(bucket._store)
        digest = Algorithm.XXH128, bytes(16)
        bucket.put(Key("a", A), b"", Metadata(digest=digest, size=0, upload=UPLOAD).encoded())
        ObjectStore(counting).remove(A)
        assert counting.deleted == ["a"]

    def test_what_is_missing_is_told(self, objects):
        for kind in (None, *Kind):
            with pytest.raises(NotFound):
                objects.remove(A, kind=kind)

    def test_a_directory_only_while_it_is_empty(self, objects, put, keys_of):
        objects.make_directory(D)
        put("d/e/x")
        put("d/.secftp-tmp-" + UPLOAD)
        with pytest.raises(NotEmpty):
            objects.remove(D)
        assert len(keys_of()) == 3
        objects.remove((b"d", b"e", b"x"))
        objects.remove(D, kind=Kind.DIRECTORY)
        assert keys_of() == []

    def test_not_what_is_of_another_kind(self, objects, put, keys_of):
        put("a")
        objects.make_directory(D)
        for path, kind, error in (
            (A, Kind.DIRECTORY, NotADirectory),
            (D, Kind.FILE, IsADirectory),
            (A, Kind.SYMLINK, NotFound),
            (D, Kind.SPECIAL, NotFound),
        ):
            with pytest.raises(error):
                objects.remove(path, kind=kind)
        assert len(keys_of()) == 2

    def test_a_directory_below_a_reserved_name_keeps_it(self, objects, put):
        put("d/.secftp-x/y")
        with pytest.raises(NotEmpty):
            objects.remove(D)


class TestMaking:
    def test_a_directory_is_made_once(self, objects, put):
        assert objects.make_directory(D)
        with pytest.raises(AlreadyExists) as raised:
            objects.make_directory(D)
        assert raised.value.reason is Reason.DIRECTORY
        assert not objects.make_directory(D, parents=True)
        put("e/x")
        with pytest.raises(AlreadyExists):
            objects.make_directory((b"e",))

    def test_not_where_a_file_is(self, objects, put):
        put("a")
        for parents in (False, True):
            with pytest.raises(AlreadyExists) as raised:
                objects.make_directory(A, parents=parents)
            assert raised.value.reason is Reason.FILE

    def test_its_parent_need_not_exist(self, objects):
        assert objects.make_directory((b"x", b"y"))
        assert objects.stat((b"x",)).kind is Kind.DIRECTORY

    def test_with_its_parents_it_leaves_them_when_it_is_removed(self, objects, put, keys_of):
        put("x/file")
        assert objects.make_directory((b"x", b"y", b"z"), parents=True)
        assert [key for key in keys_of() if key.endswith("directory")] == [
            f"{above}/.secftp-directory" for above in ("x/y", "x/y/z")
        ]
        put("x/file")
        objects.remove((b"x", b"file"))
        objects.remove((b"x", b"y", b"z"))
        assert objects.stat((b"x", b"y")).kind is Kind.DIRECTORY

    def test_its_parent_is_no_file(self, objects, put):
        put("x")
        with pytest.raises(AlreadyExists) as raised:
            objects.make_directory((b"x", b"y"), parents=True)
        assert raised.value.reason is Reason.FILE

    def test_its_permissions_are_within_the_mask(self, bucket):
        objects = ObjectStore(bucket, mode_mask=0o700)
        objects.make_directory(D, mode=0o755)
        assert objects.stat(D).mode == 0o700
        assert objects.set_attributes(D, mode=0o711) == Kept(mode=False)


class TestRenaming:
    def test_a_file_with_its_attributes(self, objects, put, keys_of):
        put("a", b"1", mtime="5", mode="600", upload=UPLOAD)
        objects.rename(A, (b"d", b"b"))
        assert keys_of() == ["d/b"]
        assert objects.stat((b"d", b"b")) == FileInfo(Kind.FILE, 1, 5, 0o600)

    def test_nothing_is_replaced_unless_it_is_to_be(self, objects, put, bucket):
        put("a", b"new")
        put("b", b"old")
        with pytest.raises(AlreadyExists) as raised:
            objects.rename(A, B)
        assert raised.value.of_target
        assert bytes(bucket.get_whole(Key("b", B), 9)[1]) == b"old"
        objects.rename(A, B, overwrite=True)
        assert bytes(bucket.get_whole(Key("b", B), 9)[1]) == b"new"

    def test_to_the_same_name(self, objects, put, keys_of):
        put("a")
        objects.rename(A, A, overwrite=True)
        with pytest.raises(AlreadyExists):
            objects.rename(A, A)
        assert keys_of() == ["a"]

    def test_a_directory_is_refused_with_a_reason(self, objects, put):
        put("d/x")
        with pytest.raises(Unsupported) as raised:
            objects.rename(D, (b"e",))
        assert raised.value.reason is Reason.DIRECTORY
        with pytest.raises(Forbidden) as into:
            objects.rename(D, (b"d", b"e"))
        assert into.value.reason is Reason.INTO_ITSELF
        with pytest.raises(NotFound):
            objects.rename(A, B)

    def test_a_file_does_not_replace_a_directory(self, objects, put, keys_of):
        put("a")
        put("d/x")
        with pytest.raises(IsADirectory):
            objects.rename(A, D, overwrite=True)
        with pytest.raises(AlreadyExists):
            objects.rename(A, D)
        assert keys_of() == ["a", "d/x"]


class Replacing(Bucket):
    """A bucket in which another session replaces a file while it is copied, or removes it if `new` is None."""

    new: bytes | None = b"new"

    def copy(self, key, to, *, create=None):
        super().copy(key, to, create=create)
        if self.new is None:
            self.delete(key)
        else:
            self.put(key, self.new, {})


class TestRacing:
    def test_what_was_not_copied_is_not_deleted(self, bucket, put):
        put("a", b"old")
        with pytest.raises(FileChanged):
            ObjectStore(Replacing(bucket._store), conditions=Conditions(bucket)).rename(A, B)
        assert bytes(bucket.get_whole(Key("a", A), 9)[1]) == b"new"
        assert bytes(bucket.get_whole(Key("b", B), 9)[1]) == b"old"

    def test_a_file_that_another_session_has_removed_meanwhile(self, bucket, put, keys_of):
        put("a", b"old")
        replacing = Replacing(bucket._store)
        replacing.new = None
        ObjectStore(replacing, conditions=Conditions(bucket)).rename(A, B)
        assert keys_of() == ["b"]


class LosingDeletions(Bucket):
    """A bucket that loses the answer to its first deletion of a file, after which another session writes `new`."""

    new: bytes | None = b"new"

    def _delete(self, key):
        if not self.lost and not key.text.startswith(".secftp-"):
            self.lost = True
            if self.done:
                super()._delete(key)
            if self.new is not None:
                self.put(key, self.new, {})
            raise InputOutputError("The object store reported an error")
        super()._delete(key)

    lost, done = False, True


class TestLostDeletions:
    @pytest.mark.parametrize("change", ["remove", "rename"])
    def test_what_another_session_has_written_since_is_kept(self, bucket, put, change):
        put("a", b"old", upload=UPLOAD)
        objects = ObjectStore(LosingDeletions(bucket._store), conditions=Conditions(bucket))
        if change == "remove":
            objects.remove(A)
        else:
            objects.rename(A, B)
            assert bytes(bucket.get_whole(Key("b", B), 9)[1]) == b"old"
        assert bytes(bucket.get_whole(Key("a", A), 9)[1]) == b"new"

    @pytest.mark.parametrize("done", [False, True])
    def test_it_is_repeated_where_the_file_is_still_there(self, bucket, put, keys_of, done):
        put("a", b"old", upload=UPLOAD)
        losing = LosingDeletions(bucket._store)
        losing.new, losing.done = None, done
        ObjectStore(losing, conditions=Conditions(bucket)).remove(A)
        assert keys_of() == []

    def test_a_digest_that_can_not_be_removed_is_no_failure_of_the_file(self, bucket, put, keys_of):
        class Failing(Bucket):
            def _delete(self, key):
                if key.text.startswith(".secftp-digest/"):
                    raise Forbidden("x")
                super()._delete(key)

        put("a", b"old", upload=UPLOAD)
        ObjectStore(Failing(bucket._store)).remove(A)
        assert keys_of() == []


class CopyingLater(Bucket):
    """A store that copies after it has accepted that, as Azure may: until then there is an empty object.

    `looks`: how often it is looked at before the copy is made; None: it is never made.
    """

    copies_later = True
    looks: int | None = 3

    def copy(self, key, to, *, create=None):
        super().copy(key, to, create=create)
        self.copied = super().get_whole(to, 1 << 20)
        self.put(to, b"", self.copied[0].metadata)
        self.to = to

    def info(self, key):
        if key == getattr(self, "to", None) and self.looks is not None:
            self.looks -= 1
            if self.looks == 0:
                self.put(key, self.copied[1], self.copied[0].metadata)
        return super().info(key)


class TestCopiesThatAreMadeLater:
    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch):
        monkeypatch.setattr(copies, "_LOOK_SECONDS", 0.001)

    def test_they_are_confirmed_when_they_are_whole(self, bucket, put):
        put("a", b"whole", upload=UPLOAD)
        later = ObjectStore(CopyingLater(bucket._store), conditions=Conditions(bucket))
        later.rename(A, B)
        assert bytes(bucket.get_whole(Key("b", B), 9)[1]) == b"whole"

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_the_source_stays_until_then(self, bucket, put, keys_of, monkeypatch, overwrite):
        monkeypatch.setattr(copies, "COPY_SECONDS", 0.01)
        put("a", b"whole", upload=UPLOAD)
        slow = CopyingLater(bucket._store)
        slow.looks = None
        later = ObjectStore(slow, conditions=Conditions(bucket))
        with pytest.raises(InputOutputError) as raised:
            later.rename(A, B, overwrite=overwrite)
        assert raised.value.reason is Reason.UNCONFIRMED
        assert raised.value.of_target
        assert keys_of() == ["a", "b"]


class Repeating(Bucket):
    """A bucket whose client repeats conditional requests, since their answers are lost: they find their own object.

    `error`: what is raised in place of that, if anything.
    """

    error = None

    def put(self, key, data, metadata, *, create=False):
        etag = super().put(key, data, metadata, create=create)
        if self.error is not None:
            raise self.error
        return super().put(key, data, metadata, create=True) if create else etag

    def copy(self, key, to, *, create=None):
        super().copy(key, to, create=create)
        if create is not None:
            super().copy(key, to, create=create)


class TestRepeated:
    def test_a_marker_is_known_as_the_own_one(self, bucket):
        repeating = Repeating(bucket._store)
        assert ObjectStore(repeating, conditions=Conditions(bucket)).make_directory(D)
        repeating.error = InputOutputError("x")
        assert ObjectStore(repeating, conditions=Conditions(bucket)).make_directory(B)

    def test_a_marker_that_was_not_made_is_a_failure(self, bucket):
        class Failing(Bucket):
            def put(self, key, data, metadata, *, create=False):
                raise InputOutputError("x")

        with pytest.raises(InputOutputError):
            ObjectStore(Failing(bucket._store), conditions=Conditions(bucket)).make_directory(D)

    def test_a_marker_of_another_session_is_not_the_own_one(self, bucket, put):
        class Racing(Bucket):
            def put(self, key, data, metadata, *, create=False):
                super().put(key, data, {"secftpupload": UPLOAD})
                return super().put(key, data, metadata, create=create)

        racing = ObjectStore(Racing(bucket._store), conditions=Conditions(bucket))
        with pytest.raises(AlreadyExists):
            racing.make_directory(D)
        assert not racing.make_directory(B, parents=True)

    def test_a_copy_that_may_be_anothers_is_not_confirmed(self, bucket, put, keys_of):
        put("a", upload=UPLOAD)
        repeating = ObjectStore(Repeating(bucket._store), conditions=Conditions(bucket))
        with pytest.raises(InputOutputError) as raised:
            repeating.rename(A, B)
        assert raised.value.reason is Reason.UNCONFIRMED
        assert keys_of() == ["a", "b"]

    @pytest.mark.parametrize("error", [None, InputOutputError("x")])
    def test_a_file_that_was_passed_on_is_known_as_the_own_one(self, bucket, put, keys_of, error):
        put("a", b"1", mtime="5", upload=UPLOAD)
        repeating = Repeating(bucket._store, copying={"multipart": bucket._store})
        repeating.error = error
        conditions = Conditions(bucket)
        conditions._found = ConditionalWrites(True, "multipart")
        objects = ObjectStore(repeating, conditions=conditions)
        info = objects.copy(A, B, WriteOptions(overwrite=False), nothing)
        assert info == objects.stat(B) == FileInfo(Kind.FILE, 1, 5, 0o644)
        put("b")
        with pytest.raises(AlreadyExists):
            objects.rename(A, B)


def test_a_file_that_is_passed_on_replaces_none_that_has_come_meanwhile(bucket, put):
    class Racing(Bucket):
        def get_whole(self, key, limit):
            found = super().get_whole(key, limit)
            self.put(Key("b", B), b"other", {})
            return found

    put("a")
    conditions = Conditions(bucket)
    conditions._found = ConditionalWrites(True, "multipart")
    with pytest.raises(AlreadyExists):
        ObjectStore(Racing(bucket._store), conditions=conditions).rename(A, B)
    assert bytes(bucket.get_whole(Key("b", B), 9)[1]) == b"other"


def test_a_copy_without_metadata_says_so(bucket, put, monkeypatch):
    put("a", b"1", mtime="5", mode="600")
    monkeypatch.setattr(copies, "_PASSED_ON", 0)
    parts = Bucket(bucket._store, copying={"multipart": bucket._store})
    conditions = Conditions(bucket)
    conditions._found = ConditionalWrites(True, "multipart")
    info = ObjectStore(parts, conditions=conditions).copy(A, B, WriteOptions(overwrite=False), nothing)
    assert info.mode == 0o644
    assert info.mtime_ns > 10**18


class Lossy(Bucket):
    """A bucket whose answers to copies are lost: `done` tells whether they were carried out."""

    done = True

    def copy(self, key, to, *, create=None):
        if self.done:
            super().copy(key, to, create=create)
        raise InputOutputError("The object store reported an error")


class TestCopying:
    def test_by_the_store(self, objects, put):
        put("a", b"1", mtime="5", mode="600")
        done = []
        info = objects.copy(A, B, WriteOptions(mode=0o600, mtime_ns=5), done.append)
        assert info == objects.stat(B) == objects.stat(A)
        assert done

    def test_not_with_attributes_that_the_copy_would_not_have(self, objects, put):
        put("a", mtime="5", mode="600")
        assert objects.copy(A, B, WriteOptions(mode=0o644), nothing) is None
        assert objects.copy(A, B, WriteOptions(mtime_ns=10**10), nothing) is None
        with pytest.raises(NotFound):
            objects.stat(B)

    def test_nothing_is_replaced_unless_it_is_to_be(self, objects, put):
        put("a", b"new")
        put("b", b"old")
        with pytest.raises(AlreadyExists) as raised:
            objects.copy(A, B, WriteOptions(overwrite=False), nothing)
        assert raised.value.of_target
        assert objects.copy(A, B, WriteOptions(), nothing) is not None

    def test_what_ends_it_leaves_nothing(self, objects, put):
        put("a")

        def check(_done):
            raise KeyError

        with pytest.raises(KeyError):
            objects.copy(A, B, WriteOptions(), check)
        with pytest.raises(NotFound):
            objects.stat(B)

    def test_a_missing_file_and_a_directory(self, objects, put):
        put("d/x")
        with pytest.raises(NotFound) as raised:
            objects.copy(A, B, WriteOptions(), nothing)
        assert not raised.value.of_target
        with pytest.raises(IsADirectory):
            objects.copy(D, B, WriteOptions(), nothing)

    def test_a_lost_answer_is_asked_for(self, bucket, put, keys_of):
        put("a", b"1", upload=UPLOAD)
        lossy = Lossy(bucket._store)
        objects = ObjectStore(lossy, conditions=Conditions(bucket))
        objects.rename(A, B)
        assert keys_of() == ["b"]

    def test_a_copy_that_was_not_made_is_a_failure_and_the_source_stays(self, bucket, put, keys_of):
        put("a", b"1", upload=UPLOAD)
        lossy = Lossy(bucket._store)
        lossy.done = False
        objects = ObjectStore(lossy, conditions=Conditions(bucket))
        for overwrite in (False, True):
            with pytest.raises(InputOutputError):
                objects.rename(A, B, overwrite=overwrite)
        put("b", b"2")
        with pytest.raises(InputOutputError):
            objects.rename(A, B, overwrite=True)
        assert keys_of() == ["a", "b"]

    def test_where_the_store_can_not_be_asked_it_is_not_known(self, bucket, put, keys_of):
        class Away(Lossy):
            done = False

            def info(self, key):
                if key.text == "b" and self.asked:
                    raise InputOutputError("The object store reported an error")
                return super().info(key)

            asked = False

            def copy(self, key, to, *, create=None):
                self.asked = True
                super().copy(key, to, create=create)

        put("a")
        with pytest.raises(InputOutputError) as raised:
            ObjectStore(Away(bucket._store), conditions=Conditions(bucket)).rename(A, B)
        assert raised.value.reason is Reason.UNCONFIRMED
        assert keys_of() == ["a"]

    @pytest.mark.parametrize(
        ("upload", "reason"), [("f" * 32, None), ("", Reason.UNCONFIRMED)], ids=["another", "unknown"]
    )
    def test_what_may_be_another_file_is_not_taken_for_the_copy(self, bucket, put, keys_of, upload, reason):
        put("a", b"1", upload=UPLOAD)
        put("b", b"2", upload=upload)
        lossy = Lossy(bucket._store)
        lossy.done = False
        with pytest.raises(InputOutputError) as raised:
            ObjectStore(lossy, conditions=Conditions(bucket)).rename(A, B, overwrite=True)
        assert raised.value.reason is reason
        assert keys_of() == ["a", "b"]

    def test_where_a_copy_would_lose_the_metadata_a_small_file_passes_through(self, bucket, put):
        class PartsAlone(Bucket):
            def copy(self, key, to, *, create=None):
                assert create is None
                super().copy(key, to)

        put("a", b"1", mtime="5", mode="600")
        parts = PartsAlone(bucket._store, copying={"multipart": bucket._store})
        conditions = Conditions(parts)
        conditions._found = ConditionalWrites(True, "multipart")
        objects = ObjectStore(parts, conditions=conditions)
        objects.rename(A, B)
        assert objects.stat(B) == FileInfo(Kind.FILE, 1, 5, 0o600)
        put("a")
        with pytest.raises(AlreadyExists) as raised:
            objects.rename(A, B)
        assert raised.value.of_target

    def test_where_there_is_no_condition_nothing_is_copied_that_may_not_replace(self, bucket, put, keys_of):
        put("a")
        conditions = Conditions(bucket)
        conditions._found = ConditionalWrites(True, None)
        objects = ObjectStore(bucket, conditions=conditions)
        with pytest.raises(Unsupported) as raised:
            objects.rename(A, B)
        assert raised.value.reason is Reason.NO_CONDITION
        assert keys_of() == ["a"]
        objects.rename(A, B, overwrite=True)

    def test_more_than_the_store_copies(self, bucket, put, monkeypatch):
        put("a", b"123")
        monkeypatch.setattr(Bucket, "max_copy", 2)
        objects = ObjectStore(bucket)
        with pytest.raises(TooLarge) as raised:
            objects.rename(A, B)
        assert raised.value.reason is Reason.COPY_LIMIT
        assert objects.copy(A, B, WriteOptions(), nothing) is None


class TestAttributes:
    def test_those_of_a_file_stay_and_this_is_told(self, objects, put):
        put("a", mtime="5", mode="600")
        assert objects.set_attributes(A, mode=0o600, mtime_ns=5) == Kept()
        assert objects.set_attributes(A, mode=0o644) == Kept(mode=False)
        assert objects.set_attributes(A, mtime_ns=10**10) == Kept(time=False)
        assert objects.stat(A) == FileInfo(Kind.FILE, 1, 5, 0o600)

    def test_those_of_a_directory_are_in_its_marker(self, objects, put):
        put("d/x")
        assert objects.set_attributes(D, mtime_ns=9) == Kept()
        assert objects.set_attributes(D, mode=0o700) == Kept()
        assert objects.stat(D) == FileInfo(Kind.DIRECTORY, 0, 9, 0o700)
        assert next(objects.scan(())).info == objects.stat(D)
        assert objects.set_attributes((), mtime_ns=4) == Kept()
        assert objects.stat(()).mtime_ns == 4
        assert objects.has_attributes(D, mode=0o700, mtime_ns=9)
        assert not objects.has_attributes(D, mode=0o755)
        assert not objects.has_attributes(D, mtime_ns=8)

    def test_with_the_times_of_the_store_no_time_is_kept(self, bucket, put):
        put("d/x")
        objects = ObjectStore(bucket, times=Times.STORED)
        assert objects.set_attributes(D, mtime_ns=10**10) == Kept(time=False)

    def test_only_of_the_expected_file(self, objects, put):
        put("a", b"1")
        put("d/x")
        first = objects.identity(A)
        assert objects.set_attributes(A, mode=0o644, only=first) == Kept()
        put("a", b"2")
        assert objects.identity(A) != first
        with pytest.raises(Forbidden):
            objects.set_attributes(A, mode=0o644, only=first)
        directory = objects.identity(D)
        assert objects.set_attributes(D, mode=0o700, only=directory) == Kept()
        with pytest.raises(NotFound):
            objects.set_attributes(B, mode=0o700, only=first)
        with pytest.raises(NotFound):
            objects.identity(B)

    def test_nothing_has_to_be_made_writable(self, objects):
        assert objects.make_writable(D) is None


def test_the_store_is_asked_once_at_the_start(bucket):
    class Failing(Bucket):
        def list(self, prefix, path, *, offset=None):
            raise InputOutputError("The object store reported an error") from OSError("It is away")

    ObjectStore(bucket).check()
    with pytest.raises(InputOutputError):
        ObjectStore(Failing(bucket._store)).check()
