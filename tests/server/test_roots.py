"""What is served: directories of this machine and of object stores, which are in the memory of this process here."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os

import pytest
from obstore.store import MemoryStore

from secftp.errors import FileError, Forbidden, KeyFormatError, NameRefused, NotFound, TooLarge, UsageError
from secftp.keys import write_key_file
from secftp.server import roots
from secftp.server.config import parse
from secftp.server.keyring import Keyring
from secftp.server.log import Log
from secftp.server.options import ServerLimits
from secftp.server.quota import Quota
from secftp.server.roots import check_root, open_root, require_directory, shown_url
from secftp.server.size_quota import SizeBoundedStore, bounded
from secftp.storage import LocalStore, WriteOptions
from secftp.storage.errors import failure
from secftp.storage.objects.bucket import Bucket
from secftp.storage.objects.info import Times
from secftp.storage.objects.store import ObjectStore
from tests.support.buckets import bucket, objects
from tests.support.serving import KEY, Lines, get, put, serving

__all__ = ["bucket", "objects"]

ROOT = "s3://bucket/pre"
SECRET = "AKIAXSECRET"
OBJECTS = {"resume", "uploads", "holes", "backup", "space"}


class Counted(Bucket):
    """A bucket that counts what is written; `conditional`: whether it does anything on condition."""

    def __init__(self, url, *, conditional=True):
        super().__init__(MemoryStore(), url, None if conditional else {})
        self.conditional = conditional
        self.writes = 0
        self.refuses_writes = False

    def put(self, key, data, metadata, *, create=False):
        self.writes += 1
        if self.refuses_writes:
            raise failure(Forbidden, "Permission denied by the object store", key.path) from PermissionError("told")
        return super().put(key, data, metadata, create=create and self.conditional)

    @property
    def keys(self):
        return [one.key for page in self.list("", ()) for one in page.objects]


class Cloud(dict):
    """Buckets by URL, which exist when they are first opened; `opened` has how each was."""

    def __init__(self):
        self.conditional = True
        self.missing = set()
        self.opened = []

    def open(self, url, *, times="own", mode_mask=0o777):
        self.opened.append((url, times, mode_mask))
        place = self.setdefault(url, Counted(url, conditional=self.conditional))
        store = ObjectStore(place, times=Times(times), mode_mask=mode_mask)
        if url in self.missing:
            store.check = lambda: (_ for _ in ()).throw(NotFound("The object store x can't be used: no."))
        return store


@pytest.fixture
def cloud(monkeypatch):
    found = Cloud()
    monkeypatch.setattr(roots, "open_objects", found.open)
    return found


@pytest.fixture
def keys(tmp_path):
    """Writes the file of keys: by name its directory and its rights."""
    conf = tmp_path / "conf"
    conf.mkdir()
    write_key_file(conf / "key")

    def write(**entries):
        text = "".join(
            f'[{name}]\nkey-file = "key"\nrights = {rights!r}\n' + (f'folder = "{place}"\n' if place else "")
            for name, (place, rights) in entries.items()
        )
        (conf / "keys.toml").touch(0o600)
        (conf / "keys.toml").write_text(text.replace("'", '"'))
        return conf / "keys.toml"

    return write


@contextlib.contextmanager
def loaded(*arguments, wrap=lambda store: store):
    """The keyring of a server with these arguments, its access, its root and the lines of its log."""
    options = parse(["0", *map(str, arguments)])
    check_root(options)
    lines = Lines()
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(contextlib.closing(open_root(options)))
        keyring = stack.enter_context(contextlib.closing(Keyring(options, Log(lines), root, wrap)))
        yield keyring, keyring.load(), root, lines


def start(*arguments):
    """Load the keys, and end."""
    with loaded(*arguments) as (keyring, *_):
        assert keyring is not None


def key_file(tmp_path):
    write_key_file(tmp_path / "default.key")
    return "--key-file", tmp_path / "default.key"


# --- the root ---------------------------------------------------------------------------------------------------------


def test_a_root_with_a_url_is_opened_as_the_options_say(cloud, tmp_path):
    with loaded("--root", ROOT, "--object-times", "stored", "--mode-mask", "750", *key_file(tmp_path)) as (
        *_,
        root,
        _l,
    ):
        assert root.url == ROOT
        assert cloud.opened == [(ROOT, "stored", 0o750)]
    assert not cloud[ROOT].keys, "the trial of what it can do has left something"


def test_nothing_is_written_to_a_root_that_no_client_may_write_to(cloud, tmp_path, keys):
    for arguments in (
        ["--read-only", *key_file(tmp_path)],
        ["--anonymous"],
        ["--keys", keys(me=("", "read-only"))],
    ):
        start("--root", ROOT, *arguments)
    assert cloud[ROOT].writes == 0


WITHOUT = {
    "no-overwrite": ["--no-overwrite", "--anonymous-write"],
    "a key that may add": "add-only",
    "a key that may drop": "drop-box",
}


@pytest.mark.parametrize("case", WITHOUT)
@pytest.mark.parametrize("conditional", [True, False])
def test_where_nothing_may_be_replaced_the_store_has_to_decide_that(cloud, keys, case, conditional):
    cloud.conditional = conditional
    given = WITHOUT[case]
    arguments = given if isinstance(given, list) else ["--keys", keys(me=("", given))]
    if conditional:
        start("--root", ROOT, *arguments)
        return
    with pytest.raises(
        UsageError, match=r"^s3://bucket/pre can't be served .* may not replace files: it has no conditional writes"
    ) as failure:
        start("--root", ROOT, *arguments)
    assert failure.value.hint
    assert not cloud[ROOT].keys


def test_a_key_that_may_replace_is_served_without_conditional_writes(cloud, keys):
    cloud.conditional = False
    start("--root", ROOT, "--keys", keys(me=("", "full")))


def test_a_store_that_can_not_be_written_to_ends_the_start_if_clients_may_write(cloud, tmp_path):
    cloud[ROOT] = Counted(ROOT)
    cloud[ROOT].refuses_writes = True
    start("--root", ROOT, "--read-only", *key_file(tmp_path))
    (tmp_path / "default.key").unlink()
    with pytest.raises(Forbidden, match="can be listed, but not written to") as failure:
        start("--root", ROOT, *key_file(tmp_path))
    assert "told" in failure.value.hint


@pytest.mark.parametrize("option", ["--min-free=1G", "--min-free-files=10"])
def test_a_limit_that_is_about_a_disk_is_refused_for_a_bucket(option):
    with pytest.raises(UsageError, match="is about a disk"):
        check_root(parse(["0", "--root", ROOT, option]))


@pytest.mark.parametrize("url", [f"http://user:{SECRET}@host/x", f"ftp://{SECRET}", f"x+y.z-1://{SECRET}"])
def test_a_url_of_anything_else_is_not_taken_for_a_directory_and_not_repeated(url):
    with pytest.raises(NotFound) as failure:
        require_directory(url)
    assert "s3://BUCKET/PREFIX" in failure.value.hint
    assert SECRET not in str(failure.value) + failure.value.hint


def test_a_directory_whose_path_looks_like_a_url_is_one(tmp_path, monkeypatch):
    (tmp_path / "http:" / "host").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    require_directory("http://host")


SHOWN = {
    "s3://bucket/pre": "s3://bucket/pre",
    f"s3://key:{SECRET}@bucket/pre": "s3://bucket/pre",
    f"s3://{SECRET}@bucket": "s3://bucket",
    f"az://box/pre?sig={SECRET}": "az://box/pre",
    f"gs://box/pre#{SECRET}": "gs://box/pre",
    "gs://box/a\x1bb": "gs://box/a\\x1bb",
}


@pytest.mark.parametrize("url", SHOWN)
def test_no_credential_of_a_url_is_shown(url):
    assert shown_url(url) == SHOWN[url]


def test_a_url_in_a_configuration_is_not_joined_to_its_directory(tmp_path):
    config = tmp_path / "server.toml"
    for text, root in ((ROOT, ROOT), ("files", str(tmp_path / "files")), ("s3:/x", str(tmp_path / "s3:/x"))):
        config.write_text(f'root = "{text}"\nobject-times = "stored"\n')
        config.chmod(0o600)
        options = parse(["0", "--config", str(config)])
        assert (options.root, options.object_times) == (root, "stored")
        assert options.directory == (None if text == ROOT else root)


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_key_has_a_bucket_of_its_own_beside_a_directory(cloud, keys, tmp_path):
    local = tmp_path / "root"
    (local / "in").mkdir(parents=True)
    path = keys(me=("s3://other/box", "full"), you=("in", "full"))
    with loaded("--root", local, "--keys", path) as (_, access, root, _), serving(local, store=root) as server:
        server.server.set_access(access)
        key = _key(tmp_path)
        with contextlib.closing(server.session(key, name="me")) as client:
            assert not {name for name in OBJECTS if client.can(name)}
            put(client, b"name", b"in the bucket")
            assert get(client, b"name") == b"in the bucket"
        with contextlib.closing(server.session(key, name="you")) as client:
            assert {name for name in OBJECTS if client.can(name)} == OBJECTS
            put(client, b"name", b"on the disk")
        server.done(2)
    assert cloud["s3://other/box"].keys == ["name"]
    assert (local / "in" / "name").read_bytes() == b"on the disk"


def _key(tmp_path):
    from secftp.keys import read_key_file

    return read_key_file(tmp_path / "conf" / "key")


def test_a_key_s_directory_is_below_the_prefix_of_a_bucket(cloud, keys, tmp_path):
    path = keys(me=("a/b", "full"))
    with loaded("--root", ROOT, "--keys", path) as (_, access, root, _), serving(tmp_path, store=root) as server:
        server.server.set_access(access)
        with contextlib.closing(server.session(_key(tmp_path), name="me")) as client:
            put(client, b"name", b"data")
            for outside in ((b"..", b"name"), (b"..",)):
                with pytest.raises(NameRefused):
                    put(client, outside, b"data")
        server.done(1)
    assert cloud[ROOT].keys == ["a/b/name"]


@pytest.mark.parametrize("url", [f"http://me:{SECRET}@host/x", f"s4://{SECRET}@bucket", "memory://x"])
def test_a_key_s_url_of_anything_else_is_refused_and_no_credential_shown(cloud, keys, tmp_path, url):
    path = keys(me=(url, "full"))
    (tmp_path / "root").mkdir()
    with pytest.raises(
        KeyFormatError, match=r"The directory of the key me: .* is no URL of an object store"
    ) as failure:
        start("--root", tmp_path / "root", "--keys", path, "--read-only")
    assert SECRET not in str(failure.value) + failure.value.hint


def test_a_bucket_that_is_not_there_changes_no_key_at_a_reload(cloud, keys, tmp_path):
    (tmp_path / "root").mkdir()
    path = keys(me=("s3://one", "full"))
    with loaded("--root", tmp_path / "root", "--keys", path) as (keyring, *_):
        before = list(keyring._stores)
        cloud.missing.add("s3://two")
        keys(me=("s3://one", "full"), you=("s3://two", "full"))
        with pytest.raises(
            KeyFormatError, match=r"The directory of the key you: the object store x can't be used: no\."
        ):
            keyring.load()
        assert keyring._stores == before
        keys(you=("s3://three", "full"))
        keyring.load()
        assert keyring._retired == before


@pytest.mark.parametrize(
    "variable",
    ["AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "HOME"],
)
def test_no_credentials_are_read_from_where_clients_can_reach_them(cloud, keys, tmp_path, monkeypatch, variable):
    root = tmp_path / "root"
    (root / ".aws").mkdir(parents=True)
    (root / ".aws" / "credentials").touch()
    monkeypatch.setenv(variable, str(root if variable == "HOME" else root / ".aws" / "credentials"))
    with pytest.raises(KeyFormatError, match="below the served directory"):
        start("--root", root, "--keys", keys(me=("s3://one", "full")))
    start("--root", root, "--keys", keys(me=("", "full")))  # no store is used


def test_files_of_the_operator_s_may_be_anywhere_where_only_a_bucket_is_served(cloud, keys, tmp_path):
    start("--root", ROOT, "--keys", keys(me=("", "full")), *key_file(tmp_path))


# --- locks ------------------------------------------------------------------------------------------------------------


def no_locks(fd, operation):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def test_where_locks_do_not_work_it_is_said_once_and_nothing_is_resumed(monkeypatch, keys, tmp_path):
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    path = keys(me=("in", "full"), you=("", "full"))
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with (
        loaded("--root", root, "--keys", path) as (keyring, access, store, lines),
        serving(root, store=store) as server,
    ):
        keyring.load()  # again: what is known of the root is not said again
        assert lines.text.count("In the served directory, locks of files don't work, so interrupted uploads can't") == 1
        assert lines.text.count("In the directory in of the key me, locks of files don't work") == 1
        server.server.set_access(access)
        for name in ("me", "you"):
            with contextlib.closing(server.session(_key(tmp_path), name=name)) as client:
                assert not client.can("resume")
                assert not client.can("uploads")
                assert client.can("backup")
                put(client, b"name", b"data")
        server.done(2)


def test_a_directory_that_no_client_writes_to_needs_no_locks(monkeypatch, keys, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with loaded("--root", root, "--keys", keys(me=("", "read-only"))) as (*_, store, lines):
        assert (store.lacks, lines.text) == (frozenset(), "")
    with loaded("--root", root, "--read-only", *key_file(tmp_path)) as (*_, store, lines):
        assert (store.lacks, lines.text) == (frozenset(), "")


# --- the limit on sizes -----------------------------------------------------------------------------------------------


def refused():
    told = []
    return Quota(ServerLimits(max_file_size=4), lambda name, text: told.append(name)), told


def test_no_file_of_a_bucket_is_larger_than_the_limit_in_any_way(objects, bucket):
    quota, told = refused()
    store = bounded(objects, quota)
    assert isinstance(store, SizeBoundedStore)
    with store.create_sink((b"exact",), WriteOptions(size=4)) as sink:
        sink.writev([memoryview(b"four")])
        sink.commit()
    with pytest.raises(TooLarge):
        store.create_sink((b"announced",), WriteOptions(size=5))
    with store.create_sink((b"unannounced",)) as sink:
        sink.writev([memoryview(b"four")])
        with pytest.raises(TooLarge):
            sink.writev([memoryview(b"!")])
    with store.small_files() as small:
        small.write((b"small",), memoryview(b"four"))
        with pytest.raises(TooLarge):
            small.write((b"larger",), memoryview(b"more!"))
    with pytest.raises(TooLarge):
        store.copy((b"exact",), (b"copied",), WriteOptions(size=5), lambda done: None)
    assert store.copy((b"exact",), (b"copied",), WriteOptions(), lambda done: None) is None, "its size is not known"
    assert store.copy((b"exact",), (b"copy",), WriteOptions(size=4), lambda done: None).size == 4
    assert sorted(one.key for page in bucket.list("", ()) for one in page.objects) == ["copy", "exact", "small"]
    assert told == ["max_file_size"] * 4


@pytest.mark.parametrize("too_large", [[], [0], [7], [19], [0, 1, 2], [3, 11, 18, 19], list(range(20))])
def test_files_of_a_batch_that_are_too_large_fail_in_their_place(objects, too_large):
    quota, told = refused()
    files = [
        ((b"%d" % number,), memoryview(b"large" if number in too_large else b"ok"), WriteOptions())
        for number in range(20)
    ]
    with bounded(objects, quota).small_files() as small, contextlib.closing(small.write_each(files)) as results:
        found = list(results)
    assert [number for number, one in enumerate(found) if isinstance(one, FileError)] == too_large
    assert len(found) == 20
    assert len(told) == len(too_large)
    for number in range(20):
        with contextlib.suppress(NotFound):
            objects.stat((b"%d" % number,))
            assert number not in too_large


def test_a_batch_under_the_limit_is_written_as_many_at_once_as_without_it(objects, monkeypatch):
    """One after the other, ten thousand small files would take as many times as long as a request does."""
    quota, _ = refused()
    taken = []

    class Each:
        def write_each(self, files):
            taken.extend(files)
            yield from (None for _ in taken)

        def close(self):
            pass

    monkeypatch.setattr(objects, "small_files", Each)
    files = (((b"%d" % number,), memoryview(b"ok"), WriteOptions()) for number in range(5))
    with bounded(objects, quota).small_files() as small:
        assert list(small.write_each(files)) == [None] * 5
    assert len(taken) == 5


def test_a_directory_of_this_machine_keeps_its_limits_on_the_disk(tmp_path):
    quota, _ = refused()
    with LocalStore(tmp_path) as local:
        assert type(bounded(local, quota)).__name__ == "BoundedStore"


def test_the_limit_counts_in_a_session(cloud, tmp_path):
    quota, told = refused()
    with contextlib.ExitStack() as stack:
        *_, root, _ = stack.enter_context(loaded("--root", ROOT, "--anonymous-write"))
        server = stack.enter_context(serving(tmp_path, store=bounded(root, quota)))
        client = stack.enter_context(contextlib.closing(server.session(KEY)))
        put(client, b"ok", b"four")
        for announced in (True, False):
            with pytest.raises(TooLarge):
                put(client, b"large", b"larger", announced=announced)
    assert cloud[ROOT].keys == ["ok"]
    assert told
