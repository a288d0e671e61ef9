"""Additional streams: how many a client may open, and that they give way to everything else."""

from __future__ import annotations

import contextlib
import threading

import pytest

from secftp.errors import ServerBusy
from secftp.keys import Key
from secftp.protocol import Abort, Bye, Error, ErrorCode, File, Info, Ok, Read, Stat
from secftp.server.access import NamedKey, Rights
from secftp.server.log import SessionLog
from secftp.server.options import ServerLimits
from tests.support.serving import KEY, Running, serving, until
from tests.support.uploading import NAME, WHOLE, Uploader

SECOND_KEY = Key.from_secret(bytes(31) + b"\x09")
ALL = Rights(read=True, write=True, overwrite=True)


@contextlib.contextmanager
def wires(server: Running, count: int, **who):
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(server.hostile(**who)) for _ in range(count)]
        for wire in found:
            wire.welcome()
        yield found


def is_served(wire, number=1):
    """Whether a session answers; else it has ended because of a limit."""
    wire.send(Stat(id=number, path=()))
    answer = wire.receive()
    if isinstance(answer, Info):
        return True
    assert isinstance(answer, Bye)
    assert answer.code is ErrorCode.LIMIT
    return False


def becomes_additional(wire, number=1):
    """Call a session additional; return whether it goes on."""
    wire.send(Read(id=number, path=(b"nothing",), additional=True))
    answer = wire.receive()
    if isinstance(answer, Error):
        assert answer.code is ErrorCode.NOT_FOUND
        return True
    assert isinstance(answer, Bye)
    assert answer.code is ErrorCode.LIMIT
    return False


def finds_no_place(server, **who):
    """Whether a new session is refused: before its proof, or after it."""
    try:
        wire = server.hostile(**who)
    except ServerBusy:
        return True
    with wire:
        wire.welcome()
        return not is_served(wire)


def sessions(server):
    return len(server.server._shared.registry.all())


# --- how many ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "streams"),
    [
        ({}, 8),
        ({"streams": 1}, 1),
        ({"streams": 16}, 16),
        ({"max_clients": 7}, 3),
        ({"max_clients": 1}, 1),
        ({"max_clients": 32, "streams": 16}, 16),
        ({"max_clients_per_source": 9}, 4),
    ],
)
def test_welcome_tells_how_many_streams_a_client_may_use(tmp_path, limits, streams):
    with serving(tmp_path, limits=ServerLimits(**limits)) as server, server.hostile() as wire:
        assert wire.welcome().limits.streams == streams


@pytest.mark.parametrize(
    ("limits", "keyed", "anonymous"),
    [
        ({"max_clients": 20}, 5, 5),  # with others a key may have half of the sessions, and a transfer half of those
        ({"max_clients_per_key": 6}, 3, 8),
        ({"max_anonymous": 1}, 8, 1),
        ({"max_clients_per_key": 40, "streams": 16}, 16, 16),
    ],
)
def test_at_most_half_of_the_sessions_of_a_key(tmp_path, limits, keyed, anonymous):
    named = {"b": NamedKey(SECOND_KEY.password(), ALL)}
    with serving(tmp_path, limits=ServerLimits(**limits), named=named, anonymous=True) as server:
        for who, expected in (({"key": SECOND_KEY, "name": "b"}, keyed), ({"key": None}, anonymous)):
            with server.hostile(**who) as wire:
                assert wire.welcome().limits.streams == expected


# --- giving way -------------------------------------------------------------------------------------------------------


def test_a_new_session_gets_the_place_of_the_newest_stream(tmp_path):
    with serving(tmp_path, max_clients=3) as server, wires(server, 3) as (main, older, newest):
        assert is_served(main)
        assert becomes_additional(older)
        assert becomes_additional(newest)
        with wires(server, 1) as (other,):
            assert is_served(other)
            assert isinstance(newest.receive(), Bye)
            assert is_served(older, 2)
            assert is_served(main, 2)
            with wires(server, 1) as (another,):
                assert is_served(another)
                assert isinstance(older.receive(), Bye)
                assert finds_no_place(server), "no stream is left"
                assert is_served(main, 3)
        server.log.wait_for("No session is free for an additional stream")


def test_a_stream_does_not_take_the_place_of_another(tmp_path):
    with serving(tmp_path, max_clients=2) as server, wires(server, 2) as (main, stream):
        assert is_served(main)
        assert becomes_additional(stream)
        for _ in range(3):
            with wires(server, 1) as (further,):
                assert not becomes_additional(further)
        assert is_served(main, 2)
        assert is_served(stream, 2)
        with wires(server, 1) as (other,):
            assert is_served(other)
        assert isinstance(stream.receive(), Bye)


def test_a_stream_does_not_take_the_place_of_a_session(tmp_path):
    with serving(tmp_path, max_clients=2) as server, wires(server, 2) as found:
        assert all(map(is_served, found))
        assert finds_no_place(server)
        assert all(is_served(wire, 2) for wire in found)


def test_a_session_that_leaves_without_a_request_gives_the_place_back(tmp_path):
    with serving(tmp_path, max_clients=2) as server, wires(server, 2) as (main, stream):
        assert is_served(main)
        assert becomes_additional(stream)
        for count in range(3):
            with wires(server, 1) as (undecided,):
                undecided.send(Bye())
            server.done(count + 1)
        assert is_served(stream, 2)
        assert sessions(server) == 2
        with wires(server, 1) as (other,):
            assert is_served(other)
            assert isinstance(stream.receive(), Bye), "it has its place again, and gives it"


def test_a_stream_that_ends_while_its_place_is_lent(tmp_path):
    with serving(tmp_path, max_clients=2) as server, wires(server, 2) as (main, stream):
        assert is_served(main)
        assert becomes_additional(stream)
        with wires(server, 1) as (undecided,):
            stream.send(Bye())
            server.done(1)
            assert becomes_additional(undecided)
            assert is_served(undecided, 2)
            with wires(server, 1) as (other,):
                assert is_served(other)
            assert isinstance(undecided.receive(), Bye)
        assert is_served(main, 2)
    assert sessions(server) == 0


def test_the_number_of_undecided_sessions_is_bounded(tmp_path, monkeypatch):
    from secftp.server import additional

    monkeypatch.setattr(additional, "UNDECIDED_MAX", 2)
    with serving(tmp_path, max_clients=4) as server, wires(server, 4) as (main, *streams):
        assert is_served(main)
        assert all(map(becomes_additional, streams))
        with wires(server, 2) as undecided:
            assert finds_no_place(server)
            assert all(map(is_served, undecided))
        assert is_served(main, 2)


def test_places_of_another_key_are_not_given(tmp_path):
    """Ending a stream of another key would not help, so it is not ended."""
    named = {"b": NamedKey(SECOND_KEY.password(), ALL)}
    limits = ServerLimits(max_clients_per_key=1)
    with (
        serving(tmp_path, limits=limits, named=named) as server,
        wires(server, 1) as (main,),
        wires(server, 1, key=SECOND_KEY, name="b") as (stream,),
    ):
        assert is_served(main)
        assert becomes_additional(stream)
        assert finds_no_place(server)
        assert is_served(stream, 2)
        with wires(server, 1, key=SECOND_KEY, name="b") as (own,):
            assert is_served(own)
        assert isinstance(stream.receive(), Bye)


def test_all_places_of_streams_are_found_again(tmp_path):
    """However it goes, the count of sessions is right in the end."""
    with serving(tmp_path, max_clients=4) as server:

        def come_and_go(seed):
            for number in range(12):
                with contextlib.suppress(ServerBusy), server.hostile() as wire:
                    wire.welcome()
                    kind = (seed + number) % 3
                    if kind:
                        wire.send(Read(id=1, path=(b"nothing",), additional=kind == 1))
                        wire.receive()

        threads = [threading.Thread(target=come_and_go, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda: not sessions(server), "all sessions over")
        slots = server.server._shared.registry._slots
        assert not slots._counts
        with wires(server, 4) as found:
            assert all(map(is_served, found))


def test_the_log_tells_them_from_other_sessions(tmp_path, monkeypatch):
    ended = []

    def end(self, connection=None, *, additional=False):
        ended.append((additional, connection is not None))
        original(self, connection, additional=additional)

    original = SessionLog.end
    monkeypatch.setattr(SessionLog, "end", end)
    with serving(tmp_path) as server:
        with wires(server, 2) as (main, stream):
            assert is_served(main)
            assert becomes_additional(stream)
        server.done(2)
    assert sorted(ended) == [(False, True), (True, True)]


# --- in the middle of a transfer --------------------------------------------------------------------------------------


def test_a_stream_that_sends_a_part_is_ended_and_the_part_comes_another_way(tmp_path):
    with serving(tmp_path, max_clients=2) as server, wires(server, 2) as (first, second):
        main, stream = Uploader(first), Uploader(second, additional=True)
        assert isinstance(main.send(0, 5), Ok)
        stream.begin(5, 12)
        server.log.wait_for(r"part at 5 ")
        with wires(server, 1) as (other,):
            assert is_served(other)
            stream.end(5, 12)
            answer = second.receive()
            if isinstance(answer, Error):
                assert answer.code is ErrorCode.LIMIT
                answer = second.receive()
            assert isinstance(answer, Bye)
            assert answer.code is ErrorCode.LIMIT
            assert main.send(5, 12, whole=True).complete
    assert (tmp_path / "f").read_bytes() == WHOLE


def test_a_stream_that_receives_a_part_is_ended(tmp_path):
    (tmp_path / "large").write_bytes(bytes(64 << 20))
    with serving(tmp_path, max_clients=2) as server, wires(server, 2) as (main, stream):
        assert is_served(main)
        stream.send(Read(id=1, path=(b"large",), additional=True))
        assert isinstance(stream.receive(), File)
        with wires(server, 1) as (other,):
            assert is_served(other)
            _, end = stream.receive_file()
            assert isinstance(end, Abort)
            assert end.code is ErrorCode.LIMIT
            assert stream.receive().code is ErrorCode.LIMIT


def test_the_uploads_of_a_stream_that_is_ended_go_on(tmp_path):
    with serving(tmp_path, max_clients=2) as server, wires(server, 2) as (first, second):
        main, stream = Uploader(first), Uploader(second, additional=True)
        assert isinstance(stream.send(5, 12), Ok)
        assert isinstance(main.send(0, 3), Ok)
        with wires(server, 1) as (other,):
            assert is_served(other)
            assert isinstance(second.receive(), Bye)
            assert main.send(3, 5, whole=True).complete
    assert (tmp_path / NAME[0].decode()).read_bytes() == WHOLE


def test_rights_and_keys_of_streams_are_those_of_any_session(tmp_path):
    named = {"r": NamedKey(SECOND_KEY.password(), Rights(read=True, write=False, overwrite=False))}
    with serving(tmp_path, key=KEY, named=named) as server, wires(server, 1, key=SECOND_KEY, name="r") as (wire,):
        answer = Uploader(wire, additional=True).send(0, 5)
        assert isinstance(answer, Error)
        assert answer.code in (ErrorCode.READ_ONLY, ErrorCode.FORBIDDEN)
