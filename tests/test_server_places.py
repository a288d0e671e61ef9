"""Who may have how many sessions: counted, without a server."""

from __future__ import annotations

import pytest

from secftp.record import Mode, Password
from secftp.server.access import NO_RIGHTS, Access, Grant, NamedKey
from secftp.server.fairness import source_address
from secftp.server.limits import ServerLimits
from secftp.server.session_limits import SessionClaim, SessionLimit, SessionSlots
from tests.serving import KEY, WRONG_KEY

PASSWORD = Password.anonymous()  # nobody proves anything in here


def anonymous(host="192.0.2.1", *, contested=True):
    return SessionClaim(source_address(host), Grant(PASSWORD, Mode.ANONYMOUS, NO_RIGHTS, contested=contested))


def keyed(host="192.0.2.1", name="", *, contested=True):
    return SessionClaim(source_address(host), Grant(PASSWORD, Mode.KEYED, NO_RIGHTS, name, contested=contested))


def fill(places, make, most=1000):
    """Take as many places as there are for these; how many, and what kept the next one out."""
    for number in range(most):
        wanted = make(number)
        if (bound := places.bound(wanted, proved=True)) is not None:
            return number, bound
        places.take(wanted)
    return most, None


def host(number):
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def scattered(number):
    """An address in a /16 of its own."""
    return f"{number % 200 + 11}.{number // 200}.0.1"


def test_anonymous_clients_take_half_and_key_holders_have_the_rest():
    places = SessionSlots(ServerLimits(), 256)
    assert fill(places, lambda number: anonymous(host(number))) == (128, SessionLimit.ANONYMOUS)
    assert fill(places, lambda number: keyed(scattered(number), contested=False)) == (128, SessionLimit.ALL)


def test_where_there_is_no_key_anonymous_clients_have_all():
    assert fill(SessionSlots(ServerLimits(), 256), lambda number: anonymous(scattered(number), contested=False)) == (
        256,
        SessionLimit.ALL,
    )


@pytest.mark.parametrize(
    "network",
    ["10.1.2.{}", "10.1.{}.1", "2001:db8:{:x}::"],
    ids=["an IPv4 /24", "an IPv4 /16", "an IPv6 /32"],
)
def test_a_network_leaves_one_place_in_eight_to_others(network):
    places = SessionSlots(ServerLimits(), 256)
    assert fill(places, lambda number: keyed(network.format(number), contested=False)) == (224, SessionLimit.SOURCE)
    assert fill(places, lambda number: keyed(f"192.0.2.{number}", contested=False)) == (28, SessionLimit.SOURCE)


def test_one_key_among_several_takes_half_and_others_always_find_a_place():
    places = SessionSlots(ServerLimits(), 256)
    taken = [fill(places, lambda number, name=name: keyed(f"{ord(name)}.{number}.0.1", name))[0] for name in "abcdefgh"]
    assert taken == [128, 64, 32, 16, 8, 4, 2, 1]


def test_a_single_key_has_all_places_and_one_address_half_of_them():
    assert fill(SessionSlots(ServerLimits(), 256), lambda number: keyed(scattered(number), contested=False)) == (
        256,
        SessionLimit.ALL,
    )
    places = SessionSlots(ServerLimits(), 256)
    assert fill(places, lambda _: keyed(contested=False)) == (128, SessionLimit.SOURCE)
    assert fill(places, lambda _: keyed("192.0.2.2", contested=False)) == (64, SessionLimit.SOURCE)


def test_an_ipv6_site_has_half_of_the_places_however_many_networks_it_has():
    places = SessionSlots(ServerLimits(), 256)
    assert fill(places, lambda number: keyed(f"2001:db8:1:{number:x}::", contested=False)) == (128, SessionLimit.SOURCE)
    assert places.bound(keyed("2001:db8:2::", contested=False), proved=True) is None


def test_who_comes_from_the_address_of_a_flood_under_another_key_is_no_part_of_it():
    places = SessionSlots(ServerLimits(), 256)
    assert fill(places, lambda _: anonymous()) == (128, SessionLimit.SOURCE)
    assert fill(places, lambda _: keyed(name="a")) == (64, SessionLimit.SOURCE)
    assert fill(places, lambda _: keyed(name="b")) == (32, SessionLimit.SOURCE)


@pytest.mark.parametrize("most", [1, 2, 32])
def test_a_small_server_is_all_for_one_address(most):
    assert fill(SessionSlots(ServerLimits(), most), lambda _: keyed(contested=False)) == (most, SessionLimit.ALL)


def test_numbers_of_the_operator_s_count_instead():
    limits = ServerLimits(max_clients_per_source=200, max_clients_per_key=150, max_anonymous=3)
    assert fill(SessionSlots(limits, 256), lambda _: keyed(contested=False)) == (150, SessionLimit.KEY)
    assert fill(SessionSlots(limits, 256), lambda number: keyed(name=str(number % 9))) == (200, SessionLimit.SOURCE)
    assert fill(SessionSlots(limits, 256), lambda _: anonymous(contested=False)) == (3, SessionLimit.ANONYMOUS)


def test_before_the_proof_nothing_tells_which_keys_there_are():
    places = SessionSlots(ServerLimits(max_clients_per_key=1), 256)
    places.take(keyed("192.0.2.1", "me"))
    assert places.bound(keyed("192.0.2.2", "me"), proved=False) is None
    assert places.bound(keyed("192.0.2.2", "me"), proved=True) is SessionLimit.KEY
    assert fill(places, lambda _: keyed(name="other")) == (1, SessionLimit.KEY)
    places = SessionSlots(ServerLimits(max_clients_per_key=256), 256)
    assert fill(places, lambda _: keyed(name="me")) == (128, SessionLimit.SOURCE)
    assert places.bound(keyed(name="me"), proved=False) is None


def test_places_that_were_left_are_free_again_and_leave_nothing():
    places = SessionSlots(ServerLimits(), 64)
    wanted = [keyed(host(1), "a"), anonymous(host(2)), keyed("2001:db8::1", "b")] * 5
    for place in wanted:
        places.take(place)
    for place in wanted:
        places.leave(place)
    assert not places._of
    assert fill(places, lambda number: anonymous(host(number))) == (32, SessionLimit.ANONYMOUS)


@pytest.mark.parametrize(
    ("key", "named", "everybody", "contested"),
    [
        (KEY, (), False, {"": False}),
        (KEY, (), True, {"": False, None: True}),
        (None, ("a",), False, {"a": False}),
        (KEY, ("a",), False, {"": True, "a": True}),
        (None, ("a", "b"), True, {"a": True, "b": True, None: True}),
        (None, (), True, {None: False}),
    ],
)
def test_who_has_others_beside_it(key, named, everybody, contested):
    keys = {name: NamedKey(WRONG_KEY.password(), NO_RIGHTS) for name in named}
    access = Access(key, named=keys, anonymous=everybody)
    from tests.test_server_access import hello

    for name, expected in contested.items():
        asked = hello(mode=Mode.ANONYMOUS) if name is None else hello(name)
        assert access.decide(asked).contested is expected
