"""The server's remembered key: its location, its permanence, and that it is never served."""

from __future__ import annotations

import os
import stat
import threading

import pytest

from secftp.errors import KeyFormatError
from secftp.keys import load_or_create
from secftp.keys.create import state_directory
from secftp.keys.text import normalise
from tests.support.recorded_password import material, recorded

__all__ = ["recorded"]


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A state directory that does not exist yet."""
    directory = tmp_path / "home" / "state"
    monkeypatch.setenv("XDG_STATE_HOME", os.fspath(directory))
    return directory / "secftp"


def test_the_first_start_makes_a_key_and_the_next_one_uses_it(recorded, state, root):
    first, second = load_or_create(root), load_or_create(root)
    assert (first.created, second.created) == (True, False)
    assert first.path == second.path == os.fspath(state / "server.key")
    assert material(first.key) == material(second.key)


def test_the_file_is_private_and_holds_a_key_for_people(recorded, state, root):
    remembered = load_or_create(root)
    path = state / "server.key"
    text = path.read_text().removesuffix("\n")
    assert normalise(text) == text
    assert material(remembered.key) == ("text", text.encode())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert os.listdir(state) == ["server.key"]


@pytest.mark.parametrize("value", [None, "", "relative/folder"])
def test_without_an_absolute_xdg_directory_it_is_in_the_home(tmp_path, monkeypatch, value):
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    if value is None:
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_STATE_HOME", value)
    assert state_directory() == f"{tmp_path}/.local/state/secftp"


def test_no_home_is_an_error(monkeypatch):
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(KeyFormatError, match="no home"):
        state_directory()


def test_a_key_is_never_made_beneath_the_root(state, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    for served in (tmp_path, home):
        with pytest.raises(KeyFormatError, match="below the served directory"):
            load_or_create(served)
    assert os.listdir(home) == []


def test_an_unsafe_file_is_an_error_and_never_replaced(state, root):
    load_or_create(root)
    path = state / "server.key"
    before = path.read_bytes()
    path.chmod(0o644)
    with pytest.raises(KeyFormatError, match="other users"):
        load_or_create(root)
    path.chmod(0o600)
    path.write_bytes(b"")
    with pytest.raises(KeyFormatError, match="no key"):
        load_or_create(root)
    assert before
    assert path.read_bytes() == b""


def test_a_dangling_symlink_is_an_error(state, root):
    state.mkdir(parents=True)
    (state / "server.key").symlink_to("nowhere")
    with pytest.raises(KeyFormatError, match="can't be read"):
        load_or_create(root)


def test_a_directory_that_can_not_be_made_is_an_error(state, root, tmp_path):
    (tmp_path / "home").write_bytes(b"a file in the way")
    with pytest.raises(KeyFormatError, match="can't be created"):
        load_or_create(root)


def test_many_servers_that_start_at_once_share_one_key(recorded, state, root):
    start = threading.Barrier(8)
    seen = []

    def run():
        start.wait()
        seen.append(load_or_create(root))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert sum(remembered.created for remembered in seen) == 1
    assert len({material(remembered.key) for remembered in seen}) == 1
