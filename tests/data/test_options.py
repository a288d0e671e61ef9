"""Options of fsspec: `storage_options`, its configuration in files and in the environment, and lists of files."""

from __future__ import annotations

import json
import subprocess
import sys

import fsspec
import pandas
import pytest

import secftp
from tests.support.serving import environment, listing, until

READ = """
import sys
import fsspec
with fsspec.open(sys.argv[1]) as file:
    print(file.read().decode())
"""


def run(home, url, **variables):
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", READ, url],
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return result.stdout.strip(), result.stderr


@pytest.fixture
def home(tmp_path):
    directory = tmp_path / "home"
    directory.mkdir()
    return directory


@pytest.fixture
def file(remote):
    (remote.root / "file.csv").write_text("x\n1\n")
    return remote.of("file.csv")


def test_a_key_file_in_a_configuration_file(remote, file, home):
    settings = home / ".config" / "fsspec"
    settings.mkdir(parents=True)
    (settings / "conf.ini").write_text(f"[secftp]\nkey_file = {remote.options['key_file']}\n")
    assert run(home, file) == ("x\n1", "")
    (settings / "conf.ini").unlink()
    (settings / "conf.json").write_text(json.dumps({"secftp": remote.options}))
    assert run(home, file) == ("x\n1", "")


def test_a_key_file_in_the_environment(remote, file, home):
    assert run(home, file, FSSPEC_SECFTP_KEY_FILE=remote.options["key_file"]) == ("x\n1", "")
    assert run(home, file, FSSPEC_SECFTP=json.dumps(remote.options)) == ("x\n1", "")


def test_numbers_in_a_configuration_are_texts(remote, file, home):
    """An ini file and a variable have no other type."""
    directory = home / ".config" / "fsspec"
    directory.mkdir(parents=True)
    (directory / "conf.ini").write_text(
        f"[secftp]\nkey_file = {remote.options['key_file']}\ntimeout = 20\nanonymous = false\ncipher = aes128\n"
    )
    assert run(home, file) == ("x\n1", "")


def test_without_a_key_the_error_says_what_to_give(file, home):
    printed, error = run(home, file)
    assert printed == ""
    assert "No key was given." in error
    assert "key_file" in error.partition("No key was given.")[2]


def test_a_home_directory_in_a_key_file(remote, file, home):
    (home / "key").symlink_to(remote.options["key_file"])
    assert run(home, file, FSSPEC_SECFTP_KEY_FILE="~/key") == ("x\n1", "")


def test_one_instance_for_equal_options(remote):
    first = remote.filesystem()
    assert remote.filesystem() is first
    assert fsspec.filesystem("secftp", **remote.host, **remote.options, cipher="aes128") is not first
    found, path = fsspec.url_to_fs(remote.of("x"), **remote.options)
    assert found is first
    assert path == f"{remote.path}/x"


def test_lists_of_files(remote):
    with fsspec.open_files(remote.of("out-*.txt"), "w", num=3, **remote.options) as files:
        for number, file in enumerate(files):
            file.write(f"file {number}")
    assert listing(remote.root) == ["out-0.txt", "out-1.txt", "out-2.txt"]
    with fsspec.open_files([remote.of("out-0.txt"), remote.of("out-2.txt")], "r", **remote.options) as files:
        assert [file.read() for file in files] == ["file 0", "file 2"]
    with fsspec.open_files(remote.of("out-*.txt"), "r", **remote.options) as files:
        assert [file.read() for file in files] == ["file 0", "file 1", "file 2"]
    local = fsspec.open_local(f"simplecache::{remote.of('out-1.txt')}", secftp=remote.options)
    with open(local) as file:
        assert file.read() == "file 1"


def test_lists_of_files_fail_as_one(remote):
    def fails():
        with fsspec.open_files(remote.of("out-*.txt"), "w", num=3, **remote.options) as files:
            files[0].write("x")
            raise RuntimeError("interrupted")

    with pytest.warns(RuntimeWarning, match="it was not written"), pytest.raises(RuntimeError, match="interrupted"):
        fails()
    until(lambda: listing(remote.root) == [], "nothing is left")


def test_a_mapper(remote):
    mapper = fsspec.get_mapper(remote.of("map"), **remote.options, create=True)
    mapper["a/b"] = b"1"
    mapper["c"] = b"2"
    assert dict(mapper) == {"a/b": b"1", "c": b"2"}
    assert mapper.getitems(["a/b", "c"]) == {"a/b": b"1", "c": b"2"}
    assert mapper.getitems(["a/b", "x"], on_error="omit") == {"a/b": b"1"}
    del mapper["c"]
    with pytest.raises(KeyError):
        mapper["c"]
    assert listing(remote.root) == ["map", "map/a", "map/a/b"]


def test_a_mapper_with_a_wrong_key_has_no_missing_keys(remote, wrong_key):
    (remote.root / "x").write_bytes(b"1")
    mapper = fsspec.get_mapper(remote.url, key_file=wrong_key)
    with pytest.raises(PermissionError):
        mapper["x"]
    with pytest.raises(PermissionError):
        mapper.getitems(["x"], on_error="omit")
    with pytest.raises(PermissionError):
        list(mapper)
    with pytest.raises(PermissionError):
        "x" in mapper  # noqa: B015


def test_a_key_file_that_is_missing(file):
    with pytest.raises(secftp.KeyFormatError, match="/nowhere/key can't be read: no such file or directory"):
        pandas.read_csv(file, storage_options={"key_file": "/nowhere/key"})
