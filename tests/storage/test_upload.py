"""Files written in parts: ranges, their map, what is kept, continued, adopted and removed."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import threading
import time

import pytest

from secftp.errors import (
    AlreadyExists,
    ChecksumMismatch,
    Forbidden,
    InputOutputError,
    NoSpace,
    NotFound,
    Reason,
    UsageError,
)
from secftp.intervals import Intervals
from secftp.storage import LocalStore, WriteOptions, sweep
from secftp.storage import upload as upload_module
from secftp.storage.names import is_map, is_temporary, map_of, partial_name, partial_of
from secftp.storage.upload import UploadElsewhere
from secftp.storage.upload_map import PartMap, decode_map, encode_map
from tests.storage.test_partial import contents, views

NAME = (b"f",)
PARTIAL = partial_name(b"f")
MAP = map_of(PARTIAL)
TAG, OTHER = bytes(range(16)), bytes(16)
SIZE = 12
WHOLE = b"hello, world"
KEEP = WriteOptions(size=SIZE, keep=True)


def names(root):
    return set(os.listdir(os.fsencode(root)))


def kept(store, *parts, tag=TAG, options=KEEP):
    """Leave an upload with these parts of WHOLE."""
    with store.open_upload(NAME, tag, options) as upload:
        for at, end in parts:
            upload.writev_at(views(WHOLE[at:end]), at)
            upload.add(at, end)
        upload.keep()


def write_small(store):
    with store.small_files() as files:
        files.write(NAME, memoryview(b"x"))


def finish(upload, *parts):
    for at, end in parts:
        upload.writev_at(views(WHOLE[at:end]), at)
        upload.add(at, end)
    return upload.commit()


@pytest.mark.parametrize("keep", [True, False])
def test_parts_in_any_order_make_one_file(tmp_path, store, keep):
    options = WriteOptions(size=SIZE, keep=keep, mode=0o640, mtime_ns=12345)
    with store.open_upload(NAME, TAG, options) as upload:
        upload.writev_at(views(WHOLE[7:9], WHOLE[9:]), 7)
        upload.add(7, 12)
        assert names(tmp_path) == {PARTIAL, MAP} if keep else all(map(is_temporary, names(tmp_path)))
        assert list(store.scan((), recursive=True)) == []
        upload.writev_at(views(WHOLE[:7]), 0)
        upload.add(0, 7)
        assert list(upload.ranges) == [(0, 12)]
        buffer = bytearray(20)
        assert upload.readv(views(buffer), 5) == 7
        assert buffer[:7] == WHOLE[5:]
        info = upload.commit()
    assert contents(tmp_path) == {"f": WHOLE}
    assert (info.size, info.mtime_ns, info.mode) == (12, 12345, 0o640)
    assert info == store.stat(NAME)


def test_an_empty_file_has_no_parts(tmp_path, store):
    with store.open_upload(NAME, TAG, WriteOptions(size=0, keep=True)) as upload:
        assert upload.commit().size == 0
    assert contents(tmp_path) == {"f": b""}


@pytest.mark.parametrize("end", ["close", "keep"])
@pytest.mark.parametrize(("keep", "parts"), [(False, [(0, 5)]), (True, [])])
def test_nothing_is_kept_without_the_wish_or_without_parts(tmp_path, store, keep, parts, end):
    with store.open_upload(NAME, TAG, WriteOptions(size=SIZE, keep=keep)) as upload:
        upload.writev_at(views(b"hello"), 0)
        for part in parts:
            upload.add(*part)
        getattr(upload, end)()
        with pytest.raises(UsageError):
            upload.writev_at(views(b"x"), 0)
    assert names(tmp_path) == set()


def test_what_is_kept_is_told_and_continued_by_the_same_upload(tmp_path, store):
    kept(store, (0, 3), (7, 12))
    assert names(tmp_path) == {PARTIAL, MAP}
    found = store.kept_parts(NAME)
    assert (found.tag, found.total, list(found.ranges), found.info.size) == (TAG, SIZE, [(0, 3), (7, 12)], 3)
    assert store.stat(NAME, partial=True).size == 3
    inode = os.stat(os.path.join(os.fsencode(tmp_path), PARTIAL)).st_ino
    with store.open_upload(NAME, TAG, KEEP) as upload:
        assert list(upload.ranges) == [(0, 3), (7, 12)]
        finish(upload, (3, 7))
    assert contents(tmp_path) == {"f": WHOLE}
    assert (tmp_path / "f").stat().st_ino == inode


@pytest.mark.parametrize(("tag", "size", "keep"), [(OTHER, SIZE, True), (TAG, SIZE + 1, True), (TAG, SIZE, False)])
def test_another_upload_begins_anew(tmp_path, store, tag, size, keep):
    kept(store, (0, 3), (7, 12))
    with store.open_upload(NAME, tag, WriteOptions(size=size, keep=keep)) as upload:
        assert list(upload.ranges) == []
        assert (PARTIAL in names(tmp_path)) or not keep
        if keep:
            assert store.kept_parts(NAME).tag == tag
            assert store.kept_parts(NAME).info.size == 0
    assert names(tmp_path) == (set() if keep else {PARTIAL, MAP})


def test_without_a_first_part_a_client_that_knows_no_parts_finds_nothing_to_resume(store):
    kept(store, (7, 12))
    assert store.stat(NAME, partial=True).size == 0
    with pytest.raises(ChecksumMismatch):
        store.resume_sink(NAME, 1)


def test_a_client_that_knows_no_parts_resumes_the_first_one(tmp_path, store):
    kept(store, (0, 3), (7, 12))
    with pytest.raises(ChecksumMismatch, match="shorter"):
        store.resume_sink(NAME, 4)
    with store.resume_sink(NAME, 3) as sink:
        assert names(tmp_path) == {PARTIAL, MAP}, "nothing changes before the first byte"
        sink.writev(views(WHOLE[3:]))
        assert names(tmp_path) == {PARTIAL}
        sink.commit()
    assert contents(tmp_path) == {"f": WHOLE}


def test_a_partial_with_a_map_is_cut_before_it_is_resumed_without(tmp_path, store):
    """Else its last part would be taken for data that was sent now."""
    kept(store, (0, 3), (7, 12))
    with store.resume_sink(NAME, 2) as sink:
        sink.writev(views(b"l"))
        sink.keep()
    assert contents(tmp_path) == {PARTIAL.decode(): b"hel"}
    assert list(store.kept_parts(NAME).ranges) == [(0, 3)]


# --- adoption ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plain", [True, False])
def test_another_upload_adopts_what_is_kept(tmp_path, store, plain):
    if plain:
        with store.create_sink(NAME, WriteOptions(keep=True)) as sink:
            sink.writev(views(WHOLE[:5]))
            sink.keep()
        assert (store.kept_parts(NAME).tag, store.kept_parts(NAME).total) == (None, None)
    else:
        kept(store, (0, 5))
    before = contents(tmp_path)
    with store.open_upload(NAME, OTHER, KEEP, adopt=True) as upload:
        assert list(upload.ranges) == [(0, 5)]
        buffer = bytearray(5)
        assert upload.readv(views(buffer), 0) == 5
        assert buffer == WHOLE[:5]
    assert contents(tmp_path) == before, "unchanged until it is taken over"
    with store.open_upload(NAME, OTHER, KEEP, adopt=True) as upload:
        upload.take_over()
        assert store.kept_parts(NAME).tag == OTHER
        finish(upload, (5, 12))
    assert contents(tmp_path) == {"f": WHOLE}


def test_what_was_taken_over_is_discarded_with_the_upload(tmp_path, store):
    kept(store, (0, 5))
    with store.open_upload(NAME, OTHER, KEEP, adopt=True) as upload:
        upload.take_over()
    assert names(tmp_path) == set()


def test_adoption_needs_a_partial_without_a_writer_that_is_not_too_long(tmp_path, store):
    with pytest.raises(NotFound):
        store.open_upload(NAME, TAG, KEEP, adopt=True)
    kept(store, (0, 5))
    with pytest.raises(ChecksumMismatch, match="longer"):
        store.open_upload(NAME, OTHER, WriteOptions(size=4, keep=True), adopt=True)
    with store.open_upload(NAME, TAG, KEEP), pytest.raises(Forbidden):
        store.open_upload(NAME, OTHER, KEEP, adopt=True)
    assert names(tmp_path) == set()


def test_what_lies_behind_the_last_part_is_cut_off(tmp_path, store):
    kept(store, (0, 5))
    with open(os.path.join(os.fsencode(tmp_path), PARTIAL), "ab") as file:
        file.write(b"x" * 50)
    with store.open_upload(NAME, OTHER, KEEP, adopt=True) as upload:
        upload.take_over()
        finish(upload, (5, 12))
    assert contents(tmp_path) == {"f": WHOLE}


# --- two writers ------------------------------------------------------------------------------------------------------


def test_a_second_upload_of_the_name_has_a_file_of_its_own_without_a_map(tmp_path, store):
    with store.open_upload(NAME, TAG, KEEP) as first, store.open_upload(NAME, OTHER, KEEP) as second:
        assert len(names(tmp_path)) == 3
        second.writev_at(views(WHOLE), 0)
        second.add(0, 12)
        first.writev_at(views(WHOLE[:5]), 0)
        first.add(0, 5)
        second.keep()
        assert names(tmp_path) == {PARTIAL, MAP}
        assert store.kept_parts(NAME).tag == TAG
        assert list(store.kept_parts(NAME).ranges) == [(0, 5)]
        first.keep()
    assert names(tmp_path) == {PARTIAL, MAP}


def test_without_a_map_nothing_is_kept_even_if_the_name_of_the_partial_is_free_by_then(tmp_path, store):
    """It would be taken for a file without gaps."""
    with store.open_upload(NAME, TAG, KEEP) as first, store.open_upload(NAME, OTHER, KEEP) as second:
        second.writev_at(views(WHOLE[6:]), 6)
        second.add(6, 12)
        first.close()
        second.keep()
    assert names(tmp_path) == set()


def test_a_plain_writer_beside_an_upload(tmp_path, store):
    with store.open_upload(NAME, TAG, KEEP) as upload:
        with store.create_sink(NAME, WriteOptions(keep=True)) as sink:
            sink.writev(views(b"plain"))
            sink.commit()
        assert names(tmp_path) == {PARTIAL, MAP, b"f"}
        finish(upload, (0, 12))
    assert contents(tmp_path) == {"f": WHOLE}


@pytest.mark.parametrize("change", ["new", "replaced", "removed", "same"])
def test_what_another_writer_has_completed_meanwhile_is_not_kept_beside_it(tmp_path, store, change):
    """A session that is lost may end long after another one has sent the file."""
    if change != "new":
        (tmp_path / "f").write_bytes(b"old")
    with store.open_upload(NAME, TAG, KEEP) as lost:
        lost.writev_at(views(WHOLE[:5]), 0)
        lost.add(0, 5)
        if change == "removed":
            store.remove(NAME)
        elif change != "same":
            with store.open_upload(NAME, OTHER, KEEP) as upload:
                finish(upload, (0, 12))
        lost.keep()
    assert names(tmp_path) - {b"f"} == ({PARTIAL, MAP} if change == "same" else set())


def test_an_upload_that_was_only_begun_is_not_left_beside_the_file_either(tmp_path, store):
    with store.open_upload(NAME, TAG, KEEP) as upload:
        upload.writev_at(views(WHOLE[:5]), 0)
        upload.add(0, 5)
        upload.keep()
    with store.open_upload(NAME, OTHER, KEEP, adopt=True), store.create_sink(NAME, WriteOptions(keep=True)) as sink:
        sink.writev(views(b"plain"))
        sink.commit()
    assert contents(tmp_path) == {"f": b"plain"}


def test_an_existing_name_is_not_replaced_unless_asked(tmp_path, store):
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(AlreadyExists):
        store.open_upload(NAME, TAG, KEEP._replace(overwrite=False))
    (tmp_path / "f").unlink()
    with store.open_upload(NAME, TAG, KEEP._replace(overwrite=False)) as upload:
        (tmp_path / "f").write_bytes(b"x")
        with pytest.raises(AlreadyExists):
            finish(upload, (0, 12))
    assert contents(tmp_path) == {"f": b"x"}


def test_two_threads_write_parts_at_once(tmp_path, store):
    data = random.Random(7).randbytes(1 << 20)
    size = len(data)
    with store.open_upload(NAME, TAG, WriteOptions(size=size, keep=True)) as upload:

        def write(places):
            for at in places:
                upload.writev_at(views(data[at : at + 4096]), at)

        threads = [threading.Thread(target=write, args=(range(4096 * one, size, 8192),)) for one in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        upload.add(0, size)
        upload.commit()
    assert contents(tmp_path) == {"f": data}


# --- the map ----------------------------------------------------------------------------------------------------------


def test_the_map_has_what_was_verified_and_nothing_else(store):
    with store.open_upload(NAME, TAG, KEEP) as upload:
        upload.writev_at(views(WHOLE), 0)
        assert list(store.kept_parts(NAME).ranges) == []
        upload.add(5, 12)
        assert list(store.kept_parts(NAME).ranges) == [(5, 12)]
        assert store.kept_parts(NAME).info.size == 0
        upload.add(0, 3)
        assert list(store.kept_parts(NAME).ranges) == [(0, 3), (5, 12)]
        assert store.kept_parts(NAME).info.size == 3


def test_a_map_that_can_not_be_written_stays_true(tmp_path, store, monkeypatch):
    """On a full disk, say: what it lists is there."""
    with store.open_upload(NAME, TAG, KEEP) as upload:
        upload.writev_at(views(WHOLE), 0)
        upload.add(0, 5)

        def full(*_):
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr(upload_module, "write_map", full)
        upload.add(5, 12)
        assert list(upload.ranges) == [(0, 12)]
        assert list(store.kept_parts(NAME).ranges) == [(0, 5)]
        monkeypatch.undo()
        upload.add(2, 3)
        assert list(store.kept_parts(NAME).ranges) == [(0, 12)]


def test_what_is_no_map_of_this_partial_counts_as_none(tmp_path, store):
    kept(store, (0, 3), (7, 12))
    place = os.path.join(os.fsencode(tmp_path), MAP)
    with open(place, "rb") as file:
        text = file.read()
    inode = os.stat(os.path.join(os.fsencode(tmp_path), PARTIAL)).st_ino
    assert decode_map(text, inode) == PartMap(TAG, SIZE, Intervals([(0, 3), (7, 12)]))
    assert decode_map(text, inode + 1) is None
    for end in range(len(text)):
        assert decode_map(text[:end], inode) is None
    for at in range(len(text)):
        assert decode_map(text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :], inode) is None
    os.unlink(place)
    os.symlink(tmp_path / "elsewhere", place)
    (tmp_path / "elsewhere").write_bytes(text)
    assert store.kept_parts(NAME).tag is None
    os.unlink(place)
    with open(place, "wb") as file:
        file.write(bytes(1 << 20))
    assert store.kept_parts(NAME).tag is None
    with open(place, "wb") as file:
        file.write(text)
    assert store.kept_parts(NAME).tag == TAG
    os.truncate(os.path.join(os.fsencode(tmp_path), PARTIAL), 11)
    assert store.kept_parts(NAME).tag is None, "shorter than the map says"


@pytest.mark.parametrize("ranges", [[(3, 3)], [(5, 7), (0, 3)], [(0, 5), (5, 7)], [(0, 5), (3, 7)], [(0, 13)]])
def test_ranges_that_no_upload_has_are_no_map(ranges):
    class Raw(list):
        pass

    text = encode_map(PartMap(TAG, SIZE, Raw(ranges)), 1)
    assert decode_map(text, 1) is None
    assert decode_map(encode_map(PartMap(TAG, SIZE, Intervals([(0, 12)])), 1), 1) is not None


def test_bytes_behind_the_ranges_are_no_map():
    text = encode_map(PartMap(TAG, SIZE, Intervals([(0, 3)])), 1)[:-16]
    for more in (b"x", bytes(16)):
        body = text + more
        assert decode_map(body + hashlib.blake2b(body, digest_size=16).digest(), 1) is None


def test_the_names_belong_together():
    assert is_map(MAP)
    assert not is_map(PARTIAL)
    assert partial_of(MAP) == PARTIAL
    assert MAP.startswith(b".secftp-map-")


# --- removal ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.remove(NAME),
        lambda store: store.make_directory(NAME),
        lambda store: store.create_sink(NAME, WriteOptions(keep=True)).close(),
        lambda store: store.create_sink(NAME).commit(),
        write_small,
        lambda store: store.rename((b"g",), NAME),
        lambda store: store.discard_partial(NAME),
        lambda store: store.open_upload(NAME, OTHER, KEEP).close(),
    ],
)
def test_the_map_is_removed_with_the_partial(tmp_path, store, change):
    (tmp_path / "g").write_bytes(b"g")
    kept(store, (0, 3), (7, 12))
    change(store)
    assert not {PARTIAL, MAP} & names(tmp_path)


def test_both_go_with_the_directory(tmp_path, store):
    for name in (b"one", b"two", b"three", b"four"):
        store.make_directory((name,))
        with store.open_upload((name, b"f"), TAG, KEEP) as upload:
            upload.add(0, 5)
            upload.keep()
        store.remove((name,))
    assert names(tmp_path) == set()
    store.make_directory((b"d",))
    with store.open_upload((b"d", b"f"), TAG, KEEP), pytest.raises(Exception, match="being written"):
        store.remove((b"d",))


def test_a_sweep_takes_both_after_a_week_and_a_map_alone_at_once(tmp_path, store):
    kept(store, (0, 3), (7, 12))
    assert sweep(tmp_path) == 0
    old = time.time() - 8 * 24 * 3600
    os.utime(os.path.join(os.fsencode(tmp_path), MAP), (old, old))
    assert sweep(tmp_path) == 0
    os.utime(os.path.join(os.fsencode(tmp_path), PARTIAL), (old, old))
    assert sweep(tmp_path) >= 1
    assert names(tmp_path) == set()
    kept(store, (0, 3), (7, 12))
    os.unlink(os.path.join(os.fsencode(tmp_path), PARTIAL))
    assert sweep(tmp_path) == 1
    assert names(tmp_path) == set()


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_file_that_can_not_fit_is_refused_at_once(tmp_path, store):
    with pytest.raises(NoSpace):
        store.open_upload(NAME, TAG, WriteOptions(size=1 << 60, keep=True))
    kept(store, (0, 5))
    with pytest.raises(NoSpace):
        store.open_upload(NAME, TAG, WriteOptions(size=1 << 60, keep=True), adopt=True)
    assert names(tmp_path) == {PARTIAL, MAP}


def test_a_partial_that_another_program_replaced_is_not_given_the_name(tmp_path, store):
    with store.open_upload(NAME, TAG, KEEP) as upload:
        place = os.path.join(os.fsencode(tmp_path), PARTIAL)
        os.rename(place, place + b"x")
        with open(place, "wb") as file:
            file.write(b"x" * 12)
        with pytest.raises(InputOutputError):
            finish(upload, (0, 12))
    assert not (tmp_path / "f").exists()


def test_a_full_disk_leaves_the_file_open_for_its_owner_to_discard(tmp_path, store, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    with store.open_upload(NAME, TAG, KEEP) as upload:
        monkeypatch.setattr(os, "pwritev", full)
        with pytest.raises(NoSpace):
            upload.writev_at(views(b"x"), 0)
        monkeypatch.undo()
        upload.writev_at(views(b"x"), 0)
    assert names(tmp_path) == set()


# --- another process has it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [[], [(0, 5)]])
def test_an_upload_that_another_store_is_receiving_is_not_begun_a_second_time(tmp_path, parts):
    with LocalStore(tmp_path) as one, LocalStore(tmp_path) as two:
        with one.open_upload(NAME, TAG, KEEP) as first:
            for at, end in parts:
                first.writev_at(views(WHOLE[at:end]), at)
                first.add(at, end)
            before = names(tmp_path)
            with pytest.raises(UploadElsewhere) as caught:
                two.open_upload(NAME, TAG, KEEP)
            assert caught.value.reason is Reason.BEING_WRITTEN
            assert names(tmp_path) == before
            first.keep()
        if parts:
            with two.open_upload(NAME, TAG, KEEP) as second:
                assert list(second.ranges) == parts


@pytest.mark.parametrize(("tag", "size"), [(OTHER, SIZE), (TAG, SIZE + 1)])
def test_another_upload_of_that_name_is_begun_beside_it(tmp_path, tag, size):
    with LocalStore(tmp_path) as one, LocalStore(tmp_path) as two, one.open_upload(NAME, TAG, KEEP):
        with two.open_upload(NAME, tag, WriteOptions(size=size, keep=True)):
            assert any(is_temporary(name) for name in names(tmp_path))
        assert names(tmp_path) == {PARTIAL, MAP}


def test_a_partial_whose_map_is_about_to_come(tmp_path, monkeypatch):
    """The other process has just created it."""
    with LocalStore(tmp_path) as one, LocalStore(tmp_path) as two:
        first = one.open_upload(NAME, TAG, KEEP)
        there = tmp_path / os.fsdecode(MAP)
        aside = tmp_path / "aside"
        there.rename(aside)
        monkeypatch.setattr(upload_module.time, "sleep", lambda _: aside.exists() and aside.rename(there))
        with first, pytest.raises(UploadElsewhere):
            two.open_upload(NAME, TAG, KEEP)


def test_a_partial_that_gets_no_map_is_that_of_another_writer(tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(upload_module.time, "sleep", waits.append)
    with LocalStore(tmp_path) as store, store.create_sink(NAME, KEEP), store.open_upload(NAME, TAG, KEEP):
        assert any(is_temporary(name) for name in names(tmp_path))
    assert sum(waits) <= 0.2
