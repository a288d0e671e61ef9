"""The store that takes deliveries: new names only, nothing that was there, and nothing incomplete at the end."""

from __future__ import annotations

import os

import pytest

from secftp.errors import AlreadyExists, Forbidden, NameRefused, NotFound
from secftp.storage import LocalStore, WriteOptions
from secftp.storage.inbox import InboxStore
from tests.support.serving import listing

SIZE = 2 << 20  # of a file that is worth to be kept


@pytest.fixture
def top(tmp_path):
    """A directory with something of the user's."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "note").write_text("old")
    return tmp_path


@pytest.fixture
def inbox(top):
    with InboxStore(LocalStore(top)) as store:
        yield store


def write(store, *path, data=b"new", options=None):
    with store.create_sink(path, options or WriteOptions(overwrite=True)) as sink:
        sink.writev([memoryview(data)])
        sink.commit()


def write_small(store, *path):
    with store.small_files() as small:
        small.write(path, memoryview(b"new"), WriteOptions(overwrite=True))


def write_part(store, *path):
    with store.open_upload(path, bytes(16), WriteOptions(overwrite=True, size=3)) as upload:
        upload.writev_at([memoryview(b"new")], 0)
        upload.add(0, 3)
        upload.commit()


WAYS = pytest.mark.parametrize("way", [write, write_small, write_part])


@WAYS
def test_new_names_at_the_top_and_in_new_directories(inbox, top, way):
    way(inbox, b"plan")
    assert inbox.make_directory((b"photos", b"deep"), parents=True)
    way(inbox, b"photos", b"a")
    way(inbox, b"photos", b"deep", b"b")
    assert not inbox.make_directory((b"photos",), parents=True)  # once more, over another session
    assert listing(top) == ["bin", "note", "photos", "photos/a", "photos/deep", "photos/deep/b", "plan"]
    assert (top / "photos" / "a").read_text() == "new"


@WAYS
def test_what_was_there_is_neither_replaced_nor_added_to(inbox, top, way):
    for path in [(b"note",), (b"bin", b"ls"), (b"bin", b"new", b"ls")]:
        with pytest.raises((AlreadyExists, NotFound)):
            way(inbox, *path)
    for path in [(b"bin",), (b"bin", b"new"), (b"note",), (b"note", b"x")]:
        with pytest.raises(AlreadyExists):
            inbox.make_directory(path, parents=True)
    assert (listing(top), (top / "note").read_text()) == (["bin", "note"], "old")


@WAYS
def test_a_file_is_not_replaced_by_another_delivery(inbox, top, way):
    write(inbox, b"plan", data=b"first")
    with pytest.raises(AlreadyExists):
        way(inbox, b"plan")
    assert (top / "plan").read_text() == "first"


@WAYS
def test_hidden_names_are_refused_at_the_top_alone(inbox, top, way):
    for path in [(b".bashrc",), (b".config", b"autostart")]:
        with pytest.raises(NameRefused):
            way(inbox, *path)
        with pytest.raises(NameRefused):
            inbox.make_directory(path, parents=True)
    inbox.make_directory((b"photos",))
    way(inbox, b"photos", b".thumbs")
    assert (top / "photos" / ".thumbs").exists()


def test_a_directory_that_took_the_place_of_a_new_one_is_not_entered(inbox, top):
    inbox.make_directory((b"photos",))
    (top / "photos").rmdir()
    (top / "bin").rename(top / "photos")
    with pytest.raises(AlreadyExists):
        write(inbox, b"photos", b"a")
    with pytest.raises(AlreadyExists):
        inbox.set_attributes((b"photos", b"a"), mode=0o777)
    assert listing(top) == ["note", "photos"]


def test_nothing_is_removed_or_renamed_and_only_new_directories_get_attributes(inbox, top):
    inbox.make_directory((b"photos",))
    inbox.set_attributes((b"photos",), mode=0o750)
    write(inbox, b"plan")
    inbox.set_attributes((b"plan",), mode=0o640, only=inbox.identity((b"plan",)))
    assert [os.stat(top / name).st_mode & 0o777 for name in ("photos", "plan")] == [0o750, 0o640]
    for change in (
        lambda: inbox.remove((b"plan",)),
        lambda: inbox.rename((b"plan",), (b"other",)),
        lambda: inbox.set_attributes((), mode=0o777),
        lambda: inbox.set_attributes((b"note",), mode=0o777),
        lambda: inbox.set_attributes((b"bin",), mode=0o777),
    ):
        with pytest.raises(Forbidden):
            change()
    assert inbox.make_writable((b"photos",)) is None


def begin(store, name, *, keep=True):
    sink = store.create_sink((name,), WriteOptions(size=SIZE, keep=keep))
    sink.writev([memoryview(bytes(SIZE // 2))])
    return sink


def test_a_partial_can_be_continued_and_is_gone_at_the_end(top):
    inbox = InboxStore(LocalStore(top))
    begin(inbox, b"one").keep()
    begin(inbox, b"two").keep()
    assert inbox.stat((b"one",), partial=True).size == SIZE // 2
    assert inbox.kept_parts((b"two",)).info.size == SIZE // 2
    with inbox.resume_sink((b"one",), SIZE // 2, WriteOptions(size=SIZE // 2, keep=True)) as sink:
        assert sink.readv([memoryview(bytearray(10))], 0) == 10
        sink.writev([memoryview(bytes(SIZE // 2))])
        sink.commit()
    with inbox.open_upload((b"three",), bytes(16), WriteOptions(size=SIZE, keep=True)) as upload:
        upload.writev_at([memoryview(bytes(SIZE // 2))], 0)
        upload.add(0, SIZE // 2)
        upload.keep()
    assert len([name for name in listing(top) if name.startswith(".secftp-")]) >= 2
    inbox.close()
    assert listing(top) == ["bin", "note", "one"]
    assert (top / "one").read_bytes() == bytes(SIZE)


def test_a_partial_that_was_there_before_is_not_a_part_of_a_delivery(top):
    with LocalStore(top) as store:
        begin(store, b"old").keep()
    before = listing(top)
    with InboxStore(LocalStore(top)) as inbox:
        for ask in (
            lambda: inbox.stat((b"old",), partial=True),
            lambda: inbox.kept_parts((b"old",)),
            lambda: inbox.resume_sink((b"old",), SIZE // 2),
            lambda: inbox.open_upload((b"old",), bytes(16), WriteOptions(size=SIZE), adopt=True),
        ):
            with pytest.raises(NotFound):
                ask()
    assert listing(top) == before
