"""Names that a store accepts, by their bytes alone."""

from __future__ import annotations

import os

import pytest

from secftp.errors import NameRefused
from secftp.storage import RESERVED_PREFIX, LocalStore, WriteOptions
from secftp.storage.names import check, is_temporary, temporary_name
from secftp.text import path_text

REFUSED = [
    (),
    (b"",),
    (b".",),
    (b"..",),
    (b"a", b"..", b"b"),
    (b"a", b"", b"b"),
    (b"/",),
    (b"/etc/passwd",),
    (b"a/b",),
    (b"..", b"..", b"etc", b"passwd"),
    (b"a\0b",),
    (b"\0",),
    (b"a" * 256,),
    (b"a", b"b" * 256),
    (b"a",) * 65,
    (b"a" * 255,) * 16 + (b"",),
    (b"a" * 127,) * 32 + (b"a",),
    (RESERVED_PREFIX,),
    (RESERVED_PREFIX + b"x",),
    (RESERVED_PREFIX + b"tmp-" + b"0" * 32,),
    (RESERVED_PREFIX + b"x", b"a"),
    (b"a", RESERVED_PREFIX + b"x", b"b"),
]
TAKEN = [
    (b"a",),
    (b"...",),
    (b"..a",),
    (b" ",),
    (b"a\\b",),
    (b"\n",),
    (b"\xff\xfe",),
    (b"a" * 255,),
    (b"a",) * 64,
    (b"a" * 127,) * 32,  # 4096 with a separator each
    (b".secftp",),
    (b"x" + RESERVED_PREFIX,),
]


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: repr(path)[:30])
def test_a_hostile_name_is_refused(path):
    with pytest.raises(NameRefused):
        check(path)


@pytest.mark.parametrize("path", TAKEN, ids=lambda path: repr(path)[:30])
def test_an_odd_name_is_taken(path):
    check(path)


ENTRANCES = {
    "open_source": lambda store, path: store.open_source(path),
    "create_sink": lambda store, path: store.create_sink(path),
    "create_sink kept": lambda store, path: store.create_sink(path, WriteOptions(keep=True)),
    "resume_sink": lambda store, path: store.resume_sink(path, 0),
    "stat": lambda store, path: store.stat(path),
    "stat partial": lambda store, path: store.stat(path, partial=True),
    "scan": lambda store, path: list(store.scan(path)),
    "remove": lambda store, path: store.remove(path),
    "rename": lambda store, path: store.rename(path, (b"free",)),
    "rename to": lambda store, path: store.rename((b"taken",), path),
    "make_directory": lambda store, path: store.make_directory(path),
    "make_directory parents": lambda store, path: store.make_directory(path, parents=True),
    "set_attributes": lambda store, path: store.set_attributes(path, mode=0),
    "small read": lambda store, path: store.small_files().read(path, 1),
    "small write": lambda store, path: store.small_files().write(path, memoryview(b"x")),
    "small write new": lambda store, path: store.small_files().write(
        path, memoryview(b"x"), WriteOptions(overwrite=False)
    ),
}
ROOT_IS_AN_ANSWER = {"stat", "scan", "set_attributes"}


@pytest.mark.parametrize("call", ENTRANCES)
@pytest.mark.parametrize("path", REFUSED, ids=lambda path: repr(path)[:30])
def test_every_entrance_of_the_store_asks_before_the_file_system(tmp_path, call, path, monkeypatch):
    with LocalStore(tmp_path) as store, monkeypatch.context() as patch:
        for name in ("open", "stat", "dup"):
            patch.setattr(os, name, None)
        if path or call not in ROOT_IS_AN_ANSWER:
            with pytest.raises(NameRefused):
                ENTRANCES[call](store, path)
    assert os.listdir(tmp_path) == []


def test_temporary_names_are_reserved_random_and_recognised():
    names = {temporary_name() for _ in range(100)}
    assert len(names) == 100
    for name in names:
        assert len(name) == 44
        assert is_temporary(name)
        with pytest.raises(NameRefused):
            check((name,))


@pytest.mark.parametrize(
    "name",
    [b".secftp-tmp-", b".secftp-tmp-" + b"g" * 32, b".secftp-tmp-" + b"0" * 33, b".secftp-key-" + b"0" * 32, b"a"],
)
def test_other_names_are_not_taken_for_temporary_ones(name):
    assert not is_temporary(name)


def test_a_message_shows_the_name_as_it_came():
    assert path_text((b"a", b"\xff\x1b")) == "a/\udcff\x1b"
    assert path_text("as typed") == "as typed"
