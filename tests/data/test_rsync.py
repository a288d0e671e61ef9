"""`fsspec.generic.rsync`: trees from this machine to a server, back, and within one server."""

from __future__ import annotations

import fsspec
import pytest
from fsspec.generic import rsync

from tests.support.serving import listing

NAMES = ["a", "d", "d/b c", "d/e", "d/e/f"]


@pytest.fixture
def configured(remote, monkeypatch):
    """The generic file system takes the options of others from fsspec's configuration, or makes them itself."""
    monkeypatch.setitem(fsspec.config.conf, "secftp", {**remote.options, **remote.host})
    return remote


@pytest.fixture
def local(tmp_path):
    directory = tmp_path / "local"
    (directory / "d" / "e").mkdir(parents=True)
    (directory / "a").write_bytes(b"a" * 100_000)
    (directory / "d" / "b c").write_bytes(b"b")
    (directory / "d" / "e" / "f").write_bytes(b"")
    return directory


def contents(directory):
    return {name: (directory / name).read_bytes() for name in listing(directory) if (directory / name).is_file()}


def test_to_a_server_and_back(configured, local, tmp_path):
    rsync(f"file://{local}", configured.of("up"))
    assert contents(configured.root / "up") == contents(local)
    rsync(configured.of("up"), f"file://{tmp_path}/down")
    assert contents(tmp_path / "down") == contents(local)


def test_within_a_server(configured, local):
    rsync(f"file://{local}", configured.of("first"))
    rsync(configured.of("first"), configured.of("second"))
    assert contents(configured.root / "second") == contents(local)


def test_only_what_has_changed_and_what_is_gone(configured, local):
    rsync(f"file://{local}", configured.of("up"))
    before = {name: (configured.root / "up" / name).stat().st_ino for name in contents(local)}
    (local / "a").write_bytes(b"another size")
    (local / "d" / "e" / "f").unlink()
    rsync(f"file://{local}", configured.of("up"), delete_missing=True)
    assert contents(configured.root / "up") == contents(local)
    assert (configured.root / "up" / "d" / "b c").stat().st_ino == before["d/b c"]
    assert (configured.root / "up" / "a").stat().st_ino != before["a"]


def test_a_wrong_key_deletes_nothing(configured, local, wrong_key, monkeypatch):
    rsync(f"file://{local}", configured.of("up"))
    monkeypatch.setitem(fsspec.config.conf, "secftp", {"key_file": wrong_key, **configured.host})
    with pytest.raises(PermissionError):
        rsync(configured.of("up"), f"file://{local}", delete_missing=True)
    with pytest.raises(PermissionError):
        rsync(f"file://{local}", configured.of("up"), delete_missing=True)
    assert listing(local) == NAMES
    assert contents(configured.root / "up") == contents(local)
