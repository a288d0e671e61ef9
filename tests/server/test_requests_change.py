"""REMOVE, RENAME, MKDIR, SETATTR, STAT and SUM: effects, refusals, and no side effects."""

from __future__ import annotations

import os
import stat
import threading

import pytest

from secftp.errors import (
    AlreadyExists,
    FileChanged,
    IsADirectory,
    NameRefused,
    NotADirectory,
    NotEmpty,
    NotFound,
)
from secftp.protocol import (
    Algorithm,
    Cancel,
    Error,
    ErrorCode,
    Kind,
    MakeDirectory,
    Ok,
    Ping,
    Remove,
    Rename,
    Stat,
    Sum,
)
from secftp.storage import LocalStore
from secftp.transport import keepalive
from tests.support.requests_at import served
from tests.support.serving import DEADLINE, digest_of, listing, serving

DATA = bytes(range(256)) * 20_000  # more than one chunk


def test_changes_do_what_they_say(tmp_path):
    with serving(tmp_path) as server, server.session() as client:
        client.make_directory((b"a", b"b"), parents=True)
        client.make_directory((b"a", b"b"), parents=True)
        client.make_directory((b"c",), mode=0o700)
        (tmp_path / "file").write_bytes(b"contents")
        client.rename((b"file",), (b"a", b"b", b"moved"))
        (tmp_path / "file").write_bytes(b"newer")
        client.rename((b"file",), (b"a", b"b", b"moved"), overwrite=True)
        client.set_attributes((b"a", b"b", b"moved"), mode=0o600, mtime_ns=1_234_567_890)
        client.remove((b"c",), kind=Kind.DIRECTORY)
        client.set_attributes((), mtime_ns=42)
    assert listing(tmp_path) == ["a", "a/b", "a/b/moved"]
    status = (tmp_path / "a" / "b" / "moved").stat()
    assert (status.st_mtime_ns, stat.S_IMODE(status.st_mode)) == (1_234_567_890, 0o600)
    assert (tmp_path / "a" / "b" / "moved").read_bytes() == b"newer"
    assert tmp_path.stat().st_mtime_ns == 42
    for line in (
        "Client requested to make directory: a/b ",
        "Client requested to rename: file to: a/b/moved ",
        "Client requested to set attributes: / ",
        "Client requested to remove: c ",
    ):
        assert line in server.log.text


REFUSED = {
    "remove nothing": (NotFound, lambda client: client.remove((b"none",))),
    "remove a full directory": (NotEmpty, lambda client: client.remove((b"full",))),
    "remove a file as directory": (NotADirectory, lambda client: client.remove((b"file",), kind=Kind.DIRECTORY)),
    "remove a directory as file": (IsADirectory, lambda client: client.remove((b"empty",), kind=Kind.FILE)),
    "remove below a file": (NotADirectory, lambda client: client.remove((b"file", b"x"))),
    "remove an unfinished file": (NameRefused, lambda client: client.remove((b".secftp-tmp-1",))),
    "rename nothing": (NotFound, lambda client: client.rename((b"none",), (b"new",))),
    "rename to nowhere": (NotFound, lambda client: client.rename((b"file",), (b"none", b"new"))),
    "rename to a taken name": (AlreadyExists, lambda client: client.rename((b"file",), (b"other",))),
    "rename over a directory": (IsADirectory, lambda client: client.rename((b"file",), (b"empty",), overwrite=True)),
    "rename to a reserved name": (NameRefused, lambda client: client.rename((b"file",), (b".secftp-x",))),
    "make what is there": (AlreadyExists, lambda client: client.make_directory((b"empty",))),
    "make where a file is": (AlreadyExists, lambda client: client.make_directory((b"file",))),
    "make in nothing": (NotFound, lambda client: client.make_directory((b"none", b"new"))),
    "make below a file": (NotADirectory, lambda client: client.make_directory((b"file", b"new"), parents=True)),
    "set nothing's": (NotFound, lambda client: client.set_attributes((b"none",), mode=0o600)),
    "stat nothing": (NotFound, lambda client: client.stat((b"none",))),
    "sum nothing": (NotFound, lambda client: client.checksum((b"none",))),
    "sum a directory": (IsADirectory, lambda client: client.checksum((b"full",))),
}


def test_what_is_refused_changes_nothing_and_the_session_goes_on(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "empty").mkdir()
    for name in ("full/file", "file", "other"):
        (tmp_path / name).write_bytes(name.encode())
    before = listing(tmp_path)
    with serving(tmp_path) as server, server.session() as client:
        for what, (error, ask) in REFUSED.items():
            with pytest.raises(error):
                ask(client)
            assert listing(tmp_path) == before, what
        assert client.stat(()).kind == Kind.DIRECTORY
    assert "Internal" not in server.log.text
    assert (tmp_path / "other").read_bytes() == b"other"


# --- SUM --------------------------------------------------------------------------------------------------------------


REPEATED = {
    "remove": lambda number: Remove(id=number, path=(b"old",), token=b"t" * 16),
    "rename": lambda number: Rename(id=number, path=(b"old",), to=(b"new",), token=b"t" * 16),
    "make_directory": lambda number: MakeDirectory(id=number, path=(b"new",), token=b"t" * 16),
}


@pytest.mark.parametrize("name", REPEATED)
def test_one_that_is_repeated_while_it_runs_waits_for_the_first(tmp_path, monkeypatch, name):
    """The store has done it, and the server has not noted that yet: else the second would find it done by others."""
    (tmp_path / "old").write_bytes(b"data")
    done, go_on = threading.Event(), threading.Event()
    carry_out = getattr(LocalStore, name)

    def slowly(*args, **options):
        if done.is_set():
            return carry_out(*args, **options)
        result = carry_out(*args, **options)
        done.set()
        assert go_on.wait(DEADLINE)
        return result

    monkeypatch.setattr(LocalStore, name, slowly)
    with serving(tmp_path) as server, server.hostile() as dead, server.hostile() as wire:
        dead.welcome()
        wire.welcome()
        dead.send(REPEATED[name](1))
        assert done.wait(DEADLINE)
        wire.send(REPEATED[name](1), REPEATED[name](2))
        server.log.wait_for("requested to", 2)
        wire.send(Cancel(id=1))
        assert wire.receive().code is ErrorCode.CANCELLED, "the one that waits can be cancelled"
        server.log.wait_for("requested to", 3)
        go_on.set()
        assert wire.receive() == Ok(id=2)
        assert dead.receive() == Ok(id=1)
    assert listing(tmp_path) == {"remove": [], "rename": ["new"], "make_directory": ["new", "old"]}[name]


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_sum_is_of_what_a_read_would_send(tmp_path, algorithm):
    (tmp_path / "file").write_bytes(DATA)
    with served(tmp_path) as server, server.session() as client:
        for offset, length in [(0, None), (1, 2_000_000), (len(DATA) - 1, 5), (len(DATA), None), (2**62, 1), (5, 0)]:
            part = DATA[offset:] if length is None else DATA[offset : offset + length]
            found = client.checksum((b"file",), algorithm=algorithm, offset=offset, length=length)
            assert found == (len(part), digest_of(part, algorithm)), (offset, length)
    assert {(operation.name, operation.result) for operation in server.log.done} == {("sum", "ok")}
    assert server.log.done[0].nbytes == len(DATA)
    assert server.log.told[:2] == ["Client requesting checksum: file", f"Checksum: {digest_of(DATA, algorithm).hex()}"]


def _huge(root):
    with open(root / "huge", "wb") as file:
        file.truncate(1 << 42)


@pytest.mark.parametrize("how", ["cancel", "hurry"])
def test_a_sum_that_takes_too_long_is_broken_off(tmp_path, how):
    _huge(tmp_path)
    with served(tmp_path) as server:
        wire = server.wire()
        wire.send(Sum(id=1, path=(b"huge",)), Sum(id=2, path=(b"huge",)), Stat(id=3))
        server.log.wait_for("requesting checksum: huge")
        if how == "hurry":
            server.aborting.set()
            code = ErrorCode.STOPPING
        else:
            wire.send(Cancel(id=2), Cancel(id=1))
            code = ErrorCode.CANCELLED
        for number in (1, 2):
            assert wire.receive() == Error(id=number, code=code, text=wire_text(code))
        if how == "cancel":
            assert wire.receive().id == 3


def wire_text(code):
    return {ErrorCode.STOPPING: "the server is stopping", ErrorCode.CANCELLED: "the transfer was cancelled"}[code]


def test_a_server_sends_keepalives_while_it_computes(tmp_path, monkeypatch):
    monkeypatch.setattr(keepalive, "CHECK_SECONDS", 0.02)
    monkeypatch.setattr("secftp.transport.channel.KEEPALIVE_SECONDS", 0.05)
    _huge(tmp_path)
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(Sum(id=1, path=(b"huge",)))
        assert wire.receive() == Ping()
        wire.send(Cancel(id=1))
        while (message := wire.receive()) == Ping():
            pass
        assert message.code is ErrorCode.CANCELLED


class Shrinking(LocalStore):
    """A store whose sources are shorter than they say."""

    def open_source(self, path):
        source = super().open_source(path)
        os.truncate(os.path.join(os.fsencode(self.place), *path), 10)
        return source


def test_a_file_that_changes_under_a_sum_has_none(tmp_path):
    (tmp_path / "file").write_bytes(DATA)
    store = Shrinking(tmp_path)
    store.place = tmp_path
    with served(tmp_path, store=store) as server, server.session() as client:
        with pytest.raises(FileChanged):
            client.checksum((b"file",))
        assert client.stat((b"file",)).size == 10
    assert server.results == [("sum", "changed"), ("stat", "ok")]


def test_an_algorithm_that_the_server_lacks_is_unsupported(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(DATA)
    with served(tmp_path) as server:
        wire = server.wire()
        monkeypatch.setitem(__import__("sys").modules, "blake3", None)
        wire.send(Sum(id=1, path=(b"file",), algorithm=Algorithm.BLAKE3), Sum(id=2, path=(b"file",)))
        assert wire.receive().code is ErrorCode.UNSUPPORTED
        assert wire.receive() == Ok(id=2, size=len(DATA), digest=digest_of(DATA))


# --- STAT, as far as it is new ----------------------------------------------------------------------------------------


def test_the_served_directory_itself_has_attributes(tmp_path):
    os.utime(tmp_path, ns=(0, 77))
    with served(tmp_path) as server, server.session() as client:
        info = client.stat(())
        assert (info.kind, info.size, info.mtime_ns) == (Kind.DIRECTORY, 0, 77)
        with pytest.raises(NotFound):
            client.stat((b"file",), partial=True)
    assert server.log.done[0].path == ()
