"""Every method of fsspec's interface has been decided: a new one of a later fsspec has no place here, and fails."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from secftp.errors import UsageError
from tests.fsspec.serving import fs, opened, root, server

fsspec = pytest.importorskip("fsspec")

from secftp.api.filesystem import SecftpFileSystem, Unsupported  # noqa: E402 - imports fsspec

__all__ = ["fs", "root", "server"]

# Over the engine, the session and the client of the command line and of `secftp.connect`.
OURS = {
    "cat", "cat_file", "cat_ranges", "checksum", "copy", "cp_file", "created", "du", "exists", "expand_path", "find",
    "fsid", "get", "get_file", "glob", "head", "info", "isdir", "isfile", "ls", "makedirs", "mkdir", "modified",
    "mv", "open", "pipe", "pipe_file", "put", "put_file", "rm", "rm_file", "rmdir", "sign", "sizes", "tail",
    "to_dict", "to_json", "touch", "ukey", "unstrip_protocol", "walk",
}  # fmt: skip
# fsspec's own, which call those above and keep their promises: aliases, and compositions.
COMPOSED = {
    "cp", "delete", "disk_usage", "download", "get_mapper", "lexists", "listdir", "makedir", "mkdirs", "move",
    "read_bytes", "read_text", "rename", "size", "stat", "tree", "upload", "write_bytes", "write_text",
}  # fmt: skip
# Of the class or of an instance, not of files.
MACHINERY = {
    "clear_instance_cache", "current", "end_transaction", "from_dict", "from_json", "invalidate_cache",
    "start_transaction", "transaction",
}  # fmt: skip
EITHER = {"read_block"}
REFUSED = {
    "created": lambda fs: fs.created("/"),
    "sign": lambda fs: fs.sign("/"),
    "mv with a depth": lambda fs: fs.mv("/a", "/b", maxdepth=1),
    "open to append": lambda fs: fs.open("/a", "ab"),
    "open to change": lambda fs: fs.open("/a", "r+b"),
    "open as text to change": lambda fs: fs.open("/a", "w+"),
}


def public():
    return {
        name
        for name, member in inspect.getmembers_static(fsspec.AbstractFileSystem)
        if not name.startswith("_") and (callable(member) or isinstance(member, staticmethod | classmethod | property))
    }


def is_ours(name):
    return any(name in vars(kind) for kind in SecftpFileSystem.__mro__ if kind.__module__.startswith("secftp."))


def test_each_is_decided():
    known = OURS | COMPOSED | MACHINERY | EITHER | {"transaction_type"}
    assert public() - known == set()
    assert [name for name in OURS if not is_ours(name)] == []
    assert [name for name in sorted(COMPOSED | MACHINERY) if is_ours(name) and name not in EITHER] == []


def test_each_is_in_the_reference():
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "fsspec.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("|")]
    described = {name for row in rows for name in re.findall("`(.+?)`", row)}
    assert (OURS | COMPOSED | MACHINERY | EITHER) - described == set()


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why(fs, root, name):
    (root / "a").write_bytes(b"1")
    with pytest.raises(NotImplementedError, match=r"^[A-Z][^\n]+\.") as raised:
        REFUSED[name](fs)
    assert isinstance(raised.value, Unsupported)
    assert isinstance(raised.value, UsageError)
    assert (root / "a").read_bytes() == b"1"


# --- composed methods keep the promises -------------------------------------------------------------------------------


def _in_a_transaction(fs):
    with fs.transaction, fs.open("/d/c", "wb") as file:
        file.write(b"1")


ASKING = {
    "cat": lambda fs: fs.cat("/d/a"),
    "cat of many": lambda fs: fs.cat(["/d/a", "/d/b"]),
    "cat of a pattern": lambda fs: fs.cat("/d/*"),
    "cat_file": lambda fs: fs.cat_file("/d/a"),
    "checksum": lambda fs: fs.checksum("/d/a"),
    "copy": lambda fs: fs.copy("/d/a", "/d/c"),
    "copy of a tree": lambda fs: fs.copy("/d", "/e", recursive=True),
    "cp_file": lambda fs: fs.cp_file("/d/a", "/d/c"),
    "delete": lambda fs: fs.delete("/d/a"),
    "disk_usage": lambda fs: fs.disk_usage("/d"),
    "download": lambda fs: fs.download("/d/a", "/nowhere/a"),
    "du": lambda fs: fs.du("/d"),
    "exists": lambda fs: fs.exists("/d/a"),
    "expand_path": lambda fs: fs.expand_path("/d/*"),
    "expand_path of a tree": lambda fs: fs.expand_path("/d", recursive=True),
    "find": lambda fs: fs.find("/d"),
    "find with directories": lambda fs: fs.find("/d", withdirs=True),
    "find with a depth": lambda fs: fs.find("/d", maxdepth=2),
    "get": lambda fs: fs.get("/d/a", "/nowhere/a"),
    "get of a tree": lambda fs: fs.get("/d", "/nowhere", recursive=True),
    "get of a pattern": lambda fs: fs.get("/d/*", "/nowhere"),
    "get_file": lambda fs: fs.get_file("/d/a", "/nowhere/a"),
    "get_mapper": lambda fs: fs.get_mapper("/d")["a"],
    "get_mapper, contains": lambda fs: "a" in fs.get_mapper("/d"),
    "get_mapper, many": lambda fs: fs.get_mapper("/d").getitems(["a", "b"]),
    "get_mapper, names": lambda fs: list(fs.get_mapper("/d")),
    "glob": lambda fs: fs.glob("/d/*"),
    "glob of a name": lambda fs: fs.glob("/d/a"),
    "glob of any depth": lambda fs: fs.glob("/d/**"),
    "head": lambda fs: fs.head("/d/a"),
    "info": lambda fs: fs.info("/d/a"),
    "isdir": lambda fs: fs.isdir("/d"),
    "isfile": lambda fs: fs.isfile("/d/a"),
    "lexists": lambda fs: fs.lexists("/d/a"),
    "listdir": lambda fs: fs.listdir("/d"),
    "ls": lambda fs: fs.ls("/d"),
    "makedirs": lambda fs: fs.makedirs("/d", exist_ok=True),
    "mkdir": lambda fs: fs.mkdir("/e"),
    "modified": lambda fs: fs.modified("/d/a"),
    "mv": lambda fs: fs.mv("/d/a", "/d/c"),
    "open": lambda fs: fs.open("/d/a"),
    "open to write": lambda fs: fs.open("/d/c", "wb"),
    "open as text": lambda fs: fs.open("/d/a", "r"),
    "pipe": lambda fs: fs.pipe({"/d/c": b"", "/d/d": b""}),
    "pipe_file": lambda fs: fs.pipe_file("/d/c", b""),
    "put_file": lambda fs: fs.put_file(__file__, "/d/c"),
    "put": lambda fs: fs.put(__file__, "/d/c"),
    "put of many": lambda fs: fs.put([__file__], "/d"),
    "read_block": lambda fs: fs.read_block("/d/a", 0, 1),
    "rm": lambda fs: fs.rm("/d/a"),
    "rm of a tree": lambda fs: fs.rm("/d", recursive=True),
    "rm of a pattern": lambda fs: fs.rm("/d/*"),
    "rm_file": lambda fs: fs.rm_file("/d/a"),
    "rmdir": lambda fs: fs.rmdir("/d"),
    "size": lambda fs: fs.size("/d/a"),
    "sizes": lambda fs: fs.sizes(["/d/a", "/d/b"]),
    "tail": lambda fs: fs.tail("/d/a"),
    "touch": lambda fs: fs.touch("/d/c"),
    "touch of a time": lambda fs: fs.touch("/d/a", truncate=False),
    "tree": lambda fs: fs.tree("/d"),
    "ukey": lambda fs: fs.ukey("/d/a"),
    "walk": lambda fs: list(fs.walk("/d")),
    "walk from below": lambda fs: list(fs.walk("/d", topdown=False)),
    "walk with a depth": lambda fs: list(fs.walk("/d", maxdepth=2)),
    "transaction": _in_a_transaction,
}


@pytest.fixture
def served(root, server):
    (root / "d").mkdir()
    (root / "d" / "a").write_bytes(b"1")
    (root / "d" / "b").write_bytes(b"2")
    return server


@pytest.mark.parametrize("name", ASKING)
def test_a_wrong_key_is_no_answer(served, root, name):
    other = opened(served, key="another key")
    with pytest.raises(PermissionError):
        ASKING[name](other)
    assert sorted(path.name for path in (root / "d").iterdir()) == ["a", "b"]


@pytest.mark.parametrize("name", ASKING)
def test_a_server_that_does_not_answer_is_no_answer(name):
    nowhere = SecftpFileSystem("127.0.0.1", 1, anonymous=True, skip_instance_cache=True)
    with pytest.raises(ConnectionError):
        ASKING[name](nowhere)
