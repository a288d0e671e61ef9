"""Batches of small files in one directory: what is examined once for all of them, and that nothing is missed by it."""

from __future__ import annotations

import os

import pytest

from secftp.errors import NameRefused, NotFound
from secftp.storage import small as small_module
from secftp.storage.names import partial_name
from secftp.storage.partial import _FEW_ENTRIES

BAD_NAMES = [b"", b".", b"..", b"a/b", b"a\0", b".secftp-", b".secftp-tmp-x", b"x" * 256]


@pytest.fixture
def looked(monkeypatch):
    """The directories that were looked through: how many partials were found in each, None if that was given up."""
    found, inner = [], small_module.partials_in

    def look(directory):
        partials = inner(directory)
        found.append(None if partials is None else len(partials))
        return partials

    monkeypatch.setattr(small_module, "partials_in", look)
    return found


@pytest.fixture
def asked(monkeypatch):
    """The names about whose partials it was asked one by one."""
    names, inner = [], small_module.partial_name

    def ask(name):
        names.append(name)
        return inner(name)

    monkeypatch.setattr(small_module, "partial_name", ask)
    return names


def write(store, *names, at=()):
    with store.small_files() as files:
        for name in names:
            files.write((*at, name), memoryview(b"new"))


def keep_partials(tmp_path, *names):
    for name in names:
        (tmp_path / os.fsdecode(partial_name(name))).write_bytes(b"old")


def left(tmp_path):
    return sorted(name for name in os.listdir(tmp_path) if name.startswith(".secftp-"))


def test_a_directory_is_looked_through_once_for_a_batch(store, looked, asked):
    write(store, *(b"%d" % number for number in range(100)))
    assert (looked, asked) == ([0], [])


def test_every_directory_of_a_batch_is_looked_through(store, tmp_path, looked, asked):
    (tmp_path / "sub").mkdir()
    keep_partials(tmp_path / "sub", b"f")
    with store.small_files() as files:
        for path in ((b"f",), (b"sub", b"f"), (b"g",)):
            files.write(path, memoryview(b"new"))
    assert (looked, left(tmp_path / "sub")) == ([0, 1, 0], [])


def test_partials_that_were_there_go_with_their_names(store, tmp_path, looked):
    keep_partials(tmp_path, b"a", b"b", b"other")
    write(store, b"a", b"new", b"b")
    assert (looked, left(tmp_path)) == ([3], [os.fsdecode(partial_name(b"other"))])


@pytest.mark.parametrize("entries", [_FEW_ENTRIES, _FEW_ENTRIES + 1, 3 * _FEW_ENTRIES])
def test_in_a_crowded_directory_it_is_asked_about_each_name(store, tmp_path, looked, asked, entries):
    for number in range(entries - 1):
        (tmp_path / f"{number}").touch()
    keep_partials(tmp_path, b"a")
    write(store, b"a", b"b")
    assert (looked, left(tmp_path)) == ([1] if entries <= _FEW_ENTRIES else [None], [])
    assert b"a" in asked


def test_a_crowded_directory_is_looked_through_only_once(store, tmp_path, looked):
    (tmp_path / "sub").mkdir()
    for number in range(_FEW_ENTRIES + 1):
        (tmp_path / f"{number}").touch()
    for _ in range(3):
        write(store, b"a")
    assert looked == [None]
    write(store, b"a", at=(b"sub",))
    assert looked == [None, 0]
    keep_partials(tmp_path, b"a")
    write(store, b"a")
    assert left(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root lists any directory")
def test_a_directory_that_can_not_be_listed(store, tmp_path, looked):
    keep_partials(tmp_path, b"a")
    tmp_path.chmod(0o300)
    try:
        write(store, b"a")
    finally:
        tmp_path.chmod(0o700)
    assert (looked, left(tmp_path)) == ([None], [])


def test_where_listing_fails_it_is_asked_about_each_name(store, tmp_path, looked, monkeypatch):
    keep_partials(tmp_path, b"a")

    def failing(_fd):
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", failing)
        write(store, b"a")
    assert (looked, left(tmp_path)) == ([None], [])


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("at", [(), (b"sub",)])
def test_every_name_in_the_same_directory_is_checked(store, tmp_path, name, at):
    (tmp_path / "sub").mkdir()
    with store.small_files() as files:
        files.write((*at, b"good"), memoryview(b"1"))
        for _ in range(2):
            with pytest.raises(NameRefused):
                files.write((*at, name), memoryview(b"2"))
            with pytest.raises(NameRefused):
                files.read((*at, name), 100)
        with pytest.raises(NameRefused):
            files.free_space((*at, name))
        assert files.read((*at, b"good"), 100)[1] == b"1"


def test_the_path_of_the_served_directory_itself_is_refused(store):
    with store.small_files() as files:
        files.write((b"good",), memoryview(b"1"))
        for act in (lambda: files.read((), 100), lambda: files.write((), memoryview(b""))):
            with pytest.raises(NameRefused):
                act()


def test_the_length_of_a_path_is_checked_for_each_name(store, tmp_path):
    """4,096 bytes with one separator for each name: 15 directories of 250 and one of 80 leave 249 for a name."""
    at = (*((b"d" * 250,) * 15), b"d" * 80)
    here = os.open(tmp_path, os.O_RDONLY)
    for name in at:
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    room = 4096 - sum(len(name) + 1 for name in at) - 1
    assert room == 249
    with store.small_files() as files:
        files.write((*at, b"f"), memoryview(b"1"))
        files.write((*at, b"f" * room), memoryview(b"2"))
        with pytest.raises(NameRefused):
            files.write((*at, b"f" * (room + 1)), memoryview(b"3"))
        with pytest.raises(NotFound):
            files.read((*at, b"g" * room), 100)
