"""Names of files as programs give them to fsspec, and keys that must not become part of anything that is kept."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import pickle
import signal
import subprocess
import sys

import pytest

import secftp
from secftp.errors import NameRefused, UsageError
from tests.fsspec.serving import KEY, fs, opened, root, server
from tests.support.serving import DEADLINE

fsspec = pytest.importorskip("fsspec")

from secftp.api.filesystem import SecftpFileSystem  # noqa: E402 - imports fsspec
from secftp.fsspec.connection import close_all  # noqa: E402

__all__ = ["fs", "root", "server"]

STRIPPED = [
    ("/a/b", "/a/b"),
    ("a/b", "/a/b"),
    ("a/b/", "/a/b"),
    ("//a//./b", "/a/b"),
    ("", "/"),
    ("/", "/"),
    (".", "/"),
    (b"/a/\xff", "/a/\udcff"),
    (pathlib.PurePosixPath("/a/b"), "/a/b"),
    (pathlib.PureWindowsPath("a\\b"), "/a/b"),
    ("secftp://host/a/b", "/a/b"),
    ("secftp://host/a/b/", "/a/b"),
    ("secftp://joe@host:99/a%20b/%25", "/a b/%"),
    ("secftp://[::1]:99/a", "/a"),
    ("SECFTP://host/a", "/a"),
    ("secftp://host", "/"),
    ("secftp:///a/b", "/a/b"),
    ("secftp://", "/"),
    ("secftp::/a", "/a"),
    ("/a%20b", "/a%20b"),
    ("/a*/[b]?", "/a*/[b]?"),
]


@pytest.mark.parametrize(("given", "wanted"), STRIPPED)
def test_the_path_of_a_name(given, wanted):
    assert SecftpFileSystem._strip_protocol(given) == wanted
    assert SecftpFileSystem._strip_protocol([given, given]) == [wanted, wanted]
    assert SecftpFileSystem._parent(given) == (wanted.rpartition("/")[0] or "/")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("secftp://host/a", {"host": "host", "port": 8888}),
        ("secftp://joe@host:99/a", {"host": "host", "port": 99, "username": "joe"}),
        ("secftp://[::1]/a", {"host": "::1", "port": 8888}),
        ("secftp:///a", {}),
        ("secftp://", {}),
        ("/a", {}),
        ("a", {}),
        (b"/a", {}),
        (pathlib.PurePosixPath("/a"), {}),
        ([], {}),
        (["secftp://host/a", "secftp://host/b"], {"host": "host", "port": 8888}),
    ],
)
def test_the_options_in_a_name(given, wanted):
    assert SecftpFileSystem._get_kwargs_from_urls(given) == wanted


@pytest.mark.parametrize("bad", ["secftp://ho st/a", "secftp://host/a/../b", "secftp://u:p@host/"])
def test_what_is_wrong_with_a_url_is_said(bad):
    with pytest.raises((UsageError, NameRefused)):
        SecftpFileSystem._strip_protocol(bad)


def test_urls_of_paths_lead_back(fs):
    for path in ("/a b/%25/ü", "/", "/a?b#c", "/[x]*", "/\udcff"):
        url = fs.unstrip_protocol(path)
        assert fs._strip_protocol(url) == path
        assert fs.unstrip_protocol(url) == url
        assert fsspec.utils.get_protocol(url) == "secftp"
    assert fs.fsid == fs.unstrip_protocol("/")


@pytest.mark.parametrize("chain", ["simplecache::", "filecache::"])
def test_chains(fs, root, chain, tmp_path):
    (root / "d").mkdir()
    (root / "d" / "file").write_bytes(b"contents")
    options = {"secftp": {"key": KEY}, chain[:-2]: {"cache_storage": str(tmp_path / "cache")}}
    url = f"{chain}{fs.unstrip_protocol('/d/file')}"
    with fsspec.open(url, **options) as file:
        assert file.read() == b"contents"
    found, path = fsspec.core.url_to_fs(url, **options)
    assert found.cat(path) == b"contents"
    close_all()
    SecftpFileSystem.clear_instance_cache()


# --- keys -------------------------------------------------------------------------------------------------------------


def test_equal_options_are_one_instance_and_different_keys_never(server):
    def instance(key):
        return fsspec.filesystem("secftp", host="127.0.0.1", port=server.port, key=key)

    fsspec.register_implementation("secftp", SecftpFileSystem, clobber=True)
    one, two = secftp.Key.from_text("one"), secftp.Key.from_text("one")
    assert instance("a key") is instance("a key")
    assert instance("a key") is not instance("another key")
    assert instance(one) is instance(one)
    assert instance(one) is not instance(two)
    assert instance(one) != instance(two)
    assert instance("a key").storage_options["key"] is instance("a key").storage_options["key"]
    SecftpFileSystem.clear_instance_cache()


def test_a_key_is_in_nothing_that_is_kept(server):
    text = "a key that must not be seen"
    fs = opened(server, key=text)
    token_of_text = fsspec.utils.tokenize(SecftpFileSystem, os.getpid(), host="127.0.0.1", key=text)
    for kept in (pickle.dumps(fs), repr(fs), repr(fs.storage_options), str(vars(fs)), fs._fs_token, hash(fs)):
        shown = kept if isinstance(kept, bytes) else str(kept).encode()
        assert text.encode() not in shown
        assert hashlib.md5(text.encode()).hexdigest().encode() not in shown
        assert token_of_text.encode() not in shown


def test_a_token_can_not_be_guessed_from_the_key(server):
    """Another process with the same options has another token: it is no digest of the key."""
    code = (
        "from secftp.api.filesystem import SecftpFileSystem as F\n"
        f"print(F('127.0.0.1', {server.port}, key={KEY!r}).storage_options['key'])"
    )
    shown = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(shown) == 2


def test_it_travels_within_a_process(fs, root):
    (root / "file").write_bytes(b"1")
    again = pickle.loads(pickle.dumps(fs))
    assert again.cat("/file") == b"1"
    again.close()
    SecftpFileSystem.clear_instance_cache()


def test_a_key_file_travels_to_other_processes(server, root, tmp_path):
    (root / "file").write_bytes(b"1")
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    fs = opened(server, key_file=str(tmp_path / "key"), key=None)
    code = "import pickle, sys; fs = pickle.load(sys.stdin.buffer); print(fs.cat('/file')); fs.close()"
    found = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(fs), capture_output=True, check=True)
    assert found.stdout == b"b'1'\n"


def test_a_key_does_not_travel_to_other_processes(fs):
    code = (
        "import pickle, sys\n"
        "try: pickle.load(sys.stdin.buffer)\n"
        "except ValueError as problem: print(problem, problem.hint)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(fs), capture_output=True, check=True)
    assert b"stays in the process" in found.stdout
    assert b"key_file" in found.stdout


def test_json_has_no_key(fs, tmp_path):
    with pytest.raises(UsageError, match="part of JSON") as raised:
        fs.to_json()
    assert KEY not in str(raised.value)
    assert "key" not in fs.to_dict(include_password=False)
    with_file = SecftpFileSystem("127.0.0.1", 1, key_file=tmp_path / "key", skip_instance_cache=True)
    found = with_file.to_dict()
    assert found["key_file"] == str(tmp_path / "key")
    assert json.loads(with_file.to_json()) == found
    again = SecftpFileSystem.from_json(with_file.to_json())
    assert (type(again), again.storage_options["key_file"]) == (SecftpFileSystem, str(tmp_path / "key"))


def test_what_is_no_key_is_said_without_it():
    with pytest.raises(TypeError) as raised:
        SecftpFileSystem("127.0.0.1", 1, key=b"secret bytes", skip_instance_cache=True)
    assert "secret" not in str(raised.value)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")
def test_a_forked_process_opens_its_own_connections(fs, root):
    (root / "file").write_bytes(b"1")
    assert fs.cat("/file") == b"1"
    with fs._connecting, fs._lock:  # as a thread of the parent may
        child = os.fork()
        if not child:
            signal.alarm(int(DEADLINE))  # rather than hang
            try:
                os._exit(0 if fs.cat("/file") == b"1" else 1)
            finally:
                os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert fs.cat("/file") == b"1"
