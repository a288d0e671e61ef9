"""Permissions: exactly those requested, less what the operator's mask takes away, in every way of writing."""

from __future__ import annotations

import os
import stat

import pytest

from secftp import system
from secftp.storage import LocalStore, WriteOptions, make_local_directory
from secftp.storage.attributes import mkdir_with_mode
from tests.storage.test_small import NAME


@pytest.fixture(autouse=True)
def umask():
    """A function that sets the process's umask, for us too; undone afterwards."""
    before = os.umask(0o022)

    def change(mask: int) -> None:
        os.umask(mask)
        system.process_umask.cache_clear()

    change(0o022)
    yield change
    change(before)


def mode_of(path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def write_large(store, mode):
    with store.create_sink(NAME, WriteOptions(mode=mode)) as sink:
        sink.writev([memoryview(b"x")])
        sink.commit()


def write_resumed(store, mode):
    with store.create_sink(NAME, WriteOptions(keep=True)) as sink:
        sink.writev([memoryview(b"x")])
        sink.keep()
    with store.resume_sink(NAME, 1, WriteOptions(mode=mode, keep=True)) as sink:
        sink.commit()


def write_small(store, mode):
    with store.small_files() as small:
        small.write(NAME, memoryview(b"x"), WriteOptions(mode=mode))


def make(store, mode):
    store.make_directory(NAME, mode=mode)


def make_with_parents(store, mode):
    store.make_directory(NAME, parents=True, mode=mode)


def change_file(store, mode):
    write_small(store, 0o600)
    store.set_attributes(NAME, mode=mode)


def change_directory(store, mode):
    make(store, 0o700)
    store.set_attributes(NAME, mode=mode)


FILES = [write_large, write_resumed, write_small, change_file]
DIRECTORIES = [make, make_with_parents, change_directory]


@pytest.mark.parametrize("way", FILES)
@pytest.mark.parametrize(
    ("mask", "mode", "expected"), [(0o750, 0o666, 0o640), (0o640, 0o777, 0o640), (0o777, 0o666, 0o666), (0, 0o644, 0)]
)
def test_the_mask_bounds_what_a_request_sets_for_a_file(tmp_path, way, mask, mode, expected):
    with LocalStore(tmp_path, mode_mask=mask) as store:
        way(store, mode)
    assert mode_of(tmp_path / "f") == expected


@pytest.mark.parametrize("way", DIRECTORIES)
@pytest.mark.parametrize(
    ("mask", "mode", "expected"),
    [(0o750, 0o777, 0o750), (0o640, 0o777, 0o740), (0, 0o755, 0o700), (0o777, 0o7775, 0o775), (0o750, 0o555, 0o550)],
)
def test_the_mask_takes_nothing_from_the_owner_of_a_directory(tmp_path, way, mask, mode, expected):
    with LocalStore(tmp_path, mode_mask=mask) as store:
        way(store, mode)
    assert mode_of(tmp_path / "f") == expected


def test_what_was_made_without_permissions_is_under_the_mask_too(tmp_path):
    with LocalStore(tmp_path, mode_mask=0o700) as store:
        write_small(store, None)
        assert mode_of(tmp_path / "f") == 0o600
        write_large(store, None)
        store.make_directory((b"a", b"b"), parents=True)
    assert [mode_of(tmp_path / name) for name in ("f", "a", "a/b")] == [0o600, 0o700, 0o700]


def test_a_file_that_is_replaced_keeps_what_its_operator_gave_it(tmp_path):
    (tmp_path / "f").write_bytes(b"old")
    os.chmod(tmp_path / "f", 0o664)
    with LocalStore(tmp_path, mode_mask=0o700) as store:
        write_small(store, None)
        assert mode_of(tmp_path / "f") == 0o664
        write_large(store, None)
    assert mode_of(tmp_path / "f") == 0o664


def test_the_store_beneath_has_the_same_mask(tmp_path):
    (tmp_path / "sub").mkdir()
    with LocalStore(tmp_path, mode_mask=0o700) as store, store.beneath((b"sub",)) as below:
        for way in (write_large, write_small):
            way(below, 0o777)
            assert mode_of(tmp_path / "sub" / "f") == 0o700


def test_a_directory_is_never_wider_than_it_will_be_but_for_its_owner(tmp_path, umask, monkeypatch):
    umask(0)
    seen = []
    real = os.open

    def look(name, *arguments, **options):
        seen.append(mode_of(tmp_path / os.fsdecode(name)))
        return real(name, *arguments, **options)

    with LocalStore(tmp_path) as store:
        monkeypatch.setattr(os, "open", look)
        store.make_directory(NAME, mode=0o050)
    assert seen == [0o750]
    assert mode_of(tmp_path / "f") == 0o050


def test_a_directory_keeps_the_setgid_bit_that_it_inherits(tmp_path, umask):
    umask(0o077)
    os.chmod(tmp_path, 0o2775)
    with LocalStore(tmp_path) as store:
        make(store, 0o775)
    assert mode_of(tmp_path / "f") == 0o2775


def test_a_umask_that_denies_its_owner_what_he_makes(tmp_path, umask, monkeypatch):
    umask(0o777)
    real = os.open

    def refuse(name, flags, *arguments, **options):
        if not flags & os.O_PATH:
            raise PermissionError(13, "Permission denied")  # as for any user but root
        return real(name, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    mkdir_with_mode(os.fspath(tmp_path / "d"), 0o775)
    assert mode_of(tmp_path / "d") == 0o775


@pytest.mark.parametrize(("mode", "expected"), [(None, 0o755), (0o7775, 0o775), (0o500, 0o500)])
def test_a_directory_that_the_user_named(tmp_path, mode, expected):
    make_local_directory(os.fspath(tmp_path / "d"), mode=mode)
    assert mode_of(tmp_path / "d") == expected


def test_whether_a_directory_was_made_is_told(tmp_path):
    with LocalStore(tmp_path) as store:
        assert store.make_directory(NAME, parents=True)
        assert not store.make_directory(NAME, parents=True)
        assert store.make_directory((*NAME, b"a", b"b"), parents=True)
        assert store.make_directory((*NAME, b"c"))
