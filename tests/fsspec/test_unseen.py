"""fsspec and entries that can't be inspected or listed: an error, not an omission or an empty result."""

from __future__ import annotations

import os

import pytest

from secftp.errors import InputOutputError, ServerUnreachable
from tests.storage.test_scan import BreakingScandir
from tests.transfer.test_unreadable_entries import remote, sick

pytest.importorskip("fsspec")

from secftp.api.filesystem import SecftpFileSystem

__all__ = ["remote", "sick"]


def test_fsspec_has_no_size_for_it(remote, sick, tmp_path):
    file_system = SecftpFileSystem("unused", skip_instance_cache=True, anonymous=True)
    file_system._client = remote
    sick()
    found = {entry["name"]: entry for entry in file_system.ls("/")}
    assert (found["/odd"]["size"], found["/odd"]["type"]) == (None, "other")
    assert (found["/plain"]["size"], found["/plain"]["type"]) == (1, "file")


# --- unlistable directories are an error ------------------------------------------------------------------------------


@pytest.fixture
def file_system(remote, tmp_path):
    """The directory `top/bad` can't be listed to its end."""
    for name in ("top/good/a", "top/bad/odd"):
        remote.mkdir(os.path.dirname(name), parents=True, exist_ok=True)
        remote.write_bytes(name, b"1")
    found = SecftpFileSystem("unused", skip_instance_cache=True, anonymous=True)
    found._client = remote
    return found


@pytest.fixture
def broken(monkeypatch):
    monkeypatch.setattr(os, "scandir", BreakingScandir("odd"))


ASKING = {
    "find": lambda fs, place: fs.find("/top"),
    "walk": lambda fs, place: list(fs.walk("/top")),
    "du": lambda fs, place: fs.du("/top"),
    "glob": lambda fs, place: fs.glob("/top/**"),
    "glob, level by level": lambda fs, place: fs.glob("/top/*/*"),
    "find, level by level": lambda fs, place: fs.find("/top", maxdepth=2),
    "walk, level by level": lambda fs, place: list(fs.walk("/top", maxdepth=2)),
    "get": lambda fs, place: fs.get("/top", f"{place}/copy", recursive=True),
}


@pytest.mark.parametrize("name", ASKING)
def test_fsspec_does_not_leave_out_what_can_not_be_listed(file_system, broken, tmp_path, name):
    with pytest.raises(InputOutputError):
        ASKING[name](file_system, tmp_path)


def test_fsspec_leaves_it_out_or_tells_of_it_on_demand(file_system, broken):
    assert [place for place, _, _ in file_system.walk("/top", on_error="omit")] == ["/top", "/top/good"]
    told = []
    assert len(list(file_system.walk("/top", on_error=told.append))) == 2
    assert [type(problem) for problem in told] == [InputOutputError]


def test_fsspec_finds_nothing_in_what_is_not_there(file_system):
    assert (file_system.find("/missing"), list(file_system.walk("/missing"))) == ([], [])
    assert (file_system.isdir("/missing"), file_system.isfile("/missing/x")) == (False, False)
    assert (file_system.isdir("/top"), file_system.isfile("/top/good/a")) == (True, True)


def test_fsspec_knows_nothing_without_a_server():
    nowhere = SecftpFileSystem("127.0.0.1", 1, skip_instance_cache=True, anonymous=True)
    for ask in (nowhere.isdir, nowhere.isfile, nowhere.find, nowhere.du, lambda path: list(nowhere.walk(path))):
        with pytest.raises(ServerUnreachable):
            ask("/d")
