"""What a sender makes of a file: which bytes are compressed together, which are sent as they are, and what it tries."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from secftp.errors import ConnectionLost, ProtocolError
from secftp.protocol import CompressedData, Data, End, File, Ok, Read, SessionLimits, Welcome, Write, encode
from secftp.transport import DataRun, compressed_data, file_data
from secftp.transport.compressed_data import CompressedSender
from secftp.transport.compression import Compressor, decompress
from secftp.waits import DIRECT
from tests.support.channels import PATH, ends, receive_bytes, together
from tests.support.serving import MemorySink, MemorySource, digest_of

__all__ = ["ends"]

MIB = 2**20
RANDOM = random.Random(11)
WORDS = [RANDOM.randbytes(RANDOM.randrange(3, 12)).hex().encode() for _ in range(2000)]
TEXT = b" ".join(RANDOM.choices(WORDS, k=2_000_000))[: 20 * MIB]  # shrinks to a quarter
NOISE = RANDOM.randbytes(20 * MIB)
HALF = bytes(b & 0x0F for b in NOISE[: 2 * MIB])  # to a half, without any repetition
WELCOME = Welcome(
    version=1, software="s", capabilities=("zstd",), limits=SessionLimits(requests=64, keepalive=15, idle=60)
)


class Tape:
    """Stands for a channel: keeps what is sent, and how."""

    waits = DIRECT

    def __init__(self):
        self.messages = []
        self.saved = 0
        self.batches = 0  # what was read straight into frames

    def send(self, message):
        encode(message)  # which checks it
        if isinstance(message, CompressedData):
            message = CompressedData(message.clear_size, bytes(message.frame))
        else:
            message = Data(bytes(message.payload))
        self.messages.append(message)

    def send_data(self, fill, limit):
        buffer = bytearray(min(limit, MIB))
        count = fill([memoryview(buffer)])
        self.messages.append(Data(bytes(buffer[:count])))
        self.batches += 1
        return count

    def count_data(self, _nbytes, saved):
        self.saved += saved

    @property
    def clear(self):
        return b"".join(
            decompress(memoryview(m.frame), m.clear_size) if isinstance(m, CompressedData) else m.payload
            for m in self.messages
        )

    @property
    def compressed(self):
        return [m for m in self.messages if isinstance(m, CompressedData)]


class Counting(Compressor):
    """Counts the bytes that it is given."""

    __slots__ = ()
    given = 0

    def compress(self, clear):
        Counting.given += len(clear)
        return super().compress(clear)


@pytest.fixture
def counting(monkeypatch):
    monkeypatch.setattr(compressed_data, "Compressor", Counting)
    Counting.given = 0
    return Counting


def sent(data, *, level=3, chunk=None, sampled=False):
    """The tape of a file, read in chunks of at most so many bytes; `sampled`: it is no pipe."""
    tape = Tape()
    done = 0

    def sample(view, ahead):
        piece = data[done + ahead :][: len(view)]
        view[: len(piece)] = piece
        return len(piece)

    sender = CompressedSender(tape, level, sample if sampled else None)

    def fill(slots):
        nonlocal done
        count = 0
        for slot in slots:
            piece = data[done + count : done + count + min(len(slot), chunk or len(slot))]
            slot[: len(piece)] = piece
            count += len(piece)
        return count

    while (count := sender.send(fill, len(data) - done)) > 0:
        done += count
        assert done <= len(data)
        if done == len(data):
            break
    assert tape.clear == data
    return tape


def test_text_is_compressed_in_messages_that_are_full():
    tape = sent(TEXT)
    assert tape.batches == 0
    assert all(isinstance(message, CompressedData) for message in tape.messages)
    sizes = [len(message.frame) for message in tape.compressed]
    assert sum(sizes) < len(TEXT) / 2
    assert sum(sizes) / len(sizes) > 40_000, "messages are half empty"
    assert tape.saved == len(TEXT) - sum(sizes)


def test_text_is_compressed_about_once(counting):
    sent(TEXT)
    assert counting.given < 1.1 * len(TEXT)


def test_noise_is_sent_as_it_is_and_hardly_tried(counting):
    tape = sent(NOISE)
    assert not tape.compressed
    assert tape.saved == 0
    # 1, 2, 4, 8 and 16 MiB between the tries
    assert counting.given == 5 * 65_536
    assert sum(len(message.payload) for message in tape.messages if len(message.payload) <= 65_536) <= 6 * 65_536


def test_of_a_file_only_samples_of_noise_are_tried(counting):
    tape = sent(NOISE, sampled=True)
    assert not tape.compressed
    assert tape.batches == 20, "all but the first piece is read into messages"
    assert counting.given == 65_536 + 20 * 4096


@pytest.mark.parametrize("step", [200_000, 3 * MIB // 2])
def test_text_among_noise_is_found(step):
    """As in an archive of photos and sources: most of the text is compressed, wherever it begins."""
    data = b"".join(NOISE[at : at + step] + TEXT[at : at + step] for at in range(0, 9 * MIB, step))
    ideal = sent(b"".join(TEXT[at : at + step] for at in range(0, 9 * MIB, step))).saved
    tape = sent(data, sampled=True)
    assert tape.saved > 0.6 * ideal


def test_text_behind_much_noise_is_found_at_once():
    assert sent(NOISE + TEXT[: 2 * MIB], sampled=True).saved > 0.9 * sent(TEXT[: 2 * MIB]).saved


@pytest.mark.parametrize("size", [1, 511, 65_536, 65_537, MIB + 65_536, MIB + 65_537, 2 * MIB + 66_000, 3 * MIB])
@pytest.mark.parametrize("source", [TEXT, NOISE, bytes(4 * MIB)], ids=["text", "noise", "zeros"])
@pytest.mark.parametrize("chunk", [None, 100_000])
def test_every_size_of_a_file_arrives(source, size, chunk):
    sent(source[:size], sampled=True, chunk=chunk)


def test_text_between_noise_is_found_and_so_is_its_end():
    data = NOISE[: 2 * MIB] + TEXT[: 8 * MIB] + NOISE[: 2 * MIB] + TEXT[: 4 * MIB]
    tape = sent(data)
    assert tape.saved > 5 * MIB
    assert sent(data + data).saved > 10 * MIB


def test_after_text_the_tries_start_with_a_short_distance(counting):
    """Noise of 3 MiB after text is 2 tries more, and not one after 16 MiB."""
    tape = sent(NOISE[:MIB] + TEXT[: 3 * MIB] + NOISE[MIB : 4 * MIB] + TEXT[: 4 * MIB])
    assert tape.saved > 3.5 * MIB


def test_what_shrinks_by_less_than_an_eighth_is_not_worth_it():
    almost = b"".join(NOISE[at : at + 6600] + b"\0" * 700 for at in range(0, 6_600_00, 6600))
    assert not sent(almost).compressed, "a tenth"
    more = b"".join(NOISE[at : at + 6000] + b"\0" * 1200 for at in range(0, 6_000_00, 6000))
    assert sent(more).compressed, "a sixth"


@pytest.mark.parametrize("size", [1, 511, 512, 513, 65_535, 65_536, 65_537, MIB - 1, MIB, MIB + 1, 3 * MIB + 7])
@pytest.mark.parametrize("source", [TEXT, NOISE, HALF, bytes(4 * MIB)], ids=["text", "noise", "half", "zeros"])
def test_every_size_arrives(source, size):
    data = (source * 3)[:size]
    tape = sent(data)
    assert all(message.clear_size for message in tape.compressed)


def test_zeros_stay_within_the_ratio(counting):
    """encode() refuses a message beyond it; and they are not compressed again and again."""
    tape = sent(bytes(20 * MIB))
    assert tape.saved > 19.9 * MIB
    assert max(message.clear_size / len(message.frame) for message in tape.compressed) <= 1024
    assert counting.given < 3 * 20 * MIB


def test_a_part_that_shrinks_less_than_the_last_one_is_halved():
    data = TEXT[:MIB] + HALF + TEXT[: 2 * MIB]
    tape = sent(data)
    assert tape.batches == 0
    assert max(len(message.frame) for message in tape.compressed) <= 65_532


@pytest.mark.parametrize("chunk", [1, 100, 600, 5000, 70_000])
def test_what_comes_in_drops_is_sent_as_it_comes(chunk):
    data = TEXT[: 400 * chunk]
    tape = sent(data[:200_000], chunk=chunk)
    assert bool(tape.compressed) == (chunk >= 512)


def test_a_level_shrinks_more_than_another():
    sources = b"".join(path.read_bytes() for path in sorted(Path(compressed_data.__file__).parents[1].rglob("*.py")))
    assert sent(sources, level=9).saved > 1.02 * sent(sources, level=1).saved


# --- over a channel ---------------------------------------------------------------------------------------------------


def greeted(ends, welcome=WELCOME):
    client, server = ends.channels()
    server.send(welcome)
    server.flush()
    client.receive()
    return client, server


DATA = TEXT[: 3 * MIB] + NOISE[: 3 * MIB]


@pytest.mark.parametrize("level", [None, 1, 3])
def test_both_directions(ends, level):
    client, server = greeted(ends)

    def upload():
        client.send(Write(id=1, path=PATH, size=len(DATA)))
        end = file_data.send_file(
            client, MemorySource(DATA), new_digest(), length=len(DATA), interrupted=lambda: False, compress=level
        )
        client.flush()
        return end

    def receive():
        server.receive()
        return receive_bytes(server)

    end, (data, told) = together(upload, receive)
    assert (data, told) == (DATA, end)
    assert end == End(size=len(DATA), digest=digest_of(DATA))
    assert client.data.saved == server.data.saved == client.take_saved() == server.take_saved()
    assert client.data.nbytes == server.data.nbytes == len(DATA)
    assert (client.data.saved > MIB) == (level is not None)
    assert client.take_saved() == 0
    server.send(Ok(id=1))
    server.flush()
    client.receive()

    client.send(Read(id=2, path=PATH, compress=level))
    client.flush()
    server.receive()

    def download():
        server.send(File(id=2, size=len(DATA), mtime_ns=0, mode=0))
        end = file_data.send_file(
            server, MemorySource(DATA), new_digest(), length=len(DATA), interrupted=lambda: False, compress=level
        )
        server.flush()
        return end

    def take():
        client.receive()
        sink, digest = MemorySink(), new_digest()
        return file_data.receive_file(client, sink, digest, total=len(DATA), subject=PATH), bytes(sink.received)

    end, (told, data) = together(download, take)
    assert (data, told) == (DATA, end)
    assert client.data.saved == server.data.saved
    assert client.data.nbytes == server.data.nbytes == 2 * len(DATA)


def new_digest():
    from secftp.storage import new_digest

    return new_digest("xxh128")


def test_nothing_is_compressed_for_a_server_without_the_capability(ends):
    plain = WELCOME.__class__(version=1, software="s", capabilities=("many",), limits=WELCOME.limits)
    client, server = greeted(ends, plain)
    client.send(Write(id=1, path=PATH, size=MIB))
    data = TEXT[:MIB]
    file_data.send_file(client, MemorySource(data), new_digest(), length=MIB, interrupted=lambda: False, compress=3)
    client.flush()
    server.receive()
    assert receive_bytes(server)[0] == data
    assert client.data.saved == 0


@pytest.mark.parametrize(
    "frame",
    [
        b"no frame",
        Compressor(3).compress(memoryview(TEXT[:999])),
        Compressor(3).compress(memoryview(TEXT[:1000])) + b"x",
    ],
    ids=["none", "of another size", "with more behind it"],
)
def test_a_malformed_frame_ends_the_session(ends, frame):
    channel, peer = ends.server_of_bare()
    channel.send(WELCOME)
    channel.flush()
    peer.hear(1)
    peer.say(Write(id=1, path=PATH), CompressedData(1000, frame), Data(b"x"), End(size=1001, digest=bytes(16)))
    assert isinstance(channel.receive(), Write)
    with pytest.raises(ProtocolError, match="malformed"):
        channel.receive()
    with pytest.raises(ProtocolError):  # and what is behind it is never handed out
        channel.receive()
    assert channel.data.saved == 0
    assert not channel.receiving_file


def test_nothing_is_decompressed_before_it_may_come(ends, monkeypatch):
    """What is not wanted, or too much, is refused by its head."""
    called = []
    monkeypatch.setattr("secftp.transport.compression.decompress", lambda *_: called.append(1))
    frame = CompressedData(1000, Compressor(3).compress(memoryview(TEXT[:1000])))
    for welcome, request in [(WELCOME, Write(id=1, path=PATH, size=999)), (None, Write(id=1, path=PATH))]:
        channel, peer = ends.server_of_bare()
        if welcome is not None:
            channel.send(welcome)
            channel.flush()
            peer.hear(1)
        peer.say(request, frame)
        channel.receive()
        with pytest.raises(ProtocolError, match="ZDATA"):
            channel.receive()
    client, peer = ends.client_of_bare()
    peer.say(WELCOME)
    client.receive()
    client.send(Read(id=1, path=PATH))
    client.flush()
    peer.say(File(id=1, size=1000, mtime_ns=0, mode=0), frame)
    client.receive()
    with pytest.raises(ProtocolError, match="ZDATA"):
        client.receive()
    assert not called


def test_a_cut_within_compressed_data_is_a_loss(ends):
    channel, peer = ends.server_of_bare()
    channel.send(WELCOME)
    channel.flush()
    peer.hear(1)
    frame = Compressor(3).compress(memoryview(TEXT[:1000]))
    peer.say(Write(id=1, path=PATH), CompressedData(1000, frame))
    peer.sock.close()
    channel.receive()
    received = channel.receive()
    assert isinstance(received, DataRun)
    assert received.size == 1000
    with pytest.raises(ConnectionLost):
        channel.receive()
