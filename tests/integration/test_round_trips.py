"""Round trips of every verb, from connecting to the confirmation: what a user waits for on a long line.

Three are the least: TCP, the hello, and the end of the handshake together with the request.
"""

from __future__ import annotations

import itertools
import os

import pytest

import secftp
from tests.support.command_line import client_and_server
from tests.support.serving import HOST, KEY, serving
from tests.support.turns import counted_turns

pytestmark = pytest.mark.exhaustive

# A verb with its arguments, `//` stands for the server's URL, and how many round trips it takes.
VERBS = {
    "put FILE URL/": (("put", "{here}/small", "//"), 3),
    "put FILE URL/name": (("put", "{here}/small", "//new"), 3),
    "put FILE URL/directory/name": (("put", "{here}/small", "//dir/new"), 3),
    "put FILE URL/directory/": (("put", "{here}/small", "//dir/"), 3),
    "put --no-overwrite FILE URL/new": (("put", "--no-overwrite", "{here}/small", "//new"), 3),
    "put FILE URL/directory": (("put", "{here}/small", "//dir"), 5),
    "put FILE URL/new/": (("put", "{here}/small", "//new/"), 6),
    "put DIRECTORY URL/": (("put", "{here}/tree", "//"), 4),
    "put large FILE URL/": (("put", "{here}/large", "//"), 4),
    "get URL/file": (("get", "//small", "{here}/got"), 3),
    "get URL/file .": (("get", "//small", "{here}"), 3),
    "get URL/large": (("get", "//large", "{here}/got"), 3),
    "get URL/directory": (("get", "//dir", "{here}/got"), 5),
    "get URL/file URL/file": (("get", "//small", "//large", "{here}"), 4),
    "ls URL": (("ls", "//dir"), 3),
    "ls -R URL": (("ls", "-R", "//"), 3),
    "ls URL/file": (("ls", "//small"), 3),
    "ls URL/file URL/directory": (("ls", "//small", "//dir"), 4),
    "ls -d URL URL": (("ls", "-d", "//dir", "//small"), 3),
    "df URL URL": (("df", "//", "//dir"), 3),
    "du URL/directory": (("du", "//dir"), 3),
    "du URL/deep": (("du", "//deep"), 6),
    "cat URL URL URL": (("cat", "//small", "//dir/file", "//small"), 3),
    "stat URL": (("stat", "//small"), 3),
    "rm URL": (("rm", "//small"), 3),
    "rm -r URL/file": (("rm", "-r", "//small"), 4),
    "rm -r URL/directory": (("rm", "-r", "//dir"), 4),
    # Directories within directories: one for each level to list them, and one to remove all.
    "rm -r URL/deep": (("rm", "-r", "//deep"), 7),
    "sum URL/deep": (("sum", "//deep"), 8),
    "verify deep URL/deep": (("verify", "{here}/deep", "//deep"), 7),
    "get URL/deep": (("get", "//deep", "{here}/got"), 8),
    "put deep URL/": (("put", "{here}/deep", "//new"), 5),
    "put --update deep URL/": (("put", "--update", "{here}/deep", "//"), 5),
    "read NAME PLACE": (("read", "small", "{place}", "aes128", "-o", "{here}/got"), 3),
    "write NAME PLACE": (("write", "new", "{place}", "aes128", "-i", "{here}/small"), 3),
    "get URL/file -": (("get", "//small", "-"), 3),
    "put - URL/file": (("put", "-", "//new"), 3),
    "put FILE FILE URL/": (("put", "{here}/small", "{here}/large", "//"), 4),
    "put large FILE URL/directory/new": (("put", "{here}/large", "//dir/new"), 5),
    "mkdir URL": (("mkdir", "//made"), 3),
    "mkdir -p URL": (("mkdir", "-p", "//made/deep"), 3),
    "cp URL URL/name": (("cp", "//small", "//other"), 3),
    "cp URL URL/directory": (("cp", "//small", "//dir"), 4),
    "cp URL URL/directory/": (("cp", "//small", "//dir/"), 3),
    "cp --no-overwrite URL URL/file": (("cp", "--no-overwrite", "//small", "//large"), 4),
    "cp URL URL URL/directory/": (("cp", "//small", "//large", "//dir/"), 4),
    "cp -r URL/file URL/name": (("cp", "-r", "//small", "//other"), 4),
    # To ask what it is, to list it, to copy what is in it, and to set its time.
    "cp -r URL/directory URL/name": (("cp", "-r", "//dir", "//other"), 6),
    "cp -r URL/deep URL/name": (("cp", "-r", "//deep", "//other"), 9),
    "mv URL URL/name": (("mv", "//small", "//other"), 3),
    "mv URL URL/directory": (("mv", "//small", "//dir"), 5),
    "mv URL URL/directory/": (("mv", "//small", "//dir/"), 3),
    "sum URL/file": (("sum", "//small"), 3),
    "sum URL/directory": (("sum", "//dir"), 5),
    # The listing; in the first case nothing is to be done, in the others MKDIR, files and times; moves to the trash.
    "sync DIRECTORY/ URL, the same": (("sync", "{here}/tree/", "//tree"), 3),
    "sync DIRECTORY/ URL/new": (("sync", "{here}/tree/", "//new"), 6),
    "sync URL/ DIRECTORY": (("sync", "//deep/", "{here}/got"), 7),
    "sync --delete DIRECTORY/ URL": (("sync", "--delete", "--max-delete=100%", "{here}/dir/", "//tree"), 9),
    "verify FILE URL": (("verify", "{here}/small", "//small"), 3),
    # Whether the pattern is the name of a file is asked together with the listing.
    "get URL/*ll": (("get", "//s*ll", "{here}/got"), 4),
    "ls URL/*/*": (("ls", "//t*/a"), 5),
    "sum URL/*": (("sum", "//t*/*"), 5),
    "verify DIRECTORY URL": (("verify", "{here}/tree", "//tree"), 4),
}


def fill(directory):
    """Files of every size here and at the server."""
    for top in (directory, directory / "root"):
        (top / "tree").mkdir(parents=True)
        (top / "dir").mkdir()
        for name, data in {"small": b"x" * 1024, "large": bytes(3_000_000), "tree/a": b"1", "tree/b": b"2"}.items():
            (top / name).write_bytes(data)
        (top / "dir" / "file").write_bytes(b"in it")
        for one, two, three in itertools.product("abcd", repeat=3):
            (top / "deep" / one / two / three).mkdir(parents=True)
            (top / "deep" / one / two / three / "file").write_bytes(one.encode())
    for name in ("small", "large", "tree/a", "tree/b"):
        os.utime(directory / name, ns=(0, 10**18))


@pytest.mark.parametrize("what", VERBS)
def test_round_trips_of_a_verb(tmp_path, capfdbinary, monkeypatch, what):
    arguments, expected = VERBS[what]
    fill(tmp_path)
    with counted_turns(monkeypatch) as line, client_and_server(tmp_path, capfdbinary) as client:
        place = f"{HOST}:{client.server.port}"
        result = client(*(word.format(here=tmp_path, place=place) for word in arguments))
    assert result.code == 0, result.errors
    assert line.turns == expected, line.flights


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda client, _here: client.stat("small"), 4),  # `connect` waits until the server has accepted the client
        (lambda client, _here: client.read_bytes("small"), 4),
        (lambda client, _here: client.write_bytes("new", b"contents"), 4),
        (lambda client, _here: client.listdir("dir"), 4),
        (lambda client, _here: client.remove("small"), 4),
        (lambda client, _here: client.copy("small", "new"), 4),
        (lambda client, _here: client.copytree("dir", "new"), 7),
        (lambda client, here: client.put(here / "small", "new"), 4),
        (lambda client, here: client.get("small", here / "got"), 4),
    ],
    ids=["stat", "read_bytes", "write_bytes", "listdir", "remove", "copy", "copytree", "put", "get"],
)
def test_round_trips_of_a_program(tmp_path, monkeypatch, ask, expected):
    """Of `connect` and the first request."""
    fill(tmp_path)
    with counted_turns(monkeypatch) as line, serving(tmp_path / "root") as server:
        with secftp.connect(f"secftp://{HOST}:{server.port}", key=KEY) as client:
            assert line.turns == 3
            ask(client, tmp_path)
        assert line.turns == expected, line.flights
