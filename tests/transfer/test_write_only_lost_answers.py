"""Uploads with write-only keys whose replies get lost: verified by the token, and by nothing else."""

from __future__ import annotations

import os

import pytest

import secftp
from secftp.errors import ConnectionLost, ExitCode
from secftp.protocol import Algorithm, Error, ErrorCode, NewFile, Ok, Results, Sum, Welcome, WriteMany
from secftp.server.access import NamedKey, Rights
from secftp.server.requests import idempotency
from secftp.server.requests.idempotency import ConfirmedFiles, OwnConfirmedFiles
from secftp.storage import LocalStore
from secftp.storage.digest import new_digest
from secftp.transfer import CopyOptions, RemoteLocation, Upload
from tests.support.command_line import SECRET_KEY, run
from tests.support.copying import contents, make
from tests.support.losing import losing
from tests.support.serving import HOST, MemorySource, serving, session
from tests.transfer.test_lost_answers import Losing, confirmed

pytestmark = pytest.mark.exhaustive

DATA = os.urandom(300_000)
FILES = {b"small": b"1", b"empty": b"", b"middle": os.urandom(30_000), b"large": os.urandom(3 << 20), b"d/a": b"2"}
KEYS = {
    "new only": Rights(read=False, write=True, overwrite=False, list=False, delete=False),
    "may replace": Rights(read=False, write=True, overwrite=True, list=False, delete=False),
    "may list": Rights(read=False, write=True, overwrite=False, list=True, delete=False),
}


def named(rights, *names):
    return {name: NamedKey(SECRET_KEY.password(), rights) for name in names or ("drop",)}


@pytest.fixture(params=KEYS.values(), ids=KEYS)
def server(root, request):
    with serving(root, key=SECRET_KEY, named=named(request.param)) as running:
        yield running


@pytest.fixture
def dropbox(root):
    """A server whose keys may only write."""
    with serving(root, key=SECRET_KEY, named=named(KEYS["new only"], "drop", "other")) as running:
        yield running


def begun(server, name):
    return lambda: f"requested to write filename: {name}" in server.log.text


# --- copies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [CopyOptions(), CopyOptions(overwrite=False), CopyOptions(preserve=False)])
def test_a_copy_has_arrived_and_the_answers_are_lost(tmp_path, root, server, options):
    told = Losing(len(FILES))
    copy = Upload([make(tmp_path / "src", FILES)], RemoteLocation((b"dst",)), options, told)
    with losing(server.port) as way:
        told.lose = lambda: way.cut_when(confirmed(server, len(FILES)))
        with session(way.port, SECRET_KEY, name="drop") as client, pytest.raises(ConnectionLost):
            copy.run(client)
        with session(way.port, SECRET_KEY, name="drop") as client:
            summary = copy.run(client)
    assert (summary.files, summary.skipped, summary.failed) == (len(FILES), 0, 0), told.calls
    assert contents(root / "dst") == FILES


@pytest.mark.parametrize("data", [b"small", b"", DATA], ids=["small", "empty", "large"])
@pytest.mark.parametrize("words", [["--no-clobber"], []], ids=["client", "server"])
def test_put_with_retries(tmp_path, root, dropbox, data, words):
    (tmp_path / "name").write_bytes(data)
    with losing(dropbox.port) as way:
        way.cut_when(confirmed(dropbox, 1), after=begun(dropbox, "name"))
        url = f"secftp://drop@{HOST}:{way.port}/"
        run(tmp_path, "put", "-q", "--retries", "2", *words, "name", url).succeed()
    assert (root / "name").read_bytes() == data


@pytest.mark.parametrize("data", [b"same", DATA], ids=["small", "large"])
def test_what_was_there_before_is_not_ours(tmp_path, root, dropbox, data):
    """The same bytes, and the first answer, a refusal, got lost."""
    (tmp_path / "name").write_bytes(data)
    (root / "name").write_bytes(data)
    with losing(dropbox.port) as way:
        way.cut_when(lambda: "Refused" in dropbox.log.text, after=begun(dropbox, "name"))
        url = f"secftp://drop@{HOST}:{way.port}/"
        assert run(tmp_path, "put", "-q", "--retries", "2", "name", url).code == ExitCode.EXISTS


def replaced(path, data):
    """Another file of that size and time takes the name."""
    status = os.stat(path)
    os.rename(path, f"{path}.gone")
    with open(path, "wb") as file:
        file.write(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def changed(path, _data):
    """Its bytes change, and neither its size nor its time."""
    status = os.stat(path)
    with open(path, "r+b") as file:
        file.write(bytes([file.read(1)[0] ^ 1]) if file.seek(0) == 0 and status.st_size < 2 else b"XY")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


SINCE = {"replaced by the same": replaced, "changed": changed, "removed": lambda path, _data: os.unlink(path)}


@pytest.mark.parametrize("since", [replaced, changed], ids=["replaced", "changed"])
@pytest.mark.parametrize("data", [b"small", DATA], ids=["small", "large"])
def test_what_is_there_no_more_is_not_confirmed(tmp_path, root, dropbox, data, since):
    (tmp_path / "name").write_bytes(data)

    def change():
        if not confirmed(dropbox, 1)():
            return False
        since(root / "name", data)
        return True

    with losing(dropbox.port) as way:
        way.cut_when(change, after=begun(dropbox, "name"))
        url = f"secftp://drop@{HOST}:{way.port}/"
        assert run(tmp_path, "put", "-q", "--retries", "2", "name", url).code == ExitCode.EXISTS


# --- one file ---------------------------------------------------------------------------------------------------------


COMMANDS = {
    "put": lambda port: ["put", "-q", "-", f"secftp://drop@{HOST}:{port}/name"],
    "put with retries": lambda port: ["put", "-q", "--retries", "1", "-", f"secftp://drop@{HOST}:{port}/name"],
    "write": lambda port: ["write", "name", f"drop@{HOST}:{port}", "aes128"],
}


@pytest.mark.parametrize("data", [DATA, b""], ids=["bytes", "empty"])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_stream_that_has_arrived_is_found(tmp_path, root, server, command, data):
    with losing(server.port) as way:
        way.cut_when(confirmed(server, 1), after=begun(server, "name"))
        run(tmp_path, *command(way.port), stdin=data).succeed()
    assert (root / "name").read_bytes() == data


@pytest.mark.parametrize("since", SINCE.values(), ids=SINCE)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_stream_that_is_there_no_more_is_a_lost_connection(tmp_path, root, dropbox, command, since):
    def change():
        if not confirmed(dropbox, 1)():
            return False
        since(root / "name", DATA)
        return True

    with losing(dropbox.port) as way:
        way.cut_when(change, after=begun(dropbox, "name"))
        run(tmp_path, *command(way.port), stdin=DATA).expect(ExitCode.CONNECTION_LOST)


def write_by_file(remote, mode, data):
    with remote.open("new", mode) as file:
        file.write(data)


WRITES = {
    "bytes": lambda remote, data: remote.write_bytes("new", data),
    "bytes, new": lambda remote, data: remote.write_bytes("new", data, overwrite=False),
    "file": lambda remote, data: write_by_file(remote, "wb", data),
    "file, new": lambda remote, data: write_by_file(remote, "xb", data),
}


@pytest.mark.parametrize("data", [DATA, b""], ids=["bytes", "empty"])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_program_s_file_is_found(root, server, write, data):
    with (
        losing(server.port) as way,
        secftp.connect(f"secftp://drop@{HOST}:{way.port}", key=SECRET_KEY) as remote,
    ):
        way.cut_when(confirmed(server, 1), after=begun(server, "new"))
        write(remote, data)
    assert (root / "new").read_bytes() == data


def test_over_a_connection_that_was_used_before(root, server):
    """There a request is repeated, since the connection may have been gone before it."""
    with (
        losing(server.port) as way,
        secftp.connect(f"secftp://drop@{HOST}:{way.port}", key=SECRET_KEY) as remote,
    ):
        remote.write_bytes("first", b"first")
        way.cut_when(confirmed(server, 2), after=begun(server, "new"))
        remote.write_bytes("new", DATA)
    assert (root / "new").read_bytes() == DATA


# --- at the server ----------------------------------------------------------------------------------------------------


TOKEN = bytes(range(16))


def digest_of(data, algorithm=Algorithm.XXH128):
    digest = new_digest(algorithm)
    digest.update(data)
    return digest.digest()


def ask(server, request, name="drop"):
    with server.hostile(key=SECRET_KEY, name=name) as client:
        client.send(request)
        assert isinstance(client.receive(), Welcome)
        return client.receive()


def write_one(server, data=b"data", **fields):
    files = (NewFile((b"a",), data, digest_of(data)),)
    answer = ask(server, WriteMany(id=1, files=files, token=TOKEN, **fields))
    assert isinstance(answer, Results)
    assert answer.codes == (None,)


def test_the_digest_is_told_to_its_sender(dropbox):
    write_one(dropbox)
    answer = ask(dropbox, Sum(id=1, path=(b"a",), token=TOKEN))
    assert isinstance(answer, Ok)
    assert (answer.size, answer.digest, answer.own) == (4, digest_of(b"data"), True)


STRANGE = {
    "no token": ({"token": None}, "drop"),
    "another token": ({"token": bytes(16)}, "drop"),
    "another key": ({}, "other"),
    "a part": ({"offset": 1}, "drop"),
    "a length": ({"length": 2}, "drop"),
    "another algorithm": ({"algorithm": Algorithm.SHA256}, "drop"),
    "another name": ({"path": (b"secret",)}, "drop"),
    "no name": ({"path": (b"missing",)}, "drop"),
}


@pytest.mark.parametrize(("fields", "name"), STRANGE.values(), ids=STRANGE)
def test_to_all_else_it_is_a_sum_without_the_right(root, dropbox, fields, name):
    (root / "secret").write_bytes(b"secret")
    write_one(dropbox)
    answer = ask(dropbox, Sum(**{"id": 1, "path": (b"a",), "token": TOKEN, **fields}), name)
    assert isinstance(answer, Error)
    assert answer.code is ErrorCode.FORBIDDEN


@pytest.mark.parametrize("since", SINCE.values(), ids=SINCE)
def test_what_became_of_it_is_not_told(root, dropbox, since):
    write_one(dropbox)
    since(root / "a", b"data")
    answer = ask(dropbox, Sum(id=1, path=(b"a",), token=TOKEN))
    assert isinstance(answer, Error)
    assert answer.code is ErrorCode.FORBIDDEN


def test_another_token_s_file_is_not_own_for_a_reader(root):
    """It may read, so it gets the digest, and is told whether that is of what it has sent itself."""
    reader = Rights(read=True, write=True, overwrite=False)
    with serving(root, key=None, named=named(reader, "drop", "other")) as server:
        write_one(server)
        told = [ask(server, Sum(id=1, path=(b"a",), token=TOKEN), name) for name in ("drop", "other")]
    assert [(answer.digest, answer.own) for answer in told] == [(digest_of(b"data"), own) for own in (True, False)]


def test_a_refused_file_is_not_remembered(root, dropbox):
    (root / "a").write_bytes(b"data")
    files = (NewFile((b"a",), b"data", digest_of(b"data")),)
    assert ask(dropbox, WriteMany(id=1, files=files, token=TOKEN)).codes == (ErrorCode.EXISTS,)
    assert isinstance(ask(dropbox, Sum(id=1, path=(b"a",), token=TOKEN)), Error)


def test_how_many_are_remembered_is_bounded(monkeypatch, root):
    monkeypatch.setattr(idempotency, "MOST_CONFIRMED", 2)
    make(root, {b"0": b"", b"1": b"", b"2": b""})
    with LocalStore(os.fspath(root)) as store:
        known = OwnConfirmedFiles(ConfirmedFiles(), store, "key")
        paths = [(b"0",), (b"1",), (b"2",)]
        for path in paths:
            known.note(TOKEN, path, Algorithm.XXH128, bytes(16))
        known.note(None, (b"1",), Algorithm.XXH128, bytes(16))
        assert [known.find(TOKEN, path, Algorithm.XXH128) is not None for path in paths] == [False, True, True]


def test_writes_have_tokens_of_their_own(dropbox):
    with session(dropbox.port, SECRET_KEY, name="drop") as client:
        client.write((b"a",), MemorySource(b"data"))
    assert isinstance(ask(dropbox, Sum(id=1, path=(b"a",), token=TOKEN)), Error)
