"""Trust in the user's file of hosts: who may have written it, or have put another in its place."""

from __future__ import annotations

import os

import pytest

from secftp.errors import UsageError
from secftp.hosts.trusted import MAX_BYTES, read_own

TEXT = b"[hosts.nas]\n"


@pytest.fixture
def file(tmp_path):
    """A file of hosts, in a directory in a directory."""
    directory = tmp_path / "config" / "secftp"
    directory.mkdir(parents=True)
    path = directory / "config.toml"
    path.write_bytes(TEXT)
    path.chmod(0o600)
    for place in (tmp_path, tmp_path / "config", directory):
        place.chmod(0o755)
    return path


def refused(path, words):
    with pytest.raises(UsageError, match=words) as caught:
        read_own(os.fspath(path))
    return caught.value


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o400])
def test_a_file_of_the_user_may_be_read_by_others(file, mode):
    file.chmod(mode)
    assert read_own(os.fspath(file)) == TEXT


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(file, mode):
    file.chmod(mode)
    assert "chmod go-w" in refused(file, "can be written by other users").hint


@pytest.mark.parametrize("up", [0, 1, 2])
@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_directory_in_which_others_may_replace_it_is_refused(file, up, mode):
    directory = file.parents[up]
    directory.chmod(mode)
    assert f"chmod go-w {directory}" in refused(file, "could replace the file").hint
    directory.chmod(mode | 0o1000)
    assert read_own(os.fspath(file)) == TEXT


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_belongs_to_another_user_is_refused(file, tmp_path):
    os.chown(file, 12345, -1)
    refused(file, "belongs to another user")
    os.chown(file, 0, -1)
    os.chown(file.parent, 12345, -1)
    refused(file, "directory .* belongs to another user")
    os.chown(file.parent, 0, -1)
    link = tmp_path / "link"
    link.symlink_to(file)
    assert read_own(os.fspath(link)) == TEXT
    os.chown(link, 12345, -1, follow_symlinks=False)
    refused(link, "symlink .* belongs to another user")


def test_symlinks_are_followed_and_what_they_stand_in_counts(file, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "absolute").symlink_to(file)
    (shared / "relative").symlink_to(os.path.join("..", "config", "secftp", "config.toml"))
    (tmp_path / "directory").symlink_to("config")
    for path in (shared / "absolute", shared / "relative", tmp_path / "directory" / "secftp" / "config.toml"):
        assert read_own(os.fspath(path)) == TEXT
    shared.chmod(0o777)
    for path in (shared / "absolute", shared / "relative"):
        refused(path, "could replace the file")
    shared.chmod(0o755)
    file.parent.chmod(0o777)
    refused(shared / "absolute", "could replace the file")


def test_a_way_up_is_taken_after_the_symlink_and_not_before(file, tmp_path):
    (tmp_path / "here").symlink_to(file.parent)
    assert read_own(os.fspath(tmp_path / "here" / ".." / "secftp" / "config.toml")) == TEXT


def test_what_is_no_file_is_refused(file, tmp_path):
    refused(tmp_path / "none", "no such file")
    refused(file.parent, "not a regular file")
    refused(f"{file}/x", "not a directory")
    refused("a\0b", "no file has such a name")
    os.mkfifo(tmp_path / "pipe", 0o600)
    refused(tmp_path / "pipe", "not a regular file")
    (tmp_path / "loop").symlink_to("loop")
    refused(tmp_path / "loop", "symbolic links")
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    refused(file, "longer than 1 MiB")


def test_a_relative_name_starts_at_the_current_directory(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    assert read_own("config.toml") == TEXT
