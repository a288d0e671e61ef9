"""Sessions and tokens of all servers: what a server does with what Redis says."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from secftp.crypto import Mode, Password
from secftp.protocol import Algorithm
from secftp.server.access import NO_RIGHTS, Grant
from secftp.server.fairness import source_address
from secftp.server.options import ServerLimits
from secftp.server.registry import ConnectionRegistry
from secftp.server.requests.idempotency import CompletedChanges, CompletedCopies, ConfirmedFiles, OwnConfirmedFiles
from secftp.server.session_limits import Condition, SlotClaim, SlotCounter, SlotLimit
from secftp.server.shared.scripts import CHANGE, CLAIM, GET, KEEP, PUT, SYNCHRONIZE, TAKE
from secftp.server.shared.slots import SharedSlots
from secftp.server.shared.tables import SharedTable
from secftp.storage import LocalStore
from tests.server.shared.fakes import NAMES, FakeRedis, Unstarted

PASSWORD = Password.anonymous()  # no client proves anything in here


def claim(host="192.0.2.1", name="one", *, contested=True):
    mode = Mode.ANONYMOUS if name is None else Mode.KEYED
    return SlotClaim(source_address(host), Grant(PASSWORD, mode, NO_RIGHTS, name or "", contested=contested))


def judge(counts, conditions, instead_of=()):
    """What the script does: the first condition that is full."""
    free = conditions[0].bound - (counts[conditions[0].what] - list(instead_of).count(conditions[0].what))
    for condition in conditions:
        bound = condition.times * free if condition.times else condition.bound
        if counts[condition.what] - list(instead_of).count(condition.what) >= bound:
            return condition
    return None


@pytest.mark.parametrize("most", [8, 40, 256])
@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"max_clients_per_source": 3},
        {"max_clients_per_key": 5},
        {"max_anonymous": 2},
        {"max_clients_per_source": 4, "max_clients_per_key": 9, "max_anonymous": 1},
    ],
)
def test_the_conditions_are_those_of_a_server_alone(most, limits):
    """Counted elsewhere, they refuse the same sessions, for the same reason."""
    draw = random.Random(most)
    slots, counts, inside = SlotCounter(ServerLimits(**limits), most), Counter(), []
    hosts = ["192.0.2.1", "192.0.2.2", "192.0.3.1", "10.0.0.1", "2001:db8:1:2::", "2001:db8:1:3::", "2001:db8:9::"]
    for _ in range(4000):
        if inside and draw.random() < len(inside) / (2 * most):
            gone = inside.pop(draw.randrange(len(inside)))
            slots.remove(gone)
            counts.subtract(gone.counted)
            continue
        busy = draw.random() < 0.6  # most come from one address, with a key that others do not share
        host, name = (hosts[0], "one") if busy else (draw.choice(hosts), draw.choice(["one", "two", None]))
        new = claim(host, name, contested=not busy)
        alone = slots.limit_for(new, proved=True)
        elsewhere = judge(counts, slots.conditions_for(new))
        assert alone is (None if elsewhere is None else elsewhere.limit)
        if alone is None:
            slots.add(new)
            counts.update(new.counted)
            inside.append(new)


class World:
    """A server's slots and a Redis; `answers` of TAKE one after the other, 0 after the last."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.redis = FakeRedis(self._answer)
        self.link = Unstarted(self.redis)
        self.slots = SharedSlots(self.link, NAMES)
        self.link.on_beat = [self.slots.synchronize]
        self.link.start()
        self.redis.calls.clear()
        self.registry = ConnectionRegistry(ServerLimits(), 256, self.slots)

    def _answer(self, script, keys, values):
        return self.answers.pop(0) if script is TAKE and self.answers else 0

    def told(self):
        """All counts, as the next heartbeat says."""
        self.link.step()
        values = [values for script, _, values in self.redis.calls if script is SYNCHRONIZE][-1][3:]
        return dict(zip(values[::2], values[1::2], strict=True))

    def total(self):
        return self.told().get(NAMES.of("slot", "all"), 0)


class Connection:
    """A connection in the registry."""

    def __init__(self, made=None):
        self.claim = made or claim()
        self.refused_by = None


def enter(world, connection=None):
    connection = connection or Connection()
    assert world.registry.add(connection)
    world.registry.count_everywhere(connection)
    return connection


def test_a_session_is_counted_once_and_only_while_it_is_there():
    world = World()
    first, second = enter(world), enter(world)
    assert world.total() == 2
    world.registry.remove(first)
    world.registry.remove(first)
    assert world.total() == 1
    world.registry.remove(second)
    assert world.told() == {}


def test_one_that_is_refused_elsewhere_is_not_counted_and_keeps_its_slot_here_until_it_is_told():
    world = World(1)
    world.registry = ConnectionRegistry(ServerLimits(), 1, world.slots)
    refused = enter(world)
    assert refused.refused_by is SlotLimit.ALL
    assert world.total() == 0
    assert world.registry.all() == [refused]
    assert enter(world).refused_by is SlotLimit.ALL
    world.registry.remove(refused)
    assert world.told() == {}
    assert enter(world).refused_by is None


def test_one_that_has_no_slot_here_is_not_asked_about():
    world = World()
    world.registry = ConnectionRegistry(ServerLimits(), 1, world.slots)
    enter(world)
    world.redis.calls.clear()
    assert enter(world).refused_by is SlotLimit.ALL
    assert world.redis.calls == []


def test_without_redis_sessions_are_let_in_and_told_of_later():
    world = World()
    world.redis.away = True
    inside = [enter(world) for _ in range(3)]
    assert all(connection.refused_by is None for connection in inside)
    world.registry.remove(inside.pop())
    world.redis.away = False
    assert world.total() == 2


def test_a_redis_that_does_not_know_this_server_lets_in_and_is_told_all():
    world = World(-1)
    assert enter(world).refused_by is None
    assert world.link._beat_at == 0.0, "at once"
    assert world.total() == 1


@pytest.mark.parametrize("answer", [99, b"x", [], [1, 2], "1.5"])
def test_an_answer_that_makes_no_sense_lets_in_and_counts_as_a_loss(answer):
    world = World(answer)
    assert enter(world).refused_by is None
    assert not world.link.is_up


def stream_of(world, made=None):
    stream = enter(world, Connection(made))
    assert world.registry.decide(stream, additional=True) is None
    return stream


@pytest.mark.parametrize("additional", [False, True])
def test_an_additional_stream_gives_its_slot_for_one_that_others_leave_none(additional):
    world = World(0, 1, 0)
    stream = stream_of(world)
    new = enter(world)
    assert new.refused_by is None
    assert world.total() == 1, "one slot for both until it is known what it is"
    ending = world.registry.decide(new, additional=additional)
    assert ending is (new if additional else stream)
    assert world.total() == 1
    world.registry.remove(ending)
    assert world.total() == 1
    world.registry.remove(stream if additional else new)
    assert world.told() == {}


def test_a_stream_whose_slot_helps_nothing_keeps_it():
    world = World(0, 1, 1)
    stream = stream_of(world)
    new = enter(world)
    assert new.refused_by is SlotLimit.ALL
    assert world.total() == 1
    world.registry.remove(new)
    assert world.registry.decide(stream, additional=True) is None
    world.registry.remove(stream)
    assert world.told() == {}


def test_a_slot_that_was_lent_here_is_not_counted_twice():
    world = World()
    world.registry = ConnectionRegistry(ServerLimits(), 1, world.slots)
    stream = stream_of(world)
    new = enter(world)
    assert new.refused_by is None
    assert world.total() == 1
    world.registry.remove(new)  # it has left without a request: the stream has its slot again
    assert world.total() == 1
    world.registry.remove(stream)
    assert world.told() == {}


def test_a_lender_that_leaves_first_is_not_counted_any_more():
    world = World()
    world.registry = ConnectionRegistry(ServerLimits(), 1, world.slots)
    stream, new = stream_of(world), None
    new = enter(world)
    world.registry.remove(stream)
    assert world.total() == 1
    world.registry.remove(new)
    assert world.told() == {}


def test_changes_between_signs_of_life_are_told_at_once():
    world = World()
    connection = enter(world)
    world.registry.remove(connection)
    (values,) = [values for script, _, values in world.redis.calls if script is CHANGE]
    assert list(values[4:]) == [NAMES.of("slot", what) for what in connection.claim.counted]


def test_names_say_nothing():
    world = World()
    enter(world, Connection(claim("203.0.113.77", "backup-key")))
    CompletedChanges(SharedTable(world.link, NAMES, "changes", 9)).note(b"\xabtoken\xab" * 2)
    world.told()
    text = repr(world.redis.calls)
    for hidden in ("203.0.113", "backup-key", "token", str(source_address("203.0.113.77").address[2])):
        assert hidden not in text


def test_conditions_are_bounds_or_shares():
    assert Condition(SlotLimit.ALL, "all", 3).times == 0


# --- tokens -----------------------------------------------------------------------------------------------------------


class Table:
    """Two servers' views of one table."""

    def __init__(self):
        self.values, self.claims = {}, {}
        self.redis = FakeRedis(self._answer)

    def of(self, kind="changes"):
        link = Unstarted(self.redis)
        link.start()
        return SharedTable(link, NAMES, kind, 9)

    def _answer(self, script, keys, values):
        if script is PUT:
            self.values |= {(keys[0], name): value for name, value in zip(values[2::2], values[3::2], strict=True)}
        elif script is GET:
            return self.values.get((keys[0], values[0]))
        elif script is CLAIM:
            return int(self.claims.setdefault(keys[0], values[0]) == values[0])
        elif script is KEEP and not values[1]:
            self.claims = {key: holder for key, holder in self.claims.items() if (key, holder) != (keys[0], values[0])}
        return 0


TOKEN = bytes(range(16))


def test_a_change_is_known_to_the_other_server():
    table = Table()
    one, other = CompletedChanges(table.of()), CompletedChanges(table.of())
    assert not other.contains(TOKEN)
    one.note(TOKEN)
    assert other.contains(TOKEN)
    assert not other.contains(bytes(16))
    assert not other.contains(None)
    one.note(None)
    table.redis.away = True
    assert one.contains(TOKEN), "it knows its own"
    assert not other.contains(TOKEN)
    assert not other.contains(TOKEN)


def test_what_a_server_knows_itself_it_does_not_ask_for():
    table = Table()
    one = CompletedChanges(table.of())
    one.note(TOKEN)
    table.redis.calls.clear()
    assert one.contains(TOKEN)
    assert table.redis.calls == []


def test_a_copy_is_known_and_waited_for_at_the_other_server():
    table = Table()
    one, other = CompletedCopies(table.of("copies")), CompletedCopies(table.of("copies"))
    waited = []

    def check():
        waited.append(1)
        if len(waited) == 2:
            raise TimeoutError

    with one.only_one(TOKEN, lambda: None):
        with pytest.raises(TimeoutError), other.only_one(TOKEN, check):
            pytest.fail("two copies with one token")
        one.note(TOKEN, 12345)
    with other.only_one(TOKEN, lambda: None):
        assert other.find(TOKEN) == 12345
    assert table.claims == {}


def test_a_copy_without_redis_is_made(tmp_path):
    table = Table()
    copies = CompletedCopies(table.of("copies"))
    table.redis.away = True
    with copies.only_one(TOKEN, lambda: pytest.fail("it waits for Redis")):
        assert copies.find(TOKEN) is None
        copies.note(TOKEN, 1)
    assert copies.find(TOKEN) == 1


@pytest.mark.parametrize("value", [b"", b"-1", b"x", b"1.5"])
def test_a_size_that_is_none_is_not_known(value):
    table = Table()
    one, other = table.of("copies"), CompletedCopies(table.of("copies"))
    one.put([(TOKEN, value)])
    assert other.find(TOKEN) is None


@pytest.fixture
def files(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    with LocalStore(tmp_path) as store:
        yield store


def confirmed(table, store, owner="key me", *, may_read=False):
    return OwnConfirmedFiles(ConfirmedFiles(table.of("files")), store, owner, may_read=may_read)


def test_a_confirmed_file_is_known_to_the_other_server_once_it_is_told(files):
    table = Table()
    one, other = confirmed(table, files), confirmed(table, files)
    one.note(TOKEN, (b"f",), Algorithm.XXH128, b"digest")
    assert other.find(TOKEN, (b"f",), Algorithm.XXH128) is None
    one.flush()
    one.flush()
    assert table.redis.scripts().count(PUT) == 1
    assert other.find(TOKEN, (b"f",), Algorithm.XXH128) == b"digest"
    for token, owner in ((bytes(16), "key me"), (TOKEN, "key other"), (TOKEN, "anonymous")):
        assert confirmed(table, files, owner).find(token, (b"f",), Algorithm.XXH128) is None


def test_a_file_that_was_replaced_is_not_the_confirmed_one_at_the_other_server(files, tmp_path):
    table = Table()
    one, other = confirmed(table, files), confirmed(table, files)
    one.note(TOKEN, (b"f",), Algorithm.XXH128, b"digest")
    one.flush()
    (tmp_path / "g").write_bytes(b"abc")
    (tmp_path / "g").rename(tmp_path / "f")
    assert other.find(TOKEN, (b"f",), Algorithm.XXH128) is None


def test_the_device_is_no_part_of_what_servers_compare(files, monkeypatch):
    """It is the number of a mount, which two machines with one file system do not have in common."""
    table = Table()
    one, other = confirmed(table, files), confirmed(table, files)
    one.note(TOKEN, (b"f",), Algorithm.XXH128, b"digest")
    one.flush()
    identity = files.identity((b"f",))
    monkeypatch.setattr(LocalStore, "identity", lambda _self, _path: (identity[0] + 1, identity[1]))
    assert other.find(TOKEN, (b"f",), Algorithm.XXH128) == b"digest"


@pytest.mark.parametrize(("may_read", "may_replace", "told"), [(True, True, 0), (True, False, 1), (False, True, 1)])
def test_only_what_may_be_asked_for_is_told(files, may_read, may_replace, told):
    table = Table()
    one = confirmed(table, files, may_read=may_read)
    one.note(TOKEN, (b"f",), Algorithm.XXH128, b"digest", may_replace=may_replace)
    one.flush()
    assert table.redis.scripts().count(PUT) == told
