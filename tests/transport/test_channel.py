"""A channel over real connections: messages, file data, keepalives, full buffers, the end."""

from __future__ import annotations

import itertools
import select
import socket
import threading
import time

import pytest

from secftp.crypto import BATCH_BYTES, PAYLOAD_MAX, Suite
from secftp.errors import ConnectionLost, CoreError, ProtocolError, TransferTimeout
from secftp.protocol import (
    Abort,
    Bye,
    Cancel,
    Data,
    Direction,
    End,
    Error,
    ErrorCode,
    File,
    Info,
    Kind,
    Ok,
    Ping,
    Read,
    Stat,
    Write,
    encode,
)
from secftp.transport import IDLE_SECONDS, KEEPALIVE_SECONDS, Channel, Keepalive, Stream, channel, incoming, keepalive
from secftp.transport.bandwidth import Bandwidth, MeteredStream
from tests.support.channels import (
    PATH,
    SECONDS,
    WELCOME,
    Bare,
    begin_read,
    ends,
    established,
    pattern,
    receive_bytes,
    send_bytes,
    together,
)
from tests.support.serving import until

__all__ = ["ends"]

DIGEST = bytes(16)
MIB = 2**20
PING = encode(Ping())

suites = pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.name)
kinds = pytest.mark.parametrize("local", [False, True], ids=["tcp", "local pair"])


def end(data: bytes) -> End:
    return End(size=len(data), digest=DIGEST)


# --- messages and bytes ---------------------------------------------------------------------------------------------


@suites
@kinds
def test_messages_arrive_in_order(ends, suite, local):
    client, server = ends.channels(suite, local=local)
    up = [
        Read(id=1, path=PATH),
        Write(id=2, path=(b"b", b"\xff"), size=None),
        Abort(code=ErrorCode.CANCELLED),
        Cancel(id=1),
    ]
    down = [WELCOME, Error(id=1, code=ErrorCode.NOT_FOUND, text="no"), Error(id=2, code=ErrorCode.CANCELLED)]
    late = [(Stat(id=3, path=PATH), Info(id=3, kind=Kind.FILE, size=5, mtime_ns=-1, mode=0o644))]
    for message in up:
        client.send(message)
    client.flush()
    assert [server.receive() for _ in up] == up
    for message in down:
        server.send(message)
    server.flush()
    assert [client.receive() for _ in down] == down
    for request, reply in late:
        client.send(request)
        client.flush()
        assert server.receive() == request
        server.send(reply)
        server.flush()
        assert client.receive() == reply
    assert len(client.pending) == len(server.pending) == 0


@suites
@pytest.mark.parametrize(
    "size", [0, 1, PAYLOAD_MAX - 1, PAYLOAD_MAX, PAYLOAD_MAX + 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7]
)
def test_a_file_arrives_in_both_directions(ends, suite, size):
    data = pattern(size)
    client, server = ends.welcomed(suite)

    def upload() -> None:
        client.send(Write(id=1, path=PATH, size=size))
        send_bytes(client, data)
        client.send(end(data))
        client.flush()

    def store() -> None:
        assert server.receive() == Write(id=1, path=PATH, size=size)
        assert server.receiving_file
        assert receive_bytes(server) == (data, end(data))
        assert not server.receiving_file
        server.send(Ok(id=1, size=size))
        server.flush()

    together(upload, store)
    assert client.receive() == Ok(id=1, size=size)

    def download() -> None:
        client.send(Read(id=2, path=PATH))
        client.flush()
        assert client.receive() == File(id=2, size=size, mtime_ns=0, mode=0)
        assert receive_bytes(client) == (data, end(data))

    def serve() -> None:
        assert server.receive() == Read(id=2, path=PATH)
        server.send(File(id=2, size=size, mtime_ns=0, mode=0))
        send_bytes(server, data)
        server.send(end(data))
        server.flush()

    together(download, serve)


def test_many_small_messages_arrive(ends):
    """More than one batch has room for, and than one call opens."""
    client, server = ends.welcomed()
    server.send(Bye())
    count = 3000

    def ask() -> None:
        client.send(Write(id=1, path=PATH, size=count))
        for at in range(count):
            assert client.send_data(lambda slots, at=at: slots[0].__setitem__(0, at % 256) or 1, 1) == 1
        client.send(End(size=count, digest=DIGEST))
        client.flush()

    def take() -> None:
        server.receive()
        assert receive_bytes(server) == (bytes(at % 256 for at in range(count)), End(size=count, digest=DIGEST))

    together(ask, take)


def test_a_fill_may_give_less_than_there_is_room_for(ends):
    """As a pipe does: each part is a frame, as short as it is, and 0 is the end."""
    client, server = ends.welcomed()
    begin_read(client, server, 70_000 + 3)
    rooms = []

    def fill(count: int):
        def give(slots: list[memoryview]) -> int:
            rooms.append(sum(map(len, slots)))
            for slot in slots:
                slot[:] = b"x" * len(slot)
            return count

        return give

    assert [server.send_data(fill(count), 2**62) for count in (3, 70_000, 0)] == [3, 70_000, 0]
    server.flush()
    assert rooms[0] <= BATCH_BYTES
    assert client.receive() == File(id=1, size=70_003, mtime_ns=0, mode=0)
    runs = []
    while sum(map(sum, runs)) < 70_003:
        runs.append([len(buffer) for buffer in client.receive().buffers])
    assert list(itertools.chain(*runs)) == [3, PAYLOAD_MAX, 70_000 - PAYLOAD_MAX]


@pytest.mark.parametrize("limit", [0, 1, PAYLOAD_MAX - 1, PAYLOAD_MAX, PAYLOAD_MAX + 1, BATCH_BYTES + 1])
def test_a_fill_is_given_room_up_to_the_limit(ends, limit):
    client, server = ends.welcomed()
    begin_read(client, server, BATCH_BYTES)
    rooms = []
    server.send_data(lambda slots: rooms.append([len(slot) for slot in slots]) or 0, limit)
    (room,) = rooms
    assert sum(room) == min(limit, len(room) * PAYLOAD_MAX)
    assert limit > BATCH_BYTES or sum(room) == limit
    assert 0 not in room


def test_what_a_side_must_not_say_is_not_said(ends):
    client, server = ends.welcomed()
    client.send(Read(id=5, path=PATH))
    for wrong in (Read(id=5, path=PATH), Read(id=6, path=PATH)):
        with pytest.raises(ProtocolError):
            client.send(wrong)
    client.flush()
    assert server.receive() == Read(id=5, path=PATH)
    with pytest.raises(ProtocolError):
        server.send_data(lambda _slots: 1, 1)
    assert not server.waiting()


def test_buffers_of_a_run_live_until_the_next_receive(ends):
    """A send that takes in what the peer says meanwhile must not write over a file's bytes that are still in use."""
    client, server = ends.welcomed(small=True)
    data, more, back = pattern(200_000), pattern(400_000)[::-1], pattern(300_000)
    client.send(Read(id=1, path=PATH))
    client.send(Write(id=2, path=PATH, size=None))
    client.flush()
    server.receive()
    server.receive()
    server.send(File(id=1, size=len(back), mtime_ns=0, mode=0))
    taken = threading.Event()

    def both() -> None:
        send_bytes(client, data)
        client.flush()
        taken.wait(SECONDS)
        send_bytes(client, more)
        client.flush()
        assert client.receive() == File(id=1, size=len(back), mtime_ns=0, mode=0)
        assert receive_bytes(client) == (back, end(back))

    def hold() -> None:
        got = bytearray()
        while len(got) < len(data):
            run = server.receive()
            for buffer in run.buffers:
                got += buffer
        assert got == data
        held = [bytes(buffer) for buffer in run.buffers]
        taken.set()
        send_bytes(server, back)
        server.send(end(back))
        server.flush()
        assert [bytes(buffer) for buffer in run.buffers] == held
        got = bytearray()
        while len(got) < len(more):
            for buffer in server.receive().buffers:
                got += buffer
        assert got == more

    together(both, hold)


# --- keepalives -----------------------------------------------------------------------------------------------------


def test_pings_are_taken_in_silence(ends):
    client, peer = ends.client_of_bare()
    client.send(Read(id=1, path=PATH))
    client.flush()
    file = File(id=1, size=4, mtime_ns=0, mode=0)
    data = (Data.TYPE.number, 0, b"ab")
    peer.say(WELCOME, PING, PING, file, PING, data, PING, data, PING, end(b"abab"), PING, Bye())
    assert client.receive() == WELCOME
    assert client.receive() == file
    assert receive_bytes(client) == (b"abab", end(b"abab"))
    assert client.receive() == Bye()


def test_a_ping_alone_is_nothing_to_receive(ends):
    client, peer = ends.client_of_bare(timeout=0.05)
    peer.say(WELCOME)
    assert client.receive() == WELCOME
    peer.say(PING)
    with pytest.raises(TransferTimeout):
        client.receive()
    peer.say(PING)
    assert not client.waiting()


def test_too_many_pings_end_the_session(ends):
    client, peer = ends.client_of_bare()
    peer.say(WELCOME, *[PING] * 40)
    assert client.receive() == WELCOME
    with pytest.raises(ProtocolError, match="PING"):
        client.receive()


def test_pings_count_from_the_handshake(ends, monkeypatch):
    """A client that took an hour to look at WELCOME finds the hour's PINGs behind it."""
    client, peer = ends.client_of_bare()
    peer.say(WELCOME, *[PING] * 240, Bye())
    now = time.monotonic()
    monkeypatch.setattr(channel.time, "monotonic", lambda: now + 3600)
    assert client.receive() == WELCOME
    assert client.receive() == Bye()


@pytest.mark.parametrize("payload", [b"\0", b"\x80"])
def test_a_ping_with_a_payload_ends_the_session(ends, payload):
    client, peer = ends.client_of_bare()
    peer.say(WELCOME, (Ping.TYPE.number, 0, payload))
    assert client.receive() == WELCOME
    with pytest.raises(ProtocolError):
        client.receive()


def test_a_ping_leaves_when_nothing_else_did(ends):
    server, peer = ends.server_of_bare()
    server.send(WELCOME)
    server.flush()
    assert peer.hear(1) == [encode(WELCOME)]
    server.ping()
    server.last_sent -= KEEPALIVE_SECONDS - 1
    server.ping()
    assert not ready(peer)
    server.last_sent -= 1
    before = time.monotonic()
    server.ping()
    assert peer.hear(1) == [PING]
    assert server.last_sent >= before
    server.ping()
    assert not ready(peer)


def ready(peer: Bare) -> bool:
    """Whether anything has come. Loopback delivers before the sender's call returns."""
    peer.sock.setblocking(False)
    try:
        return bool(peer.sock.recv(1))
    except BlockingIOError:
        return False
    finally:
        peer.sock.settimeout(SECONDS)


def test_a_ping_never_waits_for_a_send_that_is_under_way(ends):
    server, peer = ends.server_of_bare()
    server.send(WELCOME)
    server.flush()
    peer.hear(1)
    server.last_sent -= IDLE_SECONDS
    with server._lock:
        together(server.ping)
    assert not ready(peer)
    server.ping()
    assert peer.hear(1) == [PING]


def test_queued_messages_leave_with_a_ping(ends):
    """In order: a PING takes no number before theirs."""
    server, peer = ends.server_of_bare()
    server.send(WELCOME)
    server.last_sent -= IDLE_SECONDS
    server.ping()
    assert peer.hear(2) == [encode(WELCOME), PING]


def test_small_frames_that_wait_take_no_more_memory_than_requests_may(ends):
    """A peer could send 40,000 of them behind a request that takes long; each would be some objects of Python's."""
    server, peer = ends.server_of_bare()
    server.send(WELCOME)
    server.flush()
    stat = encode(Stat(id=1, path=PATH))
    for _ in range(10):
        peer.sock.sendall(peer.seal(*[stat] * 1000))
        for _ in range(10):
            assert not server.cancelled(1)
    assert 4096 <= len(server._incoming) < 4096 + 1024
    assert isinstance(server.receive(), Stat)


def test_a_peer_that_left_without_a_word_cancels_everything(ends):
    server, peer = ends.server_of_bare()
    server.send(WELCOME)
    server.flush()
    peer.say(Stat(id=1, path=PATH))
    assert not server.cancelled(1)
    peer.sock.shutdown(socket.SHUT_WR)
    select.select([server], [], [], SECONDS)
    with pytest.raises(ConnectionLost):
        server.cancelled(1)


@pytest.mark.parametrize("before", [1, 1500])
def test_a_peer_that_left_with_a_word_still_gets_its_answer(ends, before):
    server, peer = ends.server_of_bare()
    server.send(WELCOME)
    server.flush()
    stat = encode(Stat(id=1, path=PATH))
    for start in range(0, before, 1000):
        peer.say(*[stat] * min(1000, before - start))
    peer.say(Bye())
    peer.sock.shutdown(socket.SHUT_WR)
    until(lambda: server.cancelled(2) or server._incoming.ended, "the end has come")
    assert not server.cancelled(2)
    assert isinstance(server.receive(), Stat)


def stuff(channel: Channel) -> int:
    """Fill a channel's way out until not one byte more fits; how many it took."""
    count = 0
    while sent := channel._stream.try_send(memoryview(bytes(4096))):
        count += sent
    return count


def test_a_ping_never_waits_for_a_peer_that_takes_nothing(ends):
    """The thread that pings has all other sessions to care for. What does not fit leaves before what comes next."""
    server, peer = ends.server_of_bare(small=True, timeout=1.0)
    server.send(WELCOME)
    server.flush()
    peer.hear(1)
    count = stuff(server)
    for _ in range(3):
        server.last_sent -= IDLE_SECONDS
        server.ping()  # waited for a second, and raised TransferTimeout
    while count:
        count -= len(peer.sock.recv(count))
    server.ping()
    assert peer.hear(1) == [PING]
    server.send(Bye())
    server.flush()
    assert peer.hear(1) == [encode(Bye())]


@pytest.mark.parametrize("how", [KeyboardInterrupt, TransferTimeout])
def test_a_send_that_was_interrupted_leaves_no_gap(ends, monkeypatch, how):
    """Keepalives may follow before the session is given up: with a gap before them, the peer would take it for
    forged, and keep nothing of a file that came until then."""
    server, peer = ends.server_of_bare()
    server.send(WELCOME)
    server.flush()
    peer.hear(1)

    def interrupt(*_, **__):
        raise how("enough")

    with monkeypatch.context() as patch:
        patch.setattr(server._stream, "try_send", lambda view: Stream.try_send(server._stream, view[:9]))
        patch.setattr(server._stream, "wait_to_send", interrupt)
        server.send(Ping())
        with pytest.raises(how):
            server.flush()
    server.last_sent -= IDLE_SECONDS
    server.ping()
    server.send(Bye())
    server.flush()
    assert peer.hear(2) == [PING, encode(Bye())]


def test_a_ping_that_did_not_fit_whole_is_no_gap(ends, monkeypatch):
    server, peer = ends.server_of_bare()
    server.send(WELCOME)
    server.flush()
    peer.hear(1)
    server.last_sent -= IDLE_SECONDS
    monkeypatch.setattr(server._stream, "send_at_once", lambda view: server._stream.try_send(view[:7]), raising=False)
    server.ping()
    server.send(Bye())
    server.flush()
    assert peer.hear(2) == [PING, encode(Bye())]


def test_a_ping_never_pauses_for_a_bandwidth(ends, monkeypatch):
    mine, _ = ends.sockets()
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("the thread that pings all channels waits for one"))
    stream = MeteredStream(mine, Bandwidth(1))
    assert stream.send_at_once(memoryview(bytes(4096))) == 4096
    assert stream.moved == 4096


@pytest.mark.parametrize("has_spoken", [True, False])
def test_a_ping_leaves_while_a_slow_disk_is_read(ends, has_spoken):
    """Before what is queued, but never before WELCOME; and what is being read arrives as it was."""
    server, peer = ends.server_of_bare()
    server.send(WELCOME)
    if has_spoken:
        server.flush()
        peer.hear(1)
    peer.say(Read(id=1, path=PATH))
    assert isinstance(server.receive(), Read)
    file = File(id=1, size=3, mtime_ns=0, mode=0)
    server.send(file)

    def fill(slots):
        slots[0][:3] = b"abc"
        server.last_sent -= IDLE_SECONDS
        together(server.ping)
        if has_spoken:
            assert peer.hear(1) == [PING]
        assert not ready(peer)
        return 3

    assert server.send_data(fill, 3) == 3
    server.flush()
    expected = [encode(file), (Data.TYPE.number, 0, b"abc")]
    assert peer.hear(len(expected) + (not has_spoken)) == [encode(WELCOME)] * (not has_spoken) + expected


class Pinged:
    """Stands for a channel that fails each time; what the thread does about it is to go on."""

    def __init__(self, failure: Exception) -> None:
        self.failure, self.times, self.often = failure, 0, threading.Event()

    def ping(self) -> None:
        self.times += 1
        if self.times == 3:
            self.often.set()
        raise self.failure


def test_the_keepalive_thread_serves_all_and_ends_with_the_last(monkeypatch):
    monkeypatch.setattr(keepalive, "CHECK_SECONDS", 0.001)
    before = set(threading.enumerate())
    care = Keepalive()
    channels = [Pinged(ConnectionLost("gone")), Pinged(OSError("gone")), Pinged(ProtocolError("gone"))]
    for one in channels:
        care.add(one)
    (thread,) = set(threading.enumerate()) - before
    assert all(one.often.wait(SECONDS) for one in channels)
    for one in channels:
        assert thread.is_alive()
        care.remove(one)
    assert not thread.is_alive()
    care.remove(channels[0])
    care.add(channels[0])
    care.remove(channels[0])
    assert set(threading.enumerate()) == before


def test_a_keepalive_thread_that_can_not_be_started_is_tried_again(monkeypatch):
    monkeypatch.setattr(keepalive, "CHECK_SECONDS", 0.001)
    start, refused, care = threading.Thread.start, Pinged(OSError("gone")), Keepalive()

    def fail(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError):
        care.add(refused)
    monkeypatch.setattr(threading.Thread, "start", start)
    other = Pinged(OSError("gone"))
    care.add(other)
    assert other.often.wait(SECONDS)
    care.remove(other)
    assert not refused.times


# --- full buffers ---------------------------------------------------------------------------------------------------


def test_two_sides_that_send_do_not_block_each_other(ends):
    """1.5 MiB each way through tiny buffers, and neither receives before it has sent."""
    client, server = ends.welcomed(small=True)
    up, down = pattern(3 * MIB // 2), pattern(3 * MIB // 2)[::-1]
    begin_read(client, server, len(down))
    client.send(Write(id=2, path=PATH, size=len(up)))

    def exchange(side, mine: bytes, opening, yours: bytes):
        def run() -> None:
            send_bytes(side, mine)
            side.send(end(mine))
            side.flush()
            assert isinstance(side.receive(), opening)
            assert receive_bytes(side) == (yours, end(yours))

        return run

    together(exchange(client, up, File, down), exchange(server, down, Write, up))


def test_a_peer_that_reads_while_it_writes_is_never_blocked(ends):
    """20 MiB each way: more than any buffer, taken in only as far as its bound."""
    server, peer = ends.server_of_bare()
    size = 20 * MIB
    block = b"\x5a" * PAYLOAD_MAX
    peer.say(Read(id=1, path=PATH), Write(id=2, path=PATH, size=size))
    server.send(WELCOME)
    assert isinstance(server.receive(), Read)
    assert isinstance(server.receive(), Write)
    server.send(File(id=1, size=size, mtime_ns=0, mode=0))

    def serve() -> int:
        for _ in range(size // MIB):
            send_bytes(server, block * (MIB // PAYLOAD_MAX))
        server.send(End(size=size, digest=DIGEST))
        server.flush()
        assert server._incoming.unopened <= 17 * 65572 + 512 * 1024
        received = 0
        while not isinstance(run := server.receive(), End):
            received += run.size
        return received

    def write() -> None:
        for _ in range(size // MIB):
            peer.say(*[(Data.TYPE.number, 0, block)] * (MIB // PAYLOAD_MAX))
        peer.say(End(size=size, digest=DIGEST))

    def read() -> int:
        received, done = 0, False
        while not done:
            for kind, _, payload in peer.hear(1):
                received += len(payload) if kind == Data.TYPE.number else 0
                done = kind == End.TYPE.number
        return received

    assert together(serve, write, read) == [size, None, size]


def test_what_came_while_a_flush_waited_is_received(ends):
    """The peer has said all it will say before its buffers are empty again: nothing more wakes a side that waits."""
    server, peer = ends.server_of_bare(small=True, timeout=5)
    peer.say(Read(id=1, path=PATH))
    server.send(WELCOME)
    assert isinstance(server.receive(), Read)
    data = pattern(900_000)
    server.send(File(id=1, size=len(data), mtime_ns=0, mode=0))
    send_bytes(server, data)  # less than a batch: it is queued

    def read_and_ask() -> None:
        heard, asked = 0, False
        while heard < len(data):
            heard += sum(len(payload) for kind, _, payload in peer.hear(1) if kind == Data.TYPE.number)
            if not asked:  # the flush is under way, and can't be over before more is read
                peer.say(Cancel(id=1))
                asked = True

    assert together(server.receive, read_and_ask)[0] == Cancel(id=1)


# --- waiting, cancelling, timing out, interrupting ------------------------------------------------------------------


def test_waiting_tells_whether_a_receive_would_wait(ends):
    server, peer = ends.server_of_bare()
    assert not server.waiting()
    peer.say(Read(id=1, path=PATH), Read(id=2, path=PATH))
    assert server.waiting()
    assert server.receive().id == 1
    assert server.waiting()
    assert server.receive().id == 2
    assert not server.waiting()
    peer.sock.close()
    assert server.waiting()
    with pytest.raises(ConnectionLost):
        server.receive()


def test_a_cancel_is_seen_behind_other_messages(ends):
    server, peer = ends.server_of_bare()
    messages = [Read(id=1, path=PATH), Read(id=2, path=PATH), Write(id=3, path=PATH), Cancel(id=2)]
    assert not server.cancelled(2)
    peer.say(*messages)
    assert server.cancelled(2)
    assert not server.cancelled(1)
    assert [server.receive() for _ in messages] == messages
    assert not server.cancelled(2)


def test_cancels_that_wait_are_read_once_however_often_it_is_asked(ends, monkeypatch):
    """Else each look, of which a long answer has thousands, would read the thousands that a client let wait."""
    server, peer = ends.server_of_bare()
    server.pending.limit = 1024
    reads, cancels = [Read(id=number, path=PATH) for number in range(1, 501)], []
    for number in range(1, 501):
        cancels += [Cancel(id=number)]
    peer.say(*reads)
    peer.say(*cancels)
    until(lambda: server.cancelled(500), "the last is there")
    decoded, decode = [], incoming.decode
    monkeypatch.setattr(incoming, "decode", lambda *frame: decoded.append(1) or decode(*frame))
    for _ in range(100):
        assert server.cancelled(1)
        assert not server.cancelled(501)
    assert decoded == []
    assert [server.receive() for _ in range(1000)] == [*reads, *cancels]
    assert not any(server.cancelled(number) for number in range(502))
    assert not server._incoming._cancels


def test_cancels_that_are_never_asked_about_take_no_memory(ends):
    server, peer = ends.server_of_bare()
    for number in range(1, 201):
        messages = [Read(id=number, path=PATH), *[Cancel(id=number)] * (2 if number % 2 == 0 else 0)]
        peer.say(*messages)
        if number % 4 == 0:
            until(lambda asked=number: server.cancelled(asked), "it is there")
        assert [server.receive() for _ in messages] == messages
        server.pending.pop()
    assert len(server._incoming._cancels) + len(server._incoming._cancelled) == 0


def test_silence_is_a_timeout(ends):
    client, peer = ends.client_of_bare(timeout=0.02)
    with pytest.raises(TransferTimeout) as caught:
        client.receive()
    assert caught.value.hint
    peer.say(WELCOME)
    assert client.receive() == WELCOME


def test_part_of_a_frame_is_no_message(ends):
    client, peer = ends.client_of_bare(timeout=0.02)
    wire = peer.seal(encode(WELCOME))
    peer.sock.sendall(wire[:-1])
    with pytest.raises(TransferTimeout):
        client.receive()
    assert not client.waiting()
    peer.sock.sendall(wire[-1:])
    assert client.receive() == WELCOME


def test_a_peer_that_takes_nothing_is_a_timeout(ends):
    client, _ = ends.client_of_bare(timeout=0.02, small=True)
    client.send(Write(id=1, path=PATH, size=10 * MIB))
    with pytest.raises(TransferTimeout) as caught:
        send_bytes(client, bytes(10 * MIB))
    assert caught.value.hint


@pytest.mark.parametrize("when", ["before", "noticed", "during"])
def test_a_client_does_not_wait_for_a_server_that_has_closed_its_side(ends, when):
    """A proxy may leave the connection half open, and read no more."""
    client, server = ends.client_of_bare(small=True)
    client.send(Write(id=1, path=PATH, size=10 * MIB))

    def close():
        if when == "during":
            until(lambda: client._blocked, "the client waits")
        server.sock.shutdown(socket.SHUT_WR)
        if when == "noticed":
            with pytest.raises(ConnectionLost):
                client.receive()

    def send():
        with pytest.raises(ConnectionLost, match="without a proper close"):
            send_bytes(client, bytes(10 * MIB))

    if when == "during":
        together(send, close)
    else:
        close()
        send()


def test_a_server_sends_all_to_a_client_that_has_closed_its_side(ends):
    """It may do that in order, and reads its answers at its own pace."""
    server, client = ends.server_of_bare(small=True)
    server.send(WELCOME)
    client.say(Read(id=1, path=PATH), Bye())
    client.sock.shutdown(socket.SHUT_WR)
    assert server.receive() == Read(id=1, path=PATH)
    assert server.receive() == Bye()
    server.send(File(id=1, size=MIB, mtime_ns=0, mode=0))

    def send():
        send_bytes(server, bytes(MIB))
        server.flush()

    def hear():
        until(lambda: server._blocked, "the server waits")
        client.hear(2 + -(-MIB // PAYLOAD_MAX))

    together(send, hear)


def test_a_receive_is_interrupted_by_another_thread(ends):
    client, _ = ends.client_of_bare()
    with pytest.raises(ConnectionLost):
        together(client.receive, client.interrupt)


def test_a_send_is_interrupted_by_another_thread(ends):
    client, _ = ends.client_of_bare(small=True)
    client.send(Write(id=1, path=PATH, size=20 * MIB))
    with pytest.raises(ConnectionLost):
        together(lambda: send_bytes(client, bytes(20 * MIB)), client.interrupt)


def test_interrupting_what_is_closed_does_no_harm(ends):
    client, _ = ends.client_of_bare()
    client.close()
    client.interrupt()
    client.close()


# --- the end --------------------------------------------------------------------------------------------------------


def test_bye_ends_one_direction(ends):
    client, server = ends.welcomed()
    client.send(Read(id=1, path=PATH))
    client.send(Bye())
    client.flush()
    for late in (Read(id=2, path=PATH), Bye()):
        with pytest.raises(ProtocolError):
            client.send(late)
    assert server.receive() == Read(id=1, path=PATH)
    assert server.receive() == Bye()
    server.send(Error(id=1, code=ErrorCode.STOPPING))
    server.close(Bye(code=ErrorCode.STOPPING))
    assert client.receive() == Error(id=1, code=ErrorCode.STOPPING)
    assert client.receive() == Bye(code=ErrorCode.STOPPING)
    assert client.receive() == Bye()  # the end of the connection, in order


@pytest.mark.parametrize("late", [PING, encode(Bye()), (Data.TYPE.number, 0, b"x")], ids=["PING", "BYE", "DATA"])
def test_nothing_follows_bye(ends, late):
    client, peer = ends.client_of_bare()
    peer.say(WELCOME, Bye(), late)
    assert client.receive() == WELCOME
    assert client.receive() == Bye()
    with pytest.raises(ProtocolError):
        client.receive()


def test_an_end_without_bye_is_a_lost_connection(ends):
    client, peer = ends.client_of_bare()
    peer.say(WELCOME)
    peer.sock.close()
    assert client.receive() == WELCOME
    for _ in range(2):
        with pytest.raises(ConnectionLost):
            client.receive()


def test_a_closed_connection_can_not_be_sent_to(ends):
    client, peer = ends.client_of_bare()
    peer.sock.close()
    client.send(Write(id=1, path=PATH, size=20 * MIB))
    with pytest.raises(ConnectionLost):
        send_bytes(client, bytes(20 * MIB))


def test_lingering_takes_what_is_under_way_until_the_peer_closes(ends):
    """A close with unread bytes would reset the connection under the peer's last read."""
    server, peer = ends.server_of_bare()
    server.send(WELCOME)
    server.send(Bye(code=ErrorCode.STOPPING))
    server.flush()
    peer.say(Write(id=1, path=PATH))

    def talk_on() -> list[tuple[int, int, bytes]]:
        for _ in range(20):
            peer.say((Data.TYPE.number, 0, bytes(PAYLOAD_MAX)))
        heard = peer.hear(2)
        peer.sock.close()
        return heard

    started = time.monotonic()
    heard, _ = together(talk_on, lambda: server.linger(SECONDS))
    assert heard == [encode(WELCOME), encode(Bye(code=ErrorCode.STOPPING))]
    assert time.monotonic() - started < SECONDS / 2


def test_lingering_is_bounded(ends):
    server, _ = ends.server_of_bare()
    started = time.monotonic()
    server.linger(0.02)
    assert 0.02 <= time.monotonic() - started < SECONDS / 2


# --- a peer that breaks the rules -----------------------------------------------------------------------------------

DATA = Data.TYPE.number


@pytest.mark.parametrize(
    "frame",
    [
        (DATA, 1, b"x"),
        (DATA, 0, b""),
        (DATA, 0, b"more than was announced"),
        (0x13, 0, b"\x80"),
        (0xFF, 0, b"\x80"),
        (End.TYPE.number, 0, encode(end(b""))[2]),
        (End.TYPE.number, 1, encode(end(b"x"))[2]),
        (Read.TYPE.number, 0, encode(Read(id=1, path=PATH))[2]),
        (Ok.TYPE.number, 0, b"\x81"),
        encode(WELCOME),
    ],
    ids=["flag", "empty", "too much", "reserved", "unknown", "no flag", "size", "direction", "malformed", "again"],
)
def test_a_wrong_message_in_a_file_ends_the_session(ends, frame):
    client, peer = ends.client_of_bare()
    client.send(Read(id=1, path=PATH))
    client.flush()
    peer.say(WELCOME, File(id=1, size=5, mtime_ns=0, mode=0), (DATA, 0, b"abc"))
    assert client.receive() == WELCOME
    assert isinstance(client.receive(), File)
    assert client.receive().size == 3
    peer.say(frame, (DATA, 0, b"de"), end(b"abcde"))
    for _ in range(3):  # what was good alone is not good any more
        with pytest.raises(ProtocolError):
            client.receive()


@pytest.mark.parametrize("at", [0, 3, 4, 20, -17, -16, -1])
def test_a_forged_frame_ends_the_session_and_its_batch(ends, at):
    """Good frames that came with it are not handed out either."""
    client, peer = ends.client_of_bare()
    good, bad = peer.seal(encode(WELCOME)), bytearray(peer.seal(PING))
    bad[at] ^= 1
    rest = peer.seal(encode(Bye()))
    peer.sock.sendall(good + bad + rest + bytes(70_000))
    with pytest.raises(ProtocolError, match="not authentic") as caught:
        client.receive()
    assert caught.value.hint
    with pytest.raises(CoreError):
        client.receive()


def test_the_finish_leaves_with_the_first_message(ends):
    """`reply` of the handshake in front of the first batch, once."""
    mine, yours = ends.sockets()
    client, server = established()
    side = Channel(Stream(mine), client._replace(reply=b"finish" * 8), Direction.TO_SERVER)
    side.send(Read(id=1, path=PATH))
    side.flush()
    side.send(Bye())
    side.flush()
    assert yours.recv(48, socket.MSG_WAITALL) == b"finish" * 8
    assert Bare(yours, server).hear(2) == [encode(Read(id=1, path=PATH)), encode(Bye())]
