"""COPY: what is copied, what is refused, and that nothing else is left of a copy, however it ends."""

from __future__ import annotations

import os
import stat
import threading

import pytest

from secftp.errors import AlreadyExists, FileChanged, Forbidden, IsADirectory, NoSpace, NotFound, Reason, TooLarge
from secftp.protocol import Cancel, Copy, Error, ErrorCode, Ok, Ping, Stat
from secftp.server.access import Rights
from secftp.server.options import ServerLimits
from secftp.server.own_names import OwnNamesStore
from secftp.server.quota import BoundedStore, Quota
from secftp.server.requests import idempotency
from secftp.server.requests.idempotency import CompletedCopies
from secftp.storage import LocalStore, copy
from secftp.storage.names import partial_name
from secftp.transport import keepalive
from tests.support.requests_at import ALL, served
from tests.support.serving import DEADLINE, listing, serving

DATA = bytes(range(256)) * 20_000
T = 1_234_567_890_123_456_789
TOKEN = bytes(range(16))
SOURCE, TARGET = (b"file",), (b"copy",)


@pytest.fixture(params=["by the system", "by reading"])
def way(request, monkeypatch):
    """Both ways to copy: by the system, and where it can't."""
    if request.param == "by reading":
        monkeypatch.setattr(copy, "copy_range", lambda *_: 0)
    return request.param


@pytest.fixture
def endless(monkeypatch):
    """A copy that never comes to its end: a byte at each step. Set when it has begun."""
    begun = threading.Event()

    def step(*_):
        begun.set()
        return 1

    monkeypatch.setattr(copy, "copy_range", step)
    return begun


def make(root, name="file", data=DATA, mode=0o640):
    (root / name).write_bytes(data)
    os.chmod(root / name, mode)
    os.utime(root / name, ns=(0, T))


# --- the copy ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2**16, len(DATA)])
def test_a_copy_is_the_same_with_mode_and_time(tmp_path, way, size):
    make(tmp_path, data=DATA[:size])
    with served(tmp_path) as server, server.session() as client:
        assert client.copy(SOURCE, TARGET) == size
    status = (tmp_path / "copy").stat()
    assert (tmp_path / "copy").read_bytes() == DATA[:size]
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o640, T)
    assert status.st_ino != (tmp_path / "file").stat().st_ino, "no second name of the same file"
    (operation,) = server.log.done
    assert (operation.name, operation.path, operation.to, operation.nbytes) == ("copy", SOURCE, TARGET, size)
    assert server.log.told[0] == "Client requested to copy: file to: copy"


def test_many_steps(tmp_path, way, monkeypatch):
    monkeypatch.setattr(copy, "STEP_BYTES", 100_000)
    monkeypatch.setattr(copy, "_PIECE_BYTES", 70_001)
    make(tmp_path)
    with served(tmp_path) as server, server.session() as client:
        client.copy(SOURCE, TARGET)
    assert (tmp_path / "copy").read_bytes() == DATA


def test_where_the_system_stops_the_bytes_are_read(tmp_path, monkeypatch):
    """It can fail at any step: what it has copied counts."""
    steps = iter([1000, 17, 0])

    def step(source, target, offset, at, count):
        assert offset == at
        count = min(count, next(steps))
        return os.copy_file_range(source, target, count, offset, at) if count else 0

    monkeypatch.setattr(copy, "copy_range", step)
    make(tmp_path)
    with served(tmp_path) as server, server.session() as client:
        client.copy(SOURCE, TARGET)
    assert (tmp_path / "copy").read_bytes() == DATA
    assert next(steps, None) is None, "it is not tried again"


def test_mode_and_time_may_be_said(tmp_path):
    make(tmp_path, mode=0o4755)
    with served(tmp_path) as server:
        wire = server.wire()
        wire.send(Copy(id=1, path=SOURCE, to=TARGET, mode=0o4600, mtime_ns=42), Copy(id=2, path=SOURCE, to=(b"b",)))
        assert wire.receive() == Ok(id=1, size=len(DATA))
        assert wire.receive() == Ok(id=2, size=len(DATA))
    assert ((tmp_path / "copy").stat().st_mode & 0o7777, (tmp_path / "copy").stat().st_mtime_ns) == (0o600, 42)
    assert (tmp_path / "b").stat().st_mode & 0o7777 == 0o755, "never setuid"


def test_the_mask_of_the_operator_applies_and_is_said(tmp_path):
    make(tmp_path, mode=0o666)
    with LocalStore(tmp_path, mode_mask=0o750) as store, served(tmp_path, store=store) as server:
        wire = server.wire()
        wire.send(Copy(id=1, path=SOURCE, to=TARGET))
        assert wire.receive() == Ok(id=1, size=len(DATA), mode_changed=True)
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o640


def test_a_copy_replaces_a_file_and_its_partial(tmp_path, way):
    make(tmp_path)
    make(tmp_path, "copy", b"old", 0o600)
    (tmp_path / os.fsdecode(partial_name(b"copy"))).write_bytes(b"part")
    os.link(tmp_path / "copy", tmp_path / "old")
    with served(tmp_path) as server, server.session() as client:
        client.copy(SOURCE, TARGET)
    assert listing(tmp_path) == ["copy", "file", "old"]
    assert (tmp_path / "copy").read_bytes() == DATA
    assert (tmp_path / "old").read_bytes() == b"old", "replaced, not written to"


def test_a_file_of_unknown_size_is_copied_whole(tmp_path):
    """The system says that it has 0 bytes."""

    class Elsewhere(LocalStore):
        def open_source(self, path):
            with LocalStore("/proc/sys/kernel") as kernel:
                return kernel.open_source(path)

    with Elsewhere(tmp_path) as store, served(tmp_path, store=store) as server, server.session() as client:
        assert client.copy((b"ostype",), TARGET) == len(b"Linux\n")
    assert (tmp_path / "copy").read_bytes() == b"Linux\n"


# --- what is refused --------------------------------------------------------------------------------------------------

REFUSED = {
    "nothing": (NotFound, False, lambda client: client.copy((b"none",), TARGET)),
    "a directory": (IsADirectory, False, lambda client: client.copy((b"folder",), TARGET)),
    "over a directory": (IsADirectory, True, lambda client: client.copy(SOURCE, (b"folder",))),
    "to nowhere": (NotFound, True, lambda client: client.copy(SOURCE, (b"none", b"x"))),
    "over what must stay": (AlreadyExists, True, lambda client: client.copy(SOURCE, (b"other",), overwrite=False)),
    "onto itself": (Forbidden, True, lambda client: client.copy(SOURCE, SOURCE)),
    "onto another name of itself": (Forbidden, True, lambda client: client.copy(SOURCE, (b"same",))),
    "through a symlink": (NotFound, False, lambda client: client.copy((b"link",), TARGET)),
    "over a symlink": (Forbidden, True, lambda client: client.copy((b"other",), (b"link",))),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_changes_nothing(tmp_path, what):
    make(tmp_path)
    make(tmp_path, "other", b"other")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    os.link(tmp_path / "file", tmp_path / "same")
    before = listing(tmp_path)
    error, of_target, ask = REFUSED[what]
    with served(tmp_path) as server, server.session() as client:
        with pytest.raises(error) as failure:
            ask(client)
        assert failure.value.of_target == of_target
        assert client.stat(SOURCE).size == len(DATA)
    assert listing(tmp_path) == before
    assert (tmp_path / "file").read_bytes() == (tmp_path / "same").read_bytes() == DATA
    assert (tmp_path / "other").read_bytes() == b"other"
    if "itself" in what:
        assert failure.value.reason is Reason.SAME_FILE


def test_a_drop_box_copies_nothing(tmp_path):
    """Who may not read could otherwise copy a file of others to where it learns its size, or reads it."""
    make(tmp_path)
    rights = Rights(read=False, write=True, overwrite=True, list=False, delete=False)
    with served(tmp_path, rights=rights) as server, server.session() as client:
        for path in (SOURCE, (b"none",)):
            with pytest.raises(Forbidden) as failure:
                client.copy(path, TARGET)
            assert failure.value.reason is Reason.MAY_NOT_READ
    assert listing(tmp_path) == ["file"]


def test_limits_apply_as_to_a_write(tmp_path, way):
    make(tmp_path)
    told = []
    quota = Quota(ServerLimits(max_file_size=len(DATA) - 1), lambda name, _: told.append(name))
    with LocalStore(tmp_path) as inner, served(tmp_path, store=BoundedStore(inner, quota)) as server:
        with server.session() as client, pytest.raises(TooLarge) as failure:
            client.copy(SOURCE, TARGET)
        assert failure.value.of_target
    assert told == ["max_file_size"]
    quota = Quota(ServerLimits(min_free=2**62), lambda name, _: told.append(name))
    with LocalStore(tmp_path) as inner, served(tmp_path, store=BoundedStore(inner, quota)) as server:
        with server.session() as client, pytest.raises(NoSpace) as failure:
            client.copy(SOURCE, TARGET)
        assert (failure.value.of_target, failure.value.reason) == (True, Reason.KEPT_FREE)
    assert listing(tmp_path) == ["file"]


def test_what_grows_counts_as_it_is_copied(tmp_path, way, monkeypatch):
    """Before each step, and no more than what was copied in the end."""
    monkeypatch.setattr(copy, "STEP_BYTES", 1 << 20)
    make(tmp_path)
    grown = []

    class Counting(Quota):
        def check_growth(self, device, look, size):
            grown.append(size)

    with LocalStore(tmp_path) as inner:
        store = BoundedStore(inner, Counting(ServerLimits(max_file_size=len(DATA)), lambda *_: None))
        with served(tmp_path, store=store) as server, server.session() as client:
            client.copy(SOURCE, TARGET)
    assert sum(grown) - (grown[0] if way == "by reading" else 0) == len(DATA)
    assert max(grown) <= 1 << 20


def test_names_of_the_server_s_modules_are_refused(tmp_path):
    make(tmp_path)
    with LocalStore(tmp_path) as inner, served(tmp_path, store=OwnNamesStore(inner)) as server:
        wire = server.wire()
        wire.send(Copy(id=1, path=SOURCE, to=(b"secftp.py",)), Copy(id=2, path=SOURCE, to=TARGET))
        assert wire.receive().code is ErrorCode.BAD_NAME
        assert wire.receive() == Ok(id=2, size=len(DATA))
    assert listing(tmp_path) == ["copy", "file"]


# --- what happens meanwhile -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cancel", "cancel early", "hurry", "vanish", "reset"])
@pytest.mark.parametrize("replaces", [False, True], ids=["new", "over"])
def test_a_copy_that_is_broken_off_leaves_nothing(tmp_path, endless, how, replaces):
    make(tmp_path)
    if replaces:
        make(tmp_path, "copy", b"old")
    with served(tmp_path) as server:
        wire = server.wire()
        first = Copy(id=1, path=SOURCE, to=TARGET)
        if how == "cancel early":
            wire.send(first, Copy(id=2, path=SOURCE, to=(b"b",)), Cancel(id=2), Cancel(id=1), Stat(id=3))
        else:
            wire.send(first)
            assert endless.wait(DEADLINE)
        if how == "hurry":
            server.aborting.set()
        elif how == "cancel":
            wire.send(Cancel(id=1), Stat(id=3))
        elif how == "vanish":
            wire.close()
        elif how == "reset":
            wire.reset()
        if how.startswith("cancel"):
            for number in (1, 2) if "early" in how else (1,):
                answer = wire.receive()
                assert (type(answer), answer.id, answer.code) == (Error, number, ErrorCode.CANCELLED)
            assert wire.receive().id == 3, "the session goes on"
        elif how == "hurry":
            assert wire.receive().code is ErrorCode.STOPPING
        else:
            assert server.over.wait(DEADLINE)
    assert listing(tmp_path) == (["copy", "file"] if replaces else ["file"])
    assert not replaces or (tmp_path / "copy").read_bytes() == b"old"


def test_a_server_sends_keepalives_while_it_copies(tmp_path, endless, monkeypatch):
    monkeypatch.setattr(keepalive, "CHECK_SECONDS", 0.02)
    monkeypatch.setattr("secftp.transport.channel.KEEPALIVE_SECONDS", 0.05)
    make(tmp_path)
    with serving(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(Copy(id=1, path=SOURCE, to=TARGET))
        assert wire.receive() == Ping()
        wire.send(Cancel(id=1))
        while (message := wire.receive()) == Ping():
            pass
        assert message.code is ErrorCode.CANCELLED
    assert listing(tmp_path) == ["file"]


def test_earlier_answers_do_not_wait_for_a_long_copy(tmp_path, endless):
    with open(tmp_path / "file", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, copy.STEP_BYTES + 1)  # a hole would take no time
    with served(tmp_path) as server:
        wire = server.wire()
        wire.send(Stat(id=1), Copy(id=2, path=SOURCE, to=TARGET))
        assert wire.receive().id == 1
        assert endless.wait(DEADLINE)
        wire.send(Cancel(id=2))
        assert wire.receive().code is ErrorCode.CANCELLED


def shorten(path):
    os.truncate(path, 10)


def touch(path):
    with open(path, "r+b") as file:
        file.write(b"!")


def grow(path):
    with open(path, "ab") as file:
        file.write(b"more")


@pytest.mark.parametrize(("change", "fails"), [(shorten, True), (touch, True), (grow, False)])
def test_a_source_that_changes_meanwhile(tmp_path, way, monkeypatch, change, fails):
    """What is appended is not part of this version; anything else is no version at all."""
    make(tmp_path)
    monkeypatch.setattr(copy, "STEP_BYTES", 1 << 20)
    check_unchanged = LocalStore.create_sink

    def create_sink(self, path, options):
        change(tmp_path / "file")
        return check_unchanged(self, path, options)

    monkeypatch.setattr(LocalStore, "create_sink", create_sink)
    with served(tmp_path) as server, server.session() as client:
        if fails:
            with pytest.raises(FileChanged) as failure:
                client.copy(SOURCE, TARGET)
            assert not failure.value.of_target
            assert listing(tmp_path) == ["file"]
        else:
            assert client.copy(SOURCE, TARGET) == len(DATA)
            assert (tmp_path / "copy").read_bytes() == DATA


# --- repeated ---------------------------------------------------------------------------------------------------------


def test_a_repeated_copy_is_made_once(tmp_path):
    make(tmp_path)
    with serving(tmp_path) as server:
        for _ in range(2):
            with server.session() as client:
                assert client.copy(SOURCE, TARGET, overwrite=False, token=TOKEN) == len(DATA)
            (tmp_path / "file").write_bytes(b"newer")
        assert "Already copied" in server.log.text
        with server.session() as client, pytest.raises(AlreadyExists):
            client.copy(SOURCE, TARGET, overwrite=False, token=bytes(16))
    assert (tmp_path / "copy").read_bytes() == DATA


def test_a_token_gives_no_right(tmp_path):
    make(tmp_path)
    copies = CompletedCopies()
    copies.note(TOKEN, 5)
    only_write = ALL._replace(read=False)
    with served(tmp_path, rights=only_write) as server, server.session() as client, pytest.raises(Forbidden):
        client.copy(SOURCE, TARGET, token=TOKEN)


def test_a_copy_that_failed_is_not_remembered(tmp_path):
    with serving(tmp_path) as server, server.session() as client:
        with pytest.raises(NotFound):
            client.copy(SOURCE, TARGET, token=TOKEN)
        make(tmp_path)
        assert client.copy(SOURCE, TARGET, token=TOKEN) == len(DATA)


@pytest.mark.parametrize("first", ["succeeds", "fails"])
def test_one_that_is_repeated_while_it_runs_waits_for_the_first(tmp_path, monkeypatch, first):
    """The connection of the first is dead, and the server has not noticed yet."""
    make(tmp_path)
    begun, go_on = threading.Event(), threading.Event()

    def step(*_):
        begun.set()
        assert go_on.wait(DEADLINE)
        return 0

    monkeypatch.setattr(copy, "copy_range", step)
    with serving(tmp_path) as server, server.hostile() as dead, server.hostile() as wire:
        dead.welcome()
        wire.welcome()
        dead.send(Copy(id=1, path=SOURCE, to=TARGET, overwrite=False, token=TOKEN))
        assert begun.wait(DEADLINE)
        wire.send(
            Copy(id=1, path=SOURCE, to=TARGET, overwrite=False, token=TOKEN),
            Copy(id=2, path=SOURCE, to=(b"b",), token=TOKEN),
        )
        server.log.wait_for("requested to copy", 2)
        wire.send(Cancel(id=1))
        assert wire.receive().code is ErrorCode.CANCELLED, "who waits can be cancelled"
        server.log.wait_for("requested to copy", 3)
        if first == "fails":
            dead.send(Cancel(id=1))
            dead.flush()
        go_on.set()
        assert wire.receive() == Ok(id=2, size=len(DATA))
    assert listing(tmp_path) == (["b", "file"] if first == "fails" else ["copy", "file"])


def test_how_many_copies_are_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(idempotency, "MOST_TOKENS", 2)
    known = CompletedCopies()
    tokens = [bytes([number]) * 16 for number in range(3)]
    for size, token in enumerate(tokens):
        known.note(token, size)
    known.note(None, 7)
    assert [known.find(token) for token in (*tokens, None)] == [None, 1, 2, None]
    with known.only_one(None, lambda: None), known.only_one(None, lambda: None):
        pass  # without a token nothing is waited for
    for token in tokens:
        with known.only_one(token, lambda: None):
            pass
    assert not known._running
