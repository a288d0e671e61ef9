"""State machine: every state, type byte and direction, and the rules about ids, sizes, rates and the end."""

from __future__ import annotations

import pytest

from secftp.errors import ConnectionLost, ProtocolError
from secftp.protocol import (
    MESSAGE_TYPES,
    Abort,
    Bye,
    Cancel,
    Capacity,
    CompressedData,
    Copy,
    Data,
    Direction,
    End,
    Entries,
    Error,
    ErrorCode,
    File,
    Files,
    Hole,
    Info,
    Kind,
    List,
    Listed,
    MakeDirectory,
    NewFile,
    Ok,
    Ping,
    Read,
    ReadMany,
    Receiver,
    Remove,
    Rename,
    RequestQueue,
    Results,
    SessionLimits,
    SetAttributes,
    SmallFile,
    Space,
    Stat,
    State,
    Sum,
    Welcome,
    Write,
    WriteMany,
    decode,
    encode,
)
from tests.support.counts import COUNTS

UP, DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
PATH = (b"a",)
DIGEST = bytes(16)
BIG = 65536


def welcome(requests: int = 64, capabilities: tuple[str, ...] = ("zstd", "holes")) -> Welcome:
    limits = SessionLimits(requests=requests, keepalive=15, idle=60)
    return Welcome(version=1, software="s", capabilities=capabilities, limits=limits)


def file(number: int, size: int = 3) -> File:
    return File(id=number, size=size, mtime_ns=0, mode=0)


def info(number: int) -> Info:
    return Info(id=number, kind=Kind.FILE, size=0, mtime_ns=0, mode=0)


def end(size: int) -> End:
    return End(size=size, digest=DIGEST)


ABORT = Abort(code=ErrorCode.CHANGED)
NEW = NewFile(PATH, b"", DIGEST)
LISTED = Listed(PATH, Kind.FILE)


def read_many(number: int, count: int = 3) -> ReadMany:
    return ReadMany(id=number, paths=(PATH,) * count)


def write_many(number: int, count: int = 3) -> WriteMany:
    return WriteMany(id=number, files=(NEW,) * count)


def files(number: int, count: int = 3) -> Files:
    return Files(id=number, files=(SmallFile(None), SmallFile(ErrorCode.NOT_FOUND), SmallFile(None))[:count])


def results(number: int, count: int = 3) -> Results:
    return Results(id=number, codes=(None, ErrorCode.EXISTS, None)[:count])


def part(number: int, *, last: bool = False) -> Entries:
    return Entries(id=number, entries=(LISTED,), last=last)


def error(number: int) -> Error:
    return Error(id=number, code=ErrorCode.NOT_FOUND)


class Session:
    """What both ends see of one session: `up` and `down` play messages in the order they travel."""

    def __init__(self, *, welcomed: bool = True, now: float = 0.0) -> None:
        self.pending = RequestQueue()
        self.to_server = Receiver(UP, self.pending, now)
        self.to_client = Receiver(DOWN, self.pending, now)
        self.now = now
        if welcomed:
            self.down(welcome())

    def up(self, *messages) -> Session:
        for message in messages:
            self.to_server.accept(message, self.now)
        return self

    def down(self, *messages) -> Session:
        for message in messages:
            self.to_client.accept(message, self.now)
        return self

    def refuses_up(self, message) -> None:
        self._refuses(self.to_server, message)

    def refuses_down(self, message) -> None:
        self._refuses(self.to_client, message)

    def _refuses(self, receiver: Receiver, message) -> None:
        with pytest.raises(ProtocolError):
            receiver.accept(message, self.now)
        assert receiver.state is State.FAILED
        with pytest.raises(ProtocolError):  # a failed receiver stays failed
            receiver.accept(Ping(), self.now + 1000)
        with pytest.raises(ProtocolError):
            receiver.accept_data(1)
        with pytest.raises(ConnectionLost):
            receiver.end_of_stream()


# --- all cells ------------------------------------------------------------------------------------------------------

# One legal message for each type byte; the request that a reply answers is made by `reach`.
SAMPLES = {
    0x01: welcome(),
    0x02: Ping(),
    0x03: Data(b"x"),
    0x04: end(0),
    0x05: ABORT,
    0x06: Bye(),
    0x07: CompressedData(1, b"x"),
    0x08: Hole(size=1),
    0x0F: Cancel(id=1),
    0x10: Read(id=9, path=PATH),
    0x11: Write(id=9, path=PATH),
    0x12: Stat(id=9, path=PATH),
    0x13: List(id=9),
    0x14: Remove(id=9, path=PATH),
    0x15: Rename(id=9, path=PATH, to=PATH),
    0x16: MakeDirectory(id=9, path=PATH),
    0x17: Sum(id=9, path=PATH),
    0x18: SetAttributes(id=9),
    0x19: read_many(9),
    0x1A: write_many(9),
    0x1B: Copy(id=9, path=PATH, to=PATH),
    0x1C: Space(id=9),
    0x20: Ok(id=2),
    0x21: error(2),
    0x22: file(2),
    0x23: part(2),
    0x24: info(2),
    0x25: files(2, 1),
    0x26: results(2),
    0x27: Capacity(id=2),
}
ASKS = {
    0x20: Write(id=2, path=PATH),
    0x22: Read(id=2, path=PATH),
    0x23: List(id=2),
    0x24: Stat(id=2, path=PATH),
    0x25: read_many(2),
    0x26: write_many(2),
    0x27: Space(id=2),
}

# The whole table of docs/PROTOCOL.md: what is legal, and where it leads. Everything else closes the connection.
LEGAL = {
    (UP, State.IDLE): {
        0x02: State.IDLE,
        0x06: State.CLOSED,
        0x0F: State.IDLE,
        0x10: State.IDLE,
        0x11: State.WRITING,
        **dict.fromkeys(range(0x12, 0x1D), State.IDLE),
    },
    (UP, State.WRITING): {
        0x02: State.WRITING,
        0x03: State.WRITING,
        0x04: State.IDLE,
        0x05: State.IDLE,
        0x07: State.WRITING,
        0x08: State.WRITING,
        0x0F: State.WRITING,
    },
    (UP, State.CLOSED): {},
    (UP, State.FAILED): {},
    (DOWN, State.START): {0x01: State.IDLE},
    (DOWN, State.IDLE): {
        0x02: State.IDLE,
        0x06: State.CLOSED,
        0x20: State.IDLE,
        0x21: State.IDLE,
        0x22: State.READING,
        **dict.fromkeys(range(0x23, 0x28), State.IDLE),
    },
    (DOWN, State.READING): {
        0x02: State.READING,
        0x03: State.READING,
        0x04: State.IDLE,
        0x05: State.IDLE,
        0x07: State.READING,
        0x08: State.READING,
    },
    (DOWN, State.CLOSED): {},
    (DOWN, State.FAILED): {},
}


def reach(direction: Direction, state: State, number: int) -> Receiver:
    """Bring one direction into `state` by messages alone, with a request open that `number` could answer."""
    session = Session(welcomed=state is not State.START)
    ask = ASKS.get(number, Stat(id=2, path=PATH))
    asks = [ask, end(0)] if isinstance(ask, Write) else [ask]
    if direction is UP:
        session.up(Stat(id=1, path=PATH))
        steps = {State.IDLE: [], State.WRITING: [Write(id=2, path=PATH)], State.CLOSED: [Bye()], State.FAILED: [end(0)]}
        receiver, messages = session.to_server, steps[state]
    else:
        if state is State.READING:
            session.up(Read(id=1, path=PATH, compress=1, holes=True))
        session.up(*asks)
        steps = {
            State.START: [],
            State.IDLE: [],
            State.CLOSED: [Bye()],
            State.READING: [file(1, 0 if number == 4 else 3)],
        }
        receiver, messages = session.to_client, steps.get(state, [end(0)])
    for message in messages:
        if state is State.FAILED:
            with pytest.raises(ProtocolError):
                receiver.accept(message, 0.0)
        else:
            receiver.accept(message, 0.0)
    assert receiver.state is state
    return receiver


def arrive(receiver: Receiver, number: int, direction: Direction) -> None:
    """Take a frame the way an endpoint does: decode, then accept."""
    sample = SAMPLES.get(number)
    _, flags, payload = encode(sample) if sample else (number, 0, b"\x80")
    receiver.accept(decode(number, flags, payload, direction), 0.0)


def test_every_state_type_and_direction(record_property):
    cells = legal = 0
    for (direction, state), row in LEGAL.items():
        for number in range(256):
            receiver = reach(direction, state, number)
            cells += 1
            if number in row:
                arrive(receiver, number, direction)
                assert receiver.state is row[number]
                legal += 1
                continue
            with pytest.raises(ProtocolError):
                arrive(receiver, number, direction)
            if number in SAMPLES:  # the table itself refuses it too, whatever the codec lets through
                with pytest.raises(ProtocolError):
                    receiver.accept(SAMPLES[number], 0.0)
                assert receiver.state is State.FAILED
                with pytest.raises(ProtocolError):
                    receiver.accept_data(1)
    assert set(SAMPLES) == set(MESSAGE_TYPES)
    assert (cells, legal) == (9 * 256, 40)
    what = f"[messages] state x type x direction: {cells} cells, {legal} legal, {cells - legal} refused"
    record_property(COUNTS, what)


def test_the_states_are_those_of_the_table():
    for direction in Direction:
        for state in State:
            known = (direction, state) in LEGAL
            assert known != ((direction, state) in {(UP, State.START), (UP, State.READING), (DOWN, State.WRITING)})


ASKED = {
    "READ": lambda number: Read(id=number, path=PATH),
    "WRITE": lambda number: Write(id=number, path=PATH),
    "STAT": lambda number: Stat(id=number, path=PATH),
    "LIST": lambda number: List(id=number),
    "REMOVE": lambda number: Remove(id=number, path=PATH),
    "RENAME": lambda number: Rename(id=number, path=PATH, to=PATH),
    "MKDIR": lambda number: MakeDirectory(id=number, path=PATH),
    "SUM": lambda number: Sum(id=number, path=PATH),
    "SETATTR": lambda number: SetAttributes(id=number),
    "READMANY": read_many,
    "WRITEMANY": write_many,
    "SPACE": lambda number: Space(id=number),
    "COPY": lambda number: Copy(id=number, path=PATH, to=PATH),
}


# --- compressed data ------------------------------------------------------------------------------------------------


def compressed(clear_size: int) -> CompressedData:
    return CompressedData(clear_size, bytes(BIG - 4))


def test_compressed_data_counts_as_it_was_before():
    """In both directions, mixed with plain data, and to the last byte."""
    for size in (2**20 + 3, None):
        session = Session().up(Write(id=1, path=PATH, size=size), Data(b"abc"), compressed(2**20), end(2**20 + 3))
        session.down(Ok(id=1))
    read = Read(id=1, path=PATH, compress=1)
    Session().up(read).down(file(1, 2**20 + 3), compressed(2**20), Data(b"abc"), end(2**20 + 3))
    Session().up(read).down(file(1, 2**20), compressed(2**20)).refuses_down(Data(b"a"))
    Session().up(read).down(file(1, 2**20 - 1)).refuses_down(compressed(2**20))
    Session().up(Write(id=1, path=PATH, size=7), compressed(7)).refuses_up(end(BIG - 4))
    Session().up(Write(id=1, path=PATH, size=7), compressed(6)).refuses_up(end(6))
    Session().up(Write(id=1, path=PATH, size=7), Data(b"x")).refuses_up(compressed(7))


def test_what_is_thrown_away_counts_as_it_was_before():
    session = Session().up(Write(id=1, path=PATH)).down(error(1))
    for _ in range(256):
        session.up(compressed(2**20))
    session.refuses_up(compressed(1))


def test_compressed_data_comes_only_where_it_is_wanted():
    """A client wants it for each READ, a server of its capability for every WRITE."""
    Session().up(Read(id=1, path=PATH)).down(file(1)).refuses_down(compressed(3))
    later = Session().up(Read(id=1, path=PATH), Read(id=2, path=PATH, compress=19))
    later.down(file(1), Data(b"abc"), end(3), file(2), compressed(3), end(3))
    for names in ((), ("many", "zst", "zstd2")):
        session = Session(welcomed=False).down(welcome(capabilities=names))
        session.up(Write(id=1, path=PATH), Data(b"x")).refuses_up(compressed(1))
        session = Session(welcomed=False).down(welcome(capabilities=names))
        session.up(Read(id=1, path=PATH, compress=1)).down(file(1)).refuses_down(compressed(3))


def test_compressed_data_may_follow_as_soon_as_welcome_has_come():
    session = Session(welcomed=False).up(Write(id=1, path=PATH), Data(b"abc"))
    session.down(welcome()).up(compressed(5), end(8)).down(Ok(id=1))
    Session(welcomed=False).up(Write(id=1, path=PATH), Data(b"abc")).refuses_up(compressed(5))


# --- holes ----------------------------------------------------------------------------------------------------------


def test_a_hole_counts_as_its_zeros():
    """In both directions, mixed with data, and to the last byte."""
    for size in (2**26 + 3, None):
        session = Session().up(Write(id=1, path=PATH, size=size), Data(b"abc"), Hole(size=2**26), end(2**26 + 3))
        session.down(Ok(id=1))
    read = Read(id=1, path=PATH, holes=True)
    Session().up(read).down(file(1, 2**26 + 3), Hole(size=2**26), Data(b"abc"), end(2**26 + 3))
    Session().up(read).down(file(1, 2**26), Hole(size=2**26)).refuses_down(Data(b"a"))
    Session().up(read).down(file(1, 2**26 - 1)).refuses_down(Hole(size=2**26))
    Session().up(Write(id=1, path=PATH, size=7), Hole(size=6)).refuses_up(end(6))
    Session().up(Write(id=1, path=PATH, size=7), Hole(size=7)).refuses_up(end(6))
    Session().up(Write(id=1, path=PATH, size=7), Data(b"x")).refuses_up(Hole(size=7))


def test_a_hole_in_what_is_thrown_away_counts_as_what_travels():
    """A hole may be larger than all that is thrown away of data, but there can't be any number of them."""
    session = Session().up(Write(id=1, path=PATH)).down(error(1))
    for _ in range(8):
        session.up(Hole(size=2**26))
    for _ in range(256 * 1024 - 8):
        session.up(Hole(size=1024))
    session.refuses_up(Hole(size=1))
    session = Session().up(Write(id=1, path=PATH, size=2**30)).down(error(1))
    for _ in range(16):
        session.up(Hole(size=2**26))
    session.refuses_up(Hole(size=1))
    session = Session().up(Write(id=1, path=PATH)).down(error(1)).up(Hole(size=2**26))
    for _ in range(2**12 - 1):
        session.up(Data(bytes(BIG)))
    session.refuses_up(Data(bytes(BIG)))


def test_a_hole_comes_only_where_it_is_wanted():
    Session().up(Read(id=1, path=PATH)).down(file(1)).refuses_down(Hole(size=3))
    later = Session().up(Read(id=1, path=PATH), Read(id=2, path=PATH, holes=True))
    later.down(file(1), Data(b"abc"), end(3), file(2), Hole(size=3), end(3))
    for names in ((), ("many", "hole", "zstd")):
        session = Session(welcomed=False).down(welcome(capabilities=names))
        session.up(Write(id=1, path=PATH), Data(b"x")).refuses_up(Hole(size=1))
        session = Session(welcomed=False).down(welcome(capabilities=names))
        session.up(Read(id=1, path=PATH, holes=True)).down(file(1)).refuses_down(Hole(size=3))
    Session(welcomed=False).up(Write(id=1, path=PATH), Data(b"abc")).refuses_up(Hole(size=5))


# --- ids and replies ------------------------------------------------------------------------------------------------


def test_the_client_need_not_wait_for_welcome():
    session = Session(welcomed=False).up(Write(id=1, path=PATH), Data(b"abc"), end(3))
    session.down(welcome(), Ok(id=1))
    assert len(session.pending) == 0


@pytest.mark.parametrize("number", [5, 4, 1])
@pytest.mark.parametrize("make", ASKED.values(), ids=ASKED)
def test_ids_rise(make, number):
    Session().up(Stat(id=5, path=PATH)).refuses_up(make(number))


def test_ids_may_leave_gaps():
    Session().up(Stat(id=5, path=PATH), Stat(id=6, path=PATH), Stat(id=2**32 - 1, path=PATH))


def test_requests_are_bounded_before_and_after_welcome():
    session = Session(welcomed=False)
    for number in range(1, 17):
        assert not session.pending.full
        session.up(Stat(id=number, path=PATH))
    assert session.pending.full
    session.down(welcome(17)).up(Read(id=17, path=PATH))
    assert session.pending.full
    session.down(info(1)).up(Stat(id=18, path=PATH))
    session.refuses_up(Stat(id=19, path=PATH))


def test_a_read_counts_until_its_file_is_over():
    session = Session(welcomed=False).down(welcome(16)).up(*(Read(id=n, path=PATH) for n in range(1, 17)))
    session.down(file(1, 1), Data(b"x"))
    assert session.pending.full
    session.down(end(1))
    assert not session.pending.full
    session.up(Read(id=17, path=PATH))


@pytest.mark.parametrize("reply", [file(2), error(2), info(2), Ok(id=2), error(3), part(2), files(2), results(2)])
def test_replies_come_in_order(reply):
    Session().up(Read(id=1, path=PATH), Read(id=2, path=PATH)).refuses_down(reply)


@pytest.mark.parametrize("reply", [file(1), error(1), info(1), Ok(id=1), part(1), files(1), results(1), Capacity(id=1)])
def test_a_reply_without_a_request(reply):
    Session().refuses_down(reply)


@pytest.mark.parametrize("reply", [error(1), info(1)])
def test_a_request_is_answered_once(reply):
    Session().up(Stat(id=1, path=PATH)).down(info(1)).refuses_down(reply)


def reply_of_each_kind(number: int):
    whole = Ok(id=number, size=0, digest=DIGEST)
    several = (part(number), files(number), results(number))
    return (file(number), error(number), info(number), whole, *several, Capacity(id=number))


@pytest.mark.parametrize("asked", ASKED)
def test_a_reply_is_of_the_kind_that_was_asked(asked):
    several = {"LIST": Entries, "READMANY": Files, "WRITEMANY": Results}
    answers = {"READ": File, "STAT": Info, "SPACE": Capacity, **several}
    good = {answers.get(asked, Ok), Error}
    for reply in reply_of_each_kind(1):
        session = Session().up(ASKED[asked](1))
        if asked == "WRITE":
            session.up(end(0))
        if type(reply) in good:
            session.down(reply)
        else:
            session.refuses_down(reply)


# --- answers in parts -----------------------------------------------------------------------------------------------


def test_a_listing_lasts_until_its_last_part():
    session = Session().up(List(id=1), Stat(id=2, path=PATH)).down(part(1), Entries(id=1), Ping(), part(1))
    assert len(session.pending) == 2
    session.down(part(1, last=True), info(2))
    assert len(session.pending) == 0


@pytest.mark.parametrize("last", [Entries(id=1, last=True), part(1, last=True)])
def test_nothing_comes_after_the_last_part_of_a_listing(last):
    for more in (part(1), part(1, last=True), error(1)):
        Session().up(List(id=1)).down(part(1), last).refuses_down(more)


@pytest.mark.parametrize("other", [info(2), part(2), error(2), file(1), info(1), Ok(id=1), files(1), results(1)])
def test_nothing_else_is_answered_within_a_listing(other):
    Session().up(List(id=1), List(id=2)).down(part(1)).refuses_down(other)


def test_a_listing_may_fail_at_its_beginning_and_later():
    for parts in ([], [part(1)], [part(1), part(1)]):
        session = Session().up(List(id=1), Stat(id=2, path=PATH)).down(*parts, error(1), info(2))
        assert len(session.pending) == 0


@pytest.mark.parametrize("counts", [[3], [1, 1, 1], [2, 1], [1, 2]])
def test_small_files_come_until_there_is_one_for_each_path(counts):
    session = Session().up(read_many(1), Stat(id=2, path=PATH))
    for count in counts:
        assert len(session.pending) == 2
        session.down(files(1, count))
    session.down(info(2))
    assert len(session.pending) == 0


@pytest.mark.parametrize(("asked", "counts"), [(1, [2]), (3, [2, 2]), (3, [3, 1]), (2, [1, 1, 1]), (2, [3])])
def test_there_are_no_more_small_files_than_were_asked_for(asked, counts):
    session = Session().up(read_many(1, asked))
    *before, last = counts
    for count in before:
        session.down(files(1, count))
    session.refuses_down(files(1, last))


@pytest.mark.parametrize("other", [info(2), files(2), part(1), Ok(id=1), results(1)])
def test_nothing_else_is_answered_within_small_files(other):
    Session().up(read_many(1), read_many(2)).down(files(1, 1)).refuses_down(other)


def test_small_files_may_be_broken_off():
    for parts in ([], [files(1, 1)], [files(1, 2)]):
        Session().up(read_many(1), Stat(id=2, path=PATH)).down(*parts, error(1), info(2))
    Session().up(read_many(1)).down(files(1), Ping()).refuses_down(error(1))


@pytest.mark.parametrize(("asked", "told"), [(1, 2), (2, 1), (3, 1), (1, 3), (2, 3)])
def test_there_is_a_result_for_each_file(asked, told):
    Session().up(write_many(1, asked)).refuses_down(results(1, told))


def test_results_come_once():
    for more in (results(1), results(1, 1), error(1)):
        Session().up(write_many(1)).down(results(1)).refuses_down(more)


@pytest.mark.parametrize("reply", [Ok(id=1), Ok(id=1, size=0), Ok(id=1, digest=DIGEST)])
def test_a_sum_is_answered_with_size_and_digest(reply):
    Session().up(Sum(id=1, path=PATH)).refuses_down(reply)
    session = Session().up(Sum(id=1, path=PATH)).down(Ok(id=1, size=0, digest=DIGEST))
    assert len(session.pending) == 0


def test_a_copy_is_answered_with_its_size():
    copy = Copy(id=1, path=PATH, to=(b"b",))
    for reply in (Ok(id=1), Ok(id=1, digest=DIGEST)):
        Session().up(copy).refuses_down(reply)
    assert len(Session().up(copy).down(Ok(id=1, size=0)).pending) == 0


def test_a_resumed_write_announces_what_follows():
    """The offset counts for no size: neither the bound on DATA nor END's."""
    write = Write(id=1, path=PATH, size=3, offset=1000, prefix=DIGEST)
    Session().up(write, Data(b"abc"), end(3)).down(Ok(id=1))
    Session().up(write, Data(b"abc")).refuses_up(Data(b"d"))
    Session().up(write, Data(b"abc")).refuses_up(end(1003))


def test_only_a_part_ends_with_the_digest_of_the_whole_file():
    last = End(size=3, digest=DIGEST, whole=DIGEST)
    part = Write(id=1, path=PATH, size=3, upload=DIGEST, at=5, total=9)
    session = Session().up(part, Data(b"abc"), last).down(Ok(id=1, complete=True))
    assert len(session.pending) == 0
    Session().up(Write(id=1, path=PATH, size=3), Data(b"abc")).refuses_up(last)
    session.up(Read(id=2, path=PATH)).down(file(2), Data(b"abc")).refuses_down(last)


@pytest.mark.parametrize("last", [[], [Data(b"x")], [ABORT]])
def test_a_file_is_not_confirmed_before_its_end(last):
    Session().up(Write(id=1, path=PATH), *last).refuses_down(Ok(id=1))


def test_a_write_may_fail_early_and_the_rest_is_discarded():
    session = Session().up(Write(id=1, path=PATH, size=3 * BIG), Data(bytes(BIG)))
    session.down(error(1))
    session.up(Data(bytes(BIG)), ABORT, Stat(id=2, path=PATH)).down(info(2))
    assert len(session.pending) == 0


def test_what_comes_after_a_refusal_is_bounded():
    session = Session().up(Write(id=1, path=PATH), Data(b"x")).down(error(1))
    for _ in range(256 * 2**20 // BIG):
        session.to_server.accept_data(BIG)
    with pytest.raises(ProtocolError):
        session.to_server.accept_data(1)
    assert session.to_server.state is State.FAILED


def test_a_refusal_does_not_raise_the_announced_size():
    session = Session().up(Write(id=1, path=PATH, size=2), Data(b"x")).down(error(1)).up(Data(b"x"))
    session.refuses_up(Data(b"x"))


def test_an_aborted_write_is_answered_with_an_error():
    session = Session().up(Write(id=1, path=PATH), Data(b"x"), ABORT, Stat(id=2, path=PATH))
    session.down(error(1), info(2))


# --- sizes ----------------------------------------------------------------------------------------------------------


def started(direction: Direction, size: int | None) -> Receiver:
    session = Session()
    if direction is UP:
        return session.up(Write(id=1, path=PATH, size=size)).to_server
    return session.up(Read(id=1, path=PATH)).down(file(1, size or 0)).to_client


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("size", [0, 1, BIG, BIG + 1, 3 * BIG])
def test_a_file_has_its_announced_size(direction, size):
    receiver = started(direction, size)
    left = size
    while left:
        receiver.accept_data(min(left, BIG))
        left -= min(left, BIG)
    receiver.accept(end(size), 0.0)
    assert receiver.state is State.IDLE


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize(("chunks", "said"), [([], 0), ([4], 4), ([4], 5), ([5], 4), ([5], 6), ([2, 2, 1, 1], 6)])
def test_any_other_size_is_refused(direction, chunks, said):
    receiver = started(direction, 5)

    def send_all() -> None:
        for chunk in chunks:
            receiver.accept_data(chunk)
        receiver.accept(end(said), 0.0)

    with pytest.raises(ProtocolError):
        send_all()
    assert receiver.state is State.FAILED


def test_a_write_of_unknown_size_ends_with_what_was_sent():
    receiver = started(UP, None)
    receiver.accept_data(3)
    receiver.accept_data(BIG)
    receiver.accept(end(BIG + 3), 0.0)
    receiver = started(UP, None)
    receiver.accept_data(3)
    with pytest.raises(ProtocolError):
        receiver.accept(end(4), 0.0)


@pytest.mark.parametrize("direction", Direction)
def test_a_file_may_be_given_up_at_any_length(direction):
    for chunks in ([], [1], [5]):
        receiver = started(direction, 5)
        for chunk in chunks:
            receiver.accept_data(chunk)
        receiver.accept(ABORT, 0.0)
        assert receiver.state is State.IDLE
        with pytest.raises(ProtocolError):
            receiver.accept_data(1)


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("nbytes", [0, -1, BIG + 1, 2**62])
def test_a_data_frame_has_1_to_65536_bytes(direction, nbytes):
    receiver = started(direction, 2**40)
    with pytest.raises(ProtocolError):
        receiver.accept_data(nbytes)
    assert receiver.state is State.FAILED


# --- CANCEL, PING, BYE, the end -------------------------------------------------------------------------------------


def test_cancel_names_a_request_that_was_made():
    session = Session().up(Read(id=3, path=PATH), Cancel(id=3))
    session.down(file(3), Abort(code=ErrorCode.CANCELLED))
    Session().refuses_up(Cancel(id=1))
    Session().up(Read(id=3, path=PATH)).refuses_up(Cancel(id=4))


@pytest.mark.parametrize(
    ("asked", "before"),
    [
        (List(id=1), []),
        (List(id=1), [part(1)]),
        (Sum(id=1, path=PATH), []),
        (Copy(id=1, path=PATH, to=PATH), []),
        (read_many(1), []),
        (read_many(1), [files(1, 2)]),
    ],
)
def test_cancel_ends_other_answers_with_an_error(asked, before):
    session = Session().up(asked, Stat(id=2, path=PATH)).down(*before).up(Cancel(id=1))
    session.down(Error(id=1, code=ErrorCode.CANCELLED), info(2))
    assert len(session.pending) == 0


def test_a_late_cancel_is_no_fault():
    Session().up(Read(id=1, path=PATH)).down(file(1, 0), end(0)).up(Cancel(id=1))


def test_there_are_no_more_cancels_than_requests():
    session = Session().up(Read(id=1, path=PATH), Read(id=2, path=PATH), Cancel(id=2), Cancel(id=1))
    session.refuses_up(Cancel(id=1))


def pinged(direction: Direction, began: float) -> Receiver:
    session = Session(now=began)
    return session.to_server if direction is UP else session.to_client


def takes(receiver: Receiver, now: float, count: int) -> None:
    """`count` PINGs at one moment, and not one more."""
    for _ in range(count):
        receiver.accept(Ping(), now)
    with pytest.raises(ProtocolError):
        receiver.accept(Ping(), now)
    assert receiver.state is State.FAILED


both_directions = pytest.mark.parametrize("direction", Direction)


@both_directions
@pytest.mark.parametrize(("now", "count"), [(100.0, 30), (100.95, 30), (101.0, 31), (102.99, 32), (160.0, 90)])
def test_pings_are_limited_to_30_and_one_a_second(direction, now, count):
    takes(pinged(direction, 100.0), now, count)


@both_directions
def test_one_ping_a_second_is_never_too_many(direction):
    receiver = pinged(direction, 0.0)
    for second in range(5000):
        receiver.accept(Ping(), float(second))


@both_directions
def test_what_was_taken_is_spent(direction):
    receiver = pinged(direction, 5.0)
    for now, count in ((5.0, 30), (6.0, 1), (106.0, 100)):
        for _ in range(count):
            receiver.accept(Ping(), now)
    takes(receiver, 106.95, 0)


@both_directions
def test_pings_that_gathered_for_an_hour_are_taken_at_once(direction):
    """Such as by a server in a slow READ, which finds them in its buffers when it comes to receive again."""
    takes(pinged(direction, 5000.0), 5000.0 + 3600, 30 + 3600)


@both_directions
def test_a_clock_that_steps_back_gives_nothing_and_takes_nothing(direction):
    takes(pinged(direction, 100.0), 0.0, 30)
    receiver = pinged(direction, 100.0)
    receiver.accept(Ping(), 110.0)
    takes(receiver, 50.0, 39)


def test_bye_closes_one_direction_only():
    session = Session().up(Stat(id=1, path=PATH), Bye()).down(info(1), Bye())
    session.to_server.end_of_stream()
    session.to_client.end_of_stream()


@pytest.mark.parametrize("messages", [[], [Write(id=1, path=PATH)], [Write(id=1, path=PATH), Data(b"x"), end(1)]])
def test_an_end_without_bye_is_truncation(messages):
    receiver = Session().up(*messages).to_server
    with pytest.raises(ConnectionLost):
        receiver.end_of_stream()


def test_an_end_before_welcome_is_truncation():
    with pytest.raises(ConnectionLost):
        Session(welcomed=False).to_client.end_of_stream()
