"""A client's connection pool: shared by threads; stale connections are closed and replaced, none is mixed up."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import warnings

import pytest

import secftp
from secftp.api import pool as module
from secftp.errors import ConnectionLost, NotFound
from secftp.protocol import Error, ErrorCode, Kind, SessionLimits, Stat, Welcome
from tests.support.programs import at_once, remote, root, served
from tests.support.serving import DEADLINE, HOST, KEY, fake_server, until

__all__ = ["remote", "root", "served"]

LIMITS = SessionLimits(requests=64, keepalive=15, idle=60)
WELCOME = Welcome(version=1, software="fake", capabilities=("stat",), limits=LIMITS)


def connections(served):
    return sum("Client connected" in line for line in served.lines)


class Gate:
    """Requests that are being answered wait here, and can be counted."""

    def __init__(self):
        self.inside = self.most = 0
        self._changed = threading.Condition()
        self._open = False

    def enter(self):
        with self._changed:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._open, DEADLINE)
            self.inside -= 1

    def wait_for(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: self.inside >= count, DEADLINE)

    def open(self):
        with self._changed:
            self._open = True
            self._changed.notify_all()


# --- shared -----------------------------------------------------------------------------------------------------------


def test_answers_that_nobody_wants_are_awaited_before_a_connection_is_used_again(remote, root):
    (root / "file").write_bytes(bytes(24 << 20))
    file = remote.open("file")
    while file._reader._stream is None:
        file.read(300_000)
    connection = file._reader._stream._connection
    connection.wind_down = lambda: False  # nothing has come yet
    file.close()
    with remote._pool.connection(long=True) as taken:
        assert taken is connection
        assert taken.is_settled()
        assert not taken.winding_down
        del connection.wind_down


def test_a_connection_that_is_lost_meanwhile_is_replaced(served, root):
    (root / "file").write_bytes(bytes(24 << 20))
    file = served.remote.open("file")
    while file._reader._stream is None:
        file.read(300_000)
    connection = file._reader._stream._connection
    connection.wind_down = lambda: False
    file.close()
    connection.interrupt()
    assert served.remote.exists("file")
    assert connections(served) == 2


def test_one_connection_is_enough_for_one_thread(served, root):
    for number in range(20):
        served.remote.write_bytes(f"{number}", b"%d" % number)
        assert served.remote.read_bytes(f"{number}") == b"%d" % number
        with pytest.raises(FileNotFoundError):
            served.remote.stat("missing")
    assert connections(served) == 1


def test_threads_share_a_client_and_never_take_each_others_answers(served, root):
    for number in range(16):
        (root / str(number)).write_bytes(b"%d" % number * (number + 1) * 1000)

    def work(number):
        found = set()
        for _ in range(30):
            found.add(served.remote.read_bytes(str(number)))
            with pytest.raises(FileNotFoundError):
                served.remote.stat(f"missing {number}")
            assert served.remote.stat(str(number)).size == len(b"%d" % number) * (number + 1) * 1000
        return found

    assert at_once(16, work) == [{b"%d" % number * (number + 1) * 1000} for number in range(16)]
    assert connections(served) <= module.SHORT_MAX


def test_short_requests_wait_for_one_another_and_long_ones_do_not_wait(served):
    pool = served.remote._pool
    gate = Gate()

    def short():
        with pool.session():
            gate.enter()

    threads = [threading.Thread(target=short) for _ in range(module.SHORT_MAX + 3)]
    for thread in threads:
        thread.start()
    gate.wait_for(module.SHORT_MAX)
    with pool.session(long=True) as session:
        assert session.stat(()).kind == Kind.DIRECTORY
    gate.open()
    for thread in threads:
        thread.join(DEADLINE)
    assert gate.most in (module.SHORT_MAX, module.SHORT_MAX + 1), "the long one's may be taken when it is idle"
    assert connections(served) == module.SHORT_MAX + 1


def test_a_connection_that_turns_out_to_last_gives_its_place_to_others(served, within_five_seconds):
    pool = served.remote._pool
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(pool.connection()) for _ in range(module.SHORT_MAX)]
        for connection in held:
            pool.prolong(connection)
        assert served.remote.exists("")


def test_idle_connections_are_bounded(served):
    def work(_number):
        with served.remote._pool.session(long=True):
            barrier.wait(DEADLINE)

    count = module.IDLE_MAX + 3
    barrier = threading.Barrier(count)
    at_once(count, work)
    assert len(served.remote._pool._idle) == module.IDLE_MAX


# --- renewed ----------------------------------------------------------------------------------------------------------


def test_a_server_that_was_started_again_is_found_again(served, root):
    (root / "file").write_bytes(b"x")
    for _ in range(3):
        assert served.remote.read_bytes("file") == b"x"
        served.server.stop()
        served.server.start()
    assert served.remote.read_bytes("file") == b"x"


def test_a_connection_that_lay_idle_for_long_is_not_used_again(served, monkeypatch):
    assert served.remote.exists("")
    monkeypatch.setattr(module, "FRESH_SECONDS", -1.0)
    assert served.remote.exists("")
    assert connections(served) == 2


def test_a_question_that_met_a_dead_connection_is_asked_again(served, root, monkeypatch):
    """As behind a gateway that forgot the connection: nothing shows that it is gone, until something is sent."""
    (root / "file").write_bytes(b"x")
    for ask in (
        lambda: served.remote.stat("file"),
        lambda: served.remote.exists("file"),
        lambda: served.remote.read_bytes("file"),
        lambda: served.remote.write_bytes("file", b"x"),
        lambda: served.remote.open("file", "wb").close(),
    ):
        (idle,) = served.remote._pool._idle
        idle.interrupt()
        monkeypatch.setattr(module.PooledConnection, "is_fresh", lambda _self: True)
        ask()
        monkeypatch.undo()


def test_a_question_is_asked_again_once_and_not_for_ever(served):
    asked = []

    def question(session):
        asked.append(session)
        raise ConnectionLost("gone")

    with pytest.raises(ConnectionLost):
        served.remote._pool.ask(question)
    assert len(asked) == 2
    assert asked[0] is not asked[1]


def test_a_connection_is_dropped_when_an_answer_is_still_to_come(served):
    def leave_early():
        with served.remote._pool.session() as session:
            session.pipeline.submit(Stat(id=session.pipeline.next_id(), path=()), lambda _received: True)
            session.pipeline.flush()
            raise NotFound("as if")

    with pytest.raises(NotFound):
        leave_early()
    assert served.remote._pool._idle == []
    assert served.remote.stat("").is_dir()


def test_a_connection_is_dropped_after_an_exception_that_is_no_files(served):
    with pytest.raises(ZeroDivisionError), served.remote._pool.session():
        raise ZeroDivisionError
    assert served.remote._pool._idle == []


# --- closed -----------------------------------------------------------------------------------------------------------


def test_closing_says_goodbye_and_nothing_can_be_asked_afterwards(served):
    assert not served.remote.closed
    served.remote.close()
    served.remote.close()
    assert served.remote.closed
    until(lambda: any("Done." in line for line in served.lines), "the server saw it go")
    assert not [line for line in served.lines if "lost" in line.lower()]
    with pytest.raises(secftp.UsageError, match="closed"):
        served.remote.stat("")
    assert "closed" in repr(served.remote)


def test_closing_breaks_off_what_is_under_way_in_other_threads(within_five_seconds):
    asked = threading.Event()

    def play(wire):
        wire.send(WELCOME)
        assert isinstance(wire.receive(), Stat)
        asked.set()
        assert wire.receive_frame() is None  # no answer ever

    failures = []

    def ask():
        with pytest.raises(secftp.SecftpError) as raised:
            client.stat("file")
        failures.append(raised.value)

    with fake_server(play) as port:
        client = secftp.connect(f"secftp://{HOST}:{port}", KEY, timeout=DEADLINE)
        thread = threading.Thread(target=ask)
        thread.start()
        asked.wait(DEADLINE)
        client.close()
        thread.join(DEADLINE)
    assert isinstance(failures[0], ConnectionError)


def test_closing_sends_those_away_who_wait_for_a_connection(served):
    pool = served.remote._pool
    failures = []

    def wait():
        with pytest.raises(secftp.UsageError) as raised, pool.session():
            pass
        failures.append(raised.value)

    with contextlib.ExitStack() as stack:
        for _ in range(module.SHORT_MAX):
            stack.enter_context(pool.session())
        thread = threading.Thread(target=wait)
        thread.start()
        until(lambda: pool._changed._waiters, "it waits")
        served.remote.close()
        thread.join(DEADLINE)
    assert len(failures) == 1


def test_a_pause_ends_with_the_client(served, within_five_seconds):
    pool = served.remote._pool
    pool.pause(0.01)
    closing = threading.Timer(0.05, served.remote.close)
    closing.start()
    with pytest.raises(secftp.UsageError):
        pool.pause(1000)
    closing.join()


def test_a_forked_process_opens_its_own_and_leaves_others_alone(served, root):
    (root / "file").write_bytes(b"x")
    served.remote.read_bytes("file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads and forks: what else could be tested here
        child = os.fork()
    if not child:
        try:
            ok = served.remote.read_bytes("file") == b"x"
            served.remote.close()
            os._exit(7 if ok else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    before = connections(served)
    assert served.remote.read_bytes("file") == b"x"
    assert connections(served) == before


# --- waiting for a connection -----------------------------------------------------------------------------------------


def silent(wire):
    wire.send(WELCOME)
    while wire.receive_frame() is not None:
        pass


def test_a_silent_server_is_a_timeout(within_five_seconds):
    with fake_server(silent) as port, secftp.connect(f"secftp://{HOST}:{port}", KEY, timeout=0.2) as client:
        started = time.monotonic()
        with pytest.raises(TimeoutError) as raised:
            client.stat("file")
        assert isinstance(raised.value, secftp.TransferTimeout)
        assert time.monotonic() - started >= 0.2


def test_a_server_that_does_not_even_say_welcome_is_a_timeout_of_connect(within_five_seconds):
    def play(wire):
        while wire.receive_frame() is not None:
            pass

    with fake_server(play) as port, pytest.raises(TimeoutError):
        secftp.connect(f"secftp://{HOST}:{port}", KEY, timeout=0.2)


def test_an_answer_that_fits_no_request_ends_the_connection():
    def play(wire):
        wire.send(WELCOME)
        wire.send(Error(id=wire.receive().id + 1, code=ErrorCode.NOT_FOUND, text="?"))
        while wire.receive_frame() is not None:
            pass

    with fake_server(play) as port, secftp.connect(f"secftp://{HOST}:{port}", KEY) as client:
        with pytest.raises(secftp.ProtocolError):
            client.stat("file")
        assert client._pool._idle == []
