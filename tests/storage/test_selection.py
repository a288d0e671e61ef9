"""The store of a few named files and directories: nothing beside them, whatever is asked."""

from __future__ import annotations

import os

import pytest

from secftp.errors import (
    FileError,
    Forbidden,
    IsADirectory,
    NameRefused,
    NotADirectory,
    NotFound,
    UsageError,
)
from secftp.protocol import Kind
from secftp.protocol.limits import MAX_COMPONENTS
from secftp.storage import WriteOptions
from secftp.storage.selection import SelectionStore


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Two directories with files of which some are selected, and links out of them."""
    for name in ("one/plan.txt", "one/secret", "two/photos/a", "two/photos/deep/b", "two/other"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "two" / "photos" / "out").symlink_to("../other")
    (tmp_path / "two" / "photos" / "up").symlink_to("..")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def selection(here):
    with SelectionStore(["one/plan.txt", "two/photos/"]) as store:
        yield store


def paths(store, path=(), *, recursive=True):
    return sorted(b"/".join(entry.path) for entry in store.scan(path, recursive=recursive))


def read(store, *path):
    with store.open_source(path) as source:
        buffer = memoryview(bytearray(100))
        return bytes(buffer[: source.readv([buffer], 0)])


def test_each_operand_stands_at_the_root_under_its_last_name(selection):
    assert selection.names == (b"plan.txt", b"photos")
    assert paths(selection, recursive=False) == [b"photos", b"plan.txt"]
    assert paths(selection) == [b"photos", b"photos/a", b"photos/deep", b"photos/deep/b", b"plan.txt"]
    assert paths(selection, (b"photos",), recursive=False) == [b"a", b"deep"]
    assert paths(selection, (b"photos", b"deep")) == [b"b"]
    assert read(selection, b"plan.txt") == b"one/plan.txt"
    assert read(selection, b"photos", b"deep", b"b") == b"two/photos/deep/b"
    with selection.small_files() as files:
        assert [files.read(path, 100)[1] for path in [(b"plan.txt",), (b"photos", b"a"), (b"plan.txt",)]] == [
            b"one/plan.txt",
            b"two/photos/a",
            b"one/plan.txt",
        ]
    assert selection.stat(()).kind is Kind.DIRECTORY
    assert selection.stat((b"photos",)).kind is Kind.DIRECTORY
    assert selection.stat((b"plan.txt",)).size == len("one/plan.txt")
    assert selection.identity((b"photos",)) != selection.identity((b"plan.txt",)) != selection.identity_of_root()


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ((b"secret",), NotFound),
        ((b"other",), NotFound),
        ((b"one", b"secret"), NotFound),
        ((b"two",), NotFound),
        ((b"plan.txt", b"secret"), NotADirectory),
        ((b"plan.txt", b"x", b"y"), NotADirectory),
        ((b"photos", b"other"), NotFound),
        ((b"photos", b"photos"), NotFound),
        ((b"photos", b"out"), NotFound),
        ((b"photos", b"up", b"other"), NotFound),
        ((b"photos", b".."), NameRefused),
        ((b"..",), NameRefused),
        ((b"photos", b"../other"), NameRefused),
        ((b"photos", b".secftp-part-0"), NameRefused),
    ],
)
def test_nothing_beside_the_operands_is_reached(selection, path, problem):
    with selection.small_files() as small:
        for ask in (
            selection.stat,
            selection.open_source,
            selection.identity,
            lambda path: list(selection.scan(path)),
            lambda path: small.read(path, 100),
        ):
            with pytest.raises(problem):
                ask(path)


def test_directories_are_no_files_and_files_no_directories(selection):
    for path in [(b"photos",), (b"photos", b"deep")]:
        with pytest.raises((IsADirectory, FileError)):
            selection.open_source(path)
    with pytest.raises(IsADirectory):
        selection.open_source((b"photos",))
    with pytest.raises(NotADirectory):
        list(selection.scan((b"plan.txt",)))


def test_nothing_is_written_and_no_partial_is_told_of(selection, here):
    name, new = (b"plan.txt",), (b"photos", b"new")
    with selection.small_files() as small:
        for change in (
            lambda: selection.create_sink(new),
            lambda: selection.create_sink(name, WriteOptions(overwrite=True)),
            lambda: selection.resume_sink(new, 1),
            lambda: selection.open_upload(new, bytes(16), WriteOptions(size=1)),
            lambda: selection.remove(name),
            lambda: selection.rename(name, new),
            lambda: selection.make_directory(new),
            lambda: selection.set_attributes(name, mode=0o600),
            lambda: selection.has_attributes(name, mode=0o600),
            lambda: selection.make_writable((b"photos",)),
            lambda: selection.restore_mode((b"photos",), 0o700),
            lambda: selection.space(()),
            lambda: small.write(new, memoryview(b"x")),
        ):
            with pytest.raises(Forbidden):
                change()
    for ask in (lambda: selection.stat(name, partial=True), lambda: selection.kept_parts(name)):
        with pytest.raises(NotFound):
            ask()
    assert sorted(os.listdir(here / "two" / "photos")) == ["a", "deep", "out", "up"]


def test_a_symlink_that_the_user_named_is_followed_and_keeps_its_name(here):
    (here / "link").symlink_to("one/plan.txt")
    (here / "directory").symlink_to("two/photos")
    with SelectionStore(["link", "directory"]) as store:
        assert read(store, b"link") == b"one/plan.txt"
        assert read(store, b"directory", b"a") == b"two/photos/a"
        assert paths(store, recursive=False) == [b"directory", b"link"]
        (here / "link").unlink()
        (here / "link").symlink_to("one/secret")
        assert read(store, b"link") == b"one/plan.txt"


def test_a_file_that_was_replaced_by_a_symlink_is_gone(selection, here):
    (here / "one" / "plan.txt").unlink()
    (here / "one" / "plan.txt").symlink_to("secret")
    with pytest.raises(NotFound):
        selection.open_source((b"plan.txt",))
    assert paths(selection, recursive=False) == [b"photos"]


def test_a_directory_that_is_renamed_meanwhile_is_still_the_one_that_was_named(selection, here):
    (here / "two").rename(here / "elsewhere")
    assert read(selection, b"photos", b"a") == b"two/photos/a"


def test_the_current_directory_has_its_name(here, monkeypatch):
    monkeypatch.chdir(here / "two" / "photos")
    with SelectionStore(["."]) as store:
        assert store.names == (b"photos",)
    with SelectionStore(["deep/.."]) as store:
        assert store.names == (b"photos",)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["one/plan.txt", "one/plan.txt"], UsageError),
        (["/"], UsageError),
        (["missing"], NotFound),
        (["one/plan.txt/"], NotADirectory),
        ([""], NameRefused),
        (["a\0b"], NameRefused),
        (["/dev/null"], Forbidden),
        (["one/.secftp-tmp"], NameRefused),
    ],
)
def test_what_can_not_be_selected(here, names, problem):
    (here / "one" / ".secftp-tmp").touch()
    with pytest.raises(problem):
        SelectionStore(names)


def test_two_of_one_name_are_refused_also_from_different_directories(here):
    (here / "two" / "plan.txt").touch()
    with pytest.raises(UsageError, match=r"^Two of the files have the name plan\.txt\."):
        SelectionStore(["one/plan.txt", "two/plan.txt"])


def test_names_that_are_too_deep_with_the_name_before_them_are_told_of(here):
    path = here / "two" / "photos"
    for _ in range(MAX_COMPONENTS - 1):
        path = path / "d"
        path.mkdir()
    (path / "last").touch()
    with SelectionStore(["two/photos"]) as store:
        problems = [entry.path for entry in store.scan((), recursive=True) if entry.problem is not None]
        assert (b"photos",) in problems
        assert all(len(entry.path) <= MAX_COMPONENTS for entry in store.scan((), recursive=True))
