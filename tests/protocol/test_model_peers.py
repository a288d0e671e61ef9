"""Interoperability of the model and the product over sockets: client against server, in both combinations.

The model was written from docs/PROTOCOL.md and shares nothing with the product, so what works here is what the document
specifies. It enforces every rule of the document: a peer that breaks one fails the test.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading

import pytest

from tests.model import schedule
from tests.model.client import Client, Failed
from tests.model.digest import digest
from tests.model.schedule import Suite
from tests.model.server import Directory, File, Server
from tests.support.command_line import SECRET, run
from tests.support.serving import DEADLINE, HOST, listing, server_process, until

pytestmark = pytest.mark.exhaustive

W = schedule.scalar(schedule.key_bytes(SECRET))
DATA = random.Random(6).randbytes(20_000)
LARGE = random.Random(7).randbytes((1 << 20) + 20_000)  # large enough to be resumed
HELLO = b"hello, world"
T = 1_700_000_000_000_000_000
ALGORITHMS = ["xxh128", "sha256", "blake3", "md5"]

suites = pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.name.lower())


@contextlib.contextmanager
def connected(port, w=W, suite=Suite.NONE):
    """A model client's session, ended by BYE unless the test ended it."""
    with socket.create_connection((HOST, port), timeout=DEADLINE) as sock:
        client = Client(sock, w, suite)
        yield client
        if sock.fileno() >= 0 and client.wire.order.state["client to server"] != "CLOSED":
            client.bye()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One server process for the module, its directory and its home."""
    home = tmp_path_factory.mktemp("home")
    root = home / "root"
    root.mkdir()
    with server_process(home, "0", "--host", HOST, "--root", root, SECFTP_KEY=SECRET) as server:
        server.root = root
        yield server


@pytest.fixture
def directory(served, request):
    """A name of its own for each test, and the directory behind it."""
    name = str(abs(hash(request.node.name)))
    (served.root / name).mkdir()
    served.directory = served.root / name
    return name.encode()


# --- the model's client, the real server ------------------------------------------------------------------------------


@suites
def test_client_reads_and_writes(served, directory, suite):
    with connected(served.port, suite=suite) as client:
        client.write((directory, b"a"), DATA[:5000], mode=0o600, mtime_ns=T)
        client.write((directory, b"empty"), b"")
        file, data = client.read((directory, b"a"))
        assert (data, file.size, file.mode, file.mtime_ns) == (DATA[:5000], 5000, 0o600, T)
        assert client.read((directory, b"a"), offset=10, length=20)[1] == DATA[10:30]
        assert client.read((directory, b"a"), offset=4990, length=20)[1] == DATA[4990:5000]
        assert client.read((directory, b"a"), offset=5000)[1] == b""
        assert client.read((directory, b"empty"))[1] == b""
        space = client.space((directory, b"a"))
        assert 0 < space.available <= space.free < space.total
        assert not space.read_only
        info = client.stat((directory, b"a"))
        assert (info.kind, info.size, info.mtime_ns, info.mode) == ("file", 5000, T, 0o600)
    assert (served.directory / "a").read_bytes() == DATA[:5000]


def test_client_without_encryption_moves_more(served, directory):
    data = random.Random(1).randbytes(1 << 20)
    with connected(served.port) as client:
        client.ask("WRITE", path=(directory, b"a"), later="?")  # no size; and an unknown field
        client.wire.send_file(data, 65536)
        client.wire.send("END", size=len(data), digest=digest("xxh128", data))
        assert client.answer("OK").size == len(data)
        assert client.read((directory, b"a"))[1] == data
    assert (served.directory / "a").read_bytes() == data


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_client_uses_every_algorithm(served, directory, algorithm):
    with connected(served.port) as client:
        client.write((directory, b"a"), DATA, algorithm=algorithm)
        assert client.read((directory, b"a"), algorithm=algorithm)[1] == DATA
        ok = client.do("SUM", path=(directory, b"a"), algorithm=algorithm)
        assert (ok.size, ok.digest) == (len(DATA), digest(algorithm, DATA))
        ok = client.do("SUM", path=(directory, b"a"), algorithm=algorithm, offset=100, length=50)
        assert (ok.size, ok.digest) == (50, digest(algorithm, DATA[100:150]))


def test_client_sends_and_takes_compressed_data(served, directory):
    text = b"".join(b"line %d\n" % number for number in range(60_000))
    with connected(served.port) as client:
        client.finish()
        assert "zstd" in client.welcomed["capabilities"]
        client.write((directory, b"a"), text, compressed=True)
        client.write((directory, b"b"), text, compressed=True, size=None, algorithm="sha256")
        before = client.wire.received
        assert client.read((directory, b"a"), compress=19)[1] == text
        assert client.wire.received - before < len(text) // 65_536, "in fewer messages than it would need"
        assert client.read((directory, b"a"), compress=1, offset=10, length=100_000)[1] == text[10:100_010]
        assert client.read((directory, b"a"), before=text[:200_000], compress=3)[1] == text[200_000:]
        client.write((directory, b"r"), LARGE, compressed=True)
        assert client.read((directory, b"r"), compress=1)[1] == LARGE
    assert (served.directory / "a").read_bytes() == (served.directory / "b").read_bytes() == text


def test_client_sends_and_takes_holes(served, directory):
    """The server leaves them out of what it stores, and of what it sends; the sums are of the whole file."""
    mixed = b"x" * 5000 + bytes(1 << 17) + LARGE[:70_000] + bytes(1 << 18) + b"y" + bytes(100_000)
    with connected(served.port) as client:
        client.finish()
        assert "holes" in client.welcomed["capabilities"]
        client.write((directory, b"a"), mixed, sparse=True)
        client.write((directory, b"b"), mixed, sparse=True, size=None, algorithm="sha256")
        client.write((directory, b"z"), bytes(1 << 20), sparse=True, holes=1 << 20)
        client.write((directory, b"c"), mixed[90_000:], before=b"", sparse=True)
        before = client.wire.received
        file, data = client.read((directory, b"z"), holes=True)
        assert (data, file.size, file.holes) == (bytes(1 << 20), 1 << 20, 1 << 20)
        assert client.wire.received - before == 3, "FILE, HOLE, END"
        assert client.read((directory, b"z"))[1] == bytes(1 << 20)
        for name, whole in {b"a": mixed, b"b": mixed, b"c": mixed[90_000:]}.items():
            assert client.read((directory, name), holes=True)[1] == whole
            assert client.read((directory, name), holes=True, compress=3)[1] == whole
        assert client.read((directory, b"a"), holes=True, offset=6000, length=150_000)[1] == mixed[6000:156_000]
        assert client.read((directory, b"a"), before=mixed[:100_000], holes=True)[1] == mixed[100_000:]
    for name in "abz":
        status = (served.directory / name).stat()
        assert status.st_blocks * 512 < status.st_size - 90_000
    assert (served.directory / "a").read_bytes() == (served.directory / "b").read_bytes() == mixed


def test_client_and_compressed_small_files(served, directory):
    text = b"".join(b"line %d\n" % number for number in range(3000))
    files = [((directory, b"%d" % number), (text + LARGE)[number * 1000 :][: number * 200]) for number in range(30)]
    with connected(served.port) as client:
        client.finish()
        assert client.write_many(files, compressed=True) == (None,) * 30
        told = client.read_many([path for path, _ in files], compress=19)
        assert [file["data"] for file in told] == [data for _, data in files]
        told = client.read_many([path for path, _ in files[:3]])
        assert [file["data"] for file in told] == [data for _, data in files[:3]]
    assert (served.directory / "20").read_bytes() == files[20][1]


@suites
def test_client_lists(served, directory, suite):
    inside = served.directory
    for name in ("a", "b", "c/d", "c/e/f"):
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        (inside / name).write_bytes(HELLO)
    (inside / "link").symlink_to("a")
    with connected(served.port, suite=suite) as client:
        client.finish()
        found = {entry["path"]: (entry["kind"], entry["size"], entry["code"]) for entry in client.list((directory,))}
        assert found == {(b"a",): ("file", 12, None), (b"b",): ("file", 12, None), (b"c",): ("folder", 0, None)}
        told = client.list((directory,), recursive=True)
        paths = [entry["path"] for entry in told]
        assert sorted(paths) == [(b"a",), (b"b",), (b"c",), (b"c", b"d"), (b"c", b"e"), (b"c", b"e", b"f")]
        assert all(path[:-1] in ((), *paths[:at]) for at, path in enumerate(paths)), "a directory before what is in it"
        assert (directory,) in [entry["path"] for entry in client.list()], "the served directory itself"
        for path, code in [((directory, b"a"), "not_folder"), ((directory, b"none"), "not_found")]:
            with pytest.raises(Failed, match=code):
                client.list(path)


def test_client_lists_more_than_one_message_holds(served, directory):
    names = {f"{number:05}-{'x' * 60}".encode() for number in range(1500)}
    for name in names:
        (served.directory / name.decode()).touch()
    with connected(served.port) as client:
        client.finish()
        client.ask("LIST", path=(directory,))
        parts = [client.answer("ENTRIES")]
        while not parts[-1].last:
            parts.append(client.answer("ENTRIES"))
    assert len(parts) > 1
    assert {entry["path"][0] for part in parts for entry in part.entries} == names


def test_client_changes(served, directory):
    with connected(served.port) as client:
        client.finish()
        client.do("MKDIR", path=(directory, b"x", b"y"), parents=True)
        client.write((directory, b"x", b"a"), HELLO)
        client.do("SETATTR", path=(directory, b"x", b"a"), mode=0o4640, mtime_ns=T)
        info = client.stat((directory, b"x", b"a"))
        assert (info.mode, info.mtime_ns) == (0o640, T), "never more than 0o777"
        client.do("RENAME", path=(directory, b"x", b"a"), to=(directory, b"b"))
        client.write((directory, b"c"), b"other")
        for name, fields, code in [
            ("RENAME", {"path": (directory, b"b"), "to": (directory, b"c")}, "exists"),
            ("RENAME", {"path": (directory, b"none"), "to": (directory, b"c")}, "not_found"),
            ("REMOVE", {"path": (directory, b"x")}, "not_empty"),
            ("REMOVE", {"path": (directory, b"x"), "kind": "file"}, "is_folder"),
            ("REMOVE", {"path": (directory, b"b"), "kind": "folder"}, "not_folder"),
            ("MKDIR", {"path": (directory, b"x")}, "exists"),
            ("MKDIR", {"path": (directory, b"none", b"z")}, "not_found"),
            ("MKDIR", {"path": (directory, b"b", b"z")}, "not_folder"),
            ("SUM", {"path": (directory, b"x")}, "is_folder"),
            ("SETATTR", {"path": (directory, b"none"), "mode": 0}, "not_found"),
        ]:
            with pytest.raises(Failed, match=code):
                client.do(name, **fields)
        client.do("RENAME", path=(directory, b"b"), to=(directory, b"c"), overwrite=True)
        client.do("REMOVE", path=(directory, b"x", b"y"), kind="folder")
        client.do("REMOVE", path=(directory, b"x"))
    assert listing(served.directory) == ["c"]
    assert (served.directory / "c").read_bytes() == HELLO


def test_client_is_told_of_symlinks_and_fifos_as_specified(served, directory):
    """A symlink is indistinguishable from a missing file; nothing but a file is read or replaced."""
    inside = served.directory
    (inside / "a").write_bytes(HELLO)
    (inside / "f").mkdir()
    (inside / "link").symlink_to("a")
    (inside / "f link").symlink_to("f")
    os.mkfifo(inside / "fifo")
    link, through, fifo = (directory, b"link"), (directory, b"f link", b"x"), (directory, b"fifo")
    with connected(served.port) as client:
        client.finish()
        asked = [
            (path, code, name, fields)
            for path, code in ((link, "not_found"), (through, "not_found"), (fifo, "forbidden"))
            for name, fields in (("READ", {}), ("STAT", {}), ("SUM", {}), ("REMOVE", {}), ("SETATTR", {"mode": 0}))
        ]
        asked += [
            (path, code, "RENAME", {"to": (directory, b"b")})
            for path, code in ((link, "not_found"), (fifo, "forbidden"))
        ]
        asked += [((directory, b"f"), "forbidden", "RENAME", {"to": (directory, b"f", b"g")})]
        asked += [((directory, b"a"), "forbidden", "RENAME", {"to": to, "overwrite": True}) for to in (link, fifo)]
        for path, code, name, fields in asked:
            client.ask(name, path=path, **fields)
            with pytest.raises(Failed, match=code):
                client.answer("OK")
        assert [file["code"] for file in client.read_many([link, through, fifo])] == [
            "not_found",
            "not_found",
            "forbidden",
        ]
        assert client.write_many([(through, b""), (link, b""), (fifo, b"")]) == ("not_found", "forbidden", "forbidden")
    assert listing(inside) == ["a", "f", "f link", "fifo", "link"]
    assert (inside / "a").read_bytes() == HELLO


@suites
def test_client_moves_small_files(served, directory, suite):
    files = [((directory, b"%d" % number), DATA[: number * 40]) for number in range(30)]
    with connected(served.port, suite=suite) as client:
        client.finish()
        assert client.write_many(files) == (None,) * 30
        bad = [((directory, b"none", b"x"), b""), ((directory, b"1"), b"new"), ((directory,), b"")]
        assert client.write_many(bad) == ("not_found", None, "is_folder")
        assert client.write_many([((directory, b"1"), b"newer")], overwrite=False) == ("exists",)
        paths = [path for path, _ in files] + [(directory, b"none"), (directory,)]
        told = client.read_many(paths)
    codes = [file["code"] for file in told]
    assert codes == [None] * 30 + ["not_found", "is_folder"]
    assert [file["data"] for file in told[:30]] == [b"new" if at == 1 else data for at, (_, data) in enumerate(files)]


def test_client_gets_small_files_in_as_many_messages_as_it_takes(served, directory):
    data = random.Random(2).randbytes(32768)
    for name, size in (("a", 32768), ("b", 32768), ("c", 32769), ("d", 0), ("e", 30000)):
        (served.directory / name).write_bytes((data + b"!")[:size])
    with connected(served.port) as client:
        client.finish()
        told = client.read_many([(directory, name) for name in (b"a", b"b", b"c", b"d", b"e")], "blake3")
    assert [(file["code"], len(file["data"])) for file in told] == [
        (None, 32768),
        (None, 32768),
        ("too_large", 0),
        (None, 0),
        (None, 30000),
    ]


def test_client_tells_of_a_small_file_that_was_changed_on_the_way(served, directory):
    with connected(served.port) as client:
        client.finish()
        told = [((directory, b"a"), HELLO, digest("xxh128", HELLO)), ((directory, b"b"), HELLO, bytes(16))]
        client.ask("WRITEMANY", files=told)
        assert client.answer("RESULTS").codes == (None, "checksum")
    assert listing(served.directory) == ["a"]


@suites
def test_client_resumes_a_write(served, directory, suite):
    path = (directory, b"a")
    with connected(served.port, suite=suite) as client:
        client.finish()
        client.ask("WRITE", path=path, size=6000, keep=True)
        client.wire.send_file(DATA[:4000])
        client.wire.send("ABORT", code="cancelled")
        with pytest.raises(Failed, match="cancelled"):
            client.answer("OK")
        with pytest.raises(Failed, match="not_found"):
            client.read(path)
        assert client.stat(path, partial=True).size == 4000
        client.write(path, DATA[4000:6000], before=DATA[:4000], keep=True)
        with pytest.raises(Failed, match="not_found"):
            client.stat(path, partial=True)
    assert (served.directory / "a").read_bytes() == DATA[:6000]


def test_client_resumes_after_a_lost_connection(served, directory):
    path = (directory, b"a")
    with connected(served.port) as client:
        client.ask("WRITE", path=path, keep=True)  # before WELCOME
        client.wire.send_file(DATA[:7000])
        client.wire.sock.close()
    with connected(served.port) as client:
        client.finish()

        def kept():
            try:
                return client.stat(path, partial=True).size
            except Failed:
                return 0

        size = until(kept, "the server keeps what has come")
        for before, code in [(DATA[1 : size + 1], "checksum"), (DATA[: size + 1], "checksum")]:
            with pytest.raises(Failed, match=code):
                client.write(path, DATA[len(before) :], before=before, keep=True)
            if not kept():
                client.ask("WRITE", path=path, keep=True)
                client.wire.send_file(DATA[:7000])
                client.wire.send("ABORT", code="cancelled")
                with pytest.raises(Failed, match="cancelled"):
                    client.answer("OK")
        shorter = DATA[: kept() - 100]  # fewer bytes than there are: what is beyond them goes
        client.write(path, DATA[len(shorter) :], before=shorter, algorithm="sha256")
        with pytest.raises(Failed, match="not_found"):
            client.write(path, b"x", before=b"y")
    assert (served.directory / "a").read_bytes() == DATA


def test_client_is_told_at_once_of_a_partial_of_another_file(served, directory):
    """Before it has sent anything of the rest; what is kept stays what it was."""
    path = (directory, b"a")
    with connected(served.port) as client:
        client.ask("WRITE", path=path, keep=True)
        client.wire.send_file(DATA[:4000])
        client.wire.send("ABORT", code="cancelled")
        with pytest.raises(Failed, match="cancelled"):
            client.answer("OK")
        client.ask("WRITE", path=path, offset=4000, prefix=digest("xxh128", DATA[1:4001]))
        with pytest.raises(Failed, match="checksum"):
            client.answer("OK")
        client.wire.send("ABORT", code="cancelled")
        assert client.stat(path, partial=True).size == 4000
    assert "a" not in listing(served.directory)


@suites
def test_client_resumes_a_read(served, directory, suite):
    path = (directory, b"a")
    (served.directory / "a").write_bytes(DATA[:6000])
    with connected(served.port, suite=suite) as client:
        client.finish()
        for size in (1, 5000, 6000):
            file, data = client.read(path, before=DATA[:size], algorithm="md5")
            assert (file.size, data) == (6000 - size, DATA[size:6000])
        for before in (DATA[1:5000], DATA[:6001]):
            with pytest.raises(Failed, match="checksum"):
                client.read(path, before=before)


def test_client_does_not_wait(served, directory):
    """Requests behind one another, before WELCOME and after it, answered in order; CANCEL and PING in between."""
    with connected(served.port) as client:
        wire = client.wire
        for name in (b"a", b"b"):
            client.ask("WRITE", path=(directory, name), size=12)
            wire.send_file(HELLO)
            wire.send("END", size=12, digest=digest("xxh128", HELLO))
        wire.send("PING")
        client.ask("READ", path=(directory, b"a"))
        assert client.answer("OK").size == client.answer("OK").size == 12
        assert client.take_file()[1] == HELLO
        cancelled = [
            client.ask("READ", path=(directory, b"b")),
            client.ask("LIST", path=(directory,)),
            client.ask("SUM", path=(directory, b"a")),
            client.ask("READMANY", paths=[(directory, b"a")]),
        ]
        for number in cancelled:
            wire.send("CANCEL", id=number)
        client.ask("STAT", path=(directory, b"b"))
        ended = []
        while not ended or ended[-1] != "INFO":
            message = wire.receive()
            if message.name == "FILE":
                _, message = wire.receive_file()
            ended.append(message.name)
        assert len(ended) == 5, "each was answered, whether or not its CANCEL came in time"


def test_client_with_another_key(served):
    """SERVER_HELLO does not verify: the model sees that the server has another key."""
    from tests.model.failure import Failure, Refused

    with (
        socket.create_connection((HOST, served.port), timeout=DEADLINE) as sock,
        pytest.raises(Refused) as refused,
    ):
        Client(sock, W ^ 1, Suite.AES128)
    assert refused.value.failure is Failure.CONFIRMATION


@suites
def test_anonymous_client(tmp_path, suite):
    (tmp_path / "root").mkdir()
    with (
        server_process(tmp_path, "0", "--host", HOST, "--root", tmp_path / "root", "--anonymous-write") as server,
        connected(server.port, None, suite) as client,
    ):
        client.write((b"a",), HELLO)
        assert client.read((b"a",))[1] == HELLO


# --- the real client, the model's server ------------------------------------------------------------------------------


def url(server, *path):
    return f"secftp://{HOST}:{server.port}/" + "/".join(path)


def ciphers(suite):
    return ["--cipher", suite.name.lower()]


@suites
def test_server_serves_read_and_write(home, suite):
    with Server(W) as server:
        place = f"{HOST}:{server.port}"
        run(home, "write", "name", place, suite.name.lower(), stdin=DATA[:5000]).succeed()
        assert server.tree.nodes[b"name",].data == DATA[:5000]
        run(home, "read", "name", place, suite.name.lower()).succeed(DATA[:5000])
        result = run(home, "read", "none", place, suite.name.lower())
        result.expect(6, "none")


def test_server_without_encryption_serves_more(home):
    data = random.Random(4).randbytes(1 << 20)
    with Server(W) as server:
        place = f"{HOST}:{server.port}"
        run(home, "write", "name", place, "none", stdin=data).succeed()
        run(home, "read", "name", place, "none").succeed(data)


@suites
def test_server_takes_and_gives_a_directory(home, suite):
    """Many small files and a larger one, there and back."""
    files = {f"s/{number}": DATA[: number * 20] for number in range(25)} | {
        "big": DATA,
        "s/t/deep": HELLO,
        "empty": b"",
    }
    for name, data in files.items():
        path = home / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (home / "tree" / "hollow").mkdir()
    with Server(W) as server:
        run(home, "put", "-q", *ciphers(suite), "tree", url(server)).succeed()
        there = {
            b"/".join(path).decode(): node.data for path, node in server.tree.nodes.items() if isinstance(node, File)
        }
        assert there == {f"tree/{name}": data for name, data in files.items()}
        assert isinstance(server.tree.nodes[b"tree", b"hollow"], Directory)
        run(home, "get", "-q", *ciphers(suite), url(server, "tree"), "back").succeed()
    assert listing(home / "back") == listing(home / "tree")
    assert {name: (home / "back" / name).read_bytes() for name in files} == files


@pytest.mark.parametrize("unsupported", [False, True])
def test_server_that_can_nothing_but_read_and_write(home, unsupported):
    """No capability at all: one file goes there and back, and what can't be done is told of."""
    (home / "a").write_bytes(DATA)
    with Server(W, capabilities=(), requests=16) as server:
        server.unsupported = unsupported
        place = f"{HOST}:{server.port}"
        run(home, "write", "a", place, "none", stdin=DATA).succeed()
        run(home, "read", "a", place, "none").succeed(DATA)
        result = run(home, "ls", "--cipher", "none", url(server))
        assert (result.code, "the server can't" in result.errors) == (15, True), result.errors
        # They left before WELCOME. Such a server closes (10.2), or answers both. The client, which knows from WELCOME,
        # says BYE and goes, so that the server's answer may find it gone.
        told = server.served[server.served.index("STAT") :]
        assert told == ["STAT", "LIST", "BYE"][: len(told) if unsupported else 1]


def test_what_the_model_was_sent_is_known_when_its_sessions_have_ended():
    """A client has gone before the server has read its last message, however long that takes."""
    may_read = threading.Event()
    with Server(W) as server, socket.create_connection((HOST, server.port), timeout=DEADLINE) as sock:
        client = Client(sock, W, Suite.NONE)
        client.finish()
        server.on_message = lambda name: name != "BYE" or may_read.wait(DEADLINE)
        client.wire.send("BYE")
        sock.close()
        told = []
        reader = threading.Thread(target=lambda: told.append(list(server.served)))
        reader.start()
        reader.join(0.1)
        assert told == []
        may_read.set()
        reader.join(DEADLINE)
        assert told == [["BYE"]]


@pytest.mark.parametrize("capabilities", [None, ("ranges", "stat", "list", "change", "sum", "many", "resume")])
def test_server_of_compressed_data(home, capabilities):
    """Compressed there and back; with a server that can't do it as without."""
    text = b"".join(b"line %d\n" % number for number in range(60_000))
    (home / "a").write_bytes(text)
    (home / "small").mkdir()
    small = {f"{number}": text[: number * 300] for number in range(40)}
    for name, data in small.items():
        (home / "small" / name).write_bytes(data)
    with Server(W, **({} if capabilities is None else {"capabilities": capabilities})) as server:
        sent = run(home, "put", "-z", "--cipher=none", "a", url(server))
        assert server.tree.nodes[b"a",].data == text
        assert ("ZDATA" in server.served) == (capabilities is None)
        moved, server.moved = server.moved, 0
        fetched = run(home, "get", "--compress-level=1", "--cipher=none", url(server, "a"), "back")
        run(home, "get", "-z", "--cipher=none", url(server, "a"), "-").succeed(text)
        many = run(home, "put", "-z", "--cipher=none", "small", url(server)).succeed()
        assert {p[1].decode(): n.data for p, n in server.tree.nodes.items() if len(p) == 2} == small
        many_back = run(home, "get", "-z", "--cipher=none", url(server, "small"), "small back").succeed()
    assert {path.name: path.read_bytes() for path in (home / "small back").iterdir()} == small
    assert ("compressed to" in many.errors) == ("compressed to" in many_back.errors) == (capabilities is None)
    assert (home / "back").read_bytes() == text
    for result, way in ((sent, moved), (fetched, server.moved // 2)):
        result.succeed()
        assert ("Note: The server has no compression" in result.errors) == (capabilities is not None)
        assert ("compressed to" in result.errors) == (way < len(text) * 0.9) == (capabilities is None)


@pytest.mark.parametrize("capabilities", [None, ("ranges", "stat", "list", "change", "sum", "many", "resume", "zstd")])
def test_server_of_sparse_files(home, capabilities):
    """Holes are not sent, in either direction; to and from a server that does not know them, their zeros are."""
    (home / "a").write_bytes(LARGE[:100_000])
    with (home / "a").open("r+b") as file:
        file.seek(10 << 20)
        file.write(b"end")
        file.truncate(12 << 20)
    data = (home / "a").read_bytes()
    with Server(W, **({} if capabilities is None else {"capabilities": capabilities})) as server:
        run(home, "put", "--cipher=none", "a", url(server)).succeed()
        assert server.tree.nodes[b"a",].data == data
        sent, server.moved = server.moved, 0
        assert (server.skipped > 11 << 20, sent < 1 << 20) == ((True, True) if capabilities is None else (False, False))
        server.skipped = 0
        run(home, "get", "--cipher=none", url(server, "a"), "back").succeed()
        assert (server.skipped > 11 << 20) == (capabilities is None)
    assert (home / "back").read_bytes() == data
    assert ((home / "back").stat().st_blocks * 512 < 1 << 20) == (capabilities is None)


def test_server_lists_and_changes(home):
    with Server(W) as server:
        c = ciphers(Suite.AES128)
        server.tree.nodes |= {(b"d",): Directory(), (b"d", b"a"): File(HELLO), (b"b",): File(b"")}
        assert run(home, "ls", *c, url(server)).succeed(b"b\nd/\n")
        listed = run(home, "ls", "-R", *c, url(server)).output.split()
        assert {line.rstrip(b"/") for line in listed} == {b"b", b"d", b"d/a"}
        assert HELLO.hex() not in run(home, "stat", *c, url(server, "d", "a")).output.decode()
        summed = run(home, "sum", *c, "--checksum", "md5", url(server, "d", "a"))
        assert digest("md5", HELLO).hex() in summed.output.decode()
        run(home, "cp", *c, url(server, "d", "a"), url(server, "copy")).succeed()
        run(home, "cp", *c, "-r", url(server, "d"), url(server, "copies")).succeed()
        assert server.tree.nodes[b"copy",].data == server.tree.nodes[b"copies", b"a"].data == HELLO
        run(home, "rm", *c, "-r", url(server, "copy"), url(server, "copies")).succeed()
        run(home, "mkdir", *c, "-p", url(server, "x", "y")).succeed()
        run(home, "mv", *c, url(server, "b"), url(server, "x", "b")).succeed()
        assert run(home, "rm", *c, url(server, "d")).code != 0
        run(home, "rm", *c, "-r", url(server, "d")).succeed()
        assert set(server.tree.nodes) == {(), (b"x",), (b"x", b"y"), (b"x", b"b")}


@suites
def test_server_and_resuming_a_put(home, suite):
    (home / "a").write_bytes(LARGE)
    with Server(W) as server:
        server.tree.partials[b"a",] = LARGE[:-8000]
        run(home, "put", "-q", "--resume", *ciphers(suite), "a", url(server)).succeed()
        assert server.tree.nodes[b"a",].data == LARGE
        assert server.tree.partials == {}
        assert server.moved == 8000


@suites
def test_server_and_resuming_a_get(home, suite):
    """Broken off within the file, then called again: what is here is not sent a second time."""
    with Server(W) as server:
        server.tree.nodes[b"a",] = File(LARGE)
        server.cut_after = len(LARGE) // 4000 - 1
        assert run(home, "get", "-q", "--cipher", "none", url(server, "a")).code == 11
        assert listing(home) != ["a"]
        server.moved = 0
        run(home, "get", "-q", "--resume", *ciphers(suite), url(server, "a")).succeed()
        assert 0 < server.moved < 200_000
    assert (home / "a").read_bytes() == LARGE
    assert listing(home) == ["a"]


def test_server_and_a_partial_of_another_file(home):
    """The first bytes differ: the client begins anew, and what arrives is its file."""
    (home / "a").write_bytes(LARGE)
    with Server(W) as server:
        server.tree.partials[b"a",] = b"!" + LARGE[1:12000]
        run(home, "put", "-q", "--resume", "--cipher", "none", "a", url(server)).succeed()
        assert server.tree.nodes[b"a",].data == LARGE
        assert server.moved >= len(LARGE)


@pytest.mark.parametrize("verb", ["put", "get"])
def test_server_that_loses_the_connection(home, verb):
    """Cut within the file; with retries the client goes on where it was, and what comes of it is the whole file."""
    with Server(W) as server:
        server.cut_after = 5
        if verb == "put":
            (home / "a").write_bytes(LARGE)
            run(home, "put", "-q", "--retries", "3", "--cipher", "none", "a", url(server)).succeed()
            assert server.tree.nodes[b"a",].data == LARGE
        else:
            server.tree.nodes[b"a",] = File(LARGE)
            run(home, "get", "-q", "--retries", "3", "--cipher", "none", url(server, "a")).succeed()
            assert (home / "a").read_bytes() == LARGE
        assert server.cut_after is None, "it was cut"
    assert listing(home) == ["a"]


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ("END", ["get", "large"]),
        ("FILES", ["get", "small"]),
        ("OK", ["put", "new"]),
        ("END", ["read", "large"]),
        ("OK", ["write", "name"]),
    ],
)
def test_server_whose_digests_are_wrong(home, lie, words):
    """Off by one bit, in whatever message: the client says so, and nothing stands under the name."""
    verb, name = words
    (home / "new").write_bytes(LARGE)
    with Server(W) as server:
        server.lies = {lie}
        server.tree.nodes |= {(b"large",): File(LARGE), (b"small",): Directory(), (b"small", b"a"): File(HELLO)}
        if verb in ("read", "write"):
            result = run(home, verb, name, f"{HOST}:{server.port}", "none", stdin=HELLO)
        else:
            # A small file by itself is asked for with READ; FILES answers for those of a directory.
            ends = [url(server, name), "."] if verb == "get" else [name, url(server)]
            result = run(home, verb, "-q", "--cipher", "none", *ends)
    assert result.code == 10, result.errors
    assert [name for name in listing(home) if (home / name).is_file()] == ["new"]


def test_server_and_a_client_with_another_key(home):
    with Server(W ^ 1) as server:
        run(home, "read", "name", f"{HOST}:{server.port}", "aes128").expect(4)


@suites
def test_server_and_an_anonymous_client(home, suite):
    with Server(W) as server:
        server.tree.nodes[b"a",] = File(HELLO)
        result = run(home, "read", "--no-key", "a", f"{HOST}:{server.port}", suite.name.lower(), keyed=False)
        assert (result.code, result.output) == (0, HELLO), result.errors
