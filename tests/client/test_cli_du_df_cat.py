"""`secftp du`, `df` and `cat`: sums that are whole or unknown, what a key can still write, contents in order."""

from __future__ import annotations

import json
import os
import random

import pytest

from secftp.client import contents
from secftp.client.__main__ import main
from secftp.client.commands import df, du
from secftp.client.commands.df import _percentage
from secftp.errors import ExitCode, UsageError
from secftp.keys import read_key_file, write_key_file
from secftp.protocol import (
    Capacity,
    End,
    Entries,
    Error,
    ErrorCode,
    File,
    Info,
    Kind,
    List,
    Listed,
    Read,
    SessionLimits,
    Stat,
    Welcome,
)
from secftp.server.options import ServerLimits
from secftp.server.quota import BoundedStore, Quota
from secftp.storage import LocalStore
from tests.client.test_cli_names import fill
from tests.support.command_line import Result, client_and_server, place, started, terminal
from tests.support.serving import DEADLINE, HOST, digest_of, fake_server

KIB = 1024


@pytest.fixture
def against(tmp_path, capfdbinary):
    """Run a command against a server that plays a session after its WELCOME."""
    write_key_file(tmp_path / "key")

    def run(play, *words, capabilities=("stat", "list")):
        def session(wire):
            limits = SessionLimits(requests=64, keepalive=15, idle=60)
            wire.send(Welcome(version=1, software="", capabilities=capabilities, limits=limits))
            play(wire)
            while wire.receive_frame() is not None:
                pass

        with fake_server(session, read_key_file(tmp_path / "key")) as port:
            url = f"secftp://{HOST}:{port}/"
            given = [url + word[2:] if word.startswith("//") else word for word in words]
            code = main([given[0], "--key-file", str(tmp_path / "key"), *given[1:]])
        return Result(code, *capfdbinary.readouterr())

    return run


def make(root, **sizes):
    for name, size in sizes.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))


# --- du ---------------------------------------------------------------------------------------------------------------


def test_sums_of_a_tree(secftp, root):
    make(root, a=1, d__x=KIB, d__e__y=KIB + 1, d__e__f__z=10 * KIB)
    secftp("du", "//").succeed(b"10\td/e/f\n12\td/e\n13\td\n13\t/\n")
    secftp("du", "-b", "//").succeed(b"10240\td/e/f\n11265\td/e\n12289\td\n12290\t/\n")
    secftp("du", "-h", "//").succeed(b"10K\td/e/f\n12K\td/e\n13K\td\n13K\t/\n")
    secftp("du", "-m", "//d").succeed(b"1\td/e/f\n1\td/e\n1\td\n")
    secftp("du", "--si", "//d/e/f").succeed(b"11k\td/e/f\n")
    secftp("du", "-ab", "//d").succeed(b"1024\td/x\n1025\td/e/y\n10240\td/e/f/z\n10240\td/e/f\n11265\td/e\n12289\td\n")


def test_which_lines_are_printed(secftp, root):
    make(root, a=1, d__x=KIB, d__e__y=KIB)
    secftp("du", "-s", "//").succeed(b"3\t/\n")
    secftp("du", "-d", "0", "//").succeed(b"3\t/\n")
    secftp("du", "-d1", "//").succeed(b"2\td\n3\t/\n")
    secftp("du", "-ad", "1", "//").succeed(b"1\ta\n2\td\n3\t/\n")
    secftp("du", "-sc", "//d", "//a").succeed(b"2\td\n1\ta\n3\ttotal\n")
    secftp("du", "//a").succeed(b"1\ta\n")


def test_hidden_and_empty_ones_count(secftp, root):
    make(root, **{".hidden__x": 5, "d__.y": 6, "empty": 0})
    (root / "e").mkdir()
    secftp("du", "-b", "//").succeed(b"5\t.hidden\n6\td\n0\te\n11\t/\n")


def test_a_file_counts_with_each_name(secftp, root):
    make(root, a=100)
    os.link(root / "a", root / "b")
    (root / "c").symlink_to("a")
    for usual in ([], ["-l"], ["--apparent-size"]):
        secftp("du", "-b", *usual, "//").succeed(b"200\t/\n")


def test_wildcards(secftp, root):
    make(root, a1__x=1, a2__x=2, b__x=4, a1__a3__x=8)
    secftp("du", "-sb", "//a*").succeed(b"9\ta1\n2\ta2\n")
    secftp("du", "-scb", "//**/x").succeed(b"8\ta1/a3/x\n1\ta1/x\n2\ta2/x\n4\tb/x\n15\ttotal\n")


def test_objects(secftp, root):
    make(root, d__x=5, d__y=6)
    rows = [json.loads(line) for line in secftp("du", "-ac", "--json", "//d").output.splitlines()]
    assert sorted(rows[:2], key=lambda row: row["path"]) == [
        {"path": "d/x", "kind": "file", "size": 5, "at_least": 5, "files": 1},
        {"path": "d/y", "kind": "file", "size": 6, "at_least": 6, "files": 1},
    ]
    assert rows[2:] == [
        {"path": "d", "kind": "folder", "size": 11, "at_least": 11, "files": 2},
        {"total": 11, "at_least": 11, "files": 2},
    ]


def test_a_large_random_tree_is_the_same_as_that_of_python(secftp, root):
    shuffled = random.Random(3)
    for _ in range(150):
        depth = shuffled.randrange(0, 5)
        above = [f"d{shuffled.randrange(3)}" for _ in range(depth)]
        make(root, **{"__".join([*above, f"f{shuffled.random()}"]): shuffled.randrange(5000)})
    expected = {}
    for top, _, _ in os.walk(root):
        total = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(top) for name in names)
        expected[os.path.relpath(top, root) if top != str(root) else "/"] = total
    lines = [line.split("\t") for line in secftp("du", "-b", "//").output.decode().splitlines()]
    assert {name: int(size) for size, name in lines} == expected
    assert lines[-1][1] == "/"


def sick(wire):
    """A tree in which a directory can't be listed, and another breaks off; all else is there."""
    trees = {
        (): (Listed((b"good",), Kind.DIRECTORY), Listed((b"bad",), Kind.DIRECTORY), Listed((b"f",), Kind.FILE, 1)),
        (b"good",): (Listed((b"x",), Kind.FILE, 2),),
        (b"bad",): (
            Listed((b"closed",), Kind.DIRECTORY), Listed((b"open",), Kind.DIRECTORY), Listed((b"y",), Kind.FILE, 4)
        ),
        (b"bad", b"open"): (Listed((b"z",), Kind.FILE, 8),),
    }  # fmt: skip
    while (message := wire.receive()) is not None:
        match message:
            case Stat():
                wire.send(Info(id=message.id, kind=Kind.DIRECTORY, size=0, mtime_ns=0, mode=0))
            case List(path=path) if path in trees:
                wire.send(Entries(id=message.id, entries=trees[path], last=True))
            case List():
                wire.send(Error(id=message.id, code=ErrorCode.FORBIDDEN))
            case _:
                return


def test_what_is_not_known_is_unknown_all_the_way_up(against):
    found = against(sick, "du", "-bc", "//")
    assert found.code == ExitCode.FAILED
    assert found.output == b"unknown\tbad/closed\n8\tbad/open\nunknown\tbad\n2\tgood\nunknown\t/\nunknown\ttotal\n"
    assert "bad/closed" in found.errors


def test_what_is_not_known_has_no_size_for_programs(against):
    rows = [json.loads(line) for line in against(sick, "du", "-s", "--json", "//").output.splitlines()]
    assert rows == [{"path": "", "kind": "folder", "size": None, "at_least": 15, "files": 4}]


def test_an_entry_that_could_not_be_examined_is_not_nothing(against):
    def play(wire):
        while (message := wire.receive()) is not None:
            if isinstance(message, Stat):
                wire.send(Info(id=message.id, kind=Kind.DIRECTORY, size=0, mtime_ns=0, mode=0))
            elif isinstance(message, List):
                odd = Listed((b"odd",), None, code=ErrorCode.IO_ERROR)
                wire.send(Entries(id=message.id, entries=(odd, Listed((b"a",), Kind.FILE, 7)), last=True))
            else:
                return

    found = against(play, "du", "-b", "//")
    assert (found.code, found.output) == (ExitCode.FAILED, b"unknown\t/\n")


def test_an_operand_that_is_missing_makes_the_total_unknown(secftp, root):
    make(root, a=5)
    found = secftp("du", "-cb", "//a", "//none")
    assert (found.code, found.output) == (ExitCode.FAILED, b"5\ta\nunknown\ttotal\n")
    secftp("du", "//none").expect(ExitCode.NOT_FOUND, "none: no such file")
    secftp("du", "//a/").expect(ExitCode.NOT_FOUND, "it is a file")


@pytest.mark.parametrize(
    "wrong", [["-s", "-a"], ["-s", "-d", "2"], ["-d", "x"], ["-d", "-1"], ["-d", "99999"], ["-d", ""]]
)
def test_options_that_do_not_go_together(wrong):
    with pytest.raises(UsageError):
        du.parse([*wrong, "secftp://host/"])


# --- df ---------------------------------------------------------------------------------------------------------------

UNIT = 4096


@pytest.fixture
def disk(monkeypatch):
    """A disk with 1000 blocks, of which 400 are free, and 300 for this user."""
    monkeypatch.setattr(os, "fstatvfs", lambda fd: os.statvfs_result((9, UNIT, 1000, 400, 300, 90, 60, 50, 0, 255)))


def test_a_disk(secftp, root, disk):
    secftp("df", "//").succeed(b"1K-blocks Used Avail Use% Path\n     4000 2400  1200  67% /\n")
    assert secftp("df", "-k", "//").output == secftp("df", "-hk", "//").output == secftp("df", "//").output
    secftp("df", "-h", "//").succeed(b"Size Used Avail Use% Path\n4.0M 2.4M  1.2M  67% /\n")
    secftp("df", "--si", "//").succeed(b"Size Used Avail Use% Path\n4.1M 2.5M  1.3M  67% /\n")
    (root / "d").mkdir()
    assert secftp("df", "//d", "//").output.count(b"\n") == 3
    found = secftp("df", "//none", "//d")
    assert (found.code, found.output.count(b"\n")) == (ExitCode.FAILED, 2)
    secftp("df", "//none").expect(ExitCode.NOT_FOUND, "none")
    (row,) = map(json.loads, secftp("df", "--json", "//").output.splitlines())
    assert row == {
        "path": "", "total": 1000 * UNIT, "used": 600 * UNIT, "free": 400 * UNIT, "available": 300 * UNIT, "kept": None,
        "largest": None, "files": 90, "files_available": 50, "read_only": False,
    }  # fmt: skip


def test_limits_of_the_operator_are_told(tmp_path, capfdbinary, disk):
    limits = ServerLimits(min_free=100 * UNIT, max_file_size=5_000_000, min_free_files=60)
    (tmp_path / "root").mkdir()
    store = BoundedStore(LocalStore(tmp_path / "root"), Quota(limits, lambda name, text: None))
    with client_and_server(tmp_path, capfdbinary, store=store) as secftp:
        found = secftp("df", "//").succeed(b"1K-blocks Used Avail Use% Path\n     4000 2400   800  75% /\n")
        assert "Note: /: the operator keeps 409.6 kB free." in found.errors
        assert "Note: /: files may have up to 5.0 MB." in found.errors
        assert "Note: /: no more files can be created." in found.errors
        assert secftp("df", "-q", "//").errors == ""


def test_a_key_that_may_not_write(tmp_path, capfdbinary, disk):
    with client_and_server(tmp_path, capfdbinary, read_only=True) as secftp:
        found = secftp("df", "//").succeed(b"1K-blocks Used Avail Use% Path\n     4000 2400     0  60% /\n")
        assert "Note: /: this key may not write." in found.errors


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (Capacity(id=1, total=10, free=4, available=4), "60%"), (Capacity(id=1, total=10, free=10, available=10), "0%"),
        (Capacity(id=1, total=1000, free=999, available=999), "1%"),
        (Capacity(id=1, total=10, free=0, available=0), "100%"),
        (Capacity(id=1, total=10, free=4, available=0), "100%"), (Capacity(id=1, available=4), "-"),
        (Capacity(id=1), "-"),
        (Capacity(id=1, total=10, free=4), "-"), (Capacity(id=1, total=0, free=0, available=0), "-"),
        (Capacity(id=1, total=10, free=11, available=1), "-"),
        (Capacity(id=1, total=10, free=4, available=0, read_only=True), "60%"),
    ],
)  # fmt: skip
def test_how_much_is_in_use(told, shown):
    assert _percentage(told) == shown


def test_what_is_not_known_is_a_hyphen(tmp_path, capfdbinary, monkeypatch):
    """A key that may only write learns nothing of the disk, and some file systems tell nothing."""
    monkeypatch.setattr(os, "fstatvfs", lambda fd: os.statvfs_result((9, UNIT, 0, 0, 0, 0, 0, 0, 0, 255)))
    with client_and_server(tmp_path, capfdbinary) as secftp:
        secftp("df", "//").succeed(b"1K-blocks Used Avail Use% Path\n        -    -     -    - /\n")
        (row,) = map(json.loads, secftp("df", "--json", "//").output.splitlines())
    assert {row[name] for name in ("total", "used", "free", "available", "files", "files_available")} == {None}


def test_an_older_server(against):
    found = against(lambda wire: wire.receive(), "df", "//")
    assert (found.code, "the server can't tell how much space it has" in found.errors) == (ExitCode.SERVER_FAILED, True)
    assert "Use a newer version of the server." in found.errors


def test_its_help_is_long(secftp):
    for verb in (du, df):
        assert verb.parse(["-h", "secftp://host/"]).base == 1024


# --- cat --------------------------------------------------------------------------------------------------------------


def test_files_one_after_the_other(secftp, root):
    data = random.Random(1).randbytes(300_000)
    fill(root, "a", contents=b"first\n")
    fill(root, "b", contents=data)
    fill(root, "empty", contents=b"")
    secftp("cat", "//a").succeed(b"first\n")
    secftp("cat", "//a", "//empty", "//b", "//a").succeed(b"first\n" + data + b"first\n")
    secftp("cat", "//?").succeed(b"first\n" + data)


def test_more_files_than_are_requested_ahead(secftp, root, monkeypatch):
    monkeypatch.setattr(contents, "_AHEAD", 3)
    for number in range(20):
        fill(root, f"{number:02}", contents=b"%d\n" % number)
    secftp("cat", "//*").succeed(b"".join(b"%d\n" % number for number in range(20)))


def test_those_that_fail_are_told_and_the_others_are_written(secftp, root):
    fill(root, "a", "d/x", contents=b"1\n")
    found = secftp("cat", "//a", "//none", "//d", "//a/", "//a")
    assert (found.code, found.output) == (ExitCode.FAILED, b"1\n1\n")
    for name in ("none: no such file", "d: it is a directory", "a: a directory can't be written"):
        assert name in found.errors
    secftp("cat", "//none").expect(ExitCode.NOT_FOUND, "none")
    secftp("cat", "//d").expect(ExitCode.REFUSED, "it is a directory")
    secftp("cat", "//").expect(ExitCode.REFUSED, "a directory can't be written")


def test_other_bytes_than_the_server_hashed_are_an_error(against):
    def play(wire):
        while (message := wire.receive()) is not None:
            if not isinstance(message, Read):
                return
            wire.send(File(id=message.id, size=3, mtime_ns=0, mode=0))
            wire.queue_data(b"abc" if message.path == (b"good",) else b"xyz")
            wire.send(End(size=3, digest=digest_of(b"abc")))

    found = against(play, "cat", "//bad", "//good")
    assert (found.code, found.output) == (ExitCode.FAILED, b"xyzabc")
    assert "bad: " in found.errors
    assert "checksum" in found.errors


def test_a_terminal_gets_text_only(secftp, root, tmp_path):
    fill(root, "text", contents=b"plain text\n")
    fill(root, "evil", contents=b"\x1b]0;evil\x07")
    for name, code in (("text", 0), ("evil", ExitCode.USAGE)):
        with terminal() as (slave, screen):
            words = ["cat", "--key-file", "key", f"secftp://{place(secftp.server)}/{name}"]
            with started(tmp_path, *words, stdout=slave, stderr=slave, keyed=False) as client:
                assert client.wait(DEADLINE) == code
        assert "evil" not in screen.text
        assert ("plain text\r\n" in screen.text) == (name == "text")


def test_a_hyphen_is_no_file(secftp):
    secftp("cat", "-").expect(ExitCode.USAGE, "standard input")
